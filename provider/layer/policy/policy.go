package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// How is how a denial looks to who is denied.
type How uint8

// Ways to deny. The zero value is what the policy says, and there Prohibited.
const (
	AsUsual How = iota
	Prohibited
	Reset
	Unreachable
	Drop
)

var hows = [...]struct {
	name  string
	errno wsa.Errno
}{
	{"", wsa.EACCES}, {"prohibited", wsa.EACCES}, {"reset", wsa.ECONNREFUSED}, {"unreachable", wsa.EHOSTUNREACH}, {"drop", wsa.ETIMEDOUT},
}

func (h How) String() string { return hows[min(h, Drop)].name }

// Errno is what the denied operation returns.
func (h How) Errno() wsa.Errno { return hows[min(h, Drop)].errno }

// A Rule allows or denies what its expression matches, of the processes it is
// about, if its condition holds.
type Rule struct {
	Action  provider.Action // Allow or Deny
	Expr    Expr
	Process Process    // default: any
	When    *Condition // default: always
	With    How        // of Deny
	Note    string     // for people, shown with the verdict
	Text    string     // the expression as written; default: its canonical form
	Pos     string     // where it stands, such as policy.yaml:7:13 or "--allow #2"
}

// Config is a policy as it is written. The zero value denies everything.
type Config struct {
	Default   provider.Action    // of what no rule matches; default Deny
	DenyWith  How                // default Prohibited
	OnFailure provider.OnFailure // default FailClosed
	Listen    provider.Action    // Allow or Deny; default Allow
	ECH       provider.Action    // of an encrypted ClientHello; default Allow, by its outer name
	Rebind    provider.Action    // of a private address under a name that is allowed; default Deny
	DoT       provider.Action    // of port 853, DNS over TLS or QUIC; default as Default
	DoH       provider.Action    // of known resolvers that are asked over HTTPS; default as Default
	Rules     []Rule
	Pos       string // where Default is written
	Modes     Places // where the modes are
}

// Places are where modes are written, "" for those left out.
type Places struct{ Listen, ECH, DoT, DoH string }

// A Policy decides. It is immutable.
type Policy struct {
	cfg         Config
	deny, allow []rule
	rest        [reasons]provider.Verdict // what no rule matches
	listen, ech provider.Verdict
	dot, doh    provider.Verdict
	byHello     bool // a condition asks about what a ClientHello says
}

// rule is a Rule made ready: small, as most of those that are walked over do not
// match.
type rule struct {
	expr   Expr
	narrow *narrow // nil: it is about every process, at any time
	*verdicts
}

// narrow is what a rule says beyond its expression.
type narrow struct {
	process Process
	when    *Condition
}

// verdicts are those of a rule. Of one that allows by name, rebound is about an
// address that the name should not have, and quic about a server name that cannot be
// read.
type verdicts struct{ verdict, rebound, quic provider.Verdict }

func (n *narrow) asks(f *provider.Facts, q *question, op provider.Op) answer {
	if n == nil {
		return yes
	}
	a := n.process.fits(f.Origin)
	if a == no || n.when == nil {
		return a
	}
	return a.and(n.when.holds(*f, *q, op))
}

// New makes a policy. It refuses rules without action or expression.
func New(c Config) (*Policy, error) {
	if c.Default == provider.NoOpinion {
		c.Default = provider.Deny
	}
	if c.Listen == provider.NoOpinion {
		c.Listen = provider.Allow
	}
	if c.OnFailure == provider.FailureUnstated {
		c.OnFailure = provider.FailClosed
	}
	c.Rules = slices.Clone(c.Rules)
	p := &Policy{
		cfg:    c,
		rest:   unmatched(c),
		listen: verdict(c.Listen, Prohibited, "listen: "+c.Listen.String(), c.Modes.Listen),
		ech:    verdict(c.ECH, c.DenyWith, "ech: "+c.ECH.String(), c.Modes.ECH),
		dot:    stated(c, c.DoT, "dot", c.Modes.DoT, "port 853 is for asking another name service over TLS or QUIC"),
		doh:    stated(c, c.DoH, "doh", c.Modes.DoH, "a known resolver, which is asked over HTTPS"),
	}
	for i, r := range c.Rules {
		if err := p.add(r); err != nil {
			return nil, fmt.Errorf("policy: rule %d: %w", i+1, err)
		}
	}
	return p, nil
}

