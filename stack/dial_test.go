package stack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

var (
	client4 = netip.MustParseAddrPort("198.51.100.7:4711")
	client6 = netip.MustParseAddrPort("[2001:db8::7]:4711")
	inside4 = netip.AddrPortFrom(stacktest.B4, 80)
	inside6 = netip.AddrPortFrom(stacktest.B6, 80)
)

// dialed is a flow from src to a listener inside, and the program's end of it.
func dialed(t *testing.T, p *stacktest.Pair, l net.Listener, src, dst netip.AddrPort) (*stack.Flow, net.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	f, err := p.NA.DialFlow(ctx, src, dst)
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Abort(); c.Close() })
	return f, c
}

// The program sees the address that was asked for, and bytes pass both ways.
func TestDialFlow(t *testing.T) {
	p := pairWith(t, gateway{}, stack.Config{})
	for _, c := range []struct{ src, dst netip.AddrPort }{{client4, inside4}, {client6, inside6}} {
		f, conn := dialed(t, p, listen(t, p.B, c.dst), c.src, c.dst)
		if f.Source() != c.src || f.Destination() != c.dst || f.NIC() != p.NA || conn.RemoteAddr().String() != c.src.String() {
			t.Errorf("%v to %v; the program sees %v", f.Source(), f.Destination(), conn.RemoteAddr())
		}
		data := noise(2 << 20)
		w := watch(f)
		sent := make(chan error, 1)
		go func() {
			err := send(f, w, data)
			sent <- errors.Join(err, f.CloseWrite())
		}()
		if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came, %v", len(got), err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		go func() { conn.Write(data); conn.Close() }() // after our half has ended
		var b buffer
		if err := receive(f, w, &b); err != nil || !bytes.Equal(b.b, data) {
			t.Errorf("%d bytes came back, %v", len(b.b), err)
		}
		f.Watch(nil)
	}
}

// Port 0 is any, and each one is another.
func TestDialFlowFromAnyPort(t *testing.T) {
	p := pairWith(t, gateway{}, stack.Config{})
	l := listen(t, p.B, inside4)
	seen := map[netip.AddrPort]bool{}
	for range 20 {
		f, conn := dialed(t, p, l, netip.AddrPortFrom(stacktest.A4, 0), inside4)
		if f.Source().Port() == 0 || f.Source().String() != conn.RemoteAddr().String() || seen[f.Source()] {
			t.Errorf("from %v, the program sees %v", f.Source(), conn.RemoteAddr())
		}
		seen[f.Source()] = true
	}
}

