package gateway

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// several is a base that takes batches. A test looks at what it was given, and
// says what becomes of it.
type several struct {
	*providertest.Base
	mu    sync.Mutex
	sent  []sentTo
	calls []int // datagrams of each batch, 1 for a single send
	fate  func(d sentTo) wsa.Errno
	recv  provider.BatchFunc
}

type sentTo struct {
	s    *provider.Socket
	to   netip.AddrPort
	data string
}

func newSeveral() *several {
	b := &several{Base: new(providertest.Base)}
	b.Script.WSPSendTo = func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		n, e := b.take(s, []provider.Datagram{{Data: slices.Concat(m.Buffers...), Addr: m.Addr}})
		return n * m.Len(), e
	}
	b.Script.WSPRecvFrom = quiet
	b.recv = func(*provider.Socket, []provider.Datagram) (int, wsa.Errno) { return 0, wsa.EWOULDBLOCK }
	return b
}

func (b *several) Batch() (send, recv provider.BatchFunc) {
	return b.take, func(s *provider.Socket, ds []provider.Datagram) (int, wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return 0, e
		}
		b.mu.Lock()
		recv := b.recv
		b.mu.Unlock()
		return recv(s, ds)
	}
}

// comes makes f what is received from now on.
func (b *several) comes(s *provider.Socket, f provider.BatchFunc) {
	b.mu.Lock()
	b.recv = f
	b.mu.Unlock()
	s.Wake(wsa.FD_READ)
}

func (b *several) take(s *provider.Socket, ds []provider.Datagram) (int, wsa.Errno) {
	if e := s.Failed(); e != 0 {
		return 0, e
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, len(ds))
	for i, d := range ds {
		it := sentTo{s, d.Addr.AddrPort, string(d.Data)}
		if b.fate != nil {
			if e := b.fate(it); e != 0 {
				return i, e
			}
		}
		b.sent = append(b.sent, it)
	}
	return len(ds), 0
}

// texts are the datagrams sent, in order.
func (b *several) texts() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, d := range b.sent {
		all = append(all, d.data)
	}
	return strings.Join(all, " ")
}

// judge decides, and counts.
type judge struct {
	asked atomic.Int32
	deny  atomic.Bool
}

func (*judge) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

func (j *judge) Decide(provider.Facts, provider.Op) provider.Verdict {
	j.asked.Add(1)
	if j.deny.Load() {
		return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}
	}
	return provider.Verdict{Action: provider.Allow}
}

func (*judge) OnFailure() provider.OnFailure { return provider.FailClosed }

// looking is a layer in the path of the bytes.
type looking struct{}

func (looking) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	n := *next
	return provider.ProcTable{
		WSPRecv:     func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPRecv(s, m) },
		WSPRecvFrom: func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPRecvFrom(s, m) },
	}, 0
}

// lane is a reader's way into a gateway.
type lane struct {
	t   *testing.T
	g   *Gateway
	cat *provider.Catalog
	nic *stack.NIC
	c   stack.Batch
}

func newLane(t *testing.T, b provider.Base, cfg Config, layers ...provider.Layer) *lane {
	t.Helper()
	l := &lane{t: t}
	l.g, l.cat = over(t, b, cfg, layers...)
	pair := stacktest.NewPair(t, stacktest.PairConfig{AFlow: l.g})
	l.nic = pair.NA
	l.c = l.g.Batch(l.nic, 0)
	return l
}

func (l *lane) udp(src, dst netip.AddrPort, texts ...string) {
	for _, text := range texts {
		d := &stack.Datagram{Src: src, Dst: dst, NIC: l.nic, TTL: 64}
		if text != "" {
			d.Data = [][]byte{[]byte(text[:len(text)/2]), []byte(text[len(text)/2:])}
		}
		l.c.UDP(d)
	}
}

func (l *lane) pair(src, dst netip.AddrPort) *pair {
	return l.g.dgram.known(flowKey{l.nic, src, dst, wsa.IPPROTO_UDP})
}

// counts are UDPSent, UDPFull, UDPDenied.
func (l *lane) counts() string {
	return fmt.Sprint(l.g.UDPSent.Load(), " ", l.g.UDPFull.Load(), " ", l.g.UDPDenied.Load())
}

