package winsocktest

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// control are the pieces of ancillary data in b, by their type.
func (w *Case) control(b []byte) map[int32][]byte {
	w.Helper()
	all := make(map[int32][]byte)
	for len(b) > 0 {
		if len(b) < 16 {
			w.Fatalf("%d bytes of control data are left", len(b))
		}
		n := binary.LittleEndian.Uint64(b)
		if n < 16 || n > uint64(len(b)) {
			w.Fatalf("control data of %d bytes in %d", n, len(b))
		}
		equal(w, "level", int32(binary.LittleEndian.Uint32(b[8:])), w.level())
		all[int32(binary.LittleEndian.Uint32(b[12:]))] = b[16:n]
		b = b[min(uint64(len(b)), (n+7)&^7):]
	}
	return all
}

func (w *Case) level() int32 {
	if w.Family() == wsa.AF_INET {
		return wsa.IPPROTO_IP
	}
	return wsa.IPPROTO_IPV6
}

// of is v4 or v6, by the case's family.
func of[T any](w *Case, v4, v6 T) T {
	if w.Family() == wsa.AF_INET {
		return v4
	}
	return v6
}

// piece is a WSACMSGHDR with a DWORD.
func (w *Case) piece(kind int32, v uint32) []byte {
	b := binary.LittleEndian.AppendUint64(nil, 20)
	b = binary.LittleEndian.AppendUint32(b, uint32(w.level()))
	b = binary.LittleEndian.AppendUint32(b, uint32(kind))
	return append(binary.LittleEndian.AppendUint32(b, v), 0, 0, 0, 0)
}

// message is an empty WSAMSG with room.
func message(size int) *sockets.WSAMSG {
	return &sockets.WSAMSG{Name: make([]byte, 64), NameLen: 64, Buffers: [][]byte{make([]byte, size)}, Control: make([]byte, 256)}
}

// recvMsg is WSARecvMsg into m, blocking.
func (e *End) recvMsg(s sockets.SOCKET, m *sockets.WSAMSG) (string, wsa.Errno) {
	var n uint32
	errno := e.Session.WSARecvMsg(s, m, &n, nil, nil)
	return string(m.Buffers[0][:n]), errno
}

// sendMsg is WSASendMsg of text with ancillary data, blocking.
func (e *End) sendMsg(s sockets.SOCKET, text string, to, control []byte) wsa.Errno {
	return e.Session.WSASendMsg(s, &sockets.WSAMSG{Name: to, NameLen: int32(len(to)), Buffers: [][]byte{[]byte(text)}, Control: control}, 0, new(uint32), nil, nil)
}

