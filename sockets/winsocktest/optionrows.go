package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.16 WSPGetSockOpt, 3.27 WSPSetSockOpt, 3.17 WSPGetQOSByName and the options of
// 12.6; each option's own row is in options.go.
var _ = add(
	Row{Section: "3.16", Name: "optlen: buffer size becomes value size", Run: func(w *Case) {
		value, n := make([]byte, 64), int32(64)
		w.Want("WSPGetSockOpt", w.C.WSPGetSockOpt(w.C.TCP(), sol, wsa.SO_TYPE, value, &n), 0)
		equal(w, "size", n, 4)
		equal(w, "type", int32(value[0]), wsa.SOCK_STREAM)
	}},
	Row{Section: "3.16", Name: "WSAEFAULT: pointer bad or optlen too small", Run: func(w *Case) {
		s, n := w.C.TCP(), int32(4)
		for _, name := range []int32{wsa.SO_TYPE, wsa.SO_RCVTIMEO, wsa.SO_LINGER} {
			w.Want("no buffer", w.C.WSPGetSockOpt(s, sol, name, nil, &n), wsa.EFAULT)
			w.Want("no length", w.C.WSPGetSockOpt(s, sol, name, make([]byte, 4), nil), wsa.EFAULT)
			for _, short := range []int32{-1, 0, 3} {
				n := short
				w.Want("a short length", w.C.WSPGetSockOpt(s, sol, name, make([]byte, 4), &n), wsa.EFAULT)
			}
		}
	}},
	Row{Section: "3.16", Name: "WSAEINVAL: level unknown; it must be exactly SOL_SOCKET (12.6)", Run: func(w *Case) {
		for _, level := range []int32{-1, 0x1234ffff, -0x7fff0001, 0x8000, 0x800} {
			_, e := w.C.Option(w.C.TCP(), level, wsa.SO_TYPE)
			w.Want("WSPGetSockOpt", e, wsa.EINVAL)
		}
	}},
	Row{Section: "3.16", Name: "WSAENOPROTOOPT: option unknown", Run: func(w *Case) {
		for _, level := range []int32{sol, tcp} {
			_, e := w.C.Option(w.C.TCP(), level, 0x6bad)
			w.Want("WSPGetSockOpt", e, wsa.ENOPROTOOPT)
		}
	}},
	Row{Section: "3.27", Name: "WSAEFAULT: pointer bad or optlen too small", Run: func(w *Case) {
		s := w.C.TCP()
		for _, name := range []int32{wsa.SO_KEEPALIVE, wsa.SO_RCVTIMEO, wsa.SO_SNDTIMEO, wsa.SO_LINGER, wsa.SO_UPDATE_ACCEPT_CONTEXT} {
			w.Want("nothing", w.C.WSPSetSockOpt(s, sol, name, nil), wsa.EFAULT)
			w.Want("3 bytes", w.C.WSPSetSockOpt(s, sol, name, make([]byte, 3)), wsa.EFAULT)
		}
	}},
	Row{Section: "3.27", Name: "WSAEINVAL: level unknown", Run: func(w *Case) {
		w.Want("WSPSetSockOpt", w.C.SetOption(w.C.TCP(), 0x1234ffff, wsa.SO_KEEPALIVE, 1), wsa.EINVAL)
	}},
	Row{Section: "3.27", Name: "WSAEINVAL: value invalid", Run: func(w *Case) {
		s := w.C.TCP()
		w.Want("TCP_KEEPCNT 256", w.C.SetOption(s, tcp, wsa.TCP_KEEPCNT, 256), wsa.EINVAL)
		v, e := w.C.Option(s, tcp, wsa.TCP_KEEPCNT)
		w.Want("TCP_KEEPCNT", e, 0)
		equal(w, "TCP_KEEPCNT", v, 10)
	}},
	Row{Section: "3.27", Name: "WSAEINVAL: wrong socket state (SO_CONDITIONAL_ACCEPT after listen)", Needs: NeedsConditionalAccept, Run: func(w *Case) {
		l, _ := w.S.Listen()
		w.Want("WSPSetSockOpt", w.S.SetOption(l, sol, wsa.SO_CONDITIONAL_ACCEPT, 1), wsa.EINVAL)
	}},
	Row{Section: "3.27", Name: "WSAEINVAL: wrong socket state (SO_EXCLUSIVEADDRUSE after bind)", Run: func(w *Case) {
		s := w.C.TCP()
		w.C.Bind(s)
		w.Want("WSPSetSockOpt", w.C.SetOption(s, sol, wsa.SO_EXCLUSIVEADDRUSE, 1), wsa.EINVAL)
	}},
	Row{Section: "3.27", Name: "WSAENOPROTOOPT: option unknown, or only read", Run: func(w *Case) {
		s := w.C.TCP()
		w.Want("unknown", w.C.SetOption(s, sol, 0x6bad, 1), wsa.ENOPROTOOPT)
		w.Want("SO_TYPE", w.C.SetOption(s, sol, wsa.SO_TYPE, 1), wsa.ENOPROTOOPT)
	}},
	Row{Section: "3.27", Name: "WSAENOTCONN: connection reset while setting SO_KEEPALIVE", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.reset(c)
		w.S.Await(s, wsa.FD_CLOSE)
		w.Want("SO_KEEPALIVE", w.S.SetOption(s, sol, wsa.SO_KEEPALIVE, 1), wsa.ENOTCONN)
	}},
	Row{Section: "3.27", Name: "WSAENETRESET: keep-alive failed while in progress", Dropped: "spi-notes 1.3: not derivable, a stack does not tell keep-alive from retransmission"},
	Row{Section: "3.27", Name: "an option of a live connection, and reads back", Run: func(w *Case) {
		c, _ := w.Connected()
		w.Want("TCP_NODELAY", w.C.SetOption(c, tcp, wsa.TCP_NODELAY, 1), 0)
		v, e := w.C.Option(c, tcp, wsa.TCP_NODELAY)
		w.Want("TCP_NODELAY", e, 0)
		equal(w, "TCP_NODELAY", v, 1)
	}},
	Row{Section: "12.6", Name: "getsockopt(UDP, SO_MAX_MSG_SIZE): 65507 or 65527", Run: func(w *Case) {
		v, e := w.C.Option(w.C.UDP(), sol, wsa.SO_MAX_MSG_SIZE)
		w.Want("SO_MAX_MSG_SIZE", e, 0)
		if v != 65507 && v != 65527 {
			w.Error(v)
		}
	}},
	Row{Section: "12.6", Name: "getsockopt with level 0xFFFFFFFF, 0x1234FFFF, 0x8000FFFF, 0x8000, 0x800: WSAEINVAL", Run: func(w *Case) {
		for _, level := range []uint32{0xffffffff, 0x1234ffff, 0x8000ffff, 0x8000, 0x800} {
			for _, s := range []sockets.SOCKET{w.C.TCP(), w.C.UDP()} {
				_, e := w.C.Option(s, int32(level), wsa.SO_ERROR)
				w.Want("WSPGetSockOpt", e, wsa.EINVAL)
				_, e = w.C.Option(s, int32(level), wsa.SO_RCVTIMEO)
				w.Want("SO_RCVTIMEO", e, wsa.EINVAL)
			}
		}
	}},
	Row{Section: "12.6", Name: "getsockopt(UDP, SO_LINGER): WSAENOPROTOOPT", Run: func(w *Case) {
		_, e := w.C.Option(w.C.UDP(), sol, wsa.SO_LINGER)
		w.Want("SO_LINGER", e, wsa.ENOPROTOOPT)
		_, e = w.C.Option(w.C.UDP(), sol, wsa.SO_DONTLINGER)
		w.Want("SO_DONTLINGER", e, wsa.ENOPROTOOPT)
	}},
	Row{Section: "12.6", Name: "TCP: SO_DONTLINGER vs SO_LINGER.l_onoff: always opposite", Run: func(w *Case) {
		s := w.C.TCP()
		opposite := func(what string, on int) {
			linger, e := w.C.Option(s, sol, wsa.SO_LINGER)
			w.Want("SO_LINGER", e, 0)
			dont, e := w.C.Option(s, sol, wsa.SO_DONTLINGER)
			w.Want("SO_DONTLINGER", e, 0)
			equal(w, what+": l_onoff", linger&0xffff, on)
			equal(w, what+": SO_DONTLINGER", dont, 1-on)
		}
		opposite("new", 0)
		w.Want("SO_LINGER", w.C.SetOption(s, sol, wsa.SO_LINGER, 1|3<<16), 0)
		opposite("SO_LINGER on", 1)
		w.Want("SO_DONTLINGER", w.C.SetOption(s, sol, wsa.SO_DONTLINGER, 1), 0)
		opposite("SO_DONTLINGER on", 0)
		w.Want("SO_DONTLINGER off", w.C.SetOption(s, sol, wsa.SO_DONTLINGER, 0), 0)
		opposite("SO_DONTLINGER off", 1)
		w.Want("SO_LINGER off", w.C.SetOption(s, sol, wsa.SO_LINGER, 0), 0)
		opposite("SO_LINGER off", 0)
	}},
	Row{Section: "12.6", Name: "socket(AF_INET, SOCK_DGRAM or SOCK_STREAM, 0): ok", Run: func(w *Case) {
		for _, typ := range []int32{wsa.SOCK_DGRAM, wsa.SOCK_STREAM} {
			s, e := w.C.WSPSocket(wsa.AF_INET, typ, 0, nil, 0, 0)
			w.Want("WSPSocket", e, 0)
			w.Want("close", w.C.WSPCloseSocket(s), 0)
		}
	}},
	Row{Section: "3.17", Name: "WSPGetQOSByName: WSAEFAULT, and WSAEINVAL for every name", Run: func(w *Case) {
		s := w.C.TCP()
		w.Want("no name", w.C.WSPGetQOSByName(s, nil, new(sockets.QOS)), wsa.EFAULT)
		w.Want("no buffer", w.C.WSPGetQOSByName(s, []byte("G711"), nil), wsa.EFAULT)
		w.Want("unknown template", w.C.WSPGetQOSByName(s, []byte("G711"), new(sockets.QOS)), wsa.EINVAL)
	}},
)
