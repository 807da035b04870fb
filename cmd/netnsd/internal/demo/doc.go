//go:build linux

// Package demo shows netnsd at work, without the internet: two HTTP servers on
// this host, a client that knows nothing of netnsd, and rules that let it reach
// one of them. What is shown is what a user would type and see.
//
// Where namespaces or /dev/net/tun are not to be had, the client is a second
// stack in this process, on an in-memory link to the same gateway and chain.
package demo
