package gateway

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// visited is a published port with clients, and the lane of the program's answers.
func visited(t *testing.T, b *several, layer provider.Layer, clients ...netip.AddrPort) (*lane, *Published) {
	t.Helper()
	us := []netip.Addr{netip.MustParseAddr("10.0.2.2")}
	l := newLane(t, b, Config{Addrs: us, DNS: DNS{Addrs: us}}, layer)
	p, err := l.g.Publish(t.Context(), Publication{
		NIC: l.nic, Protocol: wsa.IPPROTO_UDP, Listen: netip.MustParseAddrPort("203.0.113.1:5300"), To: guest,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	for _, c := range clients {
		if v := p.ports[0].visitor(provider.AddrFrom(c), netip.Addr{}); v == nil || v.denied {
			t.Fatalf("%v is not let in", c)
		}
	}
	return l, p
}

// Answers to clients of a published port leave in one call, in their order, each to its
// client; what becomes of one is not the others' affair.
func TestAnswers(t *testing.T) {
	b := newSeveral()
	l, p := visited(t, b, new(judge), dstA, dstB)
	l.udp(guest, dstA, "a", "b")
	l.udp(guest, dstB, "c", "")
	l.udp(guest, dstA, "e")
	l.same("before the flush", b.texts(), "")
	l.c.Flush()
	l.same("sent", b.texts(), "a b c  e")
	l.same("batches", b.calls, "[5]")
	for i, to := range []netip.AddrPort{dstA, dstA, dstB, dstB, dstA} {
		if d := b.sent[i]; d.to != to || d.s != p.ports[0].s {
			t.Errorf("%q went to %v, want %v", d.data, d.to, to)
		}
	}
	b.fate = func(d sentTo) wsa.Errno {
		return map[string]wsa.Errno{"gone": wsa.EHOSTUNREACH, "long": wsa.EMSGSIZE, "full": wsa.EWOULDBLOCK}[d.data]
	}
	l.udp(guest, dstA, "f", "gone", "g", "long", "h", "full", "lost")
	l.c.Flush()
	l.same("sent", b.texts(), "a b c  e f g h")
	l.same("counted", []uint64{p.DatagramsOut.Load(), p.Dropped.Load()}, "[8 4]")
	l.udp(guest, dstA, "late")
	p.Close()
	l.c.Flush()
	l.same("after the end", b.texts(), "a b c  e f g h")
	l.same("counted", []uint64{p.DatagramsOut.Load(), p.Dropped.Load()}, "[8 5]")
}

// Batches are bounded, and what is too large goes alone; the order is kept. Where a
// layer stands in the path of the bytes nothing is gathered.
func TestAnswersAlone(t *testing.T) {
	b := newSeveral()
	l, p := visited(t, b, new(judge), dstA)
	want := ""
	for i := range maxHeld + 2 {
		want += string(rune('a'+i%26)) + " "
		l.udp(guest, dstA, want[len(want)-2:len(want)-1])
	}
	large := string(make([]byte, maxCopied+1))
	l.udp(guest, dstA, large, "z")
	l.c.Flush()
	l.same("sent", b.texts() == want+large+" z", true)
	l.same("batches", b.calls, []int{maxHeld, 2, 1, 1})
	l.same("counted", p.DatagramsOut.Load(), maxHeld+4)

	b = newSeveral()
	l, _ = visited(t, b, looking{}, dstA)
	l.udp(guest, dstA, "a", "b")
	l.same("sent at once", b.texts(), "a b")
	l.same("batches", b.calls, "[1 1]")
}

// Who is known inside under our address is not taken for our name service, whatever
// port it has: the program's questions would be answers to it.
func TestVisitorIsNotTheNameService(t *testing.T) {
	l, p := visited(t, newSeveral(), new(judge))
	v := p.ports[0].visitor(provider.AddrFrom(netip.MustParseAddrPort("127.0.0.1:53")), netip.Addr{})
	if v == nil || v.inside.dst.Addr() != l.g.cfg.Addrs[0] || l.g.isDNS(v.inside.dst) {
		t.Errorf("the program knows it as %v", v.inside.dst)
	}
}
