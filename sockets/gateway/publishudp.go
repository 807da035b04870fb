package gateway

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// post is what a port's datagrams are received into.
type post struct {
	slab
	control provider.Control
	local   [slabSize]netip.Addr // by datagram: whom the client has asked
}

var posts = sync.Pool{New: func() any {
	s := new(post)
	room := make([]byte, slabSize<<16)
	for i := range s.ds {
		s.ds[i].Data = room[i<<16 : (i+1)<<16 : (i+1)<<16]
	}
	return s
}}

// receive leads inside what is queued, up to a slab; more says that there may be
// more.
func (port *publicPort) receive() (more bool) {
	s := posts.Get().(*post)
	defer posts.Put(s)
	n, e := port.take(s)
	port.deliver(s, n)
	switch e {
	case 0:
		return true
	case wsa.EWOULDBLOCK, wsa.EINVAL, wsa.ENOBUFS, wsa.EOPNOTSUPP: // as association.stopped
		return false
	}
	if e == wsa.ENETDOWN || e == wsa.ENOTSOCK || port.s.Failed() != 0 {
		port.p.g.log.Error("a published port has failed", "port", port.at.String(), "err", e)
		return false
	}
	port.complain(s.msg.Addr, e)
	return true
}

// take fills s. On a wildcard each datagram says which address of this host it was
// sent to, and comes alone; else they come many in a call where the base can.
func (port *publicPort) take(s *post) (n int, e wsa.Errno) {
	wild := port.at.IsUnspecified()
	if path := port.s.Direct(); !wild && path != nil && path.RecvBatch != nil {
		clear(s.local[:])
		n, e = path.RecvBatch(port.s, s.ds[:])
		if e != 0 {
			s.msg.Addr = s.ds[min(n, slabSize-1)].Addr
		}
		return n, e
	}
	for ; n < slabSize; n++ {
		d := &s.ds[n]
		s.one[0] = d.Data
		s.control = provider.Control{}
		s.msg = provider.Msg{Buffers: s.one[:]}
		if wild {
			s.control.Has = provider.ControlPacketInfo
			s.msg.Control = &s.control
		}
		size, e := port.t.WSPRecvFrom(port.s, &s.msg)
		if e != 0 && e != wsa.EMSGSIZE {
			return n, e
		}
		d.N, d.Addr, s.local[n] = size, s.msg.Addr, netip.Addr{}
		if to := s.control.Dst; !to.IsMulticast() && to != broadcast4 { // from which nothing can be sent
			s.local[n] = to
		}
	}
	return n, 0
}

var broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// deliver hands the first n datagrams of s to the program, those of one client that
// follow each other at once.
func (port *publicPort) deliver(s *post, n int) {
	for i := 0; i < n; {
		from, local := s.ds[i].Addr, s.local[i]
		run := s.run[:0]
		for ; i < n && s.ds[i].Addr == from && s.local[i] == local; i++ {
			run = append(run, s.ds[i].Data[:s.ds[i].N])
		}
		count := &port.p.DatagramsIn
		switch v := port.visitor(from, local); {
		case v == nil:
			count = &port.p.Dropped
		case v.denied:
			count = &port.p.Denied
		case port.p.pub.NIC.SendDatagrams(v.inside.dst, v.inside.src, v.headed(run)) != nil:
			count = &port.p.Dropped
		}
		count.Add(uint64(len(run)))
	}
	clear(s.run[:])
}

// headed puts v's header before each datagram.
func (v *visitor) headed(run [][]byte) [][]byte {
	if v.head != nil {
		for i := range run {
			run[i] = slices.Concat(v.head, run[i])
		}
	}
	return run
}

// answer sends what the program has answered. It is no send of its own, which rules
// about where the program may go would be about: the client was judged when it came.
// So the layers are told that it was accepted before (law 7).
func (v *visitor) answer(data [][]byte, quote func() stack.Quote) {
	port := v.port
	v.answers(quote, port.p.g.dgram.now())
	if len(data) == 0 {
		data = empty
	}
	m := answers.Get().(*answering)
	defer answers.Put(m)
	m.msg = provider.Msg{Buffers: data, Flags: wsa.MSG_PENDED, Addr: v.client}
	if v.local.IsValid() {
		m.control = provider.Control{Has: provider.ControlPacketInfo, Dst: v.local}
		m.msg.Control = &m.control
	}
	port.sendMu.Lock()
	e := wsa.ENOTSOCK
	if !port.closed {
		_, e = port.t.WSPSendTo(port.s, &m.msg)
	}
	port.sendMu.Unlock()
	m.msg = provider.Msg{}
	switch e {
	case 0:
		port.p.DatagramsOut.Add(1)
	case wsa.EWOULDBLOCK, wsa.ENOBUFS, wsa.EMSGSIZE, wsa.ENOTSOCK:
		port.p.Dropped.Add(1)
	default:
		port.p.Dropped.Add(1)
		v.refuse(e)
	}
}

// answers notes that the program answers v.
func (v *visitor) answers(quote func() stack.Quote, now int64) {
	if v.quote.Load() == nil {
		q := quote()
		v.quote.CompareAndSwap(nil, &q)
	}
	v.used.Store(now)
}

// answering is a Msg with its Control: made per call they escape.
type answering struct {
	msg     provider.Msg
	control provider.Control
}

var answers = sync.Pool{New: func() any { return new(answering) }}

// complain passes on an ICMP error that an answer drew: the client, say, has gone.
func (port *publicPort) complain(client provider.Addr, e wsa.Errno) {
	vs := &port.p.visitors
	vs.mu.Lock()
	defer vs.mu.Unlock()
	for _, v := range vs.byKey {
		if v.port == port && v.client == client && !v.denied {
			v.refuse(e)
		}
	}
}

// refuse tells the program, in the name of the client.
func (v *visitor) refuse(e wsa.Errno) {
	q := v.quote.Load()
	if t := fateOf(e); q != nil && !t.silent {
		v.port.p.pub.NIC.SendUnreachable(*q, t.unreachable)
	}
}
