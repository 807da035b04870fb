package base_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// documented are the codes that winsock-spi 3 lists for an entry, as far as a
// base may give them.
var documented = map[string][]wsa.Errno{
	"socket":   {wsa.EMFILE, wsa.EINVAL, wsa.EOPNOTSUPP},
	"bind":     {wsa.EADDRINUSE, wsa.EACCES, wsa.EADDRNOTAVAIL, wsa.EFAULT, wsa.EAFNOSUPPORT, wsa.EINVAL, wsa.ENOBUFS},
	"connect":  {wsa.EADDRINUSE, wsa.EALREADY, wsa.EADDRNOTAVAIL, wsa.EAFNOSUPPORT, wsa.ECONNREFUSED, wsa.EFAULT, wsa.EINVAL, wsa.EISCONN, wsa.ENETUNREACH, wsa.EHOSTUNREACH, wsa.EPROTONOSUPPORT, wsa.ETIMEDOUT, wsa.EWOULDBLOCK, wsa.EACCES},
	"listen":   {wsa.EADDRINUSE, wsa.EINVAL, wsa.EISCONN, wsa.EMFILE, wsa.EOPNOTSUPP},
	"accept":   {wsa.EACCES, wsa.ECONNREFUSED, wsa.ECONNRESET, wsa.EINVAL, wsa.EMFILE, wsa.EOPNOTSUPP, wsa.TRY_AGAIN, wsa.EWOULDBLOCK},
	"send":     {wsa.EACCES, wsa.ENOTCONN, wsa.EOPNOTSUPP, wsa.ESHUTDOWN, wsa.EWOULDBLOCK, wsa.EMSGSIZE, wsa.EINVAL, wsa.ECONNABORTED, wsa.ECONNRESET, wsa.EHOSTUNREACH, wsa.ETIMEDOUT, wsa.EADDRNOTAVAIL, wsa.EAFNOSUPPORT, wsa.EDESTADDRREQ, wsa.ENETUNREACH, wsa.EFAULT, wsa.EADDRINUSE},
	"recv":     {wsa.ENOTCONN, wsa.EOPNOTSUPP, wsa.ESHUTDOWN, wsa.EWOULDBLOCK, wsa.EMSGSIZE, wsa.EINVAL, wsa.ECONNABORTED, wsa.ECONNRESET, wsa.ETIMEDOUT, wsa.ENETRESET, wsa.EHOSTUNREACH},
	"shutdown": {wsa.EINVAL, wsa.ENOTCONN, wsa.ECONNABORTED, wsa.ECONNRESET, wsa.ETIMEDOUT},
	"name":     {wsa.ENOTCONN, wsa.EINVAL},
	"option":   {wsa.EFAULT, wsa.EINVAL, wsa.ENOPROTOOPT, wsa.ENOTCONN},
	"group":    {wsa.EADDRNOTAVAIL, wsa.EINVAL, wsa.ENOPROTOOPT},
	"leaf":     {wsa.EADDRNOTAVAIL, wsa.EADDRINUSE, wsa.EAFNOSUPPORT, wsa.EFAULT, wsa.EINVAL, wsa.EISCONN, wsa.EOPNOTSUPP},
	"ioctl":    {wsa.EFAULT, wsa.EINVAL, wsa.ENOPROTOOPT, wsa.EOPNOTSUPP},
	"reuse":    {wsa.EISCONN, wsa.EINVAL, wsa.EADDRINUSE, wsa.EACCES}, // ours, and what binding anew gives
	"share":    {wsa.EINVAL, wsa.ENOBUFS},
	"close":    {wsa.EWOULDBLOCK},
}

// neverDown are the operations that ask nothing of the network: to all others one that
// is down, or was, may say ENETDOWN, which is in each of their tables.
var neverDown = []string{"name", "close", "share"}

// machine runs a byte code of SPI calls on a few sockets of one network.
type machine struct {
	*rig
	code    []byte
	net     *basetest.Network
	sockets []*provider.Socket
	down    bool // the network is, or was
}

func (m *machine) next() int {
	if len(m.code) == 0 {
		return 0
	}
	b := m.code[0]
	m.code = m.code[1:]
	return int(b)
}

func (m *machine) check(op string, e wsa.Errno) {
	m.t.Helper()
	if e == wsa.ENETDOWN && m.down && !slices.Contains(neverDown, op) {
		return
	}
	if e != 0 && !slices.Contains(documented[op], e) {
		m.t.Fatalf("%s: %s is not documented for it", op, e.Name())
	}
}

func (m *machine) addr() provider.Addr {
	all := []string{"0.0.0.0", "127.0.0.1", "10.0.0.1", "::", "::1", "fd00::1", "::ffff:127.0.0.1", "192.0.2.1", "198.51.100.1", "8.8.8.8", "255.255.255.255", "224.0.0.1"}
	i := m.next()
	if i >= 250 {
		return provider.Addr{Family: int32(i - 250)}
	}
	return provider.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr(all[i%len(all)]), uint16(m.next()%4)))
}

func (m *machine) keep(s *provider.Socket) {
	if s != nil && len(m.sockets) < 8 {
		m.sockets = append(m.sockets, s)
	}
}

