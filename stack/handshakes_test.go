package stack_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/faketime"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestEvict: attempts that take their time give way when there is no room for another,
// the oldest first; those that have only begun do not. So it is whether a verdict or the
// program's ACK is waited for, and for either bound.
func TestEvict(t *testing.T) {
	for _, c := range []struct {
		name   string
		config stack.Config
		drop   stack.Counter
		accept bool
	}{
		{"no verdict", stack.Config{MaxHandshakes: 3}, stack.FlowDropLimit, false},
		{"no verdict, one source", stack.Config{MaxHandshakesPerSource: 3}, stack.FlowDropSource, false},
		{"no ACK", stack.Config{MaxHandshakes: 3}, stack.FlowDropLimit, true},
		{"no ACK, one source", stack.Config{MaxHandshakesPerSource: 3}, stack.FlowDropSource, true},
	} {
		t.Run(c.name, func(t *testing.T) { testEvict(t, c.config, c.drop, c.accept) })
	}
}

func testEvict(t *testing.T, config stack.Config, drop stack.Counter, accept bool) {
	clock := faketime.NewManualClock()
	config.Clock = clock
	s, err := stack.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	began, ended := make(chan uint16, 10), make(chan uint16, 10)
	w := stacktest.NewWire(false)
	n, err := s.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.1/24")}, Forward: gateway{tcp: func(f *stack.Flow) {
		began <- f.Source().Port()
		if accept {
			if f.Accept() == nil {
				t.Error("accepted without an ACK")
			}
		} else {
			<-f.Canceled()
			f.Drop()
		}
		ended <- f.Source().Port()
	}}})
	if err != nil {
		t.Fatal(err)
	}
	inject := func(port uint16) { w.Inject(syn(fmt.Sprintf("10.2.0.2:%d", port), "192.0.2.7:80", 1)) }
	counts := func(drops, evicted uint64) {
		t.Helper()
		eventually(t, "drops", func() bool { return n.Counters()[drop] == drops })
		if got := n.Counters()[stack.FlowEvicted]; got != evicted {
			t.Errorf("%d evicted, want %d", got, evicted)
		}
	}
	begins := func(port uint16) {
		t.Helper()
		inject(port)
		if got := <-began; got != port {
			t.Fatalf("%d began instead of %d", got, port)
		}
		for accept {
			b := w.Expect(t, 5*time.Second, "SYN-ACK", func(b []byte) bool { return b[33] == 0x12 })
			if binary.BigEndian.Uint16(b[22:]) == port {
				break
			}
		}
	}
	for port := uint16(1); port <= 3; port++ {
		begins(port)
		clock.Advance(time.Millisecond)
	}
	inject(4)
	counts(1, 0)
	clock.Advance(4*time.Second - 2*time.Millisecond) // the first two are old enough
	inject(4)
	counts(2, 1)
	if got := <-ended; got != 1 {
		t.Fatalf("%d has given way", got)
	}
	begins(4)
	inject(5) // again there is no room
	counts(3, 2)
	if got := <-ended; got != 2 {
		t.Fatalf("%d has given way", got)
	}
	begins(1) // its kernel sends its SYN again
}
