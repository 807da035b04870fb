package gateway

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

var (
	dstA     = netip.MustParseAddrPort("192.0.2.1:1000")
	dstB     = netip.MustParseAddrPort("192.0.2.2:1000")
	stranger = provider.AddrFrom(netip.MustParseAddrPort("198.51.100.9:1"))
)

func noQuote() stack.Quote { return stack.Quote{} }

// flow is a UDP flow of no NIC.
func flow(src, dst netip.AddrPort) flowKey { return flowKey{nil, src, dst, wsa.IPPROTO_UDP} }

// find is the association that carries f.
func find(g *Gateway, f flowKey) (*association, *pair, wsa.Errno) {
	p, e := g.dgram.find(f, f.dst)
	if e != 0 {
		return nil, nil, e
	}
	return p.a, p, 0
}

// scripted is a gateway over a base whose WSPRecvFrom is f.
func scripted(t *testing.T, cfg Config, f func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) (*Gateway, *provider.Catalog) {
	t.Helper()
	b := new(providertest.Base)
	b.Script.WSPRecvFrom = f
	return over(t, b, cfg)
}

func over(t testing.TB, b provider.Base, cfg Config, layers ...provider.Layer) (*Gateway, *provider.Catalog) {
	t.Helper()
	cat := socketstest.Catalog(t, b, layers...)
	session, err := sockets.Startup(sockets.Config{Catalog: cat})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Session = session
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Close()
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	return g, cat
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// A socket into which somebody pours without end keeps neither Close nor an
// eviction from ending it.
func TestFloodedAssociationEnds(t *testing.T) {
	g, _ := scripted(t, Config{Limits: Limits{Datagram: 1}}, func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		m.Addr = stranger
		return 1, 0
	})
	g.datagram(flow(guest, dstA), [][]byte{{1}}, noQuote)
	other := netip.AddrPortFrom(guest.Addr(), guest.Port()+1)
	g.datagram(flow(other, dstA), [][]byte{{1}}, noQuote)
	eventually(t, "the evicted association closes its socket", func() bool {
		n := 0
		for range g.cfg.Session.Sockets() {
			n++
		}
		return n == 1
	})
	if g.UDPEvicted.Load() != 1 {
		t.Errorf("%d evictions", g.UDPEvicted.Load())
	}
	done := make(chan struct{})
	go func() { g.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("Close hangs while datagrams come (%d so far)", g.UDPUnasked.Load())
	}
}

// A soft error that names nobody does not leave what is queued behind it: a
// base wakes once for both.
func TestSoftErrorHidesNothing(t *testing.T) {
	var n atomic.Int32
	g, _ := scripted(t, Config{}, func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		switch n.Add(1) {
		case 2:
			return 0, wsa.ECONNRESET
		case 3:
			m.Addr = stranger
			return 1, 0
		}
		return 0, wsa.EWOULDBLOCK
	})
	g.datagram(flow(guest, dstA), [][]byte{{1}}, noQuote)
	eventually(t, "the first receive", func() bool { return n.Load() >= 1 })
	for s := range g.cfg.Session.Sockets() {
		s.Wake(wsa.FD_READ | wsa.EvError)
	}
	eventually(t, "the datagram behind the error", func() bool { return g.UDPUnasked.Load() == 1 })
}

func quiet(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return 0, wsa.EWOULDBLOCK }

// After a change of the catalog what is new takes the new chain, also for a
// guest that never stops sending; and another NIC has sockets of its own.
func TestAssociationsFollowTheCatalog(t *testing.T) {
	g, cat := scripted(t, Config{}, quiet)
	first, _, e := find(g, flow(guest, dstA))
	if e != 0 {
		t.Fatal(e)
	}
	same, _, _ := find(g, flow(guest, dstB))
	if same != first {
		t.Error("two destinations of one chain have two sockets: the mapping depends on the destination")
	}
	if err := cat.SetSelection(nil); err != nil {
		t.Fatal(err)
	}
	if a, _, _ := find(g, flow(guest, dstA)); a != first {
		t.Error("its chain is the same, and it has another socket")
	}
	replaced(t, cat)
	for _, dst := range []netip.AddrPort{dstA, dstB} {
		a, _, e := find(g, flow(guest, dst))
		if e != 0 || a.s.Chain() == first.s.Chain() {
			t.Errorf("%v is still carried by the chain of before: %v", dst, e.Name())
		}
		if a.s.Origin.Destination.IsValid() {
			t.Errorf("a socket for many destinations names %v as its own", a.s.Origin.Destination)
		}
	}
	nic := new(stack.NIC)
	a, _, e := find(g, flowKey{nic, guest, dstA, wsa.IPPROTO_UDP})
	if e != 0 || a.key.nic != nic {
		t.Error("a datagram from another NIC would be answered through the first")
	}
}

// An association that ends between find and send does not lose the datagram.
func TestSendToEndedAssociation(t *testing.T) {
	g, _ := scripted(t, Config{}, quiet)
	g.datagram(flow(guest, dstA), [][]byte{{1}}, noQuote)
	a, p, _ := find(g, flow(guest, dstA))
	g.dgram.end(a)
	eventually(t, "the association closes", func() bool {
		a.sendMu.Lock()
		defer a.sendMu.Unlock()
		return a.closed
	})
	if e := a.send(p, [][]byte{{1}}, usual, noQuote); e != errClosing {
		t.Fatalf("send on an ended association: %v", e.Name())
	}
	g.datagram(flow(guest, dstA), [][]byte{{1}}, noQuote)
	if g.UDPSent.Load() != 2 || g.UDPFull.Load() != 0 {
		t.Errorf("%d sent, %d lost", g.UDPSent.Load(), g.UDPFull.Load())
	}
}

