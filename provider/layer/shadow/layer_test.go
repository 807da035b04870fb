package shadow_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/layer/shadow"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func rules(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("p", []byte("version: 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConform(t *testing.T) {
	providertest.ConformLayer(t, func() provider.Layer { return shadow.New(policy.Layer(rules(t, "default: allow\n"))) })
}

func addr(s string) provider.Addr { return provider.AddrFrom(netip.MustParseAddrPort(s)) }

// Everything passes, and everything that would not have is said and counted once.
func TestShadow(t *testing.T) {
	l := shadow.New(policy.Layer(rules(t, "listen: deny\nrules: [{allow: \"192.0.2.1:80\"}, {allow: good.example}]\n")))
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, l)
	tab := &rig.Chain.Table
	connect := func(to string) *provider.Socket {
		s := rig.Socket(t)
		s.Type, s.Protocol = wsa.SOCK_STREAM, wsa.IPPROTO_TCP
		if e := tab.WSPConnect(s, &provider.ConnectRequest{To: addr(to)}); e != 0 && e != wsa.EWOULDBLOCK {
			t.Errorf("connect to %s: %v", to, e)
		}
		return s
	}
	allowed, denied := connect("192.0.2.1:80"), connect("192.0.2.2:80")
	if v := allowed.Verdict(); v == nil || v.Shadow || v.Action != provider.Allow {
		t.Errorf("allowed: %v", v)
	}
	v := denied.Verdict()
	if v == nil || !v.Shadow || v.Denied() || v.Action != provider.Deny || v.Errno != wsa.EACCES {
		t.Fatalf("denied: %v", v)
	}
	if got := v.String(); got != "would deny WSAEACCES by layer0 (default: deny) at p:2:1" && got != "would deny WSAEACCES by layer0 (default: deny)" {
		t.Errorf("the verdict reads %q", got)
	}
	tab.WSPCloseSocket(denied, provider.CloseAbort)

	// Allowed by its address's name, and then it asks for another server.
	s := connect("192.0.2.1:80")
	f := provider.FactsOf(s, addr("192.0.2.9:443"))
	f.Names, f.Late = []string{"good.example"}, provider.Learned{Hello: true, SNI: "bad.example"}
	if v := s.Judge(f, provider.OpSNI); v.Denied() || !v.Shadow {
		t.Errorf("hello: %v", v)
	}
	tab.WSPCloseSocket(s, provider.CloseAbort)
	tab.WSPCloseSocket(allowed, provider.CloseAbort)

	ln := rig.Socket(t)
	if e := tab.WSPListen(ln, 1); e != 0 {
		t.Errorf("listen: %v", e)
	}
	tab.WSPCloseSocket(ln, provider.CloseAbort)

	for _, name := range []string{"bad.example", "bad.example", "good.example"} {
		f := provider.Facts{Names: []string{name}}
		rig.Chain.Witness(f, provider.OpLookup, rig.Chain.Decide(f, provider.OpLookup))
	}
	if got, want := l.Count(), (shadow.Count{Connections: 2, Lookups: 1, Accepts: 1}); got != want || got.Total() != 4 {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

func TestDatagrams(t *testing.T) {
	l := shadow.New(policy.Layer(rules(t, "rules: [{allow: \"192.0.2.1:53\"}]\n")))
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, l)
	s := rig.Socket(t)
	for _, to := range []string{"192.0.2.1:53", "192.0.2.2:53", "192.0.2.2:53", "192.0.2.3:53"} {
		if _, e := rig.Chain.Table.WSPSendTo(s, &provider.Msg{Buffers: [][]byte{{1}}, Addr: addr(to)}); e != 0 {
			t.Errorf("%s: %v", to, e)
		}
	}
	if s.Direct() == nil {
		t.Error("the layer stands in the path of the bytes")
	}
	if _, e := rig.Chain.Table.WSPJoinLeaf(s, &provider.JoinRequest{To: addr("239.0.0.1:1")}); e == wsa.EACCES {
		t.Error("a group is not joined")
	}
	for range 2 {
		mreq := []byte{239, 0, 0, 2, 0, 0, 0, 0}
		if e := rig.Chain.Table.WSPSetSockOpt(s, wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, mreq); e != 0 {
			t.Errorf("a group is not joined by option: %v", e)
		}
	}
	rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	if got := l.Count(); got != (shadow.Count{Datagrams: 4}) {
		t.Errorf("counted %+v", got)
	}
}

// bomb panics when it is asked.
type bomb struct{ provider.Decider }

func (bomb) Decide(provider.Facts, provider.Op) provider.Verdict { panic("bomb in Decide") }

// A layer that is obeyed denies beside one that is not; one that panics under a
// shadow denies nothing.
func TestOthersAreObeyed(t *testing.T) {
	strict := policy.Layer(rules(t, "default: allow\nrules: [{deny: 192.0.2.2}]\n"))
	for _, tried := range []provider.Decider{strict, bomb{strict}} {
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, shadow.New(tried), strict)
		s := rig.Socket(t)
		if e := rig.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.1:80")}); e == wsa.EACCES {
			t.Error("denied by a layer that is not obeyed")
		}
		if e := rig.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.2:80")}); e != wsa.EACCES {
			t.Errorf("%v, want EACCES by the layer that is obeyed", e)
		}
		if v := s.Verdict(); v == nil || !v.Denied() {
			t.Errorf("the verdict is %v", v)
		}
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	}
}
