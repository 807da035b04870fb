package stack_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
)

// granted is a device of which less than all offloads were granted.
type granted struct {
	*tun.Device
	bits uint32
}

func (g granted) Offloads() uint32 { return g.bits }

// grant takes offloads back, as another kernel would not have granted them.
func grant(t *testing.T, d *tun.Device, bits uint32) stack.Device {
	t.Helper()
	err := error(nil)
	if cerr := d.SyscallConn(0).Control(func(fd uintptr) {
		err = unix.IoctlSetInt(int(fd), unix.TUNSETOFFLOAD, int(bits))
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	return granted{d, bits}
}

// TestOffloadsKernel is TestOffloads with a kernel for the far end: it drops
// what is wrong, and a strict device judges what it sends.
func TestOffloadsKernel(t *testing.T) {
	for _, kind := range offloadKinds {
		for _, tap := range []bool{false, true} {
			for _, mtu := range offloadMTUs {
				t.Run(fmt.Sprintf("%s/tap %v/mtu %d", kind.name, tap, mtu), func(t *testing.T) {
					t.Parallel()
					var strict *stacktest.Strict
					x := newTunnelWith(t, tunnelConfig{
						Config: tun.Config{MTU: mtu, TAP: tap, NoOffload: kind.bits == 0},
						wrap: func(d *tun.Device) stack.Device {
							var g stack.Device = d
							if kind.bits != 0 {
								g = grant(t, d, kind.bits)
							}
							strict = stacktest.NewStrict(t, g)
							return strict
						}})
					for _, gate := range []netip.Addr{gate4, gate6} {
						before := strict.ReadGSO.Load()
						kernel, ours := x.pair(gate)
						stacktest.PourEachWay(t, kernel, ours, 512<<10, 10*time.Second)
						bit := uint32(stack.OffloadTSO4)
						if gate.Is6() {
							bit = stack.OffloadTSO6
						}
						got, may := strict.ReadGSO.Load() > before, kind.bits&bit != 0
						if got && !may || !got && may && mtu < 30000 {
							t.Errorf("%v: the kernel sent %d super-segments", gate, strict.ReadGSO.Load()-before)
						}
					}
					if got, want := strict.WroteGSO.Load() > 0, expectGSO(kind.bits, mtu); got != want {
						t.Errorf("%d of %d packets are super-segments", strict.WroteGSO.Load(), strict.Written.Load())
					}
					noDrops(t, x.nic)
					x.kernelSawNoError(t)
				})
			}
		}
	}
}

// kernelSawNoError reads what the kernel of the namespace has counted.
func (x *tunnel) kernelSawNoError(t *testing.T) {
	t.Helper()
	for _, name := range []string{"TcpInErrs", "TcpInCsumErrors", "IpInHdrErrors", "Ip6InHdrErrors"} {
		out, err := x.run("nstat", "-asz", name)
		if err != nil {
			t.Fatalf("nstat: %v: %s", err, out)
		}
		var key string
		var n int
		for line := range strings.Lines(string(out)) {
			if c, _ := fmt.Sscan(line, &key, &n); c == 2 && key == name && n != 0 {
				t.Errorf("the kernel counts %s %d", name, n)
			}
		}
	}
}
