package policy_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestParseExpr(t *testing.T) {
	for text, canonical := range map[string]string{
		"example.com":            "",
		"Example.COM.":           "example.com",
		"*.example.com:443":      "",
		"*":                      "",
		"*:443":                  "",
		"tcp:*":                  "",
		"TCP:example.com:80,443": "tcp:example.com:80,443",
		"udp:1.1.1.1:53":         "",
		"icmp:10.0.0.0/8":        "",
		"a_b.example:1-65535":    "",
		"x:1000-1000":            "x:1000",
		"192.0.2.1/32":           "192.0.2.1",
		"10.0.0.0/8:22,80-90":    "",
		"[::1]":                  "",
		"[2001:db8::]/32:80":     "",
		"[2001:db8::/32]:80":     "[2001:db8::]/32:80",
		"2001:db8::/32":          "[2001:db8::]/32",
		"fc00::/7:443":           "[fc00::]/7:443",
		"[::ffff:10.0.0.1]:80":   "10.0.0.1:80",
		"::ffff:10.0.0.0/104":    "10.0.0.0/8",
		"0.0.0.0/0":              "",
		"PRIVATE":                "private",
		"tcp:metadata:80":        "",
		"private.":               "", // a name
		"tcp.:80":                "",
		"localhost":              "",
		"xn--bcher-kva.example":  "",
		"1password.com":          "",
	} {
		if canonical == "" {
			canonical = text
		}
		x, err := policy.ParseExpr(text)
		if err != nil || x.String() != canonical {
			t.Errorf("%q is %q, %v; want %q", text, x, err, canonical)
		}
	}
}

func TestParseExprErrors(t *testing.T) {
	for _, c := range []struct {
		text   string
		column int
		say    string
	}{
		{"", 1, "missing"},
		{"exa mple.com", 4, "space"},
		{"bücher.example", 2, "xn--"},
		{"https://example.com", 6, "URL"},
		{"tcp", 1, "tcp:*"},
		{"sctp:example.com:80", 1, "not a protocol"},
		{"tcp:sctp:example.com:80", 5, "too many colons"},
		{":443", 1, "write * for any"},
		{"443", 1, "write *:port"},
		{"tcp:443", 5, "write *:port"},
		{"example.com:", 13, "ports are missing"},
		{"example.com:http", 13, "not a port"},
		{"example.com:0", 13, "1 to 65535"},
		{"example.com:80,65536", 16, "1 to 65535"},
		{"example.com:80,,81", 16, "not a port"},
		{"example.com:80-", 16, "not a port"},
		{"example.com:-80", 13, "not a port"},
		{"example.com:90-80", 13, "write 80-90"},
		{"icmp:10.0.0.1:80", 15, "no ports"},
		{"10.0.0.1/8", 1, "write 10.0.0.0/8"},
		{"tcp:10.0.0.1/8", 5, "write 10.0.0.0/8"},
		{"[2001:db8::1]/32", 2, "write [2001:db8::]/32"},
		{"10.0.0.0/33", 10, "0 to 32"},
		{"10.0.0/8", 1, "not an IP address"},
		{"1.2.3.256", 1, "neither"},
		{"example.0x7f", 1, "neither"},
		{"::1", 1, "[::1]"},
		{"fe80::1:443", 1, "[fe80::1:443]"},
		{"[::1", 1, "not closed"},
		{"[::1]x", 6, "after the bracket"},
		{"[10.0.0.1]", 1, "without brackets"},
		{"[example.com]", 2, "not an IP address"},
		{"[fe80::1%eth0]", 9, "zones"},
		{"::ffff:0:0/64", 12, "written as IPv4"},
		{"a*.example.com", 2, "* stands alone"},
		{"*.*.com", 3, "* stands alone"},
		{"*.", 3, "name is missing"},
		{"a..b", 3, "two dots"},
		{"-a.example", 1, "cannot stand"},
		{"a.b-", 4, "cannot stand"},
		{"exam$ple", 5, "cannot stand"},
		{strings.Repeat("a", 64) + ".example", 1, "63"},
		{strings.Repeat("a.", 130) + "a", 1, "253"},
		{strings.Repeat("a", 2000), 1025, "1024"},
	} {
		_, err := policy.ParseExpr(c.text)
		var s *policy.SyntaxError
		if !errors.As(err, &s) {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if s.Column != c.column || !strings.Contains(s.Reason, c.say) {
			t.Errorf("%q: column %d, %s; want column %d, … %s …", c.text, s.Column, s.Reason, c.column, c.say)
		}
	}
}

func FuzzExpr(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		x, err := policy.ParseExpr(text)
		if err != nil {
			var s *policy.SyntaxError
			if !errors.As(err, &s) || s.Column < 1 || s.Column > len(text)+1 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := policy.ParseExpr(x.String())
		if err != nil || again.String() != x.String() {
			t.Fatalf("%q is %q, and that is %q, %v", text, x, again, err)
		}
	})
}

// FuzzAddress holds an address rule to net/netip: no way of writing an address
// gets it round the rule or under it.
func FuzzAddress(f *testing.F) {
	f.Fuzz(func(t *testing.T, network, address string) {
		n, err := netip.ParsePrefix(network)
		if err != nil || n.Masked() != n || n.Addr().Is4In6() {
			return
		}
		a, err := netip.ParseAddr(address)
		if err != nil {
			return
		}
		x, err := policy.ParseExpr(network)
		if err != nil {
			t.Fatalf("%s: %v", network, err)
		}
		want := n.Contains(a.Unmap().WithZone(""))
		nat64 := netip.MustParsePrefix("64:ff9b::/96").Contains(a.WithZone("")) || netip.MustParsePrefix("64:ff9b:1::/48").Contains(a.WithZone(""))
		for _, action := range []provider.Action{provider.Allow, provider.Deny} {
			p, err := policy.New(policy.Config{
				Default: provider.Allow + provider.Deny - action,
				Rules:   []policy.Rule{{Action: action, Expr: x}},
			})
			if err != nil {
				t.Fatal(err)
			}
			facts := provider.Facts{Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP}
			facts.Remote = provider.Addr{AddrPort: netip.AddrPortFrom(a, 1), Family: wsa.AF_INET6}
			got := p.Decide(facts, provider.OpConnect).Action == action
			if got != want && !(nat64 && action == provider.Deny) {
				t.Errorf("%v %s matches %s: %v", action, network, address, got)
			}
		}
	})
}
