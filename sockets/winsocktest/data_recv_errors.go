package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.21 WSPRecv: the table of its errors.
var _ = add(
	Row{Section: "3.21", Name: "WSAENETDOWN", Run: func(w *Case) {
		_, s := w.Connected()
		w.S.fail(s, wsa.ENETDOWN)
		_, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, wsa.ENETDOWN)
	}},
	Row{Section: "3.21", Name: "WSAENETDOWN ends one that blocks", Run: func(w *Case) {
		_, s := w.Connected()
		var e wsa.Errno
		w.during(func() { _, e = w.S.Recv(s, 9, 0) }, func() { w.S.fail(s, wsa.ENETDOWN) })
		w.Want("WSPRecv", e, wsa.ENETDOWN)
	}},
	Row{Section: "3.21", Name: "WSAENOTCONN", Run: func(w *Case) {
		s := w.S.TCP()
		w.S.Bind(s)
		_, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, wsa.ENOTCONN)
		w.Want("overlapped", w.S.operation(s, 9).recv(), wsa.ENOTCONN)
	}},
	Row{Section: "3.21", Name: "WSAEINTR: cancelled", Run: func(w *Case) {
		_, s := w.Connected()
		t := sockets.OpenThread()
		table := w.S.Session.ThreadProcTable(t)
		var e wsa.Errno
		n, flags := uint32(untouched), wsa.MsgFlags(0)
		w.during(func() { e = table.WSPRecv(s, [][]byte{make([]byte, 9)}, &n, &flags, nil, nil, nil) },
			func() { w.cancelBlocking(t) })
		w.Want("WSPRecv", e, wsa.EINTR)
		equal(w, "bytes", n, untouched)
	}},
	Row{Section: "3.21", Name: "WSAEINTR: closed meanwhile", Run: func(w *Case) {
		_, s := w.Connected()
		t := sockets.OpenThread()
		table := w.S.Session.ThreadProcTable(t)
		var e wsa.Errno
		w.during(func() {
			e = table.WSPRecv(s, [][]byte{make([]byte, 9)}, new(uint32), new(wsa.MsgFlags), nil, nil, nil)
		}, func() { w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0) })
		if e != wsa.EINTR && e != wsa.ENOTSOCK { // it may come when the socket has gone
			w.Want("WSPRecv", e, wsa.EINTR)
		}
	}},
	Row{Section: "3.21", Name: "WSAEINPROGRESS", Dropped: "spi-notes 4: WSAEINPROGRESS but for its one line in Resolve"},
	Row{Section: "3.21", Name: "WSAENETRESET: keep-alive failure", Dropped: "spi-notes 1.3: not derivable, a stack does not tell keep-alive from retransmission"},
	Row{Section: "3.21", Name: "WSAEFAULT", Run: func(w *Case) {
		_, s := w.Connected()
		b, n, flags := [][]byte{make([]byte, 9)}, uint32(0), wsa.MsgFlags(0)
		w.Want("no buffers", w.S.WSPRecv(s, nil, &n, &flags, nil, nil, nil), wsa.EFAULT)
		w.Want("no byte count", w.S.WSPRecv(s, b, nil, &flags, nil, nil, nil), wsa.EFAULT)
		w.Want("no flags", w.S.WSPRecv(s, b, &n, nil, nil, nil, nil), wsa.EFAULT)
		w.Want("no flags, overlapped", w.S.WSPRecv(s, b, &n, nil, new(sockets.Overlapped), nil, nil), wsa.EFAULT)
	}},
	Row{Section: "3.21", Name: "no byte count is needed, overlapped", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.operation(s, 9)
		w.Want("WSPRecv", w.S.WSPRecv(s, [][]byte{o.b}, nil, &o.flags, &o.Overlapped, nil, nil), wsa.IO_PENDING)
		w.C.Send(c, "hello")
		equal(w, "text", o.await(0), "hello")
	}},
	Row{Section: "3.21", Name: "WSAENOTSOCK", Run: func(w *Case) {
		_, e := w.S.Recv(sockets.INVALID_SOCKET, 9, 0)
		w.Want("WSPRecv", e, wsa.ENOTSOCK)
		_, e = w.S.Recv(0, 9, 0)
		w.Want("WSPRecv", e, wsa.ENOTSOCK)
	}},
	Row{Section: "3.21", Name: "WSAEOPNOTSUPP: MSG_OOB, not a stream", Run: func(w *Case) {
		_, s, _ := w.datagrams()
		_, e := w.S.Recv(s, 9, wsa.MSG_OOB)
		w.Want("WSPRecv", e, wsa.EOPNOTSUPP)
		o := w.S.operation(s, 9)
		o.flags = wsa.MSG_OOB
		w.Want("overlapped", o.recv(), wsa.EOPNOTSUPP)
	}},
	Row{Section: "3.21", Name: "WSAEINVAL: MSG_OOB with SO_OOBINLINE on", Needs: NeedsUrgent, Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("SO_OOBINLINE", w.S.SetOption(s, wsa.SOL_SOCKET, wsa.SO_OOBINLINE, 1), 0)
		_, e := w.S.Recv(s, 9, wsa.MSG_OOB)
		w.Want("WSPRecv", e, wsa.EINVAL)
	}},
	Row{Section: "3.21", Name: "WSAESHUTDOWN: SD_RECEIVE", Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_RECEIVE), 0)
		_, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, wsa.ESHUTDOWN)
		w.Want("overlapped", w.S.operation(s, 9).recv(), wsa.ESHUTDOWN)
	}},
	Row{Section: "3.21", Name: "WSAESHUTDOWN: SD_BOTH", Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_BOTH), 0)
		_, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, wsa.ESHUTDOWN)
	}},
	Row{Section: "3.21", Name: "WSAEWOULDBLOCK", Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("FIONBIO", w.S.NonBlocking(s, true), 0)
		n, flags := uint32(untouched), wsa.MsgFlags(0)
		w.Want("WSPRecv", w.S.WSPRecv(s, [][]byte{make([]byte, 9)}, &n, &flags, nil, nil, nil), wsa.EWOULDBLOCK)
		equal(w, "bytes", n, untouched)
	}},
	Row{Section: "3.21", Name: "WSAEINVAL: not bound, no buffers", Run: func(w *Case) {
		s := w.S.UDP()
		_, e := w.S.Recv(s, 9, 0)
		w.Want("not bound", e, wsa.EINVAL)
		w.Want("not bound, overlapped", w.S.operation(s, 9).recv(), wsa.EINVAL)
		w.S.Bind(s)
		n, flags := uint32(0), wsa.MsgFlags(0)
		w.Want("0 buffers", w.S.WSPRecv(s, [][]byte{}, &n, &flags, nil, nil, nil), wsa.EINVAL)
		w.Want("0 buffers, overlapped", w.S.WSPRecv(s, [][]byte{}, &n, &flags, new(sockets.Overlapped), nil, nil), wsa.EINVAL)
	}},
	Row{Section: "3.21", Name: "WSAECONNABORTED: local failure", Run: func(w *Case) {
		_, s := w.Connected()
		w.S.fail(s, wsa.ECONNABORTED)
		for range 2 {
			_, e := w.S.Recv(s, 9, 0)
			w.Want("WSPRecv", e, wsa.ECONNABORTED)
		}
	}},
	Row{Section: "3.21", Name: "WSAECONNRESET: reset by the peer, for ever", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.reset(c)
		w.S.Await(s, wsa.FD_CLOSE)
		for range 3 {
			_, e := w.S.Recv(s, 9, 0)
			w.Want("WSPRecv", e, wsa.ECONNRESET)
		}
	}},
	Row{Section: "3.21", Name: "WSAECONNRESET: a datagram drew port unreachable", Needs: NeedsICMP, Run: func(w *Case) {
		c, dead := w.C.UDP(), w.S.UDP()
		to := w.S.Bind(dead)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(dead), 0)
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		w.C.Send(c, "hello")
		_, e := w.C.Recv(c, 9, 0)
		w.Want("WSPRecv", e, wsa.ECONNRESET)
	}},
	Row{Section: "3.21", Name: "WSAEDISCON: a message-oriented connection", Dropped: "no base has a message-oriented connection (XP1_MESSAGE_ORIENTED without XP1_CONNECTIONLESS)"},
	Row{Section: "3.21", Name: "MSG_PARTIAL: an unreliable protocol has none", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.C.sendTo(c, "hello", to)
		_, e := w.S.Recv(s, 2, wsa.MSG_PARTIAL)
		w.Want("WSPRecv", e, wsa.EMSGSIZE)
	}},
	Row{Section: "3.21", Name: "WSA_OPERATION_ABORTED: closed", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.reading(s, 9)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		o.await(wsa.OPERATION_ABORTED)
	}},
)

