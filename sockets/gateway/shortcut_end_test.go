package gateway

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// What is held when the catalog changes is judged by the new chain.
func TestShortcutReload(t *testing.T) {
	b, j := newSeveral(), new(judge)
	l := newLane(t, b, Config{}, j)
	l.udp(guest, dstA, "a", "b", "c")
	before := l.pair(guest, dstA).a.s.Chain()
	replaced(t, l.cat)
	j.deny.Store(true)
	l.udp(guest, dstA, "d")
	l.c.Flush()
	l.same("sent", b.texts(), "a")
	l.same("counted", l.counts(), "1 0 3")
	j.deny.Store(false)
	l.udp(guest, dstA, "e", "f")
	l.c.Flush()
	l.same("sent", b.texts(), "a e f")
	now := l.pair(guest, dstA).a.s.Chain()
	if now == before {
		t.Error("it is still the chain of before")
	}
	asked := j.asked.Load()
	replaced(t, l.cat) // nothing is held this time
	l.udp(guest, dstA, "g")
	l.same("judged by the next", j.asked.Load(), asked+1)
	if l.pair(guest, dstA).a.s.Chain() == now {
		t.Error("it is the chain of before again")
	}
}

// A killed socket sends nothing any more, and its association ends.
func TestShortcutKill(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{}, new(judge))
	l.udp(guest, dstA, "a", "b", "c")
	a := l.pair(guest, dstA).a
	busy, on := make(chan struct{}), make(chan struct{})
	begun := sync.OnceFunc(func() { close(busy) })
	b.comes(a.s, func(*provider.Socket, []provider.Datagram) (int, wsa.Errno) {
		begun()
		<-on
		return 0, wsa.EWOULDBLOCK
	})
	<-busy // else it may have ended before the flush, and they go through a new one
	a.s.Fail(wsa.ECONNABORTED, "test")
	l.c.Flush()
	l.same("sent", b.texts(), "a")
	l.same("counted", l.counts(), "1 0 2")
	close(on)
	eventually(t, "the association ends", a.forgotten.Load)
	l.udp(guest, dstA, "d")
	l.same("a new one sends", b.texts(), "a d")
}

// What is held for an association that ends, or is evicted, goes through a new one.
func TestShortcutEnd(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{Limits: Limits{Datagram: 1}}, new(judge))
	for round, end := range []func(a *association){l.g.dgram.end, func(*association) { l.g.UDP(&stack.Datagram{Src: guestB, Dst: dstA, NIC: l.nic, TTL: 64}) }} {
		b.sent = nil
		l.udp(guest, dstA, "a", "b", "c")
		p := l.pair(guest, dstA)
		a := p.a
		end(a)
		if p.until.Load() != 0 {
			t.Error("the short cut of an association that ends is open")
		}
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
	}{{wsa.ENETUNREACH, 1, "5 0 1"}, {wsa.EACCES, 1, "5 0 1"}, {wsa.ETIMEDOUT, 0, "5 0 1"}, {wsa.EMSGSIZE, 0, "5 0 0"}, {wsa.ENOBUFS, 0, "5 1 0"}} {
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
		l.same(c.errno.Name()+": too long", l.g.UDPTooLong.Load() == 1, c.errno == wsa.EMSGSIZE)
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

func (quoting) TCP(*stack.Flow) {}

func (quoting) Echo(*stack.Echo) {}

func (q quoting) UDP(d *stack.Datagram) { q <- d.Quote() }

// In the middle of a flood everything happens at once. Each datagram is sent,
// lost, one too many or denied, once, and everything ends.
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
				c.UDP(&stack.Datagram{Src: src, Dst: dst, NIC: l.nic, TTL: 64, Data: [][]byte{{byte(i)}}})
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
	if sum := g.UDPSent.Load() + g.UDPFull.Load() + g.UDPLimit.Load() + g.UDPDenied.Load(); sum != total.Load() || g.UDPSent.Load() != uint64(len(b.sent)) {
		t.Errorf("%d came; %d sent (%d really), %d lost, %d too many, %d denied", total.Load(), g.UDPSent.Load(), len(b.sent), g.UDPFull.Load(), g.UDPLimit.Load(), g.UDPDenied.Load())
	}
	g.Close()
	for range g.cfg.Session.Sockets() {
		t.Error("a socket is left")
	}
}

// After a change of the catalog the short cut opens again, and the flow is
// remembered once.
func TestShortcutOpensAgain(t *testing.T) {
	b, j := newSeveral(), new(judge)
	l := newLane(t, b, Config{}, j)
	for range 5 {
		l.udp(guest, dstA, "a", "b", "c")
		l.c.Flush()
		if err := l.cat.SetSelection(nil); err != nil {
			t.Fatal(err)
		}
	}
	asked := j.asked.Load()
	for range 50 {
		l.udp(guest, dstA, "x", "y")
		l.c.Flush()
	}
	l.same("judged", j.asked.Load(), asked+1)
	l.same("pairs", len(l.pair(guest, dstA).a.pairs), 1)
}

// Whom a later verdict denies may not answer any more.
func TestDeniedPeerIsForgotten(t *testing.T) {
	b, j := newSeveral(), new(judge)
	l := newLane(t, b, Config{}, j)
	l.udp(guest, dstA, "a")
	a := l.pair(guest, dstA).a
	if _, ok := a.peers.known(dstA.Addr()); !ok {
		t.Fatal("who was spoken to is not known")
	}
	j.deny.Store(true)
	a.g.dgram.byFlow[l.pair(guest, dstA).key].shut() // as after a second
	l.udp(guest, dstA, "b")
	l.c.Flush()
	if _, ok := a.peers.known(dstA.Addr()); ok {
		t.Error("who is denied now may still answer")
	}
}
