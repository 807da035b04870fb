package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.20 WSPListen.
var _ = add(
	Row{Section: "3.20", Name: "illegal backlog silently replaced by nearest legal; SOMAXCONN", Run: func(w *Case) {
		for _, backlog := range []int{-2, 0, 1, wsa.SOMAXCONN} {
			l := w.S.TCP()
			at := w.S.Bind(l)
			w.Want("WSPListen", w.S.WSPListen(l, backlog), 0)
			w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
			w.S.Accept(l)
		}
	}},
	Row{Section: "3.20", Name: "calling again updates the backlog: what is pending stays", Run: func(w *Case) {
		l, c := w.offered()
		w.Want("WSPListen again", w.S.WSPListen(l, 5), 0)
		w.sameName("peer", w.S.peerName(w.S.Accept(l)), w.C.SockName(c))
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), w.S.SockName(l)), 0)
		w.S.Accept(l)
	}},
	Row{Section: "3.20", Name: "shrinking resets excess pending", Dropped: "spi-notes 3: neither stack drops a connection that it has accepted"},
	Row{Section: "3.20", Name: "queue full: client sees WSAECONNREFUSED", Dropped: "spi-notes 3: listen queue full drops the SYN, as Linux does, instead of resetting"},
	Row{Section: "3.20", Name: "WSAEADDRINUSE: two listeners at one address", Run: func(w *Case) {
		_, at := w.S.Listen()
		b := w.S.TCP()
		switch e := w.S.WSPBind(b, at); e {
		case 0: // the conflict surfaces late
			w.Want("WSPListen", w.S.WSPListen(b, 1), wsa.EADDRINUSE)
		case wsa.EADDRINUSE:
		default:
			w.Errorf("WSPBind: %v", e)
		}
	}},
	Row{Section: "3.20", Name: "WSAEINVAL: not bound", Run: func(w *Case) {
		w.Want("WSPListen", w.S.WSPListen(w.S.TCP(), 1), wsa.EINVAL)
	}},
	Row{Section: "3.20", Name: "WSAEISCONN: already connected", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("the client", w.C.WSPListen(c, 1), wsa.EISCONN)
		w.Want("the accepted one", w.S.WSPListen(s, 1), wsa.EISCONN)
	}},
	Row{Section: "3.20", Name: "WSAEMFILE, WSAENOBUFS", Dropped: "listening takes no descriptor"},
	Row{Section: "3.20", Name: "WSAEOPNOTSUPP: datagram socket", Run: func(w *Case) {
		s := w.C.UDP()
		w.Want("unbound", w.C.WSPListen(s, 1), wsa.EOPNOTSUPP)
		w.C.Bind(s)
		w.Want("bound", w.C.WSPListen(s, 1), wsa.EOPNOTSUPP)
	}},
	Row{Section: "3.20", Name: "WSAEOPNOTSUPP: raw socket", Needs: NeedsRaw, Run: func(w *Case) {
		s := w.C.Open(wsa.SOCK_RAW, 253)
		w.C.Bind(s)
		w.Want("WSPListen", w.C.WSPListen(s, 1), wsa.EOPNOTSUPP)
	}},
	Row{Section: "3.20", Name: "closing a listener resets what waits", Run: func(w *Case) {
		l, c := w.offered()
		w.Want("close", w.S.WSPCloseSocket(l), 0)
		w.C.Await(c, wsa.FD_CLOSE)
		_, e := w.C.Recv(c, 1, 0)
		w.Want("WSPRecv", e, wsa.ECONNRESET)
	}},
)

// 3.7 WSPCancelBlockingCall; the rows of the calls that it cancels are theirs.
var _ = add(
	Row{Section: "3.7", Name: "WSAEINVAL: no outstanding blocking call", Run: func(w *Case) {
		w.Want("a table without a thread", w.C.WSPCancelBlockingCall(), wsa.EINVAL)
		thread := sockets.OpenThread()
		table := w.C.Session.ThreadProcTable(thread)
		w.Want("an idle thread", table.WSPCancelBlockingCall(), wsa.EINVAL)
		w.Want("a call that does not block", table.WSPListen(w.C.TCP(), 1), wsa.EINVAL)
		w.Want("after it", table.WSPCancelBlockingCall(), wsa.EINVAL)
	}},
	Row{Section: "3.7", Name: "ends the call of this thread, and of no other", Run: func(w *Case) {
		a, b := w.C.UDP(), w.C.UDP()
		w.C.Bind(a)
		to := w.C.Bind(b)
		mine, other := sockets.OpenThread(), sockets.OpenThread()
		var first, second wsa.Errno
		recv := func(t *sockets.Thread, s sockets.SOCKET) wsa.Errno {
			return w.C.Session.ThreadProcTable(t).WSPRecv(s, [][]byte{make([]byte, 9)}, new(uint32), new(wsa.MsgFlags), nil, nil, nil)
		}
		w.during(func() { second = recv(other, b) }, func() {
			w.until("the other blocks", other.IsBlocking)
			w.during(func() { first = recv(mine, a) }, func() { w.cancelBlocking(mine) })
			equal(w, "the other still blocks", other.IsBlocking(), true)
			w.C.sendTo(w.C.UDP(), "hello", to)
		})
		w.Want("cancelled", first, wsa.EINTR)
		w.Want("the other", second, 0)
	}},
	Row{Section: "3.7", Name: "select is unharmed by it", Run: func(w *Case) {
		c, s := w.Connected()
		thread := sockets.OpenThread()
		table := w.S.Session.ThreadProcTable(thread)
		var e wsa.Errno
		set := sockets.FDSet{s}
		w.during(func() { _, e = table.WSPSelect(0, &set, nil, nil, nil) }, func() { w.cancelBlocking(thread) })
		w.Want("WSPSelect", e, wsa.EINTR)
		equal(w, "the set is unchanged", len(set), 1)
		w.C.Send(c, "x")
		n, e := table.WSPSelect(0, &set, nil, nil, nil)
		w.Want("again", e, 0)
		equal(w, "ready", n, 1)
	}},
	Row{Section: "3.7", Name: "a send cancelled half-way: all later calls but close fail with WSAECONNABORTED", Run: func(w *Case) {
		c, _ := w.Connected()
		thread := sockets.OpenThread()
		var e wsa.Errno
		w.during(func() {
			e = w.C.Session.ThreadProcTable(thread).WSPSend(c, [][]byte{make([]byte, 64<<20)}, new(uint32), 0, nil, nil, nil)
		}, func() {
			w.until("part of it is sent", func() bool { _, out := w.C.Session.Traffic(); return out > 0 })
			w.cancelBlocking(thread)
		})
		w.Want("WSPSend", e, wsa.EINTR)
		w.Want("WSPSend again", w.C.send(c, "x", 0), wsa.ECONNABORTED)
		_, e = w.C.Recv(c, 1, 0)
		w.Want("WSPRecv", e, wsa.ECONNABORTED)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_BOTH), wsa.ECONNABORTED)
		w.Want("close", w.C.WSPCloseSocket(c), 0)
	}},
)
