package config

func (c *checker) publish(path string, p Publish) {
	c.word(below(path, "proto"), p.Proto, "tcp", "udp")
	c.word(below(path, "proxy_protocol"), p.ProxyProtocol, ProxyOff, ProxyV1, ProxyV2)
	switch {
	case p.Listen.Ports.Len() == 0:
		c.wrong(path, "listen is missing: the ADDR:PORT of this host")
		return
	case !p.Listen.Addr.IsValid():
		c.wrong(below(path, "listen"), "%s: of which address? 127.0.0.1:%[1]s is reached from this host only, 0.0.0.0:%[1]s and [::]:%[1]s from everywhere", p.Listen.Ports)
	case p.Listen.Ports.Len() > maxPublished:
		c.wrong(below(path, "listen"), "%d ports are too many; at most %d", p.Listen.Ports.Len(), maxPublished)
	case p.Listen.Ports.Len() != p.To.Ports.Len():
		c.wrong(below(path, "to"), "%d ports cannot lead to %d", p.Listen.Ports.Len(), p.To.Ports.Len())
	}
	if p.ProxyProtocol == ProxyV1 && p.Proto == "udp" {
		c.wrong(below(path, "proxy_protocol"), "v1 knows no UDP; v2 does")
	}
}

// inside checks where a publication leads to.
func (c *checker) inside(path string, n Network, p Publish) {
	if !n.IPv4.Contains(p.To.Addr) && !n.IPv6.Contains(p.To.Addr) {
		c.wrong(path, "%v is not inside: neither in %v nor in %v", p.To.Addr, n.IPv4, n.IPv6)
	}
}

// published finds ports of this host that are wanted twice.
func (c *checker) published() {
	type taken struct {
		Publish
		by string
	}
	var all []taken
	for i, a := range c.Attachments {
		for j, p := range a.Publish {
			for _, t := range all {
				if p.Overlaps(t.Publish) {
					c.wrong(below(item(below(item("attachments", i), "publish"), j), "listen"), "%s is published by %s already, as %s", p.ID(), t.by, t.ID())
				}
			}
			all = append(all, taken{p, a.Name})
		}
	}
}

// Overlaps says that both want one port of the host.
func (p Publish) Overlaps(q Publish) bool {
	a, b := p.Listen, q.Listen
	same := a.Addr == b.Addr || a.Addr.Is4() == b.Addr.Is4() && (a.Addr.IsUnspecified() || b.Addr.IsUnspecified())
	return p.Proto == q.Proto && same && a.Ports.First <= b.Ports.Last && b.Ports.First <= a.Ports.Last
}
