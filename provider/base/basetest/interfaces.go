package basetest

import (
	"net/netip"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var (
	_ base.Interfacer = (*Host)(nil)
	_ base.Interfacer = (*Network)(nil)
)

// Indexes of a host's two interfaces: "lo", and "eth0", which has the host's
// addresses, IPv4's with a prefix of 24 bits and IPv6's with one of 64.
const (
	Loopback = 1
	Ethernet = 2
)

// Interfaces are lo and eth0.
func (h *Host) Interfaces() ([]base.Interface, wsa.Errno) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if h.n.down {
		return nil, wsa.ENETDOWN
	}
	eth := base.Interface{Index: Ethernet, Name: "eth0", MTU: 1500, Flags: wsa.IFF_UP | wsa.IFF_BROADCAST | wsa.IFF_MULTICAST}
	for _, a := range h.addrs {
		bits := 64
		if a.Is4() {
			bits = 24
		}
		eth.Addrs = append(eth.Addrs, netip.PrefixFrom(a, bits))
	}
	return []base.Interface{
		{Index: Loopback, Name: "lo", MTU: 65536, Flags: wsa.IFF_UP | wsa.IFF_LOOPBACK | wsa.IFF_MULTICAST,
			Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
		eth,
	}, 0
}

// Route is over lo to the host's own addresses, else over eth0. What never answers
// has a route nevertheless.
func (h *Host) Route(to provider.Addr) (from provider.Addr, index uint32, e wsa.Errno) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	dest := plain(to).Addr()
	if _, e := h.route(dest); e != 0 && e != wsa.EWOULDBLOCK && e != wsa.EHOSTUNREACH {
		return from, 0, e
	}
	index = Ethernet
	if h.owns(dest) {
		index = Loopback
	}
	return sockaddr(to.Family, netip.AddrPortFrom(h.source(dest), 0)), index, 0
}

// Changes has f called by SetAddrs, the network's lock held.
func (h *Host) Changes(f func(wsa.Events)) (stop func(), e wsa.Errno) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if h.n.down {
		return nil, wsa.ENETDOWN
	}
	own := &f
	h.told = append(h.told, own)
	return func() {
		h.n.mu.Lock()
		defer h.n.mu.Unlock()
		h.told = slices.DeleteFunc(h.told, func(g *func(wsa.Events)) bool { return g == own })
	}, 0
}

// Listeners is how many Changes are not stopped: 0 after a test that closed all.
func (h *Host) Listeners() int {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	return len(h.told)
}

// SetAddrs gives the host other addresses and tells so. Endpoints that are bound to
// one that is gone keep it.
func (h *Host) SetAddrs(addrs ...netip.Addr) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.addrs = addrs
	for _, f := range h.told {
		(*f)(wsa.FD_ADDRESS_LIST_CHANGE | wsa.FD_ROUTING_INTERFACE_CHANGE)
	}
}

// Self is the network's own host.
func (n *Network) Self() *Host { return n.self }

// Interfaces are those of the network's own host.
func (n *Network) Interfaces() ([]base.Interface, wsa.Errno) { return n.self.Interfaces() }

// Route is that of the network's own host.
func (n *Network) Route(to provider.Addr) (provider.Addr, uint32, wsa.Errno) { return n.self.Route(to) }

// Changes are those of the network's own host.
func (n *Network) Changes(f func(wsa.Events)) (func(), wsa.Errno) { return n.self.Changes(f) }
