//go:build linux

// Package storey measures what a layer costs: a connection, which is made and closed,
// and a data operation, which is WSPSend and WSPRecv of a connected stream, through the real provider/base over a driver
// that does nothing, with the layer and without. What is told is the difference,
// in nanoseconds an operation, so that the base's own share is not in it.
package storey
