package providertest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// frail panics in WSPSend as long as broken says so. It counts the sockets it has seen.
type frail struct {
	on     provider.OnFailure
	broken bool
	seen   int
}

func (f *frail) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	slot := provider.NewSlot[int](r)
	socket, accept, send, sendTo := next.WSPSocket, next.WSPAccept, next.WSPSend, next.WSPSendTo
	put := func(s *provider.Socket, e wsa.Errno) (*provider.Socket, wsa.Errno) {
		if e == 0 {
			f.seen++
			slot.Put(s, new(int))
		}
		return s, e
	}
	through := func(f *frail, next func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
		return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			if f.broken {
				panic("broken")
			}
			*slot.Of(s)++
			return next(s, m)
		}
	}
	return provider.ProcTable{
		WSPSocket: func(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) { return put(socket(q)) },
		WSPAccept: func(s *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
			return put(accept(s, q))
		},
		WSPJoinLeaf: next.WSPJoinLeaf, WSPSend: through(f, send), WSPSendTo: through(f, sendTo),
	}, 0
}

func (f *frail) OnFailure() provider.OnFailure { return f.on }

// breaks fails the layer n times, each on a socket of its own.
func breaks(t *testing.T, rig *providertest.Rig, f *frail, n int) {
	t.Helper()
	f.broken = true
	for range n {
		s := rig.Socket(t)
		if _, e := rig.Chain.Table.WSPSend(s, msg([]byte("x"))); e != wsa.ECONNABORTED {
			t.Fatalf("send: %v", e)
		}
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	}
	f.broken = false
}

func state(t *testing.T, rig *providertest.Rig, want provider.BreakerState) {
	t.Helper()
	all := rig.Chain.Breakers()
	if len(all) != 1 || all[0].Chain != "chain" || all[0].Layer != "layer0" || all[0].State != want {
		t.Fatalf("breakers %+v, want %v", all, want)
	}
}

// Five failures in a minute open the breaker. Nothing passes unchecked then: there are
// no new sockets, and a listener's connections are turned away; those that live go on.
// After 30 s one is tried.
func TestLaw14BreakerClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(frail) // it does not say what its failure means
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, f)
		tab := &rig.Chain.Table
		breaks(t, rig, f, 4)
		time.Sleep(2 * time.Minute) // longer ago than the window
		breaks(t, rig, f, 4)
		state(t, rig, provider.BreakerClosed)
		old := rig.Socket(t)
		breaks(t, rig, f, 1)
		state(t, rig, provider.BreakerOpen)
		refused := func() {
			t.Helper()
			seen := f.seen
			if _, e := tab.WSPSocket(rig.Request()); e != wsa.EPROVIDERFAILEDINIT {
				t.Errorf("WSPSocket: %v", e)
			}
			if n, e := tab.WSPAccept(old, &provider.AcceptRequest{}); n != nil || e != wsa.ECONNREFUSED {
				t.Errorf("WSPAccept: %v", e)
			}
			if f.seen != seen {
				t.Error("the layer was asked")
			}
		}
		refused()
		if _, e := tab.WSPSend(old, msg([]byte("x"))); e != 0 {
			t.Errorf("a socket that lives: %v", e)
		}
		time.Sleep(29 * time.Second)
		refused()
		time.Sleep(time.Second)
		breaks(t, rig, f, 1) // the trial fails
		state(t, rig, provider.BreakerOpen)
		refused()
		time.Sleep(30 * time.Second)
		tried := rig.Socket(t)
		state(t, rig, provider.BreakerHalfOpen)
		refused()
		tab.WSPCloseSocket(tried, provider.CloseAbort)
		state(t, rig, provider.BreakerClosed)
		tab.WSPCloseSocket(rig.Socket(t), provider.CloseAbort)
		if b := rig.Chain.Breakers()[0]; b.Opened != 2 || b.Failures != 10 || b.OnFailure != provider.FailClosed || b.Last == "" {
			t.Errorf("%+v", b)
		}
		tab.WSPCloseSocket(old, provider.CloseAbort)
		if n := rig.Host.Open(); n != 0 {
			t.Errorf("%d sockets are open", n)
		}
	})
}

