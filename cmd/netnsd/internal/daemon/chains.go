//go:build linux

package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Chains implements [control.Daemon].
func (d *Daemon) Chains(_ context.Context, name string) ([]control.Chain, error) {
	all := d.all()
	if name != "" {
		a, err := d.attachment(name)
		if err != nil {
			return nil, err
		}
		all = []*attachment{a}
	}
	var chains []control.Chain
	for _, a := range all {
		if p := a.live(); p != nil {
			for _, g := range grouped(p.Session.Chains()) {
				chains = append(chains, d.described(a.cfg.Name, g))
			}
		}
	}
	return chains, nil
}

// grouped has the chains of one installation and version together.
func grouped(all []*provider.Chain) (groups [][]*provider.Chain) {
	for _, c := range all {
		i := slices.IndexFunc(groups, func(g []*provider.Chain) bool { return g[0].Name() == c.Name() && g[0].Version == c.Version })
		if i < 0 {
			groups = append(groups, []*provider.Chain{c})
		} else {
			groups[i] = append(groups[i], c)
		}
	}
	return groups
}

func (d *Daemon) described(attachment string, group []*provider.Chain) control.Chain {
	c := control.Chain{Attachment: attachment, Name: group[0].Name(), Version: group[0].Version, Protocols: []string{}, Layers: []control.Layer{}}
	sums := sum(group)
	for _, k := range group {
		c.Sockets += k.Sockets()
		c.Old = c.Old || k.Retired()
		if p := protocolOf(&k.Info); !slices.Contains(c.Protocols, p) {
			c.Protocols = append(c.Protocols, p)
		}
	}
	slices.Sort(c.Protocols)
	now := d.catalog.Snapshot()
	for i, s := range group[0].Storeys() {
		if i == len(sums) {
			c.Base = s.Name
			break
		}
		l := control.Layer{Name: s.Name, Categories: []string{}, Decides: s.Decides, Probe: sums[i].shown()}
		if e, ok := now.Entry(s.ID); ok {
			l.Categories = append(l.Categories, provider.CategoryNames(e.Categories)...)
		}
		for _, k := range group {
			l.Bytes = l.Bytes || k.Storeys()[i].Data()
			if b := k.Breakers()[i]; b.Failures > 0 {
				l.Problem = b.Last
				if b.State != provider.BreakerClosed {
					l.Breaker = b.State.String()
				}
			}
		}
		c.Layers = append(c.Layers, l)
	}
	return c
}

func protocolOf(i *provider.ProtocolInfo) string {
	if i.SocketType == wsa.SOCK_RAW {
		return "raw"
	}
	return protocol(i.Protocol)
}

// crossing are the probes of one layer, of several chains.
type crossing struct {
	layer string
	all   []provider.Probe
}

// sum are the probes of each layer; the chains are of one installation.
func sum(group []*provider.Chain) []crossing {
	var sums []crossing
	for _, k := range group {
		for i, p := range k.Probes() {
			if i == len(sums) {
				sums = append(sums, crossing{layer: p.Layer})
			}
			sums[i].all = append(sums[i].all, p)
		}
	}
	return sums
}

func (c crossing) shown() (p control.Probe) {
	p.Entries, p.Verdicts, p.Faults = make(map[string]uint64), make(map[string]uint64), make(map[string]uint64)
	p.In = crossed(c.flows(func(p *provider.Probe) *provider.Flow { return &p.In }))
	p.Out = crossed(c.flows(func(p *provider.Probe) *provider.Flow { return &p.Out }))
	for _, one := range c.all {
		for _, e := range one.Entries {
			p.Entries[e.Entry] += e.Operations
			p.Errors += e.Errors
		}
		verdictsOf(one, func(word string, n uint64) { add(p.Verdicts, word, n) })
		faultsOf(one, func(word string, n uint64) { add(p.Faults, word, n) })
	}
	return p
}

func add(to map[string]uint64, word string, n uint64) {
	if n > 0 {
		to[word] += n
	}
}

func verdictsOf(p provider.Probe, f func(string, uint64)) {
	f("none", p.Verdicts.None)
	f("allow", p.Verdicts.Allow)
	f("deny", p.Verdicts.Deny)
	f("shadow", p.Verdicts.Shadow)
}

func faultsOf(p provider.Probe, f func(string, uint64)) {
	f(provider.Panicked.String(), p.Panics)
	f(provider.Stalled.String(), p.Stalls)
	f(provider.Lied.String(), p.Lies)
	f(provider.Leaked.String(), p.Leaks)
}

// flows adds one direction up.
func (c crossing) flows(of func(*provider.Probe) *provider.Flow) (all provider.Flow) {
	for i := range c.all {
		f := of(&c.all[i])
		all.Operations += f.Operations
		all.Bytes += f.Bytes
		all.Errors += f.Errors
		all.Added = added(all.Added, f.Added)
	}
	return all
}

func added(a, b provider.Histogram) provider.Histogram {
	if len(a.Buckets) == 0 {
		return provider.Histogram{Buckets: slices.Clone(b.Buckets), Sum: b.Sum}
	}
	a.Sum += b.Sum
	for i := range min(len(a.Buckets), len(b.Buckets)) {
		a.Buckets[i].Count += b.Buckets[i].Count
	}
	return a
}

func crossed(f provider.Flow) control.Crossed {
	return control.Crossed{Operations: f.Operations, Bytes: f.Bytes, Errors: f.Errors, P50: quantile(f.Added, 0.5), P99: quantile(f.Added, 0.99)}
}

// quantile is the bound of the bucket in which q is; of what has none, that of the last
// that has.
func quantile(h provider.Histogram, q float64) (most time.Duration) {
	if len(h.Buckets) == 0 {
		return 0
	}
	all := h.Buckets[len(h.Buckets)-1].Count
	for _, b := range h.Buckets {
		if b.UpTo > 0 {
			most = b.UpTo
		}
		if all > 0 && float64(b.Count) >= q*float64(all) {
			return most
		}
	}
	return 0
}
