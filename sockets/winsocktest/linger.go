package winsocktest

import (
	"sync/atomic"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// closes closes c, which has sent more than the server has read, on a thread of its
// own, and runs meanwhile when that has begun. It says whether close had returned
// before meanwhile.
func (w *Case) closes(c sockets.SOCKET, meanwhile func(returned *atomic.Bool, t *sockets.Thread)) {
	w.Helper()
	thread := sockets.OpenThread()
	var returned atomic.Bool
	var e wsa.Errno
	w.during(func() {
		e = w.C.Session.ThreadProcTable(thread).WSPCloseSocket(c)
		returned.Store(true)
	}, func() { meanwhile(&returned, thread) })
	w.Want("WSPCloseSocket", e, 0)
}

// 8.3 closesocket and linger. The waits are on a fake clock in sockets
// (linger_test.go).
var _ = add(
	Row{Section: "8.3", Name: "default: SO_DONTLINGER", Run: func(w *Case) {
		v, e := w.C.Option(w.C.TCP(), sol, wsa.SO_DONTLINGER)
		w.Want("SO_DONTLINGER", e, 0)
		equal(w, "SO_DONTLINGER", v, 1)
	}},
	Row{Section: "8.3", Name: "SO_DONTLINGER: graceful, background, does not wait; the same on a non-blocking socket", Run: func(w *Case) {
		for _, nonblocking := range []bool{false, true} {
			c, s := w.Connected()
			sent := w.C.sendShortly(c)
			w.Want("FIONBIO", w.C.NonBlocking(c, nonblocking), 0)
			w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0) // nobody has read anything
			w.S.readAll(s, sent)
			w.S.ended(s, "")
		}
	}},
	Row{Section: "8.3", Name: "SO_LINGER 0: hard, RST, does not wait; the same on a non-blocking socket", Run: func(w *Case) {
		for _, nonblocking := range []bool{false, true} {
			c, s := w.Connected()
			w.Want("SO_LINGER", w.C.SetOption(c, sol, wsa.SO_LINGER, 1), 0)
			w.C.sendShortly(c)
			w.Want("FIONBIO", w.C.NonBlocking(c, nonblocking), 0)
			w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
			w.S.resetAfterData(s)
		}
	}},
	Row{Section: "8.3", Name: "SO_LINGER >0: waits, graceful", Needs: NeedsUnheld, Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("SO_LINGER", w.C.SetOption(c, sol, wsa.SO_LINGER, 1|30<<16), 0)
		sent := w.C.sendShortly(c)
		w.closes(c, func(returned *atomic.Bool, thread *sockets.Thread) {
			w.until("close blocks", thread.IsBlocking)
			equal(w, "it has returned before the peer has read", returned.Load(), false)
			w.S.readAll(s, sent)
			w.S.ended(s, "")
		})
	}},
	Row{Section: "8.3", Name: "SO_LINGER >0: abortive when time expires", Needs: NeedsUnheld, Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("SO_LINGER", w.C.SetOption(c, sol, wsa.SO_LINGER, 1|1<<16), 0)
		w.C.sendShortly(c)
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0) // after a second
		w.S.resetAfterData(s)
	}},
	Row{Section: "8.3", Name: "SO_LINGER >0: abortive when cancelled", Needs: NeedsUnheld, Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("SO_LINGER", w.C.SetOption(c, sol, wsa.SO_LINGER, 1|30<<16), 0)
		w.C.sendShortly(c)
		w.closes(c, func(_ *atomic.Bool, thread *sockets.Thread) { w.cancelBlocking(thread) })
		w.S.resetAfterData(s)
	}},
	Row{Section: "8.3", Name: "SO_LINGER >0, nothing to wait for: fresh, listening, refused, reset", Run: func(w *Case) {
		l, _ := w.S.Listen()
		refused := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(refused, w.nobody()), wsa.ECONNREFUSED)
		c, s := w.Connected()
		w.C.reset(c)
		w.S.Await(s, wsa.FD_CLOSE)
		for s, e := range map[sockets.SOCKET]*End{l: w.S, refused: w.C, w.C.TCP(): w.C, s: w.S} {
			w.Want("SO_LINGER", e.SetOption(s, sol, wsa.SO_LINGER, 1|30<<16), 0)
			w.Want("WSPCloseSocket", e.WSPCloseSocket(s), 0)
		}
	}},
	Row{Section: "8.3", Name: "SO_LINGER >0, non-blocking: WSAEWOULDBLOCK if it cannot finish at once; the socket stays valid", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("SO_LINGER", w.C.SetOption(c, sol, wsa.SO_LINGER, 1|30<<16), 0)
		w.Want("FIONBIO", w.C.NonBlocking(c, true), 0)
		sent := w.C.sendShort(c)
		for range 3 {
			w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), wsa.EWOULDBLOCK)
		}
		w.C.peerName(c)
		w.Want("SO_DONTLINGER", w.C.SetOption(c, sol, wsa.SO_DONTLINGER, 1), 0)
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
		w.S.readAll(s, sent)
		w.S.ended(s, "")
	}},
	Row{Section: "8.3", Name: "SO_LINGER >0, non-blocking: closes when all is delivered, FIN too", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("SO_LINGER", w.C.SetOption(c, sol, wsa.SO_LINGER, 1|30<<16), 0)
		w.Want("FIONBIO", w.C.NonBlocking(c, true), 0)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.C.Await(c, wsa.EvDrained)
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
		w.S.ended(s, "")
	}},
	Row{Section: "8.3", Name: "two 16-bit fields: on, seconds; SO_DONTLINGER=FALSE lingers with the previous time", Run: func(w *Case) {
		s, n := w.C.TCP(), int32(4)
		w.Want("SO_LINGER", w.C.WSPSetSockOpt(s, sol, wsa.SO_LINGER, []byte{1, 0, 0x39, 0x30}), 0)
		w.Want("SO_DONTLINGER", w.C.SetOption(s, sol, wsa.SO_DONTLINGER, 1), 0)
		w.Want("SO_DONTLINGER", w.C.SetOption(s, sol, wsa.SO_DONTLINGER, 0), 0)
		v := make([]byte, 4)
		w.Want("SO_LINGER", w.C.WSPGetSockOpt(s, sol, wsa.SO_LINGER, v, &n), 0)
		equal(w, "linger", [4]byte(v), [4]byte{1, 0, 0x39, 0x30})
	}},
)

// resetAfterData wants the connection to have been reset, after whatever came before.
func (e *End) resetAfterData(s sockets.SOCKET) {
	e.w.Helper()
	b := make([]byte, 1<<20)
	for {
		n, flags := uint32(0), wsa.MsgFlags(0)
		errno := e.WSPRecv(s, [][]byte{b}, &n, &flags, nil, nil, nil)
		if errno != 0 {
			e.w.Want("WSPRecv", errno, wsa.ECONNRESET)
			return
		}
		if n == 0 {
			e.w.Fatal("a clean end")
		}
	}
}
