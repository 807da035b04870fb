//go:build linux

// Package contender sets up who is compared: kernels over a veth pair or the
// loopback, pasta, slirp4netns, tun2socks, and netnsd in its modes. All stand
// between a client's namespace of their own and the one namespace of the host,
// where the servers are.
//
//	client's namespace            host's namespace
//	load ── veth, tap or TUN ──┬── contender ── sockets ── servers 10.9.0.1
//	                           └── or the servers themselves: veth, mode "sockets"
package contender
