package stack_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// tunnel is a private namespace with a TUN whose other side is a stack. The
// namespace has 10.9.0.2 and fd09::2, the stack .1 and ::1.
type tunnel struct {
	t     testing.TB
	netns string
	dev   *tun.Device
	link  *tun.Link
	stack *stack.Stack
	nic   *stack.NIC
}

var (
	gate4  = netip.MustParseAddr("10.9.0.1")
	gate6  = netip.MustParseAddr("fd09::1")
	guest4 = netip.MustParsePrefix("10.9.0.2/24")
	guest6 = netip.MustParsePrefix("fd09::2/64")
)

func newTunnel(t testing.TB, c tun.Config, h stack.FlowHandler) *tunnel {
	t.Helper()
	return newTunnelWith(t, tunnelConfig{Config: c, handler: h})
}

// tunnelConfig describes a tunnel that is not the ordinary one.
type tunnelConfig struct {
	tun.Config
	stack   stack.Config
	handler stack.FlowHandler
	wrap    func(*tun.Device) stack.Device // put before the device
}

func newTunnelWith(t testing.TB, c tunnelConfig) *tunnel {
	t.Helper()
	tuntest.RequireRoot(t)
	x := &tunnel{t: t, netns: tuntest.NetNS(t)}
	c.Netns = x.netns
	dev, err := tun.Open(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	x.dev = dev
	t.Cleanup(func() { dev.Close() })
	if x.link, err = dev.Link(); err != nil {
		t.Fatal(err)
	}
	if x.stack, err = stack.New(c.stack); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.stack.Close() })
	var d stack.Device = dev
	if c.wrap != nil {
		d = c.wrap(dev)
	}
	x.nic, err = x.stack.AddNIC(stack.NICConfig{
		Name: "tun", Device: d, Forward: c.handler,
		Addrs: []netip.Prefix{netip.PrefixFrom(gate4, 24), netip.PrefixFrom(gate6, 64)},
	})
	if err != nil {
		t.Fatal(err)
	}
	x.up(true)
	if err := x.link.AwaitAddr(guest6.Addr()); err != nil {
		t.Fatal(err)
	}
	return x
}

// up brings the interface up, with what the kernel forgets when it goes down.
func (x *tunnel) up(first bool) {
	x.t.Helper()
	var errs []error
	errs = append(errs, x.link.SetUp())
	if first {
		errs = append(errs, x.link.AddAddr(guest4))
	}
	errs = append(errs, x.link.AddAddr(guest6),
		x.link.AddRoute(tun.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Via: gate4}),
		x.link.AddRoute(tun.Route{Dst: netip.MustParsePrefix("::/0"), Via: gate6}))
	for _, err := range errs {
		if err != nil {
			x.t.Fatal(err)
		}
	}
}

// dial connects from inside the namespace, with the congestion control of
// every comparison (tests.md: the kernel's default here is BBR).
func (x *tunnel) dial(ctx context.Context, network, addr string) (c net.Conn, err error) {
	d := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
		return rc.Control(func(fd uintptr) {
			if network[:3] == "tcp" {
				syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, "reno")
			}
		})
	}}
	ierr := tun.InNetns(x.netns, func() error {
		c, err = d.DialContext(ctx, network, addr)
		return nil
	})
	if ierr != nil {
		return nil, ierr
	}
	return c, err
}

func (x *tunnel) run(name string, args ...string) ([]byte, error) {
	return exec.Command("nsenter", append([]string{"--net=" + x.netns, name}, args...)...).CombinedOutput()
}

