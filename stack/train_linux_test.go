package stack_test

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/tun"
)

// TestTrainsToKernel: what SendDatagrams couples, the kernel hands to its program
// one by one, whole, in order, with checksums that it verifies.
func TestTrainsToKernel(t *testing.T) {
	for _, c := range []struct {
		name  string
		count int
		size  func(i int) int
	}{
		{"of one size", 200, func(int) int { return 1200 }},
		{"tiny", 200, func(int) int { return 1 }},
		{"full MTU", 200, func(int) int { return 1452 }},
		{"every tenth is shorter", 200, func(i int) int { return 1000 - i%10/9*300 }},
		{"all sizes", 200, func(i int) int { return i * 7 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ds [][]byte
			for i := range c.count {
				ds = append(ds, bytes.Repeat([]byte{byte(i)}, c.size(i)))
			}
			x := newTunnel(t, tun.Config{}, gateway{udp: func(d *stack.Datagram) {
				for i := 0; i < len(ds); i += 32 {
					if err := d.NIC.SendDatagrams(d.Dst, d.Src, ds[i:min(i+32, len(ds))]); err != nil {
						t.Error(err)
					}
				}
			}})
			for _, host := range away {
				u, err := x.dial(t.Context(), "udp", net.JoinHostPort(host, "7"))
				if err != nil {
					t.Fatal(err)
				}
				defer u.Close()
				u.(*net.UDPConn).SetReadBuffer(4 << 20)
				if _, err := u.Write([]byte("go")); err != nil {
					t.Fatal(err)
				}
				b := make([]byte, 2000)
				for i, want := range ds {
					u.SetReadDeadline(time.Now().Add(5 * time.Second))
					if n, err := u.Read(b); err != nil || !bytes.Equal(b[:n], want) {
						t.Fatalf("%s, datagram %d: %d bytes, want %d: %v", host, i, n, len(want), err)
					}
				}
			}
			n := x.nic.Counters()
			if x.dev.Offloads()&tun.OffloadUSO4 != 0 && c.name != "all sizes" && n[stack.TxGSO] == 0 {
				t.Error(fmt.Sprint("no trains among ", n[stack.TxPackets]))
			}
			noDrops(t, x.nic)
			x.kernelSawNoError(t)
		})
	}
}

// BenchmarkToKernel is what a datagram to a program behind a TUN costs: the way of
// gVisor, straight to the device, and there as one of 31 in a train.
func BenchmarkToKernel(b *testing.B) {
	for _, size := range []int{64, 1400} {
		for _, way := range []string{"gVisor", "straight", "train"} {
			b.Run(fmt.Sprintf("%d bytes/%s", size, way), func(b *testing.B) {
				from := make(chan *stack.Datagram, 1)
				x := newTunnel(b, tun.Config{}, gateway{udp: func(d *stack.Datagram) {
					from <- &stack.Datagram{Src: d.Src, Dst: d.Dst, NIC: d.NIC}
				}})
				u, err := x.dial(b.Context(), "udp", net.JoinHostPort(away[0], "7"))
				if err != nil {
					b.Fatal(err)
				}
				defer u.Close()
				u.Write([]byte("go"))
				d := <-from
				ds := make([][]byte, 31)
				for i := range ds {
					ds[i] = make([]byte, size)
				}
				b.ReportAllocs()
				for b.Loop() {
					for i := range ds {
						switch {
						case way == "gVisor":
							d.NIC.SendDatagram(d.Dst, d.Src, ds[i], 0)
						case way == "straight":
							d.NIC.SendDatagrams(d.Dst, d.Src, ds[i:i+1])
						}
					}
					if way == "train" {
						d.NIC.SendDatagrams(d.Dst, d.Src, ds)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ds)), "ns/datagram")
			})
		}
	}
}
