//go:build linux

package daemon

import (
	"net/netip"
	"os"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
)

// Hosts of an attachment's network, as run has them.
const (
	hostGateway = 2
	hostDNS     = 3
)

// link is what a device inside is given: our own addresses are not on it, all that
// leaves it is ours.
type link struct {
	addrs   []netip.Prefix // the program's
	gateway []netip.Addr   // one for each of addrs
	dns     []netip.Addr   // likewise
	routes  []netip.Prefix
}

func layout(n config.Network) (l link) {
	for _, p := range []netip.Prefix{n.IPv4.Prefix, n.IPv6.Prefix} {
		if !p.IsValid() {
			continue
		}
		l.addrs = append(l.addrs, p)
		l.gateway = append(l.gateway, hostOf(p, hostGateway))
		l.dns = append(l.dns, hostOf(p, hostDNS))
	}
	for _, r := range n.Routes {
		l.routes = append(l.routes, r.Prefix)
	}
	return l
}

// hostOf is host i of p's network.
func hostOf(p netip.Prefix, i byte) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	b[len(b)-1] |= i
	a, _ := netip.AddrFromSlice(b)
	return a
}

// place is the device of c, and the namespace it is in if that has no path.
func (l link) place(c config.Attachment) (p opener.Place, netns *os.File, err error) {
	i := c.Interface
	p = opener.Place{
		For: c.Name, Netns: netnsPath(c.Netns), Name: i.Name, TAP: i.Mode == config.ModeTAP, MTU: i.MTU, Persist: i.Persist,
		Addrs: l.addrs, Gateways: l.gateway, Routes: l.routes,
	}
	if p.Netns == "" {
		netns, err = netnsFile(c.Netns)
	}
	return p, netns, err
}
