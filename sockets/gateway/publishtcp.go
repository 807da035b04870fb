package gateway

import (
	"context"
	"errors"
	"net/netip"
	"syscall"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// accept takes one connection; more says that there may be others.
func (port *publicPort) accept() (more bool) {
	p := port.p
	s, e := port.t.WSPAccept(port.s, &provider.AcceptRequest{})
	switch e {
	case 0:
		p.admit(port, s)
		return true
	case wsa.EWOULDBLOCK:
		return false
	case wsa.ECONNREFUSED: // by a layer; the client is reset
		p.Denied.Add(1)
		return true
	case wsa.ECONNRESET, wsa.ECONNABORTED: // it has gone
		p.Failed.Add(1)
		return true
	case wsa.EMFILE, wsa.ENOBUFS:
		p.wait()
		return true
	}
	p.g.log.Error("a published port has failed", "port", port.at.String(), "err", e)
	return false
}

// admit leads a connection inside, on a goroutine of its own until it is there.
func (p *Published) admit(port *publicPort, s *provider.Socket) {
	if !p.g.enter() {
		port.t.WSPCloseSocket(s, provider.CloseAbort)
		return
	}
	p.mu.Lock()
	p.inward++
	p.mu.Unlock()
	p.running.Add(1) // run is among them
	go p.lead(port, s)
}

// arrived is the end of the way inside.
func (p *Published) arrived() {
	p.mu.Lock()
	p.inward--
	p.woken.Signal()
	p.mu.Unlock()
	p.running.Done()
}

// lead connects s with the program. It is as if the program had been asked by the
// client itself; but the client's handshake is over already, so that a program that
// refuses, or does not answer, is a reset.
func (p *Published) lead(port *publicPort, s *provider.Socket) {
	generation := p.g.cfg.Session.Generation()
	f, began := p.connect(port, s)
	if f == nil {
		s.Chain().Table.WSPCloseSocket(s, provider.CloseAbort)
		p.arrived()
		p.g.running.Done()
		return
	}
	sp := newSplice(p.g, f, s)
	sp.op, sp.began = provider.OpAccept, began
	p.g.admit(sp, generation)
	sp.t.Watch(s, sp, watched)
	f.Watch(sp.wakeFlow)
	p.Connected.Add(1)
	p.arrived()
	sp.serve() // not share: what happened before Watch has to be looked at
}

// connect is nil if there is no way inside for s; it has counted why. The facts are
// those on which s was accepted.
func (p *Published) connect(port *publicPort, s *provider.Socket) (*stack.Flow, provider.Facts) {
	t := &s.Chain().Table
	client, e1 := t.WSPGetPeerName(s)
	local, e2 := t.WSPGetSockName(s)
	if e1 != 0 || e2 != 0 {
		p.Failed.Add(1)
		return nil, provider.Facts{}
	}
	if c := port.chain(); c != s.Chain() && !port.admits(c, client, local) {
		p.Denied.Add(1)
		return nil, provider.Facts{}
	}
	if p.g.full() { // visitors are connections as those of the program's own
		p.g.TCPLimit.Add(1)
		p.Failed.Add(1)
		return nil, provider.Facts{}
	}
	from, at := unmap(client.AddrPort), unmap(local.AddrPort)
	f, err := p.dial(port, from)
	switch {
	case err == nil:
	case errors.Is(err, syscall.ECONNREFUSED):
		p.Refused.Add(1)
		return nil, provider.Facts{}
	default:
		p.g.log.Debug("a client of a published port is not led inside", "client", from, "err", err)
		p.Failed.Add(1)
		return nil, provider.Facts{}
	}
	if head := p.pub.Proxy.header(from, at, wsa.IPPROTO_TCP); !fillWhole(f, head) {
		p.Failed.Add(1)
		f.Abort()
		return nil, provider.Facts{}
	}
	began := provider.FactsOf(s, client)
	began.Local = local
	return f, began
}

// dial connects from the client's own address, where that is possible.
func (p *Published) dial(port *publicPort, client netip.AddrPort) (*stack.Flow, error) {
	ctx, cancel := context.WithTimeout(p.ctx, p.g.cfg.Limits.Answer)
	defer cancel()
	src, kept := p.source(client)
	if kept {
		f, err := p.pub.NIC.DialFlow(ctx, src, port.to)
		if !errors.Is(err, syscall.EADDRINUSE) { // the program has connected to where the client comes from
			return f, err
		}
		src = netip.AddrPortFrom(p.mask, 0)
	}
	p.Masked.Add(1)
	return p.pub.NIC.DialFlow(ctx, src, port.to)
}

// fillWhole queues b, for which a new connection has room.
func fillWhole(f *stack.Flow, b []byte) bool {
	if len(b) == 0 {
		return true
	}
	n, err := f.Fill(len(b), func(into []byte) (int, error) {
		n := copy(into, b)
		b = b[n:]
		return n, nil
	})
	return err == nil && len(b) == 0 && n > 0
}
