package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// closeSeen is what the server sees of the client's end: FD_CLOSE with one of the
// codes, and what its receive and its send say then.
func (w *Case) closeSeen(s sockets.SOCKET, o *observer, recv wsa.Errno, codes ...wsa.Errno) {
	w.Helper()
	o.until("the end", wsa.FD_CLOSE, wsa.FD_READ)
	known := false
	for _, code := range codes {
		known = known || o.err(wsa.FD_CLOSE) == code
	}
	if !known {
		w.Errorf("FD_CLOSE says %v", o.err(wsa.FD_CLOSE))
	}
	for range 3 { // for ever
		text, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, recv)
		equal(w, "text", text, "")
	}
}

// 8.2 Shutdown vs close: what the local end sees of what the remote one did.
var _ = add(
	Row{Section: "8.2", Name: "remote shutdown(SEND): FD_CLOSE err 0; recv: 0 bytes", Run: func(w *Case) {
		c, s, o := w.watchedPair(false)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.closeSeen(s, o, 0, 0)
		w.S.Send(s, "the other direction lives")
		equal(w, "text", w.C.Read(c, 9), "the other")
	}},
	Row{Section: "8.2", Name: "remote graceful close: FD_CLOSE err 0; recv: 0 bytes", Run: func(w *Case) {
		c, s, o := w.watchedPair(false)
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
		w.closeSeen(s, o, 0, 0)
	}},
	Row{Section: "8.2", Name: "remote graceful close: data that was queued comes first", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
		w.S.ended(s, "hello")
	}},
	Row{Section: "8.2", Name: "remote abortive close: FD_CLOSE err WSAECONNRESET; recv: WSAECONNRESET", Run: func(w *Case) {
		c, s, o := w.watchedPair(false)
		w.C.reset(c)
		w.closeSeen(s, o, wsa.ECONNRESET, wsa.ECONNRESET, wsa.ECONNABORTED) // the latter is observed
		w.Want("WSPSend", w.S.send(s, "x", 0), wsa.ECONNRESET)
		v, e := w.S.Option(s, sol, wsa.SO_ERROR)
		w.Want("SO_ERROR", e, 0)
		equal(w, "SO_ERROR", v, 0)
	}},
	Row{Section: "8.2", Name: "remote abortive close: unsent data is lost", Needs: NeedsUnheld, Run: func(w *Case) {
		c, s := w.Connected()
		sent := w.C.sendShortly(c)
		w.C.reset(c)
		got, b := 0, make([]byte, 1<<20)
		for {
			n, flags := uint32(0), wsa.MsgFlags(0)
			if e := w.S.WSPRecv(s, [][]byte{b}, &n, &flags, nil, nil, nil); e != 0 {
				w.Want("WSPRecv", e, wsa.ECONNRESET)
				break
			}
			if got += int(n); n == 0 || got >= sent {
				w.Fatalf("%d bytes of %d, and %d", got, sent, n)
			}
		}
	}},
	Row{Section: "8.2", Name: "local timeout: FD_CLOSE with an error; every operation says WSAETIMEDOUT", Run: func(w *Case) {
		_, s, o := w.watchedPair(false)
		w.S.fail(s, wsa.ETIMEDOUT)
		w.closeSeen(s, o, wsa.ETIMEDOUT, wsa.ETIMEDOUT, wsa.ECONNABORTED)
		w.Want("WSPSend", w.S.send(s, "x", 0), wsa.ETIMEDOUT)
	}},
	Row{Section: "8.2", Name: "local keep-alive: the operation in progress says WSAENETRESET", Dropped: "spi-notes 1.3: not derivable, a stack does not tell keep-alive from retransmission"},
	Row{Section: "8.2", Name: "remote end of a message connection: WSAEDISCON", Dropped: "no base has a message-oriented connection (XP1_MESSAGE_ORIENTED without XP1_CONNECTIONLESS)"},
	Row{Section: "8.2", Name: "close shuts down implicitly, both directions", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
		w.S.ended(s, "")
		w.S.send(s, "nobody is there", 0)
		w.until("the answer to it", func() bool {
			e := w.S.send(s, "x", 0)
			if e != 0 && e != wsa.ECONNRESET && e != wsa.ECONNABORTED {
				w.Fatalf("WSPSend: %v", e)
			}
			return e != 0
		})
	}},
	Row{Section: "8.2", Name: "clean sequence of client and server, by network events", Needs: NeedsUnheld, Run: func(w *Case) {
		c, s, server := w.watchedPair(false)
		client := w.observe(w.C, c, true)
		client.until("registration", wsa.FD_WRITE, 0)
		w.C.Send(c, "request")
		w.Want("the client's shutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		server.until("the request's end", wsa.FD_CLOSE|wsa.FD_READ, 0)
		w.S.ended(s, "request")
		w.S.Send(s, "reply")
		w.Want("the server's shutdown", w.S.WSPShutdown(s, wsa.SD_SEND), 0)
		w.Want("the server's close", w.S.WSPCloseSocket(s), 0)
		client.until("the reply's end", wsa.FD_CLOSE|wsa.FD_READ, 0)
		w.C.ended(c, "reply")
		w.Want("FD_CLOSE", client.err(wsa.FD_CLOSE), 0)
		w.Want("the client's close", w.C.WSPCloseSocket(c), 0)
	}},
)