// TestFlap: `ip link set TUN down; sleep 0.1; up` in the middle of a transfer
// costs less than a second.
func TestFlap(t *testing.T) {
	for _, gate := range []netip.Addr{gate4, gate6} {
		for _, down := range []bool{false, true} {
			name := "upload"
			if down {
				name = "download"
			}
			t.Run(fmt.Sprintf("%s/%v", name, gate), func(t *testing.T) {
				x := newTunnel(t, tun.Config{}, nil)
				l := listen(t, x.stack, netip.AddrPortFrom(gate, 80))
				accepted := make(chan net.Conn, 1)
				go func() {
					if c, err := l.Accept(); err == nil {
						accepted <- c
					}
				}()
				c, err := x.dial(t.Context(), "tcp", netip.AddrPortFrom(gate, 80).String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				s := <-accepted
				defer s.Close()
				from, to := c, s
				if down {
					from, to = s, c
				}
				gap, outage := x.flap(from, to)
				n := x.nic.Counters()
				ts := x.stack.TCPIP().Stats().TCP
				t.Logf("longest gap %v, down for %v, held %d, overflow %d, retransmits %d, timeouts %d", gap, outage, n[stack.TxHeld], n[stack.TxDropHeldOverflow], ts.Retransmits.Value(), ts.Timeouts.Value())
				if gap > time.Second {
					t.Errorf("the transfer stood still for %v; down for %v", gap, outage)
				}
			})
		}
	}
}

// flap moves 256 MiB with a flap after 32, checks every byte, and returns the
// longest time without progress, and for how long the link was down.
func (x *tunnel) flap(from, to net.Conn) (gap, outage time.Duration) {
	x.t.Helper()
	const size = 256 << 20
	block := noise(256 << 10)
	go func() {
		for range size / len(block) {
			if _, err := from.Write(block); err != nil {
				return
			}
		}
	}()
	flap, took := true, make(chan time.Duration, 1)
	buf := make([]byte, len(block))
	last := time.Now()
	for n := 0; n < size; {
		if n >= 32<<20 && flap {
			flap = false
			go func() {
				begin := time.Now()
				x.link.SetDown()
				time.Sleep(100 * time.Millisecond)
				x.up(false)
				took <- time.Since(begin)
			}()
		}
		at := n % len(block)
		to.SetReadDeadline(time.Now().Add(10 * time.Second))
		m, err := to.Read(buf[:len(block)-at])
		if err != nil {
			x.t.Fatalf("after %d bytes: %v", n, err)
		}
		if !bytes.Equal(buf[:m], block[at:at+m]) {
			x.t.Fatalf("content differs around byte %d", n)
		}
		gap = max(gap, time.Since(last))
		last = time.Now()
		n += m
	}
	return gap, <-took
}

// TestDevices runs the same transfers over every kind of device that package
// tun makes.
func TestDevices(t *testing.T) {
	for _, c := range []struct {
		name string
		tun.Config
	}{
		{"vnet", tun.Config{}},
		{"plain", tun.Config{NoOffload: true}},
		{"water", tun.Config{Driver: tun.DriverWater}},
		{"two queues", tun.Config{Queues: 2}},
		{"tap", tun.Config{TAP: true}},
		{"plain tap", tun.Config{TAP: true, NoOffload: true}},
		{"mtu 9000", tun.Config{MTU: 9000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTunnel(t, c.Config, gateway{tcp: echoTCP, udp: func(d *stack.Datagram) {
				d.NIC.SendDatagram(d.Dst, d.Src, bytes.Join(d.Data, nil), 0)
			}})
			hosts := append(away, gate4.String(), gate6.String())
			var wg sync.WaitGroup
			for _, host := range hosts {
				wg.Go(func() {
					c, err := x.dial(t.Context(), "tcp", net.JoinHostPort(host, "7"))
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					if err := transfer(&both{c, c}, c, noise(2<<20)); err != nil {
						t.Errorf("%s: %v", host, err)
					}
					u, err := x.dial(t.Context(), "udp", net.JoinHostPort(host, "7"))
					if err != nil {
						t.Error(err)
						return
					}
					defer u.Close()
					for _, size := range []int{1, 1400, 9500} {
						if err := echoed(u, noise(size)); err != nil {
							t.Errorf("%s, datagram of %d bytes: %v", host, size, err)
						}
					}
				})
			}
			wg.Wait()
			n := x.nic.Counters()
			for name, v := range n.All() {
				if v != 0 && strings.Contains(name, "drop") && name != "rx_drop_not_for_us" {
					t.Errorf("%s: %d", name, v)
				}
			}
		})
	}
}

// echoed sends a datagram up to five times, for the transfers beside it may
// overflow the queue of the TUN, and wants it back.
func echoed(u net.Conn, data []byte) (err error) {
	b := make([]byte, 65536)
	for range 5 {
		u.SetDeadline(time.Now().Add(500 * time.Millisecond))
		u.Write(data)
		var n int
		if n, err = u.Read(b); err == nil && bytes.Equal(b[:n], data) {
			return nil
		}
	}
	return fmt.Errorf("not echoed: %w", err)
}

// TestNaive: the naive variant works, so that what bench compares with is a
// stack and not a fault.
func TestNaive(t *testing.T) {
	x := newVariant(t, "naive")
	l := listen(t, x.stack, netip.AddrPortFrom(gate4, 80))
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	c, err := x.dial(t.Context(), "tcp", netip.AddrPortFrom(gate4, 80).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := <-accepted
	defer s.Close()
	if err := transfer(c, s, noise(4<<20)); err != nil {
		t.Error("up:", err)
	}
	if err := transfer(s, c, noise(4<<20)); err != nil {
		t.Error("down:", err)
	}
}

// TestMTUChange: the MTU of a live link shrinks and grows under a transfer, each way,
// and bytes flow at each.
func TestMTUChange(t *testing.T) {
	for _, down := range []bool{false, true} {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("down %v/offloads %v", down, !plain), func(t *testing.T) {
				x := newTunnel(t, tun.Config{NoOffload: plain}, nil)
				from, to := x.pair(gate4)
				if down {
					from, to = to, from
				}
				p := stacktest.StartPour(from, to, -1, 30*time.Second)
				for _, mtu := range []int{1500, 576, 9000, 1500} {
					if err := x.link.SetMTU(mtu); err != nil {
						t.Fatal(err)
					}
					if _, ok := p.AwaitMore(p.Received.Load(), 1<<20, 30*time.Second); !ok {
						t.Errorf("MTU %d: nothing passes", mtu)
						break
					}
				}
				p.Stop()
				if err := p.Wait(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
