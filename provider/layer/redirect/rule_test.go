package redirect

import (
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/layer/policy"
)

func TestParseRule(t *testing.T) {
	for text, want := range map[string]string{
		"tcp/203.0.113.1:80=127.0.0.1:8080":     "tcp/203.0.113.1:80=127.0.0.1:8080",
		"TCP/203.0.113.1:80=127.0.0.1:0":        "tcp/203.0.113.1:80=127.0.0.1",
		"any/Example.COM.:443=[2001:db8::1]:1":  "example.com:443=[2001:db8::1]:1",
		"udp/*:53=192.0.2.53":                   "udp/*:53=192.0.2.53",
		"*.example.com=[::1]":                   "*.example.com=[::1]",
		"10.0.0.0/8:1-2,443=127.0.0.1":          "10.0.0.0/8:1-2,443=127.0.0.1",
		"tcp/10.0.0.0/8=127.0.0.1":              "tcp/10.0.0.0/8=127.0.0.1",
		"[2001:db8::/32]:80=[::1]:8080":         "[2001:db8::]/32:80=[::1]:8080",
		"udp/[2001:db8::1]=[::1]":               "udp/[2001:db8::1]=[::1]",
		"[::ffff:192.0.2.1]=[::ffff:127.0.0.1]": "192.0.2.1=127.0.0.1",
		"metadata.=127.0.0.1":                   "metadata.=127.0.0.1",
		"tcp=127.0.0.1":                         "tcp.=127.0.0.1",
	} {
		r, err := ParseRule(text)
		if err != nil || r.String() != want {
			t.Errorf("%s: %v, %v; want %s", text, r, err, want)
		}
		if again, err := ParseRule(want); err != nil || again.String() != want {
			t.Errorf("%s read back: %v, %v", want, again, err)
		}
	}
}

// TestParseRuleErrors: what is wrong, and under which character.
func TestParseRuleErrors(t *testing.T) {
	for _, c := range []struct {
		text, reason string
		column       int
	}{
		{"", "a rule is missing", 1},
		{"tcp/192.0.2.1:80", "the new address is missing", 17},
		{"tcp/192.0.2.1:80=", "the new address is missing", 18},
		{"=127.0.0.1", "the host is missing", 1},
		{"tcp/=127.0.0.1", "the host is missing", 5},
		{"icmp/192.0.2.1=127.0.0.1", `"icmp" is not a protocol; known are tcp, udp and any`, 1},
		{"tcp:192.0.2.1=127.0.0.1", "after the protocol comes a slash: tcp/", 4},
		{"tcp/192.0.2.1:0=127.0.0.1", "ports are 1 to 65535", 15},
		{"tcp/192.0.2.1:=127.0.0.1", "ports are missing", 15},
		{"tcp/192.0.2.1:90-80=127.0.0.1", "upside down; write 80-90", 15},
		{"tcp/192.0.2.1/24=127.0.0.1", "bits set beyond the network; write 192.0.2.0/24", 5},
		{"tcp/192.0.2.0/33=127.0.0.1", "/bits must be 0 to 32", 15},
		{"tcp/192.0.2=127.0.0.1", "neither an IP address nor a name", 5},
		{"2001:db8::1=[::1]", "IPv6 addresses stand in brackets", 1},
		{"[2001:db8::1=[::1]", "the bracket is not closed", 1},
		{"[fe80::1%1]=[::1]", "zones are not part of a rule", 9},
		{"metadata=127.0.0.1", "is a group of the policy's", 1},
		{"a..b=127.0.0.1", "two dots in a row", 3},
		{"a*b=127.0.0.1", "* stands alone", 2},
		{"tcp/*:80=example.com:80", "is not an IP address", 10},
		{"tcp/*:80=127.0.0.1:65536", "ports are 0 to 65535", 20},
		{"tcp/*:80=127.0.0.1:", "ports are 0 to 65535", 20},
		{"tcp/*:80=::1", "write IPv6 addresses in brackets: [::1]", 10},
		{"tcp/*:80=[::1]8080", "after the bracket can come :port", 15},
		{"tcp/*:80=[127.0.0.1]", "IPv4 addresses stand without brackets", 10},
		{"tcp/*:80=0.0.0.0:80", "nobody's address", 10},
		{"udp/*:80=224.0.0.1", "nobody's address", 10},
		{"tcp/*:80=[fe80::1%2]", "zones are not part of a rule", 10},
		{"tcp/192.0.2.1=[::1]", "the other address family", 15},
		{"http://a=127.0.0.1", "a URL is not part of a rule", 5},
		{"tcp/a b=127.0.0.1", "a space or control character", 6},
		{"tcp/ä=127.0.0.1", "ASCII form", 5},
		{strings.Repeat("a", maxRule+1), "longer than", maxRule + 1},
	} {
		_, err := ParseRule(c.text)
		e, ok := err.(*SyntaxError)
		if !ok || !strings.Contains(e.Reason, c.reason) || e.Column != c.column {
			t.Errorf("%s: %v; want %q at column %d", c.text, err, c.reason, c.column)
		}
	}
}

func TestNewErrors(t *testing.T) {
	rules := func(all ...string) (c Config) {
		for _, text := range all {
			r, err := ParseRule(text)
			if err != nil {
				t.Fatal(err)
			}
			c.Rules = append(c.Rules, r)
		}
		return c
	}
	for _, c := range []struct {
		name, want string
		config     Config
	}{
		{"none", "there are no rules", Config{}},
		{"zero", "rule 2 is empty", Config{Rules: append(rules("*=127.0.0.1").Rules, Rule{})}},
		{"twice", "rule 3 (tcp/a.example=127.0.0.2) never holds: rule 1 (tcp/a.example=127.0.0.1) comes first",
			rules("tcp/a.example=127.0.0.1", "udp/a.example=127.0.0.1", "tcp/A.example=127.0.0.2")},
		{"both families", "", rules("tcp/a.example=127.0.0.1", "tcp/a.example=[::1]")},
	} {
		_, err := New(c.config)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}

// FuzzParseRule: a rule that is read is read back from its own text, leads to what can
// be connected to, and its hosts are words of package policy that mean the same there.
func FuzzParseRule(f *testing.F) {
	for _, seed := range []string{
		"tcp/203.0.113.1:80=127.0.0.1:8080", "udp/*:53=192.0.2.53", "*.example.com:1-2,443=[::1]:0", "[2001:db8::]/32:80=[::1]",
		"10.0.0.0/8=127.0.0.1", "metadata.=127.0.0.1", "any/[::ffff:1.2.3.4]=[::ffff:4.3.2.1]", "tcp=1.1.1.1", "=", "a=b=c", "tcp//=::",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text)
		if err != nil {
			e, ok := err.(*SyntaxError)
			if !ok || e.Column < 1 || e.Column > len(text)+1 || e.Reason == "" || r.host.kind != nobody {
				t.Fatalf("%q: %#v, rule %v", text, err, r)
			}
			return
		}
		again, err := ParseRule(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q is %q, which is read back as %q, %v", text, r, again, err)
		}
		if to := r.to.Addr(); to.IsUnspecified() || to.IsMulticast() || to.Is4In6() || to.Zone() != "" {
			t.Fatalf("%q leads to %v", text, to)
		}
		if x, err := policy.ParseExpr(r.host.String()); err != nil || x.String() != r.host.String() {
			t.Fatalf("%q: policy has %q for %q, %v", text, x, r.host, err)
		}
		if _, err := New(Config{Rules: []Rule{r}}); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
