package policy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider"
)

// Text is the policy as a file that [Parse] reads back as the same. What stands
// at its default is left out. Rules in a row about one host, with the same action
// and note, are written as one.
func (c Config) Text() string {
	var b strings.Builder
	b.WriteString("version: 1\n")
	key := func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, value) }
	key("default", chosen(c.Default, provider.Deny).String())
	if c.DenyWith != AsUsual {
		key("deny_with", c.DenyWith.String())
	}
	if c.OnFailure == provider.FailOpen {
		key("on_failure", "open")
	}
	if c.Listen == provider.Deny {
		key("listen", "deny")
	}
	if c.ECH != provider.NoOpinion {
		key("ech", c.ECH.String())
	}
	if c.Rebind == provider.Allow {
		key("rebind", "allow")
	}
	if c.DoT != provider.NoOpinion {
		key("dot", c.DoT.String())
	}
	if c.DoH != provider.NoOpinion {
		key("doh", c.DoH.String())
	}
	for i, first := 0, true; i < len(c.Rules); first = false {
		if first {
			b.WriteString("rules:\n")
		}
		n := i + 1
		for n < len(c.Rules) && c.Rules[i].goesWith(c.Rules[n]) {
			n++
		}
		writeRule(&b, c.Rules[i:n])
		i = n
	}
	return b.String()
}

func chosen(a, usual provider.Action) provider.Action {
	if a == provider.NoOpinion {
		return usual
	}
	return a
}

// goesWith reports whether s can stand in the same item of the file.
func (r Rule) goesWith(s Rule) bool {
	return r.Action == s.Action && r.With == s.With && r.Note == s.Note && r.Expr.host == s.Expr.host &&
		r.Process.equal(&s.Process) && r.When.String() == s.When.String()
}

// writeRule writes one item. Expressions are always quoted: *, [ and : mean
// something in YAML.
func writeRule(b *strings.Builder, rules []Rule) {
	var all []string
	for _, r := range rules {
		all = append(all, strconv.Quote(r.Expr.String()))
	}
	fmt.Fprintf(b, "  - %s: [%s]\n", rules[0].Action, strings.Join(all, ", "))
	writeNarrow(b, &rules[0])
	if w := rules[0].With; w != AsUsual {
		fmt.Fprintf(b, "    with: %s\n", w)
	}
	if n := rules[0].Note; n != "" {
		fmt.Fprintf(b, "    note: %s\n", quote(n))
	}
}

// quote writes text between double quotes. Brackets are escaped, as those of a
// file that does not close them count against its depth.
func quote(text string) string {
	text = strconv.QuoteToASCII(strings.ToValidUTF8(text, "\uFFFD"))
	return strings.NewReplacer("[", `\x5b`, "]", `\x5d`, "{", `\x7b`, "}", `\x7d`).Replace(text)
}
