//go:build linux

package replay

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
)

// A Verdict is a policy's answer.
type Verdict struct {
	Action string `json:"action"` // allow, deny
	Errno  string `json:"errno,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Pos    string `json:"pos,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// A Change is a flow that two policies judge differently.
type Change struct {
	Flow
	Count int     `json:"count"` // of lines
	Old   Verdict `json:"old"`
	New   Verdict `json:"new"`
}

// A Diff gathers what changes. Its zero value, with the policies, is ready.
type Diff struct {
	Old, New *policy.Policy
	Changes  []*Change // in the order of the file, each flow once
	Flows    int       // that were asked about

	seen map[string]*Change
}

// Add asks both policies about f. Another rule alone is no change: the program
// does not see it.
func (d *Diff) Add(f Flow) {
	was, is := d.Old.Decide(f.facts, f.op), d.New.Decide(f.facts, f.op)
	if was.Action == provider.NoOpinion && is.Action == provider.NoOpinion {
		return // neither would have asked about it
	}
	d.Flows++
	if was.Denied() == is.Denied() && (was.Errno == is.Errno || f.op == provider.OpLookup) { // denied, that is NXDOMAIN in any case
		return
	}
	old, now := verdict(was), verdict(is)
	key := fmt.Sprintf("%q", []any{f.what(), old, now})
	if c := d.seen[key]; c != nil {
		c.Count++
		return
	}
	if d.seen == nil {
		d.seen = make(map[string]*Change)
	}
	c := &Change{f, 1, old, now}
	d.seen[key] = c
	d.Changes = append(d.Changes, c)
}

func verdict(v provider.Verdict) Verdict {
	w := Verdict{Action: v.Action.String(), Rule: v.Rule, Pos: v.Pos, Reason: v.Reason}
	if v.Action == provider.NoOpinion {
		w.Action = provider.Allow.String() // which is what it comes to
	}
	if v.Denied() {
		w.Errno = v.Errno.Name()
	}
	return w
}

// Write writes the changes as a table.
func (d *Diff) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(d.Changes) > 0 {
		fmt.Fprintln(t, "OLD\tNEW\tCOUNT\tWHAT\tWHY")
	}
	for _, c := range d.Changes {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", c.Old, c.New, c.Count, printable(c.what()), printable(c.New.why()))
	}
	fmt.Fprintf(t, "%d of %d change\n", d.changed(), d.Flows)
	return t.Flush()
}

// changed counts the lines that change.
func (d *Diff) changed() (n int) {
	for _, c := range d.Changes {
		n += c.Count
	}
	return n
}

func (v Verdict) String() string {
	if v.Errno == "" {
		return v.Action
	}
	return v.Action + " " + v.Errno
}

func (v Verdict) why() string {
	if v.Pos == "" {
		return v.Rule
	}
	return fmt.Sprintf("%s (%s)", v.Rule, v.Pos)
}

// what is the flow in words.
func (f *Flow) what() string {
	words := []string{f.Op}
	for _, s := range []string{f.Protocol, f.Dst, strings.Join(f.Names, ",")} {
		if s != "" {
			words = append(words, s)
		}
	}
	what := strings.Join(words, " ")
	switch late := f.facts.Late; {
	case f.op != provider.OpSNI:
		return what
	case late.Plain:
		return what + " begins without a ClientHello"
	case late.ECH:
		return fmt.Sprintf("%s asks for %q, and more under cover (ECH)", what, f.SNI)
	}
	return fmt.Sprintf("%s asks for %q", what, f.SNI)
}

// printable keeps a file from talking to the terminal, and from moving columns.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
