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
	if path := a.s.Direct(); path.RecvBatch != nil {
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
	ds  [slabSize]provider.Datagram
	run [slabSize][]byte // of one source
	msg provider.Msg
	one [1][]byte
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
	return a.stopped(e, s.ds[min(n, slabSize-1)].Addr)
}

// drain is drainBatch by single receives.
func (a *association) drain(recv func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) (more, alive bool) {
	s := slabs.Get().(*slab)
	defer slabs.Put(s)
	for i := range s.ds {
		d := &s.ds[i]
		s.one[0] = d.Data
		s.msg.Buffers, s.msg.Flags, s.msg.Addr = s.one[:], 0, provider.Addr{}
		n, e := recv(a.s, &s.msg)
		d.N, d.Addr = n, s.msg.Addr
		if e != 0 && e != wsa.EMSGSIZE {
			a.deliver(s, i)
			return a.stopped(e, s.msg.Addr)
		}
	}
	a.deliver(s, slabSize)
	return true, true
}

// stopped says what it means that no more was received.
func (a *association) stopped(e wsa.Errno, about provider.Addr) (more, alive bool) {
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
	a.complain(about.AddrPort, e)
	return true, true
}

func unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// deliver hands the first n datagrams of s to the program, those of one source
// that follow each other at once.
func (a *association) deliver(s *slab, n int) {
	for i := 0; i < n; {
		from := s.ds[i].Addr
		run := s.run[:0]
		for ; i < n && s.ds[i].Addr == from; i++ {
			run = append(run, s.ds[i].Data[:s.ds[i].N])
		}
		a.arrived(unmap(from.AddrPort), run)
	}
	clear(s.run[:])
}

func (a *association) arrived(from netip.AddrPort, data [][]byte) {
	as, ok := a.peers.known(from.Addr())
	if !ok {
		a.g.UDPUnasked.Add(uint64(len(data)))
		return
	}
	a.used.Store(a.g.dgram.now())
	if a.key.protocol != wsa.IPPROTO_UDP {
		for _, reply := range data {
			a.echoed(as, reply)
		}
		return
	}
	a.dns.Store(from.Port() == 53)
	a.g.UDPReceived.Add(uint64(len(data)))
	a.key.nic.SendDatagrams(netip.AddrPortFrom(as, from.Port()), a.key.src, data)
}

// complain passes an ICMP error that the host received on to the program. A
// base that cannot tell whose it was gives no address; it is not passed on.
func (a *association) complain(to netip.AddrPort, e wsa.Errno) {
	to = unmap(to)
	if a.key.protocol != wsa.IPPROTO_UDP {
		to = netip.AddrPortFrom(to.Addr(), 0)
	}
	quote, ok := a.peers.quote(to)
	if t := fateOf(e); ok && !t.silent {
		a.g.UDPErrors.Add(1)
		a.key.nic.SendUnreachable(quote, t.unreachable)
	}
}
