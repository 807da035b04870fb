package gateway

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// closing denies ports, and knows its destinations by name if it is told to.
type closing struct {
	port  atomic.Int32
	named atomic.Bool
	sni   atomic.Bool
}

func (*closing) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

func (c *closing) Decide(f provider.Facts, op provider.Op) provider.Verdict {
	denied := int32(f.Remote.Port()) == c.port.Load() ||
		c.named.Load() && !slices.Contains(f.Names, "web.test") || op == provider.OpSNI && c.sni.Load()
	if denied {
		return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}
	}
	return provider.Verdict{Action: provider.Allow}
}

func (*closing) OnFailure() provider.OnFailure { return provider.FailClosed }

// A stream is decided anew as it was decided when it began.
func TestRejudgeStream(t *testing.T) {
	l := new(closing)
	g := newTestGateway(t, l, Config{})
	s, e := g.open(guest, dstA, dstA, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	if e != 0 {
		t.Fatal(e)
	}
	t.Cleanup(func() { s.Chain().Table.WSPCloseSocket(s, provider.CloseAbort) })
	p := newSplice(g, nil, s)
	p.op, p.began = provider.OpConnect, provider.FactsOf(s, provider.AddrFrom(dstA))
	p.began.Names = []string{"web.test"}
	g.join(p)
	t.Cleanup(func() { delete(g.flows, p) })
	for _, c := range []struct {
		what string
		set  func()
		want int
	}{
		{"nothing has changed", func() {}, 0},
		{"only by name, which it had", func() { l.named.Store(true) }, 0},
		{"by server name, which is not known", func() { l.sni.Store(true) }, 0},
		{"not TLS, and not by server name", func() {
			l.sni.Store(false)
			s.Learn(func(provider.Learned) provider.Learned { return provider.Learned{Plain: true} })
		}, 0},
		{"by server name", func() {
			l.sni.Store(true)
			s.Learn(func(provider.Learned) provider.Learned { return provider.Learned{Hello: true} })
		}, 1},
	} {
		c.set()
		if got := g.Rejudge(Living{}).Reset; got != c.want {
			t.Errorf("%s: %d are reset, want %d", c.what, got, c.want)
		}
		if (s.Failed() == wsa.EACCES) != (c.want == 1) {
			t.Errorf("%s: %v", c.what, s.Failure())
		}
	}
	l.sni.Store(false)
	l.port.Store(int32(dstA.Port()))
	if g.Rejudge(Living{}).Reset != 1 {
		t.Error("by port: it is not denied")
	}
}

// What a connection begins with is judged by the rules as they are then, be it TLS or
// not: it may have been made under others.
func TestBeginsAfterChange(t *testing.T) {
	for _, learned := range []provider.Learned{{Hello: true}, {Plain: true}} {
		for _, when := range []string{"known when the rules change", "known after that", "no change"} {
			l := new(closing)
			g, cat := over(t, new(providertest.Base), Config{}, l)
			p, generation := began(t, g), g.cfg.Session.Generation()
			g.admit(p, generation)
			g.rejudgeLater(p, generation)
			learn := func() { p.s.Learn(func(provider.Learned) provider.Learned { return learned }) }
			if when == "known when the rules change" {
				learn()
			}
			l.sni.Store(true)
			if when != "no change" {
				if err := cat.SetSelection(nil); err != nil {
					t.Fatal(err)
				}
				g.Rejudge(Living{})
			}
			if when != "known when the rules change" {
				if p.s.Failed() != 0 {
					t.Errorf("%+v, %s: %v before it is", learned, when, p.s.Failure())
				}
				learn()
			}
			if denied := p.s.Failed() == wsa.EACCES; denied == (when == "no change") { // then the chain itself asks
				t.Errorf("%+v, %s: %v", learned, when, p.s.Failure())
			}
		}
	}
}

// reading is a layer that has the beginning of streams judged.
type reading struct{}

func (reading) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	r.ReadsHellos()
	return provider.ProcTable{}, 0
}

