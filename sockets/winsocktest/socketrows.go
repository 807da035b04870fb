package winsocktest

import (
	"fmt"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// A creation is a WSPSocket of the case's family; info, as the entry of its streams.
type creation struct {
	name               string
	af, typ, protocol  int32 // af 0: the family; -2: wildcard (0)
	info               bool
	group, flags       uint32
	want               wsa.Errno
	typeIs, protocolIs int32 // of what was opened
}

const wildcard = -2

var creations = []creation{
	{name: "STREAM, TCP", typ: wsa.SOCK_STREAM, protocol: wsa.IPPROTO_TCP, typeIs: wsa.SOCK_STREAM, protocolIs: wsa.IPPROTO_TCP},
	{name: "DGRAM, UDP", typ: wsa.SOCK_DGRAM, protocol: wsa.IPPROTO_UDP, typeIs: wsa.SOCK_DGRAM, protocolIs: wsa.IPPROTO_UDP},
	{name: "STREAM, 0 (12.6)", typ: wsa.SOCK_STREAM, typeIs: wsa.SOCK_STREAM, protocolIs: wsa.IPPROTO_TCP},
	{name: "DGRAM, 0 (12.6)", typ: wsa.SOCK_DGRAM, typeIs: wsa.SOCK_DGRAM, protocolIs: wsa.IPPROTO_UDP},
	{name: "type 0 is a wildcard, resolved by the protocol", protocol: wsa.IPPROTO_UDP, typeIs: wsa.SOCK_DGRAM, protocolIs: wsa.IPPROTO_UDP},
	{name: "FROM_PROTOCOL_INFO in all three", af: -1, typ: -1, protocol: -1, info: true, typeIs: wsa.SOCK_STREAM, protocolIs: wsa.IPPROTO_TCP},
	{name: "0 in all three, with a ProtocolInfo", af: wildcard, info: true, typeIs: wsa.SOCK_STREAM, protocolIs: wsa.IPPROTO_TCP},
	{name: "FROM_PROTOCOL_INFO in one", typ: -1, protocol: wsa.IPPROTO_TCP, info: true, typeIs: wsa.SOCK_STREAM, protocolIs: wsa.IPPROTO_TCP},
	{name: "explicit values override the ProtocolInfo's", typ: wsa.SOCK_DGRAM, protocol: wsa.IPPROTO_UDP, info: true, typeIs: wsa.SOCK_DGRAM, protocolIs: wsa.IPPROTO_UDP},
	{name: "WSA_FLAG_NO_HANDLE_INHERIT: accepted and ignored", typ: wsa.SOCK_STREAM, flags: wsa.WSA_FLAG_NO_HANDLE_INHERIT, typeIs: wsa.SOCK_STREAM, protocolIs: wsa.IPPROTO_TCP},

	{name: "WSAEAFNOSUPPORT", af: 0xdead, typ: wsa.SOCK_STREAM, want: wsa.EAFNOSUPPORT},
	{name: "WSAESOCKTNOSUPPORT", typ: 77, want: wsa.ESOCKTNOSUPPORT},
	{name: "WSAEPROTONOSUPPORT: unknown", typ: wsa.SOCK_STREAM, protocol: 251, want: wsa.EPROTONOSUPPORT},
	{name: "WSAEPROTONOSUPPORT: STREAM with UDP", typ: wsa.SOCK_STREAM, protocol: wsa.IPPROTO_UDP, want: wsa.EPROTONOSUPPORT},
	{name: "WSAEPROTONOSUPPORT: DGRAM with TCP", typ: wsa.SOCK_DGRAM, protocol: wsa.IPPROTO_TCP, want: wsa.EPROTONOSUPPORT},
	{name: "WSAEINVAL: g", typ: wsa.SOCK_STREAM, group: 1, want: wsa.EINVAL},
	{name: "WSAEINVAL: g of nobody", typ: wsa.SOCK_STREAM, group: 0xdead, want: wsa.EINVAL},
	{name: "WSAEINVAL: multipoint flags on a protocol without multipoint", typ: wsa.SOCK_STREAM, flags: wsa.WSA_FLAG_MULTIPOINT_C_LEAF | wsa.WSA_FLAG_MULTIPOINT_D_LEAF, want: wsa.EINVAL},
	{name: "WSAEINVAL: an unknown flag", typ: wsa.SOCK_STREAM, flags: 1 << 20, want: wsa.EINVAL},
	{name: "WSAEOPNOTSUPP: WSA_FLAG_REGISTERED_IO", typ: wsa.SOCK_STREAM, flags: wsa.WSA_FLAG_REGISTERED_IO, want: wsa.EOPNOTSUPP},
	{name: "WSAEOPNOTSUPP: WSA_FLAG_ACCESS_SYSTEM_SECURITY", typ: wsa.SOCK_STREAM, flags: wsa.WSA_FLAG_ACCESS_SYSTEM_SECURITY, want: wsa.EOPNOTSUPP},
}

var _ = addCreations()

func addCreations() struct{} {
	for _, c := range creations {
		add(Row{Section: "3.29", Name: c.name, Run: c.run})
	}
	return struct{}{}
}

func (c creation) run(w *Case) {
	var info *provider.ProtocolInfo
	if c.info {
		info = w.C.info()
	}
	af := c.af
	switch af {
	case 0:
		af = w.Family()
	case wildcard:
		af = 0
	}
	s, e := w.C.WSPSocket(af, c.typ, c.protocol, info, c.group, c.flags)
	w.Want("WSPSocket", e, c.want)
	if e != 0 {
		equal(w, "socket", s, sockets.INVALID_SOCKET)
		return
	}
	k, e := w.C.Session.Lookup(s)
	w.Want("lookup", e, 0)
	equal(w, "family", k.Family, w.Family())
	equal(w, "type", k.Type, c.typeIs)
	equal(w, "protocol", k.Protocol, c.protocolIs)
	w.Want("close", w.C.WSPCloseSocket(s), 0)
}

// 3.29 WSPSocket: the rest.
var _ = add(
	Row{Section: "3.29", Name: "new socket: blocking, unbound, unconnected, default options", Run: func(w *Case) {
		for _, s := range []sockets.SOCKET{w.C.TCP(), w.C.UDP()} {
			w.Want("WSPGetPeerName", w.C.peerless(s), wsa.ENOTCONN)
			n := int32(64)
			w.Want("WSPGetSockName", w.C.WSPGetSockName(s, make([]byte, n), &n), wsa.EINVAL)
			for _, o := range []int32{wsa.SO_ERROR, wsa.SO_REUSEADDR, wsa.SO_RCVTIMEO, wsa.SO_SNDTIMEO, wsa.SO_ACCEPTCONN} {
				v, e := w.C.Option(s, sol, o)
				w.Want("option", e, 0)
				equal(w, fmt.Sprintf("option %#x", o), v, 0)
			}
		}
	}},
	Row{Section: "3.29", Name: "default flags: a non-overlapped socket", Run: func(w *Case) {
		s := w.C.OpenWith(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, 0)
		w.C.Bind(s)
		w.Want("overlapped WSPRecv", w.C.operation(s, 5).recv(), wsa.EINVAL)
	}},
	Row{Section: "3.29", Name: "WSA_FLAG_OVERLAPPED: overlapped I/O possible, synchronous I/O still allowed, blocking mode not affected", Run: func(w *Case) {
		s := w.C.OpenWith(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, wsa.WSA_FLAG_OVERLAPPED)
		to := w.C.Bind(s)
		o := w.C.reading(s, 5)
		w.C.sendTo(s, "first", to)
		equal(w, "overlapped", o.await(0), "first")
		thread := sockets.OpenThread()
		var e wsa.Errno
		w.during(func() {
			e = w.C.Session.ThreadProcTable(thread).WSPRecv(s, [][]byte{make([]byte, 9)}, new(uint32), new(wsa.MsgFlags), nil, nil, nil)
		}, func() {
			w.until("a call blocks", thread.IsBlocking)
			w.C.sendTo(s, "second", to)
		})
		w.Want("synchronous", e, 0)
	}},
	Row{Section: "3.29", Name: "WSAEMFILE: no more descriptors; one that is closed is free again", Needs: NeedsQuota, Run: func(w *Case) {
		last := w.C.useUp()
		s, e := w.C.WSPSocket(w.Family(), wsa.SOCK_STREAM, 0, nil, 0, 0)
		w.Want("WSPSocket", e, wsa.EMFILE)
		equal(w, "socket", s, sockets.INVALID_SOCKET)
		w.Want("close", w.C.WSPCloseSocket(last), 0)
		w.C.TCP()
	}},
	Row{Section: "3.29", Name: "WSAEINVAL: malformed duplicate info", Run: func(w *Case) {
		info := *w.C.info()
		info.ProviderReserved = 0xdeadbeef
		s, e := w.C.WSPSocket(-1, -1, -1, &info, 0, 0)
		w.Want("WSPSocket", e, wsa.EINVAL)
		equal(w, "socket", s, sockets.INVALID_SOCKET)
	}},
	Row{Section: "3.29", Name: "a descriptor is never given out again: a stale one is WSAENOTSOCK", Run: func(w *Case) {
		stale := w.C.TCP()
		w.Want("close", w.C.WSPCloseSocket(stale), 0)
		for range 50 {
			s := w.C.TCP()
			if s == stale {
				w.Fatal("the same number")
			}
			w.Want("WSPListen on the stale one", w.C.WSPListen(stale, 1), wsa.ENOTSOCK)
			w.Want("close", w.C.WSPCloseSocket(s), 0)
		}
	}},
	Row{Section: "3.29", Name: "SOCK_RAW: without privilege WSAEACCES at creation", Needs: NeedsNoRaw, Run: func(w *Case) {
		_, e := w.C.WSPSocket(w.Family(), wsa.SOCK_RAW, wsa.IPPROTO_ICMP, nil, 0, 0)
		w.Want("WSPSocket", e, wsa.EACCES)
	}},
	Row{Section: "3.29", Name: "SOCK_RAW: protocol becomes the IP protocol number", Needs: NeedsRaw, Run: func(w *Case) {
		k, e := w.C.Session.Lookup(w.C.Open(wsa.SOCK_RAW, 253))
		w.Want("lookup", e, 0)
		equal(w, "protocol", k.Protocol, 253)
	}},
	Row{Section: "3.29", Name: "SOCK_RAW with protocol 0", Needs: NeedsRaw, Run: func(w *Case) {
		_, e := w.C.WSPSocket(w.Family(), wsa.SOCK_RAW, 0, nil, 0, 0)
		w.Want("WSPSocket", e, wsa.EPROTONOSUPPORT)
	}},
	Row{Section: "3.29", Name: "WSANOTINITIALISED", Run: func(w *Case) {
		w.Want("WSPCleanup", w.C.WSPCleanup(), 0)
		_, e := w.C.WSPSocket(w.Family(), wsa.SOCK_STREAM, 0, nil, 0, 0)
		w.Want("WSPSocket", e, wsa.NOTINITIALISED)
	}},
	Row{Section: "3.29", Name: "broken connection: calls fail with WSAETIMEDOUT", Run: func(w *Case) {
		c, _ := w.Connected()
		w.C.fail(c, wsa.ETIMEDOUT)
		w.Want("WSPSend", w.C.send(c, "x", 0), wsa.ETIMEDOUT)
		_, e := w.C.Recv(c, 1, 0)
		w.Want("WSPRecv", e, wsa.ETIMEDOUT)
	}},
	Row{Section: "3.29", Name: "SG_CONSTRAINED_GROUP", Dropped: "spi-notes 4: QoS and groups (g≠0: WSAEINVAL)"},
	Row{Section: "3.29", Name: "WSAEINPROGRESS", Dropped: "spi-notes 4: WSAEINPROGRESS but for its one line in Resolve"},
	Row{Section: "3.29", Name: "WSAENETDOWN, WSAENOBUFS: from where the socket is made, unchanged", Run: func(w *Case) {
		for n, e := range []wsa.Errno{wsa.ENETDOWN, wsa.ENOBUFS} {
			i := w.install()
			i.layer(byte(n), declines(e))
			_, errno := i.start(sockets.Config{}).WSPSocket(w.Family(), wsa.SOCK_STREAM, 0, nil, 0, 0)
			w.Want("WSPSocket", errno, e)
		}
	}},
	Row{Section: "3.29", Name: "WSAEPROTOTYPE: type and protocol of lpProtocolInfo contradict each other", Run: func(w *Case) {
		info := *w.C.info()
		info.SocketType = wsa.SOCK_DGRAM
		_, e := w.C.WSPSocket(-1, -1, -1, &info, 0, 0)
		w.Want("WSPSocket", e, wsa.EPROTOTYPE)
	}},
)
