package stack_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

var foreign = netip.MustParseAddrPort("192.0.2.7:80")

// pairWith is a pair whose A is the gateway h of B.
func pairWith(t *testing.T, h stack.FlowHandler, cfg stack.Config) *stacktest.Pair {
	return stacktest.NewPair(t, stacktest.PairConfig{AFlow: h, Stack: cfg, Cable: stacktest.CableConfig{Offloads: true}})
}

// accepted makes a pair with one accepted flow and the client's end of it.
// The flow's handler returns; the flow lives on.
func accepted(t *testing.T) (*stacktest.Pair, *stack.Flow, net.Conn) {
	t.Helper()
	flows := make(chan *stack.Flow, 1)
	p := pairWith(t, gateway{tcp: func(f *stack.Flow) {
		if err := f.Accept(); err != nil {
			t.Error(err)
		}
		flows <- f
	}}, stack.Config{})
	c, err := dial(p.B, foreign)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return p, <-flows, c
}

// TestFacts: what a flow knows of itself.
func TestFacts(t *testing.T) {
	p, f, c := accepted(t)
	if f.Destination() != foreign || f.Source().String() != c.LocalAddr().String() || f.NIC() != p.NA || f.TTL() != 64 {
		t.Errorf("%v -> %v on %v, TTL %d", f.Source(), f.Destination(), f.NIC().Name(), f.TTL())
	}
	if s := f.State(); !s.Writable || s.Readable != 0 || s.PeerClosed || s.Drained || s.Err != nil {
		t.Errorf("fresh: %+v", s)
	}
	if err := f.Accept(); !errors.Is(err, syscall.EALREADY) {
		t.Errorf("accept again: %v, want EALREADY", err)
	}
	if _, err := f.Peek(10, nil); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("peek at nothing: %v, want EAGAIN", err)
	}
	f.Close()
	for what, err := range map[string]error{
		"close again": f.Close(), "close write": f.CloseWrite(), "state": f.State().Err,
		"peek": func() error { _, err := f.Peek(1, nil); return err }(),
		"fill": func() error { _, err := f.Fill(1, nil); return err }(),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v, want net.ErrClosed", what, err)
		}
	}
}

// TestPeekTakesWhatItSays: bytes that fn leaves are lent again.
func TestPeekTakesWhatItSays(t *testing.T) {
	_, f, c := accepted(t)
	w := watch(f)
	defer f.Watch(nil)
	data := noise(300_000)
	go func() { c.Write(data); c.Close() }()
	var got []byte
	for i := 0; ; i++ {
		_, err := f.Peek(1+i*37%70_000, func(bufs [][]byte) int {
			all := bytes.Join(bufs, nil)
			take := min(len(all), i*31%5000)
			got = append(got, all[:take]...)
			return take
		})
		if errors.Is(err, syscall.EAGAIN) {
			<-w.c
		} else if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, data) {
		t.Error("bytes differ")
	}
	if s := f.State(); !s.PeerClosed || s.Readable != 0 {
		t.Errorf("at the end: %+v", s)
	}
}

// TestFillLosesNothing: a fn that gives fewer bytes than promised, in pieces,
// and with errors.
func TestFillLosesNothing(t *testing.T) {
	_, f, c := accepted(t)
	w := watch(f)
	defer f.Watch(nil)
	data := noise(700_000)
	got := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(c)
		got <- b
	}()
	odd := errors.New("odd")
	left := data
	for i := 1; len(left) > 0; i++ {
		calls, give := 0, i*7919%100_000
		taken := 0
		n, err := f.Fill(200_000, func(b []byte) (int, error) {
			calls++
			n := copy(b[:min(len(b), give, 1+i*997%40_000)], left)
			left, give, taken = left[n:], give-n, taken+n
			if give == 0 && i%2 == 0 {
				return n, odd
			}
			return n, nil
		})
		if errors.Is(err, syscall.EAGAIN) {
			<-w.c
			continue
		}
		if n != taken {
			t.Fatalf("round %d: fn gave %d bytes, %d were queued (%v)", i, taken, n, err)
		}
		if err != nil && err != odd {
			t.Fatal(err)
		}
	}
	f.CloseWrite()
	if b := <-got; !bytes.Equal(b, data) {
		t.Errorf("%d bytes arrived of %d, or differ", len(b), len(data))
	}
}

