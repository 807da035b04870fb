package socketstest_test

import (
	"net/netip"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// untouched is in every out-parameter, so that a call that fails is seen to leave it.
const untouched = 0xdeadbeef

// name is a sockaddr for d, by what the instruction says of it.
func (r *runner) name(d *descriptor, kind, n byte, binding bool) []byte {
	g := r.m.ground
	family := d.k.family
	if family == 0 {
		family = g.family
	}
	own, far := g.host(d.side, family), g.host(1-d.side, family)
	port := 2000 + uint16(n%4)
	if g.public {
		if port = 1; binding { // where nobody listens
			port = 0
		}
	}
	zero := provider.Any(family, 0).Addr()
	switch kind % 12 {
	default:
		return r.nameOf(r.m.at(kind / 12 % slots))
	case 5:
		return winsocktest.Name(far, port)
	case 6:
		return winsocktest.Name(own, port)
	case 7:
		return winsocktest.Name(zero, 0)
	case 8:
		return winsocktest.Name(own, 0)
	case 9:
		if family == wsa.AF_INET6 {
			return winsocktest.Name(netip.IPv6Loopback(), port)
		}
		return winsocktest.Name(netip.MustParseAddr("127.0.0.1"), port)
	case 10:
		return r.group(family, port)
	case 11:
		all := [][]byte{nil, {2}, {0xad, 0xde, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, winsocktest.Name(g.host(d.side, wsa.AF_INET), port), winsocktest.Name(g.host(d.side, wsa.AF_INET6), port), winsocktest.Name(own, 0)}
		if !g.public { // no route, and nobody
			all = append(all, winsocktest.Name(netip.MustParseAddr("198.51.100.1"), 9), winsocktest.Name(netip.MustParseAddr("10.1.0.99"), 9), winsocktest.Name(netip.MustParseAddr("255.255.255.255"), port))
		}
		return all[int(n)%len(all)]
	}
}

// groupPort is where the groups are.
const groupPort = 2000

// group is a multicast group, if it is not the machine's own network.
func (r *runner) group(family int32, port uint16) []byte {
	switch {
	case r.m.ground.public:
		return winsocktest.Name(r.m.ground.host(0, family), 1)
	case family == wsa.AF_INET6:
		return winsocktest.Name(netip.MustParseAddr("ff02::4242"), port)
	}
	return winsocktest.Name(netip.MustParseAddr("239.1.2.3"), port)
}

// nameOf is the local address of d as others reach it, of nobody if it has none.
func (r *runner) nameOf(d *descriptor) []byte {
	b, n := make([]byte, 64), int32(64)
	e := r.call("WSPGetSockName", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPGetSockName(d.h, b, &n) })
	a, ok := provider.ParseSockaddr(b[:max(n, 0)])
	if e != 0 || !ok {
		return winsocktest.Name(r.m.ground.host(d.side, r.m.ground.family), 1)
	}
	if a.Addr().IsUnspecified() {
		return winsocktest.Name(r.m.ground.host(d.side, a.Family), a.Port())
	}
	return winsocktest.Name(a.Addr(), a.Port())
}

// open is WSPSocket of a kind, into a slot.
func (r *runner) open(slot byte, side int, family, typ int32, flags uint32) *descriptor {
	protocol := map[int32]int32{wsa.SOCK_STREAM: wsa.IPPROTO_TCP, wsa.SOCK_DGRAM: wsa.IPPROTO_UDP}[typ]
	h, e := r.tables[side].WSPSocket(family, typ, protocol, nil, 0, flags)
	return r.opened(slot, side, h, e, newModelSocket(family, typ, flags&wsa.WSA_FLAG_OVERLAPPED != 0))
}

func (r *runner) opened(slot byte, side int, h sockets.SOCKET, e wsa.Errno, k *modelSocket) *descriptor {
	r.m.steps.Add(1)
	reached.add("WSPSocket", e)
	switch {
	case e == 0:
		return r.m.keep(slot, side, h, k)
	case h != sockets.INVALID_SOCKET:
		r.m.failf("WSPSocket: %d with %s", h, e.Name())
	case (e == wsa.NOTINITIALISED || e == wsa.ENETDOWN) && r.m.ending[side].Load():
	default:
		r.m.wants("WSPSocket", e)
	}
	return nil
}

const leaf = wsa.WSA_FLAG_MULTIPOINT_C_LEAF | wsa.WSA_FLAG_MULTIPOINT_D_LEAF

func (r *runner) socket(i instruction) {
	family := r.m.ground.family
	if i.a&0x30 == 0x30 {
		family = wsa.AF_INET + wsa.AF_INET6 - family
	}
	typ, flags := wsa.SOCK_STREAM, wsa.WSA_FLAG_OVERLAPPED
	if i.a&2 != 0 {
		typ = wsa.SOCK_DGRAM
	}
	if i.b&7 == 7 {
		flags = 0
	}
	if typ == wsa.SOCK_DGRAM && i.b&0x18 == 0x18 {
		flags |= leaf
	}
	if d := r.open(i.slot, int(i.a&1), family, typ, flags); d != nil && i.c&3 != 0 {
		r.setMode(d, true)
	}
}

// socketWild asks for what there may not be.
func (r *runner) socketWild(i instruction) {
	side := int(i.a & 1)
	af := []int32{wsa.AF_INET, wsa.AF_INET6, wsa.AF_UNSPEC, wsa.AF_UNIX, -1, 99}[i.a>>1%6]
	typ := []int32{wsa.SOCK_STREAM, wsa.SOCK_DGRAM, wsa.SOCK_RAW, wsa.SOCK_RDM, 0, 77}[i.b%6]
	protocol := []int32{wsa.IPPROTO_TCP, wsa.IPPROTO_UDP, 0, wsa.IPPROTO_ICMP, -1, 200}[i.b/6%6]
	info := &provider.ProtocolInfo{}
	switch i.c % 4 {
	case 0, 1:
		info = nil
	case 2:
		info.ProviderReserved = uint32(i.c)
	}
	h, e := r.tables[side].WSPSocket(af, typ, protocol, info, uint32(i.other), uint32(i.c)<<1)
	if e != 0 {
		// API page: what the dispatcher finds when it loads a provider for info.
		if e != wsa.EINVALIDPROVIDER || info == nil {
			r.opened(i.slot, side, h, e, nil)
		}
		return
	}
	k := newModelSocket(af, typ, false)
	if s, e := r.m.ground.sessions[side].Lookup(h); e == 0 {
		k = newModelSocket(s.Family, s.Type, false)
	}
	r.opened(i.slot, side, h, e, k)
}

func (r *runner) bind(i instruction) {
	d := r.m.at(i.slot)
	name := r.name(d, i.b, i.c, true)
	r.call("WSPBind", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPBind(d.h, name) })
}

