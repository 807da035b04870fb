package winsocktest

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.14 WSPGetPeerName, 3.15 WSPGetSockName and the names of 12.6.
var _ = add(
	Row{Section: "3.14", Name: "a connected stream, at both ends: the other's name", Run: func(w *Case) {
		c, s := w.Connected()
		w.sameName("the client's peer", w.C.peerName(c), w.S.SockName(s))
		w.sameName("the server's peer", w.S.peerName(s), w.C.SockName(c))
	}},
	Row{Section: "3.14", Name: "WSAENOTCONN: fresh, bound, listening, refused", Run: func(w *Case) {
		w.Want("fresh", w.C.peerless(w.C.TCP()), wsa.ENOTCONN)
		bound := w.C.TCP()
		w.C.Bind(bound)
		w.Want("bound", w.C.peerless(bound), wsa.ENOTCONN)
		l, at := w.S.Listen()
		w.Want("listening", w.S.peerless(l), wsa.ENOTCONN)
		w.Want("close", w.S.WSPCloseSocket(l), 0)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), wsa.ECONNREFUSED)
		w.Want("refused", w.C.peerless(c), wsa.ENOTCONN)
	}},
	Row{Section: "3.14", Name: "a datagram socket: only the peer it was connected to", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.Want("fresh", w.C.peerless(c), wsa.ENOTCONN)
		w.C.sendTo(c, "hello", to)
		w.S.Await(s, wsa.FD_READ)
		w.Want("a sender is no peer", w.S.peerless(s), wsa.ENOTCONN)
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		w.sameName("connected", w.C.peerName(c), to)
		w.Want("disconnect", w.C.Connect(c, w.Any()), 0)
		w.Want("disconnected", w.C.peerless(c), wsa.ENOTCONN)
	}},
	Row{Section: "3.14", Name: "WSAEFAULT: no room, or too little; nothing is written", Run: func(w *Case) {
		c, _ := w.Connected()
		w.noRoom("WSPGetPeerName", c, w.C.WSPGetPeerName)
	}},
	Row{Section: "3.14", Name: "works after SD_BOTH, and after the connection's end", Run: func(w *Case) {
		c, s := w.Connected()
		peer := w.S.peerName(s)
		w.Want("WSPShutdown", w.S.WSPShutdown(s, wsa.SD_BOTH), 0)
		w.sameName("shut down", w.S.peerName(s), peer)
		w.C.reset(c)
		w.S.Await(s, wsa.FD_CLOSE)
		w.sameName("reset", w.S.peerName(s), peer)
	}},
	Row{Section: "3.15", Name: "WSAEINVAL: not bound; the sockaddr is not modified (12.6)", Run: func(w *Case) {
		for _, s := range []sockets.SOCKET{w.C.TCP(), w.C.UDP()} {
			name := bytes.Repeat([]byte{0xab}, 64)
			n := int32(len(name))
			w.Want("WSPGetSockName", w.C.WSPGetSockName(s, name, &n), wsa.EINVAL)
			equal(w, "length", n, 64)
			equal(w, "bytes changed", bytes.Count(name, []byte{0xab}), 64)
		}
	}},
	Row{Section: "3.15", Name: "wildcard bind: the host part is unspecified until connected", Run: func(w *Case) {
		_, at := w.S.Listen()
		c := w.C.TCP()
		w.Want("WSPBind", w.C.WSPBind(c, w.Any()), 0)
		name := w.C.SockName(c)
		port := binary.BigEndian.Uint16(name[2:])
		w.sameName("bound", name, Name(provider.Any(w.Family(), 0).Addr(), port))
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		w.sameName("connected", w.C.SockName(c), Name(w.C.Host, port))
	}},
	Row{Section: "3.15", Name: "a datagram socket is bound by its first WSPSendTo, and by WSPConnect", Run: func(w *Case) {
		c, _, to := w.datagrams()
		w.C.sendTo(c, "hello", to)
		if port := binary.BigEndian.Uint16(w.C.SockName(c)[2:]); port == 0 {
			w.Error("no port after WSPSendTo")
		}
		d := w.C.UDP()
		w.Want("WSPConnect", w.C.Connect(d, to), 0)
		if name := w.C.SockName(d); !bytes.Equal(name, Name(w.C.Host, binary.BigEndian.Uint16(name[2:]))) {
			w.Errorf("connected: %x", name)
		}
	}},
	Row{Section: "3.15", Name: "WSAEFAULT: no room, or too little; nothing is written", Run: func(w *Case) {
		c, _ := w.Connected()
		w.noRoom("WSPGetSockName", c, w.C.WSPGetSockName)
	}},
	Row{Section: "12.6", Name: "getsockname(bound): sin_zero padding zeroed; address equals bound specific address", Run: func(w *Case) {
		s := w.C.TCP()
		w.C.Bind(s)
		name := bytes.Repeat([]byte{0xab}, 64)
		n := int32(len(name))
		w.Want("WSPGetSockName", w.C.WSPGetSockName(s, name, &n), 0)
		w.sameName("bound", name[:n], Name(w.C.Host, binary.BigEndian.Uint16(name[2:])))
		equal(w, "bytes behind it changed", bytes.Count(name[n:], []byte{0xab}), 64-int(n))
	}},
	Row{Section: "12.6", Name: "getsockname(unbound): WSAEINVAL, sockaddr unmodified", Run: func(w *Case) {
		n := int32(64)
		name := make([]byte, n)
		w.Want("WSPGetSockName", w.C.WSPGetSockName(w.C.TCP(), name, &n), wsa.EINVAL)
		equal(w, "unmodified", slices.ContainsFunc(name, func(b byte) bool { return b != 0 }), false)
	}},
)

// noRoom calls f with outputs that cannot take an address.
func (w *Case) noRoom(what string, s sockets.SOCKET, f func(sockets.SOCKET, []byte, *int32) wsa.Errno) {
	w.Helper()
	n := int32(64)
	w.Want(what+" without a buffer", f(s, nil, &n), wsa.EFAULT)
	equal(w, "length", n, 64)
	w.Want(what+" without a length", f(s, make([]byte, 64), nil), wsa.EFAULT)
	for _, n := range []int32{0, 2, int32(len(w.Any())) - 1} {
		room, name := n, make([]byte, 64)
		w.Want(what+" with a short length", f(s, name, &room), wsa.EFAULT)
		equal(w, "length", room, n)
		equal(w, "written", slices.ContainsFunc(name, func(b byte) bool { return b != 0 }), false)
	}
}

// peerless is WSPGetPeerName's code.
func (e *End) peerless(s sockets.SOCKET) wsa.Errno {
	n := int32(64)
	return e.WSPGetPeerName(s, make([]byte, n), &n)
}

// peerName is WSPGetPeerName.
func (e *End) peerName(s sockets.SOCKET) []byte {
	e.w.Helper()
	b, n := make([]byte, 64), int32(64)
	e.w.Want("WSPGetPeerName", e.WSPGetPeerName(s, b, &n), 0)
	return b[:n]
}

func (w *Case) sameName(what string, got, want []byte) {
	w.Helper()
	if !bytes.Equal(got, want) {
		w.Errorf("%s: %x, want %x", what, got, want)
	}
}

// elsewhere is an address of the family that nobody has (RFC 5737, RFC 3849).
func (w *Case) elsewhere() netip.Addr {
	if w.Family() == wsa.AF_INET {
		return netip.MustParseAddr("203.0.113.77")
	}
	return netip.MustParseAddr("2001:db8:dead::77")
}
