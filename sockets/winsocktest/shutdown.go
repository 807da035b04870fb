package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// ended wants the stream to have ended cleanly, after want.
func (e *End) ended(s sockets.SOCKET, want string) {
	e.w.Helper()
	if want != "" {
		equal(e.w, "text", e.Read(s, len(want)), want)
	}
	e.Await(s, wsa.FD_CLOSE)
	text, errno := e.Recv(s, 1, 0)
	e.w.Want("WSPRecv at the end", errno, 0)
	equal(e.w, "text at the end", text, "")
}

// 3.22 WSPRecvDisconnect, 3.28 WSPSendDisconnect and WSPShutdown.
var _ = add(
	Row{Section: "3.22", Name: "without data: SD_RECEIVE", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("WSPRecvDisconnect", w.S.WSPRecvDisconnect(s, nil), 0)
		_, e := w.S.Recv(s, 1, 0)
		w.Want("WSPRecv", e, wsa.ESHUTDOWN)
		w.S.Send(s, "hello")
		equal(w, "text", w.C.Read(c, 5), "hello")
	}},
	Row{Section: "3.22", Name: "WSAENOPROTOOPT: disconnect data", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("WSPRecvDisconnect", w.S.WSPRecvDisconnect(s, make([]byte, 9)), wsa.ENOPROTOOPT)
		w.C.Send(c, "hello")
		equal(w, "text", w.S.Read(s, 5), "hello") // nothing was done
	}},
	Row{Section: "3.22", Name: "WSAENOTCONN", Run: func(w *Case) {
		w.Want("WSPRecvDisconnect", w.C.WSPRecvDisconnect(w.C.TCP(), nil), wsa.ENOTCONN)
	}},
	Row{Section: "3.22", Name: "WSAEFAULT", Dropped: "a slice is never a bad pointer; data is WSAENOPROTOOPT whatever its size"},
	Row{Section: "3.28", Name: "WSPSendDisconnect without data: SD_SEND", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.Want("WSPSendDisconnect", w.C.WSPSendDisconnect(c, nil), 0)
		w.Want("WSPSend", w.C.send(c, "x", 0), wsa.ESHUTDOWN)
		w.S.ended(s, "hello")
	}},
	Row{Section: "3.28", Name: "WSPSendDisconnect: WSAENOPROTOOPT for data", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("WSPSendDisconnect", w.C.WSPSendDisconnect(c, []byte("bye")), wsa.ENOPROTOOPT)
		w.C.Send(c, "hello") // nothing was done
		equal(w, "text", w.S.Read(s, 5), "hello")
	}},
	Row{Section: "3.28", Name: "WSPSendDisconnect: WSAENOTCONN", Run: func(w *Case) {
		w.Want("WSPSendDisconnect", w.C.WSPSendDisconnect(w.C.TCP(), nil), wsa.ENOTCONN)
	}},
	Row{Section: "3.28", Name: "SD_SEND: FIN after queued data; receiving goes on", Run: func(w *Case) {
		c, s := w.Connected()
		sent := w.C.sendShortly(c)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.S.readAll(s, sent)
		w.S.ended(s, "")
		w.S.Send(s, "reply")
		equal(w, "text", w.C.Read(c, 5), "reply")
	}},
	Row{Section: "3.28", Name: "SD_SEND on TCP: a send that blocks ends with WSAESHUTDOWN", Run: func(w *Case) {
		c, _ := w.Connected()
		thread := sockets.OpenThread()
		var e wsa.Errno
		w.during(func() {
			e = w.C.Session.ThreadProcTable(thread).WSPSend(c, [][]byte{make([]byte, 64<<20)}, new(uint32), 0, nil, nil, nil)
		}, func() {
			w.until("part of it is sent", func() bool { _, out := w.C.Session.Traffic(); return out > 0 })
			w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		})
		w.Want("WSPSend", e, wsa.ESHUTDOWN)
	}},
	Row{Section: "3.28", Name: "SD_RECEIVE on TCP: data that is queued or arrives resets the connection", Dropped: "provider/base: SD_RECEIVE is local, as receives issued before it finish with later data (observed, 8.4)"},
	Row{Section: "3.28", Name: "SD_RECEIVE on UDP: datagrams are still accepted, no ICMP", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_RECEIVE), 0)
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		w.C.Send(c, "one")
		other := w.S.UDP()
		w.S.Bind(other)
		w.C.sendTo(c, "mark", w.S.SockName(other)) // what follows on the wire
		w.S.Await(other, wsa.FD_READ)
		w.C.Send(c, "two")
		_, _, e := w.S.recvFrom(s, 9, 64)
		w.Want("WSPRecvFrom", e, wsa.ESHUTDOWN)
	}},
	Row{Section: "3.28", Name: "UDP needs no peer: SD_SEND is WSAESHUTDOWN for the next send", Run: func(w *Case) {
		c, _, to := w.datagrams()
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		e := w.C.WSPSendTo(c, [][]byte{[]byte("x")}, new(uint32), 0, to, nil, nil, nil)
		w.Want("WSPSendTo", e, wsa.ESHUTDOWN)
	}},
	Row{Section: "3.28", Name: "never blocks regardless of linger, does not free the socket", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("SO_LINGER", w.C.SetOption(c, sol, wsa.SO_LINGER, 1|60<<16), 0)
		sent := w.C.sendShortly(c) // the server reads nothing until shutdown has returned
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_BOTH), 0)
		w.C.peerName(c)
		w.S.readAll(s, sent)
		w.S.ended(s, "")
	}},
	Row{Section: "3.28", Name: "twice is not an error", Run: func(w *Case) {
		c, s := w.Connected()
		for _, how := range []int{wsa.SD_SEND, wsa.SD_SEND, wsa.SD_RECEIVE, wsa.SD_BOTH} {
			w.Want("WSPShutdown", w.C.WSPShutdown(c, how), 0)
		}
		w.S.ended(s, "")
	}},
	Row{Section: "3.28", Name: "WSAEINVAL: bad how", Run: func(w *Case) {
		c, _ := w.Connected()
		for _, how := range []int{-1, 3, 0xff} {
			w.Want("connected", w.C.WSPShutdown(c, how), wsa.EINVAL)
			w.Want("fresh", w.C.WSPShutdown(w.C.TCP(), how), wsa.EINVAL)
		}
	}},
	Row{Section: "3.28", Name: "WSAEINVAL: SD_SEND on XP1_UNI_RECV", Dropped: "no base has a protocol of one direction"},
	Row{Section: "3.28", Name: "WSAENOTCONN: connection-oriented and not connected", Run: func(w *Case) {
		l, _ := w.S.Listen()
		w.Want("listening", w.S.WSPShutdown(l, wsa.SD_BOTH), wsa.ENOTCONN)
		for _, how := range []int{wsa.SD_RECEIVE, wsa.SD_SEND, wsa.SD_BOTH} {
			w.Want("fresh", w.C.WSPShutdown(w.C.TCP(), how), wsa.ENOTCONN)
		}
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, w.nobody()), wsa.ECONNREFUSED)
		w.Want("refused", w.C.WSPShutdown(c, wsa.SD_SEND), wsa.ENOTCONN)
	}},
	Row{Section: "3.28", Name: "WSAECONNRESET: connection already dead", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.reset(c)
		w.S.Await(s, wsa.FD_CLOSE)
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_SEND), wsa.ECONNRESET)
	}},
)

