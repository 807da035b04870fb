package winsocktest

import (
	"bytes"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.3 WSPAccept: the new socket, the address, errors.
var _ = add(
	Row{Section: "3.3", Name: "the first pending connection", Run: func(w *Case) {
		l, at := w.S.Listen()
		var names [3][]byte
		for i := range names {
			c := w.C.TCP()
			w.Want("WSPConnect", w.C.Connect(c, at), 0)
			names[i] = w.C.SockName(c)
			w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
			w.C.Await(c, wsa.EvDrained) // the server has acknowledged it, so the connection is in the queue
		}
		for _, name := range names {
			w.sameName("peer", w.S.peerName(w.S.Accept(l)), name)
		}
	}},
	Row{Section: "3.3", Name: "new socket: not listening, at the listener's address", Run: func(w *Case) {
		l, _ := w.offered()
		s := w.S.Accept(l)
		v, e := w.S.Option(s, sol, wsa.SO_ACCEPTCONN)
		w.Want("SO_ACCEPTCONN", e, 0)
		equal(w, "SO_ACCEPTCONN", v, 0)
		w.sameName("name", w.S.SockName(s), w.S.SockName(l))
		_, e = w.S.WSPAccept(s, nil, nil, nil, nil)
		w.Want("WSPAccept on it", e, wsa.EINVAL)
	}},
	Row{Section: "3.3", Name: "new socket: the listener's options", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("SO_LINGER", w.S.SetOption(l, sol, wsa.SO_LINGER, 1|7<<16), 0)
		w.Want("TCP_NODELAY", w.S.SetOption(l, tcp, wsa.TCP_NODELAY, 1), 0)
		w.Want("SO_RCVTIMEO", w.S.SetOption(l, sol, wsa.SO_RCVTIMEO, 12345), 0)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		s := w.S.Accept(l)
		for _, o := range []struct {
			level, name int32
			want        int
		}{{sol, wsa.SO_LINGER, 1 | 7<<16}, {tcp, wsa.TCP_NODELAY, 1}, {sol, wsa.SO_RCVTIMEO, 12345}} {
			v, e := w.S.Option(s, o.level, o.name)
			w.Want("WSPGetSockOpt", e, 0)
			equal(w, "option", v, o.want)
		}
		w.Want("SO_LINGER off, for the end of the case", w.S.SetOption(s, sol, wsa.SO_DONTLINGER, 1), 0)
	}},
	Row{Section: "3.3", Name: "new socket: the listener's blocking mode", Run: func(w *Case) {
		for _, nonblocking := range []bool{false, true} {
			l, c := w.offered()
			w.Want("FIONBIO", w.S.NonBlocking(l, nonblocking), 0)
			s := w.S.Accept(l)
			if nonblocking {
				_, e := w.S.Recv(s, 1, 0)
				w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
				continue
			}
			thread := sockets.OpenThread()
			b, n, flags := make([]byte, 5), uint32(0), wsa.MsgFlags(0)
			w.during(func() {
				w.S.Session.ThreadProcTable(thread).WSPRecv(s, [][]byte{b}, &n, &flags, nil, nil, nil)
			}, func() {
				w.until("a call blocks", thread.IsBlocking)
				w.C.Send(c, "hello")
			})
			equal(w, "text", string(b[:n]), "hello")
		}
	}},
	Row{Section: "3.3", Name: "new socket: the listener's network events and event object (6.4)", Run: func(w *Case) {
		l, at := w.S.Listen()
		event := sockets.CreateEvent()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(l, event, wsa.FD_ACCEPT|wsa.FD_READ), 0)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		w.S.recorded(l, event, wsa.FD_ACCEPT)
		s, e := w.S.WSPAccept(l, nil, nil, nil, nil)
		w.Want("WSPAccept", e, 0)
		defer w.S.WSPCloseSocket(s)
		w.C.Send(c, "x")
		w.S.recorded(s, event, wsa.FD_READ)
		w.S.recorded(l, nil, 0)
	}},
	Row{Section: "3.3", Name: "new socket: the record starts with what is true for it (6.4)", Run: func(w *Case) {
		l, c := w.offered()
		event := sockets.CreateEvent()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(l, event, wsa.FD_ALL_EVENTS), 0)
		w.S.recorded(l, event, wsa.FD_ACCEPT)
		w.C.Send(c, "x")
		s, e := w.S.WSPAccept(l, nil, nil, nil, nil)
		w.Want("WSPAccept", e, 0)
		defer w.S.WSPCloseSocket(s)
		w.S.recorded(s, event, wsa.FD_READ|wsa.FD_WRITE)
	}},
	Row{Section: "3.3", Name: "addr: value-result", Run: func(w *Case) {
		l, c := w.offered()
		name, n := make([]byte, 64), int32(64)
		s, e := w.S.WSPAccept(l, name, &n, nil, nil)
		w.Want("WSPAccept", e, 0)
		defer w.S.WSPCloseSocket(s)
		w.sameName("addr", name[:n], w.C.SockName(c))
	}},
	Row{Section: "3.3", Name: "addr: filled regardless of the condition function's result", Run: func(w *Case) {
		for _, says := range []provider.CondResult{provider.CF_REJECT, provider.CF_DEFER, provider.CF_ACCEPT} {
			l, c := w.offered()
			name, n := make([]byte, 64), int32(64)
			s, e := w.S.WSPAccept(l, name, &n, (&condition{says: says}).proc, nil)
			if e == 0 {
				defer w.S.WSPCloseSocket(s)
			}
			w.sameName("addr", name[:n], w.C.SockName(c))
		}
	}},
	Row{Section: "12.5", Name: "addr non-nil, *addrlen = 0: WSAEFAULT, *addrlen stays 0", Run: func(w *Case) {
		l, _ := w.offered()
		n := int32(0)
		_, e := w.S.WSPAccept(l, make([]byte, 64), &n, nil, nil)
		w.Want("WSPAccept", e, wsa.EFAULT)
		equal(w, "length", n, 0)
		w.S.Accept(l) // it was not lost
	}},
	Row{Section: "12.5", Name: "*addrlen larger than needed: shrunk to the sockaddr's size", Run: func(w *Case) {
		l, _ := w.offered()
		n := int32(60)
		s, e := w.S.WSPAccept(l, make([]byte, 64), &n, nil, nil)
		w.Want("WSPAccept", e, 0)
		defer w.S.WSPCloseSocket(s)
		equal(w, "length", int(n), len(w.Any()))
	}},
	Row{Section: "12.5", Name: "addr given with addrlen nil: success, buffer untouched; both nil: success", Run: func(w *Case) {
		l, _ := w.offered()
		name := make([]byte, 64)
		s, e := w.S.WSPAccept(l, name, nil, nil, nil)
		w.Want("WSPAccept", e, 0)
		defer w.S.WSPCloseSocket(s)
		equal(w, "untouched", bytes.Equal(name, make([]byte, 64)), true)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), w.S.SockName(l)), 0)
		w.S.Accept(l)
	}},
	Row{Section: "3.3", Name: "WSAECONNRESET: its peer terminated it before accept", Run: func(w *Case) {
		l, at := w.S.Listen()
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		w.S.Await(l, wsa.FD_ACCEPT)
		w.Want("defer it", w.S.acceptWith(l, provider.CF_DEFER), wsa.TRY_AGAIN)
		w.C.reset(c)
		w.until("the reset arrives", func() bool { return w.S.acceptWith(l, provider.CF_DEFER) == wsa.ECONNRESET })
		w.noneLeft(l)
	}},
	Row{Section: "3.3", Name: "WSAEFAULT: addrlen too small", Run: func(w *Case) {
		l, _ := w.offered()
		for _, room := range []int32{0, 2, int32(len(w.Any())) - 1} {
			n := room
			_, e := w.S.WSPAccept(l, make([]byte, 64), &n, nil, nil)
			w.Want("WSPAccept", e, wsa.EFAULT)
			equal(w, "length", n, room)
		}
		n := int32(64)
		_, e := w.S.WSPAccept(l, make([]byte, 8), &n, nil, nil)
		w.Want("WSPAccept with a short buffer", e, wsa.EFAULT)
		w.S.Accept(l)
	}},
	Row{Section: "3.3", Name: "WSAEINTR: cancelled; the listener is unharmed", Run: func(w *Case) {
		l, at := w.S.Listen()
		thread := sockets.OpenThread()
		var e wsa.Errno
		w.during(func() { _, e = w.S.Session.ThreadProcTable(thread).WSPAccept(l, nil, nil, nil, nil) }, func() { w.cancelBlocking(thread) })
		w.Want("WSPAccept", e, wsa.EINTR)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		w.S.Accept(l)
	}},
	Row{Section: "3.3", Name: "WSAEINVAL: not listening", Run: func(w *Case) {
		c, _ := w.Connected()
		bound := w.C.TCP()
		w.C.Bind(bound)
		for what, s := range map[string]sockets.SOCKET{"fresh": w.C.TCP(), "bound": bound, "connected": c} {
			_, e := w.C.WSPAccept(s, nil, nil, nil, nil)
			w.Want(what, e, wsa.EINVAL)
		}
	}},
	Row{Section: "3.3", Name: "WSAEMFILE: no descriptors; the request stays", Needs: NeedsQuota, Run: func(w *Case) {
		l, _ := w.offered()
		more := w.S.useUp()
		_, e := w.S.WSPAccept(l, nil, nil, nil, nil)
		w.Want("WSPAccept", e, wsa.EMFILE)
		w.Want("close", w.S.WSPCloseSocket(more), 0)
		w.S.Accept(l)
	}},
	Row{Section: "3.3", Name: "WSAEOPNOTSUPP: not connection-oriented", Run: func(w *Case) {
		s := w.C.UDP()
		w.C.Bind(s)
		_, e := w.C.WSPAccept(s, nil, nil, nil, nil)
		w.Want("WSPAccept", e, wsa.EOPNOTSUPP)
	}},
	Row{Section: "3.3", Name: "WSAEWOULDBLOCK: non-blocking, queue empty", Run: func(w *Case) {
		l, _ := w.S.Listen()
		w.noneLeft(l)
	}},
	Row{Section: "3.3", Name: "blocking: waits for a connection", Run: func(w *Case) {
		l, at := w.S.Listen()
		thread := sockets.OpenThread()
		s, e := sockets.SOCKET(0), wsa.Errno(0)
		w.during(func() { s, e = w.S.Session.ThreadProcTable(thread).WSPAccept(l, nil, nil, nil, nil) }, func() {
			w.until("a call blocks", thread.IsBlocking)
			w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		})
		w.Want("WSPAccept", e, 0)
		w.Want("close", w.S.WSPCloseSocket(s), 0)
	}},
)

