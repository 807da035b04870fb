//go:build linux

package run

import (
	"fmt"
	"net/netip"
	"strings"
)

// network is the link between the program and us: its first hosts, as
// slirp4netns has them.
type network struct {
	program []netip.Prefix // .100, with the length of the subnet
	gateway []netip.Addr   // .2, one for each of program
	dns     []netip.Addr   // .3, likewise
}

const (
	hostGateway = 2
	hostDNS     = 3
	hostProgram = 100
)

// Nets are the networks of which those of a family not given are taken.
var Nets = []netip.Prefix{netip.MustParsePrefix("10.0.2.0/24"), netip.MustParsePrefix("fd00::/64")}

// GatewayAddrs are our addresses on the networks of Nets, dns those of the name service.
func GatewayAddrs() (all, dns []netip.Addr) {
	n, err := layout(nil)
	if err != nil {
		panic(err) // Nets are constants that layout takes: TestLayout
	}
	return append(n.gateway, n.dns...), n.dns
}

// layout places the hosts in nets, one network a family.
func layout(nets []netip.Prefix) (network, error) {
	var n network
	families := map[bool]netip.Prefix{}
	for _, p := range nets {
		if before, twice := families[p.Addr().Is4()]; twice {
			return n, fmt.Errorf("--net %s: there is %s of that family already; give one IPv4 and one IPv6 network", p, before)
		}
		families[p.Addr().Is4()] = p
	}
	for _, p := range Nets {
		if given, ok := families[p.Addr().Is4()]; ok {
			p = given
		}
		if err := n.add(p.Masked()); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (n *network) add(p netip.Prefix) error {
	a := p.Addr()
	switch {
	case a.Is4In6() || a.IsLoopback() || a.IsMulticast() || a.IsUnspecified():
		return fmt.Errorf("--net %s: not a network that hosts can be in; try %s", p, Nets[0])
	case a.BitLen()-p.Bits() < 7:
		return fmt.Errorf("--net %s: too small: the program is host %d of it, so it has to be a /%d or larger", p, hostProgram, a.BitLen()-7)
	}
	n.program = append(n.program, netip.PrefixFrom(host(a, hostProgram), p.Bits()))
	n.gateway = append(n.gateway, host(a, hostGateway))
	n.dns = append(n.dns, host(a, hostDNS))
	return nil
}

// host is the address i after a, which ends in seven zero bits.
func host(a netip.Addr, i byte) netip.Addr {
	b := a.AsSlice()
	b[len(b)-1] |= i
	h, _ := netip.AddrFromSlice(b)
	return h
}

// resolvConf is what the program finds in /etc/resolv.conf: our name service
// and keep, a search list and options. Without a name service no server is
// named, and the C library asks 127.0.0.1 inside, where nobody answers.
func (n *network) resolvConf(keep []string, off bool) string {
	var b strings.Builder
	b.WriteString("# netnsd\n")
	if off {
		b.WriteString("# no name service (--dns off)\n")
		return b.String()
	}
	fmt.Fprintf(&b, "nameserver %s\n", n.dns[0])
	for _, line := range keep {
		b.WriteString(line + "\n")
	}
	return b.String()
}