// A layer whose failure is open is passed by: new sockets are made without it, and so
// are the connections of a listener, for the whole of their lives.
func TestLaw14BreakerOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &frail{on: provider.FailOpen}
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, f)
		tab := &rig.Chain.Table
		old := rig.Socket(t)
		breaks(t, rig, f, 5)
		state(t, rig, provider.BreakerOpen)
		f.broken = true
		seen := f.seen
		by := rig.Socket(t)
		accepted, e := tab.WSPAccept(old, &provider.AcceptRequest{})
		if e != 0 {
			t.Fatal(e)
		}
		if f.seen != seen {
			t.Error("the layer was asked")
		}
		for name, s := range map[string]*provider.Socket{"socket": by, "accept": accepted} {
			if _, e := tab.WSPSend(s, msg([]byte("x"))); e != 0 || s.Direct() == nil {
				t.Errorf("%s: send gives %v, direct %v", name, e, s.Direct())
			}
		}
		if _, e := tab.WSPSend(old, msg([]byte("x"))); e != wsa.ECONNABORTED {
			t.Errorf("a socket of the layer: %v", e)
		}
		if _, e := tab.WSPAccept(by, &provider.AcceptRequest{Into: old}); e == 0 {
			t.Error("a socket of the layer is accepted into by one that passes it by")
		}
		f.broken = false
		time.Sleep(30 * time.Second)
		tried := rig.Socket(t)
		if f.seen != seen+1 || tried.Direct() != nil {
			t.Error("nothing is tried")
		}
		state(t, rig, provider.BreakerHalfOpen)
		time.Sleep(30 * time.Second) // it lives well
		again := rig.Socket(t)
		state(t, rig, provider.BreakerClosed)
		if f.seen != seen+2 || again.Direct() != nil {
			t.Error("the layer is passed by still")
		}
		f.broken = true // those that were made without it stay so
		if _, e := tab.WSPSend(by, msg([]byte("x"))); e != 0 {
			t.Errorf("send: %v", e)
		}
		end(t, rig)
	})
}

// A layer that decides and states open is not asked while its breaker is open, one that
// states closed denies; and what needs no socket is tried again like what does.
func TestLaw14BreakerOfDecision(t *testing.T) {
	for on, want := range map[provider.OnFailure]provider.Action{provider.FailOpen: provider.NoOpinion, provider.FailClosed: provider.Deny} {
		synctest.Test(t, func(t *testing.T) {
			d := &decider{on: on, panics: true, answer: provider.Verdict{Action: provider.Allow}}
			rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, d)
			ask := func() provider.Action { return rig.Chain.Decide(provider.Facts{}, provider.OpLookup).Action }
			for range 5 {
				ask()
			}
			d.panics, d.asked = false, 0
			if got := ask(); got != want || d.asked != 0 {
				t.Errorf("%v, asked %d times, want %v", got, d.asked, want)
			}
			if on == provider.FailOpen {
				s := rig.Socket(t)
				m := msg([]byte("x"))
				m.Addr = peer
				if _, e := rig.Chain.Table.WSPSendTo(s, m); e != 0 || d.asked != 0 {
					t.Errorf("send: %v, asked %d times", e, d.asked)
				}
				if s.Judge(provider.Facts{}, provider.OpSNI).Action != provider.NoOpinion {
					t.Error("asked for a socket that passes it by")
				}
				rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
			}
			time.Sleep(30 * time.Second)
			if got := ask(); got != provider.Allow {
				t.Errorf("after the rest: %v", got)
			}
		})
	}
}

// The breaker is one resource of the chains of its name: the next version is open, too.
func TestLaw14BreakerSurvives(t *testing.T) {
	f := new(frail)
	cfg := provider.BuildConfig{Resources: new(provider.Resources), Breaker: provider.BreakerConfig{Failures: 2}}
	rig, err := providertest.TryConfigured(cfg, new(providertest.Base), wsa.IPPROTO_TCP, f)
	if err != nil {
		t.Fatal(err)
	}
	breaks(t, rig, f, 2)
	state(t, rig, provider.BreakerOpen)
	cfg.Host = rig.Host
	first := rig.Chain
	if rig.Chain, err = rig.Catalog.Snapshot().Build(first.Info.CatalogEntryID, cfg); err != nil {
		t.Fatal(err)
	}
	providertest.End(t, first)
	state(t, rig, provider.BreakerOpen)
	if _, e := rig.Chain.Table.WSPSocket(rig.Request()); e != wsa.EPROVIDERFAILEDINIT {
		t.Errorf("WSPSocket: %v", e)
	}
	if n := cfg.Resources.Names(); len(n) != 0 {
		t.Errorf("resources %v: breakers are not the layers'", n)
	}
	providertest.End(t, rig.Chain)
}
