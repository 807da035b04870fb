package winsocktest

import (
	"encoding/binary"
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// 3.6 WSPBind; the matrix of 9.5 is in bind.go.
var _ = add(
	Row{Section: "3.6", Name: "a specific address: it is the socket's name", Run: func(w *Case) {
		s := w.C.TCP()
		w.sameName("bound", w.C.Bind(s), Name(w.C.Host, binary.BigEndian.Uint16(w.C.SockName(s)[2:])))
	}},
	Row{Section: "3.6", Name: "ADDR_ANY: any local address", Run: func(w *Case) {
		l := w.S.TCP()
		w.Want("WSPBind", w.S.WSPBind(l, w.Any()), 0)
		w.Want("WSPListen", w.S.WSPListen(l, 1), 0)
		port := binary.BigEndian.Uint16(w.S.SockName(l)[2:])
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), Name(w.S.Host, port)), 0)
		w.S.Accept(l)
		w.sameName("the listener stays at the wildcard", w.S.SockName(l), Name(provider.Any(w.Family(), 0).Addr(), port))
	}},
	Row{Section: "3.6", Name: "port 0: provider picks", Run: func(w *Case) {
		for range 8 {
			if port := binary.BigEndian.Uint16(w.C.Bind(w.C.TCP())[2:]); port == 0 {
				w.Error("port 0")
			}
		}
	}},
	Row{Section: "3.6", Name: "port 0: from 49152–65535", Needs: NeedsDynamicPorts, Run: func(w *Case) {
		for range 8 {
			if port := binary.BigEndian.Uint16(w.C.Bind(w.C.TCP())[2:]); port < 49152 {
				w.Errorf("port %d", port)
			}
			if port := binary.BigEndian.Uint16(w.C.Bind(w.C.UDP())[2:]); port < 49152 {
				w.Errorf("datagram port %d", port)
			}
		}
	}},
	Row{Section: "3.6", Name: "a port of one's own choice", Run: func(w *Case) {
		a := w.C.UDP()
		port := binary.BigEndian.Uint16(w.C.Bind(a)[2:])
		w.Want("close", w.C.WSPCloseSocket(a), 0)
		s := w.C.UDP()
		w.Want("WSPBind", w.C.WSPBind(s, Name(w.C.Host, port)), 0)
		w.sameName("bound", w.C.SockName(s), Name(w.C.Host, port))
	}},
	Row{Section: "3.6", Name: "WSAEADDRINUSE: the address is taken", Run: func(w *Case) {
		_, at := w.S.Listen() // as kernels let two sockets share an address that nobody listens at; 9.5 does not
		w.Want("stream", w.S.WSPBind(w.S.TCP(), at), wsa.EADDRINUSE)
		w.Want("datagram", w.C.WSPBind(w.C.UDP(), w.C.Bind(w.C.UDP())), wsa.EADDRINUSE)
	}},
	Row{Section: "3.6", Name: "a stream and a datagram socket may have one port", Run: func(w *Case) {
		at := w.C.Bind(w.C.TCP())
		w.Want("WSPBind", w.C.WSPBind(w.C.UDP(), at), 0)
	}},
	Row{Section: "3.6", Name: "WSAEACCES: the broadcast address (IPv4)", Run: func(w *Case) {
		if w.Family() == wsa.AF_INET6 {
			return // it has none
		}
		w.Want("WSPBind", w.C.WSPBind(w.C.UDP(), Name(netip.MustParseAddr("255.255.255.255"), 0)), wsa.EACCES)
	}},
	Row{Section: "3.6", Name: "WSAEADDRNOTAVAIL: not a local address", Run: func(w *Case) {
		w.Want("stream", w.C.WSPBind(w.C.TCP(), Name(w.elsewhere(), 0)), wsa.EADDRNOTAVAIL)
		w.Want("datagram", w.C.WSPBind(w.C.UDP(), Name(w.elsewhere(), 0)), wsa.EADDRNOTAVAIL)
	}},
	Row{Section: "3.6", Name: "a bind that failed leaves the socket unbound", Run: func(w *Case) {
		s := w.C.TCP()
		w.Want("WSPBind elsewhere", w.C.WSPBind(s, Name(w.elsewhere(), 0)), wsa.EADDRNOTAVAIL)
		n := int32(64)
		w.Want("WSPGetSockName", w.C.WSPGetSockName(s, make([]byte, n), &n), wsa.EINVAL)
		w.C.Bind(s)
	}},
	Row{Section: "3.6", Name: "WSAEFAULT: no sockaddr, or a short one", Run: func(w *Case) {
		s, name := w.C.TCP(), Name(w.C.Host, 0)
		for _, n := range []int{0, 1, 2, len(name) - 1} {
			w.Want("WSPBind", w.C.WSPBind(s, name[:n]), wsa.EFAULT)
		}
		w.Want("WSPBind to nothing", w.C.WSPBind(s, nil), wsa.EFAULT)
	}},
	Row{Section: "3.6", Name: "WSAEFAULT: a family that is not the socket's", Run: func(w *Case) {
		other := netip.IPv6Loopback()
		if w.Family() == wsa.AF_INET6 {
			other = netip.MustParseAddr("127.0.0.1")
		}
		w.Want("WSPBind", w.C.WSPBind(w.C.TCP(), Name(other, 0)), wsa.EFAULT)
	}},
	Row{Section: "3.6", Name: "WSAEAFNOSUPPORT: an unknown family of sufficient length (observed)", Run: func(w *Case) {
		name := make([]byte, 64)
		binary.LittleEndian.PutUint16(name, 0xdead)
		w.Want("WSPBind", w.C.WSPBind(w.C.TCP(), name), wsa.EAFNOSUPPORT)
	}},
	Row{Section: "3.6", Name: "WSAEINVAL: already bound", Run: func(w *Case) {
		s := w.C.TCP()
		w.C.Bind(s)
		w.Want("bound", w.C.WSPBind(s, Name(w.C.Host, 0)), wsa.EINVAL)
		c, _ := w.Connected()
		w.Want("connected", w.C.WSPBind(c, Name(w.C.Host, 0)), wsa.EINVAL)
		u, _, to := w.datagrams()
		w.C.sendTo(u, "hello", to)
		w.Want("bound by WSPSendTo", w.C.WSPBind(u, Name(w.C.Host, 0)), wsa.EINVAL)
	}},
	Row{Section: "3.6", Name: "WSAENOBUFS: too many connections", Dropped: "a base counts sockets, not addresses: WSPSocket says WSAEMFILE before WSPBind could"},
)