// A connection of a chain in which nobody reads ClientHellos is, for rules that
// need them, one without a server name.
func TestBeganUnread(t *testing.T) {
	for _, read := range []bool{false, true} {
		l := new(closing)
		g, cat := over(t, new(providertest.Base), Config{})
		p := began(t, g)
		g.join(p)
		l.sni.Store(true)
		var bases, layers []provider.CatalogID
		for _, e := range cat.Snapshot().Entries {
			bases = append(bases, e.Info.CatalogEntryID)
		}
		now := []provider.Layer{l}
		if read {
			now = append(now, reading{})
		}
		for i, layer := range now {
			id, err := cat.InstallLayer(fmt.Sprint("layer ", i), layer)
			if err != nil {
				t.Fatal(err)
			}
			layers = append(layers, id)
		}
		if _, err := cat.InstallMandatoryChain("chain of now", layers, bases...); err != nil {
			t.Fatal(err)
		}
		g.Rejudge(Living{})
		if denied := p.s.Failed() == wsa.EACCES; denied != read {
			t.Errorf("read: %v: %v", read, p.s.Failure())
		}
	}
}

// began is a connection to dstA that has begun.
func began(t *testing.T, g *Gateway) *splice {
	t.Helper()
	s, e := g.open(guest, dstA, dstA, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	if e != 0 {
		t.Fatal(e)
	}
	t.Cleanup(func() { s.Chain().Table.WSPCloseSocket(s, provider.CloseAbort) })
	p := newSplice(g, nil, s)
	p.op, p.began = provider.OpConnect, provider.FactsOf(s, provider.AddrFrom(dstA))
	t.Cleanup(func() { delete(g.flows, p) })
	return p
}

// Who may not be spoken to any more may not answer, and the others may.
func TestRejudgeDatagrams(t *testing.T) {
	l := new(closing)
	n := newLane(t, newSeveral(), Config{}, l)
	n.udp(guest, dstA, "a")
	n.udp(guest, guestB, "b")
	a := n.pair(guest, dstA).a
	if other := n.pair(guest, guestB).a; other != a {
		t.Fatal("two sockets for one source")
	}
	l.port.Store(int32(guestB.Port()))
	n.same("reset", n.g.Rejudge(Living{}).Reset, 1)
	for at, want := range map[string]bool{dstA.String(): true, guestB.String(): false} {
		known := false
		for _, p := range a.peers.list() {
			known = known || p.String() == at
		}
		n.same(at+" may answer", known, want)
	}
}

// A datagram whose way was found before the catalog changed goes the new way.
func TestSendAfterChange(t *testing.T) {
	b, j := newSeveral(), new(judge)
	n := newLane(t, b, Config{}, j)
	n.udp(guest, dstA, "a")
	old := n.pair(guest, dstA)
	if err := n.cat.SetSelection(nil); err != nil {
		t.Fatal(err)
	}
	if e := old.a.send(old, [][]byte{[]byte("b")}, usual, nil); e != errClosing {
		t.Errorf("sent the old way: %v", e)
	}
	n.same("sent", b.texts(), "a")
}

// While a gateway drains, sources that it has go on and others are not heard.
func TestDrainDatagrams(t *testing.T) {
	b := newSeveral()
	n := newLane(t, b, Config{}, new(judge))
	n.udp(guest, dstA, "a")
	n.g.Drain()
	n.udp(guestB, dstA, "b")
	n.udp(guest, dstA, "c")
	n.udp(guest, dstB, "d")
	n.c.Flush()
	n.same("sent", b.texts(), "a c d")
	n.same("counted", n.counts(), "3 1 0")
}

// A flow that begins while the rules change is judged by the new ones, whoever
// looks first.
func TestFlowBeginsDuringChange(t *testing.T) {
	l := new(closing)
	base := new(providertest.Base)
	g, cat := over(t, base, Config{}, l)
	s, e := g.open(guest, dstA, dstA, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	if e != 0 {
		t.Fatal(e)
	}
	t.Cleanup(func() { s.Chain().Table.WSPCloseSocket(s, provider.CloseAbort) })
	generation := g.cfg.Session.Generation()
	if err := cat.SetSelection(nil); err != nil {
		t.Fatal(err)
	}
	l.port.Store(int32(dstA.Port()))
	if g.Rejudge(Living{}).Reset != 0 {
		t.Fatal("a flow that nobody knows of was judged")
	}
	p := newSplice(g, nil, s)
	p.op, p.began = provider.OpConnect, provider.FactsOf(s, provider.AddrFrom(dstA))
	g.admit(p, generation)
	t.Cleanup(func() { delete(g.flows, p) })
	if s.Failed() != wsa.EACCES {
		t.Error("a flow is left that the rules deny")
	}
}
