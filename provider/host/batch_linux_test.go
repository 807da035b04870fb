package host_test

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// batchOf are datagrams of these sizes, each with bytes of its own.
func batchOf(to provider.Addr, sizes ...int) []provider.Datagram {
	ds := make([]provider.Datagram, len(sizes))
	for i, n := range sizes {
		ds[i] = provider.Datagram{Data: bytes.Repeat([]byte{byte(i + 1)}, n), Addr: to}
	}
	return ds
}

func repeated(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// sendBatch sends all.
func (e *end) sendBatch(ds []provider.Datagram) {
	e.t.Helper()
	for len(ds) > 0 {
		n, errno := e.Endpoint.(base.Batcher).SendBatch(ds)
		switch {
		case errno == wsa.EWOULDBLOCK:
			e.until("writable", func(s base.State) bool { return s.Writable })
		case errno != 0 || n != len(ds):
			e.t.Fatalf("SendBatch of %d: %d, %s", len(ds), n, errno.Name())
		}
		ds = ds[n:]
	}
}

// recvBatch receives n datagrams, room at a time.
func (e *end) recvBatch(n, room int) (got []provider.Datagram) {
	e.t.Helper()
	for len(got) < n {
		ds := batchOf(provider.Addr{}, repeated(room, 65536)...)
		k, errno := e.Endpoint.(base.Batcher).RecvBatch(ds)
		got = append(got, ds[:k]...)
		switch {
		case errno == wsa.EWOULDBLOCK && len(got) < n:
			e.until("readable", func(s base.State) bool { return s.Readable })
		case errno == wsa.EWOULDBLOCK:
		case errno != 0 || k != room:
			e.t.Fatalf("RecvBatch into %d: %d, %s", room, k, errno.Name())
		}
	}
	return got
}

// wantBatch receives what was sent, in order.
func (e *end) wantBatch(from provider.Addr, sent []provider.Datagram, room int) {
	e.t.Helper()
	got := e.recvBatch(len(sent), room)
	for i, d := range got {
		if i >= len(sent) || d.Addr != from || d.Truncated || !bytes.Equal(d.Data[:d.N], sent[i].Data) {
			e.t.Fatalf("datagram %d of %d: %d bytes from %v, truncated %v", i, len(sent), d.N, d.Addr, d.Truncated)
		}
	}
}

var mixes = map[string][]int{
	"one":                {100},
	"empty":              {0},
	"run":                repeated(64, 64),
	"longer than a call": repeated(150, 1200),
	"last is shorter":    {1000, 1000, 1000, 7},
	"last is longer":     {1000, 1000, 1001},
	"empty in the middle": {
		500, 500, 0, 500, 500,
	},
	"all kinds": {1, 1, 2, 2, 0, 0, 65507, 1400, 1400, 1399, 1400, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 30000, 30000, 30000},
}

// TestBatch: what was sent together arrives one by one as it was, in order.
func TestBatch(t *testing.T) {
	for name, sizes := range mixes {
		t.Run(name, func(t *testing.T) {
			bothFamilies(t, func(t *testing.T, af int32) {
				var trains atomic.Int32
				h := newHost(t, host.Trains(func(int) syscall.Errno { trains.Add(1); return 0 }))
				a, b := openUDP(t, h, af), openUDP(t, h, af)
				must(t, "SO_RCVBUF", b.SetOption(wsa.SOL_SOCKET, wsa.SO_RCVBUF, 4<<20))
				for _, room := range []int{1, 7, 64, 100} {
					ds := batchOf(local(t, b), sizes...)
					a.sendBatch(ds)
					b.wantBatch(local(t, a), ds, room)
				}
				if n := trains.Load(); name == "run" && n == 0 || name == "longer than a call" && n < 8 { // of 65507 bytes at most
					t.Errorf("%d trains", n)
				}
				ds := batchOf(provider.Addr{}, 10)
				n, errno := b.Endpoint.(base.Batcher).RecvBatch(ds)
				if n != 0 || errno != wsa.EWOULDBLOCK || b.State().Readable {
					t.Errorf("something is left: %d, %s", n, errno.Name())
				}
			})
		})
	}
}

// TestTwoDestinations: a train has one, and each gets its own in order.
func TestTwoDestinations(t *testing.T) {
	h := newHost(t, host.Config{})
	a, b, c := openUDP(t, h, wsa.AF_INET), openUDP(t, h, wsa.AF_INET), openUDP(t, h, wsa.AF_INET)
	ds := batchOf(local(t, b), repeated(40, 300)...)
	var toB, toC []provider.Datagram
	for i := range ds {
		if i%7 > 3 {
			ds[i].Addr = local(t, c)
			toC = append(toC, ds[i])
		} else {
			toB = append(toB, ds[i])
		}
	}
	a.sendBatch(ds)
	b.wantBatch(local(t, a), toB, 64)
	c.wantBatch(local(t, a), toC, 64)
}

// TestTrainsRefused: what the kernel does not take as a train goes alone, now and
// from then on, and nothing is lost or comes twice.
func TestTrainsRefused(t *testing.T) {
	for _, c := range []struct {
		errno syscall.Errno
		small bool // trains of smaller datagrams are still tried
	}{{syscall.EIO, false}, {syscall.ENOPROTOOPT, false}, {syscall.EOPNOTSUPP, false}, {syscall.EINVAL, true}, {syscall.EMSGSIZE, true}} {
		t.Run(c.errno.Error(), func(t *testing.T) {
			var asked []int
			h := newHost(t, host.Trains(func(size int) syscall.Errno {
				asked = append(asked, size)
				if size == 1000 {
					return c.errno
				}
				return 0
			}))
			a, b := openUDP(t, h, wsa.AF_INET), openUDP(t, h, wsa.AF_INET)
			for range 3 {
				for _, size := range []int{1000, 10} {
					ds := batchOf(local(t, b), repeated(20, size)...)
					a.sendBatch(ds)
					b.wantBatch(local(t, a), ds, 64)
				}
			}
			big := bytes.Count(bytesOf(asked), []byte{1})
			if big > 2 || (len(asked) > big) != c.small {
				t.Errorf("trains of %v were tried", asked)
			}
		})
	}
}

func bytesOf(sizes []int) (b []byte) {
	for _, n := range sizes {
		b = append(b, byte(n/1000))
	}
	return b
}

// TestTrainsPathMTU: the kernel's own refusal. What must be fragmented is no train.
func TestTrainsPathMTU(t *testing.T) {
	privateNetwork(t, "ip link set lo mtu 1280")
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b := openUDP(t, h, af), openUDP(t, h, af)
		for _, sizes := range [][]int{repeated(10, 2000), repeated(10, 1000), {1300, 1300, 100, 100, 0, 1300}} {
			ds := batchOf(local(t, b), sizes...)
			a.sendBatch(ds)
			b.wantBatch(local(t, a), ds, 64)
		}
	})
}

