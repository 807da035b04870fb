package stack_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// handshake connects peer to ours over w, with hand-made segments, and gives
// what the next data segment will begin with, and an ACK for all before.
func handshake(t *testing.T, w *stacktest.Wire, peer, ours netip.AddrPort) (next uint32, ack tcpSegment) {
	t.Helper()
	hello := tcpSegment{src: peer, dst: ours, seq: 100, flags: 2, window: 1000,
		options: []byte{2, 4, 1400 >> 8, 1400 & 0xff, 4, 2, 3, 3, 7, 0, 0, 0}} // MSS, SACK permitted, window scale
	w.Inject(hello.bytes())
	b := w.Expect(t, 5*time.Second, "SYN-ACK", func(b []byte) bool { return b[33] == 0x12 })
	next = binary.BigEndian.Uint32(b[24:]) + 1
	ack = tcpSegment{src: peer, dst: ours, seq: 101, ack: next, flags: 0x10, window: 1000}
	w.Inject(ack.bytes())
	return next, ack
}

// dataAt matches a segment with data from the sequence number on.
func dataAt(seq uint32) func([]byte) bool {
	return func(b []byte) bool { return len(b) > 40 && binary.BigEndian.Uint32(b[24:]) == seq }
}

// TestHoldNewest: however long a device is down, the last segment of a
// connection waits for it: here longer than the hold time, and the RTO is a
// minute away.
func TestHoldNewest(t *testing.T) {
	s, err := stack.New(stack.Config{HoldTime: 50 * time.Millisecond, RTO: stack.RTORange{Min: time.Minute, Max: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := stacktest.NewWire(false)
	n, err := s.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	ours, peer := netip.MustParseAddrPort("10.2.0.1:80"), netip.MustParseAddrPort("10.2.0.2:1000")
	l := listen(t, s, ours)
	next, _ := handshake(t, w, peer, ours)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	w.Set(stacktest.Down)
	for range 3 {
		if _, err := c.Write(noise(1000)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "end of the hold time", func() bool { return n.Counters()[stack.TxDropHeldAge] == 2 })
	w.Set(stacktest.On)
	w.Expect(t, 5*time.Second, "third segment", dataAt(next+2000))
	if c := n.Counters(); c[stack.TxHeld] != 3 || c[stack.TxDropHeldAge] != 2 {
		t.Errorf("held %d, too old %d; want 3, 2", c[stack.TxHeld], c[stack.TxDropHeldAge])
	}
}
