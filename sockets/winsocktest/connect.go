package winsocktest

import (
	"encoding/binary"
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// nobody is the name of a port of the server's at which nobody listens.
func (w *Case) nobody() []byte {
	w.Helper()
	l, at := w.S.Listen()
	w.Want("close the listener", w.S.WSPCloseSocket(l), 0)
	return at
}

// connecting is a non-blocking socket whose attempt has begun and does not end: the
// listener's backlog is full, or nobody answers.
func (w *Case) begun(at []byte) sockets.SOCKET {
	w.Helper()
	c := w.C.TCP()
	w.Want("FIONBIO", w.C.NonBlocking(c, true), 0)
	w.Want("WSPConnect", w.C.Connect(c, at), wsa.EWOULDBLOCK)
	return c
}

// 3.9 WSPConnect of a stream.
var _ = add(
	Row{Section: "3.9", Name: "unbound socket is implicitly bound", Run: func(w *Case) {
		_, at := w.S.Listen()
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		name := w.C.SockName(c)
		w.sameName("name", name, Name(w.C.Host, binary.BigEndian.Uint16(name[2:])))
	}},
	Row{Section: "3.9", Name: "a bound socket connects from where it is bound", Run: func(w *Case) {
		l, at := w.S.Listen()
		c := w.C.TCP()
		name := w.C.Bind(c)
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		w.sameName("peer of the accepted one", w.S.peerName(w.S.Accept(l)), name)
	}},
	Row{Section: "3.9", Name: "TCP non-blocking: WSAEWOULDBLOCK and proceeds; writefds", Run: func(w *Case) {
		l, at := w.S.Listen()
		c := w.begun(at)
		w.C.Await(c, wsa.FD_WRITE)
		set, timeout := sockets.FDSet{c}, patience
		n, e := w.C.WSPSelect(0, nil, &set, nil, &timeout)
		w.Want("WSPSelect", e, 0)
		equal(w, "writable", n, 1)
		w.C.Send(c, "hello")
		equal(w, "text", w.S.Read(w.S.Accept(l), 5), "hello")
	}},
	Row{Section: "3.9", Name: "after a refused attempt connect may be called again on the same socket", Run: func(w *Case) {
		l, at := w.S.Listen()
		c := w.C.TCP()
		w.Want("WSPConnect to nobody", w.C.Connect(c, w.nobody()), wsa.ECONNREFUSED)
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		w.C.Send(c, "hello")
		equal(w, "text", w.S.Read(w.S.Accept(l), 5), "hello")
		v, e := w.C.Option(c, sol, wsa.SO_ERROR)
		w.Want("SO_ERROR", e, 0)
		equal(w, "SO_ERROR", v, 0)
	}},
	Row{Section: "3.9", Name: "after a refused attempt: the bind and the options stay", Run: func(w *Case) {
		l, at := w.S.Listen()
		c := w.C.TCP()
		name := w.C.Bind(c)
		w.Want("TCP_NODELAY", w.C.SetOption(c, tcp, wsa.TCP_NODELAY, 1), 0)
		w.Want("WSPConnect to nobody", w.C.Connect(c, w.nobody()), wsa.ECONNREFUSED)
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		w.sameName("peer of the accepted one", w.S.peerName(w.S.Accept(l)), name)
		v, e := w.C.Option(c, tcp, wsa.TCP_NODELAY)
		w.Want("TCP_NODELAY", e, 0)
		equal(w, "TCP_NODELAY", v, 1)
	}},
	Row{Section: "3.9", Name: "after a refused attempt, non-blocking: once more, to success", Run: func(w *Case) {
		_, at := w.S.Listen()
		c := w.begun(w.nobody())
		r := w.C.Await(c, wsa.FD_CONNECT)
		w.Want("the attempt", r.Connect, wsa.ECONNREFUSED)
		w.Want("WSPConnect", w.C.Connect(c, at), wsa.EWOULDBLOCK)
		w.C.Await(c, wsa.FD_WRITE)
	}},
	Row{Section: "3.9", Name: "WSAECONNREFUSED", Run: func(w *Case) {
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), w.nobody()), wsa.ECONNREFUSED)
	}},
	Row{Section: "3.9", Name: "WSAEINTR: cancelled; the socket is usable only for close: WSAECONNABORTED", Needs: NeedsSilence, Run: func(w *Case) {
		c, thread := w.C.TCP(), sockets.OpenThread()
		table := w.C.Session.ThreadProcTable(thread)
		var e wsa.Errno
		w.during(func() { e = table.WSPConnect(c, w.silent(), nil, nil, nil, nil) }, func() { w.cancelBlocking(thread) })
		w.Want("WSPConnect", e, wsa.EINTR)
		w.Want("again", w.C.Connect(c, w.nobody()), wsa.ECONNABORTED)
		w.Want("WSPListen", w.C.WSPListen(c, 1), wsa.ECONNABORTED)
		w.Want("close", w.C.WSPCloseSocket(c), 0)
	}},
	Row{Section: "3.9", Name: "WSAEALREADY: non-blocking connect already in progress", Needs: NeedsSilence, Run: func(w *Case) {
		c := w.begun(w.silent())
		w.Want("again", w.C.Connect(c, w.silent()), wsa.EALREADY)
	}},
	Row{Section: "3.9", Name: "close ends an attempt", Needs: NeedsSilence, Run: func(w *Case) {
		c := w.begun(w.silent())
		w.Want("close", w.C.WSPCloseSocket(c), 0)
		w.Want("again", w.C.Connect(c, w.silent()), wsa.ENOTSOCK)
	}},
	Row{Section: "3.9", Name: "WSAEADDRNOTAVAIL: all-zero address or port 0", Run: func(w *Case) {
		w.Want("port 0", w.C.Connect(w.C.TCP(), Name(w.S.Host, 0)), wsa.EADDRNOTAVAIL)
		w.Want("all-zero address", w.C.Connect(w.C.TCP(), Name(provider.Any(w.Family(), 0).Addr(), 80)), wsa.EADDRNOTAVAIL)
		w.Want("both", w.C.Connect(w.C.TCP(), w.Any()), wsa.EADDRNOTAVAIL)
	}},
	Row{Section: "3.9", Name: "WSAEAFNOSUPPORT: family unusable with this socket", Run: func(w *Case) {
		other := netip.IPv6Loopback()
		if w.Family() == wsa.AF_INET6 {
			other = netip.MustParseAddr("127.0.0.1")
		}
		w.Want("the other family", w.C.Connect(w.C.TCP(), Name(other, 80)), wsa.EAFNOSUPPORT)
		name := make([]byte, 64)
		binary.LittleEndian.PutUint16(name, 0xdead)
		w.Want("an unknown family", w.C.Connect(w.C.TCP(), name), wsa.EAFNOSUPPORT)
	}},
	Row{Section: "3.9", Name: "WSAEFAULT: no sockaddr, or a short one", Run: func(w *Case) {
		c, at := w.C.TCP(), w.nobody()
		w.Want("nothing", w.C.Connect(c, nil), wsa.EFAULT)
		for _, n := range []int{0, 1, 2, len(at) - 1} {
			w.Want("short", w.C.Connect(c, at[:n]), wsa.EFAULT)
		}
		w.Want("the socket still connects", w.C.Connect(c, at), wsa.ECONNREFUSED)
	}},
	Row{Section: "3.9", Name: "WSAEINVAL: s is listening", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("WSPConnect", w.S.Connect(l, at), wsa.EINVAL)
	}},
	Row{Section: "3.9", Name: "WSAEISCONN: already connected", Run: func(w *Case) {
		c, s := w.Connected()
		at := w.nobody()
		w.Want("the client", w.C.Connect(c, at), wsa.EISCONN)
		w.Want("the accepted one", w.S.Connect(s, at), wsa.EISCONN)
	}},
	Row{Section: "3.9", Name: "WSAEOPNOTSUPP: QoS cannot be satisfied", Run: func(w *Case) {
		_, at := w.S.Listen()
		c := w.C.TCP()
		w.Want("SQOS", w.C.WSPConnect(c, at, nil, nil, new(sockets.QOS), nil), wsa.EOPNOTSUPP)
		w.Want("GQOS", w.C.WSPConnect(c, at, nil, nil, nil, new(sockets.QOS)), wsa.EOPNOTSUPP)
		w.Want("without", w.C.Connect(c, at), 0)
	}},
	Row{Section: "3.9", Name: "WSAEPROTONOSUPPORT: caller data given but unsupported", Run: func(w *Case) {
		_, at := w.S.Listen()
		c := w.C.TCP()
		w.Want("caller data", w.C.WSPConnect(c, at, []byte("hello"), nil, nil, nil), wsa.EPROTONOSUPPORT)
		w.Want("without", w.C.Connect(c, at), 0)
	}},
	Row{Section: "3.9", Name: "WSAENETUNREACH, WSAEHOSTUNREACH: no route", Needs: NeedsNoRoute, Run: func(w *Case) {
		switch e := w.C.Connect(w.C.TCP(), Name(w.elsewhere(), 80)); e {
		case wsa.ENETUNREACH, wsa.EHOSTUNREACH:
		default:
			w.Errorf("WSPConnect: %v", e)
		}
	}},
	Row{Section: "3.9", Name: "WSAEADDRINUSE: local address conflict surfacing late", Run: func(w *Case) {
		_, at := w.S.Listen()
		a, b := w.C.TCP(), w.C.TCP()
		w.Want("the first", w.C.Connect(a, at), 0)
		port := binary.BigEndian.Uint16(w.C.SockName(a)[2:])
		switch e := w.C.WSPBind(b, Name(provider.Any(w.Family(), 0).Addr(), port)); e {
		case 0:
			w.Want("the second from there", w.C.Connect(b, at), wsa.EADDRINUSE)
		case wsa.EADDRINUSE: // known at once
		default:
			w.Errorf("WSPBind: %v", e)
		}
	}},
	Row{Section: "3.9", Name: "WSAETIMEDOUT", Dropped: "two minutes of SYNs on either stack; the scripted driver of provider/base has it"},
	Row{Section: "3.9", Name: "WSAENOBUFS", Dropped: "a session counts sockets, not buffers: WSAEMFILE"},
)

