package metrics_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/metrics"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func TestConform(t *testing.T) {
	providertest.ConformLayer(t, func() provider.Layer { return metrics.New(metrics.Config{Processes: true}) })
}

func addr(s string) provider.Addr { return provider.AddrFrom(netip.MustParseAddrPort(s)) }

func rules(t testing.TB, allow ...string) provider.Layer {
	t.Helper()
	p, err := policy.FromFlags(allow, nil)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Layer(p)
}

// open makes a socket of the chain, of curl's.
func open(t testing.TB, rig *providertest.Rig, name string) *provider.Socket {
	t.Helper()
	c := rig.Chain
	s, e := c.Table.WSPSocket(&provider.SocketRequest{
		AF: wsa.AF_INET, Type: c.Info.SocketType, Protocol: c.Info.Protocol, Info: &c.Info,
		Origin: &provider.Origin{Attachment: "web", UID: -1, PID: 7, Executable: "/usr/bin/curl", Name: name},
	})
	if e != 0 {
		t.Fatal(e)
	}
	return s
}

func moved(s *provider.Socket, in, out uint64) {
	s.Traffic.BytesIn.Add(in)
	s.Traffic.BytesOut.Add(out)
}

func check(t *testing.T, what string, got []metrics.Total, want ...metrics.Total) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// Connections count once, for the rule, name and process that they are of, while they live
// and afterwards; what is denied counts as that.
func TestConnections(t *testing.T) {
	l := metrics.New(metrics.Config{Processes: true})
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, l, rules(t, "192.0.2.1"))
	tab := &rig.Chain.Table
	s := open(t, rig, "web.example")
	connect := func(s *provider.Socket, to string) wsa.Errno {
		return tab.WSPConnect(s, &provider.ConnectRequest{To: addr(to)})
	}
	connect(s, "192.0.2.1:80")
	moved(s, 10, 5)
	cut := open(t, rig, "other.example")
	if e := connect(cut, "192.0.2.2:80"); e != wsa.EACCES {
		t.Fatal(e)
	}
	rule := s.Verdict()
	allowed, denied := rule.Layer+": "+rule.Rule, cut.Verdict()
	now := l.Totals()
	check(t, "names", now.Names,
		metrics.Total{Attachment: "web", Key: "other.example", Denied: 1},
		metrics.Total{Attachment: "web", Key: "web.example", Sockets: 1, Open: 1, BytesIn: 10, BytesOut: 5})
	check(t, "processes", now.Processes, metrics.Total{Attachment: "web", Key: "/usr/bin/curl", Sockets: 1, Open: 1, Denied: 1, BytesIn: 10, BytesOut: 5})
	if len(now.Rules) != 2 {
		t.Errorf("rules: %+v", now.Rules)
	}
	for _, r := range now.Rules {
		if r.Key == allowed && r.BytesIn != 10 || r.Key != allowed && (r.Denied != 1 || denied == nil) {
			t.Errorf("rules: %+v", now.Rules)
		}
	}
	moved(s, 1, 0)
	tab.WSPCloseSocket(cut, provider.CloseAbort)
	tab.WSPCloseSocket(s, provider.CloseAbort)
	check(t, "closed", l.Totals().Processes, metrics.Total{Attachment: "web", Key: "/usr/bin/curl", Sockets: 1, Denied: 1, BytesIn: 11, BytesOut: 5})
}

// A connection counts for the name that its ClientHello asks for, what it has moved before
// included.
func TestServerName(t *testing.T) {
	l := metrics.New(metrics.Config{})
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, l)
	s := open(t, rig, "front.example")
	rig.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.1:443")})
	moved(s, 0, 7)
	l.Totals()
	s.Learn(func(provider.Learned) provider.Learned { return provider.Learned{Hello: true, SNI: "back.example"} })
	moved(s, 3, 0)
	for range 2 {
		check(t, "names", l.Totals().Names,
			metrics.Total{Attachment: "web", Key: "back.example", Sockets: 1, Open: 1, BytesIn: 3, BytesOut: 7},
			metrics.Total{Attachment: "web", Key: "front.example"})
	}
	rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
}

