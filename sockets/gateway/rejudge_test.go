package gateway

import (
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
		{"by server name", func() { s.Learn(func(provider.Learned) provider.Learned { return provider.Learned{Hello: true} }) }, 1},
	} {
		c.set()
		if got := g.Rejudge(); got != c.want {
			t.Errorf("%s: %d are reset, want %d", c.what, got, c.want)
		}
		if (s.Failed() == wsa.EACCES) != (c.want == 1) {
			t.Errorf("%s: %v", c.what, s.Failure())
		}
	}
	l.sni.Store(false)
	l.port.Store(int32(dstA.Port()))
	if g.Rejudge() != 1 {
		t.Error("by port: it is not denied")
	}
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
	n.same("reset", n.g.Rejudge(), 1)
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
	if g.Rejudge() != 0 {
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
