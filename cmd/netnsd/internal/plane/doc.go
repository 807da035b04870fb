//go:build linux

// Package plane carries the bytes of one network inside: its device, the stack
// on it, the gateway, and the session that makes the sockets outside. `run` has
// one, the daemon one for each attachment.
//
//	device ── stack ── gateway ── session: sockets of a chain
//
// A plane knows neither how its device came to be nor what its rules are: who
// makes it hands it a session, whose catalog holds the chains, and later a
// device. From its creation on the rules hold; what it lacks until Attach is
// something to read from.
package plane
