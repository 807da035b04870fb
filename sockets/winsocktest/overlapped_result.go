package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.13 WSPGetOverlappedResult.
var _ = add(
	Row{Section: "3.13", Name: "TRUE: outputs are valid", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.reading(s, 9)
		w.C.Send(c, "hello")
		w.signalled(o.HEvent)
		n, flags := uint32(untouched), wsa.MsgFlags(untouched)
		w.Want("WSPGetOverlappedResult", w.S.WSPGetOverlappedResult(s, &o.Overlapped, &n, false, &flags), 0)
		equal(w, "bytes", n, 5)
		equal(w, "flags", flags, 0)
		equal(w, "buffer", string(o.b[:n]), "hello")
	}},
	Row{Section: "3.13", Name: "FALSE: outputs are not updated", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.reading(s, 9)
		w.Want("CancelIoEx", w.S.Session.CancelIoEx(s, &o.Overlapped), 0)
		n, flags := uint32(untouched), wsa.MsgFlags(untouched)
		w.Want("WSPGetOverlappedResult", w.S.WSPGetOverlappedResult(s, &o.Overlapped, &n, false, &flags), wsa.OPERATION_ABORTED)
		equal(w, "bytes", n, untouched)
		equal(w, "flags", flags, untouched)
	}},
	Row{Section: "3.13", Name: "WSA_IO_INCOMPLETE: pending and no wait; outputs are not updated", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.reading(s, 9)
		n, e := o.result()
		w.Want("WSPGetOverlappedResult", e, wsa.IO_INCOMPLETE)
		equal(w, "bytes", n, untouched)
	}},
	Row{Section: "3.13", Name: "wait: blocks until the operation is complete", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.reading(s, 9)
		var n uint32
		var e wsa.Errno
		w.during(func() {
			var flags wsa.MsgFlags
			e = w.S.WSPGetOverlappedResult(s, &o.Overlapped, &n, true, &flags)
		}, func() { w.C.Send(c, "hello") })
		w.Want("WSPGetOverlappedResult", e, 0)
		equal(w, "bytes", n, 5)
	}},
	Row{Section: "3.13", Name: "wait on what is complete needs no event", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.S.Await(s, wsa.FD_READ)
		o := w.S.operation(s, 9)
		o.HEvent = nil
		w.Want("WSPRecv", o.recv(), 0)
		var n uint32
		w.Want("WSPGetOverlappedResult", w.S.WSPGetOverlappedResult(s, &o.Overlapped, &n, true, &o.flags), 0)
		equal(w, "bytes", n, 5)
	}},
	Row{Section: "3.13", Name: "wait: WSAEINTR when cancelled", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.reading(s, 9)
		t := sockets.OpenThread()
		table := w.S.Session.ThreadProcTable(t)
		var e wsa.Errno
		w.during(func() { e = table.WSPGetOverlappedResult(s, &o.Overlapped, new(uint32), true, new(wsa.MsgFlags)) },
			func() { w.cancelBlocking(t) })
		w.Want("WSPGetOverlappedResult", e, wsa.EINTR)
		o.pending()
	}},
	Row{Section: "3.13", Name: "WSA_INVALID_HANDLE: wait without an event", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.operation(s, 9)
		o.HEvent = nil
		w.Want("WSPRecv", o.recv(), wsa.IO_PENDING)
		w.Want("WSPGetOverlappedResult", w.S.WSPGetOverlappedResult(s, &o.Overlapped, &o.n, true, &o.flags), wsa.INVALID_HANDLE)
	}},
	Row{Section: "3.13", Name: "WSA_INVALID_HANDLE: the event was closed", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.reading(s, 9)
		o.HEvent.Close()
		w.Want("WSPGetOverlappedResult", w.S.WSPGetOverlappedResult(s, &o.Overlapped, &o.n, true, &o.flags), wsa.INVALID_HANDLE)
	}},
	Row{Section: "3.13", Name: "WSAEINVAL: bad parameters", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.reading(s, 9)
		w.C.Send(c, "x")
		o.await(0)
		for what, e := range map[string]wsa.Errno{
			"no overlapped":             w.S.WSPGetOverlappedResult(s, nil, &o.n, false, &o.flags),
			"no bytes":                  w.S.WSPGetOverlappedResult(s, &o.Overlapped, nil, false, &o.flags),
			"no flags":                  w.S.WSPGetOverlappedResult(s, &o.Overlapped, &o.n, false, nil),
			"an overlapped never begun": w.S.WSPGetOverlappedResult(s, new(sockets.Overlapped), &o.n, false, &o.flags),
		} {
			w.Want(what, e, wsa.EINVAL)
		}
	}},
	Row{Section: "3.13", Name: "WSAENOTSOCK", Run: func(w *Case) {
		var o sockets.Overlapped
		w.Want("no socket", w.S.WSPGetOverlappedResult(sockets.INVALID_SOCKET, &o, new(uint32), false, new(wsa.MsgFlags)), wsa.ENOTSOCK)
	}},
	Row{Section: "3.13", Name: "the result is the last operation's", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.reading(s, 9)
		w.C.Send(c, "first")
		equal(w, "first", o.await(0), "first")
		w.Want("again", o.recv(), wsa.IO_PENDING)
		o.pending()
		w.C.Send(c, "second")
		equal(w, "second", o.await(0), "second")
	}},
	Row{Section: "3.13", Name: "the operation's error: WSAECONNRESET", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.reading(s, 9)
		w.C.reset(c)
		o.await(wsa.ECONNRESET)
	}},
	Row{Section: "3.13", Name: "the operation's error: WSAEMSGSIZE", Run: func(w *Case) {
		c, s, to := w.datagrams()
		o := w.S.reading(s, 3)
		w.C.sendTo(c, "hello", to)
		o.await(wsa.EMSGSIZE)
		equal(w, "first part", string(o.b), "hel")
	}},
	Row{Section: "3.13", Name: "the operation's error: WSAENETDOWN", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.reading(s, 9)
		w.S.fail(s, wsa.ENETDOWN)
		o.await(wsa.ENETDOWN)
	}},
	Row{Section: "3.13", Name: "the operation's error: WSA_OPERATION_ABORTED by close, after it", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.reading(s, 9)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		o.await(wsa.OPERATION_ABORTED)
	}},
)

// datagrams are two sockets: the server's is bound to the name to.
func (w *Case) datagrams() (c, s sockets.SOCKET, to []byte) {
	w.Helper()
	c, s = w.C.UDP(), w.S.UDP()
	return c, s, w.S.Bind(s)
}

// sendTo is WSPSendTo of one datagram.
func (e *End) sendTo(s sockets.SOCKET, text string, to []byte) {
	e.w.Helper()
	var n uint32
	e.w.Want("WSPSendTo", e.WSPSendTo(s, [][]byte{[]byte(text)}, &n, 0, to, nil, nil, nil), 0)
	equal(e.w, "bytes sent", int(n), len(text))
}
