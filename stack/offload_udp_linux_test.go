package stack_test

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
)

// TestOffloadsDatagrams: datagrams, one by one and as a train that the kernel
// makes of one write (UDP_SEGMENT), arrive whole and in order in every
// combination, and so do the answers.
func TestOffloadsDatagrams(t *testing.T) {
	const all = stack.OffloadCSUM | stack.OffloadTSO4 | stack.OffloadTSO6
	for _, kind := range append(offloadKinds, struct {
		name string
		bits uint32
	}{"CSUM+TSO+USO", all | stack.OffloadUSO4 | stack.OffloadUSO6}) {
		for _, tap := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/tap %v", kind.name, tap), func(t *testing.T) {
				t.Parallel()
				var strict *stacktest.Strict
				x := newTunnelWith(t, tunnelConfig{
					Config: tun.Config{TAP: tap, NoOffload: kind.bits == 0},
					handler: gateway{udp: func(d *stack.Datagram) {
						d.NIC.SendDatagram(d.Dst, d.Src, bytes.Join(d.Data, nil), 0)
					}},
					wrap: func(d *tun.Device) stack.Device {
						var g stack.Device = d
						if kind.bits != 0 {
							g = grant(t, d, kind.bits)
						}
						strict = stacktest.NewStrict(t, g)
						return strict
					}})
				for _, host := range append(away, gate4.String(), gate6.String()) {
					u, err := x.dial(t.Context(), "udp", net.JoinHostPort(host, "7"))
					if err != nil {
						t.Fatal(err)
					}
					defer u.Close()
					for _, part := range []int{0, 1000, 1200} {
						before := strict.ReadGSO.Load()
						answered(t, u.(*net.UDPConn), part)
						gso := strict.ReadGSO.Load() > before
						if want := part != 0 && kind.bits&stack.OffloadUSO4 != 0; gso != want {
							t.Errorf("%s, parts of %d: trains %v, want %v", host, part, gso, want)
						}
					}
				}
				noDrops(t, x.nic)
				x.kernelSawNoError(t)
			})
		}
	}
}

// answered sends 20500 bytes, as one train of parts if part is not 0, and wants
// each datagram back.
func answered(t *testing.T, u *net.UDPConn, part int) {
	t.Helper()
	data := noise(20500)
	size := part
	if part == 0 {
		size = 1100
	} else {
		rc, err := u.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		rc.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, part) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 65536)
	for off := 0; off < len(data); off += size {
		want := data[off:min(off+size, len(data))]
		if part == 0 {
			if _, err := u.Write(want); err != nil {
				t.Fatal(err)
			}
		}
		u.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := u.Read(b)
		if err != nil || !bytes.Equal(b[:n], want) {
			t.Fatalf("parts of %d, at %d: %d bytes, want %d: %v", part, off, n, len(want), err)
		}
	}
}