func (r *runner) listen(i instruction) {
	d := r.m.at(i.slot)
	backlog := []int{-1, 0, 1, 2, 5, wsa.SOMAXCONN}[i.a%6]
	if e := r.call("WSPListen", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPListen(d.h, backlog) }); e == 0 {
		d.k.listening.Store(true)
	}
}

func (r *runner) connect(i instruction) {
	d := r.m.at(i.slot)
	name := r.name(d, i.b, i.c, false)
	var data []byte
	var qos *sockets.QOS
	if i.a == 0xff {
		data = []byte("x")
	} else if i.a == 0xfe {
		qos = new(sockets.QOS)
	}
	r.connectTo(d, name, data, qos)
}

func (r *runner) connectTo(d *descriptor, name, data []byte, qos *sockets.QOS) wsa.Errno {
	d.k.mayBreak.Store(true)
	e := r.call("WSPConnect", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPConnect(d.h, name, data, nil, qos, nil) })
	if e == wsa.EWOULDBLOCK && !d.k.nonblocking.Load() {
		r.m.failf("WSPConnect on a blocking socket: %s", e.Name())
	}
	if e == 0 && data != nil {
		r.m.failf("WSPConnect with data succeeds")
	}
	return e
}

func (r *runner) accept(i instruction) {
	d := r.m.at(i.slot)
	var cond sockets.ConditionProc
	answer := provider.CondResult(i.a % 5)
	if i.a&0x40 != 0 {
		cond = func(caller, callee []byte, data any) provider.CondResult {
			if data != i || len(caller) == 0 || len(callee) == 0 {
				r.m.failf("condition function: %x %x %v", caller, callee, data)
			}
			return answer
		}
	}
	r.acceptInto(d, i.other, cond, i, int32(i.c))
}

