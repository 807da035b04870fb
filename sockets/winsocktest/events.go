package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.5 WSPAsyncSelect, 3.11 WSPEventSelect, 3.12 WSPEnumNetworkEvents: arguments and
// registration. What is recorded when is 6.4 (reenabling.go) and 12.7 (sequences.go).
var _ = add(
	Row{Section: "3.5", Name: "sets non-blocking, whatever the events", Run: func(w *Case) {
		for _, events := range []wsa.Events{0, wsa.FD_READ} {
			_, s := w.Connected()
			w.Want("WSPAsyncSelect", w.S.WSPAsyncSelect(s, ignore, events), 0)
			_, e := w.S.Recv(s, 1, 0)
			w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
		}
	}},
	Row{Section: "3.5", Name: "message: socket, event, error", Run: func(w *Case) {
		c, s := w.Connected()
		type message struct {
			s     sockets.SOCKET
			event wsa.Events
			e     wsa.Errno
		}
		messages := make(chan message, 10)
		e := w.S.WSPAsyncSelect(s, func(s sockets.SOCKET, event wsa.Events, e wsa.Errno) { messages <- message{s, event, e} }, wsa.FD_CLOSE)
		w.Want("WSPAsyncSelect", e, 0)
		w.C.reset(c)
		m := <-messages
		equal(w, "socket", m.s, s)
		equal(w, "event", m.event, wsa.FD_CLOSE)
		if m.e != wsa.ECONNRESET && m.e != wsa.ECONNABORTED {
			w.Errorf("error %v", m.e)
		}
	}},
	Row{Section: "3.5", Name: "WSAEINVAL: no window, unknown events; the registration before it stays", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.observe(w.S, s, true)
		o.until("registration", wsa.FD_WRITE, 0)
		w.Want("no window", w.S.WSPAsyncSelect(s, nil, wsa.FD_READ), wsa.EINVAL)
		w.Want("unknown events", w.S.WSPAsyncSelect(s, ignore, 1<<10), wsa.EINVAL)
		w.C.Send(c, "x")
		o.until("data", wsa.FD_READ, 0)
	}},
	Row{Section: "3.5", Name: "hWnd and wMsg", Dropped: "spi-notes 4: hWnd messages; a MessageProc instead"},
	Row{Section: "3.11", Name: "sets non-blocking, whatever the events", Run: func(w *Case) {
		for _, events := range []wsa.Events{0, wsa.FD_READ} {
			_, s := w.Connected()
			w.Want("WSPEventSelect", w.S.WSPEventSelect(s, sockets.CreateEvent(), events), 0)
			_, e := w.S.Recv(s, 1, 0)
			w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
		}
	}},
	Row{Section: "3.11", Name: "WSAEINVAL: non-zero mask without an event, or with a closed one; unknown events", Run: func(w *Case) {
		_, s := w.Connected()
		closed := sockets.CreateEvent()
		w.Want("close the event", closed.Close(), 0)
		w.Want("no event", w.S.WSPEventSelect(s, nil, wsa.FD_READ), wsa.EINVAL)
		w.Want("a closed event", w.S.WSPEventSelect(s, closed, wsa.FD_READ), wsa.EINVAL)
		w.Want("unknown events", w.S.WSPEventSelect(s, sockets.CreateEvent(), 1<<10), wsa.EINVAL)
		w.Want("the mode was not touched: FIONBIO 0", w.S.NonBlocking(s, false), 0)
	}},
	Row{Section: "3.11", Name: "mask 0 cancels; the event is ignored", Run: func(w *Case) {
		c, s := w.Connected()
		event, other := sockets.CreateEvent(), sockets.CreateEvent()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(s, event, wsa.FD_READ), 0)
		w.Want("cancel", w.S.WSPEventSelect(s, nil, 0), 0)
		w.Want("cancel with an event", w.S.WSPEventSelect(s, other, 0), 0)
		w.C.Send(c, "x")
		w.S.Await(s, wsa.FD_READ)
		w.Want("register again", w.S.WSPEventSelect(s, other, wsa.FD_READ), 0) // it finds the data
		w.S.recorded(s, other, wsa.FD_READ)
		equal(w, "the first event", event.IsSet(), false)
	}},
	Row{Section: "3.12", Name: "WSAEINVAL: no structure, a closed event; record and event untouched", Run: func(w *Case) {
		c, s := w.Connected()
		event, closed := sockets.CreateEvent(), sockets.CreateEvent()
		w.Want("close an event", closed.Close(), 0)
		w.Want("WSPEventSelect", w.S.WSPEventSelect(s, event, wsa.FD_READ), 0)
		w.C.Send(c, "x")
		w.signalled(event)
		w.Want("no structure", w.S.WSPEnumNetworkEvents(s, event, nil), wsa.EINVAL)
		w.Want("a closed event", w.S.WSPEnumNetworkEvents(s, closed, new(sockets.NetworkEvents)), wsa.EINVAL)
		equal(w, "signalled", event.IsSet(), true)
		w.S.recorded(s, event, wsa.FD_READ)
	}},
	Row{Section: "3.12", Name: "only the elements of set bits are written", Run: func(w *Case) {
		c, s := w.Connected()
		event := sockets.CreateEvent()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(s, event, wsa.FD_READ), 0)
		w.C.Send(c, "x")
		w.signalled(event)
		var ne sockets.NetworkEvents
		for i := range ne.Errors {
			ne.Errors[i] = 0xabab
		}
		w.Want("WSPEnumNetworkEvents", w.S.WSPEnumNetworkEvents(s, event, &ne), 0)
		equal(w, "events", ne.Events, wsa.FD_READ)
		for i, e := range ne.Errors {
			if want := map[bool]wsa.Errno{true: 0, false: 0xabab}[i == 0]; e != want {
				w.Errorf("element %d: %#x", i, uint32(e))
			}
		}
	}},
	Row{Section: "3.12", Name: "without a registration: no events", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "x")
		w.S.Await(s, wsa.FD_READ)
		w.S.recorded(s, nil, 0)
	}},
	Row{Section: "3.12", Name: "resets the event that is given, and no other", Run: func(w *Case) {
		c, s := w.Connected()
		event, other := sockets.CreateEvent(), sockets.CreateEvent()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(s, event, wsa.FD_READ), 0)
		w.Want("set the other", other.Set(), 0)
		w.C.Send(c, "x")
		w.signalled(event)
		w.S.recorded(s, nil, wsa.FD_READ)
		equal(w, "signalled still", event.IsSet(), true)
		w.Want("WSPEnumNetworkEvents", w.S.WSPEnumNetworkEvents(s, event, new(sockets.NetworkEvents)), 0)
		equal(w, "signalled", event.IsSet(), false)
		equal(w, "the other", other.IsSet(), true)
	}},
)

