//go:build linux

// Package replay asks policies about what an audit file recorded: `netnsd policy
// diff`. It asks the function that the sockets ask, Policy.Decide, and has no
// opinion of its own.
//
// Replayed are lookups, connections, first datagrams, groups joined, sockets that
// listened and what they took, and the server names that ClientHellos asked for
// (of which the close line knows). What the gateway refused before there was a
// socket reached no policy and is left out. The file does not know what the program
// would have done after a denial, nor what no layer read while it ran: without a rule by
// name, and without --learn, no ClientHello.
package replay
