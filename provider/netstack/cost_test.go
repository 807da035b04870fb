package netstack_test

import (
	"bytes"
	"runtime"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestCost: Send and Recv allocate what the bare endpoint allocates, and nothing
// else. What the stack allocates meanwhile counts on both sides.
func TestCost(t *testing.T) {
	for name, pair := range map[string]func(*net) (a, b *sock){
		"tcp": func(n *net) (*sock, *sock) { return n.connection(t, families[0]) },
		"udp": func(n *net) (*sock, *sock) {
			a, b := udp(t, n.a, wsa.AF_INET), udp(t, n.b, wsa.AF_INET)
			at := b.bind(stacktest.B4, 0)
			a.must("connect", a.Connect(at))
			return a, b
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNet(t, stacktest.PairConfig{})
			a, b := pair(n)
			out, in := make([]byte, 1000), make([]byte, 2000)
			send, recv := msg(out[:400], out[400:]), msg(in[:100], in[100:])
			ours := func() {
				if k, e := a.Send(send); k != len(out) || e != 0 {
					t.Fatalf("send: %d, %s", k, e.Name())
				}
				for {
					k, e := b.Recv(recv)
					if e == 0 && k == len(out) {
						return
					}
					if e != wsa.EWOULDBLOCK {
						t.Fatalf("recv: %d, %s", k, e.Name())
					}
					runtime.Gosched()
				}
			}
			var (
				ea, eb = netstack.Bare(a.Endpoint), netstack.Bare(b.Endpoint)
				r      bytes.Reader
				w      tcpip.SliceWriter
			)
			bare := func() {
				r.Reset(out)
				if k, err := ea.Write(&r, tcpip.WriteOptions{}); int(k) != len(out) || err != nil {
					t.Fatalf("write: %d, %v", k, err)
				}
				for {
					w = in
					res, err := eb.Read(&w, tcpip.ReadOptions{NeedRemoteAddr: true})
					if err == nil && res.Count == len(out) {
						eb.ModerateRecvBuf(res.Count)
						return
					}
					if _, again := err.(*tcpip.ErrWouldBlock); !again {
						t.Fatalf("read: %d, %v", res.Count, err)
					}
					runtime.Gosched()
				}
			}
			var o, g float64
			for range 5 { // pools are emptied by the collector now and then
				o, g = testing.AllocsPerRun(500, ours), testing.AllocsPerRun(500, bare)
				if o <= g {
					return
				}
			}
			t.Errorf("%v allocations, the bare endpoint has %v", o, g)
		})
	}
}

func BenchmarkStream(b *testing.B) {
	n := newNet(b, stacktest.PairConfig{Cable: stacktest.CableConfig{Offloads: true}})
	x, y := n.connection(b, families[0])
	buf := make([]byte, 64<<10)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	done := make(chan struct{})
	go func() {
		defer close(done)
		in := msg(make([]byte, 64<<10))
		for total := 0; total < b.N*len(buf); {
			k, e := y.Recv(in)
			if e == wsa.EWOULDBLOCK {
				y.await("readable", readable)
				continue
			}
			total += k
		}
	}()
	for range b.N {
		x.sendAll(buf)
	}
	<-done
}
