package winsocktest

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.24 WSPSelect: which set when, and errors. More is in 12.4 and 12.9 (selects.go).
var _ = add(
	Row{Section: "3.24", Name: "read: listening and connection pending", Run: func(w *Case) {
		l, _ := w.offered()
		w.S.sets("connection pending", l, true, false, false)
		w.acceptOne(l)
		w.S.sets("accepted", l, false, false, false)
	}},
	Row{Section: "3.24", Name: "read: a connection that was deferred is pending", Run: func(w *Case) {
		l, _ := w.offered()
		w.Want("WSPAccept", w.S.acceptWith(l, 2), wsa.TRY_AGAIN)
		w.S.sets("deferred", l, true, false, false)
	}},
	Row{Section: "3.24", Name: "read: data available, of a stream and a datagram; not when it was read", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "x")
		w.S.Await(s, wsa.FD_READ)
		w.S.sets("data", s, true, true, false)
		w.S.Read(s, 1)
		w.S.sets("read", s, false, true, false)
		d, u, to := w.datagrams()
		w.C.sendTo(d, "x", to)
		w.S.Await(u, wsa.FD_READ)
		w.S.sets("datagram", u, true, true, false)
		w.S.recvFrom(u, 9, 64)
		w.S.sets("datagram read", u, false, true, false)
	}},
	Row{Section: "3.24", Name: "read: connection closed, reset, terminated; write too, except not", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.S.Await(s, wsa.FD_CLOSE)
		w.S.sets("closed", s, true, true, false)
		d, t := w.Connected()
		w.C.reset(d)
		w.S.Await(t, wsa.FD_CLOSE)
		w.S.sets("reset", t, true, true, false)
	}},
	Row{Section: "3.24", Name: "all three: the network is down, and the next call says so", Run: func(w *Case) {
		_, s := w.Connected()
		l, _ := w.S.Listen()
		for _, k := range []sockets.SOCKET{s, l, w.S.TCP()} {
			w.S.fail(k, wsa.ENETDOWN)
			w.S.sets("failed", k, true, true, true)
		}
	}},
	Row{Section: "3.24", Name: "write: non-blocking connect succeeded", Run: func(w *Case) {
		_, at := w.S.Listen()
		c := w.begun(at)
		set, timeout := sockets.FDSet{c}, patience
		n, e := w.C.WSPSelect(0, nil, &set, nil, &timeout)
		w.Want("WSPSelect", e, 0)
		equal(w, "ready", n, 1)
		w.C.sets("connected", c, false, true, false)
	}},
	Row{Section: "3.24", Name: "write: not while an attempt goes on", Needs: NeedsSilence, Run: func(w *Case) {
		w.C.sets("connecting", w.begun(w.silent()), false, false, false)
	}},
	Row{Section: "3.24", Name: "write: data can be sent; not when there is no room", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.sets("room", c, false, true, false)
		w.Want("FIONBIO", w.C.NonBlocking(c, true), 0)
		sent := w.C.fill(c)
		set := sockets.FDSet{c}
		var n int
		var e wsa.Errno
		w.during(func() { n, e = w.C.WSPSelect(0, nil, &set, nil, nil) }, func() { w.S.readAll(s, sent) })
		w.Want("WSPSelect", e, 0)
		equal(w, "ready", n, 1)
	}},
	Row{Section: "3.24", Name: "except: non-blocking connect failed", Run: func(w *Case) {
		c := w.begun(w.nobody())
		w.C.Await(c, wsa.FD_CONNECT)
		w.C.sets("refused", c, false, false, true)
	}},
	Row{Section: "3.24", Name: "except: OOB available (SO_OOBINLINE off)", Needs: NeedsUrgent, Run: func(w *Case) {
		_, s := w.urgent(false)
		w.S.sets("urgent", s, false, true, true)
	}},
	Row{Section: "3.24", Name: "read: OOB data with SO_OOBINLINE", Needs: NeedsUrgent, Run: func(w *Case) {
		_, s := w.urgent(true)
		w.S.sets("urgent inline", s, true, true, false)
	}},
	Row{Section: "3.24", Name: "returns the total across the three sets, rewritten to the ready subset; the timeout is not modified", Run: func(w *Case) {
		c, s := w.Connected()
		d, t := w.Connected()
		w.C.Send(c, "x")
		w.S.Await(s, wsa.FD_READ)
		r, wr, x, timeout := sockets.FDSet{t, s}, sockets.FDSet{s, t}, sockets.FDSet{s, t}, patience
		n, e := w.S.WSPSelect(0, &r, &wr, &x, &timeout)
		w.Want("WSPSelect", e, 0)
		equal(w, "total", n, 3)
		equal(w, "readfds", len(r) == 1 && r.IsSet(s), true)
		equal(w, "writefds", len(wr), 2)
		equal(w, "exceptfds", len(x), 0)
		equal(w, "timeout", timeout, patience)
		w.C.peerName(d)
	}},
	Row{Section: "3.24", Name: "sets of more than FD_SETSIZE; nfds is ignored", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "x")
		set := make(sockets.FDSet, 500)
		for i := range set {
			set[i] = s
		}
		timeout := patience
		n, e := w.S.WSPSelect(-7, &set, nil, nil, &timeout)
		w.Want("WSPSelect", e, 0)
		equal(w, "set", len(set) >= 1 && n >= 1, true)
	}},
	Row{Section: "3.24", Name: "{0,0}: poll, 0 and empty sets if nothing is ready", Run: func(w *Case) {
		_, s := w.Connected()
		set := sockets.FDSet{s}
		n, e := w.S.WSPSelect(0, &set, nil, nil, new(time.Duration))
		w.Want("WSPSelect", e, 0)
		equal(w, "ready", n, 0)
		equal(w, "set", len(set), 0)
	}},
	Row{Section: "3.24", Name: "nil timeout: waits for as long as it takes", Run: func(w *Case) {
		c, s := w.Connected()
		set := sockets.FDSet{s}
		var n int
		var e wsa.Errno
		w.during(func() { n, e = w.S.WSPSelect(0, &set, nil, nil, nil) }, func() {
			w.S.waitWatched(s)
			w.C.Send(c, "x")
		})
		w.Want("WSPSelect", e, 0)
		equal(w, "ready", n, 1)
	}},
	Row{Section: "3.24", Name: "a timeout that passes: 0", Run: func(w *Case) {
		_, s := w.Connected()
		set, timeout := sockets.FDSet{s}, time.Millisecond
		n, e := w.S.WSPSelect(0, &set, nil, nil, &timeout)
		w.Want("WSPSelect", e, 0)
		equal(w, "ready", n, 0)
	}},
	Row{Section: "3.24", Name: "WSAEINVAL: bad timeout", Run: func(w *Case) {
		set, timeout := sockets.FDSet{w.C.UDP()}, -time.Millisecond
		_, e := w.C.WSPSelect(0, nil, &set, nil, &timeout)
		w.Want("WSPSelect", e, wsa.EINVAL)
		equal(w, "set", len(set), 1)
	}},
	Row{Section: "3.24", Name: "WSAEINVAL: all three sets nil or empty", Run: func(w *Case) {
		for _, set := range []*sockets.FDSet{nil, {}} {
			_, e := w.C.WSPSelect(0, set, set, set, nil)
			w.Want("WSPSelect", e, wsa.EINVAL)
		}
	}},
	Row{Section: "3.24", Name: "WSAEINTR: cancelled", Run: func(w *Case) {
		_, s := w.Connected()
		set, thread := sockets.FDSet{s}, sockets.OpenThread()
		var e wsa.Errno
		w.during(func() { _, e = w.S.Session.ThreadProcTable(thread).WSPSelect(0, &set, nil, nil, nil) }, func() { w.cancelBlocking(thread) })
		w.Want("WSPSelect", e, wsa.EINTR)
		equal(w, "set", len(set), 1)
	}},
	Row{Section: "3.24", Name: "WSAEFAULT: no resources or bad pointers", Dropped: "a set is a slice, which is never a bad pointer"},
)
