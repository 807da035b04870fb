package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestMain(m *testing.M) { providertest.Main(m) }

// to are the facts of an operation, written as in a rule: "tcp 192.0.2.1:80 a.example b.example".
func to(t testing.TB, text string) provider.Facts {
	t.Helper()
	words := strings.Fields(text)
	f := provider.Facts{Origin: &provider.Origin{UID: -1}, Names: words[2:]}
	switch words[0] {
	case "tcp":
		f.Type, f.Protocol = wsa.SOCK_STREAM, wsa.IPPROTO_TCP
	case "udp":
		f.Type, f.Protocol = wsa.SOCK_DGRAM, wsa.IPPROTO_UDP
	case "icmp":
		f.Type, f.Protocol = wsa.SOCK_DGRAM, wsa.IPPROTO_ICMPV6
	case "rawtcp":
		f.Type, f.Protocol = wsa.SOCK_RAW, wsa.IPPROTO_TCP
	}
	if words[1] == "-" {
		return f
	}
	ap, err := netip.ParseAddrPort(words[1])
	if err != nil {
		ap = netip.AddrPortFrom(netip.MustParseAddr(words[1]), 0)
	}
	f.Remote = provider.Addr{AddrPort: ap, Family: wsa.AF_INET}
	return f
}

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		allow, deny string // separated by spaces; default deny if there is an allow
		yes, no     []string
	}{
		{
			allow: "example.com:443",
			yes:   []string{"tcp 192.0.2.1:443 example.com", "tcp 192.0.2.1:443 other.example EXAMPLE.com."},
			no: []string{"tcp 192.0.2.1:80 example.com", "tcp 192.0.2.1:443", "tcp 192.0.2.1:443 www.example.com",
				"tcp 192.0.2.1:443 example.com.evil", "tcp 192.0.2.1:443 xexample.com", "icmp 192.0.2.1 example.com", "raw 192.0.2.1 example.com",
				"udp 192.0.2.1:443 example.com"}, // QUIC
		},
		{
			allow: "udp:example.com:443 192.0.2.2 *.example:80-500",
			yes:   []string{"udp 192.0.2.1:443 example.com", "udp 192.0.2.2:443", "udp 192.0.2.1:442 a.example"},
			no:    []string{"tcp 192.0.2.1:443 example.com", "udp 192.0.2.1:443 a.example"},
		},
		{
			allow: "*.example.com",
			yes:   []string{"tcp 192.0.2.1:1 a.example.com", "tcp 192.0.2.1:1 a.b.Example.com", "icmp 192.0.2.1 a.example.com"},
			no:    []string{"tcp 192.0.2.1:1 example.com", "tcp 192.0.2.1:1 .example.com", "tcp 192.0.2.1:1 aexample.com", "tcp 192.0.2.1:1"},
		},
		{ // U+212A folds to k, U+017F to s; and DNS carries any byte
			allow: "kernel.org *.kiss.example",
			yes:   []string{"tcp 192.0.2.1:1 KERNEL.org", "tcp 192.0.2.1:1 a.KISS.example"},
			no:    []string{"tcp 192.0.2.1:1 \u212aernel.org", "tcp 192.0.2.1:1 a.\u212aiss.example", "tcp 192.0.2.1:1 a.ki\u017fs.example"},
		},
		{
			allow: "tcp:10.0.0.0/8:80,443,8000-8999",
			yes:   []string{"tcp 10.1.2.3:80", "tcp [::ffff:10.1.2.3]:8999"},
			no:    []string{"udp 10.1.2.3:80", "tcp 11.0.0.1:80", "tcp 10.1.2.3:9000", "rawtcp 10.1.2.3", "raw 10.1.2.3:80"},
		},
		{ // deny wins, wherever it stands
			allow: "* 10.0.0.1", deny: "10.0.0.0/8",
			yes: []string{"tcp 192.0.2.1:80", "icmp 192.0.2.1", "rawtcp 192.0.2.1", "tcp [64:ff9b::192.0.2.1]:80"},
			no:  []string{"tcp 10.0.0.1:80", "tcp [::ffff:10.0.0.1]:80", "tcp [64:ff9b::10.0.0.1]:80", "tcp [64:ff9b:1::10.0.0.1]:80", "tcp [64:ff9b:1:2:3:4:a00:1]:80"},
		},
		{
			allow: "10.0.0.0/8",
			no:    []string{"tcp [64:ff9b::10.0.0.1]:80", "tcp [64:ff9b:1::10.0.0.1]:80"},
		},
		{
			deny: "metadata loopback linklocal private multicast",
			yes:  []string{"tcp 192.0.2.1:80", "tcp 172.32.0.1:80", "tcp 100.128.0.1:80", "tcp [2001:db8::1]:80", "udp 223.255.255.255:1"},
			no: []string{"tcp 169.254.169.254:80", "tcp [fd00:ec2::254]:80", "tcp 100.100.100.200:80", "tcp 168.63.129.16:80", "tcp 127.0.0.53:53",
				"tcp 0.0.0.0:80", "tcp [::]:80", "tcp [::1]:80", "tcp [fe80::1%3]:80", "tcp 192.168.0.1:80", "tcp 172.31.0.1:80", "tcp [fd12::1]:80", "tcp [fec0::1]:80", "tcp 192.0.0.192:80",
				"udp 224.0.0.251:5353", "udp [ff02::fb]:5353", "udp 255.255.255.255:67"},
		},
		{
			deny: "evil.example *:25 udp:*:443 icmp:*",
			yes:  []string{"tcp 192.0.2.1:443", "tcp 192.0.2.1:80 good.example", "udp 192.0.2.1:53"},
			no:   []string{"tcp 192.0.2.1:25", "udp 192.0.2.1:443", "tcp 192.0.2.1:80 good.example evil.example", "icmp 192.0.2.1"},
		},
		{yes: []string{"tcp 192.0.2.1:80"}},
	} {
		p, err := policy.FromFlags(strings.Fields(c.allow), strings.Fields(c.deny))
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range []provider.Op{provider.OpConnect, provider.OpSendTo, provider.OpJoinLeaf} {
			for _, f := range c.yes {
				if v := p.Decide(to(t, f), op); v.Action != provider.Allow {
					t.Errorf("allow %q deny %q: %v of %s: %v", c.allow, c.deny, op, f, v)
				}
			}
			for _, f := range c.no {
				if v := p.Decide(to(t, f), op); v.Action != provider.Deny {
					t.Errorf("allow %q deny %q: %v of %s: %v", c.allow, c.deny, op, f, v)
				}
			}
		}
	}
}

