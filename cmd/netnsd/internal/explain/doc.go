//go:build linux

// Package explain says what would become of a connection, without making it:
// which entry of the catalog it takes and why, what each layer that decides says
// to it, and which base it would leave by. It asks the functions that run asks,
// Snapshot.Resolve and Chain.Explain; it has no opinion of its own.
package explain
