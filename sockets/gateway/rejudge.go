package gateway

import (
	"github.com/netnsd/netnsd/provider"
)

// Rejudge has every flow decided anew, after a change of the catalog, by the
// chain that it would take now: the operation that began it, on the facts that
// were known then, names above all, and its server name if one is known. A stream
// that is denied now is reset, and a published port that may not listen any more
// fails. A datagram socket stays with the chain that made it, for the answers that
// are on their way; from whom it is denied to send to it takes none. Those that
// are allowed go on undisturbed, unless their chain is one of before and l says
// otherwise.
//
// It is called when the new state has been published. Flows that begin meanwhile
// are judged by it, or here.
func (g *Gateway) Rejudge(l Living) Rejudged {
	g.mu.Lock()
	g.living = l
	flows := make([]*splice, 0, len(g.flows))
	for p := range g.flows {
		flows = append(flows, p)
	}
	g.mu.Unlock()
	r := &rejudging{Living: l}
	for _, p := range g.Published() {
		p.rejudge(r)
	}
	for _, p := range flows {
		g.rejudge(p, r)
	}
	g.dgram.rejudge(r)
	return g.settle(r)
}

// rejudge fails the socket of p if the catalog denies it now. What p has begun with is
// judged as soon as it is known, see rejudgeLater, and if it never will be, since nobody
// reads it, as a ClientHello without a name.
func (g *Gateway) rejudge(p *splice, r *rejudging) {
	f := p.began
	f.Late = p.s.Learned()
	v, c := g.verdict(p.s, p.s.Origin, f, p.op)
	if unread := p.op == provider.OpConnect && c != nil && c.ReadsHellos() && !p.s.Chain().ReadsHellos(); unread {
		f.Late.Hello = true
	}
	if !v.Denied() && (f.Late.Hello || f.Late.Plain) {
		v, _ = g.verdict(p.s, p.s.Origin, f, provider.OpSNI)
	}
	r.judged(p.s, c, v)
}

// rejudgeLater has p judged by the catalog as it is when it is known what p begins with,
// if it is not that of generation any more: its own chain asks the rules of that one.
func (g *Gateway) rejudgeLater(p *splice, generation uint64) {
	p.s.OnLearn(func() {
		if g.cfg.Session.Generation() != generation {
			g.rejudgeAlone(p)
		}
	})
}

// verdict is what the chain c says that a socket like s, of o, would take now.
func (g *Gateway) verdict(s *provider.Socket, o *provider.Origin, f provider.Facts, op provider.Op) (v provider.Verdict, c *provider.Chain) {
	entry, _, err := g.cfg.Session.Resolve(&provider.SocketRequest{AF: s.Family, Type: s.Type, Protocol: s.Protocol, Origin: o})
	if err == nil {
		if c, err = g.cfg.Session.Chain(entry.Info.CatalogEntryID); err == nil {
			return c.Decide(f, op), c
		}
	}
	return provider.Verdict{Action: provider.Deny, Errno: codeOf(err), Layer: "catalog", Rule: err.Error()}, nil // nobody to ask
}

// rejudge has those forgotten who may not be spoken to any more. Sends hold
// sendMu and look at the catalog's generation, so none adds one afterwards.
func (all *associations) rejudge(r *rejudging) {
	all.mu.Lock()
	now := make([]*association, 0, len(all.byKey))
	for _, a := range all.byKey {
		now = append(now, a)
	}
	all.mu.Unlock()
	for _, a := range now {
		a.rejudge(r)
		if a.key.chain.Retired() {
			r.isOld(a.s)
		}
	}
}

func (a *association) rejudge(r *rejudging) {
	a.sendMu.Lock()
	defer a.sendMu.Unlock()
	for _, to := range a.peers.list() {
		o := *a.s.Origin
		o.Destination = provider.AddrFrom(to)
		f := provider.FactsOf(a.s, o.Destination)
		f.Origin = &o
		if v, _ := a.g.verdict(a.s, &o, f, provider.OpSendTo); r.denies(v) {
			a.peers.unspoken(to)
		}
	}
}

// rejudge fails the ports that may not listen any more, and has the clients of UDP
// ports forgotten that are denied: the next datagram of one is judged.
func (p *Published) rejudge(r *rejudging) {
	for _, port := range p.ports {
		f := provider.FactsOf(port.s, provider.Addr{})
		f.Local = port.at
		v, _ := p.g.verdict(port.s, port.s.Origin, f, provider.OpListen)
		r.fails(port.s, v)
	}
	vs := &p.visitors
	vs.mu.Lock()
	now := make([]*visitor, 0, len(vs.byKey))
	for _, v := range vs.byKey {
		now = append(now, v)
	}
	vs.mu.Unlock()
	for _, v := range now {
		f := provider.FactsOf(v.port.s, v.client)
		f.Local = v.port.asked(v.local)
		if now, _ := p.g.verdict(v.port.s, v.port.s.Origin, f, provider.OpAccept); v.denied || !r.denies(now) {
			continue
		}
		vs.mu.Lock()
		if vs.byKey[visitorKey{v.port, v.client, v.local}] == v {
			p.forget(v)
		}
		vs.mu.Unlock()
	}
}
