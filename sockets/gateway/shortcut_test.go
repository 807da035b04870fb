package gateway

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/stack"
)

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
				d := &stack.Datagram{Src: guest, Dst: c.to, NIC: l.nic, TTL: 64, Data: [][]byte{{1}}}
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
	l.same("known", known(), "12")
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
		{Src: guest, Dst: dstA, NIC: l.nic, TTL: 64, Data: [][]byte{make([]byte, 1400)}},
		{Src: guest, Dst: dstB, NIC: l.nic, TTL: 64, Data: [][]byte{make([]byte, 64)}},
		{Src: guestB, Dst: dstA, NIC: l.nic, TTL: 64, Data: [][]byte{make([]byte, 700), make([]byte, 700)}},
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

// BenchmarkUp is what a datagram costs in the gateway and a chain of three layers
// that decide, over a base that takes it at once.
func BenchmarkUp(b *testing.B) {
	for _, way := range []string{"judged", "short cut"} {
		b.Run(way, func(b *testing.B) {
			l := newLane(b, base.New(base.Config{Driver: basetest.Null{}}), Config{}, new(judge), new(judge), new(judge))
			d := &stack.Datagram{Src: guest, Dst: dstA, NIC: l.nic, TTL: 64, Data: [][]byte{make([]byte, 64)}}
			b.ReportAllocs()
			for b.Loop() {
				if way == "judged" {
					l.g.UDP(d)
				} else {
					l.c.UDP(d)
				}
			}
			l.c.Flush()
		})
	}
}
