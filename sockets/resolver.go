package sockets

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Resolver looks names up at the session's DNS servers, through the session. It
// is Go's own resolver, so names of the host's /etc/hosts are found too, and
// number of tries and time-out are those of the host's /etc/resolv.conf.
func (s *Session) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: s.dialDNS}
}

var errNoDNS = errors.New("sockets: no DNS server: set Config.DNS")

// dialDNS puts the session's servers, in turn, in the place of the host's.
func (s *Session) dialDNS(ctx context.Context, network, _ string) (net.Conn, error) {
	if len(s.cfg.DNS) == 0 {
		return nil, errNoDNS
	}
	i := int(s.nextDNS.Add(1)-1) % len(s.cfg.DNS)
	return s.DialContext(ctx, network, s.cfg.DNS[i].String())
}

// target finds the addresses that address stands for. For a listener no host is
// the wildcard, which has no address; for a dial it is the local system, as is a
// wildcard written out.
func (s *Session) target(ctx context.Context, n *network, address string, listen bool) (target, error) {
	host, port, err := s.split(ctx, n, address)
	if err != nil {
		return target{}, err
	}
	if host == "" {
		if listen {
			return target{addrs: []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, port)}}, nil
		}
		return n.target("", port, loopback(n))
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsUnspecified() && !listen {
			return n.target("", port, loopback(&network{family: familyOf(ip)}))
		}
		return n.target("", port, []netip.Addr{ip})
	}
	ips, err := s.lookup(ctx, n, host)
	if err != nil {
		return target{}, err
	}
	return n.target(host, port, ips)
}

func (n *network) target(name string, port uint16, ips []netip.Addr) (target, error) {
	t := target{name: name}
	for _, ip := range ips {
		if n.accepts(ip) {
			t.addrs = append(t.addrs, netip.AddrPortFrom(ip, port))
		}
	}
	if len(t.addrs) == 0 {
		return t, &net.AddrError{Err: errNoAddress.Error(), Addr: name}
	}
	return t, nil
}

// split divides address into host and port; one of package ip has no port.
func (s *Session) split(ctx context.Context, n *network, address string) (host string, port uint16, err error) {
	if n.typ == wsa.SOCK_RAW {
		return address, 0, nil
	}
	if address == "" {
		return "", 0, &net.AddrError{Err: "missing address"}
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	number, err := net.DefaultResolver.LookupPort(ctx, n.name, service) // a file, no network
	return host, uint16(number), err
}

// lookup finds the addresses of a name. It is taken as a full one: the search
// list of the host's network means nothing in this one.
func (s *Session) lookup(ctx context.Context, n *network, host string) ([]netip.Addr, error) {
	full := strings.TrimSuffix(host, ".")
	if full == "localhost" || strings.HasSuffix(full, ".localhost") { // RFC 6761 section 6.3: never asked for
		return loopback(n), nil
	}
	if len(s.cfg.DNS) == 0 {
		return nil, &net.DNSError{Err: errNoDNS.Error(), Name: host}
	}
	family := map[int32]string{0: "ip", wsa.AF_INET: "ip4", wsa.AF_INET6: "ip6"}[n.family]
	ips, err := s.Resolver().LookupNetIP(ctx, family, full+".")
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	// Go's resolver has sorted by the routes of the host's network (RFC 6724),
	// which say nothing about this one. A family that this one lacks is refused by
	// the provider at once, and the other tried.
	slices.SortStableFunc(ips, func(a, b netip.Addr) int { return b.BitLen() - a.BitLen() })
	return ips, err
}

// loopback is the local system, IPv6 first as RFC 6724 has it.
func loopback(n *network) []netip.Addr {
	return slices.DeleteFunc([]netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, func(ip netip.Addr) bool { return !n.accepts(ip) })
}
