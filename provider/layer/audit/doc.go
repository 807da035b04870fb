// Package audit is the layer that writes down what sockets do: one JSON object
// a line, for each step in the life of a socket. It observes and changes
// nothing, and no disk can stop it from doing so.
//
//	{"time":"2026-05-01T12:00:00.1Z","event":"connect","chain":"web over [TCP/IP]","socket":7,"pid":4711,"uid":1000,"exe":"/usr/bin/curl",
//	 "family":"inet","type":"stream","protocol":"tcp","dst":"192.0.2.7:443","names":["example.com"],
//	 "verdict":{"action":"allow","layer":"policy","rule":"allow example.com:443","pos":"web.yaml:4:12"}}
//
// [Record] documents the fields; names stay, and new ones may be added. What is
// not known is left out. Who has opened a socket is looked up for its first line if
// Config.Owners says so, and written as far as it is known anyway.
//
// # Events
//
//	start     a program is about to run: argv, and what holds it
//	open      a socket was made by WSPSocket
//	connect   WSPConnect was called; error is what it returned at once
//	listen    WSPListen was called
//	accept    a connection was taken, or the first datagram of a client of a
//	          published port; src is the peer
//	join      WSPJoinLeaf was called, or an option set that joins a group
//	send      a datagram socket sent to a destination for the first time, or
//	          under another verdict than before
//	close     the socket was closed, with the totals of its life
//	lookup    a query to the name service was answered: query is the type of the
//	          records, answers are addresses; refused by a rule, it has an error
//	…         another decision that no socket stands for; see Layer.Witness
//	dropped   lines are missing here, so many
//
// A connection attempt that goes on in the background has no outcome when its
// connect line is written. The close line has it: error is the code that
// readiness gives as the cause, and reason says of what. So no data entry is
// replaced, and readiness neither: bytes are those that the base counts on the
// socket (law 15), and are not looked at. Of datagrams it is told where they go
// (provider.StartupRequest.ObserveSends), as one socket may serve many destinations.
// It remembers 1024 of them; past that it forgets all, and lines may come again.
//
// The layer sees what passes its own place in the chain: an operation that a
// layer above denies does not reach it, so it stands first. Above a layer of
// package kit, bytes still on their way when the application closes are not in
// the totals.
//
// # The file
//
// It is opened for appending, made with mode 0600, and shared by all chains and
// versions that name it: one writer, one queue. A line is written whole or not at
// all: if the disk fills within one, the half is taken back; where that cannot
// be (a pipe), the rest follows as soon as it can. Operations only queue: while
// nothing can be written, lines wait in memory (Config.Buffer), then are dropped,
// counted ([Layer.Dropped]) and, later, the gap is noted in the file itself. The
// failure is logged when it begins and when it ends. What is queued when the
// last chain ends is written before it has ended.
package audit