func (l *lane) same(what string, got, want any) {
	l.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		l.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// expire ends the trust in a flow as a second would.
func (p *pair) expire() { p.until.Store(1) }

var guestB = netip.MustParseAddrPort("10.1.0.2:4001")

// A flow of a chain that only decides is judged once and sent in batches, until
// the second is over.
func TestShortcut(t *testing.T) {
	b, j := newSeveral(), []*judge{new(judge), new(judge), new(judge)}
	l := newLane(t, b, Config{}, j[0], j[1], j[2])
	l.udp(guest, dstA, "a", "b", "", "d")
	l.same("before the flush", b.texts(), "a")
	l.c.Flush()
	l.same("sent", b.texts(), "a b  d")
	l.same("batches", b.calls, "[1 3]")
	l.udp(guest, dstA, "e")
	l.pair(guest, dstA).expire()
	l.udp(guest, dstA, "f", "g")
	l.c.Flush()
	l.same("sent", b.texts(), "a b  d e f g")
	l.same("batches", b.calls, "[1 3 1 1 1]")
	for _, j := range j {
		l.same("judged", j.asked.Load(), 2)
	}
	l.same("counted", l.counts(), "7 0 0")
	l.c.Flush()
	l.same("nothing twice", len(b.sent), 7)
}

// Batches are bounded in number and bytes, and what is too large goes alone; the
// order is kept.
func TestShortcutBounds(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{}, new(judge))
	var want []string
	send := func(n, size int) {
		for range n {
			text := fmt.Sprintf("%0*d", size, len(want))
			want = append(want, text)
			l.udp(guest, dstA, text)
		}
	}
	send(200, 10)
	send(20, maxCopied)
	send(3, maxCopied+1)
	send(3, 65507)
	send(5, 100)
	l.c.Flush()
	if got := strings.Fields(b.texts()); !slices.Equal(got, want) {
		t.Errorf("%d datagrams of %d, or in another order", len(got), len(want))
	}
	l.same("largest batch", slices.Max(b.calls), maxHeld)
	for _, n := range b.calls {
		if n > maxHeld {
			t.Errorf("a batch of %d", n)
		}
	}
}

// Who is not judged by a chain that only decides, or has to be judged first, takes
// no short cut.
func TestNoShortcut(t *testing.T) {
	service := netip.MustParseAddrPort("10.1.0.3:53")
	for _, c := range []struct {
		name  string
		layer provider.Layer
		cfg   Config
		to    netip.AddrPort
		want  string // counts
	}{
		{"a layer looks", looking{}, Config{}, dstA, "3 0 0"},
		{"denied", func() provider.Layer { j := new(judge); j.deny.Store(true); return j }(), Config{}, dstA, "0 0 3"},
		{"not open to this attachment", new(judge), Config{}, netip.MustParseAddrPort("127.0.0.1:1"), "0 0 3"},
		{"our name service", new(judge), Config{DNS: DNS{Addrs: []netip.Addr{service.Addr()}}}, service, "0 0 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newSeveral()
			l := newLane(t, b, c.cfg, c.layer)
			for range 3 {
				d := &stack.Datagram{Src: guest, Dst: c.to, NIC: l.nic, Data: [][]byte{{1}}}
				if l.c.UDP(d) {
					t.Error("held")
				}
			}
			l.same("counted", l.counts(), c.want)
			if slices.ContainsFunc(b.calls, func(n int) bool { return n != 1 }) {
				t.Errorf("batches of %v", b.calls)
			}
		})
	}
}

// Two sources and many destinations: each flow keeps its order, each source its
// one socket, and a flow makes one run of a batch.
func TestShortcutFlows(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{}, new(judge))
	want := map[string]string{}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		src := []netip.AddrPort{guest, guestB}[r.IntN(2)]
		dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(20))}), 7)
		text := fmt.Sprint(i)
		l.udp(src, dst, text)
		want[src.String()+dst.String()] += text + " "
		if r.IntN(100) == 0 {
			l.c.Flush()
		}
		if r.IntN(100) == 0 {
			l.pair(src, dst).expire()
		}
	}
	l.c.Flush()
	got := map[string]string{}
	sockets := map[*provider.Socket]netip.AddrPort{}
	for _, d := range b.sent {
		src := d.s.Origin.Source.AddrPort
		sockets[d.s] = src
		got[src.String()+d.to.String()] += d.data + " "
	}
	if len(sockets) != 2 {
		t.Errorf("%d sockets for two sources", len(sockets))
	}
	for flow, texts := range want {
		if got[flow] != texts {
			t.Errorf("%s: %q, want %q", flow, got[flow], texts)
		}
	}
	if len(b.calls) > 2500 {
		t.Errorf("%d calls for 5000 datagrams", len(b.calls))
	}
}

