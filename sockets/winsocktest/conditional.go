package winsocktest

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// conditional is a listener whose connections are not answered before the condition
// function has said so.
func (e *End) conditional(backlog int) (l sockets.SOCKET, at []byte) {
	e.w.Helper()
	l = e.TCP()
	e.w.Want("SO_CONDITIONAL_ACCEPT", e.SetOption(l, sol, wsa.SO_CONDITIONAL_ACCEPT, 1), 0)
	at = e.Bind(l)
	e.w.Want("WSPListen", e.WSPListen(l, backlog), 0)
	return l, at
}

// knocking is a conditional listener at which an attempt waits, and the client's end.
func (w *Case) knocking() (l, c sockets.SOCKET) {
	w.Helper()
	l, at := w.S.conditional(5)
	c = w.begun(at)
	w.S.Await(l, wsa.FD_ACCEPT)
	return l, c
}

// unanswered wants the client's attempt to go on: what the server has sent so far has
// come, and nothing of it was an answer.
func (w *Case) unanswered(c sockets.SOCKET) {
	w.Helper()
	u := w.C.UDP()
	w.S.sendTo(w.S.UDP(), "flush", w.C.Bind(u))
	w.C.hears(u, "flush")
	w.Want("WSPConnect again", w.C.Connect(c, w.S.Bind(w.S.TCP())), wsa.EALREADY)
	_, write, except, _, e := w.C.selected(c, 0)
	w.Want("WSPSelect", e, 0)
	equal(w, "connected", write, false)
	equal(w, "failed", except, false)
}

