package providertest_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A layer goes off in each place in turn: it panics, ends its goroutine, or does not
// return. That is reported once, with layer, place, chain and version; its socket is
// failed, if there is one; the neighbour does not notice; and the chain ends.
func TestLaw14EveryPlace(t *testing.T) {
	for _, p := range places() {
		for name, off := range map[string]func(){"panic": func() { panic("bomb") }, "exit": runtime.Goexit, "stall": nil} {
			if name == "exit" && (p.at == "Go" || p.at == "Cond" || p.at == "open" || p.at == "close") {
				continue // its own goroutine a layer may end; for the others the call around tells, too
			}
			t.Run(p.at+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { goesOff(t, p, off) })
			})
		}
	}
}

func goesOff(t *testing.T, p place, off func()) {
	kind, hang := provider.Panicked, make(chan struct{})
	if off == nil {
		kind, off = provider.Stalled, func() { <-hang }
	}
	b := &bomber{at: p.at, off: off}
	b.armed.Store(p.when == building)
	rig, err := providertest.TryConfigured(provider.BuildConfig{Budget: 4 * time.Second}, new(providertest.Base), wsa.IPPROTO_UDP, b)
	if p.when == building {
		if err == nil {
			t.Error("the chain was built")
		}
		close(hang)
		synctest.Wait()
		one(t, rig, p, kind, nil)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	s, neighbour := rig.Socket(t), rig.Socket(t)
	tab := &rig.Chain.Table
	b.armed.Store(true)
	if p.when == living {
		go fire(p, b, rig.Chain, s)
		synctest.Wait()
		if _, e := tab.WSPSend(neighbour, msg([]byte("x"))); e != 0 {
			t.Errorf("the neighbour: %v", e)
		}
		time.Sleep(5 * time.Second) // the budget and a quarter of it
		synctest.Wait()
		if p.at == "Go" && kind == provider.Stalled { // goroutines may run as long as the chain does
			end(t, rig, s, neighbour)
			p.when, kind = ending, provider.Leaked
		}
		one(t, rig, p, kind, s)
		if p.when == living && p.sock != (s.Failed() != 0) && p.stall == "" {
			t.Errorf("the socket is failed: %v", s.Failed())
		}
		if neighbour.Failed() != 0 {
			t.Errorf("the neighbour was failed: %v", neighbour.Failed())
		}
	}
	if p.when == living {
		if p.at == "WSPCloseSocket" && rig.Host.Open() != 1 {
			t.Errorf("%d sockets are open: a layer cannot keep one (law 9)", rig.Host.Open())
		}
		close(hang)
		synctest.Wait()
		end(t, rig, s, neighbour)
		one(t, rig, p, kind, s)
		return
	}
	if kind != provider.Leaked {
		end(t, rig, s, neighbour)
		one(t, rig, p, kind, nil)
	}
	close(hang)
	synctest.Wait()
}

func fire(p place, b *bomber, c *provider.Chain, s *provider.Socket) {
	if p.call != nil {
		p.call(b, c, s)
		return
	}
	callEntry(&c.Table, p.at, s, &provider.SocketRequest{Info: &c.Info})
}

// end closes what is open and waits for the chain's end, which a layer cannot prevent.
func end(t *testing.T, rig *providertest.Rig, sockets ...*provider.Socket) {
	t.Helper()
	for _, s := range sockets {
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	}
	for _, s := range rig.Host.Sockets() { // made by what went off
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	}
	rig.Chain.Retire()
	select {
	case <-rig.Chain.Done():
	case <-time.After(time.Minute):
		t.Fatal("the chain does not end")
	}
}

// one is that there is one report, and what it says.
func one(t *testing.T, rig *providertest.Rig, p place, kind provider.Kind, s *provider.Socket) {
	t.Helper()
	all := rig.Host.Reports()
	if len(all) != 1 {
		t.Fatalf("%d reports: %v", len(all), all)
	}
	r := all[0]
	if r.Kind != kind || r.Layer != "layer0" || r.Op != p.name(kind) || r.Chain != "chain" || r.Version != rig.Catalog.Snapshot().Generation {
		t.Errorf("reported: %v", r)
	}
	if kind != provider.Leaked && len(r.Stack) == 0 {
		t.Errorf("no stack: %v", r)
	}
	if p.sock && p.when == living && r.Socket != s {
		t.Errorf("the report is of socket %v", r.Socket)
	}
}