// 5.9: WSARecvMsg and WSASendMsg.
var _ = add(
	Row{Section: "5.9", Name: "WSARecvMsg: data and source", Run: func(w *Case) {
		c, s, to := w.datagrams()
		from := w.C.Bind(c)
		w.C.sendTo(c, "hello", to)
		m := message(9)
		text, e := w.S.recvMsg(s, m)
		w.Want("WSARecvMsg", e, 0)
		equal(w, "text", text, "hello")
		equal(w, "source", string(m.Name[:m.NameLen]), string(from))
		equal(w, "control data", len(m.Control), 0)
		equal(w, "flags", m.Flags, 0)
	}},
	Row{Section: "5.9", Name: "WSARecvMsg: IP_PKTINFO is the destination and the interface", Run: func(w *Case) {
		c, s := w.C.UDP(), w.S.UDP()
		w.Want("WSPBind", w.S.WSPBind(s, w.Any()), 0)
		name := w.S.SockName(s)
		to := Name(w.S.Host, binary.BigEndian.Uint16(name[2:]))
		w.Want("the option", w.S.SetOption(s, w.level(), of(w, wsa.IP_PKTINFO, wsa.IPV6_PKTINFO), 1), 0)
		w.C.sendTo(c, "hello", to)
		m := message(9)
		_, e := w.S.recvMsg(s, m)
		w.Want("WSARecvMsg", e, 0)
		info := w.control(m.Control)[of(w, wsa.IP_PKTINFO, wsa.IPV6_PKTINFO)]
		ip := w.S.Host.AsSlice()
		if len(info) != len(ip)+4 || string(info[:len(ip)]) != string(ip) || binary.LittleEndian.Uint32(info[len(ip):]) == 0 {
			w.Fatalf("packet info %x, want that of %v", info, w.S.Host)
		}
	}},
	Row{Section: "5.9", Name: "WSARecvMsg, WSASendMsg: the TTL of one datagram", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.Want("the option", w.S.SetOption(s, w.level(), of(w, wsa.IP_RECVTTL, wsa.IPV6_HOPLIMIT), 1), 0)
		kind := of(w, wsa.IP_TTL, wsa.IPV6_HOPLIMIT)
		w.Want("WSASendMsg", w.C.sendMsg(c, "first", to, w.piece(kind, 9)), 0)
		w.Want("WSASendMsg", w.C.sendMsg(c, "second", to, nil), 0)
		var all []uint32
		for range 2 {
			m := message(9)
			_, e := w.S.recvMsg(s, m)
			w.Want("WSARecvMsg", e, 0)
			ttl := w.control(m.Control)[kind]
			equal(w, "size", len(ttl), 4)
			all = append(all, binary.LittleEndian.Uint32(ttl))
		}
		if all[0] != 9 || all[1] == 9 || all[1] == 0 {
			w.Fatalf("%d, want 9 and the socket's own", all)
		}
	}},
	Row{Section: "5.9", Name: "WSARecvMsg, WSASendMsg: the TOS of one datagram", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.Want("the option", w.S.SetOption(s, w.level(), of(w, wsa.IP_RECVTOS, wsa.IPV6_RECVTCLASS), 1), 0)
		kind := of(w, wsa.IP_TOS, wsa.IPV6_TCLASS)
		w.Want("WSASendMsg", w.C.sendMsg(c, "first", to, w.piece(kind, 0x28)), 0)
		m := message(9)
		_, e := w.S.recvMsg(s, m)
		w.Want("WSARecvMsg", e, 0)
		tos := w.control(m.Control)[kind]
		equal(w, "size", len(tos), 4)
		equal(w, "TOS", binary.LittleEndian.Uint32(tos), 0x28)
	}},
	Row{Section: "5.9", Name: "WSARecvMsg: WSAEMSGSIZE with MSG_TRUNC", Run: func(w *Case) {
		c, s, to := w.datagrams()
		from := w.C.Bind(c)
		w.C.sendTo(c, "hello", to)
		m := message(3)
		_, e := w.S.recvMsg(s, m)
		w.Want("WSARecvMsg", e, wsa.EMSGSIZE)
		equal(w, "flags", m.Flags, wsa.MSG_TRUNC)
		equal(w, "first part", string(m.Buffers[0]), "hel")
		equal(w, "source", string(m.Name[:m.NameLen]), string(from))
	}},
	Row{Section: "5.9", Name: "WSARecvMsg: control data without room: MSG_CTRUNC, the data is whole", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.Want("the option", w.S.SetOption(s, w.level(), of(w, wsa.IP_RECVTTL, wsa.IPV6_HOPLIMIT), 1), 0)
		w.C.sendTo(c, "hello", to)
		m := message(9)
		m.Control = m.Control[:19:19]
		text, e := w.S.recvMsg(s, m)
		w.Want("WSARecvMsg", e, 0)
		equal(w, "text", text, "hello")
		equal(w, "flags", m.Flags, wsa.MSG_CTRUNC)
		equal(w, "control data", len(m.Control), 0)
	}},
	Row{Section: "5.9", Name: "WSARecvMsg: MSG_PEEK", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.C.sendTo(c, "hello", to)
		for _, flags := range []wsa.MsgFlags{wsa.MSG_PEEK, 0} {
			m := message(9)
			m.Flags = flags
			text, e := w.S.recvMsg(s, m)
			w.Want("WSARecvMsg", e, 0)
			equal(w, "text", text, "hello")
		}
	}},
	Row{Section: "5.9", Name: "WSARecvMsg, overlapped: all is written at completion", Run: func(w *Case) {
		c, s, to := w.datagrams()
		from := w.C.Bind(c)
		w.Want("the option", w.S.SetOption(s, w.level(), of(w, wsa.IP_RECVTTL, wsa.IPV6_HOPLIMIT), 1), 0)
		m, o := message(9), w.S.operation(s, 0)
		o.b = m.Buffers[0]
		w.Want("WSARecvMsg", w.S.Session.WSARecvMsg(s, m, &o.n, &o.Overlapped, nil), wsa.IO_PENDING)
		equal(w, "bytes", o.n, untouched)
		w.C.sendTo(c, "hello", to)
		equal(w, "text", o.await(0), "hello")
		equal(w, "source", string(m.Name[:m.NameLen]), string(from))
		equal(w, "pieces", len(w.control(m.Control)), 1)
	}},
	Row{Section: "5.9", Name: "WSARecvMsg: datagram and raw only: WSAEOPNOTSUPP", Run: func(w *Case) {
		_, s := w.Connected()
		_, e := w.S.recvMsg(s, message(9))
		w.Want("WSARecvMsg", e, wsa.EOPNOTSUPP)
		w.Want("WSASendMsg", w.S.sendMsg(s, "x", nil, nil), wsa.EOPNOTSUPP)
	}},
	Row{Section: "5.9", Name: "WSARecvMsg: WSAEFAULT, WSAEINVAL, WSAEWOULDBLOCK", Run: func(w *Case) {
		_, s, _ := w.datagrams()
		n, x := uint32(0), w.S.Session
		w.Want("no message", x.WSARecvMsg(s, nil, &n, nil, nil), wsa.EFAULT)
		w.Want("no buffers", x.WSARecvMsg(s, &sockets.WSAMSG{}, &n, nil, nil), wsa.EFAULT)
		w.Want("no byte count", x.WSARecvMsg(s, message(9), nil, nil, nil), wsa.EFAULT)
		m := message(9)
		m.NameLen = 15
		w.Want("name too small", x.WSARecvMsg(s, m, &n, nil, nil), wsa.EFAULT)
		_, e := w.S.recvMsg(w.S.UDP(), message(9))
		w.Want("not bound", e, wsa.EINVAL)
		w.Want("FIONBIO", w.S.NonBlocking(s, true), 0)
		_, e = w.S.recvMsg(s, message(9))
		w.Want("nothing", e, wsa.EWOULDBLOCK)
	}},
	Row{Section: "5.9", Name: "WSASendMsg: to an address, and to the peer", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.Want("WSASendMsg", w.C.sendMsg(c, "hello", to, nil), 0)
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		o := w.C.operation(c, 0)
		m := &sockets.WSAMSG{Buffers: [][]byte{[]byte("wor"), []byte("ld")}}
		w.Want("overlapped", w.C.Session.WSASendMsg(c, m, 0, &o.n, &o.Overlapped, nil), 0)
		equal(w, "bytes", o.n, 5)
		equal(w, "the event is set", o.HEvent.IsSet(), true)
		for _, want := range []string{"hello", "world"} {
			text, e := w.S.Recv(s, 9, 0)
			w.Want("WSPRecv", e, 0)
			equal(w, "text", text, want)
		}
	}},
	Row{Section: "5.9", Name: "WSASendMsg: control data that is none: WSAEINVAL, nothing is sent", Run: func(w *Case) {
		c, s, to := w.datagrams()
		good := w.piece(of(w, wsa.IP_TTL, wsa.IPV6_HOPLIMIT), 9)
		long := append([]byte(nil), good...)
		long[0] = 200
		other := append([]byte(nil), good...)
		other[8] = 0x77
		for what, b := range map[string][]byte{
			"short": good[:15], "longer than it is": long, "another level": other, "unknown": w.piece(0x7777, 9),
			"a TTL of 256": w.piece(of(w, wsa.IP_TTL, wsa.IPV6_HOPLIMIT), 256),
		} {
			w.Want(what, w.C.sendMsg(c, "bad", to, b), wsa.EINVAL)
		}
		w.Want("good", w.C.sendMsg(c, "good", to, good), 0)
		text, _ := w.S.Recv(s, 9, 0)
		equal(w, "text", text, "good")
	}},
	Row{Section: "5.9", Name: "WSASendMsg: WSAEFAULT, WSAENOTCONN, WSAEMSGSIZE", Run: func(w *Case) {
		c, _, to := w.datagrams()
		n, x := uint32(0), w.C.Session
		w.Want("no message", x.WSASendMsg(c, nil, 0, &n, nil, nil), wsa.EFAULT)
		w.Want("no buffers", x.WSASendMsg(c, &sockets.WSAMSG{Name: to}, 0, &n, nil, nil), wsa.EFAULT)
		w.Want("a short name", w.C.sendMsg(c, "x", to[:len(to)-1], nil), wsa.EFAULT)
		w.Want("too large", w.C.sendMsg(c, string(make([]byte, 65536)), to, nil), wsa.EMSGSIZE)
		s := w.C.UDP()
		w.C.Bind(s)
		w.Want("no peer", w.C.sendMsg(s, "x", nil, nil), wsa.ENOTCONN)
	}},
)
