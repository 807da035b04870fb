package winsocktest

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// duplicate is one more descriptor of s of the client's, in the session of to.
func (w *Case) duplicate(s sockets.SOCKET, to *End) sockets.SOCKET {
	w.Helper()
	h, e := to.WSPSocket(-1, -1, -1, w.token(s, to), 0, 0)
	w.Want("WSPSocket by the structure", e, 0)
	w.Cleanup(func() { to.WSPCloseSocket(h) })
	return h
}

func (w *Case) token(s sockets.SOCKET, to *End) *provider.ProtocolInfo {
	w.Helper()
	info := new(provider.ProtocolInfo)
	w.Want("WSPDuplicateSocket", w.C.WSPDuplicateSocket(s, to.Session.Process(), info), 0)
	return info
}

var _ = add(
	Row{Section: "12.1", Name: "(s=0, pid=0, nil) ; (0, own, &info): WSAENOTSOCK", Run: func(w *Case) {
		w.Want("no socket, no process", w.C.WSPDuplicateSocket(0, 0, nil), wsa.ENOTSOCK)
		w.Want("no socket", w.C.WSPDuplicateSocket(0, w.C.Session.Process(), new(provider.ProtocolInfo)), wsa.ENOTSOCK)
	}},
	Row{Section: "12.1", Name: "(tcp, pid=0, nil): WSAEINVAL", Run: func(w *Case) {
		w.Want("no process", w.C.WSPDuplicateSocket(w.C.TCP(), 0, nil), wsa.EINVAL)
	}},
	Row{Section: "12.1", Name: "(tcp, pid=0xFFFFFFFF, &info): WSAEINVAL", Run: func(w *Case) {
		w.Want("unknown process", w.C.WSPDuplicateSocket(w.C.TCP(), 0xffffffff, new(provider.ProtocolInfo)), wsa.EINVAL)
	}},
	Row{Section: "12.1", Name: "(tcp, own pid, nil): WSAEFAULT", Run: func(w *Case) {
		w.Want("no structure", w.C.WSPDuplicateSocket(w.C.TCP(), w.C.Session.Process(), nil), wsa.EFAULT)
	}},
	Row{Section: "12.1", Name: "(tcp, own pid, &info): the socket's triple; WSASocket(0,0,0,&info,0,0) ok", Run: func(w *Case) {
		s := w.C.TCP()
		info := w.token(s, w.C)
		if info.AddressFamily != w.Family() || info.SocketType != wsa.SOCK_STREAM || info.Protocol != wsa.IPPROTO_TCP {
			w.Errorf("%+v", info)
		}
		again, e := w.C.WSPSocket(0, 0, 0, info, 0, 0)
		w.Want("WSPSocket", e, 0)
		w.Want("close", w.C.WSPCloseSocket(again), 0)
	}},
	Row{Section: "12.1", Name: "UDP: bind source after DuplicateSocket, before re-creating: the duplicate receives; SO_TYPE equal", Run: func(w *Case) {
		s := w.C.UDP()
		info := w.token(s, w.C)
		at := w.C.Bind(s)
		again, e := w.C.WSPSocket(0, 0, 0, info, 0, 0)
		w.Want("WSPSocket", e, 0)
		defer w.C.WSPCloseSocket(again)
		var n uint32
		w.Want("WSPSendTo", w.S.WSPSendTo(w.S.UDP(), [][]byte{[]byte("to both")}, &n, 0, at, nil, nil, nil), 0)
		w.C.Await(again, wsa.FD_READ)
		if got, e := w.C.Recv(again, 20, 0); got != "to both" || e != 0 {
			w.Errorf("%q, %v", got, e)
		}
		a, _ := w.C.Option(s, sol, wsa.SO_TYPE)
		if b, _ := w.C.Option(again, sol, wsa.SO_TYPE); a != b {
			w.Errorf("SO_TYPE %d and %d", a, b)
		}
	}},
	Row{Section: "12.1", Name: "UDP: duplicate re-created before source binds", Dropped: "winsock-spi 8.1: a wart of Windows, not to be reproduced"},

	Row{Section: "8.1", Name: "the structure is usable once, by the target alone", Run: func(w *Case) {
		s := w.C.TCP()
		info := w.token(s, w.S)
		_, e := w.C.WSPSocket(-1, -1, -1, info, 0, 0)
		w.Want("by another process", e, wsa.EINVAL)
		h, e := w.S.WSPSocket(-1, -1, -1, info, 0, 0)
		w.Want("by the target", e, 0)
		_, e = w.S.WSPSocket(-1, -1, -1, info, 0, 0)
		w.Want("again", e, wsa.EINVAL)
		w.Want("close", w.S.WSPCloseSocket(h), 0)
	}},
	Row{Section: "8.1", Name: "g and dwFlags are ignored on re-creation", Run: func(w *Case) {
		h, e := w.S.WSPSocket(-1, -1, -1, w.token(w.C.TCP(), w.S), 77, 1<<30)
		w.Want("WSPSocket", e, 0)
		w.Want("close", w.S.WSPCloseSocket(h), 0)
	}},
	Row{Section: "8.1", Name: "options are common", Run: func(w *Case) {
		s := w.C.TCP()
		h := w.duplicate(s, w.S)
		w.Want("TCP_NODELAY", w.S.SetOption(h, tcp, wsa.TCP_NODELAY, 1), 0)
		if v, e := w.C.Option(s, tcp, wsa.TCP_NODELAY); v != 1 || e != 0 {
			w.Errorf("%d, %v", v, e)
		}
	}},
	Row{Section: "8.1", Name: "the mode is common", Run: func(w *Case) {
		c, _ := w.Connected()
		h := w.duplicate(c, w.S)
		w.Want("FIONBIO", w.S.NonBlocking(h, true), 0)
		_, e := w.C.Recv(c, 1, 0)
		w.Want("WSPRecv", e, wsa.EWOULDBLOCK)
	}},
	Row{Section: "8.1", Name: "one registration for all descriptors: a new one from any displaces it", Run: func(w *Case) {
		c, s := w.Connected()
		h := w.duplicate(c, w.S)
		old, now := sockets.CreateEvent(), sockets.CreateEvent()
		w.Want("WSPEventSelect", w.C.WSPEventSelect(c, old, wsa.FD_READ), 0)
		w.Want("WSPEventSelect", w.S.WSPEventSelect(h, now, wsa.FD_READ), 0)
		w.S.Send(s, "x")
		w.Want("wait", now.Wait(w.Context()), 0)
		if old.IsSet() {
			w.Error("the displaced event was signalled")
		}
	}},
	Row{Section: "8.1", Name: "the socket closes when the last descriptor closes", Run: func(w *Case) {
		c, s := w.Connected()
		h := w.duplicate(c, w.S)
		w.Want("close the source's", w.C.WSPCloseSocket(c), 0)
		w.Want("use the source's", w.C.WSPListen(c, 1), wsa.ENOTSOCK)
		w.S.Send(h, "alive")
		if got := w.S.Read(s, 5); got != "alive" {
			w.Errorf("%q", got)
		}
		w.Want("close the target's", w.S.WSPCloseSocket(h), 0)
		w.S.Await(s, wsa.FD_CLOSE)
	}},
	Row{Section: "8.1", Name: "I/O from either descriptor, in one stream", Run: func(w *Case) {
		c, s := w.Connected()
		h := w.duplicate(c, w.S)
		w.C.Send(c, "one ")
		w.S.Send(h, "two")
		if got := w.S.Read(s, 7); got != "one two" {
			w.Errorf("%q", got)
		}
	}},
	Row{Section: "8.1", Name: "the target's session keeps the socket when the source's has ended", Run: func(w *Case) {
		c, s := w.Connected()
		l, _ := w.S.Listen() // something of its own
		h := w.duplicate(c, w.S)
		if err := w.C.Session.Close(); err != nil {
			w.Error(err)
		}
		_, e := w.C.Recv(c, 1, 0)
		w.Want("the source's table", e, wsa.NOTINITIALISED)
		w.S.Send(h, "still")
		if got := w.S.Read(s, 5); got != "still" {
			w.Errorf("%q", got)
		}
		w.Want("close", w.S.WSPCloseSocket(h), 0)
		w.Want("close", w.S.WSPCloseSocket(l), 0)
	}},
)
