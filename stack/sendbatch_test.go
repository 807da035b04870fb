package stack_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// plate is a device that keeps what is written to it.
type plate struct {
	*hand
	bits uint32 // with a virtio_net_hdr if not 0
	tap  bool
	mtu  int

	mu      sync.Mutex
	written [][]byte
	deny    func(packet []byte) error
}

func (p *plate) MTU() int         { return p.mtu }
func (p *plate) TAP() bool        { return p.tap }
func (p *plate) Offloads() uint32 { return p.bits }
func (p *plate) HeaderLen() int {
	if p.bits != 0 {
		return 10
	}
	return 0
}

func (p *plate) WritePacket(_ int, bufs [][]byte) (int, error) {
	packet := slices.Concat(bufs...)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deny != nil {
		if err := p.deny(packet); err != nil {
			return 0, err
		}
	}
	p.written = append(p.written, packet)
	return len(packet), nil
}

// take is what was written, but for what the stack says of itself.
func (p *plate) take() (out [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.written {
		if proto := w[p.HeaderLen():]; proto[0]>>4 == 4 || proto[6] != 58 && proto[6] != 0 {
			out = append(out, w)
		}
	}
	p.written = nil
	return out
}

func newPlate(t testing.TB, p *plate, h stack.FlowHandler) (*plate, *stack.NIC) {
	t.Helper()
	p.hand = newHand()
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	n, err := s.AddNIC(stack.NICConfig{Device: p, Forward: h, Addrs: []netip.Prefix{
		netip.PrefixFrom(stacktest.A4, 24), netip.PrefixFrom(stacktest.A6, 64)}})
	if err != nil {
		t.Fatal(err)
	}
	return p, n
}

var flowEnds = [][2]netip.AddrPort{
	{netip.MustParseAddrPort("192.0.2.1:53"), netip.AddrPortFrom(stacktest.B4, 1000)},
	{netip.MustParseAddrPort("[2001:db8::1]:53"), netip.AddrPortFrom(stacktest.B6, 1000)},
}

var sendSizes = map[string][]int{
	"one":              {100},
	"empty":            {0},
	"run":              slices.Repeat([]int{1200}, 100),
	"tiny":             slices.Repeat([]int{1}, 100),
	"last is shorter":  {900, 900, 900, 1},
	"mixed":            {5, 5, 6, 6, 0, 0, 7, 1472, 1452, 1452, 3},
	"beyond the MTU":   {10, 10, 3000, 3000, 10, 10},
	"sum that is zero": {2, 2},
	"jumbo":            slices.Repeat([]int{8000}, 20),
}

// TestSendDatagrams: what SendDatagrams writes is, once it is split and summed up
// as the other side would, what SendDatagram writes, but for the IPv4 ID.
func TestSendDatagrams(t *testing.T) {
	const tso = stack.OffloadTSO4 | stack.OffloadTSO6
	for name, bits := range map[string]uint32{
		"plain": 0, "no checksums": tso, "checksums": stack.OffloadCSUM, "segments": stack.OffloadCSUM | tso,
		"trains": stack.OffloadCSUM | tso | stack.OffloadUSO4 | stack.OffloadUSO6,
	} {
		for what, sizes := range sendSizes {
			t.Run(name+"/"+what, func(t *testing.T) {
				for _, ends := range flowEnds {
					same(t, bits, ends, sizes)
				}
			})
		}
	}
}

func same(t *testing.T, bits uint32, ends [2]netip.AddrPort, sizes []int) {
	t.Helper()
	var ds [][]byte
	for i, n := range sizes {
		d := bytes.Repeat([]byte{byte(i)}, n)
		if n == 2 { // the checksum comes out as 0, which has to be sent as 0xffff
			binary.BigEndian.PutUint16(d, zeroSum(ends))
		}
		ds = append(ds, d)
	}
	mtu := 1500
	if sizes[0] > mtu {
		mtu = 9000
	}
	p, fast := newPlate(t, &plate{bits: bits, mtu: mtu}, gateway{})
	q, slow := newPlate(t, &plate{mtu: mtu}, gateway{})
	if err := fast.SendDatagrams(ends[0], ends[1], ds); err != nil {
		t.Fatal(err)
	}
	var got, want [][]byte
	trains := 0
	for _, w := range p.take() {
		if err := stacktest.Check(w, p, true); err != nil {
			t.Fatal(err)
		}
		parts := stacktest.Split(w, p)
		if len(parts) > 1 {
			trains++
		}
		for _, part := range parts {
			got = append(got, part[p.HeaderLen():])
		}
	}
	for _, d := range ds {
		if err := slow.SendDatagram(ends[0], ends[1], d, 0); err != nil {
			t.Fatal(err)
		}
	}
	want = q.take()
	if len(got) != len(want) {
		t.Fatalf("%v: %d packets, want %d", ends[0], len(got), len(want))
	}
	for i := range got {
		if g, w := withoutID(got[i]), withoutID(want[i]); !bytes.Equal(g, w) {
			t.Fatalf("%v, packet %d:\n% x, want\n% x", ends[0], i, g[:min(len(g), 60)], w[:min(len(w), 60)])
		}
	}
	if bits&stack.OffloadUSO4 != 0 && len(sizes) == 100 && trains == 0 || bits&stack.OffloadUSO4 == 0 && trains > 0 {
		t.Errorf("%d trains", trains)
	}
}

// zeroSum is the payload of two bytes with which the checksum is 0.
func zeroSum(ends [2]netip.AddrPort) uint16 {
	b := udpSum(ends, []byte{0, 0})
	return b
}

// udpSum is the checksum field of the datagram, before 0 becomes 0xffff.
func udpSum(ends [2]netip.AddrPort, payload []byte) uint16 {
	sum := uint32(17 + 8 + len(payload) + 8 + len(payload) + int(ends[0].Port()) + int(ends[1].Port()))
	all := append(append(ends[0].Addr().AsSlice(), ends[1].Addr().AsSlice()...), payload...)
	for ; len(all) > 1; all = all[2:] {
		sum += uint32(binary.BigEndian.Uint16(all))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// withoutID is an IPv4 packet without ID and the checksum that covers it.
func withoutID(p []byte) []byte {
	p = slices.Clone(p)
	if p[0]>>4 == 4 {
		clear(p[4:6])
		clear(p[10:12])
	} else if p[6] == 44 {
		clear(p[44:48])
	}
	return p
}

// TestSendDatagramsIDs: an IPv4 ID is not used twice within a burst, trains
// included (RFC 6864 4.3).
func TestSendDatagramsIDs(t *testing.T) {
	const all = stack.OffloadCSUM | stack.OffloadTSO4 | stack.OffloadTSO6 | stack.OffloadUSO4 | stack.OffloadUSO6
	p, n := newPlate(t, &plate{bits: all, mtu: 1500}, gateway{})
	for range 20 {
		n.SendDatagrams(flowEnds[0][0], flowEnds[0][1], slices.Repeat([][]byte{{1, 2, 3}}, 50))
	}
	seen := map[uint16]bool{}
	for _, w := range p.take() {
		for _, part := range stacktest.Split(w, p) {
			seen[binary.BigEndian.Uint16(part[14:])] = true
		}
	}
	if len(seen) != 1000 {
		t.Errorf("%d IDs for 1000 datagrams", len(seen))
	}
}

// TestSendDatagramsErrors are those of SendDatagram; one that cannot be sent keeps
// nobody else from it.
func TestSendDatagramsErrors(t *testing.T) {
	p, n := newPlate(t, &plate{mtu: 1500}, gateway{})
	if err := n.SendDatagrams(flowEnds[0][0], flowEnds[1][1], [][]byte{{1}}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("two families: %v", err)
	}
	if err := n.SendDatagrams(flowEnds[0][0], flowEnds[0][1], nil); err != nil {
		t.Errorf("none: %v", err)
	}
	p.take()
	err := n.SendDatagrams(flowEnds[0][0], flowEnds[0][1], [][]byte{{1}, make([]byte, 65508), {2}})
	if got := len(p.take()); !errors.Is(err, syscall.EMSGSIZE) || got != 2 {
		t.Errorf("one that is too long: %v, %d sent", err, got)
	}
}

// TestSendDatagramsRefused: a train that the device refuses goes in single packets;
// one of those that it refuses is lost and counted.
func TestSendDatagramsRefused(t *testing.T) {
	const all = stack.OffloadCSUM | stack.OffloadTSO4 | stack.OffloadTSO6 | stack.OffloadUSO4 | stack.OffloadUSO6
	p, n := newPlate(t, &plate{bits: all, mtu: 1500}, gateway{})
	p.deny = func(packet []byte) error {
		if packet[1] != 0 || packet[len(packet)-1] == 3 {
			return syscall.EINVAL
		}
		return nil
	}
	if err := n.SendDatagrams(flowEnds[0][0], flowEnds[0][1], [][]byte{{1}, {2}, {3}, {4}}); err != nil {
		t.Error(err)
	}
	if got := p.take(); len(got) != 3 || n.Counters()[stack.TxDropRefused] != 1 {
		t.Errorf("%d written, %d refused", len(got), n.Counters()[stack.TxDropRefused])
	}
}

// TestSendDatagramsHeld: while the device is full datagrams are held, and keep
// their order with those that follow.
func TestSendDatagramsHeld(t *testing.T) {
	for _, state := range []stacktest.Switch{stacktest.Full, stacktest.Down} {
		t.Run(fmt.Sprint(state), func(t *testing.T) {
			s, err := stack.New(stack.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			w := stacktest.NewWire(true)
			n, err := s.AddNIC(stack.NICConfig{Device: w, Forward: gateway{}, Addrs: []netip.Prefix{netip.PrefixFrom(stacktest.A4, 24)}})
			if err != nil {
				t.Fatal(err)
			}
			w.Set(state)
			send := func(from, to int) {
				var ds [][]byte
				for i := from; i < to; i++ {
					ds = append(ds, []byte{byte(i)})
				}
				if err := n.SendDatagrams(flowEnds[0][0], flowEnds[0][1], ds); err != nil {
					t.Error(err)
				}
			}
			send(0, 5)
			send(5, 8)
			if held := n.Counters()[stack.TxHeld]; held != 8 {
				t.Errorf("%d held", held)
			}
			w.Set(stacktest.On)
			send(8, 10)
			for i := range 10 {
				p := w.Expect(t, 5*time.Second, "datagram", func(p []byte) bool { return p[10]>>4 == 4 && p[19] == 17 })
				if p[len(p)-1] != byte(i) {
					t.Fatalf("number %d came as number %d", p[len(p)-1], i)
				}
			}
		})
	}
}

// TestSendDatagramsWithHelp: what needs a neighbour, or goes to ourselves, arrives
// too.
func TestSendDatagramsWithHelp(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{Cable: stacktest.CableConfig{TAP: true}, AFlow: gateway{}})
	c, err := gonetListen(p.B, netip.AddrPortFrom(stacktest.B4, 1000))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.A.SetRoutes([]stack.Route{{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: p.NA}})
	if err := p.NA.SendDatagrams(flowEnds[0][0], flowEnds[0][1], [][]byte{[]byte("one"), []byte("two")}); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	// In either order: what waits for the neighbour's address is sent by another
	// goroutine of gVisor's than what finds it known.
	missing := map[string]bool{"one": true, "two": true}
	for range 2 {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, _, err := c.ReadFrom(b)
		if err != nil || !missing[string(b[:n])] {
			t.Errorf("over Ethernet: %q, %v", b[:n], err)
		}
		delete(missing, string(b[:n]))
	}
	own := netip.AddrPortFrom(stacktest.A4, 7)
	d, n := newPlate(t, &plate{mtu: 1500}, gateway{})
	if err := n.SendDatagrams(flowEnds[0][0], own, [][]byte{[]byte("to ourselves")}); err != nil {
		t.Fatal(err)
	}
	if n.Counters()[stack.Hairpin] != 1 || len(d.take()) != 0 {
		t.Error("what goes to our own address does not turn round")
	}
}

// TestSendDatagramsAllocates nothing.
func TestSendDatagramsAllocates(t *testing.T) {
	if stack.RaceEnabled {
		t.Skip("sync.Pool forgets at random")
	}
	const all = stack.OffloadCSUM | stack.OffloadTSO4 | stack.OffloadTSO6 | stack.OffloadUSO4 | stack.OffloadUSO6
	for _, bits := range []uint32{0, all} {
		s, err := stack.New(stack.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		d := &null{hand: newHand(), bits: bits}
		n, err := s.AddNIC(stack.NICConfig{Device: d, Forward: gateway{}})
		if err != nil {
			t.Fatal(err)
		}
		ds := [][]byte{make([]byte, 100), make([]byte, 100), make([]byte, 50), make([]byte, 1000)}
		for _, ends := range flowEnds {
			if a := testing.AllocsPerRun(200, func() { n.SendDatagrams(ends[0], ends[1], ds) }); a != 0 {
				t.Errorf("%v: %v allocations", ends[0], a)
			}
		}
		if d.n == 0 {
			t.Error("nothing was written")
		}
	}
}

// null is a device that takes everything.
type null struct {
	*hand
	bits uint32
	n    int
}

func (d *null) Offloads() uint32 { return d.bits }
func (d *null) HeaderLen() int   { return int(d.bits&1) * 10 }
func (d *null) WritePacket(_ int, bufs [][]byte) (int, error) {
	d.n++
	return 1, nil
}

func gonetListen(s *stack.Stack, a netip.AddrPort) (net.PacketConn, error) {
	at := full(a)
	return gonet.DialUDP(s.TCPIP(), &at, nil, proto(a.Addr()))
}
