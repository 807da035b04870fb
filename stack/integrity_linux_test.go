package stack_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
)

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
					stacktest.PourEachWay(t, kernel, ours, stacktest.TrialSize(t, 8), 10*time.Second)
				})
			}
		}
	}
}

// TestIntegrityFaults: nor do loss, reordering and damage change a byte. Damaged
// packets carry a full checksum, so that none may be delivered.
func TestIntegrityFaults(t *testing.T) {
	size := min(64<<20, stacktest.TrialSize(t, 2))
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
					stacktest.PourEachWay(t, kernel, ours, size, 20*time.Second)
					stacktest.CheckDropped(t, f, x.nic)
				})
			}
		}
	}
}

// TestIntegrityBlackout: after a blackout, silent or reported, what our stack
// sends resumes within a second of the light, and what the kernel sends with its
// next RTO. Nothing is lost or changed.
func TestIntegrityBlackout(t *testing.T) {
	for _, silent := range []bool{true, false} {
		for _, d := range stacktest.Blackouts() {
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
					stacktest.TrialBlackout(t, stacktest.Blackout{Faults: f, Silent: silent, For: d, Kernel: kernel, From: from, To: to})
				})
			}
		}
	}
}
