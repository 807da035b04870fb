package stack_test

import (
	"errors"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestRetransmission: on the fake clock the end of a stream that was lost with
// the light comes back with the RTO.
func TestRetransmission(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{Fake: true})
	c, d := connect(t, p.B, p.A, netip.AddrPortFrom(stacktest.A4, 80))
	p.Cable.Dark(true)
	c.Write(noise(1000))
	eventually(t, "lost packet", func() bool { return p.Cable.Lost.Load() > 0 })
	p.Cable.Dark(false)
	got := make(chan struct{})
	go func() {
		d.Read(make([]byte, 1000))
		close(got)
	}()
	begin := p.Clock.NowMonotonic()
	if !p.Advance(3*time.Second, func() bool { return isClosed(got) }) {
		select { // the clock has come that far, the goroutine may have not
		case <-got:
		case <-time.After(10 * time.Second):
			t.Fatal("not retransmitted within 3 s of fake time")
		}
	}
	if took := p.Clock.NowMonotonic().Sub(begin); took < 10*time.Millisecond {
		t.Errorf("back after %v of fake time: it was not lost", took)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestTimeWait: a port whose connection we closed first is free after
// Config.TimeWait of the stack's clock, and not before.
func TestTimeWait(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{Fake: true})
	c, d := connect(t, p.B, p.A, netip.AddrPortFrom(stacktest.A4, 80))
	connected := func() uint64 { return p.B.TCPIP().Stats().TCP.CurrentConnected.Value() }
	c.Close()                                             // B goes through TIME-WAIT
	if _, err := d.Read(make([]byte, 1)); err != io.EOF { // else both ends would be the first
		t.Fatalf("read %v, want EOF", err)
	}
	d.Close()
	eventually(t, "connection of B in TIME-WAIT alone", func() bool {
		p.Clock.Advance(time.Millisecond)
		return connected() == 1 && p.A.TCPIP().Stats().TCP.CurrentConnected.Value() == 0
	})
	begin := p.Clock.NowMonotonic()
	if !p.Advance(20*time.Second, func() bool { return connected() == 0 }) {
		t.Fatal("TIME-WAIT does not end")
	}
	if took := p.Clock.NowMonotonic().Sub(begin); took < 9*time.Second || took > 11*time.Second {
		t.Errorf("TIME-WAIT took %v of fake time, want 10 s", took)
	}
}

// TestHandshakeTimesOut: a program that vanished after its SYN costs Accept
// what gVisor's SYN-ACK retransmissions cost, and ETIMEDOUT.
func TestHandshakeTimesOut(t *testing.T) {
	got := make(chan error, 1)
	p := stacktest.NewPair(t, stacktest.PairConfig{Fake: true, AFlow: gateway{tcp: func(f *stack.Flow) { got <- f.Accept() }}})
	w := stacktest.NewWire(false)
	if _, err := p.A.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.1/24")},
		Forward: gateway{tcp: func(f *stack.Flow) { got <- f.Accept() }}}); err != nil {
		t.Fatal(err)
	}
	w.Inject(syn("10.2.0.2:1000", "192.0.2.7:80", 1))
	w.Expect(t, 5*time.Second, "SYN-ACK", func(b []byte) bool { return len(b) >= 40 && b[33] == 0x12 })
	var err error
	done := func() bool {
		select {
		case err = <-got:
			return true
		default:
			return false
		}
	}
	for range 200 { // seconds
		if done() {
			break
		}
		p.Clock.Advance(time.Second)
		time.Sleep(100 * time.Microsecond)
	}
	if err == nil {
		select {
		case err = <-got:
		case <-time.After(10 * time.Second):
		}
	}
	if !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("accept: %v, want ETIMEDOUT", err)
	}
}
