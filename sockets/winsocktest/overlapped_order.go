package winsocktest

import (
	"fmt"
	"strings"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// Order, and what ends an operation but its socket's data.
var _ = add(
	Row{Section: "6.2", Name: "receive buffers fill in the order of submission", Run: func(w *Case) {
		c, s := w.Connected()
		var all []*operation
		for range 8 {
			all = append(all, w.S.reading(s, 1))
		}
		w.C.Send(c, "12345678")
		for i, o := range all {
			equal(w, "text", o.await(0), fmt.Sprint(i+1))
		}
	}},
	Row{Section: "6.2", Name: "send data is sent in the order of submission", Run: func(w *Case) {
		c, s := w.Connected()
		all := []*operation{w.S.writing(s)}
		for _, text := range []string{"he", "llo"} {
			o := w.S.operation(s, len(text))
			copy(o.b, text)
			w.Want("WSPSend", o.send(), wsa.IO_PENDING)
			all = append(all, o)
		}
		equal(w, "end", w.C.readAll(c, len(all[0].b)+5), "hello")
		for _, o := range all {
			equal(w, "bytes", len(o.await(0)), len(o.b))
		}
	}},
	Row{Section: "6.2", Name: "a synchronous receive queues behind the overlapped ones", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.reading(s, 5)
		var text string
		var e wsa.Errno
		w.during(func() { text, e = w.S.Recv(s, 9, 0) }, func() {
			w.C.Send(c, "hello")
			equal(w, "overlapped", o.await(0), "hello")
			w.C.Send(c, "world")
		})
		w.Want("WSPRecv", e, 0)
		equal(w, "synchronous", text, "world")
	}},
	Row{Section: "6.2", Name: "a non-blocking receive behind overlapped ones: WSAEWOULDBLOCK", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("FIONBIO", w.S.NonBlocking(s, true), 0)
		o := w.S.reading(s, 5)
		_, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
		w.C.Send(c, "hello")
		equal(w, "overlapped", o.await(0), "hello")
	}},
	Row{Section: "6.2", Name: "CancelIoEx of one: WSA_OPERATION_ABORTED, the others go on", Run: func(w *Case) {
		c, s := w.Connected()
		first, second, third := w.S.reading(s, 5), w.S.reading(s, 5), w.S.reading(s, 5)
		w.Want("CancelIoEx", w.S.Session.CancelIoEx(s, &second.Overlapped), 0)
		second.await(wsa.OPERATION_ABORTED)
		w.C.Send(c, "helloworld")
		equal(w, "first", first.await(0), "hello")
		equal(w, "third", third.await(0), "world")
	}},
	Row{Section: "6.2", Name: "CancelIoEx of all: receives and sends", Run: func(w *Case) {
		_, s := w.Connected()
		in, out := w.S.reading(s, 5), w.S.writing(s)
		w.Want("CancelIoEx", w.S.Session.CancelIoEx(s, nil), 0)
		in.await(wsa.OPERATION_ABORTED)
		out.await(wsa.OPERATION_ABORTED)
	}},
	Row{Section: "6.2", Name: "CancelIoEx of what is not pending: WSAEINVAL (ERROR_NOT_FOUND)", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("nothing", w.S.Session.CancelIoEx(s, nil), wsa.EINVAL)
		w.Want("never begun", w.S.Session.CancelIoEx(s, new(sockets.Overlapped)), wsa.EINVAL)
		o := w.S.reading(s, 5)
		w.C.Send(c, "hello")
		o.await(0)
		w.Want("complete", w.S.Session.CancelIoEx(s, &o.Overlapped), wsa.EINVAL)
		again := w.S.reading(s, 5)
		w.Want("another socket's", w.C.Session.CancelIoEx(c, &again.Overlapped), wsa.EINVAL)
		again.pending()
	}},
	Row{Section: "6.2", Name: "a cancelled routine runs with WSA_OPERATION_ABORTED", Run: func(w *Case) {
		_, s := w.Connected()
		o, t := w.S.operation(s, 5), sockets.OpenThread()
		var got wsa.Errno
		e := w.S.WSPRecv(s, [][]byte{o.b}, nil, &o.flags, &o.Overlapped, func(e wsa.Errno, _ uint32, _ *sockets.Overlapped, _ wsa.MsgFlags) { got = e }, t)
		w.Want("WSPRecv", e, wsa.IO_PENDING)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		equal(w, "routines", w.sleep(t), 1)
		w.Want("routine", got, wsa.OPERATION_ABORTED)
	}},
	Row{Section: "6.2", Name: "close: each completes with WSA_OPERATION_ABORTED", Run: func(w *Case) {
		_, s := w.Connected()
		all := []*operation{w.S.reading(s, 5), w.S.reading(s, 5), w.S.writing(s)}
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		for _, o := range all {
			o.await(wsa.OPERATION_ABORTED)
		}
	}},
	Row{Section: "3.2", Name: "WSPCleanup: pending operations end without an indication", Run: func(w *Case) {
		_, s := w.Connected()
		o, t := w.S.operation(s, 5), sockets.OpenThread()
		port := w.port(s, 0)
		in := w.S.reading(s, 5)
		e := w.S.WSPRecv(s, [][]byte{o.b}, nil, &o.flags, &o.Overlapped, func(wsa.Errno, uint32, *sockets.Overlapped, wsa.MsgFlags) {}, t)
		w.Want("WSPRecv", e, wsa.IO_PENDING)
		w.Want("WSPCleanup", w.S.WSPCleanup(), 0)
		equal(w, "the event is set", in.HEvent.IsSet(), false)
		equal(w, "routines", t.SleepEx(ended), 0)
		w.empty(port)
	}},
	Row{Section: "3.28", Name: "a receive issued before SD_RECEIVE finishes with later data", Run: func(w *Case) {
		c, s, to := w.datagrams()
		o := w.S.reading(s, 9)
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_RECEIVE), 0)
		o.pending()
		w.C.sendTo(c, "hello", to)
		equal(w, "text", o.await(0), "hello")
		w.Want("a new one", o.recv(), wsa.ESHUTDOWN)
	}},
	Row{Section: "6.2", Name: "a send larger than all buffers is complete when all is taken", Run: func(w *Case) {
		c, s := w.Connected()
		w.S.narrow(s)
		o := w.S.operation(s, large)
		copy(o.b[len(o.b)-5:], "hello")
		w.Want("WSPSend", o.send(), wsa.IO_PENDING)
		equal(w, "bytes", o.n, untouched)
		equal(w, "end", strings.HasSuffix(w.C.readAll(c, len(o.b)), "hello"), true)
		equal(w, "bytes", len(o.await(0)), len(o.b))
	}},
)

// readAll is the next n bytes, by blocking receives, of which the last 5 are kept.
func (e *End) readAll(s sockets.SOCKET, n int) (tail string) {
	e.w.Helper()
	b := make([]byte, 1<<20)
	for got := 0; got < n; {
		m, flags := uint32(0), wsa.MsgFlags(0)
		e.w.Want("WSPRecv", e.WSPRecv(s, [][]byte{b}, &m, &flags, nil, nil, nil), 0)
		if m == 0 {
			e.w.Fatalf("the end after %d bytes", got)
		}
		got += int(m)
		tail += string(b[max(0, int(m)-5):m])
		tail = tail[max(0, len(tail)-5):]
	}
	return tail
}
