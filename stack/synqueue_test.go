package stack_test

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	gwaiter "gvisor.dev/gvisor/pkg/waiter"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestSYNQueue: on a gateway the SYNs to its own addresses are queued, those to foreign
// ones stay flows; what is refused, answered and left behind ends as it should.
func TestSYNQueue(t *testing.T) {
	var flows atomic.Int32
	p := pairWith(t, gateway{tcp: func(f *stack.Flow) { flows.Add(1); f.Refuse() }}, stack.Config{})
	at := netip.MustParseAddrPort("0.0.0.0:80")
	came := make(chan struct{}, 10)
	q, err := p.A.QueueSYNs([]netip.AddrPort{at}, 5, func() { came <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.A.QueueSYNs([]netip.AddrPort{at}, 5, nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second queue: %v", err)
	}
	if _, err := dial(p.B, foreign); err == nil || flows.Load() != 1 {
		t.Errorf("a foreign address: %v, %d flows", err, flows.Load())
	}

	own := netip.AddrPortFrom(stacktest.A4, 80)
	results := make(chan error, 1)
	begin := func() *stack.Attempt {
		go func() {
			c, err := dial(p.B, own)
			if err == nil {
				c.Close()
			}
			results <- err
		}()
		<-came
		a := q.Next()
		if a == nil || a.Destination() != own || a.Source().Addr() != stacktest.B4 || q.Len() != 0 {
			t.Fatalf("attempt %+v", a)
		}
		return a
	}
	begin().Refuse()
	if err := <-results; err == nil {
		t.Error("refused, and connected")
	}
	answered := make(chan tcpip.Endpoint, 1)
	a := begin()
	if err := a.Answer(func(ep tcpip.Endpoint, _ *gwaiter.Queue, err tcpip.Error) {
		if err != nil {
			t.Errorf("answer: %v", err)
		}
		answered <- ep
	}); err != nil {
		t.Fatal(err)
	}
	if err := a.Answer(nil); !errors.Is(err, syscall.ECONNABORTED) {
		t.Errorf("answered twice: %v", err)
	}
	if err := <-results; err != nil {
		t.Errorf("answered: %v", err)
	}
	if ep := <-answered; ep != nil { // not before the other side's connect has told: it would see the reset
		ep.Abort()
	}

	begin()
	q.Close()
	if err := <-results; err == nil {
		t.Error("closed, and connected")
	}
	if flows.Load() != 1 {
		t.Errorf("%d flows", flows.Load())
	}
}

// TestSYNQueueCloseDuringHandshake: Close ends a handshake whose last ACK never comes.
func TestSYNQueueCloseDuringHandshake(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	came := make(chan struct{}, 10)
	at := netip.AddrPortFrom(stacktest.A4, 80)
	q, err := p.A.QueueSYNs([]netip.AddrPort{at}, 5, func() { came <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	dialled := make(chan struct{})
	go func() {
		defer close(dialled)
		if c, err := dial(p.B, at); err == nil {
			c.Close()
		}
	}()
	<-came
	p.Cable.Dark(true)
	ended := make(chan tcpip.Error, 1)
	if err := q.Next().Answer(func(_ tcpip.Endpoint, _ *gwaiter.Queue, err tcpip.Error) { ended <- err }); err != nil {
		t.Fatal(err)
	}
	q.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("connected in the dark")
		}
	default:
		t.Error("Close did not wait")
	}
	p.Cable.Dark(false)
	p.B.Close()
	<-dialled
}
