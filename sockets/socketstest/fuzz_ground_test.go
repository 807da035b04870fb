package socketstest_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// ground is what a program runs on: two sessions, and their addresses.
type ground struct {
	sessions [2]*sockets.Session
	v4, v6   [2]netip.Addr
	family   int32 // of sockets that do not ask for the other one
	public   bool  // the machine's own network: nothing may be addressed that is not ours
}

// grounds are the kinds, by the program's first byte modulo their number.
var grounds = [...]func(t *testing.T, g *ground, layers int){
	netstackGround, memoryGround, hostGround, netstackGround,
}

// newGround is the ground of a kind: the networks, the number of layers over them,
// the family.
func newGround(t *testing.T, kind byte) *ground {
	g := &ground{family: wsa.AF_INET}
	n := byte(len(grounds))
	grounds[kind%n](t, g, []int{0, 1, 3}[kind/n%3])
	if kind/n/3%3 == 1 {
		g.family = wsa.AF_INET6
	}
	return g
}

func (g *ground) begin(t *testing.T, layers int, drivers ...base.Driver) {
	all := new(sockets.Processes)
	for i, d := range drivers {
		g.sessions[i] = process(t, all, base.New(base.Config{Driver: d}), socketstest.PassThrough(layers)...)
	}
}

func netstackGround(t *testing.T, g *ground, layers int) {
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	driver := func(s *stack.Stack) base.Driver {
		d := netstack.New(netstack.Config{Stack: s})
		t.Cleanup(d.Close)
		return d
	}
	g.v4 = [2]netip.Addr{stacktest.A4, stacktest.B4}
	g.v6 = [2]netip.Addr{stacktest.A6, stacktest.B6}
	g.begin(t, layers, driver(p.A), driver(p.B))
}

func memoryGround(t *testing.T, g *ground, layers int) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	t.Cleanup(func() {
		if open := n.Endpoints(); open != 0 {
			t.Errorf("%d endpoints are left open", open)
		}
	})
	g.v4 = [2]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
	g.v6 = [2]netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")}
	g.begin(t, layers, n, n.Host(g.v4[1], g.v6[1]))
}

func hostGround(t *testing.T, g *ground, layers int) {
	var drivers []base.Driver
	for range g.sessions {
		h, err := host.New(host.Config{})
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { h.Close() })
		drivers = append(drivers, h)
	}
	for i := range g.v4 {
		g.v4[i], g.v6[i] = netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()
	}
	g.public = true
	g.begin(t, layers, drivers...)
}

// host is the address of a side.
func (g *ground) host(side int, family int32) netip.Addr {
	if family == wsa.AF_INET6 {
		return g.v6[side]
	}
	return g.v4[side]
}