// The answer may be here before the send has returned; one that was not sent
// opens nothing.
func TestAnswerWithinSend(t *testing.T) {
	for _, denied := range []bool{false, true} {
		b := new(providertest.Base)
		sent := make(chan struct{})
		var answered atomic.Bool
		var g *Gateway
		b.Script.WSPSendTo = func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			if denied {
				return 0, wsa.EACCES
			}
			close(sent)
			s.Wake(wsa.FD_READ)
			eventually(t, "the answer is delivered", func() bool { return g.UDPReceived.Load() == 1 })
			return m.Len(), 0
		}
		b.Script.WSPRecvFrom = func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			select {
			case <-sent:
			default:
				return 0, wsa.EWOULDBLOCK
			}
			if answered.Swap(true) {
				return 0, wsa.EWOULDBLOCK
			}
			m.Addr = provider.AddrFrom(dstA)
			return 1, 0
		}
		g, _ = over(t, b, Config{})
		nic := stacktest.NewPair(t, stacktest.PairConfig{}).NA
		a, p, e := find(g, flowKey{nic, guest, dstA, wsa.IPPROTO_UDP})
		if e != 0 {
			t.Fatal(e)
		}
		e = a.send(p, [][]byte{{1}}, usual, noQuote)
		if _, ok := a.peers.known(dstA.Addr()); ok == denied {
			t.Errorf("send: %v, known afterwards: %v", e.Name(), ok)
		}
	}
}

// A guest with very many peers reaches new ones; those it forgot are strangers.
func TestPeersAreBounded(t *testing.T) {
	p := peers{max: 3}
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1)
	}
	to := func(dst netip.AddrPort, as netip.Addr) *pair {
		return &pair{key: flow(guest, netip.AddrPortFrom(as, dst.Port())), to: provider.AddrFrom(dst)}
	}
	for i := range 3 {
		p.speaksTo(to(at(i), at(i).Addr()), noQuote)
	}
	p.speaksTo(to(at(0), at(0).Addr()), noQuote) // 1 is now the oldest
	p.speaksTo(to(at(9), netip.MustParseAddr("10.0.2.2")), noQuote)
	for i, want := range map[int]bool{0: true, 1: false, 2: true, 9: true} {
		if _, ok := p.known(at(i).Addr()); ok != want {
			t.Errorf("%v known: %v, want %v", at(i), ok, want)
		}
	}
	if as, _ := p.known(at(9).Addr()); as != netip.MustParseAddr("10.0.2.2") {
		t.Errorf("the guest knows it as %v", as)
	}
	if len(p.all) != 3 || len(p.hosts) != 3 {
		t.Errorf("%d peers at %d hosts are kept, want 3", len(p.all), len(p.hosts))
	}
}

// An idle association goes, after an answer from port 53 sooner.
func TestIdle(t *testing.T) {
	for _, dns := range []bool{false, true} {
		limits := Limits{Idle: time.Hour, IdleDNS: 20 * time.Millisecond}
		if !dns {
			limits = Limits{Idle: 20 * time.Millisecond, IdleDNS: time.Hour}
		}
		answered := false
		to := netip.AddrPortFrom(dstA.Addr(), 53)
		g, _ := scripted(t, Config{Limits: limits}, func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			if !dns || answered {
				return 0, wsa.EWOULDBLOCK
			}
			answered = true
			m.Addr = provider.AddrFrom(to)
			return 1, 0
		})
		a, _, _ := find(g, flow(guest, to))
		a.dns.Store(dns)
		eventually(t, "the idle association goes", func() bool { return a.forgotten.Load() })
	}
}

func TestTarget(t *testing.T) {
	own := netip.MustParseAddr("10.0.2.2")
	for _, c := range []struct {
		loopback bool
		to, want string // "" = EACCES
	}{
		{true, "10.0.2.2:80", "127.0.0.1:80"},
		{false, "10.0.2.2:80", ""},
		{true, "[::ffff:10.0.2.2]:80", "127.0.0.1:80"},
		{true, "127.0.0.1:80", ""},
		{true, "[::1]:80", ""},
		{true, "0.0.0.0:80", ""},
		{true, "[::]:80", ""},
		{true, "[::ffff:127.0.0.1]:80", ""},
		{true, "[64:ff9b::7f00:1]:80", ""},
		{true, "224.0.0.1:80", ""},
		{true, "[ff02::1]:80", ""},
		{true, "255.255.255.255:80", ""},
		{false, "192.0.2.1:80", "192.0.2.1:80"},
		{false, "[64:ff9b::c000:201]:80", "[64:ff9b::c000:201]:80"},
	} {
		g, _ := scripted(t, Config{Addrs: []netip.Addr{netip.AddrFrom16(own.As16())}, HostLoopback: c.loopback}, quiet)
		got, e := g.target(netip.MustParseAddrPort(c.to))
		if c.want == "" && e != wsa.EACCES || c.want != "" && (e != 0 || got.String() != c.want) {
			t.Errorf("%s (loopback %v): %v, %v, want %q", c.to, c.loopback, got, e.Name(), c.want)
		}
	}
}
