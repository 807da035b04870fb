package stack_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
)

// testMiB is how much the integrity tests move each way. NETNSD_TEST_MIB sets
// it: 2048 for a run by hand.
func testMiB(t testing.TB, fallback int) int64 {
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

// testLong is set where tests may take minutes.
func testLong() bool { return os.Getenv("NETNSD_TEST_LONG") == "1" }

// pair connects a kernel socket in the namespace to the stack.
func (x *tunnel) pair(gate netip.Addr) (kernel, ours net.Conn) {
	x.t.Helper()
	l := listen(x.t, x.stack, netip.AddrPortFrom(gate, 80))
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	kernel, err := x.dial(x.t.Context(), "tcp", netip.AddrPortFrom(gate, 80).String())
	if err != nil {
		x.t.Fatal(err)
	}
	ours = <-accepted
	x.t.Cleanup(func() { kernel.Close(); ours.Close() })
	return kernel, ours
}

// TestIntegrity: what goes through a TUN comes out the same, with and without
// offloads, at every MTU, over IPv4 and IPv6.
func TestIntegrity(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, mtu := range []int{1280, 1500, 9000, 65520} {
			for _, gate := range []netip.Addr{gate4, gate6} {
				t.Run(fmt.Sprintf("offloads %v/mtu %d/%v", !plain, mtu, gate), func(t *testing.T) {
					x := newTunnel(t, tun.Config{MTU: mtu, NoOffload: plain}, nil)
					kernel, ours := x.pair(gate)
					eachWay(t, kernel, ours, testMiB(t, 8), 10*time.Second)
				})
			}
		}
	}
}

// TestIntegrityFaults: nor do loss, reordering and damage change a byte. Damaged
// packets carry a full checksum, so that none may be delivered.
func TestIntegrityFaults(t *testing.T) {
	size := min(64<<20, testMiB(t, 2))
	faults := []struct {
		name string
		stacktest.Impairment
	}{
		{"loss", stacktest.Impairment{Loss: 0.01}},
		{"reordering", stacktest.Impairment{Reorder: 0.01}},
		{"damage", stacktest.Impairment{Corrupt: 0.01}},
		{"all", stacktest.Impairment{Loss: 0.003, Reorder: 0.003, Corrupt: 0.003, Duplicate: 0.003}},
	}
	for _, mtu := range []int{1500, 65520} {
		for _, fault := range faults {
			for _, split := range []bool{false, true} {
				t.Run(fmt.Sprintf("mtu %d/%s/split %v", mtu, fault.name, split), func(t *testing.T) {
					t.Parallel()
					var f *stacktest.Faults
					x := newTunnelWith(t, tunnelConfig{Config: tun.Config{MTU: mtu}, wrap: func(d *tun.Device) stack.Device {
						f = stacktest.NewFaults(d, stacktest.FaultConfig{In: fault.Impairment, Out: fault.Impairment, Split: split, Seed: 5})
						return f
					}})
					kernel, ours := x.pair(gate4)
					eachWay(t, kernel, ours, size, 20*time.Second)
					damaged := uint64(f.In.Damaged.Load())
					if n := x.nic.Counters(); n[stack.RxDropL4Checksum]+n[stack.RxDropL4Header] != damaged {
						t.Errorf("%d damaged packets came, dropped as such: %d and %d", damaged, n[stack.RxDropL4Checksum], n[stack.RxDropL4Header])
					}
				})
			}
		}
	}
}

// TestIntegrityBlackout: after a blackout, silent or reported, what our stack
// sends resumes within a second of the light, and what the kernel sends with its
// next RTO. Nothing is lost or changed.
func TestIntegrityBlackout(t *testing.T) {
	times := []time.Duration{100 * time.Millisecond, time.Second}
	if testLong() {
		times = append(times, 10*time.Second)
	}
	for _, silent := range []bool{true, false} {
		for _, d := range times {
			for _, down := range []bool{true, false} {
				t.Run(fmt.Sprintf("silent %v/%v/down %v", silent, d, down), func(t *testing.T) {
					t.Parallel()
					var f *stacktest.Faults
					x := newTunnelWith(t, tunnelConfig{wrap: func(d *tun.Device) stack.Device {
						f = stacktest.NewFaults(d, stacktest.FaultConfig{})
						return f
					}})
					kernel, ours := x.pair(gate4)
					from, to := kernel, ours
					if down {
						from, to = ours, kernel
					}
					light := func(on bool) {
						switch {
						case silent:
							f.Dark(!on)
						case on:
							f.Set(stacktest.On)
						default:
							f.Set(stacktest.Down)
						}
					}
					p := stacktest.StartPour(from, to, -1, 30*time.Second)
					if _, ok := p.AwaitMore(0, 8<<20, 10*time.Second); !ok {
						t.Fatal("nothing passes before the blackout")
					}
					light(false)
					time.Sleep(d)
					at, rto := p.Received.Load(), kernelRTO(t, kernel)
					light(true)
					on := time.Now()
					rto = max(rto, kernelRTO(t, kernel)) // it may just have doubled
					limit := time.Second
					if !down {
						limit = rto + 500*time.Millisecond // beside other tests
					}
					first, ok := p.AwaitMore(at, 1, 20*time.Second)
					if !ok || first.Sub(on) > limit {
						t.Errorf("resumed %v after the light, want %v; the kernel's RTO is %v", first.Sub(on), limit, rto)
					}
					more, ok := p.AwaitMore(at, 8<<20, 20*time.Second)
					p.Stop()
					if err := p.Wait(); err != nil || !ok {
						t.Fatal(ok, err)
					}
					t.Logf("resumed %v after the light, 8 MiB after %v; the kernel's RTO: %v", first.Sub(on), more.Sub(on), rto)
				})
			}
		}
	}
}

// kernelRTO is the time after which the kernel sends again next.
func kernelRTO(t *testing.T, c net.Conn) (rto time.Duration) {
	t.Helper()
	rc, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	rc.Control(func(fd uintptr) {
		info, ierr := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if ierr != nil {
			err = ierr
			return
		}
		rto = time.Duration(info.Rto) * time.Microsecond
	})
	if err != nil {
		t.Fatal(err)
	}
	return rto
}
