package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// While a gateway drains, a stream that it has goes on, and who begins one hears
// nothing.
func TestDrainStreams(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	w.listen(t, server4+":7", func(c net.Conn) { io.Copy(c, c) })
	c, err := w.dial(t, "tcp", server4+":7")
	if err != nil {
		t.Fatal(err)
	}
	w.gateway.Drain()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if d, err := w.program.DialContext(ctx, "tcp", server4+":7"); err == nil {
		d.Close()
		t.Error("a connection began")
	} else if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it was told something: ", err)
	}
	if _, err := c.Write([]byte("still")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Error(err)
	}
}

// Whose attempt is not answered yet is no flow that goes on.
func TestDrainAttempts(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { w.program.DialContext(ctx, "tcp", basetest.Blackhole4.String()+":80") })
	await(t, "an attempt", func() bool { return w.gateway.TCPFlows.Load() == 1 })
	w.gateway.Drain()
	await(t, "given up", func() bool { return w.gateway.TCPCanceled.Load() == 1 })
	cancel()
	wg.Wait()
}

// Nor is who has not acknowledged the answer waited for: it may be of a flood.
func TestDrainHandshakes(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	w.listen(t, server4+":80", func(c net.Conn) { io.Copy(io.Discard, c) })
	wire := stacktest.NewWire(false)
	if _, err := w.pair.A.AddNIC(stack.NICConfig{Device: wire, Addrs: []netip.Prefix{netip.MustParsePrefix("10.255.0.1/8")}, Forward: w.gateway}); err != nil {
		t.Fatal(err)
	}
	f, err := stacktest.NewFlood(stacktest.FloodSYN, netip.MustParseAddrPort(server4+":80"))
	if err != nil {
		t.Fatal(err)
	}
	wire.Inject(f.Next())
	wire.Expect(t, 30*time.Second, "SYN-ACK", func(b []byte) bool { return len(b) >= 40 && b[33] == 0x12 })
	w.gateway.Drain()
	await(t, "given up", func() bool { return w.gateway.TCPCanceled.Load() == 1 })
}