func (m *machine) step() {
	op := m.next()
	if op%15 == 0 || len(m.sockets) == 0 {
		af := []int32{wsa.AF_INET, wsa.AF_INET6}[m.next()%2]
		typ := int32(m.next()%3 + 1)
		flags := uint32(m.next() & 1)
		if flags != 0 && typ == wsa.SOCK_DGRAM {
			flags |= leafFlags
		}
		s, e := m.create(&provider.SocketRequest{AF: af, Type: typ, Protocol: map[int32]int32{3: 1}[typ], Flags: flags})
		m.check("socket", e)
		m.keep(s)
		return
	}
	i := m.next() % len(m.sockets)
	s := m.sockets[i]
	t := m.table(s)
	msg := &provider.Msg{Buffers: [][]byte{make([]byte, m.next()), make([]byte, m.next())}, Flags: wsa.MsgFlags(m.next())}
	switch op % 15 {
	case 1:
		m.check("bind", t.WSPBind(s, m.addr()))
	case 2:
		m.check("connect", t.WSPConnect(s, &provider.ConnectRequest{To: m.addr(), Ex: m.next()&7 == 7}))
	case 3:
		m.check("listen", t.WSPListen(s, m.next()-2))
	case 4:
		m.acceptOn(s)
	case 5, 6:
		f := t.WSPSend
		if op%15 == 6 {
			f, msg.Addr = t.WSPSendTo, m.addr()
		}
		n, e := f(s, msg)
		m.check("send", e)
		if n > msg.Len() || n > 0 && e != 0 {
			m.t.Fatalf("send of %d: %d %s", msg.Len(), n, name(e))
		}
	case 7, 8:
		f := t.WSPRecv
		if op%15 == 8 {
			f = t.WSPRecvFrom
		}
		queued := m.ready(s).Queued
		n, e := f(s, msg)
		m.check("recv", e)
		if n > msg.Len() || n > 0 && e != 0 && e != wsa.EMSGSIZE || n > queued {
			m.t.Fatalf("recv of %d with %d queued: %d %s", msg.Len(), queued, n, name(e))
		}
	case 9:
		m.check("shutdown", t.WSPShutdown(s, m.next()%4))
	case 10:
		m.options(s)
	case 12:
		_, e := t.WSPIoctl(s, &provider.IoctlRequest{Code: wsa.SIO_REUSE_SOCKET})
		m.check("reuse", e)
	case 13:
		_, e := t.WSPDuplicateSocket(s, uint32(m.next()&1))
		m.check("share", e)
	case 14:
		m.turn()
	case 11:
		e := t.WSPCloseSocket(s, provider.CloseMode(m.next()%3))
		m.check("close", e)
		if e == 0 {
			delete(m.open, s)
			m.sockets = slices.Delete(m.sockets, i, i+1)
			if e := t.WSPCloseSocket(s, provider.CloseAbort); e != wsa.ENOTSOCK {
				m.t.Fatalf("second close: %s", name(e))
			}
			if _, e := t.WSPRecv(s, msg); e != wsa.ENOTSOCK {
				m.t.Fatalf("recv after close: %s", name(e))
			}
		}
	}
}

// turn takes the network away, brings it back, or ends connections.
func (m *machine) turn() {
	switch causes := []wsa.Errno{wsa.ECONNRESET, wsa.ECONNABORTED, wsa.EHOSTUNREACH, wsa.ETIMEDOUT}; m.next() % 8 {
	case 0:
		m.down = true
		m.net.SetDown(true)
	case 1, 2:
		m.net.SetDown(false)
	default:
		m.net.Fail(m.addr().AddrPort, causes[m.next()%len(causes)])
	}
}

func (m *machine) acceptOn(s *provider.Socket) {
	q := provider.AcceptRequest{}
	result := provider.CondResult(m.next() % 5)
	if result < 4 {
		q.Cond = func(*provider.Indication) provider.CondResult { return result }
		if m.next()&15 == 15 {
			q.Cond = func(*provider.Indication) provider.CondResult { // the peer gives up meanwhile
				m.net.Fail(m.addr().AddrPort, wsa.ETIMEDOUT)
				return result
			}
		}
	}
	if i := m.next(); i%4 == 0 {
		q.Into = m.sockets[i%len(m.sockets)]
	}
	n, e := m.accept(s, q)
	m.check("accept", e)
	if e == 0 && q.Into == nil {
		if len(m.sockets) >= 8 {
			m.close(n, provider.CloseAbort)
			return
		}
		m.keep(n)
	}
}