// One port of a client leads to many of ours; the same 4-tuple exists once, and
// again when it has ended.
func TestDialFlowPorts(t *testing.T) {
	p := pairWith(t, gateway{}, stack.Config{})
	l := listen(t, p.B, inside4)
	other := netip.AddrPortFrom(stacktest.B4, 81)
	dialed(t, p, listen(t, p.B, other), client4, other)
	f, conn := dialed(t, p, l, client4, inside4)
	if _, err := p.NA.DialFlow(t.Context(), client4, inside4); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("the same again: %v, want EADDRINUSE", err)
	}
	f.Close()
	io.Copy(io.Discard, conn)
	conn.Close()
	for deadline := time.Now().Add(20 * time.Second); ; { // our end is in TIME-WAIT, or nearly
		f, err := p.NA.DialFlow(t.Context(), client4, inside4)
		if err == nil {
			f.Abort()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// A port from which the program has connected to the client is taken, and the
// program's own connection none the worse.
func TestDialFlowMeetsTheProgramsOwn(t *testing.T) {
	p := pairWith(t, gateway{tcp: echoTCP}, stack.Config{})
	c, err := dial(p.B, client4)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	back := netip.MustParseAddrPort(c.LocalAddr().String())
	if _, err := p.NA.DialFlow(t.Context(), client4, back); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v, want EADDRINUSE", err)
	}
	c.Write([]byte("x"))
	c.(interface{ CloseWrite() error }).CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestDialFlowFails(t *testing.T) {
	p := pairWith(t, gateway{}, stack.Config{})
	for _, c := range []struct {
		name     string
		src, dst netip.AddrPort
		want     error
	}{
		{"refused", client4, inside4, syscall.ECONNREFUSED},
		{"refused 6", client6, inside6, syscall.ECONNREFUSED},
		{"families", client4, inside6, syscall.EINVAL},
		{"no port", client4, netip.AddrPortFrom(stacktest.B4, 0), syscall.EINVAL},
		{"nobody", netip.AddrPort{}, inside4, syscall.EINVAL},
	} {
		if f, err := p.NA.DialFlow(t.Context(), c.src, c.dst); !errors.Is(err, c.want) || f != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := p.NB.DialFlow(t.Context(), client4, inside4); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("without a FlowHandler: %v, want EINVAL", err)
	}
}

// Silence ends with the context, the NIC or the Stack; the bound is on those that
// wait.
func TestDialFlowSilence(t *testing.T) {
	fault := func(end func(p *stacktest.Pair, cancel func()), want error) func(*testing.T) {
		return func(t *testing.T) {
			p := pairWith(t, gateway{}, stack.Config{MaxHandshakes: 8})
			listen(t, p.B, inside4)
			p.NB.Close() // nobody answers any more
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			errs := make(chan error, 9)
			var wg sync.WaitGroup
			for i := range 9 {
				wg.Go(func() {
					_, err := p.NA.DialFlow(ctx, netip.AddrPortFrom(client4.Addr(), uint16(1000+i)), inside4)
					errs <- err
				})
			}
			if err := <-errs; !errors.Is(err, syscall.ENOBUFS) {
				t.Errorf("one too many: %v, want ENOBUFS", err)
			}
			end(p, cancel)
			wg.Wait()
			for range 8 {
				if err := <-errs; !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
			}
			if n := len(p.A.TCPIP().RegisteredEndpoints()); n != 0 {
				t.Errorf("%d endpoints are left", n)
			}
		}
	}
	t.Run("canceled", fault(func(_ *stacktest.Pair, cancel func()) { cancel() }, context.Canceled))
	t.Run("NIC", fault(func(p *stacktest.Pair, _ func()) { p.NA.Close() }, net.ErrClosed))
	t.Run("stack", fault(func(p *stacktest.Pair, _ func()) { p.A.Close() }, net.ErrClosed))
}

// A reset of either side is a reset at the other, and the end of the NIC the end
// of the flow.
func TestDialFlowEnds(t *testing.T) {
	p := pairWith(t, gateway{}, stack.Config{})
	l := listen(t, p.B, inside4)
	f, c := dialed(t, p, l, client4, inside4)
	f.Abort()
	if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("aborted: the program reads %v", err)
	}
	f, _ = dialed(t, p, l, netip.AddrPortFrom(client4.Addr(), 4712), inside4)
	p.NA.Close()
	if err := f.State().Err; err == nil {
		t.Error("the flow outlives its NIC")
	}
	if _, err := p.NA.DialFlow(t.Context(), client4, inside4); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestDialFlowMany(t *testing.T) {
	p := pairWith(t, gateway{}, stack.Config{})
	l := listen(t, p.B, inside4)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 200 {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			wg.Go(func() { defer c.Close(); fmt.Fprint(c, c.RemoteAddr()); io.Copy(io.Discard, c) })
		}
	})
	for i := range 200 {
		wg.Go(func() {
			src := netip.AddrPortFrom(client4.Addr(), uint16(2000+i))
			f, err := p.NA.DialFlow(t.Context(), src, inside4)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			w := watch(f)
			defer f.Watch(nil)
			f.CloseWrite()
			var b buffer
			if err := receive(f, w, &b); err != nil || string(b.b) != src.String() {
				t.Errorf("%q, %v", b.b, err)
			}
		})
	}
	wg.Wait()
}
