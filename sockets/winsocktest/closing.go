package winsocktest

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.2 WSPCleanup.
var _ = add(
	Row{Section: "3.2", Name: "decrements the count; the last one ends the session", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("WSPStartup", w.C.Session.WSPStartup(0x0202, new(provider.WSPData)), 0)
		w.Want("WSPCleanup", w.C.WSPCleanup(), 0)
		w.C.Send(c, "hello")
		equal(w, "text", w.S.Read(s, 5), "hello")
		w.Want("WSPCleanup", w.C.WSPCleanup(), 0)
		w.Want("WSPSend", w.C.send(c, "x", 0), wsa.NOTINITIALISED)
	}},
	Row{Section: "3.2", Name: "WSANOTINITIALISED: no successful WSPStartup outstanding", Run: func(w *Case) {
		w.Want("WSPCleanup", w.C.WSPCleanup(), 0)
		w.Want("again", w.C.WSPCleanup(), wsa.NOTINITIALISED)
		w.Want("WSPStartup of the ended session", w.C.Session.WSPStartup(0x0202, new(provider.WSPData)), wsa.NOTINITIALISED)
	}},
	Row{Section: "3.2", Name: "pending blocking calls are cancelled", Run: func(w *Case) {
		_, s := w.Connected()
		l, _ := w.S.Listen()
		a, b := sockets.OpenThread(), sockets.OpenThread()
		var recv, accept wsa.Errno
		w.during(func() {
			recv = w.S.Session.ThreadProcTable(a).WSPRecv(s, [][]byte{make([]byte, 9)}, new(uint32), new(wsa.MsgFlags), nil, nil, nil)
		}, func() {
			w.during(func() { _, accept = w.S.Session.ThreadProcTable(b).WSPAccept(l, nil, nil, nil, nil) }, func() {
				w.until("both block", func() bool { return a.IsBlocking() && b.IsBlocking() })
				w.Want("WSPCleanup", w.S.WSPCleanup(), 0)
			})
		})
		for what, e := range map[string]wsa.Errno{"WSPRecv": recv, "WSPAccept": accept} {
			if e != wsa.EINTR && e != wsa.ENOTSOCK && e != wsa.NOTINITIALISED { // as it had begun to wait or not
				w.Errorf("%s: %v", what, e)
			}
		}
	}},
	Row{Section: "3.2", Name: "no messages are posted, no events are signalled", Run: func(w *Case) {
		_, s := w.Connected()
		_, messages := w.Connected()
		event, posted := sockets.CreateEvent(), wsa.Events(0)
		w.Want("WSPEventSelect", w.S.WSPEventSelect(s, event, wsa.FD_READ|wsa.FD_CLOSE), 0)
		e := w.S.WSPAsyncSelect(messages, func(_ sockets.SOCKET, event wsa.Events, _ wsa.Errno) { posted |= event }, wsa.FD_READ|wsa.FD_CLOSE)
		w.Want("WSPAsyncSelect", e, 0)
		w.Want("WSPCleanup", w.S.WSPCleanup(), 0) // it waits for what runs
		equal(w, "event", event.IsSet(), false)
		equal(w, "messages", posted, 0)
	}},
	Row{Section: "3.2", Name: "open sockets are reset and deallocated", Run: func(w *Case) {
		c, _ := w.Connected()
		w.Want("WSPCleanup", w.S.WSPCleanup(), 0)
		w.C.Await(c, wsa.FD_CLOSE)
		_, e := w.C.Recv(c, 1, 0)
		w.Want("the peer's WSPRecv", e, wsa.ECONNRESET)
		for range w.S.Session.Sockets() {
			w.Error("a socket is left")
		}
	}},
	Row{Section: "3.2", Name: "sockets already closed but with queued data still deliver it", Needs: NeedsUnheld, Run: func(w *Case) {
		c, s := w.Connected()
		sent := w.C.sendShortly(c)
		w.Want("close", w.C.WSPCloseSocket(c), 0)
		w.Want("WSPCleanup", w.C.WSPCleanup(), 0)
		w.S.readAll(s, sent)
		w.S.ended(s, "")
	}},
	Row{Section: "3.2", Name: "afterwards WSPStartup works again immediately", Run: func(w *Case) {
		i := w.install()
		for range 2 {
			e := i.start(sockets.Config{})
			w.Want("WSPCloseSocket", e.WSPCloseSocket(e.Open(wsa.SOCK_STREAM, wsa.IPPROTO_TCP)), 0)
			w.Want("WSPCleanup", e.WSPCleanup(), 0)
		}
	}},
	Row{Section: "3.2", Name: "a process that exits without it; WSAENETDOWN; WSAEINVAL", Dropped: "Windows-only: a session is no process, and name spaces are not served"},
)

