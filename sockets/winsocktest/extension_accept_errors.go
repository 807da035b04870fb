package winsocktest

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 5.9: AcceptEx beside others, and what it refuses.
var _ = add(
	Row{Section: "5.9", Name: "AcceptEx: connections in the order of submission; accept is behind", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("FIONBIO", w.S.NonBlocking(l, true), 0)
		first, o := w.S.accepting(l, 0)
		second, p := w.S.accepting(l, 0)
		for i, o := range []*operation{o, p} {
			c := w.C.TCP()
			w.Want("WSPConnect", w.C.Connect(c, at), 0)
			o.await(0)
			w.C.Send(c, string(rune('a'+i)))
		}
		equal(w, "first", w.S.Read(first, 1), "a")
		equal(w, "second", w.S.Read(second, 1), "b")
		_, e := w.S.WSPAccept(l, nil, nil, nil, nil)
		w.Want("WSPAccept", e, wsa.EWOULDBLOCK)
	}},
	Row{Section: "5.9", Name: "AcceptEx: one that waits for data does not keep the next from accepting", Run: func(w *Case) {
		l, at := w.S.Listen()
		s, o := w.S.accepting(l, 10)
		_, p := w.S.accepting(l, 10)
		first, second := w.C.TCP(), w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(first, at), 0)
		w.S.Await(s, wsa.FD_WRITE) // it has this one: the last ACKs of two handshakes may overtake
		w.Want("WSPConnect", w.C.Connect(second, at), 0)
		w.C.Send(second, "second")
		equal(w, "text", p.await(0), "second")
		w.C.Send(first, "first")
		equal(w, "text", o.await(0), "first")
	}},
	Row{Section: "5.9", Name: "AcceptEx gets a connection that CF_DEFER has put off", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		_, e := w.S.WSPAccept(l, nil, nil, func(_, _ []byte, _ any) provider.CondResult { return provider.CF_DEFER }, nil)
		w.Want("WSPAccept", e, wsa.TRY_AGAIN)
		o := w.S.operation(l, 128)
		w.Want("AcceptEx", w.S.acceptEx(o, w.S.TCP(), 0), 0)
	}},
	Row{Section: "5.9", Name: "AcceptEx pending: no FD_ACCEPT", Run: func(w *Case) {
		l, at := w.S.Listen()
		event := sockets.CreateEvent()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(l, event, wsa.FD_ACCEPT), 0)
		_, o := w.S.accepting(l, 0)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		o.await(0)
		equal(w, "the event is set", event.IsSet(), false)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		w.signalled(event) // nobody waits for this one
	}},
	Row{Section: "5.9", Name: "AcceptEx: the listener is closed: WSA_OPERATION_ABORTED, with a record", Run: func(w *Case) {
		l, _ := w.S.Listen()
		port := w.port(l, 0)
		_, o := w.S.accepting(l, 0)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(l), 0)
		o.await(wsa.OPERATION_ABORTED)
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, Errno: wsa.ECONNABORTED})
	}},
	Row{Section: "5.9", Name: "AcceptEx: the listener is closed while it waits for data", Run: func(w *Case) {
		l, at := w.S.Listen()
		s, o := w.S.accepting(l, 10)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		w.S.Await(s, wsa.FD_WRITE) // it is connected
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(l), 0)
		o.await(wsa.OPERATION_ABORTED)
	}},
	Row{Section: "5.9", Name: "AcceptEx: the accepting socket is closed while it waits for data", Run: func(w *Case) {
		l, at := w.S.Listen()
		port := w.port(l, 0)
		s, o := w.S.accepting(l, 10)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		w.S.Await(s, wsa.FD_WRITE)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		o.await(wsa.OPERATION_ABORTED)
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, Errno: wsa.ECONNABORTED})
	}},
	Row{Section: "5.9", Name: "AcceptEx: the accepting socket is closed before: the connection stays for the next", Run: func(w *Case) {
		l, at := w.S.Listen()
		s, o := w.S.accepting(l, 0)
		_, next := w.S.accepting(l, 0)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		o.await(wsa.ENOTSOCK)
		next.await(0)
	}},
	Row{Section: "5.9", Name: "AcceptEx: CancelIoEx, before and after the connection", Run: func(w *Case) {
		l, at := w.S.Listen()
		s, first := w.S.accepting(l, 0)
		w.Want("CancelIoEx", w.S.Session.CancelIoEx(l, &first.Overlapped), 0)
		first.await(wsa.OPERATION_ABORTED)
		second := w.S.operation(l, 138)
		w.Want("AcceptEx, the socket is free", w.S.acceptEx(second, s, 10), wsa.IO_PENDING)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		w.S.Await(s, wsa.FD_WRITE)
		w.Want("CancelIoEx of all", w.S.Session.CancelIoEx(l, nil), 0)
		second.await(wsa.OPERATION_ABORTED)
		w.Want("CancelIoEx", w.S.Session.CancelIoEx(l, nil), wsa.EINVAL)
	}},
	Row{Section: "5.9", Name: "AcceptEx: WSAEINVAL", Run: func(w *Case) {
		l, at := w.S.Listen()
		o := w.S.operation(l, 128)
		bound := w.S.TCP()
		w.S.Bind(bound)
		c := w.S.TCP()
		w.Want("WSPConnect", w.S.Connect(c, at), 0)
		s := w.S.Accept(l)
		x := w.S.Session
		for what, e := range map[string]wsa.Errno{
			"no overlapped":  x.AcceptEx(l, w.S.TCP(), o.b, 0, 64, 64, &o.n, nil),
			"a bound socket": w.S.acceptEx(o, bound, 0),
			"a connected":    w.S.acceptEx(o, s, 0),
			"a datagram":     w.S.acceptEx(o, w.S.UDP(), 0),
			"itself":         w.S.acceptEx(o, l, 0),
			"no listener":    x.AcceptEx(bound, w.S.TCP(), o.b, 0, 64, 64, &o.n, &o.Overlapped),
		} {
			w.Want(what, e, wsa.EINVAL)
		}
		equal(w, "the event is set", o.HEvent.IsSet(), false)
		promised, p := w.S.accepting(l, 0)
		w.Want("promised", w.S.acceptEx(o, promised, 0), wsa.EINVAL)
		w.Want("bound, behind another", w.S.acceptEx(o, bound, 0), wsa.EINVAL)
		p.pending()
	}},
	Row{Section: "5.9", Name: "AcceptEx: WSAEFAULT: addresses need 16 bytes more than a sockaddr", Run: func(w *Case) {
		l, _ := w.S.Listen()
		need := uint32(32)
		if w.Family() != wsa.AF_INET {
			need = 44
		}
		o := w.S.operation(l, 256)
		x := w.S.Session
		for what, e := range map[string]wsa.Errno{
			"remote":    x.AcceptEx(l, w.S.TCP(), o.b, 0, 0, need-1, &o.n, &o.Overlapped),
			"no remote": x.AcceptEx(l, w.S.TCP(), o.b, 0, need, 0, &o.n, &o.Overlapped),
			"local":     x.AcceptEx(l, w.S.TCP(), o.b, 0, need-1, need, &o.n, &o.Overlapped),
			"room":      x.AcceptEx(l, w.S.TCP(), o.b[:2*need], 1, need, need, &o.n, &o.Overlapped),
			"no room":   x.AcceptEx(l, w.S.TCP(), nil, 0, 0, need, &o.n, &o.Overlapped),
		} {
			w.Want(what, e, wsa.EFAULT)
		}
		w.Want("enough", x.AcceptEx(l, w.S.TCP(), o.b[:2*need], 0, need, need, &o.n, &o.Overlapped), wsa.IO_PENDING)
	}},
	Row{Section: "5.9", Name: "AcceptEx: WSAENOTSOCK", Run: func(w *Case) {
		l, _ := w.S.Listen()
		o := w.S.operation(l, 128)
		w.Want("accept", w.S.acceptEx(o, sockets.INVALID_SOCKET, 0), wsa.ENOTSOCK)
		w.Want("listen", w.S.Session.AcceptEx(sockets.INVALID_SOCKET, l, o.b, 0, 64, 64, &o.n, &o.Overlapped), wsa.ENOTSOCK)
	}},
)