// 3.23 WSPRecvFrom.
var _ = add(
	Row{Section: "3.23", Name: "the source is written", Run: func(w *Case) {
		c, s, to := w.datagrams()
		from := w.C.Bind(c)
		w.C.sendTo(c, "hello", to)
		text, got, e := w.S.recvFrom(s, 9, 64)
		w.Want("WSPRecvFrom", e, 0)
		equal(w, "text", text, "hello")
		equal(w, "source", string(got), string(from))
	}},
	Row{Section: "3.23", Name: "nobody need want the source", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.C.sendTo(c, "hello", to)
		b, n, flags := make([]byte, 9), uint32(0), wsa.MsgFlags(0)
		w.Want("WSPRecvFrom", w.S.WSPRecvFrom(s, [][]byte{b}, &n, &flags, nil, nil, nil, nil, nil), 0)
		equal(w, "bytes", n, 5)
	}},
	Row{Section: "3.23", Name: "overlapped: from and fromlen are written at completion", Run: func(w *Case) {
		c, s, to := w.datagrams()
		source := w.C.Bind(c)
		o, from, fromlen := w.S.operation(s, 9), make([]byte, 64), int32(64)
		w.Want("WSPRecvFrom", w.S.WSPRecvFrom(s, [][]byte{o.b}, &o.n, &o.flags, from, &fromlen, &o.Overlapped, nil, nil), wsa.IO_PENDING)
		w.C.sendTo(c, "hello", to) // until it is complete, from and fromlen are not to be touched, nor looked at
		equal(w, "text", o.await(0), "hello")
		equal(w, "source", string(from[:fromlen]), string(source))
	}},
	Row{Section: "3.23", Name: "from is ignored for connection-oriented sockets", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		b, n, flags, from, fromlen := make([]byte, 9), uint32(0), wsa.MsgFlags(0), []byte{0xee}, int32(1)
		w.Want("WSPRecvFrom", w.S.WSPRecvFrom(s, [][]byte{b}, &n, &flags, from, &fromlen, nil, nil, nil), 0)
		equal(w, "bytes", n, 5)
		equal(w, "from", from[0], 0xee)
		equal(w, "fromlen", fromlen, 1)
	}},
	Row{Section: "3.23", Name: "WSAEFAULT: fromlen too small; the datagram stays", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.C.sendTo(c, "hello", to)
		_, _, e := w.S.recvFrom(s, 9, 15)
		w.Want("WSPRecvFrom", e, wsa.EFAULT)
		text, _, e := w.S.recvFrom(s, 9, 28)
		w.Want("WSPRecvFrom", e, 0)
		equal(w, "text", text, "hello")
	}},
	Row{Section: "3.23", Name: "WSAEINVAL: not bound", Run: func(w *Case) {
		_, _, e := w.S.recvFrom(w.S.UDP(), 9, 64)
		w.Want("WSPRecvFrom", e, wsa.EINVAL)
	}},
	Row{Section: "3.23", Name: "implicitly bound by WSPSendTo is bound", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.C.sendTo(c, "hello", to)
		_, from, e := w.S.recvFrom(s, 9, 64)
		w.Want("WSPRecvFrom", e, 0)
		w.S.sendTo(s, "world", from)
		text, _, e := w.C.recvFrom(c, 9, 64)
		w.Want("WSPRecvFrom", e, 0)
		equal(w, "text", text, "world")
	}},
	Row{Section: "3.23", Name: "a connected datagram socket may (observed, not WSAEISCONN)", Run: func(w *Case) {
		c, s, to := w.datagrams()
		from := w.C.Bind(c)
		w.Want("WSPConnect", w.S.Connect(s, from), 0)
		w.C.sendTo(c, "hello", to)
		text, _, e := w.S.recvFrom(s, 9, 64)
		w.Want("WSPRecvFrom", e, 0)
		equal(w, "text", text, "hello")
	}},
	Row{Section: "3.23", Name: "WSAEMSGSIZE: the source is written, too", Run: func(w *Case) {
		c, s, to := w.datagrams()
		from := w.C.Bind(c)
		w.C.sendTo(c, "hello", to)
		_, got, e := w.S.recvFrom(s, 2, 64)
		w.Want("WSPRecvFrom", e, wsa.EMSGSIZE)
		equal(w, "source", string(got), string(from))
	}},
	Row{Section: "3.23", Name: "WSAECONNRESET: port unreachable; off with SIO_UDP_CONNRESET", Needs: NeedsICMP, Run: func(w *Case) {
		c, dead := w.C.UDP(), w.S.UDP()
		to := w.S.Bind(dead)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(dead), 0)
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		w.C.Send(c, "hello")
		_, _, e := w.C.recvFrom(c, 9, 64)
		w.Want("WSPRecvFrom", e, wsa.ECONNRESET)
		w.Want("SIO_UDP_CONNRESET", w.C.WSPIoctl(c, wsa.SIO_UDP_CONNRESET, make([]byte, 4), nil, new(uint32), nil, nil, nil), 0)
		w.C.Send(c, "hello")
		w.Want("SO_RCVTIMEO", w.C.SetOption(c, wsa.SOL_SOCKET, wsa.SO_RCVTIMEO, 50), 0)
		_, _, e = w.C.recvFrom(c, 9, 64)
		w.Want("WSPRecvFrom", e, wsa.ETIMEDOUT)
	}},
)

// recvFrom is WSPRecvFrom with room for size bytes, and for a source of room bytes.
func (e *End) recvFrom(s sockets.SOCKET, size int, room int32) (text string, from []byte, errno wsa.Errno) {
	b, n, flags := make([]byte, size), uint32(0), wsa.MsgFlags(0)
	from = make([]byte, room)
	errno = e.WSPRecvFrom(s, [][]byte{b}, &n, &flags, from, &room, nil, nil, nil)
	return string(b[:n]), from[:room], errno
}
