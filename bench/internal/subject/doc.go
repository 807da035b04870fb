//go:build linux

// Package subject is netnsd as it is measured: a process with a stack behind a
// TUN in the client's namespace, and either a gateway, put together as `netnsd
// run` does it, or servers on sockets of the stack itself. The naive variant is
// the same over a link as everybody would write it first.
package subject