func TestLookup(t *testing.T) {
	p, err := policy.FromFlags(strings.Fields("example.com:443 tcp:*.sub.example 10.0.0.0/8"), strings.Fields("bad.sub.example half.sub.example:80"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]provider.Action{
		"example.com":      provider.Allow, // some port of it is allowed
		"Example.Com.":     provider.Allow,
		"a.sub.example":    provider.Allow,
		"half.sub.example": provider.Allow, // other ports are left
		"bad.sub.example":  provider.Deny,
		"other.example":    provider.Deny,
		"10.0.0.1":         provider.Deny, // as a name
	} {
		if v := p.Decide(provider.Facts{Names: []string{name}}, provider.OpLookup); v.Action != want {
			t.Errorf("lookup of %s: %v", name, v)
		}
	}
	for _, c := range []struct {
		allow, deny string
		want        provider.Action
	}{{"*", "", provider.Allow}, {"tcp:*:443", "", provider.Allow}, {"", "*", provider.Deny}, {"", "*:25", provider.Allow}, {"10.0.0.0/8", "", provider.Deny}, {"", "metadata", provider.Allow}} {
		p, _ := policy.FromFlags(strings.Fields(c.allow), strings.Fields(c.deny))
		if v := p.Decide(provider.Facts{Names: []string{"a.example"}}, provider.OpLookup); v.Action != c.want {
			t.Errorf("allow %q deny %q: a lookup is %v", c.allow, c.deny, v)
		}
	}
}

func TestServerName(t *testing.T) {
	p, err := policy.FromFlags([]string{"example.com:443", "second.example", "192.0.2.9"}, []string{"evil.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		facts, sni string
		want       provider.Action
	}{
		{"tcp 192.0.2.1:443 example.com", "example.com", provider.Allow},
		{"tcp 192.0.2.1:443", "example.com", provider.Deny},
		{"tcp 192.0.2.1:443 example.com", "EXAMPLE.com.", provider.Allow},
		{"tcp 192.0.2.1:443 example.com", "other.example", provider.Deny},
		{"tcp 192.0.2.1:443 example.com", "second.example", provider.Deny}, // another rule's
		{"tcp 192.0.2.1:443 example.com second.example", "second.example", provider.Allow},
		{"tcp 192.0.2.1:443 second.example", "second.example", provider.Allow},
		{"tcp 192.0.2.1:443 example.com", "", provider.Deny}, // unknown
		{"tcp 192.0.2.9:443", "other.example", provider.Allow},
		{"tcp 192.0.2.9:443", "evil.example", provider.Deny},
	} {
		f := to(t, c.facts)
		f.Late.SNI = c.sni
		if v := p.Decide(f, provider.OpSNI); v.Action != c.want {
			t.Errorf("%s, server name %q: %v", c.facts, c.sni, v)
		}
	}
}

func TestRebind(t *testing.T) {
	for _, c := range []struct {
		policy, facts string
		want          provider.Action
		rule          string
	}{
		{"rules: [{allow: a.example}]", "tcp 192.0.2.1:443 a.example", provider.Allow, "allow a.example"},
		{"rules: [{allow: a.example}]", "tcp 10.0.0.1:443 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: a.example}]", "tcp [fd00::1]:443 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: '*.example'}]", "tcp 169.254.169.254:80 a.example", provider.Deny, "rebind: deny, to allow *.example"},
		{"rules: [{allow: a.example}]", "tcp 127.0.0.1:80 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: a.example}]", "tcp [64:ff9b::10.0.0.1]:80 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: a.example}]", "tcp [64:ff9b::192.0.2.1]:80 a.example", provider.Allow, "allow a.example"},
		{"rules: [{allow: a.example}]", "tcp [64:ff9b:1::192.0.2.1]:80 a.example", provider.Allow, "allow a.example"},
		{"rules: [{allow: a.example}]", "tcp [64:ff9b:1::10.0.0.1]:80 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: a.example}]", "tcp 0.1.2.3:80 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: a.example}]", "tcp 100.64.0.1:80 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: a.example}]", "tcp [fe80::1%2]:80 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: a.example}]", "tcp [fec0::1]:80 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: a.example}]", "tcp [fd00:ec2::254]:80 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: a.example}]", "tcp 168.63.129.16:80 a.example", provider.Deny, "rebind: deny, to allow a.example"},
		{"rules: [{allow: 'a.example:443'}]", "tcp 10.0.0.1:80 a.example", provider.Deny, "default: deny"},
		{"rules: [{allow: a.example}]", "tcp 10.0.0.1:443 b.example", provider.Deny, "default: deny"},
		{"rules: [{allow: a.example}, {allow: 10.0.0.0/24}]", "tcp 10.0.0.1:443 a.example", provider.Allow, "allow 10.0.0.0/24"},
		{"rules: [{allow: '*'}]", "tcp 10.0.0.1:443 a.example", provider.Allow, "allow *"},
		{"rebind: allow\nrules: [{allow: a.example}]", "tcp 10.0.0.1:443 a.example", provider.Allow, "allow a.example"},
	} {
		p, err := policy.Parse("p.yaml", []byte("version: 1\n"+c.policy))
		if err != nil {
			t.Fatal(err)
		}
		if v := p.Decide(to(t, c.facts), provider.OpConnect); v.Action != c.want || v.Rule != c.rule {
			t.Errorf("%s, %s: %v", c.policy, c.facts, v)
		}
	}
}

func TestECH(t *testing.T) {
	for text, want := range map[string]provider.Action{
		"version: 1\nrules: [{allow: example.com}]":             provider.Allow,
		"version: 1\nech: allow\nrules: [{allow: example.com}]": provider.Allow,
		"version: 1\nech: deny\nrules: [{allow: example.com}]":  provider.Deny,
	} {
		p, err := policy.Parse("p.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		f := to(t, "tcp 192.0.2.1:443 example.com")
		f.Late = provider.Learned{SNI: "example.com", ECH: true}
		if v := p.Decide(f, provider.OpSNI); v.Action != want {
			t.Errorf("%q: %v", text, v)
		}
		if v := p.Decide(f, provider.OpConnect); v.Action != provider.Allow {
			t.Errorf("%q: connect %v", text, v)
		}
	}
}

func TestByName(t *testing.T) {
	for text, want := range map[string]bool{
		"version: 1": false, "version: 1\nrules: [{allow: 10.0.0.0/8}, {deny: private}, {allow: '*'}]": false, "version: 1\nech: deny": true,
		"version: 1\nrules: [{deny: a.example}]": true, "version: 1\nrules: [{allow: '*.example'}]": true,
	} {
		if p, err := policy.Parse("p.yaml", []byte(text)); err != nil || p.ByName() != want {
			t.Errorf("%q: %v, %v", text, p.ByName(), err)
		}
	}
}

func TestListen(t *testing.T) {
	for text, want := range map[string]provider.Action{
		"version: 1":                 provider.Allow,
		"{version: 1, listen: deny}": provider.Deny,
	} {
		p, err := policy.Parse("p.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range []provider.Op{provider.OpListen, provider.OpAccept} {
			if v := p.Decide(to(t, "tcp 192.0.2.1:80"), op); v.Action != want {
				t.Errorf("%s: %v is %v", text, op, v)
			}
		}
	}
}

// TestExplain is what people read.
func TestExplain(t *testing.T) {
	p, err := policy.Parse("web.yaml", []byte(`version: 1
default: deny
deny_with: reset
rules:
  - allow: ["example.com:443", "*.example.com"]
    note: web
  - deny: [metadata, "10.0.0.0/8"]
    with: drop
  - deny: evil.example
`))
	if err != nil {
		t.Fatal(err)
	}
	flags, err := policy.Flags([]string{"b.example", "a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = p.With(flags...); err != nil {
		t.Fatal(err)
	}
	for facts, want := range map[string]string{
		"tcp 192.0.2.1:443 example.com":  `allow (allow example.com:443 # web) at web.yaml:5:13`,
		"tcp 192.0.2.1:80 w.example.com": `allow (allow *.example.com # web) at web.yaml:5:32`,
		"tcp 169.254.169.254:80":         `deny WSAETIMEDOUT (deny metadata) at web.yaml:7:12`,
		"tcp 10.0.0.1:80":                `deny WSAETIMEDOUT (deny 10.0.0.0/8) at web.yaml:7:22`,
		"tcp 192.0.2.1:80 evil.example":  `deny WSAECONNREFUSED (deny evil.example) at web.yaml:9:11`,
		"tcp 192.0.2.1:80 a.example":     `allow (allow a.example) at --allow #2`,
		"tcp 192.0.2.1:80":               `deny WSAECONNREFUSED (default: deny) at web.yaml:2:10`,
	} {
		if got := p.Decide(to(t, facts), provider.OpConnect).String(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", facts, got, want)
		}
	}
}

func TestHow(t *testing.T) {
	for how, want := range map[string]wsa.Errno{"prohibited": wsa.EACCES, "reset": wsa.ECONNREFUSED, "unreachable": wsa.EHOSTUNREACH, "drop": wsa.ETIMEDOUT} {
		p, err := policy.Parse("p", []byte("version: 1\nrules:\n- deny: '*'\n  with: "+how))
		if err != nil {
			t.Fatal(err)
		}
		if v := p.Decide(to(t, "tcp 192.0.2.1:80"), provider.OpConnect); v.Errno != want {
			t.Errorf("%s is %v", how, v.Errno)
		}
	}
}

func TestOnFailure(t *testing.T) {
	for text, want := range map[string]provider.OnFailure{
		"version: 1": provider.FailClosed, "{version: 1, on_failure: closed}": provider.FailClosed, "{version: 1, on_failure: open}": provider.FailOpen,
	} {
		p, err := policy.Parse("p", []byte(text))
		if err != nil || policy.Layer(p).OnFailure() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	x, _ := policy.ParseExpr("*")
	for name, r := range map[string]policy.Rule{"no expression": {Action: provider.Allow}, "no action": {Expr: x}} {
		if _, err := policy.New(policy.Config{Rules: []policy.Rule{r}}); err == nil {
			t.Errorf("a rule with %s was taken", name)
		}
	}
	p, err := policy.New(policy.Config{})
	if err != nil || !p.Decide(provider.Facts{}, provider.OpConnect).Denied() || p.OnFailure() != provider.FailClosed {
		t.Errorf("the zero policy does not deny, or fails open: %v", err)
	}
	if _, err := policy.FromFlags(nil, []string{"ok", "a b"}); err == nil || !strings.Contains(err.Error(), `--deny #2: policy: "a b", column 2`) {
		t.Errorf("a bad flag: %v", err)
	}
}

// TestLayer judges every operation by which a socket can reach or be reached.
func TestLayer(t *testing.T) {
	p, err := policy.FromFlags([]string{"192.0.2.1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	yes := provider.AddrFrom(netip.MustParseAddrPort("192.0.2.1:80"))
	no := provider.AddrFrom(netip.MustParseAddrPort("192.0.2.2:80"))
	tcp := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, policy.Layer(p))
	s, table := tcp.Socket(t), &tcp.Chain.Table
	if e := table.WSPConnect(s, &provider.ConnectRequest{To: no}); e != wsa.EACCES || len(tcp.Base.Calls("WSPConnect")) > 0 {
		t.Errorf("a denied connect: %v", e)
	}
	if v := s.Verdict(); v == nil || v.Layer != "layer0" || v.Rule != "default: deny" {
		t.Errorf("the verdict on the socket is %v", v)
	}
	if e := table.WSPConnect(s, &provider.ConnectRequest{To: yes}); e != 0 {
		t.Errorf("an allowed connect: %v", e)
	}
	for _, st := range tcp.Chain.Storeys() {
		if st.Name == "layer0" && st.Data() {
			t.Error("the layer stands in the path of a stream's bytes")
		}
	}
	table.WSPCloseSocket(s, provider.CloseAbort)

	udp := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, policy.Layer(p))
	u := udp.Socket(t)
	for to, want := range map[provider.Addr]wsa.Errno{yes: 0, no: wsa.EACCES} {
		m := &provider.Msg{Buffers: [][]byte{{1}}, Addr: to}
		if _, e := udp.Chain.Table.WSPSendTo(u, m); e != want {
			t.Errorf("sendto %v: %v", to, e)
		}
	}
	udp.Chain.Table.WSPCloseSocket(u, provider.CloseAbort)
}

func TestDecideAllocatesNothing(t *testing.T) {
	p := large(t, 100)
	for _, text := range []string{"tcp 192.0.2.1:80", "tcp [::ffff:10.0.0.1]:80", "udp [fe80::1]:5353", "tcp 192.0.2.1:443 www.example.com", "tcp [64:ff9b::10.0.0.1]:80"} {
		f := to(t, text)
		if n := testing.AllocsPerRun(100, func() { p.Decide(f, provider.OpConnect) }); n > 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

func large(t testing.TB, n int) *policy.Policy {
	var allow, deny []string
	for i := range n / 2 {
		deny = append(deny, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
		allow = append(allow, fmt.Sprintf("*.n%d.example:443", i))
	}
	p, err := policy.FromFlags(allow, deny)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		p := large(b, n)
		for _, text := range []string{"tcp 192.0.2.1:443", "tcp 192.0.2.1:443 www.example.com"} {
			f := to(b, text)
			b.Run(fmt.Sprintf("rules=%d/names=%d", n, len(f.Names)), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Decide(f, provider.OpConnect)
				}
			})
		}
	}
}

// Policies of one chain compose by intersection: an inner one narrows what an outer one
// allows, and widens nothing, in whichever order they stand.
func TestPoliciesIntersect(t *testing.T) {
	wide, err := policy.FromFlags([]string{"192.0.2.0/24"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := policy.FromFlags([]string{"192.0.2.1", "198.51.100.1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, layers := range [][]provider.Layer{{policy.Layer(wide), policy.Layer(narrow)}, {policy.Layer(narrow), policy.Layer(wide)}} {
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, layers...)
		for to, allowed := range map[string]bool{"192.0.2.1": true, "192.0.2.2": false, "198.51.100.1": false} {
			f := provider.Facts{Origin: new(provider.Origin), Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Remote: provider.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr(to), 80))}
			if v := rig.Chain.Decide(f, provider.OpConnect); v.Denied() == allowed {
				t.Errorf("%s: %s", to, v)
			}
		}
	}
}
