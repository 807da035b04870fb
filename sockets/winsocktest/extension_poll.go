package winsocktest

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// polled waits until s shows one of the flags, which are asked for as far as they
// can be, and returns all that it shows.
func (e *End) polled(s sockets.SOCKET, flags int16) int16 {
	e.w.Helper()
	fds := []sockets.PollFD{{FD: s, Events: flags & (sockets.POLLIN | sockets.POLLOUT)}}
	n, errno := e.Session.WSAPoll(fds, patience)
	e.w.Want("WSAPoll", errno, 0)
	equal(e.w, "sockets", n, 1)
	if fds[0].Revents&flags == 0 {
		e.w.Fatalf("%#x, want one of %#x", fds[0].Revents, flags)
	}
	return fds[0].Revents
}

// 5.9: WSAPoll.
var _ = add(
	Row{Section: "5.9", Name: "WSAPoll: POLLWRNORM on a connected socket", Run: func(w *Case) {
		c, _ := w.Connected()
		equal(w, "flags", w.C.polled(c, sockets.POLLOUT|sockets.POLLIN), sockets.POLLWRNORM)
	}},
	Row{Section: "5.9", Name: "WSAPoll: POLLRDNORM when there is data", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "x")
		equal(w, "flags", w.S.polled(s, sockets.POLLIN), sockets.POLLRDNORM)
	}},
	Row{Section: "5.9", Name: "WSAPoll: POLLRDNORM when a connection waits", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		equal(w, "flags", w.S.polled(l, sockets.POLLIN), sockets.POLLRDNORM)
	}},
	Row{Section: "5.9", Name: "WSAPoll: POLLHUP when the peer has closed", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
		if got := w.S.polled(s, sockets.POLLIN|sockets.POLLHUP); got&sockets.POLLHUP == 0 || got&sockets.POLLERR != 0 {
			w.Fatalf("%#x", got)
		}
	}},
	Row{Section: "5.9", Name: "WSAPoll: POLLERR with POLLHUP after a reset, asked for or not", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.reset(c)
		got := w.S.polled(s, sockets.POLLERR)
		equal(w, "flags", got, sockets.POLLERR|sockets.POLLHUP)
	}},
	Row{Section: "5.9", Name: "WSAPoll: a refused connection: POLLWRNORM, POLLHUP, POLLERR", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(l), 0)
		c := w.C.TCP()
		w.Want("FIONBIO", w.C.NonBlocking(c, true), 0)
		if e := w.C.Connect(c, at); e != wsa.ECONNREFUSED {
			w.Want("WSPConnect", e, wsa.EWOULDBLOCK)
		}
		equal(w, "flags", w.C.polled(c, sockets.POLLOUT), sockets.POLLWRNORM|sockets.POLLHUP|sockets.POLLERR)
	}},
	Row{Section: "5.9", Name: "WSAPoll: POLLNVAL beside others; INVALID_SOCKET is passed over", Run: func(w *Case) {
		c, _ := w.Connected()
		gone := w.C.TCP()
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(gone), 0)
		fds := []sockets.PollFD{{FD: c, Events: sockets.POLLOUT}, {FD: gone, Events: sockets.POLLIN}, {FD: sockets.INVALID_SOCKET, Events: -1, Revents: -1}}
		n, e := w.C.Session.WSAPoll(fds, 0)
		w.Want("WSAPoll", e, 0)
		equal(w, "sockets", n, 2)
		equal(w, "connected", fds[0].Revents, sockets.POLLWRNORM)
		equal(w, "closed", fds[1].Revents, sockets.POLLNVAL)
		equal(w, "INVALID_SOCKET", fds[2].Revents, 0)
	}},
	Row{Section: "5.9", Name: "WSAPoll: a socket that is closed meanwhile: POLLNVAL", Run: func(w *Case) {
		_, s := w.Connected()
		fds := []sockets.PollFD{{FD: s, Events: sockets.POLLIN}}
		n, e := 0, wsa.Errno(0)
		w.during(func() { n, e = w.S.Session.WSAPoll(fds, -1) }, func() { w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0) })
		if e != wsa.ENOTSOCK { // the call came when it had gone
			w.Want("WSAPoll", e, 0)
			equal(w, "sockets", n, 1)
		}
		equal(w, "flags", fds[0].Revents, sockets.POLLNVAL)
	}},
	Row{Section: "5.9", Name: "WSAPoll: nothing in time", Run: func(w *Case) {
		_, s := w.Connected()
		fds := []sockets.PollFD{{FD: s, Events: sockets.POLLIN}}
		for _, timeout := range []time.Duration{0, time.Millisecond} {
			n, e := w.S.Session.WSAPoll(fds, timeout)
			w.Want("WSAPoll", e, 0)
			equal(w, "sockets", n, 0)
			equal(w, "flags", fds[0].Revents, 0)
		}
	}},
	Row{Section: "5.9", Name: "WSAPoll: WSAEINVAL: no sockets, flags that cannot be asked for", Run: func(w *Case) {
		c, _ := w.Connected()
		_, e := w.C.Session.WSAPoll(nil, 0)
		w.Want("no sockets", e, wsa.EINVAL)
		for _, flags := range []int16{sockets.POLLERR, sockets.POLLHUP, sockets.POLLNVAL, sockets.POLLPRI} {
			_, e := w.C.Session.WSAPoll([]sockets.PollFD{{FD: c, Events: flags}}, 0)
			w.Want("a flag", e, wsa.EINVAL)
		}
	}},
	Row{Section: "5.9", Name: "WSAPoll: none is a socket: WSAENOTSOCK", Run: func(w *Case) {
		fds := []sockets.PollFD{{FD: 0, Events: sockets.POLLIN}}
		_, e := w.C.Session.WSAPoll(fds, 0)
		w.Want("WSAPoll", e, wsa.ENOTSOCK)
		equal(w, "flags", fds[0].Revents, sockets.POLLNVAL)
	}},
)
