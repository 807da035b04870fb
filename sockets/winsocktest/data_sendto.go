package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.26 WSPSendTo.
var _ = add(
	Row{Section: "3.26", Name: "the address overrides a connected peer, for this datagram only", Run: func(w *Case) {
		c, first, peer := w.datagrams()
		second := w.S.UDP()
		other := w.S.Bind(second)
		w.Want("WSPConnect", w.C.Connect(c, peer), 0)
		w.C.sendTo(c, "second", other)
		w.C.Send(c, "first")
		text, e := w.S.Recv(second, 9, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "second")
		text, e = w.S.Recv(first, 9, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "first")
	}},
	Row{Section: "3.26", Name: "no address: the connected peer", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		w.C.sendTo(c, "hello", nil)
		text, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "hello")
	}},
	Row{Section: "3.26", Name: "connection-oriented: the address is ignored", Run: func(w *Case) {
		c, s := w.Connected()
		w.S.sendTo(s, "hello", []byte{1, 2, 3})
		equal(w, "text", w.C.Read(c, 5), "hello")
	}},
	Row{Section: "3.26", Name: "it binds implicitly", Run: func(w *Case) {
		c, _, to := w.datagrams()
		n := int32(64)
		w.Want("WSPGetSockName", w.C.WSPGetSockName(c, make([]byte, 64), &n), wsa.EINVAL)
		w.C.sendTo(c, "hello", to)
		if name := w.C.SockName(c); name[2] == 0 && name[3] == 0 {
			w.Fatal("no port")
		}
	}},
	Row{Section: "3.26", Name: "overlapped: complete at once", Run: func(w *Case) {
		c, s, to := w.datagrams()
		o := w.C.operation(c, 5)
		copy(o.b, "hello")
		w.Want("WSPSendTo", w.C.WSPSendTo(c, [][]byte{o.b}, &o.n, 0, to, &o.Overlapped, nil, nil), 0)
		equal(w, "bytes", o.n, 5)
		equal(w, "the event is set", o.HEvent.IsSet(), true)
		text, _ := w.S.Recv(s, 9, 0)
		equal(w, "text", text, "hello")
	}},
	Row{Section: "3.26", Name: "WSAEADDRNOTAVAIL: ADDR_ANY or port 0", Run: func(w *Case) {
		_, _, to := w.datagrams()
		none := append([]byte(nil), to...)
		none[2], none[3] = 0, 0
		any := w.Any()
		any[3] = 9
		for what, name := range map[string][]byte{"port 0": none, "ADDR_ANY": any} {
			s, n := w.C.UDP(), uint32(0)
			w.Want(what, w.C.WSPSendTo(s, [][]byte{[]byte("x")}, &n, 0, name, nil, nil, nil), wsa.EADDRNOTAVAIL)
			o := w.C.operation(s, 1)
			w.Want(what, w.C.WSPSendTo(s, [][]byte{o.b}, &n, 0, name, &o.Overlapped, nil, nil), wsa.EADDRNOTAVAIL)
			equal(w, "the event is set", o.HEvent.IsSet(), false)
		}
	}},
	Row{Section: "3.26", Name: "WSAEAFNOSUPPORT", Run: func(w *Case) {
		c, _, to := w.datagrams()
		name := append(append([]byte(nil), to...), make([]byte, 28)...)
		name[0], name[1] = 0xff, 0
		w.Want("WSPSendTo", w.C.WSPSendTo(c, [][]byte{[]byte("x")}, new(uint32), 0, name, nil, nil, nil), wsa.EAFNOSUPPORT)
	}},
	Row{Section: "3.26", Name: "WSAEDESTADDRREQ: no destination", Run: func(w *Case) {
		c := w.C.UDP()
		w.Want("WSPSendTo", w.C.WSPSendTo(c, [][]byte{[]byte("x")}, new(uint32), 0, nil, nil, nil, nil), wsa.EDESTADDRREQ)
	}},
	Row{Section: "3.26", Name: "WSAEFAULT: tolen too small", Run: func(w *Case) {
		c, _, to := w.datagrams()
		for _, short := range [][]byte{to[:1], to[:len(to)-1]} {
			w.Want("WSPSendTo", w.C.WSPSendTo(c, [][]byte{[]byte("x")}, new(uint32), 0, short, nil, nil, nil), wsa.EFAULT)
		}
	}},
	Row{Section: "3.26", Name: "WSAEMSGSIZE", Run: func(w *Case) {
		c, _, to := w.datagrams()
		w.Want("WSPSendTo", w.C.WSPSendTo(c, [][]byte{make([]byte, 65536)}, new(uint32), 0, to, nil, nil, nil), wsa.EMSGSIZE)
	}},
	Row{Section: "3.26", Name: "WSAESHUTDOWN", Run: func(w *Case) {
		c, _, to := w.datagrams()
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.Want("WSPSendTo", w.C.WSPSendTo(c, [][]byte{[]byte("x")}, new(uint32), 0, to, nil, nil, nil), wsa.ESHUTDOWN)
	}},
	Row{Section: "3.26", Name: "WSAENOTSOCK", Run: func(w *Case) {
		_, _, to := w.datagrams()
		w.Want("WSPSendTo", w.C.WSPSendTo(sockets.INVALID_SOCKET, [][]byte{[]byte("x")}, new(uint32), 0, to, nil, nil, nil), wsa.ENOTSOCK)
	}},
)