func (r *runner) acceptInto(d *descriptor, slot byte, cond sockets.ConditionProc, data any, room int32) *descriptor {
	h := sockets.INVALID_SOCKET
	from := make([]byte, max(room, 0))
	n := room
	e := r.call("WSPAccept", d, func(t *sockets.WSPProcTable) (e wsa.Errno) {
		h, e = t.WSPAccept(d.h, from, &n, cond, data)
		return e
	})
	switch {
	case e == 0:
		return r.m.keep(slot, d.side, h, d.k.accepted())
	case h != sockets.INVALID_SOCKET:
		r.m.failf("WSPAccept: %d with %s", h, e.Name())
	case e == wsa.EWOULDBLOCK && !d.k.nonblocking.Load():
		r.m.failf("WSPAccept on a blocking socket: %s", e.Name())
	}
	return nil
}

func (r *runner) names(i instruction) {
	d := r.m.at(i.slot)
	b, n := make([]byte, 40), int32(i.c%40)
	fn := []string{"WSPGetSockName", "WSPGetPeerName"}[i.a&1]
	e := r.call(fn, d, func(t *sockets.WSPProcTable) wsa.Errno {
		if i.a&1 == 0 {
			return t.WSPGetSockName(d.h, b, &n)
		}
		return t.WSPGetPeerName(d.h, b, &n)
	})
	if e == 0 && n != provider.SockaddrInSize && n != provider.SockaddrIn6Size {
		r.m.failf("%s: an address of %d bytes", fn, n)
	}
}

func (r *runner) joinLeaf(i instruction) {
	d := r.m.at(i.slot)
	name := r.name(d, i.b, i.c, true)
	if i.b&1 == 0 {
		name = r.group(d.k.family, groupPort)
	}
	h := sockets.INVALID_SOCKET
	e := r.call("WSPJoinLeaf", d, func(t *sockets.WSPProcTable) (e wsa.Errno) {
		h, e = t.WSPJoinLeaf(d.h, name, nil, nil, nil, nil, uint32(i.a%6))
		return e
	})
	if (e == 0) != (h == d.h) {
		r.m.failf("WSPJoinLeaf on %d: %d, %s", d.h, h, e.Name())
	}
}

func (r *runner) shutdown(i instruction) {
	d, how := r.m.at(i.slot), int(i.a%4)
	if how == wsa.SD_SEND || how == wsa.SD_BOTH {
		d.k.mayShut.Store(true)
	}
	e := r.call("WSPShutdown", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPShutdown(d.h, how) })
	switch {
	case e == 0 && how > wsa.SD_BOTH:
		r.m.failf("WSPShutdown(%d) succeeds", how)
	case e == 0 && how != wsa.SD_RECEIVE:
		d.k.over.Store(true)
	}
}

func (r *runner) disconnect(i instruction) {
	d := r.m.at(i.slot)
	var data []byte
	if i.b&7 == 7 {
		data = []byte("x")
	}
	if i.a&1 == 0 {
		r.call("WSPRecvDisconnect", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPRecvDisconnect(d.h, data) })
		return
	}
	d.k.mayShut.Store(true)
	e := r.call("WSPSendDisconnect", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPSendDisconnect(d.h, data) })
	if e == 0 {
		d.k.over.Store(true)
	}
}

