package stack

import (
	"maps"
	"net/netip"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// A Route sends what goes to Dest out of NIC; Via is the next hop and matters
// on a TAP only. The longest prefix wins.
type Route struct {
	Dest netip.Prefix
	Via  netip.Addr
	NIC  *NIC
}

// groupPrefixes are what is left to groups (RFC 5771, RFC 4291 2.7).
var groupPrefixes = [...]netip.Prefix{netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("ff00::/8")}

var loopbackPrefixes = [...]netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}

// SetRoutes replaces the routes. The loopback's and those to the prefixes of
// every NIC's addresses exist besides and need not be named. So does a route to all
// groups over every NIC, as on Windows; the first is that of a default route, else of
// the oldest NIC, the loopback is last. Routes over a closed NIC are ignored.
func (s *Stack) SetRoutes(routes []Route) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.routes = append([]Route(nil), routes...)
	s.applyRoutes()
}

// applyRoutes hands the table to gVisor, which sorts it by prefix length and
// keeps our order among equals: named routes come before connected ones.
// Called with mu held.
func (s *Stack) applyRoutes() {
	var table []tcpip.Route
	nics := *s.nics.Load()
	for _, r := range s.routes {
		if r.NIC != nil && nics[r.NIC.id] == r.NIC {
			table = append(table, tcpip.Route{Destination: toSubnet(r.Dest), Gateway: ToAddress(r.Via), NIC: r.NIC.id})
		}
	}
	for _, n := range nics {
		for _, p := range n.addrs {
			table = append(table, tcpip.Route{Destination: toSubnet(p), NIC: n.id})
		}
	}
	for _, p := range loopbackPrefixes {
		table = append(table, tcpip.Route{Destination: toSubnet(p), NIC: loopbackNIC})
	}
	table = append(table, s.groupRoutes(table)...)
	s.tcpip.SetRouteTable(table)
	s.setRTO() // cannot fail: New has set the same options
	s.tell()
}

// groupRoutes are the routes to groups over every NIC, in order of preference. table
// is what was named and what follows from addresses.
func (s *Stack) groupRoutes(table []tcpip.Route) (routes []tcpip.Route) {
	all := append(slices.Sorted(maps.Keys(*s.nics.Load())), loopbackNIC)
	for _, p := range groupPrefixes {
		to := toSubnet(p)
		for _, r := range table {
			if d, g := r.Destination.ID(), to.ID(); r.Destination.Prefix() == 0 && d.Len() == g.Len() {
				routes = append(routes, tcpip.Route{Destination: to, NIC: r.NIC})
			}
		}
		for _, id := range all {
			routes = append(routes, tcpip.Route{Destination: to, NIC: id})
		}
	}
	return routes
}
