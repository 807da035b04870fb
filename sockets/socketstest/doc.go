// Package socketstest says what a network must do to be taken for the kernel's
// by a Go program, and tests it: nettest.TestConn, a table of probes of what
// users of package net rely on, and loads (HTTP, TLS, HTTP/2, many streams at a
// time with checksums).
//
// Everything runs over a [Pair] of networks, so that the same expectations are
// held against package net itself, which keeps them honest ([Kernel]), and
// against sessions over any base and any chain. A base of one's own is tested by
//
//	func TestFace(t *testing.T) {
//		socketstest.TestConnFace(t, func(t *testing.T) socketstest.Pair { … })
//	}
//
// The pair is made anew for each probe and ends with its test.
package socketstest