func (r *runner) close(i instruction) {
	d := r.m.at(i.slot)
	d.closing.Store(true)
	d.k.closing.Store(true)
	e := r.call("WSPCloseSocket", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPCloseSocket(d.h) })
	if e == 0 {
		d.closed.Store(true)
	}
}

func (r *runner) cancelCall(i instruction) {
	r.m.cancelled.Store(true)
	other := r.m.runners[1-r.g]
	r.m.wants("WSPCancelBlockingCall", other.tables[i.a&1].WSPCancelBlockingCall())
}

// pair connects two slots: that a program is certain of it, not what it tests.
func (r *runner) pair(i instruction) {
	side := int(i.a & 1)
	l := r.open(i.other, side, r.m.ground.family, wsa.SOCK_STREAM, wsa.WSA_FLAG_OVERLAPPED)
	c := r.open(i.slot, 1-side, r.m.ground.family, wsa.SOCK_STREAM, wsa.WSA_FLAG_OVERLAPPED)
	if l == nil || c == nil {
		return
	}
	any := winsocktest.Name(r.m.ground.host(side, r.m.ground.family), 0)
	r.call("WSPBind", l, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPBind(l.h, any) })
	r.call("WSPListen", l, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPListen(l.h, 5) })
	r.connectTo(c, r.nameOf(l), nil, nil)
	s := r.acceptInto(l, i.other, nil, nil, 64)
	l.closing.Store(true)
	l.k.closing.Store(true)
	if r.call("WSPCloseSocket", l, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPCloseSocket(l.h) }) == 0 {
		l.closed.Store(true)
	}
	if s != nil && i.c&3 != 0 {
		r.setMode(s, true)
		r.setMode(c, true)
	}
}

// pairUDP makes two datagram sockets, each the other's peer.
func (r *runner) pairUDP(i instruction) {
	side := int(i.a & 1)
	a := r.open(i.slot, side, r.m.ground.family, wsa.SOCK_DGRAM, wsa.WSA_FLAG_OVERLAPPED)
	b := r.open(i.other, 1-side, r.m.ground.family, wsa.SOCK_DGRAM, wsa.WSA_FLAG_OVERLAPPED)
	for _, d := range []*descriptor{a, b} {
		if d != nil {
			any := winsocktest.Name(r.m.ground.host(d.side, r.m.ground.family), 0)
			r.call("WSPBind", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPBind(d.h, any) })
			r.setMode(d, true)
		}
	}
	if a == nil || b == nil || i.b&3 == 0 {
		return
	}
	r.connectTo(a, r.nameOf(b), nil, nil)
	r.connectTo(b, r.nameOf(a), nil, nil)
}

// listener makes a listener, and for ConnectEx a bound socket of the other session.
func (r *runner) listener(i instruction) {
	side := int(i.a & 1)
	l := r.open(i.slot, side, r.m.ground.family, wsa.SOCK_STREAM, wsa.WSA_FLAG_OVERLAPPED)
	c := r.open(i.other, 1-side, r.m.ground.family, wsa.SOCK_STREAM, wsa.WSA_FLAG_OVERLAPPED)
	for _, d := range []*descriptor{l, c} {
		if d != nil {
			any := winsocktest.Name(r.m.ground.host(d.side, r.m.ground.family), 0)
			r.call("WSPBind", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPBind(d.h, any) })
			r.setMode(d, i.c&3 != 0)
		}
	}
	if l != nil && r.call("WSPListen", l, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPListen(l.h, 5) }) == 0 {
		l.k.listening.Store(true)
	}
}