// 3.3, 9.1: SO_CONDITIONAL_ACCEPT.
var _ = add(
	Row{Section: "3.3", Name: "SO_CONDITIONAL_ACCEPT, CF_ACCEPT: the handshake completes, and not before", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, c := w.knocking()
		w.unanswered(c)
		cond := &condition{says: provider.CF_ACCEPT}
		s, e := w.S.WSPAccept(l, nil, nil, cond.proc, nil) // blocking: it waits for the handshake
		w.Want("WSPAccept", e, 0)
		defer w.S.WSPCloseSocket(s)
		equal(w, "asked", cond.calls, 1)
		w.sameName("caller", cond.caller, w.C.SockName(c))
		w.sameName("callee", cond.callee, w.S.SockName(s))
		equal(w, "connected", w.C.Await(c, wsa.FD_CONNECT).Connect, 0)
		w.C.Send(c, "hello")
		equal(w, "text", w.S.Read(s, 5), "hello")
	}},
	Row{Section: "3.3", Name: "SO_CONDITIONAL_ACCEPT, CF_REJECT: the client is refused (RST)", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, c := w.knocking()
		w.Want("WSPAccept", w.S.acceptWith(l, provider.CF_REJECT), wsa.ECONNREFUSED)
		equal(w, "the client's attempt", w.C.Await(c, wsa.FD_CONNECT).Connect, wsa.ECONNREFUSED)
		w.noneLeft(l)
	}},
	Row{Section: "3.3", Name: "SO_CONDITIONAL_ACCEPT, CF_DEFER: the client goes on waiting; a plain accept answers it", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, c := w.knocking()
		for range 3 {
			w.Want("WSPAccept", w.S.acceptWith(l, provider.CF_DEFER), wsa.TRY_AGAIN)
			w.unanswered(c)
		}
		w.sameName("peer", w.S.peerName(w.S.Accept(l)), w.C.SockName(c))
		equal(w, "connected", w.C.Await(c, wsa.FD_CONNECT).Connect, 0)
	}},
	Row{Section: "3.3", Name: "SO_CONDITIONAL_ACCEPT, any other result: WSAEINVAL, and the request stays", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, c := w.knocking()
		w.Want("WSPAccept", w.S.acceptWith(l, 77), wsa.EINVAL)
		w.unanswered(c)
		w.S.Accept(l)
	}},
	Row{Section: "3.3", Name: "SO_CONDITIONAL_ACCEPT, non-blocking: WSAEWOULDBLOCK until the handshake is over; not asked again", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, c := w.knocking()
		w.Want("FIONBIO", w.S.NonBlocking(l, true), 0)
		cond := &condition{says: provider.CF_ACCEPT}
		s, e := w.S.WSPAccept(l, nil, nil, cond.proc, nil)
		for e == wsa.EWOULDBLOCK {
			w.S.Await(l, wsa.FD_ACCEPT)
			s, e = w.S.WSPAccept(l, nil, nil, cond.proc, nil)
		}
		w.Want("WSPAccept", e, 0)
		defer w.S.WSPCloseSocket(s)
		equal(w, "asked", cond.calls, 1)
		w.sameName("peer", w.S.peerName(s), w.C.SockName(c))
	}},
	Row{Section: "3.3", Name: "SO_CONDITIONAL_ACCEPT: the first attempt is the first offered", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, first := w.knocking()
		w.Want("defer", w.S.acceptWith(l, provider.CF_DEFER), wsa.TRY_AGAIN)
		second := w.begun(w.S.SockName(l))
		cond := &condition{says: provider.CF_REJECT}
		_, e := w.S.WSPAccept(l, nil, nil, cond.proc, nil)
		w.Want("WSPAccept", e, wsa.ECONNREFUSED)
		w.sameName("refused", cond.caller, w.C.SockName(first))
		w.sameName("the next", w.S.peerName(w.S.Accept(l)), w.C.SockName(second))
	}},
	Row{Section: "3.3", Name: "SO_CONDITIONAL_ACCEPT: FD_ACCEPT for an attempt, and again for its connection", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, at := w.S.conditional(5)
		event := w.S.registered(l, wsa.FD_ACCEPT)
		c := w.begun(at)
		w.S.recorded(l, event, wsa.FD_ACCEPT)
		w.unanswered(c)
		s, e := w.S.WSPAccept(l, nil, nil, (&condition{says: provider.CF_ACCEPT}).proc, nil)
		if e != 0 {
			w.Want("WSPAccept", e, wsa.EWOULDBLOCK)
			w.S.recorded(l, event, wsa.FD_ACCEPT)
			s, e = w.S.WSPAccept(l, nil, nil, nil, nil)
		}
		w.Want("WSPAccept", e, 0)
		w.Want("close", w.S.WSPCloseSocket(s), 0)
	}},
	Row{Section: "3.3", Name: "SO_CONDITIONAL_ACCEPT: closing the listener refuses who waits", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, c := w.knocking()
		late := w.begun(w.S.SockName(l))
		w.Want("defer", w.S.acceptWith(l, provider.CF_DEFER), wsa.TRY_AGAIN)
		w.unanswered(c) // and the second attempt has come
		w.Want("close", w.S.WSPCloseSocket(l), 0)
		for _, s := range []sockets.SOCKET{c, late} {
			equal(w, "the client's attempt", w.C.Await(s, wsa.FD_CONNECT).Connect, wsa.ECONNREFUSED)
		}
	}},
	Row{Section: "3.20", Name: "SO_CONDITIONAL_ACCEPT: attempts beyond the backlog are offered when there is room", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, at := w.S.conditional(1)
		first := w.begun(at)
		w.S.Await(l, wsa.FD_ACCEPT)
		second := w.begun(at)
		w.unanswered(second)
		w.Want("WSPAccept", w.S.acceptWith(l, provider.CF_REJECT), wsa.ECONNREFUSED)
		w.sameName("the second", w.S.peerName(w.S.Accept(l)), w.C.SockName(second)) // it asks again
		equal(w, "the first", w.C.Await(first, wsa.FD_CONNECT).Connect, wsa.ECONNREFUSED)
	}},
	Row{Section: "5.9", Name: "SO_CONDITIONAL_ACCEPT: AcceptEx answers who waits", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, c := w.knocking()
		s, o := w.S.TCP(), &sockets.Overlapped{HEvent: sockets.CreateEvent()}
		size := uint32(len(w.Any()) + 16)
		var n uint32
		e := w.S.Session.AcceptEx(l, s, make([]byte, 2*size), 0, size, size, &n, o)
		if e != 0 {
			w.Want("AcceptEx", e, wsa.IO_PENDING)
		}
		w.signalled(o.HEvent)
		equal(w, "connected", w.C.Await(c, wsa.FD_CONNECT).Connect, 0)
	}},
	Row{Section: "12.4", Name: "SO_CONDITIONAL_ACCEPT, an attempt waits: listener in readfds", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, at := w.S.conditional(5)
		w.S.sets("nobody", l, false, false, false)
		w.begun(at)
		w.S.Await(l, wsa.FD_ACCEPT)
		w.S.sets("an attempt", l, true, false, false)
	}},
	Row{Section: "9.1", Name: "SO_PAUSE_ACCEPT: the listener refuses all incoming, and takes them again", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, at := w.S.Listen()
		waiting := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(waiting, at), 0)
		w.S.Await(l, wsa.FD_ACCEPT)
		w.Want("SO_PAUSE_ACCEPT", w.S.SetOption(l, sol, wsa.SO_PAUSE_ACCEPT, 1), 0)
		w.Want("WSPConnect, paused", w.C.Connect(w.C.TCP(), at), wsa.ECONNREFUSED)
		w.sameName("what came before", w.S.peerName(w.S.Accept(l)), w.C.SockName(waiting))
		w.Want("SO_PAUSE_ACCEPT off", w.S.SetOption(l, sol, wsa.SO_PAUSE_ACCEPT, 0), 0)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		w.S.Accept(l)
	}},
)
