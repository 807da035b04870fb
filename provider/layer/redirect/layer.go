package redirect

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Config is what is redirected. The first rule that matches holds.
type Config struct{ Rules []Rule }

// A Layer redirects. It is immutable and safe for concurrent use.
type Layer struct{ rules []Rule }

var _ provider.Layer = (*Layer)(nil)

// New makes a layer. The errors are a Config without rules, a zero Rule, and a rule
// that never holds because one before it is about the same and leads to the same family.
func New(c Config) (*Layer, error) {
	if len(c.Rules) == 0 {
		return nil, fmt.Errorf("redirect: there are no rules")
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		if r.host.kind == nobody || !r.to.Addr().IsValid() {
			return nil, fmt.Errorf("redirect: rule %d is empty; get rules from ParseRule", i+1)
		}
		for j := range i {
			if before := &c.Rules[j]; before.asked() == r.asked() && before.to.Addr().Is4() == r.to.Addr().Is4() {
				return nil, fmt.Errorf("redirect: rule %d (%s) never holds: rule %d (%s) comes first", i+1, r, j+1, before)
			}
		}
	}
	return &Layer{slices.Clone(c.Rules)}, nil
}

// Rules are the layer's, in order.
func (l *Layer) Rules() []Rule { return slices.Clone(l.rules) }

// Startup implements provider.Layer.
func (l *Layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	p := protoOf(r.Info.SocketType, r.Info.Protocol)
	if p == either || !slices.ContainsFunc(l.rules, func(r Rule) bool { return r.proto == either || r.proto == p }) {
		return provider.ProcTable{}, 0
	}
	r.ChangesDestination()
	i := &instance{rules: l.rules, next: next, slot: provider.NewSlot[flow](r)}
	t := provider.ProcTable{
		WSPSocket:      i.socket,
		WSPAccept:      next.WSPAccept, // what is accepted was not redirected
		WSPJoinLeaf:    next.WSPJoinLeaf,
		WSPConnect:     i.connect,
		WSPGetPeerName: i.peerName,
		WSPGetSockOpt:  i.getSockOpt,
	}
	if p == udp {
		t.WSPRecv, t.WSPRecvFrom = i.appearing(next.WSPRecv), i.appearing(next.WSPRecvFrom)
		t.WSPSend, t.WSPSendTo = i.appearing(next.WSPSend), i.sendTo
	}
	return t, 0
}

// protoOf is either for what is not redirected: ping and raw sockets.
func protoOf(typ, protocol int32) proto {
	switch {
	case typ == wsa.SOCK_STREAM && protocol == wsa.IPPROTO_TCP:
		return tcp
	case typ == wsa.SOCK_DGRAM && protocol == wsa.IPPROTO_UDP:
		return udp
	}
	return either
}

// instance is the layer in one chain.
type instance struct {
	rules []Rule
	next  *provider.ProcTable
	slot  provider.Slot[flow]
}

// destination is where a socket that asks for to is led, to itself if no rule matches.
// ENETUNREACH: rules match, and lead to the other address family.
func (i *instance) destination(s *provider.Socket, to provider.Addr) (provider.Addr, wsa.Errno) {
	p := protoOf(s.Type, s.Protocol)
	if p == either || !to.Addr().IsValid() || to.Family != wsa.AF_INET && to.Family != wsa.AF_INET6 {
		return to, 0
	}
	var names []string
	ip, asked, other := to.Addr().Unmap(), false, false
	for k := range i.rules {
		r := &i.rules[k]
		if !r.service(p, to.Port()) {
			continue
		}
		if r.host.named() && !asked {
			names, asked = s.Origin.NamesOf(ip), true
		}
		switch {
		case !r.host.has(ip) && !slices.ContainsFunc(names, r.host.hasName):
		case r.to.Addr().Is4() != ip.Is4():
			other = true
		default:
			return r.leads(to), 0
		}
	}
	if other {
		return to, wsa.ENETUNREACH
	}
	return to, 0
}

// leads is where the rule leads to's connections, as a sockaddr of the same family.
func (r *Rule) leads(to provider.Addr) provider.Addr {
	ip, port := r.to.Addr(), r.to.Port()
	if port == 0 {
		port = to.Port()
	}
	if to.Addr().Is4In6() {
		ip = netip.AddrFrom16(ip.As16())
	}
	return provider.Addr{AddrPort: netip.AddrPortFrom(ip, port), Family: to.Family}
}

// Contract implements provider.Contracted: rules are about where the application goes,
// and not about where it is led.
func (*Layer) Contract() provider.Contract {
	return provider.Contract{Kind: "redirect", Categories: wsa.LSP_REDIRECTOR, After: []string{"firewall", "sni"}}
}
