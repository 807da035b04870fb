package host_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestNoAllocations: Send, Recv, State and Queued, of one buffer and of many,
// with and without ancillary data.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	h := newHost(t, host.Config{})
	a, b := pair(t, h, wsa.AF_INET)
	c, d := openUDP(t, h, wsa.AF_INET6), openUDP(t, h, wsa.AF_INET6)
	many := make([][]byte, 64)
	for i := range many {
		many[i] = make([]byte, 10)
	}
	one := [][]byte{make([]byte, 640)}
	all := provider.ControlPacketInfo | provider.ControlTTL | provider.ControlTOS
	for _, x := range []struct {
		name     string
		from, to *end
		out, in  provider.Msg
	}{
		{"stream, one buffer", a, b, provider.Msg{Buffers: one}, provider.Msg{Buffers: one}},
		{"stream, many", a, b, provider.Msg{Buffers: many}, provider.Msg{Buffers: many}},
		{"datagram", c, d, provider.Msg{Buffers: one, Addr: local(t, d)}, provider.Msg{Buffers: one}},
		{"datagram, many", c, d, provider.Msg{Buffers: many, Addr: local(t, d)}, provider.Msg{Buffers: many}},
		{"datagram, control", c, d, provider.Msg{Buffers: one, Addr: local(t, d), Control: &provider.Control{Has: all, TTL: 9}}, provider.Msg{Buffers: one, Control: &provider.Control{}}},
	} {
		q := x.to.Endpoint.(base.Queuer)
		n := testing.AllocsPerRun(500, func() {
			if n, e := x.from.Send(&x.out); n != 640 || e != 0 {
				t.Fatalf("%s: Send: %d, %s", x.name, n, e.Name())
			}
			x.to.readable()
			if q.Queued() == 0 {
				t.Fatalf("%s: nothing queued", x.name)
			}
			if x.in.Control != nil {
				x.in.Control.Has = all
			}
			if n, e := x.to.Recv(&x.in); n != 640 || e != 0 {
				t.Fatalf("%s: Recv: %d, %s", x.name, n, e.Name())
			}
		})
		// readable has a timer of its own: 3 allocations of the test, none of ours.
		if idle := testing.AllocsPerRun(500, func() { x.from.until("writable", func(s base.State) bool { return s.Writable }) }); n > idle {
			t.Errorf("%s: %v allocations, of which %v are the test's", x.name, n, idle)
		}
	}
}

func BenchmarkStreamPingPong(b *testing.B) {
	h := newHost(b, host.Config{})
	x, y := pair(b, h, wsa.AF_INET)
	go func() {
		buf := make([]byte, 1)
		for {
			n, _, errno := y.recv(buf)
			if n == 0 || errno != 0 {
				return
			}
			y.send(buf)
		}
	}()
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		x.send(buf)
		x.recv(buf)
	}
	x.Shutdown()
}

// BenchmarkState is what Ready costs while nothing happens.
func BenchmarkState(b *testing.B) {
	h := newHost(b, host.Config{})
	x, y := pair(b, h, wsa.AF_INET)
	y.send([]byte("x"))
	x.readable()
	b.ReportAllocs()
	for b.Loop() {
		x.State()
	}
}

func BenchmarkDatagramSend(b *testing.B) {
	h := newHost(b, host.Config{})
	x, y := openUDP(b, h, wsa.AF_INET), openUDP(b, h, wsa.AF_INET)
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 100)}, Addr: local(b, y)}
	in := &provider.Msg{Buffers: [][]byte{make([]byte, 100)}}
	b.ReportAllocs()
	for b.Loop() {
		x.Send(m)
		y.Recv(in)
	}
}