// TestLease: Close and Abort, of the flow, the NIC and the Stack, wait for the
// end of a lease before the lent memory goes to anybody else.
func TestLease(t *testing.T) {
	ends := map[string]func(*stacktest.Pair, *stack.Flow){
		"close": func(_ *stacktest.Pair, f *stack.Flow) { f.Close() },
		"abort": func(_ *stacktest.Pair, f *stack.Flow) { f.Abort() },
		"nic":   func(p *stacktest.Pair, _ *stack.Flow) { p.NA.Close() },
		"stack": func(p *stacktest.Pair, _ *stack.Flow) { p.A.Close() },
		"peer":  func(p *stacktest.Pair, _ *stack.Flow) { p.B.Close() }, // RST from the program
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			p, f, c := accepted(t)
			w := watch(f)
			defer f.Watch(nil)
			data := noise(100_000)
			c.Write(data)
			for f.State().Readable < len(data) {
				<-w.c
			}
			ended := make(chan struct{})
			n, err := f.Peek(len(data), func(bufs [][]byte) int {
				if _, err := f.Peek(1, nil); !errors.Is(err, syscall.EBUSY) {
					t.Errorf("a second lease: %v, want EBUSY", err)
				}
				go func() { end(p, f); close(ended) }()
				time.Sleep(20 * time.Millisecond) // let it get as far as it can
				// Take chunks of every size: a purged queue would be in them.
				for range 64 {
					tryChunks()
				}
				if got := bytes.Join(bufs, nil); !bytes.Equal(got, data) {
					t.Error("the lent bytes changed")
				}
				return len(data)
			})
			if n != len(data) || err != nil {
				t.Errorf("peek: %d, %v", n, err)
			}
			<-ended
			eventually(t, "end of the flow", func() bool { return f.State().Err != nil })
			if _, err := f.Peek(1, nil); err == nil || errors.Is(err, syscall.EAGAIN) {
				t.Errorf("peek afterwards: %v, want an end", err)
			}
		})
	}
}

// TestLeaseRace hammers a lease with closes, for the race detector.
func TestLeaseRace(t *testing.T) {
	for i := range 20 {
		_, f, c := accepted(t)
		go io.Copy(c, bytes.NewReader(noise(1<<20)))
		var wg sync.WaitGroup
		wg.Go(func() {
			w := watch(f)
			defer f.Watch(nil)
			receive(f, w, io.Discard)
		})
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 100 * time.Microsecond)
			if i%2 == 0 {
				f.Close()
			} else {
				f.Abort()
			}
		})
		wg.Go(func() {
			for f.State().Err == nil {
				f.Fill(1000, func(b []byte) (int, error) { return len(b), nil })
			}
		})
		wg.Wait()
	}
}

