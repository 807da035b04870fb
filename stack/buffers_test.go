package stack_test

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestFewConnections: one may have a large window, eight share.
func TestFewConnections(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	l := listen(t, p.A, netip.AddrPortFrom(stacktest.A4, 80))
	var conns []interface{ Close() error }
	most := func() int {
		var r tcpip.TCPReceiveBufferSizeRangeOption
		p.A.TCPIP().TransportProtocolOption(tcp.ProtocolNumber, &r)
		return r.Max
	}
	for _, want := range []int{8, 8, 4, 4, 2, 2, 2, 2, 2, 2} {
		c, err := dial(p.B, netip.AddrPortFrom(stacktest.A4, 80))
		if err != nil {
			t.Fatal(err)
		}
		d, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c, d)
		p.A.FitAll()
		if most() != want<<20 {
			t.Errorf("%d connections: %d each, want %d MiB", len(conns)/2, most(), want)
		}
	}
	for i := len(conns) - 1; i > 0; i -= 2 {
		conns[i].Close()
		conns[i-1].Close()
	}
	established := p.A.TCPIP().Stats().TCP.CurrentEstablished
	eventually(t, "end of the connections", func() bool { return established.Value() == 0 })
	p.A.FitAll()
	if most() != 8<<20 {
		t.Errorf("afterwards: %d", most())
	}
}

// TestSharesRise: who stays when others have gone has more, though nobody comes or
// goes any more.
func TestSharesRise(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	l := listen(t, p.A, netip.AddrPortFrom(stacktest.A4, 80))
	most := func() int {
		var r tcpip.TCPReceiveBufferSizeRangeOption
		p.A.TCPIP().TransportProtocolOption(tcp.ProtocolNumber, &r)
		return r.Max
	}
	var conns []interface{ Close() error }
	for range 9 {
		c, err := dial(p.B, netip.AddrPortFrom(stacktest.A4, 80))
		if err != nil {
			t.Fatal(err)
		}
		d, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c, d)
	}
	eventually(t, "less for each of nine", func() bool { return most() <= 4<<20 })
	for _, c := range conns[2:] {
		c.Close()
	}
	eventually(t, "8 MiB for the one that is left", func() bool { return most() == 8<<20 })
}

// TestBufferBudget: connections share the budget as they come, and have all of it
// again when they have gone.
func TestBufferBudget(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{Stack: stack.Config{BufferBudget: 4 << 20}})
	limits := func() (send tcpip.TCPSendBufferSizeRangeOption, receive tcpip.TCPReceiveBufferSizeRangeOption) {
		p.A.TCPIP().TransportProtocolOption(tcp.ProtocolNumber, &send)
		p.A.TCPIP().TransportProtocolOption(tcp.ProtocolNumber, &receive)
		return send, receive
	}
	established := p.A.TCPIP().Stats().TCP.CurrentEstablished
	var conns []interface{ Close() error }
	l := listen(t, p.A, netip.AddrPortFrom(stacktest.A4, 80))
	open := func(n int) {
		t.Helper()
		for len(conns) < 2*n {
			c, err := dial(p.B, netip.AddrPortFrom(stacktest.A4, 80))
			if err != nil {
				t.Fatal(err)
			}
			d, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c, d)
		}
	}
	for _, c := range []struct{ conns, share int }{{2, 2 << 20}, {5, 512 << 10}, {40, 64 << 10}, {200, 32 << 10}} {
		open(c.conns)
		if _, r := limits(); r.Max < c.share || r.Max > 2*c.share { // the last ones may not be counted yet
			t.Errorf("%d connections: %d each, want %d", c.conns, r.Max, c.share)
		}
	}
	beyond := 0
	for _, ep := range p.A.TCPIP().RegisteredEndpoints() {
		if e, ok := ep.(*tcp.Endpoint); ok && e.EndpointState() == tcp.StateEstablished {
			if o := e.SocketOptions(); o.GetSendBufferSize() > 64<<10 || o.GetReceiveBufferSize() > 64<<10 {
				beyond++
				p.A.FitBuffers(e)
				if o.GetSendBufferSize() > 64<<10 || o.GetReceiveBufferSize() > 64<<10 {
					t.Error("a fitted connection holds more than its share")
				}
			}
		}
	}
	if beyond > 80 { // each halving of the receive buffer waits for the next look
		t.Errorf("%d of 200 connections hold more than their share", beyond)
	}
	c, d := connect(t, p.B, p.A, netip.AddrPortFrom(stacktest.A6, 81))
	if err := transfer(c, d, noise(1<<20)); err != nil {
		t.Error("through a small buffer:", err)
	}
	if err := transfer(d, c, noise(1<<20)); err != nil {
		t.Error("through a small buffer, back:", err)
	}
	for _, c := range conns {
		c.Close()
	}
	eventually(t, "end of the connections", func() bool { return established.Value() <= 1 })
	connect(t, p.B, p.A, netip.AddrPortFrom(stacktest.A4, 82))
	p.A.FitAll()
	if s, r := limits(); s.Max != 2<<20 || r.Max != 4<<20 || r.Default != 1<<20 {
		t.Errorf("afterwards: %+v, %+v", s, r)
	}
	if _, err := stack.New(stack.Config{BufferBudget: -1}); err == nil {
		t.Error("a negative budget is taken")
	}
}

// TestStrangers: connections of which it is known that they fit are not gone through
// again and again, and none is when they go.
func TestStrangers(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{Stack: stack.Config{BufferBudget: 4 << 20}})
	l := listen(t, p.A, netip.AddrPortFrom(stacktest.A4, 80))
	var conns []interface{ Close() error }
	known := make(map[tcpip.Endpoint]bool)
	open := func(n int) {
		for len(conns) < 2*n {
			c, err := dial(p.B, netip.AddrPortFrom(stacktest.A4, 80))
			if err != nil {
				t.Fatal(err)
			}
			d, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c, d)
			for _, ep := range p.A.TCPIP().RegisteredEndpoints() {
				if e, ok := ep.(*tcp.Endpoint); ok && !known[e] && e.EndpointState() == tcp.StateEstablished {
					p.A.FitBuffers(e)
					known[e] = true
				}
			}
		}
	}
	open(140) // the least share
	p.A.FitAll()
	before := p.A.BufferWalks()
	open(200)
	if n := p.A.BufferWalks() - before; n > 1 {
		t.Errorf("all were gone through %d times for 60 that fit", n)
	}
	before = p.A.BufferWalks()
	established := p.A.TCPIP().Stats().TCP.CurrentEstablished
	for _, c := range conns {
		c.Close()
	}
	eventually(t, "end of the connections", func() bool { return established.Value() == 0 })
	if n := p.A.BufferWalks() - before; n > 1 {
		t.Errorf("all were gone through %d times as they went", n)
	}
}
