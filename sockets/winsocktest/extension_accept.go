package winsocktest

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 5.9: SIO_GET_EXTENSION_FUNCTION_POINTER.
var _ = add(
	Row{Section: "5.9", Name: "SIO_GET_EXTENSION_FUNCTION_POINTER: each function by its GUID", Run: func(w *Case) {
		s := w.S.TCP()
		x := w.S.Session
		for guid, check := range map[provider.GUID]func(any) bool{
			sockets.WSAID_ACCEPTEX:             is(x.AcceptEx),
			sockets.WSAID_GETACCEPTEXSOCKADDRS: is(sockets.GetAcceptExSockaddrs),
			sockets.WSAID_CONNECTEX:            is(x.ConnectEx),
			sockets.WSAID_DISCONNECTEX:         is(x.DisconnectEx),
			sockets.WSAID_TRANSMITFILE:         is(x.TransmitFile),
			sockets.WSAID_TRANSMITPACKETS:      is(x.TransmitPackets),
			sockets.WSAID_WSARECVMSG:           is(x.WSARecvMsg),
			sockets.WSAID_WSASENDMSG:           is(x.WSASendMsg),
			sockets.WSAID_WSAPOLL:              is(x.WSAPoll),
		} {
			p, e := w.S.extension(s, guid)
			w.Want("the ioctl", e, 0)
			equal(w, "the function's type", check(x.Extension(p)), true)
		}
		equal(w, "no pointer", x.Extension(0), nil)
	}},
	Row{Section: "5.9", Name: "an unknown GUID: WSAEINVAL", Run: func(w *Case) {
		_, e := w.S.extension(w.S.TCP(), provider.GUID{1, 2, 3})
		w.Want("the ioctl", e, wsa.EINVAL)
	}},
	Row{Section: "5.9", Name: "buffers short or nil: WSAEFAULT", Run: func(w *Case) {
		s := w.S.TCP()
		for _, size := range [][2]int{{0, 8}, {15, 8}, {16, 7}, {16, 0}} {
			var n uint32
			e := w.S.WSPIoctl(s, wsa.SIO_GET_EXTENSION_FUNCTION_POINTER, make([]byte, size[0]), make([]byte, size[1]), &n, nil, nil, nil)
			w.Want("the ioctl", e, wsa.EFAULT)
		}
	}},
	Row{Section: "5.9", Name: "the function that the ioctl gives works", Run: func(w *Case) {
		l, at := w.S.Listen()
		s := w.S.TCP()
		p, _ := w.S.extension(l, sockets.WSAID_ACCEPTEX)
		accept := w.S.Session.Extension(p).(func(listen, accept sockets.SOCKET, out []byte, receive, local, remote uint32, n *uint32, o *sockets.Overlapped) wsa.Errno)
		o := w.S.operation(l, 128)
		w.Want("AcceptEx", accept(l, s, o.b, 0, 64, 64, &o.n, &o.Overlapped), wsa.IO_PENDING)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		o.await(0)
	}},
)

func is[T any](T) func(any) bool {
	return func(f any) bool { _, ok := f.(T); return ok }
}

// extension asks s for the function of a GUID.
func (e *End) extension(s sockets.SOCKET, guid provider.GUID) (uint64, wsa.Errno) {
	in := append([]byte(nil), guid[:]...) // as it lies in memory
	in[0], in[1], in[2], in[3] = in[3], in[2], in[1], in[0]
	in[4], in[5], in[6], in[7] = in[5], in[4], in[7], in[6]
	out, n := make([]byte, 8), uint32(0)
	errno := e.WSPIoctl(s, wsa.SIO_GET_EXTENSION_FUNCTION_POINTER, in, out, &n, nil, nil, nil)
	return binary.LittleEndian.Uint64(out), errno
}

// accepting is an AcceptEx that is pending: room for size bytes of first data.
func (e *End) accepting(l sockets.SOCKET, size uint32) (s sockets.SOCKET, o *operation) {
	e.w.Helper()
	s = e.TCP()
	o = e.operation(l, int(size)+128)
	e.w.Want("AcceptEx", e.acceptEx(o, s, size), wsa.IO_PENDING)
	return s, o
}

func (e *End) acceptEx(o *operation, s sockets.SOCKET, size uint32) wsa.Errno {
	return e.Session.AcceptEx(o.s, s, o.b, size, 64, 64, &o.n, &o.Overlapped)
}

// updated is SO_UPDATE_ACCEPT_CONTEXT.
func (e *End) updated(s, l sockets.SOCKET) wsa.Errno {
	return e.WSPSetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_UPDATE_ACCEPT_CONTEXT, binary.LittleEndian.AppendUint64(nil, uint64(l)))
}