// TestOwnListeners: sockets of the stack on the NIC's own address are served by
// themselves; a socket on the unspecified address does not take the gateway's
// flows.
func TestOwnListeners(t *testing.T) {
	var flows, datagrams atomic.Int32
	p := pairWith(t, gateway{
		tcp: func(f *stack.Flow) { flows.Add(1); f.Refuse() },
		udp: func(d *stack.Datagram) { datagrams.Add(1) },
	}, stack.Config{})
	any4, err := gonet.ListenTCP(p.A.TCPIP(), tcpip.FullAddress{Port: 80}, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	defer any4.Close()
	go func() {
		for {
			c, err := any4.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	udp, err := gonet.DialUDP(p.A.TCPIP(), &tcpip.FullAddress{Port: 53}, nil, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()

	own := netip.AddrPortFrom(stacktest.A4, 80)
	if c, err := dial(p.B, own); err != nil {
		t.Errorf("own address: %v", err)
	} else {
		c.Close()
	}
	if n := flows.Load(); n != 0 {
		t.Errorf("%d connections to our own listener became flows", n)
	}
	if c, err := dial(p.B, foreign); err == nil {
		c.Close()
		t.Error("the listener on the unspecified address took a foreign connection")
	}
	if n := flows.Load(); n != 1 {
		t.Errorf("%d flows, want 1", n)
	}
	for _, a := range []netip.AddrPort{netip.AddrPortFrom(stacktest.A4, 53), netip.MustParseAddrPort("192.0.2.7:53")} {
		to := full(a)
		c, err := gonet.DialUDP(p.B.TCPIP(), nil, &to, ipv4.ProtocolNumber)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("x"))
		c.Close()
	}
	udp.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, _, err := udp.ReadFrom(make([]byte, 9)); err != nil {
		t.Errorf("own socket: %v", err)
	}
	eventually(t, "the foreign datagram at the gateway", func() bool { return datagrams.Load() == 1 })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s within 20 s", what)
		}
	}
}

// TestBounds: handshakes in flight are bounded in all and per source, and
// counted; slots come back.
func TestBounds(t *testing.T) {
	hold := make(chan struct{})
	p := pairWith(t, gateway{tcp: func(f *stack.Flow) {
		<-hold
		f.Refuse()
	}}, stack.Config{MaxHandshakes: 3, MaxHandshakesPerSource: 2})
	for i := range 5 {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			to := foreign
			if c, err := gonet.DialContextTCP(ctx, p.B.TCPIP(), full(netip.AddrPortFrom(to.Addr(), uint16(80+i))), ipv4.ProtocolNumber); err == nil {
				c.Close()
			}
		}()
	}
	eventually(t, "drop beyond the bound per source", func() bool { return p.NA.Counters()[stack.FlowDropSource] >= 3 })
	close(hold)
	if _, err := dial(p.B, foreign); err == nil {
		t.Error("not refused")
	}
}

// limiter is a gateway with bounds of its own.
type limiter struct {
	gateway
	all, perSource int
}

func (l limiter) Handshakes() (all, perSource int) { return l.all, l.perSource }

// TestLimiter: a gateway's own bounds hold on its NICs, each with its counter, and
// slots come back.
func TestLimiter(t *testing.T) {
	for _, c := range []struct {
		all, perSource int
		drop           stack.Counter
	}{{1, 5, stack.FlowDropLimit}, {5, 1, stack.FlowDropSource}} {
		hold := make(chan struct{})
		p := pairWith(t, limiter{gateway{tcp: func(f *stack.Flow) {
			<-hold
			f.Refuse()
		}}, c.all, c.perSource}, stack.Config{})
		done := make(chan struct{}, 3)
		for i := range 3 {
			go func() {
				if c, err := dial(p.B, netip.AddrPortFrom(foreign.Addr(), uint16(80+i))); err == nil {
					c.Close()
				}
				done <- struct{}{}
			}()
		}
		eventually(t, "two beyond the bound", func() bool { return p.NA.Counters()[c.drop] >= 2 })
		close(hold)
		for range 3 { // their SYNs come again
			<-done
		}
	}
}

// TestCanceled: the program's reset, and the closing of NIC and Stack, reach a
// handler that still dials.
func TestCanceled(t *testing.T) {
	for name, end := range map[string]func(*stacktest.Pair){
		"nic":   func(p *stacktest.Pair) { p.NA.Close() },
		"stack": func(p *stacktest.Pair) { p.A.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			began, verdict := make(chan struct{}), make(chan error, 1)
			p := pairWith(t, gateway{tcp: func(f *stack.Flow) {
				close(began)
				<-f.Canceled()
				verdict <- f.Accept()
			}}, stack.Config{})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go gonet.DialContextTCP(ctx, p.B.TCPIP(), full(foreign), ipv4.ProtocolNumber)
			<-began
			end(p)
			if err := <-verdict; !errors.Is(err, syscall.ECONNABORTED) {
				t.Errorf("accept after cancel: %v, want ECONNABORTED", err)
			}
		})
	}
}

