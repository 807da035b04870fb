package stack_test

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// BenchmarkTUN moves 1 MiB per iteration and stream between a kernel client
// and a stack behind a TUN of MTU 1500: our link, with two queues, with RACK, and the
// naive variant. bench/ has the honest comparison, interleaved and against
// veth; this is for work on this package.
func BenchmarkTUN(b *testing.B) {
	for _, v := range []string{"ours", "two queues", "rack", "naive"} {
		for _, down := range []bool{false, true} {
			for _, streams := range []int{1, 8} {
				dir := "up"
				if down {
					dir = "down"
				}
				b.Run(fmt.Sprintf("%s/%s%d", v, dir, streams), func(b *testing.B) { benchTUN(b, v, down, streams, 4*stack.MaxSegment) })
			}
		}
	}
}

// BenchmarkBlock is what the size of its writes does to one download: see
// stack.MaxSegment.
func BenchmarkBlock(b *testing.B) {
	for _, block := range []int{16 << 10, 64 << 10, stack.MaxSegment, 512 << 10, 8 * stack.MaxSegment} {
		b.Run(fmt.Sprint(block), func(b *testing.B) { benchTUN(b, "ours", true, 1, block) })
	}
}

func benchTUN(b *testing.B, variant string, down bool, streams, block int) {
	x := newVariant(b, variant)
	a := netip.AddrPortFrom(gate4, 80)
	l := listen(b, x.stack, a)
	type pair struct{ from, to net.Conn }
	var pairs []pair
	for range streams {
		c, err := x.dial(b.Context(), "tcp", a.String())
		if err != nil {
			b.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close(); s.Close() })
		if down {
			pairs = append(pairs, pair{s, c})
		} else {
			pairs = append(pairs, pair{c, s})
		}
	}
	size := b.N << 20 / streams
	move := func(size int) {
		var wg sync.WaitGroup
		for _, p := range pairs {
			wg.Go(func() {
				buf := make([]byte, block)
				for n := 0; n < size; {
					m, err := p.from.Write(buf[:min(len(buf), size-n)])
					if err != nil {
						b.Error(err)
						return
					}
					n += m
				}
			})
			wg.Go(func() {
				buf := make([]byte, 256<<10)
				for n := 0; n < size; {
					m, err := p.to.Read(buf)
					if err != nil {
						b.Error(err)
						return
					}
					n += m
				}
			})
		}
		wg.Wait()
	}
	move(16 << 20 / streams)
	b.SetBytes(1 << 20)
	b.ResetTimer()
	move(size)
	b.StopTimer()
	ts := x.stack.TCPIP().Stats().TCP
	b.ReportMetric(float64(b.N)*8/1024/b.Elapsed().Seconds(), "Gibit/s")
	b.ReportMetric(float64(ts.Retransmits.Value())/float64(b.N), "rexmit/MiB")
	b.ReportMetric(float64(ts.Timeouts.Value()), "RTOs")
}

func newVariant(b testing.TB, variant string) *tunnel {
	if variant != "naive" {
		queues := 1
		if variant == "two queues" {
			queues = 2
		}
		x := newTunnel(b, tun.Config{Queues: queues}, nil)
		if variant == "rack" {
			on := tcpip.TCPRACKLossDetection
			if err := x.stack.TCPIP().SetTransportProtocolOption(tcp.ProtocolNumber, &on); err != nil {
				b.Fatal(err)
			}
		}
		return x
	}
	tuntest.RequireRoot(b)
	x := &tunnel{t: b, netns: tuntest.NetNS(b)}
	dev, err := tun.Open(tun.Config{Netns: x.netns, Driver: tun.DriverWater})
	if err != nil {
		b.Fatal(err)
	}
	x.dev = dev
	if x.link, err = dev.Link(); err != nil {
		b.Fatal(err)
	}
	addrs := []netip.Prefix{netip.PrefixFrom(gate4, 24), netip.PrefixFrom(gate6, 64)}
	if x.stack, x.nic, err = stacktest.NewNaive(stack.Config{}, plain{dev}, 1500, addrs, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.stack.Close() })
	x.up(true)
	if err := x.link.AwaitAddr(guest6.Addr()); err != nil {
		x.t.Fatal(err)
	}
	return x
}

// plain is the water face of a device.
type plain struct{ d *tun.Device }

func (p plain) Read(b []byte) (int, error)  { return p.d.ReadWriter(0).Read(b) }
func (p plain) Write(b []byte) (int, error) { return p.d.ReadWriter(0).Write(b) }
func (p plain) Close() error                { return p.d.Close() }
