package policy_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
)

// Name services that are asked in other ways than by our own.
func TestModes(t *testing.T) {
	const open = "rules: [{allow: '*'}]\n"
	for _, c := range []struct {
		policy, facts, sni string
		want               provider.Action
		rule               string
	}{
		// Left out, the modes follow the default.
		{open, "tcp 192.0.2.1:853", "", provider.Deny, "dot: deny"},
		{open, "udp 192.0.2.1:853", "", provider.Deny, "dot: deny"},
		{open, "icmp 192.0.2.1", "", provider.Allow, "allow *"},
		{open, "tcp 1.1.1.1:443", "", provider.Deny, "doh: deny"},
		{open, "udp [2606:4700:4700::1111]:443", "", provider.Deny, "doh: deny"},
		{open, "tcp [64:ff9b::8.8.8.8]:443", "", provider.Deny, "doh: deny"},
		{open, "tcp 1.1.1.1:80", "", provider.Allow, "allow *"},
		{open, "icmp 1.1.1.1", "", provider.Allow, "allow *"},
		{open, "tcp 192.0.2.1:443 dns.google", "", provider.Deny, "doh: deny"},
		{open, "tcp 192.0.2.1:443 a.example DNS.Google.", "", provider.Deny, "doh: deny"},
		{open, "tcp 192.0.2.1:443 x.cloudflare-dns.com", "", provider.Deny, "doh: deny"},
		{open, "tcp 192.0.2.1:443 dns.google.example", "", provider.Allow, "allow *"},
		{open, "tcp 192.0.2.1:443", "dns.google", provider.Deny, "doh: deny"},
		{open, "tcp 192.0.2.1:8443", "dns.google", provider.Deny, "doh: deny"},
		{"default: allow\n", "tcp 192.0.2.1:853", "", provider.Allow, "default: allow"},
		{"default: allow\n", "tcp 1.1.1.1:443", "", provider.Allow, "default: allow"},
		{"default: allow\ndot: deny\n", "tcp 192.0.2.1:853", "", provider.Deny, "dot: deny"},
		{"default: allow\ndoh: deny\n", "tcp 1.1.1.1:443", "", provider.Deny, "doh: deny"},
		{"default: allow\ndoh: deny\n", "tcp 1.1.1.1:853", "", provider.Allow, "default: allow"},
		{"dot: allow\n" + open, "tcp 192.0.2.1:853", "", provider.Allow, "allow *"},
		{"doh: allow\n" + open, "tcp 1.1.1.1:443", "", provider.Allow, "allow *"},
		{"doh: allow\n", "tcp 1.1.1.1:443", "", provider.Deny, "default: deny"},
		// A rule that names exactly what a mode denies means it.
		{"rules: [{allow: '*:853'}]", "tcp 192.0.2.1:853", "", provider.Allow, "allow *:853"},
		{"rules: [{allow: 192.0.2.1}]", "tcp 192.0.2.1:853", "", provider.Deny, "dot: deny"},
		{"rules: [{allow: '*:1-65535'}]", "tcp 192.0.2.1:853", "", provider.Deny, "dot: deny"},
		{"rules: [{allow: '1.1.1.1:443'}]", "tcp 1.1.1.1:443", "", provider.Allow, "allow 1.1.1.1:443"},
		{"rules: [{allow: '1.1.1.0/24'}]", "tcp 1.1.1.1:443", "", provider.Deny, "doh: deny"},
		{"rules: [{allow: dns.google}]", "tcp 8.8.8.8:443 dns.google", "", provider.Allow, "allow dns.google"},
		{"rules: [{allow: dns.google}]", "tcp 8.8.8.8:443 dns.google", "dns.google", provider.Allow, "allow dns.google"},
		{"rules: [{allow: dns.google}]", "tcp 8.8.8.8:443", "", provider.Deny, "doh: deny"},
		{"rules: [{allow: '*.google'}]", "tcp 8.8.8.8:443 dns.google", "", provider.Deny, "doh: deny"},
		{"rules: [{allow: '*'}, {allow: dns.google}]", "tcp 8.8.8.8:443 dns.google", "", provider.Allow, "allow dns.google"},
		// QUIC is denied by name only where nothing else lets it pass.
		{"rules: [{allow: a.example}, {allow: 192.0.2.1}]", "udp 192.0.2.1:443 a.example", "", provider.Allow, "allow 192.0.2.1"},
		{"rules: [{allow: a.example}, {allow: 'udp:a.example'}]", "udp 192.0.2.1:443 a.example", "", provider.Allow, "allow udp:a.example"},
		{"default: allow\nrules: [{allow: a.example}]", "udp 192.0.2.1:443 a.example", "", provider.Allow, "default: allow"},
		// A rule that denies has the first word.
		{"rules: [{deny: 1.1.1.1}]", "tcp 1.1.1.1:443", "", provider.Deny, "deny 1.1.1.1"},
	} {
		p, err := policy.Parse("p", []byte("version: 1\n"+c.policy))
		if err != nil {
			t.Fatal(err)
		}
		f, op := to(t, c.facts), provider.OpConnect
		if c.sni != "" {
			f.Late, op = provider.Learned{Hello: true, SNI: c.sni}, provider.OpSNI
		}
		if v := p.Decide(f, op); v.Action != c.want || v.Rule != c.rule || v.Denied() && v.Rule != "deny 1.1.1.1" && v.Reason == "" {
			t.Errorf("%q, %s %s: %v, reason %q", c.policy, c.facts, c.sni, v, v.Reason)
		}
	}
}

