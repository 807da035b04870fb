package policy_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/layer/policy"
)

const whole = `version: 1
default: allow
deny_with: drop
on_failure: open
listen: deny
ech: deny
dot: allow
doh: deny
rules:
  - allow: ["tcp:example.com:80,443", "udp:example.com:443"]
    note: "web"
  - allow: ["*.example.com"]
    uid: [0, 1000]
    exe: ["/usr/bin/", "/bin/curl"]
    cgroup: ["/a b/\x5b"]
    when: "port == 443 &&\n uid in \x5b0\x5d"
    note: "web"
  - deny: ["[2001:db8::]/32:80", "metadata", "tcp.", "10.0.0.0/8"]
    with: reset
    note: "a \"quoted\" \\ text\n\x5b\x7b"
`

func TestText(t *testing.T) {
	p, err := policy.Parse("p", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	text := p.Config().Text()
	want := strings.Replace(whole, `["[2001:db8::]/32:80", "metadata", "tcp.", "10.0.0.0/8"]`, "[%]", 1)
	before, after, _ := strings.Cut(want, "  - deny: [%]\n")
	for _, x := range []string{"[2001:db8::]/32:80", "metadata", "tcp.", "10.0.0.0/8"} {
		before += `  - deny: ["` + x + "\"]\n" + strings.TrimSuffix(after, "\n") + "\n"
	}
	if text != before {
		t.Errorf("got\n%s\nwant\n%s", text, before)
	}
	same(t, p, text)
	if got := (policy.Config{}).Text(); got != "version: 1\ndefault: deny\n" {
		t.Errorf("the zero value: %s", got)
	}
}

// same: text is p again, but for positions and how expressions are spelt.
func same(t *testing.T, p *policy.Policy, text string) {
	t.Helper()
	q, err := policy.Parse("text", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if a, b := conditions(p), conditions(q); !reflect.DeepEqual(a, b) {
		t.Errorf("conditions %q are read back as %q", a, b)
	}
	if a, b := bare(p), bare(q); !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\nis read back as\n%+v\nfrom\n%s", a, b, text)
	}
}

// conditions are those of the rules: compiled, they cannot be compared.
func conditions(p *policy.Policy) (all []string) {
	for _, r := range p.Config().Rules {
		all = append(all, r.When.String())
	}
	return all
}

func bare(p *policy.Policy) policy.Config {
	c := p.Config()
	c.Pos, c.Modes = "", policy.Places{}
	for i := range c.Rules {
		r := &c.Rules[i]
		r.Pos, r.Text, r.Note, r.When = "", r.Expr.String(), strings.ToValidUTF8(r.Note, "\uFFFD"), nil
	}
	return c
}

func FuzzText(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("version: 1\nrules:\n  - allow: [a, 'b:1-2']\n    note: |\n      two\n      lines\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := policy.Parse("p", src)
		if err != nil {
			return
		}
		if text := p.Config().Text(); len(text) <= policy.MaxFile {
			same(t, p, text)
		}
	})
}
