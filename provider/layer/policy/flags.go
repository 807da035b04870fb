package policy

import (
	"fmt"

	"github.com/netnsd/netnsd/provider"
)

// FromFlags is the policy of a command line: with an --allow all else is
// denied, with --deny alone all else is allowed. The error names the flag and
// unwraps to a [*SyntaxError].
func FromFlags(allow, deny []string) (*Policy, error) {
	rules, err := Flags(allow, deny)
	if err != nil {
		return nil, err
	}
	c := Config{Default: provider.Allow, Rules: rules}
	if len(allow) > 0 {
		c.Default, c.Pos = provider.Deny, "--allow"
	}
	return New(c)
}

// Flags are the rules of a command line, to be added to a policy with
// [Policy.With].
func Flags(allow, deny []string) ([]Rule, error) {
	var rules []Rule
	for _, list := range []struct {
		flag   string
		action provider.Action
		texts  []string
	}{{"--allow", provider.Allow, allow}, {"--deny", provider.Deny, deny}} {
		for i, text := range list.texts {
			x, err := ParseExpr(text)
			if err != nil {
				return nil, fmt.Errorf("%s #%d: %w", list.flag, i+1, err)
			}
			rules = append(rules, Rule{Action: list.action, Expr: x, Text: text, Pos: fmt.Sprintf("%s #%d", list.flag, i+1)})
		}
	}
	return rules, nil
}