// 3.9 WSPConnect of a datagram socket.
var _ = add(
	Row{Section: "3.9", Name: "UDP: sets default peer, filters receives", Run: func(w *Case) {
		c, s, to := w.datagrams()
		other := w.C.UDP()
		w.C.Bind(c)
		w.Want("WSPConnect", w.S.Connect(s, w.C.SockName(c)), 0)
		w.C.sendTo(other, "stranger", to)
		w.C.sendTo(c, "peer", to)
		text, _, e := w.S.recvFrom(s, 20, 64)
		w.Want("WSPRecvFrom", e, 0)
		equal(w, "text", text, "peer")
		w.S.Send(s, "back")
		text, _ = w.C.Recv(c, 20, 0)
		equal(w, "text", text, "back")
	}},
	Row{Section: "3.9", Name: "UDP: a different peer discards queued datagrams", Run: func(w *Case) {
		c, s, to := w.datagrams()
		other := w.C.UDP()
		w.C.Bind(c)
		w.C.Bind(other)
		w.Want("WSPConnect", w.S.Connect(s, w.C.SockName(c)), 0)
		w.C.sendTo(c, "old", to)
		w.S.Await(s, wsa.FD_READ)
		w.Want("WSPConnect to another", w.S.Connect(s, w.C.SockName(other)), 0)
		w.C.sendTo(other, "new", to)
		text, _, e := w.S.recvFrom(s, 20, 64)
		w.Want("WSPRecvFrom", e, 0)
		equal(w, "text", text, "new")
	}},
	Row{Section: "3.9", Name: "UDP: an all-zero address disconnects: Send, Recv WSAENOTCONN; SendTo, RecvFrom fine", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		w.Want("disconnect", w.C.Connect(c, w.Any()), 0)
		w.Want("WSPSend", w.C.send(c, "x", 0), wsa.ENOTCONN)
		_, e := w.C.Recv(c, 1, 0)
		w.Want("WSPRecv", e, wsa.ENOTCONN)
		w.C.sendTo(c, "hello", to)
		text, from, e := w.S.recvFrom(s, 20, 64)
		w.Want("WSPRecvFrom", e, 0)
		equal(w, "text", text, "hello")
		w.S.sendTo(s, "back", from)
		text, _, e = w.C.recvFrom(c, 20, 64)
		w.Want("WSPRecvFrom", e, 0)
		equal(w, "text", text, "back")
	}},
	Row{Section: "3.9", Name: "UDP: may be connected again; port 0 is WSAEADDRNOTAVAIL", Run: func(w *Case) {
		c, _, to := w.datagrams()
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		w.Want("again", w.C.Connect(c, Name(w.S.Host, 9)), 0)
		w.Want("port 0", w.C.Connect(c, Name(w.S.Host, 0)), wsa.EADDRNOTAVAIL)
		w.sameName("the peer stays", w.C.peerName(c), Name(w.S.Host, 9))
	}},
	Row{Section: "3.9", Name: "WSAEACCES: datagram connect to broadcast without SO_BROADCAST (IPv4)", Run: func(w *Case) {
		if w.Family() == wsa.AF_INET6 {
			return
		}
		c, everybody := w.C.UDP(), Name(netip.MustParseAddr("255.255.255.255"), 9)
		w.Want("WSPConnect", w.C.Connect(c, everybody), wsa.EACCES)
		w.Want("SO_BROADCAST", w.C.SetOption(c, sol, wsa.SO_BROADCAST, 1), 0)
	}},
)

// silent is an address of the server's network at which nobody is, so that an
// attempt goes on for as long as a row takes.
func (w *Case) silent() []byte { return Name(w.Pair.Silent, 80) }