// TestSomebodyElsesError: an error that an ICMP message left is neither the
// datagram's nor the train's.
func TestSomebodyElsesError(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b, gone := openUDP(t, h, af), openUDP(t, h, af), openUDP(t, h, af)
		dead := local(t, gone)
		gone.Close(false)
		const rounds = 5
		for range rounds {
			ds := append(batchOf(dead, 5), batchOf(local(t, b), repeated(8, 5)...)...)
			a.sendBatch(ds)
			b.wantBatch(local(t, a), ds[1:], 64)
		}
		for range rounds {
			a.until("soft", func(s base.State) bool { return s.Soft })
			ds := batchOf(provider.Addr{}, 10, 10)
			n, errno := a.Endpoint.(base.Batcher).RecvBatch(ds)
			if n != 0 || errno != wsa.ECONNRESET || ds[0].Addr != dead {
				t.Fatalf("RecvBatch: %d, %s, about %v; want ECONNRESET about %v", n, errno.Name(), ds[0].Addr, dead)
			}
		}
		if st := a.State(); st.Soft {
			t.Error("an error is told twice")
		}
	})
}

// TestBatchStops where a datagram cannot be sent: those before are, and the code
// is its own.
func TestBatchStops(t *testing.T) {
	privateNetwork(t, "ip route add prohibit 10.2.0.0/16")
	h := newHost(t, host.Config{})
	a, b := open(t, h, wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP), openUDP(t, h, wsa.AF_INET)
	must(t, "Bind", a.Bind(provider.Any(wsa.AF_INET, 0)))
	for _, c := range []struct {
		to   string
		size int
		want wsa.Errno
	}{{"10.2.0.1:9", 10, wsa.EACCES}, {"10.3.0.1:9", 10, wsa.ENETUNREACH}, {"127.0.0.1:9", 65508, wsa.EMSGSIZE}} {
		ds := batchOf(local(t, b), 10, 10, 10, 10)
		ds[2].Addr, ds[2].Data = at(c.to), make([]byte, c.size)
		n, errno := a.Endpoint.(base.Batcher).SendBatch(ds)
		if n != 2 || errno != c.want {
			t.Errorf("%s: %d, %s; want 2, %s", c.to, n, errno.Name(), c.want.Name())
		}
		if got := b.recvBatch(2, 64); len(got) != 2 {
			t.Errorf("%s: %d arrived", c.to, len(got))
		}
	}
}

