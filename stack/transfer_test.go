package stack_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestTransfer moves bytes over wires good and bad, both ways, over IPv4 and
// IPv6, with and without offloads. Nothing may be lost or changed.
func TestTransfer(t *testing.T) {
	wires := []struct {
		name  string
		size  int
		cable stacktest.CableConfig
	}{
		{"clean", 4 << 20, stacktest.CableConfig{}},
		{"mtu 576", 1 << 20, stacktest.CableConfig{MTU: 1280}},
		{"1 ms", 1 << 20, stacktest.CableConfig{Delay: time.Millisecond}},
		{"loss 1 %", 256 << 10, stacktest.CableConfig{Loss: 0.01, Delay: time.Millisecond}},
		{"duplicates 5 %", 1 << 20, stacktest.CableConfig{Duplicate: 0.05}},
		{"reordering 5 %", 256 << 10, stacktest.CableConfig{Reorder: 0.05, ReorderBy: 3 * time.Millisecond}},
		{"corruption 1 %", 256 << 10, stacktest.CableConfig{Corrupt: 0.01}},
		{"TAP", 1 << 20, stacktest.CableConfig{TAP: true}},
	}
	for _, w := range wires {
		for _, offloads := range []bool{false, true} {
			for _, a := range []netip.Addr{stacktest.A4, stacktest.A6} {
				t.Run(fmt.Sprintf("%s/offloads %v/%v", w.name, offloads, a), func(t *testing.T) {
					t.Parallel()
					cable := w.cable
					cable.Offloads, cable.Seed = offloads, 7
					p := stacktest.NewPair(t, stacktest.PairConfig{Cable: cable})
					c, d := connect(t, p.B, p.A, netip.AddrPortFrom(a, 80))
					data := noise(w.size)
					if err := transfer(c, d, data); err != nil {
						t.Fatal("up:", err)
					}
					if err := transfer(d, c, data); err != nil {
						t.Fatal("down, over the half-closed connection:", err)
					}
					na, nb := p.NA.Counters(), p.NB.Counters()
					if bad := na[stack.RxDropL4Checksum] + nb[stack.RxDropL4Checksum]; cable.Corrupt > 0 && !offloads && bad == 0 {
						t.Error("no corruption was caught")
					} else if cable.Corrupt == 0 && bad != 0 {
						t.Errorf("%d packets of ours have wrong checksums", bad)
					}
					if gso := nb[stack.TxGSO]; offloads != (gso > 0) {
						t.Errorf("%d super-segments sent, offloads %v", gso, offloads)
					}
				})
			}
		}
	}
}

// TestSelf connects a stack to its own addresses and to its loopback.
func TestSelf(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	for _, a := range []string{"10.1.0.1", "fd01::1", "127.0.0.1", "::1"} {
		c, d := connect(t, p.A, p.A, netip.AddrPortFrom(netip.MustParseAddr(a), 80))
		if err := transfer(c, d, noise(1<<20)); err != nil {
			t.Errorf("%v: %v", a, err)
		}
	}
	if n := p.NB.Counters(); n[stack.RxPackets] != 0 {
		t.Errorf("%d packets to ourselves went over the wire", n[stack.RxPackets])
	}
}

// TestBlackout interrupts a transfer: held packets must make a device that
// was down or full for 100 ms cost less than a second, each way.
func TestBlackout(t *testing.T) {
	size := 256 << 20
	if stack.RaceEnabled {
		size = 32 << 20 // which takes as long
	}
	for _, s := range []stacktest.Switch{stacktest.Down, stacktest.Full} {
		for _, offloads := range []bool{false, true} {
			t.Run(fmt.Sprintf("switch %d/offloads %v", s, offloads), func(t *testing.T) {
				p := stacktest.NewPair(t, stacktest.PairConfig{Cable: stacktest.CableConfig{Offloads: offloads, Delay: 100 * time.Microsecond}})
				c, d := connect(t, p.B, p.A, netip.AddrPortFrom(stacktest.A4, 80))
				start := time.Now()
				done := make(chan error, 1)
				data := noise(size) // enough that it is not over before the dark
				go func() { done <- transfer(c, d, data) }()
				// In the middle: the first packets have passed.
				for p.NB.Counters()[stack.TxBytes] < 4<<20 {
					time.Sleep(time.Millisecond)
				}
				p.Cable.A.Set(s)
				p.Cable.B.Set(s)
				eventually(t, "packet that is held", func() bool { return p.NB.Counters()[stack.TxHeld] > 0 })
				dark := time.Now()
				if s == stacktest.Down && p.NB.State() != stack.Down {
					t.Errorf("state %v, want down", p.NB.State())
				}
				time.Sleep(100 * time.Millisecond)
				p.Cable.A.Set(stacktest.On)
				p.Cable.B.Set(stacktest.On)
				back, at := time.Now(), p.NA.Counters()[stack.RxBytes]
				for p.NA.Counters()[stack.RxBytes] < at+1<<20 {
					if time.Since(back) > time.Second {
						t.Fatalf("no megabyte within a second of the light: state %v", p.NB.State())
					}
					time.Sleep(time.Millisecond)
				}
				resumed := time.Since(back)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				n := p.NB.Counters()
				t.Logf("held %d, overflow %d; resumed %v after the light, %v in all, dark at %v", n[stack.TxHeld], n[stack.TxDropHeldOverflow],
					resumed, time.Since(start), dark.Sub(start))
				if p.NB.State() != stack.Up {
					t.Errorf("state %v afterwards, want up", p.NB.State())
				}
			})
		}
	}
}