// What is held when the catalog changes is judged by the new chain.
func TestShortcutReload(t *testing.T) {
	b, j := newSeveral(), new(judge)
	l := newLane(t, b, Config{}, j)
	l.udp(guest, dstA, "a", "b", "c")
	before := l.pair(guest, dstA).a.s.Chain()
	if err := l.cat.SetSelection(nil); err != nil {
		t.Fatal(err)
	}
	j.deny.Store(true)
	l.udp(guest, dstA, "d")
	l.c.Flush()
	l.same("sent", b.texts(), "a")
	l.same("counted", l.counts(), "1 0 3")
	j.deny.Store(false)
	l.udp(guest, dstA, "e", "f")
	l.c.Flush()
	l.same("sent", b.texts(), "a e f")
	if l.pair(guest, dstA).a.s.Chain() == before {
		t.Error("it is still the chain of before")
	}
}

// A killed socket sends nothing any more, and its association ends.
func TestShortcutKill(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{}, new(judge))
	l.udp(guest, dstA, "a", "b", "c")
	a := l.pair(guest, dstA).a
	a.s.Fail(wsa.ECONNABORTED, "test")
	l.c.Flush()
	l.same("sent", b.texts(), "a")
	l.same("counted", l.counts(), "1 0 2")
	eventually(t, "the association ends", a.forgotten.Load)
	l.udp(guest, dstA, "d")
	l.same("a new one sends", b.texts(), "a d")
}

// What is held for an association that ends, or is evicted, goes through a new one.
func TestShortcutEnd(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{Limits: Limits{Datagram: 1}}, new(judge))
	for round, end := range []func(a *association){l.g.dgram.end, func(*association) { l.g.UDP(&stack.Datagram{Src: guestB, Dst: dstA, NIC: l.nic}) }} {
		b.sent = nil
		l.udp(guest, dstA, "a", "b", "c")
		a := l.pair(guest, dstA).a
		end(a)
		eventually(t, "the association closes", func() bool {
			a.sendMu.Lock()
			defer a.sendMu.Unlock()
			return a.closed
		})
		l.udp(guest, dstA, "d")
		l.c.Flush()
		got := strings.Join(strings.Fields(b.texts()), " ")
		l.same(fmt.Sprint("round ", round), got, "a b c d")
	}
	l.same("counted", l.counts(), "9 0 0")
}

// After Close nothing is sent, and nothing hangs.
func TestShortcutAfterClose(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{}, new(judge))
	l.udp(guest, dstA, "a", "b")
	l.g.Close()
	l.udp(guest, dstA, "c")
	l.c.Flush()
	l.same("sent", b.texts(), "a")
	l.same("counted", l.counts(), "1 0 2")
}

// A full socket is loss, of everything behind it too.
func TestShortcutFull(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{}, new(judge))
	l.udp(guest, dstA, "a", "b", "c", "d")
	b.fate = func(d sentTo) wsa.Errno {
		if d.data == "c" {
			return wsa.EWOULDBLOCK
		}
		return 0
	}
	l.c.Flush()
	l.same("sent", b.texts(), "a b")
	l.same("counted", l.counts(), "2 2 0")
	b.fate = nil
	l.udp(guest, dstA, "e", "f")
	l.c.Flush()
	l.same("sent afterwards", b.texts(), "a b e f")
}

