package stack_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// vhand is a hand whose packets carry a virtio_net_hdr.
type vhand struct {
	*hand
	bits uint32
}

func (d vhand) HeaderLen() int   { return 10 }
func (d vhand) Offloads() uint32 { return d.bits }

const everyOffload = stack.OffloadCSUM | stack.OffloadTSO4 | stack.OffloadTSO6 | stack.OffloadUSO4 | stack.OffloadUSO6

// train is a packet as a kernel hands it over: data in parts of this size.
func train(src, dst netip.AddrPort, data []byte, part int) []byte {
	p := tuntest.UDPPacket(src, dst, data)
	l3 := 20
	if src.Addr().Is6() {
		l3 = 40
	}
	sum := udpSum([2]netip.AddrPort{src, dst}, nil) // of ports and lengths too, which the partial one is not
	partial := uint32(^sum) + uint32(len(data))     // the pseudo header's length
	for _, n := range []int{int(src.Port()), int(dst.Port()), 8} {
		partial += 0xffff - uint32(n)
	}
	for partial>>16 != 0 {
		partial = partial&0xffff + partial>>16
	}
	binary.BigEndian.PutUint16(p[l3+6:], uint16(partial))
	h := make([]byte, 10)
	h[0], h[1] = 1, 5
	binary.LittleEndian.PutUint16(h[2:], uint16(l3+8))
	binary.LittleEndian.PutUint16(h[4:], uint16(part))
	binary.LittleEndian.PutUint16(h[6:], uint16(l3))
	binary.LittleEndian.PutUint16(h[8:], 6)
	return append(h, p...)
}

// TestTrains: a train is taken apart into what the program sent, for the gateway
// and for a socket of ours.
func TestTrains(t *testing.T) {
	for _, c := range []struct{ size, part int }{
		{3000, 1000}, {3001, 1000}, {2999, 1000}, {64, 1}, {10, 10}, {10, 100}, {0, 5}, {60000, 1400}, {130, 50}, {400, 150},
	} {
		for _, to := range []string{"192.0.2.1:7", "[2001:db8::1]:7", "10.1.0.1:7", "[fd01::1]:7"} {
			t.Run(fmt.Sprintf("%d in parts of %d to %s", c.size, c.part, to), func(t *testing.T) {
				dst := netip.MustParseAddrPort(to)
				src := netip.AddrPortFrom(stacktest.B4, 1000)
				if dst.Addr().Is6() {
					src = netip.AddrPortFrom(stacktest.B6, 1000)
				}
				data := noise(c.size)
				d := vhand{newHand(train(src, dst, data, c.part)), everyOffload}
				if err := stacktest.Check(train(src, dst, data, c.part), d, false); err != nil && c.part < c.size && c.part < 1453 {
					t.Fatalf("the test's own train: %v", err)
				}
				got := make(chan []byte, 100)
				s, err := stack.New(stack.Config{})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				n, err := s.AddNIC(stack.NICConfig{Device: d, Addrs: []netip.Prefix{netip.PrefixFrom(stacktest.A4, 24), netip.PrefixFrom(stacktest.A6, 64)},
					Forward: gateway{udp: func(d *stack.Datagram) {
						if d.Src != src || d.Dst != dst || d.Len() != len(slices.Concat(d.Data...)) {
							t.Errorf("from %v to %v, %d bytes", d.Src, d.Dst, d.Len())
						}
						got <- slices.Concat(d.Data...)
					}}})
				if err != nil {
					t.Fatal(err)
				}
				for off := 0; off < c.size || off == 0; off += c.part {
					select {
					case b := <-got:
						if want := data[off:min(off+c.part, c.size)]; !bytes.Equal(b, want) {
							t.Fatalf("at %d: %d bytes, want %d", off, len(b), len(want))
						}
					case <-time.After(5 * time.Second):
						t.Fatalf("nothing came at %d: %v", off, n.Counters())
					}
				}
				noDrops(t, n)
			})
		}
	}
}

// TestTrainToSocket: a socket of ours gets them from gVisor, which trusts nothing.
func TestTrainToSocket(t *testing.T) {
	for _, a := range []netip.Addr{stacktest.A4, stacktest.A6} {
		s, err := stack.New(stack.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		d := vhand{newHand(), everyOffload}
		if _, err := s.AddNIC(stack.NICConfig{Device: d, Addrs: []netip.Prefix{netip.PrefixFrom(stacktest.A4, 24), netip.PrefixFrom(stacktest.A6, 64)}, FullChecksums: true}); err != nil {
			t.Fatal(err)
		}
		at := netip.AddrPortFrom(a, 7)
		c, err := gonetListen(s, at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		src := netip.AddrPortFrom(stacktest.B4, 1000)
		if a.Is6() {
			src = netip.AddrPortFrom(stacktest.B6, 1000)
		}
		data := noise(2500)
		d.in <- train(src, at, data, 1000)
		b := make([]byte, 2000)
		for off := 0; off < 2500; off += 1000 {
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			n, _, err := c.ReadFrom(b)
			if want := data[off:min(off+1000, 2500)]; err != nil || !bytes.Equal(b[:n], want) {
				t.Errorf("at %d: %d bytes, %v", off, n, err)
			}
		}
	}
}

// TestTrainNotAsked: a device without the offload has no business with trains.
func TestTrainNotAsked(t *testing.T) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := vhand{newHand(train(program, far, noise(300), 100)), stack.OffloadCSUM | stack.OffloadTSO4 | stack.OffloadTSO6}
	n, err := s.AddNIC(stack.NICConfig{Device: d, Forward: gateway{udp: func(*stack.Datagram) { t.Error("a datagram came") }}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the drop", func() bool { return n.Counters()[stack.RxDropGSO] == 1 })
}
