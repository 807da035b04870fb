package gateway

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// A Publication is a port of this host, or a range of them, that leads inside.
type Publication struct {
	// NIC is behind which the program is.
	NIC *stack.NIC
	// Protocol is wsa.IPPROTO_TCP or wsa.IPPROTO_UDP.
	Protocol int32
	// Listen is where this host listens: the first port. An unspecified address is
	// all of its family (::, too, is IPv6 alone). Port 0 is a free one, for one port.
	Listen netip.AddrPort
	// To is where it leads inside: the first port. The family may be the other one.
	To netip.AddrPort
	// Ports is how many follow each other; 0 is one.
	Ports int
	// Proxy tells the program who the client is, at the start of each connection or,
	// of UDP, datagram.
	Proxy ProxyProtocol
}

// Publish opens the ports of pub on sockets of the chain: all of them, or none and
// an error. The chain's layers are asked whether to listen (OpListen), and about each
// client (OpAccept). It blocks for the chain's building only. The caller closes what
// is published, or the gateway's Close does.
//
// Errors, besides what the chain and the host's kernel say (EACCES, EADDRINUSE,
// EADDRNOTAVAIL …, as wsa.Errno): EINVAL for a Publication that cannot be,
// net.ErrClosed, that of ctx.
func (g *Gateway) Publish(ctx context.Context, pub Publication) (*Published, error) {
	p, err := g.publish(ctx, pub)
	if err != nil {
		return nil, fmt.Errorf("gateway: publish %s: %w", pub, err)
	}
	return p, nil
}

func (g *Gateway) publish(ctx context.Context, pub Publication) (*Published, error) {
	mask, err := g.checked(&pub)
	if err != nil {
		return nil, err
	}
	if !g.enter() {
		return nil, net.ErrClosed
	}
	p := newPublished(g, pub, mask)
	for i := range pub.Ports {
		if err = ctx.Err(); err != nil {
			break
		}
		if err = p.open(i); err != nil {
			break
		}
	}
	if err == nil {
		if p.start(); !g.keep(p) {
			err = net.ErrClosed
		}
	}
	if err != nil {
		p.shut()
		g.running.Done()
		return nil, err
	}
	return p, nil
}

// keep makes p one that Close closes; false once that has begun.
func (g *Gateway) keep(p *Published) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if g.published == nil {
		g.published = make(map[*Published]struct{})
	}
	g.published[p] = struct{}{}
	return true
}

// Published are the publications that stand, in no order.
func (g *Gateway) Published() []*Published {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.published))
}

var (
	errNowhere = fmt.Errorf("there is no NIC for it: %w", wsa.EINVAL)
	errAny     = fmt.Errorf("any free port is one port: %w", wsa.EINVAL)
	errProxy   = fmt.Errorf("PROXY protocol v1 knows no UDP; v2 does: %w", wsa.EINVAL)
)

// checked completes pub. mask is the address that clients have inside whose own
// cannot be used there.
func (g *Gateway) checked(pub *Publication) (mask netip.Addr, err error) {
	pub.To = unmap(pub.To)
	if a := pub.Listen.Addr(); a.Is4In6() {
		pub.Listen = unmap(pub.Listen)
	}
	if pub.Ports == 0 {
		pub.Ports = 1
	}
	to := pub.To.Addr()
	switch {
	case pub.NIC == nil:
		return mask, errNowhere
	case pub.Protocol != wsa.IPPROTO_TCP && pub.Protocol != wsa.IPPROTO_UDP:
		return mask, wsa.EPROTONOSUPPORT
	case !pub.Listen.Addr().IsValid(), pub.Listen.Addr().Zone() != "", !to.IsValid(), to.Zone() != "", closed(to), pub.To.Port() == 0, pub.Proxy > ProxyV2:
		return mask, wsa.EINVAL
	case pub.Ports < 0, int(pub.Listen.Port())+pub.Ports > 1<<16, int(pub.To.Port())+pub.Ports > 1<<16:
		return mask, fmt.Errorf("ports end at 65535: %w", wsa.EINVAL)
	case pub.Listen.Port() == 0 && pub.Ports > 1:
		return mask, errAny
	case pub.Proxy == ProxyV1 && pub.Protocol != wsa.IPPROTO_TCP:
		return mask, errProxy
	}
	for _, a := range g.cfg.Addrs {
		if a.Is4() == to.Is4() {
			return a, nil
		}
	}
	return mask, fmt.Errorf("the gateway has no address of the family of %s: %w", to, wsa.EADDRNOTAVAIL)
}

// String is tcp 127.0.0.1:8080 to 10.0.2.100:80.
func (pub Publication) String() string {
	return fmt.Sprintf("%s %s to %s", wsa.ProtocolName(pub.Protocol), portsFrom(pub.Listen, pub.Ports), portsFrom(pub.To, pub.Ports))
}

func portsFrom(a netip.AddrPort, n int) string {
	if n <= 1 {
		return a.String()
	}
	return fmt.Sprintf("%s-%d", a, int(a.Port())+n-1)
}

// open opens port i.
func (p *Published) open(i int) error {
	at := netip.AddrPortFrom(p.pub.Listen.Addr(), p.pub.Listen.Port()+uint16(i))
	to := netip.AddrPortFrom(p.pub.To.Addr(), p.pub.To.Port()+uint16(i))
	typ := wsa.SOCK_STREAM
	if p.pub.Protocol == wsa.IPPROTO_UDP {
		typ = wsa.SOCK_DGRAM
	}
	// Who listens is the program; where to is not known.
	o := p.g.origin(to, netip.AddrPort{})
	s, err := p.g.cfg.Session.Socket(&provider.SocketRequest{
		AF: family(at.Addr()), Type: typ, Protocol: p.pub.Protocol, Flags: wsa.WSA_FLAG_OVERLAPPED, Origin: o,
	})
	if err != nil {
		return err
	}
	if typ == wsa.SOCK_DGRAM {
		s.Vouch() // see answer
	}
	port := &publicPort{p: p, s: s, t: &s.Chain().Table, to: to}
	e := port.listen(provider.AddrFrom(at))
	if e == 0 {
		p.ports = append(p.ports, port)
		return nil
	}
	v := s.Verdict()
	port.t.WSPCloseSocket(s, provider.CloseAbort)
	if v != nil && v.Denied() && v.Errno == e {
		return fmt.Errorf("port %d: %s: %w", at.Port(), v, e)
	}
	return fmt.Errorf("port %d: %w", at.Port(), e)
}

// backlog is how many connections wait in the kernel of this host to be accepted:
// as many as it allows (net.core.somaxconn, 4096).
const backlog = 4096

func (port *publicPort) listen(at provider.Addr) (e wsa.Errno) {
	if e = port.t.WSPBind(port.s, at); e != 0 {
		return e
	}
	if port.at, e = port.t.WSPGetSockName(port.s); e != 0 {
		return e
	}
	if port.p.pub.Protocol == wsa.IPPROTO_TCP {
		return port.t.WSPListen(port.s, backlog)
	}
	// Nothing listens for datagrams; the layers are asked all the same.
	f := provider.FactsOf(port.s, provider.Addr{})
	f.Local = port.at
	v := port.s.Judge(f, provider.OpListen)
	port.s.Chain().Witness(f, provider.OpListen, v)
	if v.Denied() {
		return v.Errno
	}
	port.t.WSPSetSockOpt(port.s, wsa.SOL_SOCKET, wsa.SO_RCVBUF, receiveBuffer[:])
	return 0
}