// TestBatchFull: EWOULDBLOCK says how many were taken, and a wake when to go on.
func TestBatchFull(t *testing.T) {
	privateNetwork(t, append(blackhole, "tc qdisc add dev d0 root tbf rate 1mbit burst 5kb latency 10s")...)
	h := newHost(t, host.Config{})
	e := open(t, h, wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
	must(t, "SO_SNDBUF", e.SetOption(wsa.SOL_SOCKET, wsa.SO_SNDBUF, 8192))
	must(t, "Bind", e.Bind(at("10.9.0.1:0")))
	blocked := 0
	for ds := batchOf(at("10.9.0.2:9"), repeated(100, 1000)...); len(ds) > 0; {
		n, errno := e.Endpoint.(base.Batcher).SendBatch(ds)
		ds = ds[n:]
		if errno == wsa.EWOULDBLOCK {
			blocked++
			e.until("writable", func(s base.State) bool { return s.Writable })
		} else {
			must(t, "SendBatch", errno)
		}
	}
	if blocked == 0 {
		t.Fatal("8 KiB took 100 kB")
	}
}

// TestBatchTruncates: the room is filled, and the rest is said to be missing.
func TestBatchTruncates(t *testing.T) {
	h := newHost(t, host.Config{})
	a, b := openUDP(t, h, wsa.AF_INET), openUDP(t, h, wsa.AF_INET)
	a.sendBatch(batchOf(local(t, b), 10, 20, 5))
	b.readable()
	ds := batchOf(provider.Addr{}, 10, 10, 10, 10)
	n, errno := b.Endpoint.(base.Batcher).RecvBatch(ds)
	got := fmt.Sprint(n, errno.Name())
	for _, d := range ds[:n] {
		got += fmt.Sprint(" ", d.N, d.Truncated)
	}
	if want := fmt.Sprint(3, wsa.EWOULDBLOCK.Name(), " 10 false 10 true 5 false"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestBatchOfOthers: endpoints that are not UDP's move one by one.
func TestBatchOfOthers(t *testing.T) {
	privileged(t)
	for _, raw := range []bool{false, true} {
		config := host.Config{}
		if raw {
			config = host.RawPing()
		}
		t.Run(fmt.Sprint("raw ", raw), func(t *testing.T) {
			privateNetwork(t)
			sysctl(t, "net/ipv4/ping_group_range", "0 2147483647")
			h := newHost(t, config)
			a := open(t, h, wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_ICMP)
			must(t, "Bind", a.Bind(loopback(wsa.AF_INET, 0)))
			var ds []provider.Datagram
			for i := range uint16(3) {
				ds = append(ds, provider.Datagram{Data: echo(8, i, "hello"), Addr: loopback(wsa.AF_INET, 0)})
			}
			a.sendBatch(ds)
			for i, d := range a.recvBatch(3, 8) {
				if b := d.Data[:d.N]; d.N != 13 || b[0] != 0 || int(b[7]) != i || string(b[8:]) != "hello" {
					t.Errorf("reply %d: % x", i, b)
				}
			}
		})
	}
}

// TestBatchAfterEnd: of the Host, and of the endpoint.
func TestBatchAfterEnd(t *testing.T) {
	h, err := host.New(host.Config{})
	if err != nil {
		t.Fatal(err)
	}
	a := openUDP(t, h, wsa.AF_INET)
	h.Close()
	ds := batchOf(local(t, a), 10, 10)
	_, errno := a.Endpoint.(base.Batcher).SendBatch(ds)
	equal(t, "SendBatch after the Host's Close", errno, wsa.ENETDOWN)
	_, errno = a.Endpoint.(base.Batcher).RecvBatch(ds)
	equal(t, "RecvBatch after the Host's Close", errno, wsa.ENETDOWN)
	a.Close(true)
	_, errno = a.Endpoint.(base.Batcher).SendBatch(ds)
	equal(t, "SendBatch after Close", errno, wsa.ENOTSOCK)
	_, errno = a.Endpoint.(base.Batcher).RecvBatch(ds)
	equal(t, "RecvBatch after Close", errno, wsa.ENOTSOCK)
}

// TestBatchNoAllocations there and back.
func TestBatchNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	h := newHost(t, host.Config{})
	a, b := openUDP(t, h, wsa.AF_INET), openUDP(t, h, wsa.AF_INET)
	out := batchOf(local(t, b), 100, 100, 100, 50, 7, 0, 800, 800)
	in := batchOf(provider.Addr{}, repeated(len(out), 1000)...)
	sender, receiver := a.Endpoint.(base.Batcher), b.Endpoint.(base.Batcher)
	n := testing.AllocsPerRun(500, func() {
		if n, e := sender.SendBatch(out); n != len(out) || e != 0 {
			t.Fatalf("SendBatch: %d, %s", n, e.Name())
		}
		if n, e := receiver.RecvBatch(in); n != len(out) || e != 0 { // the loopback is synchronous
			t.Fatalf("RecvBatch: %d, %s", n, e.Name())
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkTrains is what 64 datagrams cost from one socket to another of this
// machine, sent and received: one by one, in a call, and in a call as a train.
func BenchmarkTrains(b *testing.B) {
	for _, size := range []int{64, 1400} {
		for _, way := range []string{"single", "batch", "train"} {
			b.Run(fmt.Sprintf("%d bytes/%s", size, way), func(b *testing.B) {
				h := newHost(b, host.Trains(func(int) syscall.Errno {
					if way == "train" {
						return 0
					}
					return syscall.EIO
				}))
				x, y := openUDP(b, h, wsa.AF_INET), openUDP(b, h, wsa.AF_INET)
				y.SetOption(wsa.SOL_SOCKET, wsa.SO_RCVBUF, 1<<20)
				out := batchOf(local(b, y), repeated(64, size)...)
				in := batchOf(provider.Addr{}, repeated(64, 2048)...)
				one := &provider.Msg{Buffers: [][]byte{out[0].Data}, Addr: local(b, y)}
				got := 0
				b.ReportAllocs()
				for b.Loop() {
					if way == "single" {
						for range out {
							x.Send(one)
						}
					} else {
						x.Endpoint.(base.Batcher).SendBatch(out)
					}
					n, _ := y.Endpoint.(base.Batcher).RecvBatch(in)
					got += n
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(got, 1)), "ns/datagram")
			})
		}
	}
}