// 5.9: AcceptEx and GetAcceptExSockaddrs.
var _ = add(
	Row{Section: "5.9", Name: "AcceptEx: a connection into an existing socket, no data", Run: func(w *Case) {
		l, at := w.S.Listen()
		s, o := w.S.accepting(l, 0)
		o.pending()
		equal(w, "bytes", o.n, untouched)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		equal(w, "bytes", o.await(0), "")
		w.S.Send(s, "hello")
		equal(w, "text", w.C.Read(c, 5), "hello")
		w.C.Send(c, "world")
		equal(w, "text", w.S.Read(s, 5), "world")
	}},
	Row{Section: "5.9", Name: "AcceptEx: a connection that waits is taken at once", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		w.S.Await(l, wsa.FD_ACCEPT)
		o := w.S.operation(l, 128)
		w.Want("AcceptEx", w.S.acceptEx(o, w.S.TCP(), 0), 0)
		equal(w, "the event is set", o.HEvent.IsSet(), true)
		equal(w, "bytes", o.n, 0)
	}},
	Row{Section: "5.9", Name: "AcceptEx with first data: complete when some has come", Run: func(w *Case) {
		l, at := w.S.Listen()
		port := w.port(l, 0)
		_, o := w.S.accepting(l, 100)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		o.pending()
		w.C.Send(c, "hello")
		equal(w, "text", o.await(0), "hello")
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, N: 5})
	}},
	Row{Section: "5.9", Name: "AcceptEx with first data: 0 bytes if the peer closes first", Run: func(w *Case) {
		l, at := w.S.Listen()
		_, o := w.S.accepting(l, 100)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
		equal(w, "bytes", o.await(0), "")
	}},
	Row{Section: "5.9", Name: "GetAcceptExSockaddrs: both names", Run: func(w *Case) {
		l, at := w.S.Listen()
		_, o := w.S.accepting(l, 10)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		w.C.Send(c, "x")
		o.await(0)
		local, remote := sockets.GetAcceptExSockaddrs(o.b, 10, 64, 64)
		equal(w, "local", string(Name(local.Addr(), local.Port())), string(at))
		equal(w, "remote", string(Name(remote.Addr(), remote.Port())), string(w.C.SockName(c)))
	}},
	Row{Section: "5.9", Name: "AcceptEx: no local address is wanted", Run: func(w *Case) {
		l, at := w.S.Listen()
		o := w.S.operation(l, 64)
		w.Want("AcceptEx", w.S.Session.AcceptEx(l, w.S.TCP(), o.b, 0, 0, 64, &o.n, &o.Overlapped), wsa.IO_PENDING)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		o.await(0)
		local, remote := sockets.GetAcceptExSockaddrs(o.b, 0, 0, 64)
		equal(w, "local", local, provider.Addr{})
		equal(w, "remote", string(Name(remote.Addr(), remote.Port())), string(w.C.SockName(c)))
	}},
	Row{Section: "5.9", Name: "AcceptEx: no names and no shutdown before SO_UPDATE_ACCEPT_CONTEXT", Run: func(w *Case) {
		l, at := w.S.Listen()
		s, o := w.S.accepting(l, 0)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		o.await(0)
		name, n := make([]byte, 64), int32(64)
		w.Want("WSPGetPeerName", w.S.WSPGetPeerName(s, name, &n), wsa.ENOTCONN)
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_SEND), wsa.ENOTCONN)
		w.Want("SO_UPDATE_ACCEPT_CONTEXT", w.S.updated(s, l), 0)
		w.Want("WSPGetPeerName", w.S.WSPGetPeerName(s, name, &n), 0)
		equal(w, "peer", string(name[:n]), string(w.C.SockName(c)))
		equal(w, "name", string(w.S.SockName(s)), string(at))
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_SEND), 0)
	}},
	Row{Section: "5.9", Name: "SO_UPDATE_ACCEPT_CONTEXT: mode and options are the listener's from then on", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("SO_KEEPALIVE", w.S.SetOption(l, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, 1), 0)
		w.Want("SO_RCVTIMEO", w.S.SetOption(l, wsa.SOL_SOCKET, wsa.SO_RCVTIMEO, 777), 0)
		w.Want("FIONBIO", w.S.NonBlocking(l, true), 0)
		s, o := w.S.accepting(l, 0)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		o.await(0)
		v, e := w.S.Option(s, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE)
		w.Want("SO_KEEPALIVE", e, 0)
		equal(w, "SO_KEEPALIVE before", v, 0)
		w.Want("SO_UPDATE_ACCEPT_CONTEXT", w.S.updated(s, l), 0)
		v, _ = w.S.Option(s, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE)
		equal(w, "SO_KEEPALIVE", v, 1)
		v, _ = w.S.Option(s, wsa.SOL_SOCKET, wsa.SO_RCVTIMEO)
		equal(w, "SO_RCVTIMEO", v, 777)
		_, e = w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
	}},
	Row{Section: "5.9", Name: "SO_UPDATE_ACCEPT_CONTEXT: WSAENOTCONN, WSAEFAULT, WSAENOTSOCK, WSAEINVAL", Run: func(w *Case) {
		l, at := w.S.Listen()
		other, _ := w.S.Listen()
		s, o := w.S.accepting(l, 0)
		w.Want("not accepted", w.S.updated(s, l), wsa.ENOTCONN)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		o.await(0)
		w.Want("short", w.S.WSPSetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_UPDATE_ACCEPT_CONTEXT, make([]byte, 7)), wsa.EFAULT)
		w.Want("no listener", w.S.updated(s, sockets.INVALID_SOCKET), wsa.ENOTSOCK)
		w.Want("another listener", w.S.updated(s, other), wsa.EINVAL)
		w.Want("the listener", w.S.updated(s, l), 0)
	}},
)
