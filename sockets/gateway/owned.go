package gateway

import (
	"net/netip"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// ownerFresh is how long an answer is good for about whose datagrams come from a
// port. What goes by a short cut is judged again as often.
const ownerFresh = time.Second

// owned is an origin and whom to ask about it, in one piece of memory.
type owned struct {
	origin provider.Origin
	owner  provider.Owner
}

// owned is origin for a flow that a socket of the guest's has begun, which calls
// dst to.
func (g *Gateway) owned(protocol int32, src, dst, to netip.AddrPort) *provider.Origin {
	if g.cfg.Owners == nil {
		return g.origin(src, dst)
	}
	o := &owned{owner: provider.Owner{Owners: g.cfg.Owners, Protocol: protocol, Local: src, Remote: to}}
	if protocol != wsa.IPPROTO_TCP {
		o.owner.Fresh = ownerFresh
	}
	o.origin.Owner = &o.owner
	return g.fill(&o.origin, src, dst)
}

// protocolOf is that of a query to the name service.
func protocolOf(network string) int32 {
	if network == "tcp" {
		return wsa.IPPROTO_TCP
	}
	return wsa.IPPROTO_UDP
}