func (p *Policy) add(r Rule) error {
	if r.Expr.host.kind == nobody {
		return errors.New("the expression is missing")
	}
	if r.Text == "" {
		r.Text = r.Expr.String()
	}
	text := r.Action.String() + " " + r.Text + narrowed(&r)
	if r.Note != "" {
		text += " # " + r.Note
	}
	how := r.With
	if how == AsUsual {
		how = p.cfg.DenyWith
	}
	p.byHello = p.byHello || r.When != nil && r.When.hello
	made := rule{expr: r.Expr, verdicts: &verdicts{
		verdict(r.Action, how, text, r.Pos),
		verdict(provider.Deny, how, "rebind: deny, to "+text, r.Pos), verdict(provider.Deny, how, "quic: deny, to "+text, r.Pos),
	}}
	if r.When != nil || !r.Process.equal(&Process{}) {
		made.narrow = &narrow{r.Process, r.When}
	}
	made.rebound.Reason = "a private address under a name: whoever owns the name would say where the program gets"
	made.quic.Reason = "what QUIC asks for is encrypted; a rule that says udp: trusts the address"
	switch r.Action {
	case provider.Allow:
		p.allow = append(p.allow, made)
	case provider.Deny:
		p.deny = append(p.deny, made)
	default:
		return errors.New("it neither allows nor denies")
	}
	return nil
}

func verdict(a provider.Action, h How, rule, pos string) provider.Verdict {
	v := provider.Verdict{Action: a, Rule: rule, Pos: pos}
	if a == provider.Deny {
		v.Errno = h.Errno()
	}
	return v
}

// With is the policy with more rules.
func (p *Policy) With(rules ...Rule) (*Policy, error) {
	c := p.cfg
	c.Rules = append(slices.Clone(c.Rules), rules...)
	return New(c)
}

// Config is what the policy was made of. Its rules are the caller's to change.
func (p *Policy) Config() Config {
	c := p.cfg
	c.Rules = slices.Clone(c.Rules)
	return c
}

// Equal reports whether p and q were written alike, to the place of each rule: they
// decide alike, and say so alike.
func (p *Policy) Equal(q *Policy) bool {
	a, b := p.Config(), q.Config()
	if len(a.Rules) != len(b.Rules) {
		return false
	}
	for i := range a.Rules {
		x, y := &a.Rules[i], &b.Rules[i]
		if (x.When == nil) != (y.When == nil) || x.When.String() != y.When.String() {
			return false
		}
		x.When, y.When = nil, nil // a program of CEL compares to nothing
	}
	return reflect.DeepEqual(a, b)
}

// Decide implements provider.Decider: pure, and without an allocation.
func (p *Policy) Decide(f provider.Facts, op provider.Op) provider.Verdict {
	if op == provider.OpListen || op == provider.OpAccept {
		return p.listen
	}
	q := ask(&f, op)
	if q.plain && !p.byHello {
		return provider.Verdict{} // nothing that was not asked at the connect
	}
	if q.hello && f.Late.ECH && p.cfg.ECH == provider.Deny {
		return p.ech
	}
	for i := range p.deny {
		if r := &p.deny[i]; r.expr.denies(&q) && r.narrow.asks(&f, &q, op).denied() {
			return r.verdict
		}
	}
	mode := p.mode(&q)
	refused := mode
	for i := range p.allow {
		r := &p.allow[i]
		v := p.allows(r, &q)
		if v == nil {
			continue
		}
		switch {
		case v.Denied() && refused != nil, mode != nil && !p.opens(&r.expr, mode), !r.narrow.asks(&f, &q, op).allowed():
		case v.Denied():
			refused = v // another rule may allow it
		default:
			return *v
		}
	}
	if refused != nil {
		return *refused
	}
	return p.rest[q.reason()]
}

// allows is r's verdict on q, nil if it has none.
func (p *Policy) allows(r *rule, q *question) *provider.Verdict {
	switch {
	case r.expr.allows(q):
		return &r.verdict
	case !r.expr.allowsByName(q):
		return nil
	case q.quic() && r.expr.proto != udp:
		if p.cfg.Default == provider.Allow {
			return nil
		}
		return &r.quic
	case p.cfg.Rebind != provider.Allow && Inner(q.addr):
		return &r.rebound
	}
	return &r.verdict
}

// Inner reports an address that a name of the outside should not have: who owns
// the name would lead the program to a neighbour of the host's. Rules by name do
// not allow such a one, see Config.Rebind. An address of NAT64 is the one within it.
func Inner(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	a = a.WithZone("").Unmap()
	if v4 := inNAT64(a); v4.IsValid() {
		a = v4
	}
	for _, g := range innerGroups {
		for _, net := range g.where {
			if net.Contains(a) {
				return true
			}
		}
	}
	return false
}

var innerGroups = []*group{groupNamed("private"), groupNamed("loopback"), groupNamed("linklocal"), groupNamed("metadata")}

// ByName reports whether a rule, or a mode that is written down, is about names: then
// the chain needs a layer that reads the ClientHello (provider/layer/sni).
func (p *Policy) ByName() bool {
	for _, r := range p.cfg.Rules {
		if r.Expr.host.kind == exact || r.Expr.host.kind == below {
			return true
		}
	}
	return p.byHello || p.cfg.ECH == provider.Deny || p.cfg.DoH == provider.Deny
}

// OnFailure implements provider.Decider.
func (p *Policy) OnFailure() provider.OnFailure { return p.cfg.OnFailure }
