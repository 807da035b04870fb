//go:build linux

package subject

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/kit"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/layer/metrics"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/layer/redirect"
	"github.com/netnsd/netnsd/provider/layer/shape"
	"github.com/netnsd/netnsd/provider/layer/sni"
	"github.com/netnsd/netnsd/provider/layer/trace"
	"github.com/netnsd/netnsd/provider/wsa"
)

// chains are what may stand between gateway and base, top first.
var chains = map[string][]string{
	"none":    nil,
	"decide1": {"policy"},
	"decide3": {"policy", "policy", "policy"},
	"decide6": {"policy", "policy", "policy", "policy", "policy", "policy"},
	"audit":   {"audit", "policy"}, // what `run --audit` has
	"sni":     {"policy", "sni"},   // what `run --allow NAME` has
	"look":    {"look"},
	"kit":     {"kit"},
}

// Chains are the names of the chains, with what is in them for people.
func Chains() map[string]string {
	all := make(map[string]string)
	for name, layers := range chains {
		switch set := slices.Compact(slices.Clone(layers)); {
		case len(layers) == 0:
			all[name] = "no layer"
		case len(set) == 1 && len(layers) > 1:
			all[name] = fmt.Sprintf("%d × %s", len(layers), set[0])
		default:
			all[name] = strings.Join(layers, " over ")
		}
	}
	return all
}

// rules are a small policy: what a build or an agent gets, and the servers here.
const rules = `version: 1
default: deny
rules:
  - allow: ["example.com:443", "*.bench.test"]
  - allow: [10.9.0.0/24, 192.0.2.0/24]
  - deny: [metadata, loopback]
`

// Layer makes the layer of that name; that of an audit has no file.
func Layer(name string) (provider.Layer, error) { return Spec{}.layer(name) }

func (s Spec) layer(name string) (provider.Layer, error) {
	switch name {
	case "policy":
		p, err := policy.Parse("bench.yaml", []byte(rules))
		if err != nil {
			return nil, err
		}
		return policy.Layer(p), nil
	case "audit":
		if s.Audit == "" {
			return audit.New(audit.Config{Path: "-", Output: io.Discard}), nil
		}
		return audit.New(audit.Config{Path: s.Audit}), nil
	case "trace":
		return trace.New(trace.Config{Output: io.Discard}), nil
	case "metrics":
		return metrics.New(metrics.Config{}), nil
	case "shape": // more than anybody moves
		c, err := shape.Parse("down=1TiB/s, up=1TiB/s, conns=1000000/s")
		if err != nil {
			return nil, err
		}
		return shape.New(c)
	case "redirect": // of somewhere else
		r, err := redirect.ParseRule("tcp/198.51.100.1:80=192.0.2.1")
		if err != nil {
			return nil, err
		}
		return redirect.New(redirect.Config{Rules: []redirect.Rule{r}})
	case "sni":
		return sni.Layer(sni.Config{}), nil
	case "look":
		return Look{}, nil
	case "kit":
		return relay{}, nil
	}
	return nil, fmt.Errorf("bench: no layer %q", name)
}

// install puts the base and the chain over it into a catalog. The chain is
// mandatory, as in run.
func (s Spec) install(base provider.Base) (*provider.Catalog, error) {
	layers, ok := chains[s.Chain]
	if !ok {
		return nil, fmt.Errorf("bench: no chain %q; there are %s", s.Chain, strings.Join(slices.Sorted(maps.Keys(chains)), ", "))
	}
	cat := new(provider.Catalog)
	bases, err := cat.InstallBase("base", base)
	if err != nil || len(layers) == 0 {
		return cat, err
	}
	var ids []provider.CatalogID
	for i, name := range layers {
		l, err := s.layer(name)
		if err != nil {
			return nil, err
		}
		id, err := cat.InstallLayer(fmt.Sprint(name, i), l)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	_, err = cat.InstallMandatoryChain(s.Chain, ids, bases...)
	return cat, err
}

// relay is the least that a layer on the kit can do: it copies.
type relay struct{}

func (relay) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return kit.Conversation(r, next, kit.Config{}, func(_ context.Context, x *kit.Exchange) error {
		return x.Both(
			func() error { return kit.Copy(x.Net, x.App) },
			func() error { return kit.Copy(x.App, x.Net) },
		)
	}), 0
}