func (m *machine) options(s *provider.Socket) {
	t := m.table(s)
	levels := []int32{wsa.SOL_SOCKET, wsa.IPPROTO_TCP, wsa.IPPROTO_IP, wsa.IPPROTO_IPV6, 99}
	names := []int32{1, 2, 4, 8, 0x20, 0x80, wsa.SO_DONTLINGER, wsa.SO_EXCLUSIVEADDRUSE, wsa.SO_CONDITIONAL_ACCEPT, wsa.SO_PAUSE_ACCEPT, 3, 16, 17, 27, 0x1001, 0x1002, 0x1007, 0x1008}
	level, opt := levels[m.next()%len(levels)], names[m.next()%len(names)]
	m.check("option", t.WSPSetSockOpt(s, level, opt, []byte{byte(m.next()), 0, byte(m.next()), 0}))
	_, e := t.WSPGetSockOpt(s, level, opt, make([]byte, m.next()%8))
	m.check("option", e)
	codes := []uint32{wsa.FIONREAD, wsa.FIONBIO, wsa.SIO_UDP_CONNRESET, wsa.SIO_KEEPALIVE_VALS, wsa.SIO_GET_BROADCAST_ADDRESS, wsa.SIO_BASE_HANDLE, wsa.SIOCATMARK, wsa.SIO_ENABLE_CIRCULAR_QUEUEING, 1}
	_, e = t.WSPIoctl(s, &provider.IoctlRequest{Code: codes[m.next()%len(codes)], In: make([]byte, m.next()%16), Out: make([]byte, m.next()%20)})
	m.check("ioctl", e)
	_, e = t.WSPGetSockName(s)
	m.check("name", e)
	_, e = t.WSPGetPeerName(s)
	m.check("name", e)
	m.groups(s)
	if m.next()&15 == 15 {
		m.net.Fail(netip.MustParseAddrPort("127.0.0.1:1"), wsa.ETIMEDOUT)
	}
}

// groups joins and leaves, and asks whether anything is there that will be received.
func (m *machine) groups(s *provider.Socket) {
	t := m.table(s)
	source := mreqSource("224.0.0.1", []string{"10.0.0.1", "127.0.0.1", "8.8.8.8"}[m.next()%3], "0.0.0.0")
	m.check("group", t.WSPSetSockOpt(s, wsa.IPPROTO_IP, wsa.IP_ADD_SOURCE_MEMBERSHIP+int32(m.next()%4), source))
	m.check("group", t.WSPSetSockOpt(s, wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP+int32(m.next()%2), mreq("224.0.0.1", "0.0.0.0")))
	m.check("group", t.WSPSetSockOpt(s, wsa.IPPROTO_IPV6, wsa.MCAST_JOIN_GROUP+int32(m.next()%6), groupSourceReq(uint32(m.next()%3), "ff02::1", "fd00::1")))
	m.check("group", t.WSPSetSockOpt(s, wsa.IPPROTO_IP, wsa.IP_MULTICAST_LOOP, le32(m.next()&1)))
	_, e := t.WSPJoinLeaf(s, &provider.JoinRequest{To: m.addr(), Flags: uint32(m.next() % 5)})
	m.check("leaf", e)
	if m.ready(s).Events&wsa.FD_READ != 0 && s.Type != wsa.SOCK_STREAM {
		_, _, e := m.recvFrom(s, 1)
		if e == wsa.EWOULDBLOCK {
			m.t.Fatal("announced, and nothing there")
		}
		m.check("recv", e)
	}
}

// FuzzCalls: whatever is called in whatever order, there is no panic, only
// documented codes, and nothing stays open.
func FuzzCalls(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 3, 0, 0, 0, 0, 9, 0, 0, 0, 0, 2, 1, 0, 0, 0, 1, 1, 0, 4, 0, 0, 0, 0, 4, 1})
	f.Add([]byte{0, 0, 1, 0, 0, 0, 1, 0, 6, 0, 5, 5, 0, 1, 1, 6, 1, 5, 5, 0, 1, 2, 8, 0, 9, 9, 0, 8, 0, 9, 9, 2})
	// A conditional listener, one that connects to it, accept with and without a verdict.
	f.Add([]byte{0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 3, 0, 0, 0, 0, 9, 0, 0, 0, 0, 2, 1, 0, 0, 0, 1, 1, 0, 4, 0, 0, 0, 0, 2, 0, 1, 4, 0, 0, 0, 0, 4, 1})
	f.Fuzz(func(t *testing.T, code []byte) {
		if len(code) > 4096 {
			return
		}
		n := basetest.NewNetwork(basetest.NetworkConfig{Buffer: 300, Datagrams: 4})
		m := &machine{rig: newRig(t, n), code: code, net: n}
		m.host.Limit = 12
		for len(m.code) > 0 {
			m.step()
		}
	})
}

// FuzzStringToAddress: what is read is written back to the same address.
func FuzzStringToAddress(f *testing.F) {
	for _, s := range []string{"1.2.3.4:5", "[::1]:80", "fe80::1%4", "[fe80::1%4]:9", "::ffff:1.2.3.4", "", "[", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := newRig(t, basetest.NewScript())
		s := r.tcp()
		a, e := r.table(s).WSPStringToAddress(text, 0, s.Info)
		if e != 0 {
			return
		}
		back, e := r.table(s).WSPAddressToString(a, s.Info)
		if e != 0 {
			t.Fatalf("%q is %v, which has no text: %s", text, a, name(e))
		}
		if again, e := r.table(s).WSPStringToAddress(back, a.Family, s.Info); again != a || e != 0 {
			t.Fatalf("%q is %v, is %q, is %v %s", text, a, back, again, name(e))
		}
	})
}
