package winsocktest

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.21 WSPRecv: what it does.
var _ = add(
	Row{Section: "3.21", Name: "buffers are filled in order, packed", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.S.queued(s, 5)
		a, b, d := make([]byte, 2), make([]byte, 1), make([]byte, 9)
		n, flags := uint32(0), wsa.MsgFlags(0)
		w.Want("WSPRecv", w.S.WSPRecv(s, [][]byte{a, b, d}, &n, &flags, nil, nil, nil), 0)
		equal(w, "text", string(a)+string(b)+string(d[:2]), "hello")
		equal(w, "bytes", n, 5)
	}},
	Row{Section: "3.21", Name: "stream: any byte satisfies", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "x")
		text, e := w.S.Recv(s, 100, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "x")
	}},
	Row{Section: "3.21", Name: "stream: messages are not kept apart, nor together", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.C.Send(c, "world")
		w.S.queued(s, 10)
		text, _ := w.S.Recv(s, 7, 0)
		equal(w, "text", text, "hellowo")
		text, _ = w.S.Recv(s, 7, 0)
		equal(w, "text", text, "rld")
	}},
	Row{Section: "3.21", Name: "stream: 0 bytes is the graceful close, after the data", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		equal(w, "text", w.S.Read(s, 5), "hello")
		for range 2 {
			text, e := w.S.Recv(s, 9, 0)
			w.Want("WSPRecv", e, 0)
			equal(w, "text", text, "")
		}
	}},
	Row{Section: "3.21", Name: "message: one receive, one message", Run: func(w *Case) {
		c, s, to := w.datagrams()
		for _, text := range []string{"hello", "", "world"} {
			w.C.sendTo(c, text, to)
		}
		for _, want := range []string{"hello", "", "world"} {
			text, e := w.S.Recv(s, 9, 0)
			w.Want("WSPRecv", e, 0)
			equal(w, "text", text, want)
		}
	}},
	Row{Section: "3.21", Name: "WSAEMSGSIZE: the first part, the remainder is lost", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.C.sendTo(c, "hello", to)
		w.C.sendTo(c, "world", to)
		a, b, n, flags := make([]byte, 1), make([]byte, 2), uint32(untouched), wsa.MsgFlags(0)
		w.Want("WSPRecv", w.S.WSPRecv(s, [][]byte{a, b}, &n, &flags, nil, nil, nil), wsa.EMSGSIZE)
		equal(w, "first part", string(a)+string(b), "hel")
		equal(w, "bytes", n, 3)
		text, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "world")
	}},
	Row{Section: "3.21", Name: "MSG_PEEK: the data stays", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.S.queued(s, 5)
		for range 2 {
			text, e := w.S.Recv(s, 4, wsa.MSG_PEEK)
			w.Want("WSPRecv", e, 0)
			equal(w, "text", text, "hell")
		}
		equal(w, "text", w.S.Read(s, 5), "hello")
	}},
	Row{Section: "3.21", Name: "MSG_PEEK: the datagram stays, whole", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.C.sendTo(c, "hello", to)
		_, e := w.S.Recv(s, 2, wsa.MSG_PEEK)
		w.Want("too short", e, wsa.EMSGSIZE)
		text, e := w.S.Recv(s, 9, wsa.MSG_PEEK)
		w.Want("peek", e, 0)
		equal(w, "text", text, "hello")
		text, _ = w.S.Recv(s, 9, 0)
		equal(w, "text", text, "hello")
	}},
	Row{Section: "3.21", Name: "MSG_PEEK is non-overlapped only: WSAEOPNOTSUPP", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		o := w.S.operation(s, 9)
		o.flags = wsa.MSG_PEEK
		w.Want("WSPRecv", o.recv(), wsa.EOPNOTSUPP)
		equal(w, "text", w.S.Read(s, 5), "hello")
	}},
	Row{Section: "3.21", Name: "MSG_WAITALL: blocks until the buffers are full", Run: func(w *Case) {
		c, s := w.Connected()
		var text string
		var e wsa.Errno
		w.C.Send(c, "hel")
		w.S.queued(s, 3)
		w.during(func() { text, e = w.S.Recv(s, 10, wsa.MSG_WAITALL) }, func() {
			w.C.Send(c, "lo")
			w.C.Send(c, "world")
		})
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "helloworld")
	}},
	Row{Section: "3.21", Name: "MSG_WAITALL: less at the end of the stream", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		text, e := w.S.Recv(s, 10, wsa.MSG_WAITALL)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "hello")
	}},
	Row{Section: "3.21", Name: "MSG_WAITALL, overlapped: complete when the buffers are full", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.operation(s, 10)
		o.flags = wsa.MSG_WAITALL
		w.C.Send(c, "hello")
		w.S.queued(s, 5)
		w.Want("WSPRecv", o.recv(), wsa.IO_PENDING)
		w.C.Send(c, "world")
		equal(w, "text", o.await(0), "helloworld")
	}},
	Row{Section: "3.21", Name: "MSG_WAITALL with MSG_PEEK: waits, and takes nothing", Run: func(w *Case) {
		c, s := w.Connected()
		var text string
		var e wsa.Errno
		w.C.Send(c, "hello")
		w.during(func() { text, e = w.S.Recv(s, 10, wsa.MSG_WAITALL|wsa.MSG_PEEK) }, func() { w.C.Send(c, "world") })
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "helloworld")
		equal(w, "text", w.S.Read(s, 10), "helloworld")
	}},
	Row{Section: "3.21", Name: "MSG_WAITALL: on a non-blocking socket what there is", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.S.queued(s, 5)
		w.Want("FIONBIO", w.S.NonBlocking(s, true), 0)
		text, e := w.S.Recv(s, 10, wsa.MSG_WAITALL)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "hello")
	}},
	Row{Section: "3.21", Name: "0 bytes of room, stream, blocking: waits for data, and takes none", Run: func(w *Case) {
		c, s := w.Connected()
		var e wsa.Errno
		w.during(func() { _, e = w.S.Recv(s, 0, 0) }, func() { w.C.Send(c, "hello") })
		w.Want("WSPRecv", e, 0)
		equal(w, "text", w.S.Read(s, 5), "hello")
	}},
	Row{Section: "3.21", Name: "0 bytes of room, overlapped: complete when there is data, and takes none", Run: func(w *Case) {
		c, s := w.Connected()
		port, o := w.port(s, 0), w.S.reading(s, 0)
		w.empty(port)
		w.C.Send(c, "hello")
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped})
		equal(w, "text", w.S.Read(s, 5), "hello")
	}},
	Row{Section: "3.21", Name: "0 bytes of room, overlapped: complete at the end of the stream", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.reading(s, 0)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		o.await(0)
	}},
	Row{Section: "3.21", Name: "pending: byte count and flags untouched", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.operation(s, 9)
		o.flags = wsa.MSG_WAITALL
		w.Want("WSPRecv", o.recv(), wsa.IO_PENDING)
		equal(w, "bytes", o.n, untouched)
		equal(w, "flags", o.flags, wsa.MSG_WAITALL)
	}},
	Row{Section: "3.21", Name: "WSAETIMEDOUT: SO_RCVTIMEO", Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("SO_RCVTIMEO", w.S.SetOption(s, wsa.SOL_SOCKET, wsa.SO_RCVTIMEO, 20), 0)
		begin := time.Now()
		_, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, wsa.ETIMEDOUT)
		if d := time.Since(begin); d < 20*time.Millisecond {
			w.Fatalf("after %v", d)
		}
		w.Want("none", w.S.SetOption(s, wsa.SOL_SOCKET, wsa.SO_RCVTIMEO, 0), 0)
		w.S.reading(s, 9).pending()
	}},
	Row{Section: "3.21", Name: "SO_RCVTIMEO does not end overlapped or non-blocking receives", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("SO_RCVTIMEO", w.S.SetOption(s, wsa.SOL_SOCKET, wsa.SO_RCVTIMEO, 1), 0)
		o := w.S.reading(s, 9)
		_, e := w.S.Recv(s, 9, 0) // behind the other one
		w.Want("WSPRecv", e, wsa.ETIMEDOUT)
		o.pending()
		w.C.Send(c, "hello")
		equal(w, "text", o.await(0), "hello")
		w.Want("FIONBIO", w.S.NonBlocking(s, true), 0)
		_, e = w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
	}},
)

// queued waits until n bytes can be received.
func (e *End) queued(s sockets.SOCKET, n int) {
	e.w.Helper()
	text, errno := e.Recv(s, n, wsa.MSG_PEEK|wsa.MSG_WAITALL)
	e.w.Want("WSPRecv", errno, 0)
	equal(e.w, "queued bytes", len(text), n)
}
