package sockets

import (
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// WSPProcTable is WSPPROC_TABLE as the SDK has it: 30 functions over descriptors,
// in its order. It is the classic face of a session, for who knows Winsock, and
// for its tables to be tested against.
//
// What differs from ws2spi.h: lpErrno is the last result; lpOverlapped's thread is
// a [*Thread]; a buffer and its length are one slice; sockaddrs are their bytes;
// a window and its message are a [MessageProc]. Out-parameters are pointers, as
// there, and are not touched by a call that fails or pends.
//
// A call blocks, on a socket in blocking mode, as the SDK says, and nowhere else.
// All functions may be called from any goroutine. EWOULDBLOCK, EINTR, ENOTSOCK,
// ENETDOWN and NOTINITIALISED are not repeated below.
type WSPProcTable struct {
	// WSPAccept takes the first connection (LPWSPACCEPT). cond, nil to accept, runs
	// in the calling goroutine, while nobody else accepts: it must not use s. The new socket has the listener's mode, options and
	// network events. EFAULT, EINVAL, EOPNOTSUPP, ECONNREFUSED (CF_REJECT),
	// TRY_AGAIN (CF_DEFER), ECONNRESET, EMFILE, ENOBUFS.
	WSPAccept func(s SOCKET, addr []byte, addrlen *int32, cond ConditionProc, callbackData any) (SOCKET, wsa.Errno)
	// WSPAddressToString writes the numeric text of an address as UTF-16, with its
	// NUL; length is in characters. EFAULT: too small, and length is what it takes.
	WSPAddressToString func(address []byte, info *provider.ProtocolInfo, text []uint16, length *uint32) wsa.Errno
	// WSPAsyncSelect has post told of network events; the socket becomes non-blocking,
	// and what was registered before is cancelled. 0 only cancels. EINVAL: no post, or
	// no events of Winsock.
	WSPAsyncSelect func(s SOCKET, post MessageProc, events wsa.Events) wsa.Errno
	// WSPBind gives the socket its local address; with port 0 one is chosen. EFAULT,
	// EAFNOSUPPORT, EINVAL (bound), EADDRINUSE, EADDRNOTAVAIL, EACCES.
	WSPBind func(s SOCKET, name []byte) wsa.Errno
	// WSPCancelBlockingCall ends the call of the table's thread that blocks: EINTR
	// there. EINVAL: none does, or the table has no thread ([Session.ThreadProcTable]).
	WSPCancelBlockingCall func() wsa.Errno
	// WSPCleanup gives up one WSPStartup; the last one ends the session: see [Session.Close].
	WSPCleanup func() wsa.Errno
	// WSPCloseSocket ends the descriptor and, with the last one, the socket, as
	// SO_LINGER says: it waits for as many seconds until the peer has all of it, and
	// resets then; a non-blocking socket stays open instead, EWOULDBLOCK, and nothing
	// has begun. Overlapped operations complete with OPERATION_ABORTED, calls that
	// block are ended, no event follows.
	WSPCloseSocket func(s SOCKET) wsa.Errno
	// WSPConnect connects: it waits, or is EWOULDBLOCK and FD_CONNECT tells. After a
	// refusal it may be called again. A datagram socket gets a peer, or loses it by an
	// address of zeros. Connect data is EPROTONOSUPPORT, a QOS EOPNOTSUPP; EFAULT,
	// EAFNOSUPPORT, EADDRNOTAVAIL, EINVAL, EALREADY, EISCONN, ECONNREFUSED, ENETUNREACH,
	// EHOSTUNREACH, ETIMEDOUT, EADDRINUSE, EACCES.
	WSPConnect func(s SOCKET, name, callerData, calleeData []byte, sqos, gqos *QOS) wsa.Errno
	// WSPDuplicateSocket writes what the session with the number process
	// ([Session.Process]) opens s by, once, with WSPSocket. Both have one socket then:
	// its mode, options and events, and it is closed with its last descriptor. ENOTSOCK,
	// EINVAL (no such process), EFAULT, ENOBUFS (65536 wait to be taken), in this order.
	WSPDuplicateSocket func(s SOCKET, process uint32, info *provider.ProtocolInfo) wsa.Errno
	// WSPEnumNetworkEvents fetches what was recorded and resets event, if given. What
	// was recorded is so again after its re-enabling function only. EINVAL.
	WSPEnumNetworkEvents func(s SOCKET, event *Event, ne *NetworkEvents) wsa.Errno
	// WSPEventSelect has event, which stays the caller's, signalled by network events;
	// the socket becomes non-blocking, and what was registered before is cancelled. 0
	// only cancels. EINVAL: no event, or no events of Winsock.
	WSPEventSelect func(s SOCKET, event *Event, events wsa.Events) wsa.Errno
	// WSPGetOverlappedResult is what became of o: 0, with n bytes and its flags, or the
	// operation's error; IO_INCOMPLETE if it is pending. With wait it blocks until it is
	// not, in any mode of s, which needs an HEvent (INVALID_HANDLE). EINVAL: o was never
	// begun, or a pointer is nil.
	WSPGetOverlappedResult func(s SOCKET, o *Overlapped, n *uint32, wait bool, flags *wsa.MsgFlags) wsa.Errno
	// WSPGetPeerName writes the peer's address. EFAULT, ENOTCONN.
	WSPGetPeerName func(s SOCKET, name []byte, namelen *int32) wsa.Errno
	// WSPGetSockName writes the local address. EFAULT, EINVAL (not bound).
	WSPGetSockName func(s SOCKET, name []byte, namelen *int32) wsa.Errno
	// WSPGetSockOpt reads an option; optlen becomes the value's size. EFAULT, EINVAL
	// (no such level), ENOPROTOOPT.
	WSPGetSockOpt func(s SOCKET, level, name int32, value []byte, optlen *int32) wsa.Errno
	// WSPGetQOSByName fails: no template has any name. EINVAL.
	WSPGetQOSByName func(s SOCKET, name []byte, qos *QOS) wsa.Errno
	// WSPIoctl controls the socket (FIO*, SIO*); n becomes the bytes in out, or those it
	// takes with EFAULT. The *_CHANGE codes wait, EWOULDBLOCK, or pend; all others are
	// complete at once, overlapped or not. in and out are lent to a pending one. EINVAL
	// (no such code, or not for this socket), EFAULT, EOPNOTSUPP, ENOPROTOOPT, EACCES
	// (SIO_BASE_HANDLE on a mandatory chain).
	WSPIoctl func(s SOCKET, code uint32, in, out []byte, n *uint32, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno
	// WSPJoinLeaf joins a multicast group, and returns s itself. It does not block;
	// FD_CONNECT tells of it too. EINVAL, EFAULT, EAFNOSUPPORT, EADDRNOTAVAIL, EISCONN,
	// EPROTONOSUPPORT (caller data), EOPNOTSUPP (a QOS).
	WSPJoinLeaf func(s SOCKET, name, callerData, calleeData []byte, sqos, gqos *QOS, flags uint32) (SOCKET, wsa.Errno)
	// WSPListen starts listening, or changes the backlog, which is moved to the nearest
	// legal one. EINVAL (not bound), EISCONN, EADDRINUSE, EOPNOTSUPP.
	WSPListen func(s SOCKET, backlog int) wsa.Errno
	// WSPRecv receives into the buffers, in order. n, in bytes, and flags are set when it
	// has; 0 bytes of a stream are its end. Without o it blocks until something is there,
	// with MSG_WAITALL until the buffers are full, at most SO_RCVTIMEO (ETIMEDOUT). With o
	// it is 0 or IO_PENDING, and its end is indicated by o.HEvent, the socket's port, or
	// routine, which t runs; the memory of the buffers is lent until then, the array of
	// buffers is not. Operations of one socket are done in the order of their calls.
	// EFAULT, EINVAL (not bound, no buffers or more than 2^32-1 bytes, o on a socket
	// without WSA_FLAG_OVERLAPPED), ENOTCONN, ESHUTDOWN, EOPNOTSUPP (MSG_OOB; MSG_PEEK with
	// o), EMSGSIZE (the rest of the datagram is lost), ECONNRESET, ECONNABORTED, ENETRESET;
	// INVALID_HANDLE and ENOBUFS of an o whose event or port is closed or full.
	WSPRecv func(s SOCKET, buffers [][]byte, n *uint32, flags *wsa.MsgFlags, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno
	// WSPRecvDisconnect is SD_RECEIVE. Disconnect data is ENOPROTOOPT; ENOTCONN.
	WSPRecvDisconnect func(s SOCKET, data []byte) wsa.Errno
	// WSPRecvFrom is WSPRecv, and writes the source of a datagram into from when it is
	// complete; fromlen is the room there and becomes the size, in bytes. EFAULT: too
	// small. A stream leaves both alone.
	WSPRecvFrom func(s SOCKET, buffers [][]byte, n *uint32, flags *wsa.MsgFlags, from []byte, fromlen *int32, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno
	// WSPSelect waits until sockets of the sets are ready, leaves those in them, and
	// counts them. No timeout waits for ever, 0 not at all; when it passes the sets are
	// empty. A call that fails leaves the sets. EINVAL: all of them empty, or a negative
	// timeout.
	WSPSelect func(nfds int, read, write, except *FDSet, timeout *time.Duration) (int, wsa.Errno)
	// WSPSend hands the buffers to the network: all of them, on a blocking socket
	// (SO_SNDTIMEO: ETIMEDOUT) or overlapped, else what there is room for; n is in bytes.
	// A datagram goes whole or not at all. Success does not mean that it has arrived. o,
	// routine and t as for WSPRecv. EFAULT, EINVAL, ENOTCONN, ESHUTDOWN, EACCES (broadcast,
	// or a layer's denial), EMSGSIZE, EOPNOTSUPP (MSG_OOB, MSG_PARTIAL), ENOBUFS,
	// ECONNRESET, ECONNABORTED, EHOSTUNREACH. A send that is cancelled when a part is on
	// its way leaves the socket usable only for close (ECONNABORTED).
	WSPSend func(s SOCKET, buffers [][]byte, n *uint32, flags wsa.MsgFlags, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno
	// WSPSendDisconnect is SD_SEND. Disconnect data is ENOPROTOOPT; ENOTCONN.
	WSPSendDisconnect func(s SOCKET, data []byte) wsa.Errno
	// WSPSendTo sends a datagram to an address, whatever the socket's peer is, and binds
	// the socket if need be; on a stream it is WSPSend. Besides WSPSend's: EADDRNOTAVAIL,
	// EAFNOSUPPORT, EDESTADDRREQ (no address and no peer), ENETUNREACH.
	WSPSendTo func(s SOCKET, buffers [][]byte, n *uint32, flags wsa.MsgFlags, to []byte, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno
	// WSPSetSockOpt sets an option. EFAULT, EINVAL (no such level, a bad value, too
	// late), ENOPROTOOPT, ENOTCONN.
	WSPSetSockOpt func(s SOCKET, level, name int32, value []byte) wsa.Errno
	// WSPShutdown ends one or both directions (SD_*). It never waits: FIN follows what
	// is queued. EINVAL, ENOTCONN, ECONNRESET, ECONNABORTED.
	WSPShutdown func(s SOCKET, how int) wsa.Errno
	// WSPSocket opens a socket, in blocking mode and not bound, by the catalog, or by
	// info: then it may be what WSPDuplicateSocket wrote, and g and flags do not matter.
	// flags are WSA_FLAG_*. It belongs to the session until WSPCloseSocket. EAFNOSUPPORT,
	// ESOCKTNOSUPPORT, EPROTONOSUPPORT, EPROTOTYPE, EINVAL (a group, flags that do not go
	// together, a structure that was used), EMFILE (Config.MaxSockets), ENOBUFS, EACCES (a
	// raw socket, or a hand-over that this session's layers deny); of a provider that does
	// not start EPROVIDERFAILEDINIT, EINVALIDPROCTABLE, EINVALIDPROVIDER or its own code.
	WSPSocket func(af, typ, protocol int32, info *provider.ProtocolInfo, g, flags uint32) (SOCKET, wsa.Errno)
	// WSPStringToAddress reads the numeric text of an address; length is the room, in
	// bytes, and becomes its size. Without a port it is 0. EFAULT: too small, and length is
	// what it takes; EINVAL: no address of that family, or info is of no provider.
	WSPStringToAddress func(text string, af int32, info *provider.ProtocolInfo, address []byte, length *int32) wsa.Errno
}

// QOS is the quality of service (QOS of qos.h). None can be had: wherever it is given
// the answer is EOPNOTSUPP.
type QOS struct{ ProviderSpecific []byte }

// ConditionProc is LPCONDITIONPROC, the condition function of WSPAccept. IP has no
// caller data and no groups.
type ConditionProc func(caller, callee []byte, callbackData any) provider.CondResult

// functions are what a table has: of a session and the thread that its calls are of.
type functions struct {
	s *Session
	t *Thread
}

// ProcTable is the session as Winsock has it. It has no thread: its blocking calls
// are ended by closing the socket.
func (s *Session) ProcTable() WSPProcTable { return s.ThreadProcTable(nil) }

// ThreadProcTable is a table for one thread: WSPCancelBlockingCall ends its
// blocking calls, and its completion routines run where t waits, if a call names
// no other thread.
func (s *Session) ThreadProcTable(t *Thread) WSPProcTable {
	f := &functions{s, t}
	return WSPProcTable{
		WSPAccept:              f.accept,
		WSPAddressToString:     f.addressToString,
		WSPAsyncSelect:         f.asyncSelect,
		WSPBind:                f.bind,
		WSPCancelBlockingCall:  f.cancelBlockingCall,
		WSPCleanup:             s.cleanup,
		WSPCloseSocket:         f.closeSocket,
		WSPConnect:             f.connect,
		WSPDuplicateSocket:     f.duplicateSocket,
		WSPEnumNetworkEvents:   f.enumNetworkEvents,
		WSPEventSelect:         f.eventSelect,
		WSPGetOverlappedResult: f.getOverlappedResult,
		WSPGetPeerName:         f.getPeerName,
		WSPGetSockName:         f.getSockName,
		WSPGetSockOpt:          f.getSockOpt,
		WSPGetQOSByName:        f.getQOSByName,
		WSPIoctl:               f.ioctl,
		WSPJoinLeaf:            f.joinLeaf,
		WSPListen:              f.listen,
		WSPRecv:                f.recv,
		WSPRecvDisconnect:      f.recvDisconnect,
		WSPRecvFrom:            f.recvFrom,
		WSPSelect:              f.selectSockets,
		WSPSend:                f.send,
		WSPSendDisconnect:      f.sendDisconnect,
		WSPSendTo:              f.sendTo,
		WSPSetSockOpt:          f.setSockOpt,
		WSPShutdown:            f.shutdown,
		WSPSocket:              f.socket,
		WSPStringToAddress:     f.stringToAddress,
	}
}

func (f *functions) find(h SOCKET) (*sock, wsa.Errno) {
	if f.s.down.Load() {
		return nil, wsa.NOTINITIALISED
	}
	return f.s.descriptors.find(h)
}

// thread is the one that a completion routine runs on.
func (f *functions) thread(t *Thread) *Thread {
	if t != nil {
		return t
	}
	return f.t
}

func (f *functions) cancelBlockingCall() wsa.Errno {
	if f.t == nil {
		return wsa.EINVAL
	}
	return f.t.CancelBlockingCall()
}
