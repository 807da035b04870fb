package gateway

import (
	"container/list"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// association is one unconnected datagram socket and those whom its guest has
// spoken to. Its goroutine receives and, in the end, closes; sends come from
// the NIC's readers.
type association struct {
	g     *Gateway
	nic   *stack.NIC
	key   assocKey
	s     *provider.Socket
	t     *provider.ProcTable
	bell  bell
	born  time.Time
	flows []flowKey     // guarded by associations.mu, as is
	place *list.Element // its place in associations.recent

	used      atomic.Int64 // nanoseconds after born
	dns       atomic.Bool  // the last that came was a DNS answer
	forgotten atomic.Bool

	sendMu sync.Mutex // one send at a time (law 4); guards the two below
	closed bool
	out    provider.Msg

	peersMu sync.Mutex
	peers   map[netip.AddrPort]peer
	hosts   map[netip.Addr]struct{} // addresses that an allowed send has named

	in provider.Msg
}

// peer is a destination: what the guest knows it as, and a packet to quote in
// an ICMP error.
type peer struct {
	quote stack.Quote
}

func newAssociation(g *Gateway, nic *stack.NIC, key assocKey, s *provider.Socket) *association {
	a := &association{
		g: g, nic: nic, key: key, s: s, t: &s.Chain().Table, bell: newBell(), born: time.Now(),
		peers: make(map[netip.AddrPort]peer), hosts: make(map[netip.Addr]struct{}),
	}
	a.t.Watch(s, a.bell, wsa.FD_READ|wsa.FD_CLOSE|wsa.EvError)
	return a
}

// send hands one datagram to the chain. The answer is a code for the program's
// wire: EWOULDBLOCK is a full socket, which a network answers with loss.
func (a *association) send(dst netip.AddrPort, data [][]byte, quote func() stack.Quote) wsa.Errno {
	a.sendMu.Lock()
	defer a.sendMu.Unlock()
	if a.closed {
		return wsa.EWOULDBLOCK
	}
	a.used.Store(since(a.born))
	if !a.remembers(dst) && a.full() {
		a.g.UDPPeers.Add(1)
		return wsa.EWOULDBLOCK
	}
	if len(data) == 0 {
		data = empty
	}
	a.out.Buffers, a.out.Flags, a.out.Addr = data, 0, provider.AddrFrom(dst)
	_, e := a.t.WSPSendTo(a.s, &a.out)
	a.out.Buffers = nil
	if e == 0 {
		a.remember(dst, quote)
	}
	return e
}

// empty is the buffer of a datagram without payload: a Msg has at least one.
var empty = [][]byte{{}}

func (a *association) remembers(dst netip.AddrPort) bool {
	a.peersMu.Lock()
	defer a.peersMu.Unlock()
	_, ok := a.peers[dst]
	return ok
}

func (a *association) full() bool {
	a.peersMu.Lock()
	defer a.peersMu.Unlock()
	return len(a.peers) >= a.g.cfg.Limits.Peers
}

func (a *association) remember(dst netip.AddrPort, quote func() stack.Quote) {
	a.peersMu.Lock()
	defer a.peersMu.Unlock()
	if _, ok := a.peers[dst]; !ok {
		a.peers[dst] = peer{quote()}
		a.hosts[dst.Addr()] = struct{}{}
	}
}

func (a *association) asked(from netip.Addr) bool {
	a.peersMu.Lock()
	defer a.peersMu.Unlock()
	_, ok := a.hosts[from]
	return ok
}

// receiveBuffers hold the largest datagram; one is taken only while a socket is drained.
var receiveBuffers = sync.Pool{New: func() any { b := make([]byte, 65536); return &b }}

// run receives until the association was idle too long, forgotten, or the
// gateway closes.
func (a *association) run() {
	defer a.g.running.Done()
	defer a.close()
	timer := time.NewTimer(a.g.cfg.Limits.Idle)
	defer timer.Stop()
	for !a.forgotten.Load() {
		if !a.drain() {
			return
		}
		last := a.used.Load()
		timer.Reset(a.untilIdle(last))
		select {
		case <-a.bell:
		case <-timer.C:
			if a.untilIdle(last) <= 0 && a.g.dgram.idle(a, last) {
				return
			}
		case <-a.g.ctx.Done():
			return
		}
	}
}

func (a *association) untilIdle(last int64) time.Duration {
	life := a.g.cfg.Limits.Idle
	if a.dns.Load() {
		life = a.g.cfg.Limits.IdleDNS
	}
	return time.Duration(last) + life - time.Since(a.born)
}

// drain passes on all that is queued; false when the socket is dead.
func (a *association) drain() bool {
	p := receiveBuffers.Get().(*[]byte)
	defer receiveBuffers.Put(p)
	a.in.Buffers = append(a.in.Buffers[:0], *p)
	defer func() { a.in.Buffers[0] = nil }()
	for {
		a.in.Flags, a.in.Addr = 0, provider.Addr{}
		n, e := a.t.WSPRecvFrom(a.s, &a.in)
		switch {
		case e == wsa.EWOULDBLOCK || e == wsa.EINVAL: // EINVAL: not bound yet, as nothing was sent
			return true
		case e == 0 || e == wsa.EMSGSIZE && n > 0:
			a.deliver(a.in.Addr.AddrPort, (*p)[:n])
		case a.s.Failed() != 0 || !a.in.Addr.IsValid():
			return a.s.Failed() == 0 && e != wsa.ENETDOWN && e != wsa.ENOTSOCK && e != wsa.ESHUTDOWN
		default:
			a.complain(a.in.Addr.AddrPort, e)
		}
	}
}

func unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func (a *association) deliver(from netip.AddrPort, data []byte) {
	from = unmap(from)
	if !a.asked(from.Addr()) {
		a.g.UDPUnasked.Add(1)
		return
	}
	a.used.Store(since(a.born))
	if a.key.protocol != wsa.IPPROTO_UDP {
		a.echoed(from.Addr(), data)
		return
	}
	a.dns.Store(from.Port() == 53)
	a.g.UDPReceived.Add(1)
	a.nic.SendDatagram(a.g.guest(from), a.key.src, data, 0)
}

// complain passes an ICMP error that the host received on to the program.
func (a *association) complain(to netip.AddrPort, e wsa.Errno) {
	to = unmap(to)
	a.peersMu.Lock()
	p, ok := a.peers[to]
	if !ok { // ping sockets name no port
		for at, known := range a.peers {
			if at.Addr() == to.Addr() && a.key.protocol != wsa.IPPROTO_UDP {
				p, ok = known, true
				break
			}
		}
	}
	a.peersMu.Unlock()
	if t := fateOf(e); ok && !t.silent {
		a.g.UDPErrors.Add(1)
		a.nic.SendUnreachable(p.quote, t.unreachable)
	}
}

func (a *association) close() {
	a.g.dgram.end(a)
	a.sendMu.Lock()
	a.closed = true
	a.sendMu.Unlock()
	a.t.Watch(a.s, nil, 0)
	a.t.WSPCloseSocket(a.s, provider.CloseBackground)
}
