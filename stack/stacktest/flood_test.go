package stacktest_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// What a flood is made of is nothing that a stack drops as malformed, and each is from
// somebody else.
func TestFlood(t *testing.T) {
	for _, c := range []struct{ kind, to string }{
		{stacktest.FloodSYN, "192.0.2.1:80"},
		{stacktest.FloodSYN, "192.0.2.1:0"},
		{stacktest.FloodUDP, "192.0.2.1:0"},
		{stacktest.FloodDNS, "192.0.2.1:53"},
	} {
		t.Run(c.kind+" "+c.to, func(t *testing.T) {
			const n = 100
			heard := make(chan netip.AddrPort, n)
			p := stacktest.NewPair(t, stacktest.PairConfig{})
			w := stacktest.NewWire(false)
			nic, err := p.A.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.MustParsePrefix("10.250.0.1/24")}, Forward: listening(heard)})
			if err != nil {
				t.Fatal(err)
			}
			f, err := stacktest.NewFlood(c.kind, netip.MustParseAddrPort(c.to))
			if err != nil {
				t.Fatal(err)
			}
			sources := map[netip.AddrPort]bool{}
			for range n {
				w.Inject(f.Next())
				select {
				case src := <-heard:
					sources[src] = true
				case <-time.After(30 * time.Second):
					t.Fatalf("not heard: %v", nic.Counters())
				}
			}
			if len(sources) != n {
				t.Errorf("%d sources of %d", len(sources), n)
			}
		})
	}
	if _, err := stacktest.NewFlood("syn", netip.MustParseAddrPort("[fd00::1]:1")); err == nil {
		t.Error("made of IPv6")
	}
	if _, err := stacktest.NewFlood("water", netip.MustParseAddrPort("192.0.2.1:1")); err == nil {
		t.Error("made of anything")
	}
}

// listening is a FlowHandler that tells who has come.
type listening chan netip.AddrPort

func (l listening) TCP(f *stack.Flow)     { l <- f.Source(); f.Refuse() }
func (l listening) UDP(d *stack.Datagram) { l <- d.Src }
func (l listening) Echo(*stack.Echo)      {}
