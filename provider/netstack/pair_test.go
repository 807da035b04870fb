package netstack_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

const patience = 20 * time.Second

// family is one address family of a pair of stacks.
type family struct {
	name string
	af   int32
	a, b netip.Addr
}

var families = []family{
	{"inet", wsa.AF_INET, stacktest.A4, stacktest.B4},
	{"inet6", wsa.AF_INET6, stacktest.A6, stacktest.B6},
}

// each runs f for both families, on a fresh pair of stacks.
func each(t *testing.T, f func(t *testing.T, n *net, fam family)) {
	for _, fam := range families {
		t.Run(fam.name, func(t *testing.T) { f(t, newNet(t, stacktest.PairConfig{}), fam) })
	}
}

// net is a driver on each of two joined stacks.
type net struct {
	*stacktest.Pair
	a, b *netstack.Driver
}

func newNet(t testing.TB, c stacktest.PairConfig) *net {
	n := &net{Pair: stacktest.NewPair(t, c)}
	n.a, n.b = driver(t, n.A), driver(t, n.B)
	return n
}

func driver(t testing.TB, s *stack.Stack) *netstack.Driver {
	d := netstack.New(netstack.Config{Stack: s, Raw: true})
	t.Cleanup(d.Close)
	return d
}

// sock is an endpoint whose wakes are counted.
type sock struct {
	base.Endpoint
	t      testing.TB
	woken  chan struct{}
	closed atomic.Bool
}

func open(t testing.TB, d *netstack.Driver, af, typ, protocol int32) *sock {
	t.Helper()
	ep, e := d.Open(af, typ, protocol)
	if e != 0 {
		t.Fatalf("open %d/%d/%d: %s", af, typ, protocol, e.Name())
	}
	return watch(t, ep)
}

func watch(t testing.TB, ep base.Endpoint) *sock {
	s := &sock{Endpoint: ep, t: t, woken: make(chan struct{}, 1)}
	s.Watch(func(wsa.Events) {
		if s.closed.Load() {
			panic("woken after Close")
		}
		s.State() // as base does
		select {
		case s.woken <- struct{}{}:
		default:
		}
	})
	t.Cleanup(func() { s.close(true) })
	return s
}

func (s *sock) close(abort bool) {
	if !s.closed.Load() {
		s.Close(abort)
		s.closed.Store(true)
	}
}

// await asks State at first and after each wake, until ok.
func (s *sock) await(what string, ok func(base.State) bool) base.State {
	s.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		st := s.State()
		if ok(st) {
			return st
		}
		select {
		case <-s.woken:
		case <-timeout.C:
			buf := make([]byte, 1<<16)
			s.t.Fatalf("not %s: state %+v, %+v\n%s", what, st, s.State(), buf[:runtime.Stack(buf, testing.Verbose())])
		}
	}
}

// poll is await for what no wake tells.
func (s *sock) poll(what string, ok func(base.State) bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ok(s.State()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not %s: state %+v", what, s.State())
		}
	}
}

func readable(s base.State) bool   { return s.Readable }
func writable(s base.State) bool   { return s.Writable }
func connected(s base.State) bool  { return s.Phase == base.Connected }
func dead(s base.State) bool       { return s.Phase == base.Dead }
func peerClosed(s base.State) bool { return s.PeerClosed }
func soft(s base.State) bool       { return s.Soft }

func addr(ip netip.Addr, port uint16) provider.Addr {
	return provider.AddrFrom(netip.AddrPortFrom(ip, port))
}

func (s *sock) bind(ip netip.Addr, port uint16) provider.Addr {
	s.t.Helper()
	s.must("bind", s.Bind(addr(ip, port)))
	a, ok := s.LocalAddr()
	if !ok {
		s.t.Fatal("bound, but without a name")
	}
	return a
}

func (s *sock) must(what string, e wsa.Errno) {
	s.t.Helper()
	if e != 0 {
		s.t.Fatalf("%s: %s", what, e.Name())
	}
}