// An error is one datagram's own: the program hears of it, the others are sent, and
// the flow is judged anew.
func TestShortcutError(t *testing.T) {
	for _, c := range []struct {
		errno wsa.Errno
		icmp  uint64
		want  string
	}{{wsa.ENETUNREACH, 1, "5 0 1"}, {wsa.EACCES, 1, "5 0 1"}, {wsa.ETIMEDOUT, 0, "5 0 1"}, {wsa.EMSGSIZE, 0, "5 1 0"}, {wsa.ENOBUFS, 0, "5 1 0"}} {
		b, j := newSeveral(), new(judge)
		l := newLane(t, b, Config{}, j)
		quote := stack.Quote{}
		l.g.datagram(flowKey{l.nic, guest, dstA, wsa.IPPROTO_UDP}, [][]byte{[]byte("a")}, func() stack.Quote { return quoted(t, &quote) })
		l.udp(guest, dstB, "d")
		l.udp(guest, dstA, "b", "c")
		l.udp(guest, dstB, "e")
		before := l.nic.Counters()[stack.TxPackets]
		b.fate = func(d sentTo) wsa.Errno {
			if d.data == "b" {
				return c.errno
			}
			return 0
		}
		l.c.Flush()
		l.same(c.errno.Name()+": sent", b.texts(), "a d c e")
		l.same(c.errno.Name()+": ICMP", l.nic.Counters()[stack.TxPackets]-before, c.icmp)
		asked := j.asked.Load()
		l.udp(guest, dstA, "f")
		l.same(c.errno.Name()+": judged anew", j.asked.Load(), asked+1)
		l.same(c.errno.Name()+": counted", l.counts(), c.want)
	}
}

// quoted is the quote of a datagram of the guest's, as the stack would make it.
func quoted(t *testing.T, q *stack.Quote) stack.Quote {
	t.Helper()
	got := make(chan stack.Quote, 1)
	p := stacktest.NewPair(t, stacktest.PairConfig{AFlow: quoting(got)})
	if err := p.NB.SendDatagram(guestB, dstA, []byte("x"), 64); err != nil {
		t.Fatal(err)
	}
	*q = <-got
	return *q
}

// quoting is a FlowHandler that quotes.
type quoting chan stack.Quote

func (quoting) TCP(*stack.Flow)         {}
func (quoting) Echo(*stack.Echo)        {}
func (q quoting) UDP(d *stack.Datagram) { q <- d.Quote() }

// Who may answer is exact: a peer that was forgotten for others is one again with
// the next datagram to it, short cut or not.
func TestShortcutPeers(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{Limits: Limits{Peers: 2}}, new(judge))
	at := func(i byte) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, i}), 7) }
	known := func() (all string) {
		for i := range byte(4) {
			if _, ok := l.pair(guest, at(0)).a.peers.known(at(i).Addr()); ok {
				all += fmt.Sprint(i)
			}
		}
		return all
	}
	l.udp(guest, at(1), "a")
	l.udp(guest, at(0), "b")
	l.same("known", known(), "01")
	l.udp(guest, at(1), "c") // by the short cut: 0 is the oldest now
	l.c.Flush()
	l.udp(guest, at(2), "d")
	l.udp(guest, at(0), "e")
	l.c.Flush()
	l.same("known", known(), "02")
	l.same("sent", b.texts(), "a b c d e")
}

// Nothing of ours is allocated on the way up.
func TestShortcutAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool forgets at random")
	}
	l := newLane(t, base.New(base.Config{Driver: basetest.Null{}}), Config{}, new(judge), new(judge), new(judge))
	ds := []*stack.Datagram{
		{Src: guest, Dst: dstA, NIC: l.nic, Data: [][]byte{make([]byte, 1400)}},
		{Src: guest, Dst: dstB, NIC: l.nic, Data: [][]byte{make([]byte, 64)}},
		{Src: guestB, Dst: dstA, NIC: l.nic, Data: [][]byte{make([]byte, 700), make([]byte, 700)}},
	}
	round := func() {
		for range 64 {
			for _, d := range ds {
				l.c.UDP(d)
			}
		}
		l.c.Flush()
	}
	round()
	if n := testing.AllocsPerRun(100, round); n > 0.5 { // a flow may be judged anew
		t.Errorf("%v allocations for %d datagrams", n, 64*len(ds))
	}
}

