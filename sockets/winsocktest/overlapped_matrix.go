package winsocktest

import (
	"context"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 6.1: which of the three models a call is of, and 6.2: what indicates its end.
var _ = add(
	Row{Section: "6.1", Name: "no overlapped, no routine: synchronous by the socket's mode", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("FIONBIO", w.S.NonBlocking(s, true), 0)
		_, e := w.S.Recv(s, 9, 0)
		w.Want("non-blocking", e, wsa.EWOULDBLOCK)
		w.Want("FIONBIO", w.S.NonBlocking(s, false), 0)
		w.C.Send(c, "hello")
		text, e := w.S.Recv(s, 9, 0)
		w.Want("blocking", e, 0)
		equal(w, "text", text, "hello")
	}},
	Row{Section: "6.1", Name: "non-overlapped socket, overlapped given: WSAEINVAL (3.21)", Run: func(w *Case) {
		s := w.S.OpenWith(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, 0)
		to := w.S.Bind(s)
		o := w.S.operation(s, 9)
		w.Want("WSPRecv", o.recv(), wsa.EINVAL)
		w.Want("WSPSendTo", w.S.WSPSendTo(s, [][]byte{o.b}, &o.n, 0, to, &o.Overlapped, nil, nil), wsa.EINVAL)
		equal(w, "an indication", o.HEvent.IsSet(), false)
	}},
	Row{Section: "6.1", Name: "overlapped: never blocks, in blocking mode", Run: func(w *Case) {
		_, s := w.Connected()
		w.S.reading(s, 9).pending()
	}},
	Row{Section: "6.1", Name: "overlapped: pends, in non-blocking mode", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("FIONBIO", w.S.NonBlocking(s, true), 0)
		o := w.S.reading(s, 9)
		w.C.Send(c, "hello")
		equal(w, "text", o.await(0), "hello")
	}},
	Row{Section: "6.2", Name: "no overlapped: a routine is ignored", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		t := sockets.OpenThread()
		b, n, flags := make([]byte, 9), uint32(0), wsa.MsgFlags(0)
		e := w.S.WSPRecv(s, [][]byte{b}, &n, &flags, nil, func(wsa.Errno, uint32, *sockets.Overlapped, wsa.MsgFlags) {}, t)
		w.Want("WSPRecv", e, 0)
		equal(w, "bytes", n, 5)
		equal(w, "routines", t.SleepEx(ended), 0)
	}},
	Row{Section: "6.2", Name: "overlapped, no event, no routine: no notification", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.operation(s, 9)
		o.HEvent = nil
		w.Want("WSPRecv", o.recv(), wsa.IO_PENDING)
		after := w.S.reading(s, 9) // completes later, as they do in order
		w.C.Send(c, "hello")
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		after.await(0)
		n, e := o.result()
		w.Want("WSPGetOverlappedResult", e, 0)
		equal(w, "bytes", n, 5)
	}},
	Row{Section: "6.2", Name: "overlapped, event: it is signalled", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.reading(s, 9)
		o.pending()
		w.C.Send(c, "hello")
		equal(w, "text", o.await(0), "hello")
	}},
	Row{Section: "6.2", Name: "overlapped, routine: it runs in the thread, the event is the client's", Run: func(w *Case) {
		c, s := w.Connected()
		o, t := w.S.operation(s, 9), sockets.OpenThread()
		o.HEvent.Set() // as a context
		var got []uint32
		e := w.S.WSPRecv(s, [][]byte{o.b}, &o.n, &o.flags, &o.Overlapped, func(e wsa.Errno, n uint32, p *sockets.Overlapped, _ wsa.MsgFlags) {
			if p == &o.Overlapped {
				got = append(got, uint32(e), n)
			}
		}, t)
		w.Want("WSPRecv", e, wsa.IO_PENDING)
		equal(w, "the event is set", o.HEvent.IsSet(), true)
		w.C.Send(c, "hello")
		equal(w, "routines", w.sleep(t), 1)
		if len(got) != 2 || got[0] != 0 || got[1] != 5 {
			w.Fatalf("error and bytes: %v", got)
		}
	}},
	Row{Section: "6.2", Name: "0: completed, and the event is set", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.S.Await(s, wsa.FD_READ)
		o := w.S.operation(s, 9)
		w.Want("WSPRecv", o.recv(), 0)
		equal(w, "the event is set", o.HEvent.IsSet(), true)
		equal(w, "bytes", o.n, 5)
		equal(w, "text", o.await(0), "hello")
	}},
	Row{Section: "6.2", Name: "0: completed, and the routine is queued, not run", Run: func(w *Case) {
		c, _ := w.Connected()
		o, t := w.C.operation(c, 9), sockets.OpenThread()
		ran := false
		e := w.C.WSPSend(c, [][]byte{o.b}, &o.n, 0, &o.Overlapped, func(wsa.Errno, uint32, *sockets.Overlapped, wsa.MsgFlags) { ran = true }, t)
		w.Want("WSPSend", e, 0)
		equal(w, "ran", ran, false)
		equal(w, "routines", t.SleepEx(ended), 1)
		equal(w, "ran", ran, true)
	}},
	Row{Section: "6.2", Name: "another error: not started, no indication", Run: func(w *Case) {
		s := w.S.TCP()
		o, port, t := w.S.operation(s, 9), w.port(s, 0), sockets.OpenThread()
		w.Want("WSPSend", o.send(), wsa.ENOTCONN)
		equal(w, "the event is set", o.HEvent.IsSet(), false)
		w.empty(port)
		e := w.S.WSPSend(s, [][]byte{o.b}, nil, 0, &o.Overlapped, func(wsa.Errno, uint32, *sockets.Overlapped, wsa.MsgFlags) {}, t)
		w.Want("WSPSend", e, wsa.ENOTCONN)
		equal(w, "routines", t.SleepEx(ended), 0)
	}},
	Row{Section: "6.2", Name: "the starting call resets the event", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.operation(s, 9)
		o.HEvent.Set()
		w.Want("WSPRecv", o.recv(), wsa.IO_PENDING)
		equal(w, "the event is set", o.HEvent.IsSet(), false)
	}},
	Row{Section: "6.2", Name: "a closed event: WSA_INVALID_HANDLE, not started", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.operation(s, 9)
		o.HEvent.Close()
		w.Want("WSPRecv", o.recv(), wsa.INVALID_HANDLE)
		w.C.Send(c, "hello")
		equal(w, "text", w.S.Read(s, 5), "hello")
	}},
	Row{Section: "6.2", Name: "the WSABUF array is captured", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.operation(s, 6)
		array := [][]byte{o.b[:2], o.b[2:]}
		w.Want("WSPRecv", w.S.WSPRecv(s, array, nil, &o.flags, &o.Overlapped, nil, nil), wsa.IO_PENDING)
		array[0], array[1] = make([]byte, 2), nil
		w.C.Send(c, "hello")
		equal(w, "text", o.await(0), "hello")
	}},
	Row{Section: "6.2", Name: "one overlapped for two operations: WSAEINVAL", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.reading(s, 9)
		w.Want("again", o.recv(), wsa.EINVAL)
		w.Want("on another socket", w.C.WSPRecv(c, [][]byte{o.b}, nil, &o.flags, &o.Overlapped, nil, nil), wsa.EINVAL)
		o.pending() // the first is not disturbed
		w.C.Send(c, "hello")
		equal(w, "text", o.await(0), "hello")
	}},
	Row{Section: "6.2", Name: "all I/O of a thread is cancelled when the thread exits", Dropped: "spi-notes 4: thread exit cancels I/O"},
	Row{Section: "6.2", Name: "SO_RCVBUF 0: data only while buffers are posted", Dropped: "spi-notes 4: SO_SNDBUF=0/RCVBUF=0 semantics"},
)

// ended is over, for what must not wait.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// sleep is SleepEx.
func (w *Case) sleep(t *sockets.Thread) int {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	return t.SleepEx(ctx)
}

// port is a completion port with the socket of the server's end, whose key is 7.
func (w *Case) port(s sockets.SOCKET, size int) *sockets.CompletionPort {
	w.Helper()
	p := sockets.CreateCompletionPort(size)
	w.Cleanup(func() { p.Close() })
	w.Want("Associate", w.S.Session.Associate(s, p, 7), 0)
	return p
}

// next is the next record of a port.
func (w *Case) next(p *sockets.CompletionPort) sockets.Completion {
	w.Helper()
	c, e := p.Get(patience)
	w.Want("Get", e, 0)
	return c
}

// empty wants a port to have no record.
func (w *Case) empty(p *sockets.CompletionPort) {
	w.Helper()
	c, e := p.Get(0)
	w.Want("Get", e, wsa.WAIT_TIMEOUT)
	equal(w, "record", c, sockets.Completion{})
}
