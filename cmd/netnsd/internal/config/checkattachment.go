package config

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/sockets/gateway/dns"
)

// Limits of a link: below 1280 there is no IPv6, above 65520 a packet does not fit
// the vnet header's 16 bits with its Ethernet header.
const (
	minMTU = 1280
	maxMTU = 65520
)

// maxPublished bounds the ports of one publication, of which each is a socket of the
// host, or two.
const maxPublished = 4096

// UpstreamSystem stands for the servers of this host's resolv.conf.
const UpstreamSystem = "system"

// ProxyProtocol of a publication.
const (
	ProxyOff = "none"
	ProxyV1  = "v1"
	ProxyV2  = "v2"
)

// alone checks what needs no other part of the configuration.
func (c *checker) alone(path string, a Attachment) {
	c.netns(below(path, "netns"), a.Netns)
	c.settings(path, a.Settings)
	for i, p := range a.Publish {
		at := item(below(path, "publish"), i)
		c.publish(at, p)
		c.inside(below(at, "to"), a.Network, p)
	}
}

// chains checks which chains the sockets of a take.
func (c *checker) chains(path string, a Attachment) {
	c.selections(below(path, "select"), a.Select)
	own := slices.ContainsFunc(a.Select, Selection.matchesAll)
	general := slices.ContainsFunc(c.Catalog.Select, Selection.matchesAll)
	switch {
	case a.Chain != "":
		c.chainNamed(below(path, "chain"), a.Chain)
		if own {
			c.wrong(below(path, "chain"), "this chain is never taken: the last of select matches everything")
		}
	case !own && !general:
		c.wrong(path, "not every socket of %s finds a chain: name one with chain, or end catalog.select with one that has no conditions", a.Name)
	}
}

func (c *checker) netns(path string, n Netns) {
	given := 0
	for _, is := range []bool{n.Name != "", n.Path != "", n.PID != 0, n.FD != 0} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		c.wrong(path, "a namespace is named by one of name, path, pid and fd")
	case n.Name != "" && (strings.Contains(n.Name, "/") || n.Name == "." || n.Name == ".."):
		c.wrong(below(path, "name"), "%q is no name below /run/netns; a file is given as path", n.Name)
	case n.Path != "" && !filepath.IsAbs(n.Path):
		c.wrong(below(path, "path"), "%q has to begin with /", n.Path)
	case n.PID < 0:
		c.wrong(below(path, "pid"), "%d is no process", n.PID)
	case n.FD != 0 && n.FD < 3:
		c.wrong(below(path, "fd"), "%d is no descriptor for a namespace; they begin at 3", n.FD)
	}
}

func (c *checker) settings(path string, s Settings) {
	i := s.Interface
	if i.Name == "" || len(i.Name) > 15 || strings.ContainsAny(i.Name, "/:% \t\n") || slices.Contains([]string{".", "..", "lo", "all", "default"}, i.Name) {
		c.wrong(below(path, "interface.name"), "%q cannot be the name of a device: at most 15 bytes, without / : %% and blanks", i.Name)
	}
	c.word(below(path, "interface.mode"), i.Mode, ModeTUN, ModeTAP)
	if i.MTU < minMTU || i.MTU > maxMTU {
		c.wrong(below(path, "interface.mtu"), "%d: has to be %d to %d", i.MTU, minMTU, maxMTU)
	}
	c.network(below(path, "network"), s.Network)
	c.dns(below(path, "dns"), s.DNS)
	c.word(below(path, "udp"), s.UDP, UDPShared, UDPPerFlow)
	c.limits(below(path, "limits"), s.Limits)
}

func (c *checker) network(path string, n Network) {
	if !n.IPv4.IsValid() && !n.IPv6.IsValid() {
		c.wrong(path, "ipv4 and ipv6 are both none")
	}
	c.net(below(path, "ipv4"), n.IPv4, netip.Addr.Is4, "10.0.2.0/24")
	c.net(below(path, "ipv6"), n.IPv6, netip.Addr.Is6, "fd00::/64")
}

func (c *checker) net(path string, n Net, family func(netip.Addr) bool, example string) {
	if !n.IsValid() {
		return
	}
	a := n.Addr()
	last := netip.Addr{}
	if a.Is4() {
		last = n.host(^byte(0) >> min(8, max(0, n.Bits()-24))) // of the last byte, which is enough to tell
	}
	switch {
	case !family(a) || a.Is4In6():
		c.wrong(path, "%s is of the other family; write %s or none", n, example)
	case a.IsLoopback() || a.IsMulticast() || n.Masked().Addr().IsUnspecified() || a.IsLinkLocalUnicast():
		c.wrong(path, "%s is not a network that hosts can be in; try %s", n, example)
	case a.BitLen()-n.Bits() < 3:
		c.wrong(path, "%s is too small: hosts 2 and 3 of it are ours", n)
	case a == n.Masked().Addr():
		c.wrong(path, "%s is too small to have host %d, which the program would be; name the program's address, as %s", n, hostProgram, netip.PrefixFrom(n.host(4), n.Bits()))
	case a == n.Gateway() || a == n.DNS():
		c.wrong(path, "%s: hosts 2 and 3 of a link are ours", n)
	case a == last && n.Bits() >= 24:
		c.wrong(path, "%s is the broadcast address", n)
	}
}

func (c *checker) dns(path string, d DNS) {
	if !d.Off && len(d.Upstreams) == 0 {
		c.wrong(below(path, "upstreams"), "a name service needs somebody to ask; disabled: true is none")
	}
	for i, u := range d.Upstreams {
		if _, err := dns.ParseUpstream(u); err != nil {
			c.wrong(item(below(path, "upstreams"), i), "not a name server: %v", err)
		}
	}
	for i, z := range d.Zones {
		if _, err := dns.ParseZone(z); err != nil {
			c.wrong(item(below(path, "zones"), i), "%v", err)
		}
	}
	for i, h := range d.Hosts {
		if _, err := dns.ParseHost(h); err != nil {
			c.wrong(item(below(path, "hosts"), i), "%v", err)
		}
	}
}

func (c *checker) limits(path string, l Limits) {
	for _, n := range []struct {
		key string
		v   int
	}{
		{"tcp_handshakes", l.TCPHandshakes}, {"tcp_handshakes_per_client", l.TCPHandshakesPerClient}, {"tcp_flows", l.TCPFlows},
		{"publish_handshakes", l.PublishHandshakes}, {"publish_answer", int(l.PublishAnswer)}, {"publish_clients", l.PublishClients}, {"keepalive", int(l.KeepAlive)},
		{"udp_sources", l.UDPSources}, {"udp_peers", l.UDPPeers}, {"dns_queries", l.DNSQueries}, {"dns_names", l.DNSNames},
		{"udp_idle", int(l.UDPIdle)}, {"dns_idle", int(l.DNSIdle)}, {"half_closed", int(l.HalfClosed)},
	} {
		if n.v <= 0 {
			c.wrong(below(path, n.key), "has to be more than nothing")
		}
	}
}
