package stack_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/faketime"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// talk is a connection whose peer is the test.
type talk struct {
	*testing.T
	clock *faketime.ManualClock
	wire  *stacktest.Wire
	nic   *stack.NIC
	peer  tcpSegment // what it says next
	ours  net.Conn
}

func newTalk(t *testing.T) *talk {
	x := &talk{T: t, clock: faketime.NewManualClock(), wire: stacktest.NewWire(false)}
	s, err := stack.New(stack.Config{Clock: x.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if x.nic, err = s.AddNIC(stack.NICConfig{Device: x.wire, Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.1/24")}}); err != nil {
		t.Fatal(err)
	}
	ours, peer := netip.MustParseAddrPort("10.2.0.1:80"), netip.MustParseAddrPort("10.2.0.2:1000")
	l := listen(t, s, ours)
	_, x.peer = handshake(t, x.wire, peer, ours)
	if x.ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.ours.Close() })
	return x
}

// say has the peer send n bytes with PSH, and our side read them.
func (x *talk) say(n int) {
	x.Helper()
	x.send(n)
	if _, err := io.ReadFull(x.ours, make([]byte, n)); err != nil {
		x.Fatal(err)
	}
}

func (x *talk) send(n int) {
	s := x.peer
	s.flags, s.data = 0x18, noise(n)
	x.wire.Inject(s.bytes())
	x.peer.seq += uint32(n)
}

// ack has the peer acknowledge what it was last sent.
func (x *talk) ack() {
	s := x.peer
	s.flags = 0x10
	n := x.nic.Counters()[stack.RxPackets]
	x.wire.Inject(s.bytes())
	eventually(x.T, "the peer's ACK", func() bool { return x.nic.Counters()[stack.RxPackets] > n })
	x.silent("after the peer's ACK")
}

// acknowledged expects an ACK of all the peer said, bare or with data.
func (x *talk) acknowledged(what string, bare bool) {
	x.Helper()
	b := x.wire.Expect(x, 5*time.Second, what, func(b []byte) bool { return binary.BigEndian.Uint32(b[28:]) == x.peer.seq })
	if size := len(b) - 20 - int(b[32]>>4)*4; bare != (size == 0) {
		x.Errorf("%s: a packet with %d bytes of data", what, size)
	}
	x.peer.ack = binary.BigEndian.Uint32(b[24:]) + uint32(len(b)-20-int(b[32]>>4)*4)
}

// silent waits for a moment that gVisor would need to send something.
func (x *talk) silent(what string) {
	x.Helper()
	if b := x.wire.Next(50 * time.Millisecond); b != nil {
		x.Errorf("%s: a packet: % x", what, b[20:])
	}
}

func (x *talk) spared() uint64 { return x.nic.Counters()[stack.TxSparedACK] }

func TestDelayedACKTravelsWithTheAnswer(t *testing.T) {
	x := newTalk(t)
	for range 3 {
		x.say(100)
		x.silent("before the answer")
		x.ours.Write(noise(200))
		x.acknowledged("the answer", false)
	}
	if n := x.spared(); n != 3 {
		t.Errorf("%d ACKs spared, want 3", n)
	}
	x.ack()
	x.clock.Advance(time.Second)
	x.silent("a second later")
}

func TestDelayedACKComesInTime(t *testing.T) {
	x := newTalk(t)
	x.say(100)
	x.silent("within the delay")
	x.clock.Advance(time.Millisecond)
	x.acknowledged("after the delay", true)
	for range 8 { // nobody answers: they are not held again at once
		x.say(100)
		x.acknowledged("after one in vain", true)
	}
	x.say(100)
	x.silent("another try")
	x.clock.Advance(time.Millisecond)
	x.acknowledged("after the delay", true)
}

func TestDelayedACKNotOfASecond(t *testing.T) {
	x := newTalk(t)
	x.say(100)
	x.say(100)
	x.acknowledged("the second of two", true)
	x.silent("the first of two")
	if n := x.spared(); n != 1 {
		t.Errorf("%d ACKs spared, want 1", n)
	}
}

// TestNoDelayedACK: of what is no small segment in order.
func TestNoDelayedACK(t *testing.T) {
	t.Run("full segment", func(t *testing.T) {
		x := newTalk(t)
		x.say(1460)
		x.acknowledged("a full segment", true)
	})
	t.Run("out of order", func(t *testing.T) {
		x := newTalk(t)
		first := x.peer
		x.peer.seq += 100
		x.send(100)
		b := x.wire.Expect(t, 5*time.Second, "a duplicate", func(b []byte) bool { return true })
		if binary.BigEndian.Uint32(b[28:]) != first.seq {
			t.Errorf("an ACK of %d, want %d", binary.BigEndian.Uint32(b[28:]), first.seq)
		}
	})
	t.Run("repeated", func(t *testing.T) {
		x := newTalk(t)
		x.say(100)
		x.ours.Write(noise(1))
		x.acknowledged("the answer", false)
		x.ack()
		x.clock.Advance(time.Second) // gVisor answers such a one twice a second
		x.peer.seq -= 100
		x.send(100) // the answer was lost, it believes
		x.acknowledged("what came again", true)
	})
}

// TestDelayedACKAtTheEnd: one that is held when the stack is closed is given up.
func TestDelayedACKAtTheEnd(t *testing.T) {
	x := newTalk(t)
	x.say(100)
	x.silent("within the delay")
}
