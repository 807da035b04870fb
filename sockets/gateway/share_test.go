package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/kit"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway"
)

// looks sees every byte, and on which goroutine.
type looks struct {
	shared atomic.Int64 // calls on a shared loop
	calls  atomic.Int64
	block  func(*provider.Socket)
}

func (l *looks) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	look := func(next func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
		return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			l.calls.Add(1)
			if onLoop() {
				l.shared.Add(1)
			}
			if l.block != nil {
				l.block(s)
			}
			return next(s, m)
		}
	}
	return provider.ProcTable{
		WSPRecv: look(next.WSPRecv), WSPRecvFrom: next.WSPRecvFrom,
		WSPSend: look(next.WSPSend), WSPSendTo: next.WSPSendTo,
	}, 0
}

func onLoop() bool {
	b := make([]byte, 16<<10)
	return strings.Contains(string(b[:runtime.Stack(b, false)]), "(*loops).run")
}

// splices counts the goroutines of flows.
func splices() int {
	b := make([]byte, 8<<20)
	return strings.Count(string(b[:runtime.Stack(b, true)]), "gateway.(*splice).serve(")
}

func settles(t *testing.T, what string, want int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); splices() != want; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d goroutines serve flows, want %d", what, splices(), want)
		}
	}
}

func echo(c net.Conn) { io.Copy(c, c) }

func pingPong(t *testing.T, c net.Conn) {
	t.Helper()
	b := []byte("are you there?")
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
}

// A flow has a goroutine of its own only while a layer stands in the path of its
// bytes (law 14).
func TestFlowsShareLoops(t *testing.T) {
	const flows = 50
	hand := func(ctx context.Context, x *kit.Exchange) error {
		if _, err := io.CopyN(x.Net, x.App, 14); err != nil {
			return err
		}
		return x.Handover()
	}
	for _, c := range []struct {
		name  string
		layer provider.Layer
		own   int
	}{
		{"decides", allowing{}, 0},
		{"looks", new(looks), flows},
		{"hands over", talks(hand), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, gateway.Config{}, c.layer)
			w.listen(t, server4+":7", echo)
			var conns []net.Conn
			for range flows {
				conn, err := w.dial(t, "tcp", server4+":7")
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, conn)
				pingPong(t, conn)
			}
			settles(t, "idle", c.own)
			var wg sync.WaitGroup
			for _, conn := range conns {
				wg.Go(func() {
					data := payload(200_000)
					go func() { conn.Write(data); conn.(interface{ CloseWrite() error }).CloseWrite() }()
					if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%d of %d bytes came back: %v", len(got), len(data), err)
					}
				})
			}
			wg.Wait()
			if l, ok := c.layer.(*looks); ok && (l.shared.Load() != 0 || l.calls.Load() == 0) {
				t.Errorf("%d of %d calls of a layer were made on a shared loop", l.shared.Load(), l.calls.Load())
			}
			settles(t, "ended", 0)
		})
	}
}

type allowing struct{}

func (allowing) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}
func (allowing) Decide(provider.Facts, provider.Op) provider.Verdict {
	return provider.Verdict{Action: provider.Allow}
}
func (allowing) OnFailure() provider.OnFailure { return provider.FailClosed }

type talks kit.Talk

func (f talks) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	if r.Info.MessageOriented() {
		return provider.ProcTable{}, 0
	}
	return kit.Conversation(r, next, kit.Config{}, kit.Talk(f)), 0
}

// A layer whose call never returns costs its own flow, no other.
func TestStuckLayerStopsNobodyElse(t *testing.T) {
	var first atomic.Pointer[provider.Socket]
	release := make(chan struct{})
	stuck := &looks{block: func(s *provider.Socket) {
		if first.CompareAndSwap(nil, s) || first.Load() == s {
			<-release
		}
	}}
	w := newWorld(t, gateway.Config{}, stuck)
	defer close(release)
	w.listen(t, server4+":7", echo)
	a, err := w.dial(t, "tcp", server4+":7")
	if err != nil {
		t.Fatal(err)
	}
	a.Write([]byte("x"))
	for first.Load() == nil {
		runtime.Gosched()
	}
	for range 10 {
		b, err := w.dial(t, "tcp", server4+":7")
		if err != nil {
			t.Fatal(err)
		}
		pingPong(t, b)
	}
}

// A flow of which one side has ended, and the other says nothing for
// Limits.HalfClose, is reset.
func TestHalfClosedFlowsEnd(t *testing.T) {
	w := newWorld(t, gateway.Config{Limits: gateway.Limits{HalfClose: 1500 * time.Millisecond}}, allowing{})
	release := make(chan struct{})
	defer close(release)
	w.listen(t, server4+":7", func(c net.Conn) {
		io.ReadAll(c)
		for range 4 { // not idle, though longer than that in all
			c.Write([]byte("x"))
			time.Sleep(500 * time.Millisecond)
		}
		<-release
	})
	c, err := w.dial(t, "tcp", server4+":7")
	if err != nil {
		t.Fatal(err)
	}
	c.(interface{ CloseWrite() error }).CloseWrite()
	got, err := io.ReadAll(c)
	if string(got) != "xxxx" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, then %v; want all of it, then a reset", got, err)
	}
	settles(t, "ended", 0)
}
