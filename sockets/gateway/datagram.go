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
	key   assocKey
	s     *provider.Socket
	t     *provider.ProcTable
	bell  bell
	born  time.Time
	flows []flowKey     // guarded by associations.mu, as is
	place *list.Element // its place in associations.recent
	peers *peers

	used      atomic.Int64 // nanoseconds after born
	dns       atomic.Bool  // the last that came was a DNS answer
	forgotten atomic.Bool

	sendMu sync.Mutex // one send at a time (law 4); guards the two below
	closed bool
	out    provider.Msg

	in provider.Msg
}

func newAssociation(g *Gateway, key assocKey, s *provider.Socket) *association {
	a := &association{
		g: g, key: key, s: s, t: &s.Chain().Table, bell: newBell(), born: time.Now(),
		peers: newPeers(g.cfg.Limits.Peers),
	}
	a.t.Watch(s, a.bell, wsa.FD_READ|wsa.FD_CLOSE|wsa.EvError)
	return a
}

// errClosing: the association ended between find and send; find again.
const errClosing = wsa.ESHUTDOWN

// send hands one datagram to the chain. The answer is a code for the program's
// wire: EWOULDBLOCK is a full socket, which a network answers with loss. The
// guest knows the destination as as.
func (a *association) send(dst netip.AddrPort, as netip.Addr, data [][]byte, quote func() stack.Quote) wsa.Errno {
	a.sendMu.Lock()
	defer a.sendMu.Unlock()
	if a.closed {
		return errClosing
	}
	if len(data) == 0 {
		data = empty
	}
	fresh := a.peers.speaksTo(dst, as, quote)
	a.out.Buffers, a.out.Flags, a.out.Addr = data, 0, provider.AddrFrom(dst)
	_, e := a.t.WSPSendTo(a.s, &a.out)
	a.out.Buffers = nil
	if e != 0 && fresh {
		a.peers.unspoken(dst)
	}
	return e
}

// empty is the buffer of a datagram without payload: a Msg has at least one.
var empty = [][]byte{{}}

// receiveBuffers hold the largest datagram; one is taken only while a socket is drained.
var receiveBuffers = sync.Pool{New: func() any { b := make([]byte, 65536); return &b }}

// run receives until the association was idle too long, forgotten, or the
// gateway closes.
func (a *association) run() {
	defer a.g.running.Done()
	defer a.close()
	timer := time.NewTimer(a.g.cfg.Limits.Idle)
	defer timer.Stop()
	for !a.forgotten.Load() && a.g.ctx.Err() == nil {
		more, alive := a.drain()
		if !alive {
			return
		}
		if more {
			continue
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

// batch is how many datagrams are passed on before run looks whether it is to end.
const batch = 64

// drain passes on what is queued, up to a batch; more says that there may be
// more, alive is false when the socket is dead.
func (a *association) drain() (more, alive bool) {
	p := receiveBuffers.Get().(*[]byte)
	defer receiveBuffers.Put(p)
	a.in.Buffers = append(a.in.Buffers[:0], *p)
	defer func() { a.in.Buffers[0] = nil }()
	for range batch {
		a.in.Flags, a.in.Addr = 0, provider.Addr{}
		n, e := a.t.WSPRecvFrom(a.s, &a.in)
		switch e {
		case 0, wsa.EMSGSIZE:
			a.deliver(a.in.Addr.AddrPort, (*p)[:n])
		case wsa.EWOULDBLOCK, wsa.EINVAL: // EINVAL: not bound yet, as nothing was sent
			return false, true
		case wsa.ENETDOWN, wsa.ENOTSOCK, wsa.ESHUTDOWN:
			return false, false
		default:
			if a.s.Failed() != 0 {
				return false, false
			}
			a.complain(a.in.Addr.AddrPort, e)
		}
	}
	return true, true
}

func unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func (a *association) deliver(from netip.AddrPort, data []byte) {
	from = unmap(from)
	as, ok := a.peers.known(from.Addr())
	if !ok {
		a.g.UDPUnasked.Add(1)
		return
	}
	a.used.Store(since(a.born))
	if a.key.protocol != wsa.IPPROTO_UDP {
		a.echoed(as, data)
		return
	}
	a.dns.Store(from.Port() == 53)
	a.g.UDPReceived.Add(1)
	a.key.nic.SendDatagram(netip.AddrPortFrom(as, from.Port()), a.key.src, data, 0)
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

func (a *association) close() {
	a.g.dgram.end(a)
	a.sendMu.Lock()
	a.closed = true
	a.sendMu.Unlock()
	a.t.Watch(a.s, nil, 0)
	a.t.WSPCloseSocket(a.s, provider.CloseBackground)
}