// leaves are two multipoint sockets of both sessions, bound to one port.
func (r *runner) leaves(i instruction) {
	port := uint16(groupPort)
	if r.m.ground.public {
		port = 0
	}
	for side, slot := range []byte{i.slot, i.other} {
		d := r.open(slot, side, r.m.ground.family, wsa.SOCK_DGRAM, wsa.WSA_FLAG_OVERLAPPED|leaf)
		if d == nil {
			return
		}
		any := winsocktest.Name(provider.Any(r.m.ground.family, 0).Addr(), port)
		r.call("WSPBind", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPBind(d.h, any) })
		r.setMode(d, true)
	}
}

func (r *runner) mode(i instruction) { r.setMode(r.m.at(i.slot), i.a&3 != 0) }

// setMode is FIONBIO. To take blocking mode up again is not in every program's
// interest: calls that wait cost time.
func (r *runner) setMode(d *descriptor, on bool) {
	in, n := []byte{0, 0, 0, 0}, uint32(0)
	if on {
		in[0] = 1
		d.k.nonblocking.Store(true)
	}
	r.call("WSPIoctl", d, func(t *sockets.WSPProcTable) wsa.Errno {
		return t.WSPIoctl(d.h, wsa.FIONBIO, in, nil, &n, nil, nil, nil)
	})
}

func (r *runner) startup(i instruction) {
	side := int(i.a & 1)
	var data provider.WSPData
	version := []uint16{0x0202, 0x0202, 0x0101, 0x0302}[i.b%4]
	e := r.m.ground.sessions[side].WSPStartup(version, &data)
	reached.add("WSPStartup", e)
	if e == 0 {
		r.m.starts[side].Add(1)
	} else if e != wsa.NOTINITIALISED || !r.m.ending[side].Load() {
		r.m.wants("WSPStartup", e)
	}
}

// cleanup gives up one WSPStartup; the last one only if the program insists.
func (r *runner) cleanup(i instruction) {
	side := int(i.a & 1)
	if r.m.starts[side].Add(-1) < 1 {
		if i.c != 0xff {
			r.m.starts[side].Add(1)
			return
		}
		r.m.ending[side].Store(true)
		r.m.mu.Lock()
		for _, d := range r.m.descriptors {
			if d.side == side {
				d.closing.Store(true)
			}
		}
		r.m.mu.Unlock()
	}
	r.doing.Store("WSPCleanup")
	e := r.tables[side].WSPCleanup()
	if e != 0 && !r.m.ending[side].Load() {
		r.m.failf("WSPCleanup: %s", e.Name())
	}
	r.m.wants("WSPCleanup", e)
}

func (r *runner) duplicate(i instruction) {
	d := r.m.at(i.slot)
	to := int(i.a & 1)
	process := r.m.ground.sessions[to].Process()
	if i.b&0x1f == 0x1f {
		process = uint32(i.c)
	}
	var info provider.ProtocolInfo
	e := r.call("WSPDuplicateSocket", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPDuplicateSocket(d.h, process, &info) })
	if e != 0 || i.b&0xf == 0xf {
		return
	}
	h, e := r.tables[to].WSPSocket(-1, -1, -1, &info, 77, 77)
	if r.opened(i.other, to, h, e, d.k) == nil {
		return
	}
	h, e = r.tables[to].WSPSocket(-1, -1, -1, &info, 0, 0)
	if e != wsa.EINVAL && (e != wsa.NOTINITIALISED || !r.m.ending[to].Load()) {
		r.m.failf("WSPSocket by a token that is used: %d, %s", h, e.Name())
	}
}

func (r *runner) qos(i instruction) {
	d := r.m.at(i.slot)
	r.call("WSPGetQOSByName", d, func(t *sockets.WSPProcTable) wsa.Errno {
		return t.WSPGetQOSByName(d.h, []byte("G711"), new(sockets.QOS))
	})
}

// duration is a short wait, none, or (with an infinite one allowed) for ever.
func duration(a byte) time.Duration {
	return []time.Duration{0, 0, 0, time.Millisecond, 3 * time.Millisecond}[a%5]
}
