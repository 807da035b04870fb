package gateway

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// ICMP errors reach the program as the network made them: type, code and MTU, from
// the router that found the fault, about the program's own packet. What we find
// ourselves comes from our address, as from any router.

// own says that ip is an address of ours on the link.
func (g *Gateway) own(ip netip.Addr) bool { return slices.Contains(g.cfg.Addrs, ip.Unmap()) }

// ownLike is our address of the family of ip; not valid if we have none.
func (g *Gateway) ownLike(ip netip.Addr) netip.Addr {
	for _, a := range g.cfg.Addrs {
		if a.Is4() == ip.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// ownAs is our address for an error about q.
func (g *Gateway) ownAs(q stack.Quote) netip.Addr {
	if src, ok := q.Source(); ok {
		return g.ownLike(src)
	}
	return netip.Addr{}
}

// expired answers a packet that has no hop left.
func (g *Gateway) expired(nic *stack.NIC, q stack.Quote) {
	g.Expired.Add(1)
	nic.SendUnreachableFrom(g.ownAs(q), q, stack.TimeExceeded)
}

// broadcast says that ip is everybody on the link.
func (g *Gateway) broadcast(ip netip.Addr) bool { return slices.Contains(g.everybody, ip) }

// broadcasts are the IPv4 broadcast addresses of nets (RFC 919); a network of two
// addresses has none (RFC 3021).
func broadcasts(nets []netip.Prefix) (all []netip.Addr) {
	for _, p := range nets {
		if !p.Addr().Is4() || p.Bits() > 30 {
			continue
		}
		b := p.Masked().Addr().As4()
		host := ^uint32(0) >> p.Bits()
		all = append(all, netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(b[:])|host))))
	}
	return all
}

// complain passes an ICMP error that the host received on to the program. A
// base that cannot tell whose it was gives no address; it is not passed on.
func (a *association) complain(to netip.AddrPort, e wsa.Errno, icmp provider.ICMPError) {
	to = unmap(to)
	if a.key.protocol != wsa.IPPROTO_UDP {
		to = netip.AddrPortFrom(to.Addr(), 0)
	}
	quote, ok := a.peers.quote(to)
	if !ok {
		return
	}
	if q := icmp.Quoted; a.key.protocol != wsa.IPPROTO_UDP && (q[0] == echoRequest4 || q[0] == echoRequest6) {
		quote = quote.WithSeq(binary.BigEndian.Uint16(q[6:]))
	}
	report, ok := a.report(quote, to.Addr(), e, icmp)
	t := fateOf(e)
	if !ok && (t.silent || e == wsa.EMSGSIZE) {
		return
	}
	a.g.UDPErrors.Add(1)
	if ok {
		a.key.nic.SendICMPError(quote, report)
		return
	}
	a.key.nic.SendUnreachableFrom(report.From, quote, t.unreachable)
}

// report is the error as its finder made it; false if that is not known, or in the
// other family's numbers: then the code has to do.
func (a *association) report(quote stack.Quote, to netip.Addr, e wsa.Errno, icmp provider.ICMPError) (r stack.ICMPError, ok bool) {
	src := a.key.src.Addr().Unmap()
	r, ok = a.g.report(src, to, quote.Destination(), icmp)
	if e == wsa.EMSGSIZE { // maybe our own kernel's, which has no type
		r.Type, r.Code = 3, 4 // RFC 1191, 4
		if src.Is6() {
			r.Type, r.Code = 2, 0 // RFC 4443, 3.2
		}
		return r, ok && icmp.MTU != 0
	}
	return r, ok && r.Type != 0
}

// report is icmp, drawn by a packet of ours to to, about the packet of the program from
// src to dst: false if it is in the other family's numbers.
func (g *Gateway) report(src, to, dst netip.Addr, icmp provider.ICMPError) (r stack.ICMPError, ok bool) {
	r = stack.ICMPError{From: g.ownLike(src), Type: icmp.Type, Code: icmp.Code, MTU: icmp.MTU}
	switch {
	case to.Is4() != src.Is4():
		return r, false
	case icmp.From == to && dst.IsValid():
		r.From = dst // by the name that the program has for it
	case icmp.From.IsValid() && !closed(icmp.From) && !icmp.From.IsLinkLocalUnicast():
		r.From = icmp.From
	}
	return r, true
}

var _ stack.Refuser = (*Gateway)(nil)

// Refused implements stack.Refuser: the program has closed the port that src
// answers to. So is ours, and the kernel answers for us; that is the only way in
// which a socket can say so. What was meant for another program that has just taken
// the port is lost, as behind any NAT.
func (g *Gateway) Refused(nic *stack.NIC, _, dst netip.AddrPort) {
	if g.dgram.refused(nic, dst) {
		g.UDPRefused.Add(1)
	}
}

// refused ends what guest has; false if that is nothing.
func (all *associations) refused(nic *stack.NIC, guest netip.AddrPort) (any bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for key, a := range all.byKey {
		if key.nic == nic && key.src == guest && key.protocol == wsa.IPPROTO_UDP {
			all.forget(a)
			any = true
		}
	}
	return any
}
