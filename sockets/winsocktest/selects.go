package winsocktest

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// selected is WSPSelect of one socket in all three sets: in which it was ready.
func (e *End) selected(s sockets.SOCKET, timeout time.Duration) (read, write, except bool, n int, errno wsa.Errno) {
	r, w, x := sockets.FDSet{s}, sockets.FDSet{s}, sockets.FDSet{s}
	n, errno = e.WSPSelect(0, &r, &w, &x, &timeout)
	return len(r) == 1, len(w) == 1, len(x) == 1, n, errno
}

// sets checks what select says of s now.
func (e *End) sets(what string, s sockets.SOCKET, read, write, except bool) {
	e.w.Helper()
	r, w, x, _, errno := e.selected(s, 0)
	e.w.Want(what, errno, 0)
	if r != read || w != write || x != except {
		e.w.Errorf("%s: read %v, write %v, except %v; want %v, %v, %v", what, r, w, x, read, write, except)
	}
}

var _ = add(
	Row{Section: "12.4", Name: "same fd_set pointer passed as read and write set: processed once per role, 2 for two writable sockets", Run: func(w *Case) {
		c, _ := w.Connected()
		d, _ := w.Connected()
		set := sockets.FDSet{c, d}
		n, e := w.C.WSPSelect(0, &set, &set, nil, new(time.Duration))
		w.Want("WSPSelect", e, 0)
		if n != 2 || len(set) != 2 {
			w.Errorf("%d: %v", n, set)
		}
	}},
	Row{Section: "12.4", Name: "listening, nothing pending, in r/w/e: 0, no error", Run: func(w *Case) {
		l, _ := w.S.Listen()
		w.S.sets("a listener", l, false, false, false)
	}},
	Row{Section: "12.4", Name: "connector pending: listener in readfds, count 1", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		r, _, _, n, e := w.S.selected(l, patience)
		if !r || n != 1 || e != 0 {
			w.Errorf("read %v, %d, %v", r, n, e)
		}
	}},
	Row{Section: "12.4", Name: "connected pair, nothing to read: both in writefds", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.sets("client", c, false, true, false)
		w.S.sets("server", s, false, true, false)
	}},
	Row{Section: "12.4", Name: "SO_ERROR after successful connect: 0", Run: func(w *Case) {
		c, _ := w.Connected()
		if v, e := w.C.Option(c, sol, wsa.SO_ERROR); v != 0 || e != 0 {
			w.Errorf("%d, %v", v, e)
		}
	}},
	Row{Section: "12.4", Name: "data arrived: readfds", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "x")
		w.S.Await(s, wsa.FD_READ)
		w.S.sets("data", s, true, true, false)
	}},
	Row{Section: "12.4", Name: "peer closed: readfds; recv: 0", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("close", w.C.WSPCloseSocket(c), 0)
		w.S.Await(s, wsa.FD_CLOSE)
		w.S.sets("closed", s, true, true, false)
		if got, e := w.S.Recv(s, 1, 0); got != "" || e != 0 {
			w.Errorf("%q, %v", got, e)
		}
	}},
	Row{Section: "12.4", Name: "non-blocking connect refused: exceptfds (not writefds), count 1; SO_ERROR 10061; timeout unchanged", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("close the listener", w.S.WSPCloseSocket(l), 0)
		c := w.C.TCP()
		w.Want("FIONBIO", w.C.NonBlocking(c, true), 0)
		w.Want("WSPConnect", w.C.Connect(c, at), wsa.EWOULDBLOCK)
		r, x, timeout := sockets.FDSet{c}, sockets.FDSet{c}, patience
		wr := sockets.FDSet{c}
		n, e := w.C.WSPSelect(0, &r, &wr, &x, &timeout)
		w.Want("WSPSelect", e, 0)
		if n != 1 || len(r) != 0 || len(wr) != 0 || len(x) != 1 || timeout != patience {
			w.Errorf("%d: %v, %v, %v; timeout %v", n, r, wr, x, timeout)
		}
		for range 2 {
			if v, e := w.C.Option(c, sol, wsa.SO_ERROR); v != int(wsa.ECONNREFUSED) || e != 0 {
				w.Errorf("SO_ERROR %d, %v", v, e)
			}
		}
	}},
	Row{Section: "12.4", Name: "set contains a closed socket: WSAENOTSOCK; all sets unchanged", Run: func(w *Case) {
		c, _ := w.Connected()
		closed := w.C.TCP()
		w.Want("close", w.C.WSPCloseSocket(closed), 0)
		r, wr, x := sockets.FDSet{c}, sockets.FDSet{c, closed}, sockets.FDSet{c}
		_, e := w.C.WSPSelect(0, &r, &wr, &x, new(time.Duration))
		w.Want("WSPSelect", e, wsa.ENOTSOCK)
		if len(r) != 1 || len(wr) != 2 || len(x) != 1 {
			w.Errorf("%v, %v, %v", r, wr, x)
		}
	}},
	Row{Section: "12.4", Name: "socket closed by another thread while selected: in readfds: returns 1 with the socket set", Run: func(w *Case) {
		w.closedMeanwhile(func(s sockets.SOCKET) (int, wsa.Errno) {
			set := sockets.FDSet{s}
			n, e := w.C.WSPSelect(0, &set, nil, nil, nil)
			if len(set) != 1 {
				w.Errorf("%v", set)
			}
			return n, e
		}, 1, 0)
	}},
	Row{Section: "12.4", Name: "socket closed by another thread while selected: only in exceptfds: WSAENOTSOCK", Run: func(w *Case) {
		w.closedMeanwhile(func(s sockets.SOCKET) (int, wsa.Errno) {
			set := sockets.FDSet{s}
			return w.C.WSPSelect(0, nil, nil, &set, nil)
		}, 0, wsa.ENOTSOCK)
	}},
	Row{Section: "12.9", Name: "blocking connect to a closed local port: WSAECONNREFUSED; afterwards select(write): 0", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("close the listener", w.S.WSPCloseSocket(l), 0)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), wsa.ECONNREFUSED)
		set := sockets.FDSet{c}
		if n, e := w.C.WSPSelect(0, nil, &set, nil, new(time.Duration)); n != 0 || e != 0 {
			w.Errorf("%d, %v", n, e)
		}
	}},
	Row{Section: "12.9", Name: "listen(0,…) / listen(garbage): WSAENOTSOCK", Run: func(w *Case) {
		w.Want("0", w.S.WSPListen(0, 1), wsa.ENOTSOCK)
		w.Want("garbage", w.S.WSPListen(0xdeadbeefdead, 1), wsa.ENOTSOCK)
	}},
	Row{Section: "12.9", Name: "listen on unbound TCP with backlog -2, 1 or SOMAXCONN: WSAEINVAL", Run: func(w *Case) {
		for _, backlog := range []int{-2, 1, wsa.SOMAXCONN} {
			w.Want("WSPListen", w.S.WSPListen(w.S.TCP(), backlog), wsa.EINVAL)
		}
	}},
	Row{Section: "12.9", Name: "bind second TCP socket to the same address:port: WSAEADDRINUSE", Run: func(w *Case) {
		at := w.S.Bind(w.S.TCP())
		w.Want("WSPBind", w.S.WSPBind(w.S.TCP(), at), wsa.EADDRINUSE)
	}},
	Row{Section: "12.9", Name: "SO_ACCEPTCONN bound / listening: 0 / 1", Run: func(w *Case) {
		s := w.S.TCP()
		w.S.Bind(s)
		if v, e := w.S.Option(s, sol, wsa.SO_ACCEPTCONN); v != 0 || e != 0 {
			w.Errorf("bound: %d, %v", v, e)
		}
		w.Want("WSPListen", w.S.WSPListen(s, 1), 0)
		if v, e := w.S.Option(s, sol, wsa.SO_ACCEPTCONN); v != 1 || e != 0 {
			w.Errorf("listening: %d, %v", v, e)
		}
	}},
	Row{Section: "12.9", Name: "listen(bound, 0) ; listen again SOMAXCONN: ok ; ok", Run: func(w *Case) {
		s := w.S.TCP()
		w.S.Bind(s)
		w.Want("WSPListen", w.S.WSPListen(s, 0), 0)
		w.Want("WSPListen again", w.S.WSPListen(s, wsa.SOMAXCONN), 0)
	}},
	Row{Section: "12.9", Name: "select on unconnected, unbound TCP sockets in all three sets, timeout 0: 0 ready", Run: func(w *Case) {
		w.C.sets("unconnected", w.C.TCP(), false, false, false)
	}},
	Row{Section: "12.9", Name: "closesocket(listener) while another thread selects it for read: select returns 1, then the handle fails", Run: func(w *Case) {
		l, _ := w.S.Listen()
		done := make(chan wsa.Errno, 1)
		go func() {
			set := sockets.FDSet{l}
			n, e := w.S.WSPSelect(0, &set, nil, nil, nil)
			if n != 1 && e == 0 {
				e = wsa.SYSCALLFAILURE
			}
			done <- e
		}()
		w.S.waitWatched(l)
		w.Want("close", w.S.WSPCloseSocket(l), 0)
		w.Want("WSPSelect", <-done, 0)
		_, e := w.S.Recv(l, 1, 0)
		w.Want("WSPRecv", e, wsa.ENOTSOCK)
	}},
	Row{Section: "12.9", Name: "select(nil,nil,nil): WSAEINVAL", Run: func(w *Case) {
		_, e := w.C.WSPSelect(0, nil, nil, nil, nil)
		w.Want("WSPSelect", e, wsa.EINVAL)
	}},
	Row{Section: "12.9", Name: "set containing INVALID_SOCKET (any of the three): WSAENOTSOCK", Run: func(w *Case) {
		for i := range 3 {
			sets := [3]*sockets.FDSet{}
			sets[i] = &sockets.FDSet{sockets.INVALID_SOCKET}
			_, e := w.C.WSPSelect(0, sets[0], sets[1], sets[2], new(time.Duration))
			w.Want("WSPSelect", e, wsa.ENOTSOCK)
		}
	}},
	Row{Section: "12.9", Name: "connected pair: fresh read set: 0; write set: 1", Run: func(w *Case) {
		c, _ := w.Connected()
		w.C.sets("fresh", c, false, true, false)
	}},
	Row{Section: "12.9", Name: "IPV6_V6ONLY on a new AF_INET6 socket: 1", Run: func(w *Case) {
		s, e := w.C.WSPSocket(wsa.AF_INET6, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
		w.Want("WSPSocket", e, 0)
		defer w.C.WSPCloseSocket(s)
		if v, e := w.C.Option(s, ip6, wsa.IPV6_V6ONLY); v != 1 || e != 0 {
			w.Errorf("%d, %v", v, e)
		}
	}},
)

// closedMeanwhile closes a socket that nothing happens on while call waits for it.
func (w *Case) closedMeanwhile(call func(sockets.SOCKET) (int, wsa.Errno), n int, want wsa.Errno) {
	w.Helper()
	c, _ := w.Connected()
	type answer struct {
		n int
		e wsa.Errno
	}
	done := make(chan answer, 1)
	go func() {
		n, e := call(c)
		done <- answer{n, e}
	}()
	w.C.waitWatched(c)
	w.Want("close", w.C.WSPCloseSocket(c), 0)
	if a := <-done; a.n != n || a.e != want {
		w.Errorf("%d, %v; want %d, %v", a.n, a.e, n, want)
	}
}

// waitWatched returns when a select looks at s.
func (e *End) waitWatched(s sockets.SOCKET) {
	e.w.Helper()
	e.w.until("a select that waits", func() bool { return e.Session.Polled(s) > 0 })
}
