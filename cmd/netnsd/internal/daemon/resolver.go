//go:build linux

package daemon

import (
	"log/slog"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/plane"
	"github.com/netnsd/netnsd/sockets/gateway/dns"
)

// resolver answers the names of one attachment. What c says was checked when it was
// read.
func resolver(c config.DNS, routes *plane.Routes, log *slog.Logger) (*dns.Resolver, error) {
	d := dns.Config{NoIPv6: routes.NoIPv6}
	if c.NoCache {
		d.Cache = -1
	}
	for _, s := range c.Upstreams {
		u, err := dns.ParseUpstream(s)
		if err != nil {
			return nil, err
		}
		d.Upstreams = append(d.Upstreams, u)
	}
	for _, s := range c.Zones {
		z, err := dns.ParseZone(s)
		if err != nil {
			return nil, err
		}
		d.Zones = append(d.Zones, z)
	}
	for _, s := range c.Hosts {
		h, err := dns.ParseHost(s)
		if err != nil {
			return nil, err
		}
		d.Hosts = append(d.Hosts, h)
	}
	return dns.New(plane.Names(d, log))
}
