package winsocktest

import (
	"bytes"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// condition is a condition function that always says the same, and what it saw.
type condition struct {
	says           provider.CondResult
	calls          int
	caller, callee []byte
	data           any
}

func (c *condition) proc(caller, callee []byte, data any) provider.CondResult {
	c.calls++
	c.caller, c.callee, c.data = bytes.Clone(caller), bytes.Clone(callee), data
	return c.says
}

// offered is a listener with one connection waiting, and the client's end of it.
func (w *Case) offered() (l, c sockets.SOCKET) {
	w.Helper()
	l, at := w.S.Listen()
	c = w.C.TCP()
	w.Want("WSPConnect", w.C.Connect(c, at), 0)
	w.S.Await(l, wsa.FD_ACCEPT)
	return l, c
}

// acceptWith is WSPAccept with a condition function that says so.
func (e *End) acceptWith(l sockets.SOCKET, says provider.CondResult) wsa.Errno {
	s, errno := e.WSPAccept(l, nil, nil, (&condition{says: says}).proc, nil)
	if (s == sockets.INVALID_SOCKET) != (errno != 0) {
		e.w.Errorf("socket %#x with %v", s, errno)
	}
	return errno
}

// noneLeft wants nothing to wait at the listener.
func (w *Case) noneLeft(l sockets.SOCKET) {
	w.Helper()
	w.Want("FIONBIO", w.S.NonBlocking(l, true), 0)
	_, e := w.S.WSPAccept(l, nil, nil, nil, nil)
	w.Want("WSPAccept of an empty queue", e, wsa.EWOULDBLOCK)
}

// 3.3 WSPAccept: the condition function.
var _ = add(
	Row{Section: "3.3", Name: "CF_ACCEPT: new socket created and returned", Run: func(w *Case) {
		l, c := w.offered()
		s, e := w.S.WSPAccept(l, nil, nil, (&condition{says: provider.CF_ACCEPT}).proc, nil)
		w.Want("WSPAccept", e, 0)
		defer w.S.WSPCloseSocket(s)
		w.C.Send(c, "hello")
		equal(w, "text", w.S.Read(s, 5), "hello")
	}},
	Row{Section: "3.3", Name: "CF_REJECT: refused (RST) and removed from queue, WSAECONNREFUSED", Run: func(w *Case) {
		l, c := w.offered()
		w.Want("WSPAccept", w.S.acceptWith(l, provider.CF_REJECT), wsa.ECONNREFUSED)
		w.C.Await(c, wsa.FD_CLOSE)
		_, e := w.C.Recv(c, 1, 0)
		w.Want("the client's receive", e, wsa.ECONNRESET)
		w.noneLeft(l)
	}},
	Row{Section: "3.3", Name: "CF_DEFER: stays at head of queue, WSATRY_AGAIN", Run: func(w *Case) {
		l, first := w.offered()
		w.Want("WSPAccept", w.S.acceptWith(l, provider.CF_DEFER), wsa.TRY_AGAIN)
		w.Want("a second client", w.C.Connect(w.C.TCP(), w.S.SockName(l)), 0)
		w.Want("WSPAccept again", w.S.acceptWith(l, provider.CF_DEFER), wsa.TRY_AGAIN)
		w.sameName("the first", w.S.peerName(w.S.Accept(l)), w.C.SockName(first))
		w.S.Accept(l)
		w.noneLeft(l)
	}},
	Row{Section: "3.3", Name: "CF_DEFER: no further FD_ACCEPT while it is there", Run: func(w *Case) {
		l, _ := w.offered()
		event := sockets.CreateEvent()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(l, event, wsa.FD_ACCEPT), 0)
		w.S.recorded(l, event, wsa.FD_ACCEPT)
		w.Want("WSPAccept", w.S.acceptWith(l, provider.CF_DEFER), wsa.TRY_AGAIN)
		c := w.C.TCP()
		w.Want("a second client", w.C.Connect(c, w.S.SockName(l)), 0)
		w.S.recorded(l, nil, 0)
		w.acceptOne(l) // re-enables it
		w.S.recorded(l, event, wsa.FD_ACCEPT)
	}},
	Row{Section: "3.3", Name: "any other result: WSAEINVAL, and the request stays", Run: func(w *Case) {
		l, _ := w.offered()
		w.Want("WSPAccept", w.S.acceptWith(l, 77), wsa.EINVAL)
		w.S.Accept(l)
	}},
	Row{Section: "3.3", Name: "cond: peer and local sockaddr, the callback data; in the calling thread, once per call", Run: func(w *Case) {
		l, c := w.offered()
		cond, data := &condition{}, new(int)
		s, e := w.S.WSPAccept(l, nil, nil, cond.proc, data)
		w.Want("WSPAccept", e, 0)
		defer w.S.WSPCloseSocket(s)
		equal(w, "calls", cond.calls, 1) // unsynchronised: the race detector would see another thread
		equal(w, "callback data", cond.data == any(data), true)
		w.sameName("caller", cond.caller, w.C.SockName(c))
		w.sameName("callee", cond.callee, w.S.SockName(s))
	}},
	Row{Section: "3.3", Name: "cond: may use the table", Run: func(w *Case) {
		l, _ := w.offered()
		s, e := w.S.WSPAccept(l, nil, nil, func(_, _ []byte, _ any) provider.CondResult {
			if v, e := w.S.Option(l, sol, wsa.SO_ACCEPTCONN); v != 1 || e != 0 {
				w.Errorf("SO_ACCEPTCONN within: %d, %v", v, e)
			}
			return provider.CF_ACCEPT
		}, nil)
		w.Want("WSPAccept", e, 0)
		w.Want("close", w.S.WSPCloseSocket(s), 0)
	}},
	Row{Section: "3.3", Name: "without SO_CONDITIONAL_ACCEPT the handshake is complete when cond runs", Run: func(w *Case) {
		l, c := w.offered() // its connect has returned
		w.C.Send(c, "before")
		w.Want("WSPAccept", w.S.acceptWith(l, provider.CF_DEFER), wsa.TRY_AGAIN)
		equal(w, "text", w.S.Read(w.S.Accept(l), 6), "before")
	}},
	Row{Section: "3.3", Name: "g from the condition function", Dropped: "spi-notes 4: QoS and groups"},
	Row{Section: "3.3", Name: "WSAEACCES: the offered request timed out or was withdrawn", Dropped: "the peer alone can withdraw a request, and that is WSAECONNRESET; nothing times it out"},
	Row{Section: "3.3", Name: "WSAENOBUFS", Dropped: "a session counts sockets, not buffers: WSAEMFILE"},
	Row{Section: "12.5", Name: "condition returns CF_DEFER: INVALID_SOCKET, WSATRY_AGAIN; a following plain accept has the same connection", Run: func(w *Case) {
		l, c := w.offered()
		w.Want("WSPAccept", w.S.acceptWith(l, provider.CF_DEFER), wsa.TRY_AGAIN)
		w.sameName("peer", w.S.peerName(w.S.Accept(l)), w.C.SockName(c))
	}},
	Row{Section: "12.5", Name: "listener closed while accept blocks in another thread: INVALID_SOCKET (wakes up)", Run: func(w *Case) {
		l, _ := w.S.Listen()
		thread := sockets.OpenThread()
		s, e := sockets.SOCKET(0), wsa.Errno(0)
		w.during(func() { s, e = w.S.Session.ThreadProcTable(thread).WSPAccept(l, nil, nil, nil, nil) }, func() {
			w.until("a call blocks", thread.IsBlocking)
			w.Want("close", w.S.WSPCloseSocket(l), 0)
		})
		equal(w, "socket", s, sockets.INVALID_SOCKET)
		if e != wsa.EINTR && e != wsa.ENOTSOCK { // as it had begun to wait or not
			w.Errorf("WSPAccept: %v", e)
		}
	}},
)
