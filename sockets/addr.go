package sockets

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// network is what the first argument of net.Dial means.
type network struct {
	name          string // as given; net.OpError repeats it
	family        int32  // 0: both
	typ, protocol int32
}

var networks = map[string]network{
	"tcp":  {"tcp", 0, wsa.SOCK_STREAM, wsa.IPPROTO_TCP},
	"tcp4": {"tcp4", wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP},
	"tcp6": {"tcp6", wsa.AF_INET6, wsa.SOCK_STREAM, wsa.IPPROTO_TCP},
	"udp":  {"udp", 0, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP},
	"udp4": {"udp4", wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP},
	"udp6": {"udp6", wsa.AF_INET6, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP},

	"ip4:icmp":      {"ip4:icmp", wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_ICMP},
	"ip6:ipv6-icmp": {"ip6:ipv6-icmp", wsa.AF_INET6, wsa.SOCK_RAW, wsa.IPPROTO_ICMPV6},
}

func (n *network) over() transport {
	if n.typ == wsa.SOCK_STREAM {
		return stream
	}
	return datagram
}

// class is the network's name without the IP version, "ip" for raw ones.
func (n *network) class() string {
	switch {
	case n.typ == wsa.SOCK_RAW:
		return "ip"
	case n.typ == wsa.SOCK_STREAM:
		return "tcp"
	}
	return "udp"
}

// accepts reports that ip is of the network's family.
func (n *network) accepts(ip netip.Addr) bool { return n.family == 0 || familyOf(ip) == n.family }

// familyOf is the address family that ip is reached by: a v4-mapped address by IPv4.
func familyOf(ip netip.Addr) int32 {
	if ip.Unmap().Is4() {
		return wsa.AF_INET
	}
	return wsa.AF_INET6
}

// sockaddr is ap as a socket of the given family takes it: v4-mapped on a
// dual-stack socket, and plain on an IPv4 one. The zero Addr if the family
// cannot express it.
func sockaddr(family int32, ap netip.AddrPort) provider.Addr {
	ip := ap.Addr()
	switch {
	case family == wsa.AF_INET:
		ip = ip.Unmap()
		if !ip.Is4() {
			return provider.Addr{}
		}
	case ip.Is4():
		ip = netip.AddrFrom16(ip.As16())
	}
	return provider.AddrFrom(netip.AddrPortFrom(ip, ap.Port()))
}

// addrPort is a as Go has it, the scope as a zone.
func addrPort(a provider.Addr) netip.AddrPort {
	if a.Scope == 0 {
		return a.AddrPort
	}
	zone := strconv.FormatUint(uint64(a.Scope), 10)
	return netip.AddrPortFrom(a.Addr().WithZone(zone), a.Port())
}

// netAddr is ap as the type of net.Addr that users of the network expect; nil
// for none. A nil interface, not a nil pointer, so that callers can compare.
func (n *network) netAddr(ap netip.AddrPort) net.Addr {
	if !ap.IsValid() {
		return nil
	}
	switch n.class() {
	case "tcp":
		return net.TCPAddrFromAddrPort(ap)
	case "udp":
		return net.UDPAddrFromAddrPort(ap)
	}
	return &net.IPAddr{IP: ap.Addr().AsSlice(), Zone: ap.Addr().Zone()}
}

// fromNetAddr is the address in a, which may be of any of package net's types.
func fromNetAddr(a net.Addr) (netip.AddrPort, bool) {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort(), a != nil
	case *net.UDPAddr:
		return a.AddrPort(), a != nil
	case *net.IPAddr:
		ip, ok := netip.AddrFromSlice(a.IP)
		return netip.AddrPortFrom(ip.WithZone(a.Zone), 0), ok
	case nil:
		return netip.AddrPort{}, false
	}
	ap, err := netip.ParseAddrPort(a.String())
	return ap, err == nil
}
