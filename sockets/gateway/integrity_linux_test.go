package gateway_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// house is a namespace, a TUN, and behind it a gateway with three layers over
// the host's sockets. The namespace has 10.9.0.2 and fd09::2; .1 and ::1 stand
// for the host's loopback.
type house struct {
	netns  string
	nic    *stack.NIC
	faults *stacktest.Faults // with faults
}

var doors = []netip.Addr{netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("fd09::1")}

func newHouse(t *testing.T, c tun.Config, faults *stacktest.FaultConfig) *house {
	t.Helper()
	x := &house{netns: tuntest.NetNS(t)}
	c.Netns = x.netns
	dev, err := tun.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	h, err := host.New(host.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	session := socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: h}), socketstest.PassThrough(3)...))
	g, err := gateway.New(gateway.Config{Session: session, Attachment: "house", Addrs: doors, HostLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var d stack.Device = dev
	if faults != nil {
		x.faults = stacktest.NewFaults(dev, *faults)
		d = x.faults
	}
	x.nic, err = s.AddNIC(stack.NICConfig{Name: "tun", Device: d, Forward: g,
		Addrs: []netip.Prefix{netip.PrefixFrom(doors[0], 24), netip.PrefixFrom(doors[1], 64)}})
	if err != nil {
		t.Fatal(err)
	}
	x.furnish(t, dev)
	return x
}

// furnish gives the namespace its addresses, and waits for the local route of
// the IPv6 one, which Linux makes in a work queue: until then it drops what we
// send there.
func (x *house) furnish(t *testing.T, dev *tun.Device) {
	t.Helper()
	l, err := dev.Link()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{l.SetUp(), l.AddAddr(netip.MustParsePrefix("10.9.0.2/24")), l.AddAddr(netip.MustParsePrefix("fd09::2/64"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		out, err := exec.Command("nsenter", "--net="+x.netns, "ip", "-6", "route", "show", "table", "local").CombinedOutput()
		if err == nil && strings.Contains(string(out), "fd09::2") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no local route for fd09::2: %v: %s", err, out)
		}
	}
}

// connect gives a connection from the namespace, through the gateway, to a
// server on the host's loopback.
func (x *house) connect(t *testing.T, door netip.Addr) (program, server net.Conn) {
	t.Helper()
	loopback := "127.0.0.1:0"
	if door.Is6() {
		loopback = "[::1]:0"
	}
	l, err := net.Listen("tcp", loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dialed := make(chan error, 1)
	go func() {
		dialed <- tun.InNetns(x.netns, func() (err error) {
			to := netip.AddrPortFrom(door, l.Addr().(*net.TCPAddr).AddrPort().Port())
			program, err = new(net.Dialer).DialContext(ctx, "tcp", to.String())
			return err
		})
	}()
	l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	server, aerr := l.Accept()
	if err := <-dialed; err != nil || aerr != nil {
		t.Fatal(err, aerr)
	}
	t.Cleanup(func() { program.Close(); server.Close() })
	return program, server
}

// TestIntegrity: what goes through the gateway comes out the same, with and
// without offloads, at every MTU, over IPv4 and IPv6.
func TestIntegrity(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, mtu := range []int{1280, 1500, 9000, 65520} {
			for _, door := range doors {
				t.Run(fmt.Sprintf("offloads %v/mtu %d/%v", !plain, mtu, door), func(t *testing.T) {
					x := newHouse(t, tun.Config{MTU: mtu, NoOffload: plain}, nil)
					program, server := x.connect(t, door)
					stacktest.PourEachWay(t, program, server, stacktest.TrialSize(t, 8), 20*time.Second)
				})
			}
		}
	}
}

// TestIntegrityFaults: nor do loss, reordering and damage change a byte. Damaged
// packets carry a full checksum, so that none may be delivered.
func TestIntegrityFaults(t *testing.T) {
	size := min(64<<20, stacktest.TrialSize(t, 2))
	for _, mtu := range []int{1500, 65520} {
		for _, fault := range []struct {
			name string
			stacktest.Impairment
		}{
			{"loss", stacktest.Impairment{Loss: 0.01}},
			{"reordering", stacktest.Impairment{Reorder: 0.01}},
			{"damage", stacktest.Impairment{Corrupt: 0.01}},
		} {
			for _, split := range []bool{false, true} {
				t.Run(fmt.Sprintf("mtu %d/%s/split %v", mtu, fault.name, split), func(t *testing.T) {
					t.Parallel()
					x := newHouse(t, tun.Config{MTU: mtu}, &stacktest.FaultConfig{In: fault.Impairment, Out: fault.Impairment, Split: split, Seed: 5})
					program, server := x.connect(t, doors[0])
					stacktest.PourEachWay(t, program, server, size, 30*time.Second)
					stacktest.CheckDropped(t, x.faults, x.nic)
				})
			}
		}
	}
}

// TestIntegrityBlackout: after a blackout, silent or reported, what the gateway
// sends resumes within a second of the light, and what the program's kernel
// sends with its next RTO. Ten seconds of it want NETNSD_TEST_LONG=1.
func TestIntegrityBlackout(t *testing.T) {
	for _, silent := range []bool{true, false} {
		for _, d := range stacktest.Blackouts() {
			for _, down := range []bool{true, false} {
				t.Run(fmt.Sprintf("silent %v/%v/down %v", silent, d, down), func(t *testing.T) {
					t.Parallel()
					blackout(t, silent, d, down)
				})
			}
		}
	}
}

func blackout(t *testing.T, silent bool, d time.Duration, down bool) {
	x := newHouse(t, tun.Config{}, &stacktest.FaultConfig{})
	program, server := x.connect(t, doors[0])
	from, to := program, server
	if down {
		from, to = server, program
	}
	stacktest.TrialBlackout(t, stacktest.Blackout{Faults: x.faults, Silent: silent, For: d, Kernel: program, From: from, To: to})
}
