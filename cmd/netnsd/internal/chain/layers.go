//go:build linux

package chain

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/layer/metrics"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/layer/redirect"
	"github.com/netnsd/netnsd/provider/layer/shape"
	"github.com/netnsd/netnsd/provider/layer/sni"
	"github.com/netnsd/netnsd/provider/layer/trace"
)

// named is a layer and its name in the catalog.
type named struct {
	name  string
	layer provider.Layer
}

// layers are the chain's, from the application down; a is the audit among them.
func (c Config) layers() (all []named, a *audit.Layer, err error) {
	rules, err := c.Rules()
	if err != nil {
		return nil, nil, err
	}
	if c.Audit != "" {
		a = audit.New(audit.Config{Path: c.Audit, Output: c.AuditTo, Owners: true})
		if err := a.Check(); err != nil {
			return nil, nil, err
		}
		all = append(all, named{"audit", a})
	}
	if c.Learn != nil {
		all = append(all, named{"learn", c.Learn})
	}
	deciding, err := c.deciding(rules)
	if err != nil {
		return nil, nil, err
	}
	all = append(all, deciding...)
	if rules.ByName() || c.Learn != nil {
		all = append(all, named{SNI, sni.Layer(sni.Config{Shadow: c.Shadow})})
	}
	more, err := c.asked()
	if err != nil {
		return nil, nil, err
	}
	all, err = arrange(append(all, more...))
	return all, a, err
}

// arrange puts all in an order that their contracts allow.
func arrange(all []named) ([]named, error) {
	var names []string
	var layers []provider.Layer
	for _, l := range all {
		names, layers = append(names, l.name), append(layers, l.layer)
	}
	order, err := provider.Arrange(names, layers)
	sorted := make([]named, 0, len(all))
	for _, i := range order {
		sorted = append(sorted, all[i])
	}
	return sorted, err
}

// asked are the layers that nobody has unless he asks for them.
func (c Config) asked() (all []named, err error) {
	if len(c.Shape) > 0 {
		cfg, err := ParseShape(c.Shape)
		if err != nil {
			return nil, fmt.Errorf("--shape: %w", err)
		}
		l, err := shape.New(cfg)
		if err != nil {
			return nil, fmt.Errorf("--shape: %w", err)
		}
		all = append(all, named{"shape", l})
	}
	if len(c.Redirect) > 0 {
		var cfg redirect.Config
		for _, text := range c.Redirect {
			r, err := redirect.ParseRule(text)
			if err != nil {
				return nil, fmt.Errorf("--redirect: %w", err)
			}
			cfg.Rules = append(cfg.Rules, r)
		}
		l, err := redirect.New(cfg)
		if err != nil {
			return nil, fmt.Errorf("--redirect: %w", err)
		}
		all = append(all, named{"redirect", l})
	}
	if c.Metrics {
		all = append(all, named{"metrics", metrics.New(metrics.Config{Processes: true})})
	}
	if c.Trace != "" {
		all = append(all, named{"trace", trace.New(trace.Config{Path: c.Trace, Output: c.AuditTo})})
	}
	return all, nil
}

// ParseShape reads rules from several texts.
func ParseShape(texts []string) (shape.Config, error) {
	var all shape.Config
	for _, text := range texts {
		c, err := shape.Parse(text)
		if err != nil {
			return all, err
		}
		all.Rules = append(all.Rules, c.Rules...)
	}
	return all, all.Validate()
}

// Rules are what the flags and the file say. Without either, everything is
// allowed but the host's loopback, which is denied whatever they say unless
// HostLoopback opens it.
func (c Config) Rules() (*policy.Policy, error) {
	p, err := c.given()
	if err != nil {
		return nil, err
	}
	return c.Complete(p)
}

// Complete is p with what holds whatever it says, and what flags say of it.
func (c Config) Complete(p *policy.Policy) (*policy.Policy, error) {
	if c.PrivateNames {
		own := p.Config()
		own.Rebind = provider.Allow
		var err error
		if p, err = policy.New(own); err != nil {
			return nil, err
		}
	}
	if c.HostLoopback {
		return p, nil
	}
	return closed(p)
}

// closed is p without the host's loopback.
func closed(p *policy.Policy) (*policy.Policy, error) {
	loopback, err := policy.ParseExpr("loopback")
	if err != nil {
		return nil, err
	}
	return p.With(policy.Rule{Action: provider.Deny, Expr: loopback, Note: "no --host-loopback"})
}

func (c Config) given() (*policy.Policy, error) {
	if c.Policy == "" {
		return policy.FromFlags(c.Allow, c.Deny)
	}
	p, err := ReadPolicy(c.Policy)
	var f *policy.FileError
	switch {
	case errors.As(err, &f): // which names the file
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("--policy: %w", err)
	}
	more, err := policy.Flags(c.Allow, c.Deny)
	if err != nil {
		return nil, err
	}
	return p.With(more...)
}

// ReadPolicy is the policy that stands in file.
func ReadPolicy(file string) (*policy.Policy, error) {
	src, err := read(file)
	if err != nil {
		return nil, err
	}
	return policy.Parse(file, src)
}

// read reads a policy, and no more than a policy can be: /dev/zero has no end.
func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, policy.MaxFile+1))
}
