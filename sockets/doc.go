// Package sockets is where a program meets a catalog of providers: it opens
// sockets through chains, waits for them, and shows them as package net would.
//
// It is not the place for policies and transformations (layers), for the socket
// state machine (provider/base), nor for networks (drivers). It serves a program
// that imports it; a program that does not know of it is served by the gateway,
// in the folder below.
//
// # The two faces
//
// Below, everything is Winsock: a [provider.ProcTable] per chain, codes
// ([wsa.Errno]), readiness. [Session.Socket] hands that out as it is, to who
// waits by other means (an event loop) and keeps the laws of package provider.
//
// One face is Winsock's own: [Session.ProcTable] is the SDK's table of 30
// functions over descriptors ([SOCKET]), with all that waits: blocking and
// non-blocking calls, select and [Session.WSAPoll], event objects, messages,
// overlapped operations with events, completion routines ([Thread]) and
// completion ports ([CompletionPort]), and the extension functions, which are
// methods of [Session]. [Session.Upcalls] are the functions that a provider calls.
// Sessions of one [Processes] hand sockets to each other (WSPDuplicateSocket).
//
// The other is the Go face: [Session.DialContext], [Session.Listen] and
// [Session.ListenPacket] with [TCPConn], [Listener] and [UDPConn], which behave
// as package net's on Linux. Where the two part (an unreachable UDP port,
// truncated datagrams, shutdown, IPV6_V6ONLY …) is one table, in errors.go, and
// three settings: SIO_UDP_CONNRESET is switched off on sockets without a peer,
// IPV6_V6ONLY on wildcards of both families, and SO_REUSEADDR is never set, as
// it means on Windows that an address may be taken from its holder.
//
// Errors are [*net.OpError] with the code directly inside, so that errors.Is
// finds wsa and syscall codes, [net.ErrClosed], [os.ErrDeadlineExceeded],
// [os.ErrPermission] (a policy said no) and what a context was ended with. Where
// Windows and Linux differ and no program can tell which is right, the safer was
// kept: after a reset every operation fails, for ever.
//
// # Handles
//
// All sockets of a session share one number space ([provider.Socket.Handle]). A
// number is never used twice, so nobody reaches a socket by the handle of one
// that is gone. MaxSockets bounds them (EMFILE); [Session.Sockets] lists them,
// and a socket listed is ended from outside by its Fail.
//
// # Chains
//
// A chain is built when the first socket needs it, once for each entry and
// generation of the catalog. When the catalog has changed, new sockets get new
// chains; the old ones end with their last socket. [Session.Prepare] builds those
// of a state that is still to come. A chain that cannot be built
// is an error for who needed it: no other is tried in its place.
//
// # Goroutines
//
// Everything may be called from any goroutine. What a direction of a socket has to
// do waits in one queue, first come, first served: blocked callers, which wait in
// their own goroutines, and overlapped operations, which have none; so reads of one
// connection are done one at a time, and so are writes, while a read, a write and
// settings do run beside each other. Close may be called at any time: it ends what
// waits, lets a table call that runs return, and closes last and alone (law 4).
// Blocking on a socket happens in one function, await; nothing here polls but what
// waits for an acknowledgement that a stack need not tell of: a connection that
// lingers, and DisconnectEx.
//
// Overlapped operations and network events are served by at most GOMAXPROCS
// goroutines of the session, none while there is nothing to do, and by those that
// wait for a completion port.
//
// The package starts a goroutine for a connection that lingers (SetLinger with a
// time) and, while DialContext runs, for the second address family; the first
// ends with the session at the latest, the others before DialContext returns. A
// connection costs none. [Session.Close] waits for all of them, and for the
// goroutines of layers.
//
// An open connection that is dropped without Close stays open until the session
// is closed: there are no finalizers.
package sockets
