package kit_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/kit"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func hostOf(testing.TB) provider.Host { return new(providertest.Host) }

// TestHandover hands both directions over at random places of a transfer, while
// both sides go on sending: no byte is lost, doubled or out of order.
func TestHandover(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		n := newNetwork(t)
		n.limit = 1 + rnd.IntN(300)
		first, second := rnd.IntN(3000), rnd.IntN(3000)
		netFirst := rnd.IntN(2) == 0
		relay := func(dst, src kit.Conn, n int) error {
			if _, err := io.CopyN(dst, src, int64(n)); err != nil {
				return err
			}
			return src.Handover()
		}
		talk := func(_ context.Context, x *kit.Exchange) error {
			if netFirst {
				if err := relay(x.App, x.Net, second); err != nil {
					return err
				}
				return relay(x.Net, x.App, first)
			}
			return x.Both(
				func() error { return relay(x.Net, x.App, first) },
				func() error { return relay(x.App, x.Net, second) },
			)
		}
		storeys := []provider.Layer{layer(kit.Config{Buffer: 1 + rnd.IntN(500)}, talk)}
		if seed%3 == 0 {
			storeys = append(storeys, layer(kit.Config{Buffer: 1 + rnd.IntN(500)}, talk))
		}
		r := build(t, n, storeys...)
		a := r.open()
		up, down := pattern(8000+rnd.IntN(100)), pattern(9000+rnd.IntN(100))
		if a.s.Direct() != nil {
			t.Error("the way past the kit is open while it stands in it")
		}
		transfer(t, a, up, down)
		a.close(provider.CloseLinger)
		within(t, "the close", func() { a.w.Closed() })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func transfer(t *testing.T, a *app, up, down []byte) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := a.Write(up); err != nil {
			t.Errorf("write: %v", err)
		}
		a.table.WSPShutdown(a.s, wsa.SD_SEND)
	})
	wg.Go(func() {
		a.w.Write(down)
		a.w.CloseWrite()
	})
	wg.Go(func() {
		if got, err := io.ReadAll(a.w); err != nil || !bytes.Equal(got, up) {
			t.Errorf("the network got %d of %d bytes, %v", len(got), len(up), err)
		}
	})
	within(t, "the transfer", func() {
		if got, err := io.ReadAll(a); err != nil || !bytes.Equal(got, down) {
			t.Errorf("the application got %d of %d bytes, %v", len(got), len(down), err)
		}
		wg.Wait()
	})
}

// TestHandoverIsDirect shows that nothing of the kit is in the path afterwards.
func TestHandoverIsDirect(t *testing.T) {
	done := make(chan error, 1)
	a := build(t, newNetwork(t), layer(kit.Config{}, func(_ context.Context, x *kit.Exchange) error {
		done <- x.Handover()
		_, err := x.Net.Read(make([]byte, 1))
		done <- err
		return wsa.EHOSTUNREACH // has no effect
	})).open()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	<-done
	if a.s.Direct() == nil {
		t.Error("the way past the kit is closed")
	}
	buf := [][]byte{make([]byte, 100)}
	m := &provider.Msg{Buffers: buf}
	allocs := testing.AllocsPerRun(100, func() {
		a.w.mu.Lock()
		a.w.tx = a.w.tx[:0]
		a.w.mu.Unlock()
		if n, e := a.table.WSPSend(a.s, m); n != 100 || e != 0 {
			t.Fatalf("send: %d, %v", n, e)
		}
	})
	if allocs > 1 { // the wire's own
		t.Errorf("%v allocations", allocs)
	}
	a.w.Write([]byte("x"))
	if r := a.table.Ready(a.s, wsa.FD_READ); r.Queued != 1 {
		t.Errorf("readiness is %+v", r)
	}
	if n, e := a.table.WSPRecv(a.s, m); n != 1 || e != 0 {
		t.Errorf("receive: %d, %v", n, e)
	}
	a.close(provider.CloseBackground)
	if m := a.w.Closed(); m != provider.CloseBackground {
		t.Errorf("the base was closed with mode %d", m)
	}
}

// TestHandoverKeepsHalfClose: a FIN that the kit holds goes down with the bytes.
func TestHandoverKeepsHalfClose(t *testing.T) {
	go1 := make(chan struct{})
	a := build(t, newNetwork(t), layer(kit.Config{}, func(_ context.Context, x *kit.Exchange) error {
		<-go1
		return x.Handover()
	})).open()
	a.Write([]byte("all I have"))
	a.must(a.table.WSPShutdown(a.s, wsa.SD_SEND))
	close(go1)
	within(t, "the end", func() {
		if got, err := io.ReadAll(a.w); string(got) != "all I have" || err != nil {
			t.Errorf("the network got %q, %v", got, err)
		}
	})
	a.w.Write([]byte("answer"))
	a.w.CloseWrite()
	if got, err := io.ReadAll(a); string(got) != "answer" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	a.close(provider.CloseLinger)
	a.w.Closed()
}