// A datagram socket counts for whom it has sent to last; a process that was not asked for
// is none.
func TestDatagrams(t *testing.T) {
	l := metrics.New(metrics.Config{})
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, l, rules(t, "192.0.2.1", "192.0.2.2"))
	s := open(t, rig, "")
	send := func(to string) {
		before := s.Traffic.BytesOut.Load()
		rig.Chain.Table.WSPSendTo(s, &provider.Msg{Buffers: [][]byte{make([]byte, 10)}, Addr: addr(to)})
		if s.Traffic.BytesOut.Load() == before && s.Verdict().Denied() == false {
			moved(s, 0, 10)
		}
	}
	send("192.0.2.1:53")
	send("192.0.2.1:53")
	send("192.0.2.3:53") // denied
	send("192.0.2.2:53")
	send("192.0.2.2:54")
	names := l.Totals().Names
	sum, sockets := uint64(0), uint64(0)
	for _, n := range names {
		sum, sockets = sum+n.BytesOut, sockets+n.Sockets
	}
	if len(names) != 3 || sum != 40 || sockets != 3 || names[2].Denied != 1 || names[1].Open != 1 {
		t.Errorf("%+v", names)
	}
	rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
}

// What has no socket is denied, too.
func TestWitness(t *testing.T) {
	l := metrics.New(metrics.Config{})
	deny := provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES, Layer: "policy", Rule: "*.example"}
	l.Witness(provider.Facts{Names: []string{"bad.example"}, Origin: &provider.Origin{Attachment: "web"}}, provider.OpLookup, deny)
	l.Witness(provider.Facts{Names: []string{"good.example"}}, provider.OpLookup, provider.Verdict{Action: provider.Allow})
	now := l.Totals()
	check(t, "names", now.Names, metrics.Total{Attachment: "web", Key: "bad.example", Denied: 1})
	check(t, "rules", now.Rules, metrics.Total{Attachment: "web", Key: "policy: *.example", Denied: 1})
}

// Names that a program makes up grow nothing.
func TestBounds(t *testing.T) {
	l := metrics.New(metrics.Config{Keys: 4})
	deny := provider.Verdict{Action: provider.Deny}
	for i := range 100 {
		o := &provider.Origin{Attachment: fmt.Sprint("a", i%10)}
		l.Witness(provider.Facts{Names: []string{fmt.Sprint(i)}, Origin: o}, provider.OpLookup, deny)
	}
	names := l.Totals().Names
	sum := uint64(0)
	for _, n := range names {
		sum += n.Denied
	}
	if len(names) > 6 || sum != 100 {
		t.Errorf("%d keys, %d denials: %+v", len(names), sum, names)
	}
}

// The layer is not in the path of the bytes, and a connect that is counted before
// allocates what a socket needs.
func TestDirect(t *testing.T) {
	for _, protocol := range []int32{wsa.IPPROTO_TCP, wsa.IPPROTO_UDP} {
		rig := providertest.Build(t, new(providertest.Base), protocol, metrics.New(metrics.Config{}))
		s := open(t, rig, "")
		if s.Direct() == nil {
			t.Errorf("protocol %d: bytes pass the layer", protocol)
		}
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	}
}

// A datagram to somebody who was met before allocates what it does without the layer.
func TestAllocations(t *testing.T) {
	count := func(layers ...provider.Layer) float64 {
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, append(layers, rules(t, "192.0.2.1", "192.0.2.2"))...)
		s := open(t, rig, "")
		defer rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
		m := &provider.Msg{Buffers: [][]byte{make([]byte, 10)}}
		one, two := addr("192.0.2.1:53"), addr("192.0.2.2:53")
		return testing.AllocsPerRun(1000, func() {
			for _, m.Addr = range []provider.Addr{one, one, two} {
				rig.Chain.Table.WSPSendTo(s, m)
			}
		})
	}
	without := count()
	if with := count(metrics.New(metrics.Config{Processes: true})); with > without {
		t.Errorf("%g allocations, %g without", with, without)
	}
}

func BenchmarkConnect(b *testing.B) {
	for _, with := range []bool{false, true} {
		b.Run(map[bool]string{false: "without", true: "with"}[with], func(b *testing.B) {
			var layers []provider.Layer
			if with {
				layers = append(layers, metrics.New(metrics.Config{}))
			}
			rig := providertest.Build(b, new(providertest.Base), wsa.IPPROTO_UDP, layers...)
			tab, q := &rig.Chain.Table, &provider.ConnectRequest{To: addr("192.0.2.1:80")}
			b.ReportAllocs()
			for b.Loop() {
				s := open(b, rig, "")
				tab.WSPConnect(s, q)
				tab.WSPCloseSocket(s, provider.CloseAbort)
			}
		})
	}
}

func ExampleLayer_Totals() {
	l := metrics.New(metrics.Config{})
	// … install it in a catalog, above the rules, and when something has moved:
	for _, t := range l.Totals().Names {
		fmt.Println(t.Key, t.BytesIn, t.BytesOut)
	}
	// Output:
}
