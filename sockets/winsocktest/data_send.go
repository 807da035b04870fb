package winsocktest

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.25 WSPSend.
var _ = add(
	Row{Section: "3.25", Name: "stream, non-blocking, little space: a part is sent, then WSAEWOULDBLOCK", Run: func(w *Case) {
		c, s := w.Connected()
		w.S.narrow(s)
		w.Want("FIONBIO", w.S.NonBlocking(s, true), 0)
		sent := w.S.fill(s)
		w.Want("FIONBIO", w.S.NonBlocking(s, false), 0)
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_SEND), 0)
		w.C.readAll(c, sent)
		text, e := w.C.Recv(c, 9, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "more", text, "")
	}},
	Row{Section: "3.25", Name: "stream, blocking: all is consumed", Run: func(w *Case) {
		c, s := w.Connected()
		n, e := uint32(0), wsa.Errno(0)
		w.S.narrow(s)
		b := make([]byte, large)
		w.during(func() { e = w.S.WSPSend(s, [][]byte{b[:1], b[1:]}, &n, 0, nil, nil, nil) },
			func() { w.C.readAll(c, len(b)) })
		w.Want("WSPSend", e, 0)
		equal(w, "bytes", int(n), len(b))
	}},
	Row{Section: "3.25", Name: "buffers are sent in order, and stay as they are", Run: func(w *Case) {
		c, s := w.Connected()
		array, n := [][]byte{[]byte("hel"), nil, []byte("lo")}, uint32(0)
		w.Want("WSPSend", w.S.WSPSend(s, array, &n, 0, nil, nil, nil), 0)
		equal(w, "bytes", n, 5)
		equal(w, "text", w.C.Read(c, 5), "hello")
		equal(w, "array", string(array[0])+string(array[2]), "hello")
	}},
	Row{Section: "3.25", Name: "0 bytes: success", Run: func(w *Case) {
		_, s := w.Connected()
		n := uint32(untouched)
		w.Want("WSPSend", w.S.WSPSend(s, [][]byte{nil}, &n, 0, nil, nil, nil), 0)
		equal(w, "bytes", n, 0)
	}},
	Row{Section: "3.25", Name: "datagram: atomic, or WSAEMSGSIZE with nothing sent", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		n := uint32(untouched)
		w.Want("WSPSend", w.C.WSPSend(c, [][]byte{make([]byte, 65536)}, &n, 0, nil, nil, nil), wsa.EMSGSIZE)
		equal(w, "bytes", n, untouched)
		o := w.C.operation(c, 65536)
		w.Want("overlapped", o.send(), wsa.EMSGSIZE)
		equal(w, "the event is set", o.HEvent.IsSet(), false)
		w.C.Send(c, "hello")
		text, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "hello")
	}},
	Row{Section: "3.25", Name: "MSG_DONTROUTE may be ignored", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("WSPSend", w.S.WSPSend(s, [][]byte{[]byte("hello")}, new(uint32), wsa.MSG_DONTROUTE, nil, nil, nil), 0)
		equal(w, "text", w.C.Read(c, 5), "hello")
	}},
	Row{Section: "3.25", Name: "WSAENETDOWN", Run: func(w *Case) {
		_, s := w.Connected()
		w.S.fail(s, wsa.ENETDOWN)
		w.Want("WSPSend", w.S.send(s, "x", 0), wsa.ENETDOWN)
	}},
	Row{Section: "3.25", Name: "WSAEACCES: broadcast without SO_BROADCAST", Run: func(w *Case) {
		if w.Family() != wsa.AF_INET {
			w.Skip("IPv6 has no broadcast")
		}
		to := []byte{byte(wsa.AF_INET), 0, 0, 9, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0}
		s, n := w.S.UDP(), uint32(0)
		w.Want("WSPSendTo", w.S.WSPSendTo(s, [][]byte{[]byte("x")}, &n, 0, to, nil, nil, nil), wsa.EACCES)
	}},
	Row{Section: "3.25", Name: "WSAEINTR: cancelled; a stream sent in part is aborted", Run: func(w *Case) {
		c, s := w.Connected()
		w.S.narrow(s)
		t := sockets.OpenThread()
		table := w.S.Session.ThreadProcTable(t)
		var e wsa.Errno
		w.during(func() { e = table.WSPSend(s, [][]byte{make([]byte, large)}, new(uint32), 0, nil, nil, nil) }, func() {
			w.C.Await(c, wsa.FD_READ)
			w.cancelBlocking(t)
		})
		w.Want("WSPSend", e, wsa.EINTR)
		w.Want("again", w.S.send(s, "x", 0), wsa.ECONNABORTED)
	}},
	Row{Section: "3.25", Name: "WSAEINPROGRESS", Dropped: "spi-notes 4: WSAEINPROGRESS but for its one line in Resolve"},
	Row{Section: "3.25", Name: "WSAEFAULT", Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("no buffers", w.S.WSPSend(s, nil, new(uint32), 0, nil, nil, nil), wsa.EFAULT)
		w.Want("no byte count", w.S.WSPSend(s, [][]byte{nil}, nil, 0, nil, nil, nil), wsa.EFAULT)
	}},
	Row{Section: "3.25", Name: "WSAENETRESET: keep-alive failure", Dropped: "spi-notes 1.3: not derivable, a stack does not tell keep-alive from retransmission"},
	Row{Section: "3.25", Name: "WSAENOBUFS: buffer deadlock", Dropped: "every buffer is bounded and waits instead; a completion port that is full is the row of 12.8"},
	Row{Section: "3.25", Name: "WSAENOTCONN", Run: func(w *Case) {
		w.Want("stream", w.S.send(w.S.TCP(), "x", 0), wsa.ENOTCONN)
		s := w.S.UDP()
		w.S.Bind(s)
		w.Want("datagram", w.S.send(s, "x", 0), wsa.ENOTCONN)
	}},
	Row{Section: "3.25", Name: "WSAENOTSOCK", Run: func(w *Case) {
		w.Want("WSPSend", w.S.send(sockets.INVALID_SOCKET, "x", 0), wsa.ENOTSOCK)
	}},
	Row{Section: "3.25", Name: "WSAEOPNOTSUPP: MSG_OOB, not a stream; MSG_PARTIAL", Run: func(w *Case) {
		c, s := w.Connected()
		d, _, to := w.datagrams()
		w.Want("WSPConnect", w.C.Connect(d, to), 0)
		w.Want("MSG_OOB", w.C.send(d, "x", wsa.MSG_OOB), wsa.EOPNOTSUPP)
		w.Want("MSG_PARTIAL, datagram", w.C.send(d, "x", wsa.MSG_PARTIAL), wsa.EOPNOTSUPP)
		w.Want("MSG_PARTIAL, stream", w.S.send(s, "x", wsa.MSG_PARTIAL), wsa.EOPNOTSUPP)
		w.S.Send(s, "hello")
		equal(w, "text", w.C.Read(c, 5), "hello")
	}},
	Row{Section: "3.25", Name: "WSAESHUTDOWN: SD_SEND, SD_BOTH", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_SEND), 0)
		w.Want("SD_SEND", w.S.send(s, "x", 0), wsa.ESHUTDOWN)
		w.Want("overlapped", w.S.operation(s, 9).send(), wsa.ESHUTDOWN)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_BOTH), 0)
		w.Want("SD_BOTH", w.C.send(c, "x", 0), wsa.ESHUTDOWN)
	}},
	Row{Section: "3.25", Name: "WSAEWOULDBLOCK: the byte count is untouched", Run: func(w *Case) {
		_, s := w.Connected()
		w.S.narrow(s)
		w.Want("FIONBIO", w.S.NonBlocking(s, true), 0)
		w.S.fill(s)
	}},
	Row{Section: "3.25", Name: "WSAEINVAL: no buffers", Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("WSPSend", w.S.WSPSend(s, [][]byte{}, new(uint32), 0, nil, nil, nil), wsa.EINVAL)
	}},
	Row{Section: "3.25", Name: "WSAECONNABORTED: local failure", Run: func(w *Case) {
		_, s := w.Connected()
		w.S.fail(s, wsa.ECONNABORTED)
		w.Want("WSPSend", w.S.send(s, "x", 0), wsa.ECONNABORTED)
	}},
	Row{Section: "3.25", Name: "WSAECONNRESET: reset by the peer, for ever", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.reset(c)
		w.S.Await(s, wsa.FD_CLOSE)
		for range 3 {
			w.Want("WSPSend", w.S.send(s, "x", 0), wsa.ECONNRESET)
		}
	}},
	Row{Section: "3.25", Name: "WSAETIMEDOUT: SO_SNDTIMEO", Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("SO_SNDTIMEO", w.S.SetOption(s, wsa.SOL_SOCKET, wsa.SO_SNDTIMEO, 20), 0)
		w.S.narrow(s)
		begin := time.Now()
		e := w.S.WSPSend(s, [][]byte{make([]byte, large)}, new(uint32), 0, nil, nil, nil)
		w.Want("WSPSend", e, wsa.ETIMEDOUT)
		if d := time.Since(begin); d < 20*time.Millisecond {
			w.Fatalf("after %v", d)
		}
	}},
	Row{Section: "3.25", Name: "WSA_IO_PENDING; complete when all is taken", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.writing(s)
		equal(w, "bytes", o.n, untouched)
		o.pending()
		w.C.readAll(c, len(o.b))
		equal(w, "bytes", len(o.await(0)), len(o.b))
	}},
	Row{Section: "3.25", Name: "WSA_OPERATION_ABORTED: closed", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.writing(s)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		o.await(wsa.OPERATION_ABORTED)
	}},
	Row{Section: "3.25", Name: "WSA_OPERATION_ABORTED: SIO_FLUSH", Dropped: "spi-notes 4: SIO_FLUSH and send backlog (no source)"},
)

// send is WSPSend of text.
func (e *End) send(s sockets.SOCKET, text string, flags wsa.MsgFlags) wsa.Errno {
	return e.WSPSend(s, [][]byte{[]byte(text)}, new(uint32), flags, nil, nil, nil)
}

// fill sends, without blocking, until there is no room, and says how much. The
// last that was taken was a part.
func (e *End) fill(s sockets.SOCKET) (sent int) {
	e.w.Helper()
	b, short := make([]byte, large-1), false // no multiple of what buffers are
	for sent < 64*large {
		n := uint32(untouched)
		errno := e.WSPSend(s, [][]byte{b}, &n, 0, nil, nil, nil)
		if errno == wsa.EWOULDBLOCK {
			equal(e.w, "bytes", n, untouched)
			equal(e.w, "a part was sent before", short, true)
			return sent
		}
		e.w.Want("WSPSend", errno, 0)
		if n == 0 {
			e.w.Fatal("0 bytes sent")
		}
		short = int(n) < len(b)
		sent += int(n)
	}
	e.w.Fatal("there is always room")
	return 0
}
