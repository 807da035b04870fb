//go:build linux

// Package load is the load of a comparison: the client, a process of its own in
// the client's namespace, and the servers, in a process of their own behind the
// contenders or, where a contender is the server, inside it.
//
// The ends are as lean as they can be, since what they cost is cost of every
// contender and moves every ratio towards 1: few connections are served by
// blocking system calls, a thread each, like a C program's; many by Go's poller.
//
// What counts is what arrives. Servers count it in a Page that the client maps,
// so that both ends of the window are read by one clock.
package load