// A resolver's name is not even found, and clients that ask whether they may take
// to one hear that they may not.
func TestModesOfLookups(t *testing.T) {
	for _, c := range []struct {
		policy, name string
		want         provider.Action
	}{
		{"rules: [{allow: '*'}]", "dns.google", provider.Deny},
		{"rules: [{allow: '*'}]", "use-application-dns.net", provider.Deny},
		{"rules: [{allow: '*'}]", "_dns.resolver.arpa", provider.Deny},
		{"rules: [{allow: '*'}]", "a.example", provider.Allow},
		{"rules: [{allow: 'dns.google:443'}]", "dns.google", provider.Allow},
		{"doh: allow\nrules: [{allow: '*'}]", "_dns.resolver.arpa", provider.Allow},
		{"default: allow", "dns.google", provider.Allow},
		{"default: allow\ndoh: deny", "dns.google", provider.Deny},
	} {
		p, err := policy.Parse("p", []byte("version: 1\n"+c.policy))
		if err != nil {
			t.Fatal(err)
		}
		if v := p.Decide(provider.Facts{Names: []string{c.name}}, provider.OpLookup); v.Action != c.want {
			t.Errorf("%q, %s: %v", c.policy, c.name, v)
		}
	}
}

// Where a mode is written stands in its verdict; where it is not, that of the default.
func TestPlacesOfModes(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\ndefault: deny\nlisten: deny\nech: deny\ndoh: deny\n"))
	if err != nil {
		t.Fatal(err)
	}
	hello := to(t, "tcp 192.0.2.1:443")
	hello.Late = provider.Learned{Hello: true, ECH: true}
	for _, c := range []struct {
		f    provider.Facts
		op   provider.Op
		want string
	}{
		{to(t, "tcp 192.0.2.1:443"), provider.OpListen, "deny WSAEACCES (listen: deny) at p:3:9"},
		{hello, provider.OpSNI, "deny WSAEACCES (ech: deny) at p:4:6"},
		{to(t, "tcp 1.1.1.1:443"), provider.OpConnect, "deny WSAEACCES (doh: deny) at p:5:6"},
		{to(t, "tcp 1.1.1.1:853"), provider.OpConnect, "deny WSAEACCES (dot: deny) at p:2:10"},
	} {
		if v := p.Decide(c.f, c.op); v.String() != c.want {
			t.Errorf("%v, want %s", v, c.want)
		}
	}
}

// Why no rule matches stands in the verdict, for each cause another.
func TestReasons(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\nrules: [{allow: 'a.example:443'}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, c := range []struct{ facts, sni, rule string }{
		{"tcp 192.0.2.1:443", "", "default: deny"},
		{"udp 192.0.2.1:53", "", "default: deny"},
		{"tcp 169.254.169.254:80", "", "default: deny"},
		{"tcp 192.0.2.1:443 a.example", "b.example", "default: deny"},
		{"udp 192.0.2.1:443 a.example", "", "quic: deny, to allow a.example:443"},
		{"tcp 192.0.2.1:853", "", "dot: deny"},
		{"tcp 1.1.1.1:443", "", "doh: deny"},
	} {
		f, op := to(t, c.facts), provider.OpConnect
		if c.sni != "" {
			f.Late, op = provider.Learned{Hello: true, SNI: c.sni}, provider.OpSNI
		}
		v := p.Decide(f, op)
		if !v.Denied() || v.Rule != c.rule || v.Reason == "" || seen[v.Reason] {
			t.Errorf("%s %s: %v, reason %q", c.facts, c.sni, v, v.Reason)
		}
		seen[v.Reason] = true
	}
	for _, c := range []struct {
		facts string
		op    provider.Op
	}{{"tcp 192.0.2.1:80 a.example", provider.OpConnect}, {"tcp - b.example", provider.OpLookup}} {
		v := p.Decide(to(t, c.facts), c.op)
		if !v.Denied() || v.Reason == "" || seen[v.Reason] {
			t.Errorf("%v %s: %v, reason %q", c.op, c.facts, v, v.Reason)
		}
		seen[v.Reason] = true
	}
}
