package gateway

import (
	"maps"
	"net/netip"
	"slices"
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

// speaksTo notes a send of p before it is made: an answer may be here before the
// send returns. fresh says that the destination was not known; if the send fails,
// such a one is taken back with unspoken.
func (ps *peers) speaksTo(p *pair, quote func() stack.Quote) (spoken *peer, fresh bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.clock++
	if known := ps.all[p.to.AddrPort]; known != nil {
		known.used = ps.clock
		return known, false
	}
	spoken = &peer{quote: quote()}
	ps.add(p, spoken)
	return spoken, true
}

// speaksOn is speaksTo for those who have spoken lately, in the order in which
// they do.
func (ps *peers) speaksOn(pairs []*pair) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var last *pair
	for _, p := range pairs {
		if p == last {
			continue
		}
		last = p
		ps.clock++
		if known := ps.all[p.to.AddrPort]; known != nil {
			known.used = ps.clock
		} else {
			ps.add(p, p.peer.Load())
		}
	}
}

func (ps *peers) add(p *pair, known *peer) {
	if ps.all == nil {
		ps.all, ps.hosts = make(map[netip.AddrPort]*peer), make(map[netip.Addr]host)
	}
	if len(ps.all) >= ps.max {
		ps.dropOldest()
	}
	known.used = ps.clock
	ps.all[p.to.AddrPort] = known
	h := ps.hosts[p.to.Addr()]
	ps.hosts[p.to.Addr()] = host{h.peers + 1, p.key.dst.Addr().Unmap()}
}

func (ps *peers) unspoken(dst netip.AddrPort) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.drop(dst)
}

func (ps *peers) dropOldest() {
	var oldest netip.AddrPort
	least := ^uint64(0)
	for at, known := range ps.all {
		if known.used < least {
			oldest, least = at, known.used
		}
	}
	ps.drop(oldest)
}

// lately is whom the guest has spoken to last at ip.
func (ps *peers) lately(ip netip.Addr) (at netip.AddrPort) {
	most := uint64(0)
	for p, known := range ps.all {
		if p.Addr() == ip && known.used >= most {
			at, most = p, known.used
		}
	}
	return at
}

func (ps *peers) drop(at netip.AddrPort) {
	if ps.all[at] == nil {
		return
	}
	delete(ps.all, at)
	h := ps.hosts[at.Addr()]
	if h.peers--; h.peers == 0 {
		delete(ps.hosts, at.Addr())
	} else {
		ps.hosts[at.Addr()] = h
	}
}

// known is what the guest calls the host at ip; ok is false for one that no
// allowed send has named.
func (ps *peers) known(ip netip.Addr) (as netip.Addr, ok bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	h, ok := ps.hosts[ip]
	return h.as, ok
}

// quote is a packet of the guest's to at. A ping's errors name no port, and Linux
// names none where a datagram over IPv4 was too long for itself: any of that host is
// quoted then, as a path MTU is the host's.
func (ps *peers) quote(at netip.AddrPort) (stack.Quote, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if at.Port() == 0 && ps.all[at] == nil {
		at = ps.lately(at.Addr())
	}
	if known := ps.all[at]; known != nil {
		return known.quote, true
	}
	return stack.Quote{}, false
}

// list are those who may answer.
func (ps *peers) list() []netip.AddrPort {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return slices.Collect(maps.Keys(ps.all))
}
