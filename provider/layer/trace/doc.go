// Package trace is the layer that writes down what sockets are asked to do, one line for
// each operation of the application, as strace(1) does for system calls.
//
//	12:00:00.123456 #17 curl[4711] socket inet stream tcp = 0 <14µs>
//	12:00:00.123502 #17 curl[4711] connect 203.0.113.1:443 = 0 <1.2ms>
//	12:00:00.124810 #17 curl[4711] send 517 "\x16\x03\x01\x02\x00"... = 517 <9µs>
//	12:00:00.124842 #17 curl[4711] recv 16384 = 1448 <23.1ms>
//	12:00:00.147990 #17 curl[4711] setsockopt IPPROTO_TCP TCP_NODELAY [1] = 0 <2µs>
//	12:00:00.148101 #17 curl[4711] close background = 0 <8µs>
//
// A line has the time at which the operation began, the number of the socket in its
// session (#- is none), the process as far as it is known (nobody is asked for it), the
// operation with its arguments, what came of it, and how long it took. Data operations
// have the size of their buffers, flags and, if Config.Data says so, the first bytes;
// sendto and recvfrom the address. Errors, options, ioctls and flags have the SDK's
// names; an option of four bytes is shown as the number that it is. Lines come in the
// order in which operations end.
//
// [Record] documents the other form, JSON Lines (Config.JSON).
//
// # One operation, one line
//
// Operations do not block here (law 2 of package provider): a receive that waits is
// tried, finds WSAEWOULDBLOCK and is tried again, which says so (MSG_PENDED, law 7). That
// is one line, from the first try to the last. A receive or send that was not blocking,
// found nothing and told its caller so has no line either: the next one of the kind that
// moves something, or fails, says how many there were (again=3). accept does not say
// that it is a retry: its time runs from the first try that found nothing. A connection
// attempt, and a socket that lingers when it is closed, is one line when it has ended.
// What had not ended when the socket was closed has a question mark for a result.
//
// Ready and Watch, with which others find out when to try again, are no operations of
// the application and have no lines. What a layer above answers itself does not get here:
// where the layer stands in the chain says what it sees. Extension functions (AcceptEx,
// TransmitFile …) appear as what they are made of (law 12).
//
// # What is traced
//
// Config.Ops is a set of operations, as ParseOps reads it: "connect,close", "control",
// "!recv". Config.To are destinations: then a socket has lines from the moment that
// it connects to one of them, or is accepted from one; of other sockets the operations
// are shown that name one themselves, such as sendto. A socket of a gateway has its
// destination from its birth. Operations without a socket are left out then.
//
// # Where lines go
//
// To a file or a writer, which all chains share that name it, by way of a queue of
// Config.Buffer bytes. Operations only queue and never wait. What does not fit, and
// what cannot be written, is dropped and counted ([Layer.Dropped]), and a line stands
// there:
//
//	12:00:03.000000 #- dropped 12 lines
//
// When the last chain with the layer ends, what is queued is written before it has
// ended, so a writer that blocks for ever keeps it from ending.
//
// Data may hold secrets: it is not written unless Config.Data asks for it, and a file is
// made with mode 0600.
//
// # Cost
//
// With data operations, as by default, the layer stands in the path of the bytes, and a
// gateway's short cuts are closed to it (provider.Socket.Direct is nil). For each data
// operation, on 2 cores (BenchmarkData):
//
//	a line of text            440 ns
//	with 32 bytes of data     570 ns
//	a line of JSON           2600 ns and 4 allocations
//	another destination       110 ns, no allocation: the clock and who it is for
//	without data operations     0
//
// A stream that connected to none of Config.To is left alone from then on: the layer steps
// aside.
//
// Without data operations (Ops: Control) it replaces no data entry: bytes pass it by, and
// Direct is there as soon as a stream is connected. To know when that is it replaces
// Ready for streams, if connect is traced, and steps aside after it. A socket that is
// used again for another connection (DisconnectEx) has no further lines of data where the
// layer has stepped aside, and the line of its later connects waits for the next
// operation of it.
package trace
