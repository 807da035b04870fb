//go:build linux

package chain

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/layer/sni"
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
	return all, a, nil
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