func ignore(sockets.SOCKET, wsa.Events, wsa.Errno) {}

// 6.3 Blocking mode. Mode is seen by a receive: what would wait is WSAEWOULDBLOCK.
var _ = add(
	Row{Section: "6.3", Name: "create: blocking, independent of WSA_FLAG_OVERLAPPED", Run: func(w *Case) {
		for _, flags := range []uint32{0, wsa.WSA_FLAG_OVERLAPPED} {
			s := w.C.OpenWith(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, flags)
			w.C.Bind(s)
			w.C.blocks(s)
		}
	}},
	Row{Section: "6.3", Name: "FIONBIO ≠0: non-blocking; 0: blocking again", Run: func(w *Case) {
		s := w.C.UDP()
		w.C.Bind(s)
		w.Want("FIONBIO", w.C.ioctl(s, wsa.FIONBIO, []byte{0, 0, 7, 0}, nil), 0)
		_, e := w.C.Recv(s, 1, 0)
		w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
		w.Want("FIONBIO", w.C.NonBlocking(s, false), 0)
		w.C.blocks(s)
	}},
	Row{Section: "6.3", Name: "FIONBIO 0 while AsyncSelect or EventSelect is active: WSAEINVAL", Run: func(w *Case) {
		a, b := w.C.UDP(), w.C.UDP()
		w.Want("WSPAsyncSelect", w.C.WSPAsyncSelect(a, ignore, wsa.FD_READ), 0)
		w.Want("WSPEventSelect", w.C.WSPEventSelect(b, sockets.CreateEvent(), wsa.FD_READ), 0)
		for _, s := range []sockets.SOCKET{a, b} {
			w.C.Bind(s)
			w.Want("FIONBIO 0", w.C.NonBlocking(s, false), wsa.EINVAL)
			w.Want("FIONBIO 1", w.C.NonBlocking(s, true), 0)
			_, e := w.C.Recv(s, 1, 0)
			w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
		}
	}},
	Row{Section: "6.3", Name: "EventSelect(…,0), AsyncSelect(…,0), then FIONBIO 0: blocking", Run: func(w *Case) {
		s := w.C.UDP()
		w.C.Bind(s)
		w.Want("WSPEventSelect", w.C.WSPEventSelect(s, sockets.CreateEvent(), wsa.FD_READ), 0)
		w.Want("WSPEventSelect 0", w.C.WSPEventSelect(s, nil, 0), 0)
		_, e := w.C.Recv(s, 1, 0)
		w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
		w.Want("FIONBIO", w.C.NonBlocking(s, false), 0)
		w.C.blocks(s)
		w.Want("WSPAsyncSelect", w.C.WSPAsyncSelect(s, ignore, wsa.FD_READ), 0)
		w.Want("WSPAsyncSelect 0", w.C.WSPAsyncSelect(s, nil, 0), 0)
		w.Want("FIONBIO", w.C.NonBlocking(s, false), 0)
		w.C.blocks(s)
	}},
	Row{Section: "6.3", Name: "accept inherits the listener's mode", Run: func(w *Case) {
		l, _ := w.offered()
		w.Want("FIONBIO", w.S.NonBlocking(l, true), 0)
		_, e := w.S.Recv(w.S.Accept(l), 1, 0)
		w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
	}},
	Row{Section: "6.3", Name: "overlapped operations: unaffected", Run: func(w *Case) {
		c, s := w.Connected()
		for _, nonblocking := range []bool{true, false} {
			w.Want("FIONBIO", w.S.NonBlocking(s, nonblocking), 0)
			o := w.S.reading(s, 9)
			w.C.Send(c, "hello")
			equal(w, "text", o.await(0), "hello")
		}
	}},
	Row{Section: "6.3", Name: "affected, non-blocking: accept, connect, recv, send, *_CHANGE", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("FIONBIO", w.S.NonBlocking(l, true), 0)
		_, e := w.S.WSPAccept(l, nil, nil, nil, nil)
		w.Want("WSPAccept", e, wsa.EWOULDBLOCK)
		c := w.begun(at)
		w.C.Await(c, wsa.FD_WRITE)
		_, e = w.C.Recv(c, 1, 0)
		w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
		w.C.fill(c) // until WSAEWOULDBLOCK
	}},
	Row{Section: "6.3", Name: "affected, non-blocking: SIO_ADDRESS_LIST_CHANGE", Needs: NeedsChanges, Run: func(w *Case) {
		s := w.C.UDP()
		w.Want("FIONBIO", w.C.NonBlocking(s, true), 0)
		w.Want("WSPIoctl", w.C.ioctl(s, wsa.SIO_ADDRESS_LIST_CHANGE, nil, nil), wsa.EWOULDBLOCK)
	}},
)

// blocks wants a receive on a datagram socket to wait.
func (e *End) blocks(s sockets.SOCKET) {
	e.w.Helper()
	thread := sockets.OpenThread()
	var errno wsa.Errno
	e.w.during(func() {
		errno = e.Session.ThreadProcTable(thread).WSPRecv(s, [][]byte{make([]byte, 1)}, new(uint32), new(wsa.MsgFlags), nil, nil, nil)
	}, func() { e.w.cancelBlocking(thread) })
	e.w.Want("a receive that blocks", errno, wsa.EINTR)
}
