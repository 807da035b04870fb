package config

import (
	"encoding/json"
	"net/netip"
	"path/filepath"
	"time"
)

// DefaultSocket is where the daemon listens and its clients ask.
const DefaultSocket = "/run/netnsd/netnsd.sock"

// Hosts of a link, as slirp4netns has them.
const (
	hostGateway = 2
	hostDNS     = 3
	hostProgram = 100
)

// Presets are in a value before it is read, so that what a file says wins also if
// it says 0 or false. What depends on other keys is filled in by complete.

func (c *Config) preset(*Config) {
	c.Daemon = Daemon{Socket: DefaultSocket, Log: Log{"info", "auto"}, Drain: Duration(30 * time.Second), Reload: Reload{Old: OldPin, Drain: Duration(30 * time.Second)}}
	c.Defaults = Settings{
		Interface: Interface{Name: "tun0", Mode: ModeTUN, MTU: 1500},
		Network:   Network{IPv4: Net{netip.MustParsePrefix("10.0.2.0/24")}, IPv6: Net{netip.MustParsePrefix("fd00::/64")}},
		DNS:       DNS{Upstreams: []string{UpstreamSystem}},
		UDP:       UDPShared,
		Limits: Limits{
			TCPHandshakes: 4096, TCPHandshakesPerClient: 1024, TCPFlows: 32768,
			PublishHandshakes: 256, PublishAnswer: Duration(20 * time.Second), PublishClients: 4096, KeepAlive: Duration(5 * time.Minute),
			UDPSources: 4096, UDPPeers: 256, DNSQueries: 256, DNSNames: 65536,
			UDPIdle: Duration(2 * time.Minute), DNSIdle: Duration(10 * time.Second), HalfClosed: Duration(2 * time.Hour),
		},
	}
}

func (a *Attachment) preset(c *Config) { a.Settings = c.Defaults }

// complete fills in what follows from other keys; names of files begin in dir.
func (c *Config) complete(dir string) {
	c.Daemon.Socket = within(dir, c.Daemon.Socket)
	c.Catalog.complete(dir)
	for i := range c.Attachments {
		c.Attachments[i].complete(dir)
	}
	c.Attachments = list(c.Attachments)
	c.Defaults.complete() // last, as attachments begin with what the file says of them
}

func (c *Catalog) complete(dir string) {
	if len(c.Providers) == 0 {
		c.Providers = []Provider{{Name: "host", Type: "host"}}
	}
	if len(c.Layers) == 0 && len(c.Chains) == 0 && len(c.Select) == 0 {
		c.Layers = []Layer{{Name: "policy", Type: LayerPolicy, Policy: json.RawMessage(`{"default":"allow","version":1}`)}}
		c.Chains = []Chain{{Name: "default", Layers: []string{"policy"}}}
	}
	for i := range c.Layers {
		if l := &c.Layers[i]; l.File != "" && l.File != "-" {
			l.File = within(dir, l.File)
		}
	}
	for i := range c.Chains {
		if c.Chains[i].Base == "" {
			c.Chains[i].Base = c.Providers[0].Name
		}
		c.Chains[i].Layers = list(c.Chains[i].Layers)
	}
	if len(c.Chains) == 1 && len(c.Select) == 0 {
		c.Select = []Selection{{Chain: c.Chains[0].Name}}
	}
	c.Layers, c.Chains, c.Select = list(c.Layers), list(c.Chains), list(c.Select)
}

func (a *Attachment) complete(dir string) {
	if a.Netns.Path != "" {
		a.Netns.Path = within(dir, a.Netns.Path)
	}
	a.Settings.complete()
	a.Select, a.Publish = list(a.Select), list(a.Publish)
	for i := range a.Publish {
		a.Publish[i].Complete(a.Network)
	}
}

func (s *Settings) complete() {
	n := &s.Network
	n.IPv4, n.IPv6 = n.IPv4.complete(), n.IPv6.complete()
	if n.Routes == nil {
		n.Routes = []Prefix{{netip.PrefixFrom(netip.IPv4Unspecified(), 0)}, {netip.PrefixFrom(netip.IPv6Unspecified(), 0)}}
	}
	var routes []Prefix
	for _, r := range n.Routes {
		if r.Addr().Is4() && n.IPv4.IsValid() || r.Addr().Is6() && n.IPv6.IsValid() {
			routes = append(routes, r)
		}
	}
	n.Routes = list(routes)
	s.DNS.Upstreams, s.DNS.Zones, s.DNS.Hosts = list(s.DNS.Upstreams), list(s.DNS.Zones), list(s.DNS.Hosts)
}

// fill fills in what needs no network.
func (p *Publish) fill() {
	if p.Proto == "" {
		p.Proto = "tcp"
	}
	if p.ProxyProtocol == "" {
		p.ProxyProtocol = ProxyOff
	}
	if p.To.Ports.Len() == 0 {
		p.To.Ports = p.Listen.Ports
	}
}

// Complete fills in what p leaves to the network of its attachment.
func (p *Publish) Complete(n Network) {
	p.fill()
	if p.To.Addr.IsValid() {
		return
	}
	inside := n.IPv4
	if !inside.IsValid() || p.Listen.Addr.Is6() && n.IPv6.IsValid() {
		inside = n.IPv6
	}
	p.To.Addr = inside.Addr()
}

// complete makes host 100 of a network that names no host.
func (n Net) complete() Net {
	if n.IsValid() && n.Prefix == n.Masked() && n.Addr().BitLen()-n.Bits() >= 7 {
		n.Prefix = netip.PrefixFrom(n.host(hostProgram), n.Bits())
	}
	return n
}

// Gateway is our address on the link, which stands for this host.
func (n Net) Gateway() netip.Addr { return n.host(hostGateway) }

// DNS is the address of the name service on the link.
func (n Net) DNS() netip.Addr { return n.host(hostDNS) }

// host is the address i after the network's, of which as many bits are zero as i has.
func (n Net) host(i byte) netip.Addr {
	b := n.Masked().Addr().AsSlice()
	b[len(b)-1] |= i
	a, _ := netip.AddrFromSlice(b)
	return a
}

func within(dir, file string) string {
	if filepath.IsAbs(file) || file == "" || dir == "" {
		return file
	}
	return filepath.Join(dir, file)
}

// list is l, and an empty list where nothing was written: JSON then has [] and not null.
func list[E any](l []E) []E {
	if l == nil {
		return []E{}
	}
	return l
}