// 3.8 WSPCloseSocket.
var _ = add(
	Row{Section: "3.8", Name: "releases the descriptor: later use is WSAENOTSOCK", Run: func(w *Case) {
		c, _ := w.Connected()
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
		w.Want("WSPSend", w.C.send(c, "x", 0), wsa.ENOTSOCK)
		_, e := w.C.Recv(c, 1, 0)
		w.Want("WSPRecv", e, wsa.ENOTSOCK)
		w.Want("WSPCloseSocket again", w.C.WSPCloseSocket(c), wsa.ENOTSOCK)
	}},
	Row{Section: "3.8", Name: "pending blocking calls from any thread are cancelled", Run: func(w *Case) {
		c, _ := w.Connected()
		a, b := sockets.OpenThread(), sockets.OpenThread()
		var recv, send wsa.Errno
		w.during(func() {
			recv = w.C.Session.ThreadProcTable(a).WSPRecv(c, [][]byte{make([]byte, 9)}, new(uint32), new(wsa.MsgFlags), nil, nil, nil)
		}, func() {
			w.during(func() {
				send = w.C.Session.ThreadProcTable(b).WSPSend(c, [][]byte{make([]byte, 64<<20)}, new(uint32), 0, nil, nil, nil)
			}, func() {
				w.until("both block", func() bool { return a.IsBlocking() && b.IsBlocking() })
				w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
			})
		})
		for what, e := range map[string]wsa.Errno{"WSPRecv": recv, "WSPSend": send} {
			if e != wsa.EINTR && e != wsa.ENOTSOCK { // as it had begun to wait or not
				w.Errorf("%s: %v", what, e)
			}
		}
	}},
	Row{Section: "3.8", Name: "pending overlapped operations are cancelled and complete with WSA_OPERATION_ABORTED", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.reading(s, 9)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		o.await(wsa.OPERATION_ABORTED)
	}},
	Row{Section: "3.8", Name: "FD_CLOSE is never posted after close", Run: func(w *Case) {
		c, s := w.Connected()
		posted, event := wsa.Events(0), sockets.CreateEvent()
		e := w.S.WSPAsyncSelect(s, func(_ sockets.SOCKET, event wsa.Events, _ wsa.Errno) { posted |= event }, wsa.FD_READ|wsa.FD_CLOSE)
		w.Want("WSPAsyncSelect", e, 0)
		d, t := w.Connected()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(t, event, wsa.FD_READ|wsa.FD_CLOSE), 0)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(t), 0)
		for _, peer := range []sockets.SOCKET{c, d} {
			w.C.Await(peer, wsa.FD_CLOSE)
			w.Want("the peer's close", w.C.WSPCloseSocket(peer), 0)
		}
		w.Want("WSPCleanup", w.S.WSPCleanup(), 0) // it waits for what runs
		equal(w, "messages", posted, 0)
		equal(w, "event", event.IsSet(), false)
		w.Want("the event stays the client's", event.Set(), 0)
	}},
	Row{Section: "3.8", Name: "WSAEWOULDBLOCK: non-blocking, SO_LINGER non-zero: stays open, no disconnect is started", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("SO_LINGER", w.C.SetOption(c, sol, wsa.SO_LINGER, 1|30<<16), 0)
		w.Want("FIONBIO", w.C.NonBlocking(c, true), 0)
		sent := w.C.sendShort(c)
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), wsa.EWOULDBLOCK)
		w.S.readAll(s, sent)
		w.C.Send(c, "still")
		equal(w, "text", w.S.Read(s, 5), "still")
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.C.Await(c, wsa.EvDrained)
		w.Want("WSPCloseSocket when all is delivered, FIN too", w.C.WSPCloseSocket(c), 0)
		w.S.ended(s, "")
	}},
	Row{Section: "3.8", Name: "WPUCloseSocketHandle must be called", Dropped: "a base has nothing to forget: the session takes the handle back when WSPCloseSocket returns"},
)
