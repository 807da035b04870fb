package stack_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestRTO: in the dark a near stack tries every 600 ms, one with a route to
// somewhere else ever more seldom. Neither gives up within minutes.
func TestRTO(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  stack.Config
		far  bool
		want time.Duration // the longest time between two tries in five minutes
	}{
		{"near", stack.Config{}, false, 600 * time.Millisecond},
		{"far", stack.Config{}, true, 2 * time.Minute},
		{"by hand", stack.Config{RTO: stack.RTORange{Max: 5 * time.Second}}, true, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := stacktest.NewPair(t, stacktest.PairConfig{Fake: true, Stack: c.cfg})
			if c.far {
				p.B.SetRoutes([]stack.Route{{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: p.NB}})
			}
			conn, _ := connect(t, p.B, p.A, netip.AddrPortFrom(stacktest.A4, 80))
			p.Cable.Dark(true)
			if _, err := conn.Write(noise(1000)); err != nil {
				t.Fatal(err)
			}
			tries := func() uint64 { return p.B.TCPIP().Stats().TCP.Retransmits.Value() }
			last, gap := p.Clock.NowMonotonic(), time.Duration(0)
			seen := tries()
			p.Advance(5*time.Minute, func() bool {
				if n := tries(); n != seen {
					now := p.Clock.NowMonotonic()
					gap, last, seen = max(gap, now.Sub(last)), now, n
				}
				return false
			})
			// Advance goes in steps of 0.3 s.
			if gap < c.want*2/5 || gap > c.want+600*time.Millisecond {
				t.Errorf("%d tries, the longest time between two was %v, want about %v", seen, gap, c.want)
			}
			if n := p.B.TCPIP().Stats().TCP.EstablishedTimedout.Value(); n != 0 {
				t.Error("it gave up")
			}
		})
	}
}