// useUp opens sockets until the session has no more, and returns the last one.
func (e *End) useUp() (last sockets.SOCKET) {
	e.w.Helper()
	for range 100 {
		s, errno := e.WSPSocket(e.w.Family(), wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, nil, 0, 0)
		if errno == wsa.EMFILE && last != 0 {
			return last
		}
		e.w.Want("WSPSocket", errno, 0)
		e.w.Cleanup(func() { e.WSPCloseSocket(s) })
		last = s
	}
	e.w.Fatal("100 sockets, and more can be had")
	return 0
}

// recorded waits until the event is signalled (nil: does not wait) and wants exactly
// those events to be in the record, whose codes it returns.
func (e *End) recorded(s sockets.SOCKET, event *sockets.Event, want wsa.Events) sockets.NetworkEvents {
	e.w.Helper()
	var ne, all sockets.NetworkEvents
	for {
		if event != nil {
			e.w.signalled(event)
		}
		e.w.Want("WSPEnumNetworkEvents", e.WSPEnumNetworkEvents(s, event, &ne), 0)
		all.Events |= ne.Events
		for i, code := range ne.Errors {
			if ne.Events&(1<<i) != 0 {
				all.Errors[i] = code
			}
		}
		if event == nil || all.Events&want == want {
			break
		}
	}
	if all.Events != want {
		e.w.Fatalf("events %#x, want %#x", uint32(all.Events), uint32(want))
	}
	return all
}
