package learn_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/wsa"
)

// question is what a program asked, to be asked again.
type question struct {
	facts provider.Facts
	op    provider.Op
}

var (
	fuzzNames = []string{"a.example", "B.example.", "private", "*", "*.example", "10.0.0.0/8", "x_y.example", "1.2.3.4", "tcp", "-.example", "c.example:1", "dns.google", "use-application-dns.net"}
	fuzzAddrs = []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1", "64:ff9b::c000:201", "::ffff:192.0.2.3", "fe80::1%eth0", "64:ff9b::a00:1", "8.8.8.8", "100.64.0.1"}
	fuzzPorts = []int{1, 2, 3, 53, 80, 443, 444, 65535, 851, 852, 853, 854}
)

// FuzzRoundTrip has a program do what the bytes say, everything being allowed.
// What it did is allowed by the policy that was learnt, as it is read back.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x05\x02\x10\x05"))
	f.Add([]byte("\x00\x01\x02\x00\x02\x02\x01\x02\x03\x02\x02\x15\x03\x02\x00"))
	f.Fuzz(func(t *testing.T, steps []byte) {
		w := newWorld(t)
		var asked []question
		for i := 0; i+2 < len(steps) && i < 300; i += 3 {
			asked = append(asked, w.step(steps[i], int(steps[i+1]), int(steps[i+2]))...)
		}
		c, err := w.layer.Policy()
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.Parse("learnt", []byte(c.Text()))
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range asked {
			if v := p.Decide(q.facts, q.op); v.Denied() {
				t.Errorf("%v of %v, %v, %+v: %v\n%s", q.op, q.facts.Remote, q.facts.Names, q.facts.Late, v, c.Text())
			}
		}
		if again, _ := w.layer.Policy(); again.Text() != c.Text() {
			t.Errorf("asked twice:\n%s\n%s", c.Text(), again.Text())
		}
	})
}

// step does one thing and returns what a policy will be asked about it.
func (w *world) step(kind byte, a, b int) []question {
	name, ip := fuzzNames[a%len(fuzzNames)], netip.MustParseAddr(fuzzAddrs[b%len(fuzzAddrs)])
	if kind%4 == 0 {
		key := ip.Unmap().WithZone("").String()
		w.lookup(name, key)
		if a%len(fuzzNames) > 2 && name != "x_y.example" && name != "tcp" && name != "dns.google" && name != "use-application-dns.net" {
			return nil // which no rule can name
		}
		return []question{{provider.Facts{Origin: w.origin(), Names: []string{name}}, provider.OpLookup}}
	}
	to := netip.AddrPortFrom(ip, uint16(fuzzPorts[a%len(fuzzPorts)]))
	f := provider.Facts{
		Origin: w.origin(), Remote: provider.AddrFrom(to), Names: w.zone.NamesOf(ip.Unmap().WithZone("")),
		Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP,
	}
	switch kind % 4 {
	case 1:
		w.send(wsa.IPPROTO_UDP, to.String())
		return []question{{f, provider.OpSendTo}}
	case 2:
		f.Protocol = wsa.IPPROTO_ICMP
		w.send(wsa.IPPROTO_ICMP, to.String())
		return []question{{f, provider.OpSendTo}}
	}
	f.Type, f.Protocol = wsa.SOCK_STREAM, wsa.IPPROTO_TCP
	server := append(fuzzNames, "-", "", "other.example")[(a*7+b)%(len(fuzzNames)+3)]
	w.connect(to.String(), server)
	all := []question{{f, provider.OpConnect}}
	if server != "-" {
		f.Late = provider.Learned{Hello: true, SNI: server}
		all = append(all, question{f, provider.OpSNI})
	}
	return all
}

// Whatever a program looks up and says, no rule reaches further than to where it
// went: nothing by pattern, group or network, and all with their protocol.
func TestNoRuleReachesFurther(t *testing.T) {
	w := newWorld(t)
	for i := range 2000 {
		w.step(byte(i), i*31, i*17)
	}
	c, err := w.layer.Policy()
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"192.0.2.200:443", "10.1.2.3:443", "192.0.2.1:8080", "172.16.0.1:80"} {
		f := provider.Facts{Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Remote: provider.AddrFrom(netip.MustParseAddrPort(to))}
		for _, names := range [][]string{nil, {"other.example"}, {"z.a.example"}} {
			f.Names = names
			if v := p.Decide(f, provider.OpConnect); !v.Denied() {
				t.Errorf("%s as %v: %v", to, names, v)
			}
		}
	}
	if len(c.Rules) == 0 || fmt.Sprint(c.Default) != "deny" {
		t.Errorf("%d rules, default %v", len(c.Rules), c.Default)
	}
}

// Programs that ask other name services do so again under what was learnt, though
// a default of deny denies that unless a rule names it.
func TestOtherNameServices(t *testing.T) {
	w := newWorld(t)
	w.lookup("dns.google", "8.8.8.8", "2001:4860:4860::8888")
	w.lookup("use-application-dns.net", "192.0.2.1")
	w.connect("8.8.8.8:443", "dns.google")
	w.connect("[2001:4860:4860::8888]:443", "dns.google")
	w.connect("1.1.1.1:443", "-")
	w.connect("192.0.2.9:443", "cloudflare-dns.com")
	for _, p := range []string{"852", "853", "854"} {
		w.connect("192.0.2.1:"+p, "-")
	}
	c, err := w.layer.Policy()
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse("learnt", []byte(c.Text()))
	if err != nil {
		t.Fatal(err)
	}
	tcp := func(to string) provider.Facts {
		a := netip.MustParseAddrPort(to)
		return provider.Facts{Origin: w.origin(), Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Remote: provider.AddrFrom(a), Names: w.zone.NamesOf(a.Addr())}
	}
	hello := func(to, server string) provider.Facts {
		f := tcp(to)
		f.Late = provider.Learned{Hello: true, SNI: server}
		return f
	}
	lookup := func(name string) provider.Facts { return provider.Facts{Origin: w.origin(), Names: []string{name}} }
	for _, q := range []question{
		{lookup("dns.google"), provider.OpLookup}, {lookup("use-application-dns.net"), provider.OpLookup},
		{tcp("8.8.8.8:443"), provider.OpConnect}, {hello("8.8.8.8:443", "dns.google"), provider.OpSNI},
		{tcp("[2001:4860:4860::8888]:443"), provider.OpConnect}, {tcp("1.1.1.1:443"), provider.OpConnect},
		{tcp("192.0.2.9:443"), provider.OpConnect}, {hello("192.0.2.9:443", "cloudflare-dns.com"), provider.OpSNI},
		{tcp("192.0.2.1:852"), provider.OpConnect}, {tcp("192.0.2.1:853"), provider.OpConnect}, {tcp("192.0.2.1:854"), provider.OpConnect},
	} {
		if v := p.Decide(q.facts, q.op); v.Denied() {
			t.Errorf("%v of %v, %+v: %v\n%s", q.op, q.facts.Remote, q.facts.Late, v, c.Text())
		}
	}
}
