package gateway

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// TCP is called by the stack for each flow, on a goroutine of the flow's own,
// which stays with it while it is being connected, and longer if layers stand in
// the path of its bytes.
func (g *Gateway) TCP(f *stack.Flow) {
	if !g.enter() {
		f.Drop()
		return
	}
	g.TCPFlows.Add(1)
	if g.isDNS(f.Destination()) {
		g.dns.serveTCP(f)
		g.running.Done()
		return
	}
	if !g.starts.enter(f.NIC().Handshakes(), f.Canceled()) {
		g.TCPCanceled.Add(1)
		f.Drop()
		g.running.Done()
		return
	}
	generation := g.cfg.Session.Generation()
	p, dst := g.begin(f)
	if p == nil {
		g.running.Done()
		return
	}
	g.rejudgeLater(p, generation)
	g.admit(p, generation)
	p.run(dst)
}

// begin is nil when the flow has ended already.
func (g *Gateway) begin(f *stack.Flow) (*splice, netip.AddrPort) {
	if f.TTL() <= 1 && !g.own(f.Destination().Addr()) {
		g.Expired.Add(1)
		f.UnreachableFrom(g.ownLike(f.Source().Addr()), stack.TimeExceeded)
		return nil, netip.AddrPort{}
	}
	dst, e := g.target(f.Destination())
	if e != 0 {
		g.TCPDenied.Add(1)
		g.refused(f.Source(), f.Destination(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, e)
		g.end(f, e)
		return nil, dst
	}
	if g.full() {
		g.TCPLimit.Add(1)
		f.Refuse()
		return nil, dst
	}
	s, e := g.open(f.Source(), dst, f.Destination(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	if e != 0 {
		g.TCPFailed.Add(1)
		g.end(f, e)
		return nil, dst
	}
	g.mark(s, f, dst)
	g.keepAlive(s)
	p := newSplice(g, f, s)
	p.op, p.began = provider.OpConnect, provider.FactsOf(s, provider.AddrFrom(dst))
	return p, dst
}

// admit makes p known. If the catalog has changed since generation, Rejudge may
// have looked before p was there.
func (g *Gateway) admit(p *splice, generation uint64) {
	g.join(p)
	if g.cfg.Session.Generation() != generation {
		g.rejudgeAlone(p)
	}
}

func (g *Gateway) join(p *splice) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flows[p] = struct{}{}
}

// full says that there are as many connections as may be. Those that begin in the
// same moment may be a few more.
func (g *Gateway) full() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.flows) >= g.cfg.Limits.Flows
}

var _ stack.Limiter = (*Gateway)(nil)

// Handshakes implements stack.Limiter.
func (g *Gateway) Handshakes() (all, perSource int) {
	return g.cfg.Limits.Handshakes, g.cfg.Limits.HandshakesPerClient
}

// mark gives the host's side what the SYN says: DSCP, and a TTL that somebody chose.
// ECN belongs to each of the two connections (RFC 3168, 6.1).
func (g *Gateway) mark(s *provider.Socket, f *stack.Flow, dst netip.AddrPort) {
	const dscp = 0xfc
	c := marks{ttl: f.TTL(), tos: f.TOS() & dscp}.control(provider.AddrFrom(dst))
	level, tos, ttl := wsa.IPPROTO_IP, wsa.IP_TOS, wsa.IP_TTL
	if dst.Addr().Is6() {
		level, tos, ttl = wsa.IPPROTO_IPV6, wsa.IPV6_TCLASS, wsa.IPV6_UNICAST_HOPS
	}
	if c.Has&provider.ControlTOS != 0 {
		setOption(s, level, tos, int(c.TOS))
	}
	if c.Has&provider.ControlTTL != 0 {
		setOption(s, level, ttl, int(c.TTL))
		setOption(s, wsa.IPPROTO_TCP, wsa.TCP_FAIL_CONNECT_ON_ICMP_ERROR, 1) // who counts hops wants to know whose
	}
}

// leave is the last that a splice does.
func (g *Gateway) leave(p *splice) {
	g.mu.Lock()
	delete(g.flows, p)
	g.mu.Unlock()
	g.running.Done()
}

// open makes a socket of the chain that the flow to dst resolves to, which the guest
// calls to.
func (g *Gateway) open(src, dst, to netip.AddrPort, typ, protocol int32) (*provider.Socket, wsa.Errno) {
	s, err := g.cfg.Session.Socket(&provider.SocketRequest{
		AF: family(dst.Addr()), Type: typ, Protocol: protocol,
		Flags: wsa.WSA_FLAG_OVERLAPPED, Origin: g.owned(protocol, src, dst, to),
	})
	if err != nil {
		g.log.Debug("no socket for a flow", "src", src, "dst", dst, "err", err)
		return nil, codeOf(err)
	}
	return s, 0
}

func codeOf(err error) wsa.Errno {
	if e, ok := wsa.Code(err); ok {
		return e
	}
	return wsa.ENETDOWN
}

// bell is a provider.Watcher that remembers one ring.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// Wake may only mark: it is called under the base's locks.
func (b bell) Wake(*provider.Socket, wsa.Events) { b.ring() }

var _ provider.Watcher = bell(nil)
