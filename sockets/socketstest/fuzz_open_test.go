package socketstest_test

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

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
