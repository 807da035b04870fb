package gateway_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// testMiB is how much the integrity tests move each way. NETNSD_TEST_MIB sets
// it: 2048 for a run by hand.
func testMiB(t *testing.T, fallback int) int64 {
	s := os.Getenv("NETNSD_TEST_MIB")
	if s == "" {
		return int64(fallback) << 20
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("NETNSD_TEST_MIB=%q is no number of MiB", s)
	}
	return int64(n) << 20
}

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

func pourEachWay(t *testing.T, program, server net.Conn, size int64, patience time.Duration) {
	t.Helper()
	for _, way := range []struct {
		name     string
		from, to net.Conn
	}{{"up", program, server}, {"down", server, program}} {
		start := time.Now()
		if err := stacktest.StartPour(way.from, way.to, size, patience).Wait(); err != nil {
			t.Fatalf("%s: %v", way.name, err)
		}
		t.Logf("%s: %.0f MiB/s", way.name, float64(size)/(1<<20)/time.Since(start).Seconds())
	}
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
					pourEachWay(t, program, server, testMiB(t, 8), 20*time.Second)
				})
			}
		}
	}
}

// TestIntegrityFaults: nor do loss, reordering and damage change a byte. Damaged
// packets carry a full checksum, so that none may be delivered.
func TestIntegrityFaults(t *testing.T) {
	size := min(64<<20, testMiB(t, 2))
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
					pourEachWay(t, program, server, size, 30*time.Second)
					damaged := uint64(x.faults.In.Damaged.Load())
					if n := x.nic.Counters(); n[stack.RxDropL4Checksum]+n[stack.RxDropL4Header] != damaged {
						t.Errorf("%d damaged packets came, dropped as such: %d and %d", damaged, n[stack.RxDropL4Checksum], n[stack.RxDropL4Header])
					}
				})
			}
		}
	}
}

// TestIntegrityBlackout: after a blackout, silent or reported, what the gateway
// sends resumes within a second of the light, and what the program's kernel
// sends with its next RTO. Ten seconds of it want NETNSD_TEST_LONG=1.
func TestIntegrityBlackout(t *testing.T) {
	times := []time.Duration{100 * time.Millisecond, time.Second}
	if os.Getenv("NETNSD_TEST_LONG") == "1" {
		times = append(times, 10*time.Second)
	}
	for _, silent := range []bool{true, false} {
		for _, d := range times {
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
	p := stacktest.StartPour(from, to, -1, 30*time.Second)
	if _, ok := p.AwaitMore(0, 8<<20, 10*time.Second); !ok {
		t.Fatal("nothing passes before the blackout")
	}
	if silent {
		x.faults.Dark(true)
	} else {
		x.faults.Set(stacktest.Down)
	}
	time.Sleep(d)
	at, rto := p.Received.Load(), rtoOf(t, program)
	x.faults.Dark(false)
	x.faults.Set(stacktest.On)
	light := time.Now()
	rto = max(rto, rtoOf(t, program)) // it may just have doubled
	limit := time.Second
	if !down {
		limit = rto + 500*time.Millisecond // beside other tests
	}
	first, ok := p.AwaitMore(at, 1, 20*time.Second)
	if !ok || first.Sub(light) > limit {
		t.Errorf("resumed %v after the light, want %v; the kernel's RTO is %v", first.Sub(light), limit, rto)
	}
	more, ok := p.AwaitMore(at, 8<<20, 20*time.Second)
	p.Stop()
	if err := p.Wait(); err != nil || !ok {
		t.Fatal(ok, err)
	}
	t.Logf("resumed %v after the light, 8 MiB after %v; the kernel's RTO: %v", first.Sub(light), more.Sub(light), rto)
}

// rtoOf is the time after which the kernel sends again next.
func rtoOf(t *testing.T, c net.Conn) (rto time.Duration) {
	t.Helper()
	rc, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	rc.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			rto = time.Duration(info.Rto) * time.Microsecond
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return rto
}
