//go:build linux

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/run"
	"github.com/netnsd/netnsd/sockets/gateway/dns"
)

// nameFlags are those of the name service, as given.
type nameFlags struct {
	servers, zones, hosts, search []string
	noCache                       bool
}

func dnsFlags(f *pflag.FlagSet, n *nameFlags) {
	serviceFlags(f, n)
	f.StringArrayVar(&n.search, "search", nil, "`DOMAIN` in which the program looks for short names (default: the host's)")
}

// serviceFlags are those that run and attach share.
func serviceFlags(f *pflag.FlagSet, n *nameFlags) {
	f.StringArrayVar(&n.servers, "dns", nil, "`SERVER` that the name service asks, in this order, or off (default: system, the host's resolv.conf)")
	f.StringArrayVar(&n.zones, "dns-zone", nil, "`ZONE=SERVER`: ask that one for the names of a zone; the longest zone counts")
	f.StringArrayVar(&n.hosts, "host", nil, "`NAME=ADDR`: what the name service says of a name, before /etc/hosts")
	f.BoolVar(&n.noCache, "no-dns-cache", false, "ask for every name anew")
}

// parse puts what was given into cfg.
func (n *nameFlags) parse(cfg *run.Config) error {
	if n.noCache {
		cfg.DNS.Cache = -1
	}
	return errors.Join(n.parseServers(cfg),
		each("dns-zone", n.zones, dns.ParseZone, &cfg.DNS.Zones),
		each("host", n.hosts, dns.ParseHost, &cfg.DNS.Hosts),
		each("search", n.search, dns.ParseDomain, &cfg.Search))
}

func each[T any](flag string, given []string, parse func(string) (T, error), all *[]T) error {
	for _, s := range given {
		v, err := parse(s)
		if err != nil {
			return fmt.Errorf("--%s %w", flag, err)
		}
		*all = append(*all, v)
	}
	return nil
}

func (n *nameFlags) parseServers(cfg *run.Config) error {
	for _, s := range n.servers {
		if s == "off" {
			cfg.NoDNS = true
			continue
		}
		u, err := dns.ParseUpstream(s)
		if err != nil {
			return fmt.Errorf("--dns %w", err)
		}
		cfg.DNS.Upstreams = append(cfg.DNS.Upstreams, u)
	}
	switch {
	case !cfg.NoDNS:
		return nil
	case len(cfg.DNS.Upstreams) > 0:
		return errors.New("--dns off and --dns SERVER exclude each other")
	case len(n.zones)+len(n.hosts) > 0:
		return errors.New("--dns off leaves nobody to answer for --dns-zone and --host")
	}
	return nil
}
