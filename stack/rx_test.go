package stack

import (
	"fmt"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// BenchmarkView is what a 64 KiB view costs: from the ring, and from gVisor,
// which clears it.
func BenchmarkView(b *testing.B) {
	b.Run("ring", func(b *testing.B) {
		var r viewRing
		defer r.release()
		for b.Loop() {
			r.get().Release()
		}
	})
	b.Run("gVisor", func(b *testing.B) {
		for b.Loop() {
			buffer.NewViewSize(ringView).Release()
		}
	})
}

// BenchmarkTake is what becomes of a packet that was read, by its length: an ACK
// in the first view, a packet that is copied, one that keeps its large view.
func BenchmarkTake(b *testing.B) {
	for _, n := range []int{52, firstView, 1500, firstView + copyBreak, firstView + copyBreak + 1, 65535} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := &reader{link: &link{vnet: true}}
			defer r.release()
			r.pkt.version = 4
			b.ReportAllocs()
			for b.Loop() {
				r.vector()
				r.take(n).DecRef()
			}
		})
	}
}

// TestTake: short packets do not pin a large view, long ones are not copied, and
// what was left over in a view from an earlier packet is not in a later one.
func TestTake(t *testing.T) {
	r := &reader{link: &link{}}
	defer r.release()
	r.pkt.version = 4
	for i, c := range []struct {
		n     int
		large bool // keeps the large view
	}{
		{52, false}, {firstView, false}, {firstView + 1, false}, {1500, false},
		{firstView + copyBreak, false}, {firstView + copyBreak + 1, true}, {65535, true}, {1500, false},
	} {
		bufs := r.vector()
		rest := c.n
		for _, b := range bufs {
			n := min(rest, len(b))
			for k := range n {
				b[k] = byte(i + 1)
			}
			rest -= n
		}
		pkt := r.take(c.n)
		views := pkt.AsSlices()
		total := 0
		for _, v := range views {
			total += len(v)
			for _, b := range v {
				if b != byte(i+1) {
					t.Fatalf("%d bytes: %d of an earlier packet", c.n, b)
				}
			}
		}
		if total != c.n || (r.large == nil) != c.large || pkt.NetworkProtocolNumber != header.IPv4ProtocolNumber {
			t.Errorf("%d bytes: %d in %d views, large view kept %v", c.n, total, len(views), r.large == nil)
		}
		pkt.DecRef()
	}
}
