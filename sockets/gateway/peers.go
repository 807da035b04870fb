package gateway

import (
	"net/netip"
	"sync"

	"github.com/netnsd/netnsd/stack"
)

// peers are the destinations that an association's allowed sends have named:
// who may answer, under which address the guest knows them, and a packet to
// quote in an ICMP error. When it is full, who was spoken to least lately goes.
type peers struct {
	max int

	mu    sync.Mutex
	clock uint64
	all   map[netip.AddrPort]*peer
	hosts map[netip.Addr]host
}

type peer struct {
	quote stack.Quote
	used  uint64
}

// host is an address with at least one peer.
type host struct {
	peers int
	as    netip.Addr // what the guest called it
}

func newPeers(max int) *peers {
	return &peers{max: max, all: make(map[netip.AddrPort]*peer), hosts: make(map[netip.Addr]host)}
}

// speaksTo notes a send to dst, which the guest knows as as, before it is made:
// an answer may be here before the send returns. fresh says that dst was not
// known; if the send fails, such a one is taken back with unspoken.
func (p *peers) speaksTo(dst netip.AddrPort, as netip.Addr, quote func() stack.Quote) (fresh bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock++
	if known := p.all[dst]; known != nil {
		known.used = p.clock
		return false
	}
	if len(p.all) >= p.max {
		p.dropOldest()
	}
	p.all[dst] = &peer{quote(), p.clock}
	h := p.hosts[dst.Addr()]
	p.hosts[dst.Addr()] = host{h.peers + 1, as}
	return true
}

func (p *peers) unspoken(dst netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(dst)
}

func (p *peers) dropOldest() {
	var oldest netip.AddrPort
	least := ^uint64(0)
	for at, known := range p.all {
		if known.used < least {
			oldest, least = at, known.used
		}
	}
	p.drop(oldest)
}

func (p *peers) drop(at netip.AddrPort) {
	if p.all[at] == nil {
		return
	}
	delete(p.all, at)
	h := p.hosts[at.Addr()]
	if h.peers--; h.peers == 0 {
		delete(p.hosts, at.Addr())
	} else {
		p.hosts[at.Addr()] = h
	}
}

// known is what the guest calls the host at ip; ok is false for one that no
// allowed send has named.
func (p *peers) known(ip netip.Addr) (as netip.Addr, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.hosts[ip]
	return h.as, ok
}

// quote is a packet of the guest's to at. A ping's errors name no port.
func (p *peers) quote(at netip.AddrPort) (stack.Quote, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.all[at]; known != nil {
		return known.quote, true
	}
	return stack.Quote{}, false
}