// TestCloseDuringHandshake: a program that never answers our SYN-ACK does not
// keep Close.
func TestCloseDuringHandshake(t *testing.T) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	accepting := make(chan error, 1)
	w := stacktest.NewWire(false)
	_, err = s.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")},
		Forward: gateway{tcp: func(f *stack.Flow) { accepting <- f.Accept() }}})
	if err != nil {
		t.Fatal(err)
	}
	w.Inject(syn("10.1.0.2:1000", "192.0.2.7:80", 1))
	w.Expect(t, 5*time.Second, "SYN-ACK", func(b []byte) bool { return len(b) >= 40 && b[33] == 0x12 })
	s.Close()
	if err := <-accepting; err == nil {
		t.Error("accept succeeded")
	}
}

// TestRSTDuringDial: the program's reset cancels, one out of the window does not.
func TestRSTDuringDial(t *testing.T) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	flows := make(chan *stack.Flow, 2)
	w := stacktest.NewWire(false)
	_, err = s.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")},
		Forward: gateway{tcp: func(f *stack.Flow) { flows <- f; <-f.Canceled() }}})
	if err != nil {
		t.Fatal(err)
	}
	w.Inject(syn("10.1.0.2:1000", "192.0.2.7:80", 77))
	w.Inject(syn("10.1.0.2:1000", "192.0.2.7:80", 77)) // retransmitted
	f := <-flows
	w.Inject(segment("10.1.0.2:1000", "192.0.2.7:80", 4711, 0x04))
	select {
	case <-f.Canceled():
		t.Error("a reset out of the window canceled the flow")
	case <-flows:
		t.Error("the retransmission became another flow")
	case <-time.After(50 * time.Millisecond):
	}
	w.Inject(segment("10.1.0.2:1000", "192.0.2.7:80", 78, 0x04))
	select {
	case <-f.Canceled():
	case <-time.After(5 * time.Second):
		t.Error("the program's reset did not cancel the flow")
	}
	// A new attempt from the same port, while the handler is slow to leave.
	eventually(t, "new attempt", func() bool {
		w.Inject(syn("10.1.0.2:1000", "192.0.2.7:80", 99))
		select {
		case <-flows:
			return true
		default:
			return false
		}
	})
}

// TestFragments: a datagram in fragments is verified when it is whole, on its
// way to a handler and on its way to a socket.
func TestFragments(t *testing.T) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	atHandler := make(chan int, 8)
	w := stacktest.NewWire(false)
	_, err = s.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.PrefixFrom(stacktest.A4, 24)},
		Forward: gateway{udp: func(d *stack.Datagram) { atHandler <- d.Len() }}})
	if err != nil {
		t.Fatal(err)
	}
	local := full(netip.AddrPortFrom(stacktest.A4, 53))
	sock, err := gonet.DialUDP(s.TCPIP(), &local, nil, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	atSocket := make(chan int, 8)
	go func() {
		b := make([]byte, 9000)
		for {
			n, _, err := sock.ReadFrom(b)
			if err != nil {
				return
			}
			atSocket <- n
		}
	}()
	for _, c := range []struct {
		dst  string
		got  chan int
		id   uint16
		good bool
	}{
		{"192.0.2.7:53", atHandler, 1, false}, {"192.0.2.7:53", atHandler, 2, true},
		{"10.1.0.1:53", atSocket, 3, false}, {"10.1.0.1:53", atSocket, 4, true},
	} {
		for _, f := range fragments("10.1.0.2:9", c.dst, c.id, 3000, c.good) {
			w.Inject(f)
		}
		select {
		case n := <-c.got:
			if !c.good || n != 3000 {
				t.Errorf("%s, right checksum %v: got %d bytes", c.dst, c.good, n)
			}
		case <-time.After(map[bool]time.Duration{true: 5 * time.Second, false: 50 * time.Millisecond}[c.good]):
			if c.good {
				t.Errorf("%s: the datagram is lost", c.dst)
			}
		}
	}
}
