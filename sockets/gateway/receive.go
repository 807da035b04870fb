package gateway

import (
	"net/netip"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// run receives through the layers, until the association is forgotten or the
// layers have stepped aside.
func (a *association) run() {
	for !a.forgotten.Load() {
		more, alive := a.drain(a.t.WSPRecvFrom)
		switch {
		case !alive:
			a.g.dgram.end(a)
		case more:
		case a.share():
			return
		default:
			<-a.bell
		}
	}
	a.close()
}

// share moves the association to the loops if it can be. The caller does not
// touch it again.
func (a *association) share() bool {
	if a.s.Direct() == nil {
		return false
	}
	a.g.dgram.mu.Lock()
	defer a.g.dgram.mu.Unlock()
	if a.forgotten.Load() {
		return false
	}
	a.shared.Store(true)
	a.task.wake()
	return true
}

// turn is one round on a shared loop.
func (a *association) turn() (more bool) {
	a.recvMu.Lock()
	defer a.recvMu.Unlock()
	if a.ended {
		return false
	}
	alive := true
	if path := a.s.Direct(); path.RecvBatch != nil && a.key.protocol == wsa.IPPROTO_UDP {
		more, alive = a.drainBatch(path.RecvBatch)
	} else {
		more, alive = a.drain(path.RecvFrom)
	}
	if !alive {
		a.g.dgram.end(a)
	}
	return more
}

// slab is what one round receives into. The largest datagram fits into each room,
// of which a small one touches a page.
type slab struct {
	ds      [slabSize]provider.Datagram
	ttl     [slabSize]uint8  // of replies to pings, 0 if not known
	run     [slabSize][]byte // of one source
	msg     provider.Msg
	control provider.Control
	one     [1][]byte
}

// slabSize is how many datagrams are passed on before a loop looks whether there
// is something else to do.
const slabSize = 32

var slabs = sync.Pool{New: func() any {
	s := new(slab)
	room := make([]byte, slabSize<<16)
	for i := range s.ds {
		s.ds[i].Data = room[i<<16 : (i+1)<<16 : (i+1)<<16]
	}
	return s
}}

// drainBatch passes on what is queued, up to a slab; more says that there may be
// more, alive is false when the socket is dead.
func (a *association) drainBatch(recv provider.BatchFunc) (more, alive bool) {
	s := slabs.Get().(*slab)
	defer slabs.Put(s)
	n, e := recv(a.s, s.ds[:])
	a.deliver(s, n)
	if e == 0 {
		return true, true
	}
	last := &s.ds[min(n, slabSize-1)]
	return a.stopped(e, last.Addr, last.ICMP)
}

// drain is drainBatch by single receives.
func (a *association) drain(recv func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) (more, alive bool) {
	s := slabs.Get().(*slab)
	defer slabs.Put(s)
	wanted := provider.ControlTOS | provider.ControlICMP
	if a.key.protocol != wsa.IPPROTO_UDP {
		wanted |= provider.ControlTTL
	}
	for i := range s.ds {
		d := &s.ds[i]
		s.one[0] = d.Data
		s.control = provider.Control{Has: wanted}
		s.msg.Buffers, s.msg.Flags, s.msg.Addr, s.msg.Control = s.one[:], 0, provider.Addr{}, &s.control
		n, e := recv(a.s, &s.msg)
		d.N, d.Addr, d.TOS, s.ttl[i] = n, s.msg.Addr, s.control.TOS, s.control.TTL
		if e != 0 && (e != wsa.EMSGSIZE || s.control.ICMP.MTU != 0) {
			a.deliver(s, i)
			return a.stopped(e, s.msg.Addr, s.control.ICMP)
		}
	}
	a.deliver(s, slabSize)
	return true, true
}

// stopped says what it means that no more was received.
func (a *association) stopped(e wsa.Errno, about provider.Addr, icmp provider.ICMPError) (more, alive bool) {
	switch e {
	case wsa.EWOULDBLOCK, wsa.EINVAL, // EINVAL: not bound yet, as nothing was sent
		wsa.ENOBUFS, wsa.EOPNOTSUPP: // not the network's: the next datagram wakes
		return false, true
	case wsa.ENETDOWN, wsa.ENOTSOCK, wsa.ESHUTDOWN:
		return false, false
	}
	if a.s.Failed() != 0 {
		return false, false
	}
	a.complain(about.AddrPort, e, icmp)
	return true, true
}

func unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// deliver hands the first n datagrams of s to the program, those of one source and
// mark that follow each other at once.
func (a *association) deliver(s *slab, n int) {
	for i := 0; i < n; {
		from, tos, ttl := s.ds[i].Addr, s.ds[i].TOS, s.ttl[i]
		run := s.run[:0]
		for ; i < n && s.ds[i].Addr == from && s.ds[i].TOS == tos; i++ {
			run = append(run, s.ds[i].Data[:s.ds[i].N])
		}
		a.arrived(unmap(from.AddrPort), run, marks{ttl: ttl, tos: tos})
	}
	clear(s.run[:])
}

func (a *association) arrived(from netip.AddrPort, data [][]byte, k marks) {
	as, ok := a.peers.known(from.Addr())
	if !ok || a.key.only.IsValid() && a.key.only != from {
		a.g.UDPUnasked.Add(uint64(len(data)))
		return
	}
	a.used.Store(a.g.dgram.now())
	if a.key.protocol != wsa.IPPROTO_UDP {
		for _, reply := range data {
			a.echoed(as, reply, k.ttl)
		}
		return
	}
	a.dns.Store(from.Port() == 53)
	a.g.UDPReceived.Add(uint64(len(data)))
	a.key.nic.SendMarked(netip.AddrPortFrom(as, from.Port()), a.key.src, data, k.tos)
}
