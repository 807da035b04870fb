package stacktest

import (
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/faketime"

	"github.com/netnsd/netnsd/stack"
)

// PairConfig describes a Pair.
type PairConfig struct {
	Cable CableConfig
	Stack stack.Config      // of both
	Fake  bool              // both stacks and the cable live on Pair.Clock
	AFlow stack.FlowHandler // makes A the gateway of B: B's default route leads there

	// Wrap puts something before the devices, which are called "a" and "b".
	Wrap func(name string, d stack.Device) stack.Device
}

// Pair is two stacks on a cable: A has 10.1.0.1/24 and fd01::1/64, B has .2
// and ::2.
type Pair struct {
	A, B   *stack.Stack
	NA, NB *stack.NIC
	Cable  *Cable
	Clock  *faketime.ManualClock // nil unless PairConfig.Fake
}

// Addresses of a Pair.
var (
	A4 = netip.MustParseAddr("10.1.0.1")
	B4 = netip.MustParseAddr("10.1.0.2")
	A6 = netip.MustParseAddr("fd01::1")
	B6 = netip.MustParseAddr("fd01::2")
)

// NewPair makes a Pair and closes it with the test.
func NewPair(t testing.TB, cfg PairConfig) *Pair {
	t.Helper()
	p := &Pair{}
	if cfg.Fake {
		p.Clock = faketime.NewManualClock()
		cfg.Stack.Clock, cfg.Cable.Clock = p.Clock, p.Clock
	}
	p.Cable = NewCable(cfg.Cable)
	p.A, p.NA = node(t, cfg, p.Cable.A, "a", cfg.AFlow, A4, A6)
	p.B, p.NB = node(t, cfg, p.Cable.B, "b", nil, B4, B6)
	if cfg.AFlow != nil {
		p.B.SetRoutes([]stack.Route{
			{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: p.NB},
			{Dest: netip.MustParsePrefix("::/0"), NIC: p.NB},
		})
	}
	return p
}

func node(t testing.TB, cfg PairConfig, d stack.Device, name string, h stack.FlowHandler, a4, a6 netip.Addr) (*stack.Stack, *stack.NIC) {
	t.Helper()
	s, err := stack.New(cfg.Stack)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if cfg.Wrap != nil {
		d = cfg.Wrap(name, d)
	}
	n, err := s.AddNIC(stack.NICConfig{
		Name: name, Device: d, Forward: h,
		Addrs: []netip.Prefix{netip.PrefixFrom(a4, 24), netip.PrefixFrom(a6, 64)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, n
}

// Advance moves the fake clock in steps of limit/1000, but at least 1 ms, until
// done says so or limit of fake time has passed, and tells which. Between the
// steps goroutines run.
func (p *Pair) Advance(limit time.Duration, done func() bool) bool {
	step := max(time.Millisecond, limit/1000)
	for spent := time.Duration(0); spent < limit; spent += step {
		if done() {
			return true
		}
		p.Clock.Advance(step)
		time.Sleep(20 * time.Microsecond) // real: gVisor's goroutines take their turn
	}
	return done()
}
