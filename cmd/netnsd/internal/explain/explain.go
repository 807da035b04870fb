//go:build linux

package explain

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/run"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/gateway"
)

// An Answer is what would become of a Query.
type Answer struct {
	Query   string `json:"query"`
	Allowed bool   `json:"allowed"`
	// Why is the verdict that settles it; nil if no layer has an opinion.
	Why   *Verdict `json:"why,omitempty"`
	Entry string   `json:"entry"`
	Chain []string `json:"chain"` // storeys from the application down; the last is the base
	// Verdicts are those of every layer that decides, for each operation asked.
	Verdicts []Verdict `json:"verdicts"`
	Trace    []Step    `json:"trace"`
	Notes    []string  `json:"notes,omitempty"`
}

// A Verdict is a layer's answer about one operation.
type Verdict struct {
	Op     string `json:"op"`
	Layer  string `json:"layer"`
	Action string `json:"action"` // allow, deny, none
	Errno  string `json:"errno,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Pos    string `json:"pos,omitempty"` // file:line:column
	Reason string `json:"reason,omitempty"`
}

// A Step is one entry of the catalog that was looked at.
type Step struct {
	ID      provider.CatalogID `json:"id,omitempty"`
	Entry   string             `json:"entry"`
	Outcome string             `json:"outcome"`
}

// Explain answers q by the chain that c describes, on the link that run makes if it
// is not told otherwise. Nothing is sent.
func Explain(c chain.Config, q Query) (a Answer, err error) {
	c.Audit = "" // a question is not an event
	k, err := chain.New(c)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	session, err := k.Startup(slog.New(slog.DiscardHandler))
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()

	own, dns := run.GatewayAddrs()
	return Network{Attachment: chain.Attachment, UID: os.Geteuid(), Own: own, DNS: dns, HostLoopback: c.HostLoopback}.Explain(session, q)
}

// A Network is what a gateway is told of the network that it serves.
type Network struct {
	Attachment   string
	UID          int          // -1 = not known
	Own          []netip.Addr // the gateway's addresses
	DNS          []netip.Addr // those at which it serves names
	HostLoopback bool
}

const portDNS = 53

// Explain answers q by the chains of session, whose catalog says which one it
// would be. Nothing is sent.
func (n Network) Explain(session *sockets.Session, q Query) (a Answer, err error) {
	af, typ, protocol, op := q.triple()
	origin := n.origin(q)
	entry, trace, err := session.Resolve(&provider.SocketRequest{AF: af, Type: typ, Protocol: protocol, Origin: origin})
	a = Answer{Query: q.String(), Trace: steps(trace)}
	if err != nil {
		return a, fmt.Errorf("no entry of the catalog serves %s: %w", q, err)
	}
	built, err := session.Chain(entry.Info.CatalogEntryID)
	if err != nil {
		return a, err
	}
	a.Entry = entry.Info.String()
	for _, s := range built.Storeys() {
		a.Chain = append(a.Chain, s.Name)
	}
	if q.Port == portDNS && slices.Contains(n.DNS, q.Addr) {
		a.Allowed, a.Why = true, &Verdict{Op: op.String(), Layer: "gateway", Action: provider.Allow.String(), Rule: "its name service"}
		a.Verdicts = []Verdict{*a.Why}
		a.Notes = append(a.Notes, "each name that is asked for is judged: netnsd explain tcp NAME:PORT")
		return a, nil
	}
	f := provider.Facts{Origin: origin, Type: typ, Protocol: protocol, Remote: origin.Destination, Names: q.names()}
	if e := a.through(n, &f); e != 0 {
		why := Verdict{Op: op.String(), Layer: "gateway", Action: provider.Deny.String(), Errno: e.Name(), Rule: "nothing leads to the host's loopback (no --host-loopback), nor to groups"}
		a.Why, a.Verdicts = &why, []Verdict{why}
		return a, nil
	}
	a.ask(built, f, q, op)
	return a, nil
}

// through is what the gateway does to a destination before a layer sees it.
func (a *Answer) through(n Network, f *provider.Facts) wsa.Errno {
	if !f.Remote.Addr().IsValid() || n.HostLoopback && f.Remote.Addr().IsLoopback() {
		return 0 // a name; or what stands for the host is named as the layers see it
	}
	to, e := gateway.Target(n.Own, n.HostLoopback, f.Remote.AddrPort)
	if e == 0 && to != f.Remote.AddrPort {
		a.Notes = append(a.Notes, fmt.Sprintf("%v stands for this host: the layers see %v", f.Remote.Addr(), to))
		f.Remote = provider.AddrFrom(to)
	}
	return e
}

// origin are the facts that the gateway would know. The address of a name is
// not known before it is asked for.
func (n Network) origin(q Query) *provider.Origin {
	o := &provider.Origin{Attachment: n.Attachment, UID: n.UID, Name: q.Name}
	q.owner(o)
	af, _, _, _ := q.triple()
	o.Destination = provider.Addr{AddrPort: netip.AddrPortFrom(q.Addr, q.Port), Family: af}
	return o
}

// ask puts the operations to the chain in the order in which they happen; the
// first denial settles it.
func (a *Answer) ask(c *provider.Chain, f provider.Facts, q Query, op provider.Op) {
	ops := []provider.Op{op}
	if q.Name != "" {
		ops = []provider.Op{provider.OpLookup, op}
		a.Notes = append(a.Notes, "rules on addresses are judged when the name's addresses are known")
	}
	switch {
	case q.hello() != nil:
		ops = append(ops, provider.OpSNI)
	case q.Protocol == "tcp" && readsHellos(c):
		a.Notes = append(a.Notes, "a ClientHello is judged by the server that it asks for: see --server-name")
	}
	a.Allowed = true
	for _, op := range ops {
		if op == provider.OpSNI {
			f.Late = q.hello().learned()
		}
		for _, v := range c.Explain(f, op) {
			a.Verdicts = append(a.Verdicts, verdict(op, v))
		}
		if v := c.Decide(f, op); v.Action != provider.NoOpinion && a.Allowed {
			why := verdict(op, v)
			a.Why, a.Allowed = &why, !v.Denied()
		}
	}
}

// readsHellos reports whether c has the layer that reads ClientHellos.
func readsHellos(c *provider.Chain) bool {
	return slices.ContainsFunc(c.Storeys(), func(s provider.Storey) bool { return s.Name == chain.SNI })
}

func verdict(op provider.Op, v provider.Verdict) Verdict {
	w := Verdict{Op: op.String(), Layer: v.Layer, Action: v.Action.String(), Rule: v.Rule, Pos: v.Pos, Reason: v.Reason}
	if v.Denied() {
		w.Errno = v.Errno.Name()
	}
	return w
}

func steps(t provider.Trace) []Step {
	var all []Step
	for _, s := range t {
		all = append(all, Step{s.Entry, s.Name, s.Outcome})
	}
	return all
}

// Write writes the answer for people; colour wraps a word in green (true) or red.
func (a *Answer) Write(w io.Writer, colour func(good bool, text string) string) {
	result := "denied"
	if a.Allowed {
		result = "allowed"
	}
	fmt.Fprintf(w, "%s: %s", a.Query, colour(a.Allowed, result))
	if a.Why != nil {
		fmt.Fprintf(w, " by %s", a.Why.Layer)
	}
	fmt.Fprintf(w, "\n  entry     %s\n", a.Entry)
	for _, s := range a.Trace {
		fmt.Fprintf(w, "    %-6d  %s: %s\n", s.ID, s.Entry, s.Outcome)
	}
	fmt.Fprintf(w, "  chain     ")
	for i, s := range a.Chain {
		if i > 0 {
			fmt.Fprint(w, " > ")
		}
		fmt.Fprint(w, s)
	}
	fmt.Fprintln(w)
	for _, v := range a.Verdicts {
		fmt.Fprintf(w, "  %-8s  %s: %s", v.Op, v.Layer, colour(v.Action != "deny", v.Action))
		if v.Errno != "" {
			fmt.Fprintf(w, " %s", v.Errno)
		}
		if v.Rule != "" {
			fmt.Fprintf(w, "  %s", v.Rule)
		}
		if v.Pos != "" {
			fmt.Fprintf(w, "  (%s)", v.Pos)
		}
		if v.Reason != "" {
			fmt.Fprintf(w, ": %s", v.Reason)
		}
		fmt.Fprintln(w)
	}
	for _, n := range a.Notes {
		fmt.Fprintf(w, "  note      %s\n", n)
	}
}