func (s *sock) fails(what string, got, want wsa.Errno) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: %s, want %s", what, got.Name(), want.Name())
	}
}

func msg(b ...[]byte) *provider.Msg { return &provider.Msg{Buffers: b} }

func text(s string) *provider.Msg { return msg([]byte(s)) }

// sendAll sends a whole stream of bytes.
func (s *sock) sendAll(b []byte) {
	s.t.Helper()
	for len(b) > 0 {
		n, e := s.Send(msg(b))
		if e == wsa.EWOULDBLOCK {
			s.await("writable", writable)
			continue
		}
		s.must("send", e)
		b = b[n:]
	}
}

// recvAll receives n bytes, or to the end of the stream if n < 0.
func (s *sock) recvAll(n int) []byte {
	s.t.Helper()
	var all []byte
	buf := make([]byte, 32<<10)
	for n < 0 || len(all) < n {
		got, e := s.Recv(msg(buf))
		if e == wsa.EWOULDBLOCK {
			s.await("readable or closed", func(st base.State) bool { return st.Readable || st.PeerClosed || st.Err != 0 })
			continue
		}
		s.must("recv", e)
		if got == 0 {
			break
		}
		all = append(all, buf[:got]...)
	}
	return all
}

// recv1 waits for one datagram.
func (s *sock) recv1(size int) (b []byte, from provider.Addr, e wsa.Errno) {
	s.t.Helper()
	s.await("readable", func(st base.State) bool { return st.Readable || st.Soft })
	m := msg(make([]byte, size))
	n, e := s.Recv(m)
	return m.Buffers[0][:n], m.Addr, e
}

// stream opens a TCP endpoint.
func stream(t testing.TB, d *netstack.Driver, af int32) *sock {
	return open(t, d, af, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
}

// udp opens a UDP endpoint.
func udp(t testing.TB, d *netstack.Driver, af int32) *sock {
	return open(t, d, af, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
}

func listener(t testing.TB, d *netstack.Driver, ip netip.Addr, backlog int) (*sock, provider.Addr) {
	t.Helper()
	af := wsa.AF_INET
	if ip.Is6() {
		af = wsa.AF_INET6
	}
	l := stream(t, d, af)
	a := l.bind(ip, 0)
	l.must("listen", l.Listen(backlog))
	return l, a
}

func (s *sock) dial(to provider.Addr) *sock {
	s.t.Helper()
	s.fails("connect", s.Connect(to), wsa.EWOULDBLOCK)
	s.await("connected", connected)
	return s
}

func (s *sock) accept() *sock {
	s.t.Helper()
	s.await("acceptable", func(st base.State) bool { return st.Acceptable })
	ep, e := s.Accept()
	s.must("accept", e)
	return watch(s.t, ep)
}

// connection is a connected pair: a on stack A, b accepted on stack B.
func (n *net) connection(t testing.TB, fam family) (a, b *sock) {
	t.Helper()
	l, at := listener(t, n.b, fam.b, 5)
	a = stream(t, n.a, fam.af).dial(at)
	b = l.accept()
	l.close(false)
	return a, b
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func phaseName(p base.Phase) string {
	return [...]string{"idle", "listening", "connecting", "connected", "dead"}[p]
}

func (s *sock) wantDead(e wsa.Errno) {
	s.t.Helper()
	st := s.await("dead", dead)
	if st.Err != e || !st.Drained {
		s.t.Errorf("dead: %s, drained %v; want %s, drained", st.Err.Name(), st.Drained, e.Name())
	}
	for i := range 3 {
		n, got := s.Recv(msg(make([]byte, 10)))
		s.fails(fmt.Sprintf("recv %d of a dead stream (%d bytes)", i, n), got, e)
		_, got = s.Send(text("x"))
		s.fails(fmt.Sprintf("send %d to a dead stream", i), got, e)
	}
}