// In the middle of a flood everything happens at once. Each datagram is sent,
// lost or denied, once, and everything ends.
func TestShortcutStorm(t *testing.T) {
	b, j := newSeveral(), new(judge)
	l := newLane(t, b, Config{Limits: Limits{Datagram: 3, Peers: 4}}, j)
	var total atomic.Uint64
	var readers, others sync.WaitGroup
	stop := make(chan struct{})
	for k := range 2 {
		readers.Go(func() {
			c, r := l.g.Batch(l.nic, k), rand.New(rand.NewPCG(uint64(k), 1))
			for i := range 20000 {
				src := netip.AddrPortFrom(guest.Addr(), uint16(100+r.IntN(5)))
				dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(6))}), 7)
				c.UDP(&stack.Datagram{Src: src, Dst: dst, NIC: l.nic, Data: [][]byte{{byte(i)}}})
				total.Add(1)
				if r.IntN(30) == 0 {
					c.Flush()
				}
			}
			c.Flush()
		})
	}
	disturb := func(f func(r *rand.Rand)) {
		others.Go(func() {
			for r := rand.New(rand.NewPCG(7, 7)); ; {
				select {
				case <-stop:
					return
				default:
					f(r)
					runtime.Gosched()
				}
			}
		})
	}
	disturb(func(r *rand.Rand) {
		for s := range l.g.cfg.Session.Sockets() {
			if r.IntN(20) == 0 {
				s.Fail(wsa.ECONNABORTED, "test")
			}
			s.Wake(wsa.FD_READ)
		}
	})
	changes := 0
	disturb(func(r *rand.Rand) {
		if changes++; changes%50 == 0 {
			l.cat.SetSelection(nil)
		}
		j.deny.Store(r.IntN(10) == 0)
		for i := range byte(6) {
			if p := l.pair(netip.AddrPortFrom(guest.Addr(), 100), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, i}), 7)); p != nil && r.IntN(10) == 0 {
				l.g.dgram.end(p.a)
			}
		}
	})
	readers.Wait()
	close(stop)
	others.Wait()
	g := l.g
	if sum := g.UDPSent.Load() + g.UDPFull.Load() + g.UDPDenied.Load(); sum != total.Load() || g.UDPSent.Load() != uint64(len(b.sent)) {
		t.Errorf("%d came; %d sent (%d really), %d lost, %d denied", total.Load(), g.UDPSent.Load(), len(b.sent), g.UDPFull.Load(), g.UDPDenied.Load())
	}
	g.Close()
	for range g.cfg.Session.Sockets() {
		t.Error("a socket is left")
	}
}

// flood makes a batch of n datagrams from one peer.
func flood(from netip.AddrPort, n int) provider.BatchFunc {
	var left atomic.Int32
	left.Store(int32(n))
	return func(_ *provider.Socket, ds []provider.Datagram) (int, wsa.Errno) {
		for i := range ds {
			if left.Add(-1) < 0 {
				return i, wsa.EWOULDBLOCK
			}
			binary.BigEndian.PutUint32(ds[i].Data, uint32(i))
			ds[i].N, ds[i].Addr = 100, provider.AddrFrom(from)
		}
		return len(ds), 0
	}
}

// What comes in batches reaches the program, counted, and nothing is allocated.
func TestBatchDown(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{}, new(judge))
	l.nic.Stack().SetRoutes([]stack.Route{{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: l.nic}})
	l.udp(guestB, dstA, "a")
	a := l.pair(guestB, dstA).a
	before := l.nic.Counters()[stack.TxPackets]
	b.comes(a.s, flood(dstA, 100))
	eventually(t, "100 datagrams", func() bool { return l.g.UDPReceived.Load() == 100 })
	l.same("packets to the program", l.nic.Counters()[stack.TxPackets]-before, 100)
	b.comes(a.s, flood(dstB, 50))
	eventually(t, "50 unasked", func() bool { return l.g.UDPUnasked.Load() == 50 })
	l.same("no more", l.g.UDPReceived.Load(), 100)
}

// 4096 sources do not have a goroutine each, and end together.
func TestManyAssociations(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{}, new(judge))
	before := runtime.NumGoroutine()
	for i := range 4096 {
		l.udp(netip.AddrPortFrom(guest.Addr(), uint16(1000+i)), dstA, "x", "y")
	}
	l.c.Flush()
	if n := runtime.NumGoroutine() - before; n > 20 {
		t.Errorf("%d goroutines for 4096 associations", n)
	}
	l.same("sent", len(b.sent), 8192)
	l.same("sockets", len(l.g.dgram.byKey), 4096)
	l.udp(guestB, dstA, "x")
	l.same("evicted", l.g.UDPEvicted.Load(), 1)
	l.g.Close()
	for range l.g.cfg.Session.Sockets() {
		t.Fatal("a socket is left")
	}
}