// 8.4 What still works after shutdown.
var _ = add(
	afterShutdown("SD_SEND", wsa.SD_SEND, wsa.ESHUTDOWN, 0),
	afterShutdown("SD_RECEIVE", wsa.SD_RECEIVE, 0, wsa.ESHUTDOWN),
	afterShutdown("both", wsa.SD_BOTH, wsa.ESHUTDOWN, wsa.ESHUTDOWN),
	Row{Section: "8.4", Name: "pending overlapped receives survive a local SD_RECEIVE", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.reading(s, 9)
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_RECEIVE), 0)
		o.pending()
		w.C.Send(c, "hello")
		equal(w, "text", o.await(0), "hello")
		w.Want("a new one", w.S.operation(s, 9).recv(), wsa.ESHUTDOWN)
	}},
)

// afterShutdown is a row of 8.4: what send and recv say then.
func afterShutdown(name string, how int, send, recv wsa.Errno) Row {
	return Row{Section: "8.4", Name: "after " + name, Run: func(w *Case) {
		c, s := w.Connected()
		peer := w.C.SockName(c)
		w.C.Send(c, "x")
		w.S.queued(s, 1)
		w.Want("WSPShutdown", w.S.WSPShutdown(s, how), 0)
		w.Want("WSPSend", w.S.send(s, "y", 0), send)
		_, e := w.S.Recv(s, 1, 0)
		w.Want("WSPRecv", e, recv)
		w.Want("WSPConnect", w.S.Connect(s, peer), wsa.EISCONN)
		w.sameName("WSPGetPeerName", w.S.peerName(s), peer)
	}}
}

// sendShortly fills what room there is by one send that does not wait, in blocking
// mode afterwards, and says how much it took.
func (e *End) sendShortly(s sockets.SOCKET) int {
	e.w.Helper()
	e.w.Want("FIONBIO", e.NonBlocking(s, true), 0)
	n := e.sendShort(s)
	e.w.Want("FIONBIO", e.NonBlocking(s, false), 0)
	return n
}
