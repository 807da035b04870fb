// Package tuntest helps to test what stands on package tun: an in-memory twin of a device (Pipe), a private network
// namespace for a test (NetNS), and a conformance suite (Conform) for anybody's implementation of Device.
package tuntest

import "time"

// Device is the data path of a tun.Device, as package tun documents it. Package stack declares the same for itself.
type Device interface {
	Queues() int
	MTU() int
	HeaderLen() int
	Offloads() uint32
	TAP() bool
	ReadPacket(q int, bufs [][]byte) (int, error)
	WritePacket(q int, bufs [][]byte) (int, error)
	WaitWritable(q int, deadline time.Time) error
	Close() error
}
