package stack_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// offloadKinds are what a device may grant: tun.Device asks for the last one and
// takes less where a kernel refuses.
var offloadKinds = []struct {
	name string
	bits uint32
}{
	{"no header", 0},
	{"CSUM", stack.OffloadCSUM},
	{"CSUM+TSO4", stack.OffloadCSUM | stack.OffloadTSO4},
	{"CSUM+TSO4+TSO6", stack.OffloadCSUM | stack.OffloadTSO4 | stack.OffloadTSO6},
}

var offloadMTUs = []int{1280, 1500, 9000, 65520}

// expectGSO: a stack uses super-segments where it may for both families, and
// where they save anything.
func expectGSO(bits uint32, mtu int) bool {
	const all = stack.OffloadTSO4 | stack.OffloadTSO6
	return bits&all == all && mtu < 30000
}

// TestOffloads: in every combination of header, offloads, family, TAP and MTU
// what a stack writes is what a kernel may be given, packet by packet, and
// arrives whole. Both ends are stacks here, and strict about each other.
func TestOffloads(t *testing.T) {
	for _, kind := range offloadKinds {
		for _, tap := range []bool{false, true} {
			for _, mtu := range offloadMTUs {
				for _, a := range []netip.Addr{stacktest.A4, stacktest.A6} {
					t.Run(fmt.Sprintf("%s/tap %v/mtu %d/%v", kind.name, tap, mtu, a), func(t *testing.T) {
						t.Parallel()
						var strict []*stacktest.Strict
						p := stacktest.NewPair(t, stacktest.PairConfig{
							Cable: stacktest.CableConfig{Bits: kind.bits, TAP: tap, MTU: mtu},
							Wrap: func(_ string, d stack.Device) stack.Device {
								strict = append(strict, stacktest.NewStrict(t, d))
								return strict[len(strict)-1]
							},
						})
						c, d := connect(t, p.B, p.A, netip.AddrPortFrom(a, 80))
						stacktest.PourEachWay(t, c, d, 512<<10, 10*time.Second)
						for _, s := range strict {
							if got, want := s.WroteGSO.Load() > 0, expectGSO(kind.bits, mtu); got != want {
								t.Errorf("%d of %d packets are super-segments", s.WroteGSO.Load(), s.Written.Load())
							}
							if partial := s.Partial.Load() > 0; partial != (kind.bits&stack.OffloadTSO6 != 0) {
								t.Errorf("%d of %d checksums are left unfinished", s.Partial.Load(), s.Written.Load())
							}
						}
						for _, n := range []*stack.NIC{p.NA, p.NB} {
							noDrops(t, n)
						}
					})
				}
			}
		}
	}
}

// noDrops: the NIC has found nothing wrong with any packet.
func noDrops(t *testing.T, n *stack.NIC) {
	t.Helper()
	c := n.Counters()
	for d := stack.RxDropTruncated; d <= stack.RxDropGSO; d++ {
		if c[d] != 0 {
			t.Errorf("%v: %d", d, c[d])
		}
	}
}

// TestMaxSegment: a write of so many bytes is one packet, and none has more.
func TestMaxSegment(t *testing.T) {
	var strict *stacktest.Strict
	p := stacktest.NewPair(t, stacktest.PairConfig{
		Cable: stacktest.CableConfig{Offloads: true},
		Wrap: func(name string, d stack.Device) stack.Device {
			if name == "b" {
				strict = stacktest.NewStrict(t, d)
				return strict
			}
			return d
		},
	})
	c, d := connect(t, p.B, p.A, netip.AddrPortFrom(stacktest.A4, 80))
	if err := transfer(c, d, noise(16*stack.MaxSegment)); err != nil { // in one write
		t.Fatal(err)
	}
	const headers = 10 + 20 + 32 // virtio_net_hdr, IPv4, TCP with timestamps
	if n := strict.Longest.Load(); n != headers+stack.MaxSegment {
		t.Errorf("the longest packet has %d bytes of data, MaxSegment is %d", n-headers, stack.MaxSegment)
	}
}
