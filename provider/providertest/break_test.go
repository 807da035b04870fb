// The tests of this file were written by a reviewer to break the chain, and
// each of them did.
package providertest_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

type PT = provider.ProcTable
type SR = provider.StartupRequest

// Two sockets opened below with a copy, then panic
func TestBreakTwoSocketsLeak(t *testing.T) {
	top := layerFunc(func(_ *SR, next *PT) (PT, wsa.Errno) {
		sock := next.WSPSocket
		return PT{WSPSocket: func(r *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
			sock(r)
			sock(r)
			panic("x")
		}}, 0
	})
	rig, _ := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, top)
	rig.Chain.Table.WSPSocket(rig.Request())
	if n := rig.Host.Open(); n != 0 {
		t.Errorf("%d sockets leaked", n)
	}
}

// Undo skips the layers below the panicking one
func TestBreakUndoSkipsLayers(t *testing.T) {
	for _, where := range []string{"WSPSocket", "WSPAccept", "WSPCloseSocket"} {
		open := 0
		armed := false
		count := layerFunc(func(_ *SR, next *PT) (PT, wsa.Errno) {
			sock, acc, cl := next.WSPSocket, next.WSPAccept, next.WSPCloseSocket
			return PT{WSPSocket: func(r *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
				s, e := sock(r)
				if e == 0 {
					open++
				}
				return s, e
			}, WSPAccept: func(s *provider.Socket, r *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
				n, e := acc(s, r)
				if e == 0 {
					open++
				}
				return n, e
			}, WSPCloseSocket: func(s *provider.Socket, m provider.CloseMode) wsa.Errno { open--; return cl(s, m) }}, 0
		})
		rig, _ := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, bomb(where, &armed), count)
		s := rig.Socket(t)
		armed = true
		switch where {
		case "WSPSocket":
			rig.Chain.Table.WSPSocket(rig.Request())
		case "WSPAccept":
			rig.Chain.Table.WSPAccept(s, &provider.AcceptRequest{})
		}
		armed = where == "WSPCloseSocket"
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
		if open != 0 {
			t.Errorf("%s: the layer below counts %d open sockets; handles open %d", where, open, rig.Host.Open())
		}
	}
}

func bomb(where string, armed *bool) layerFunc {
	return func(_ *SR, next *PT) (PT, wsa.Errno) {
		sock, acc, cl := next.WSPSocket, next.WSPAccept, next.WSPCloseSocket
		b := func(w string) {
			if *armed && w == where {
				panic(w)
			}
		}
		return PT{WSPSocket: func(r *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
			s, e := sock(r)
			b("WSPSocket")
			return s, e
		}, WSPAccept: func(s *provider.Socket, r *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
			n, e := acc(s, r)
			b("WSPAccept")
			return n, e
		}, WSPCloseSocket: func(s *provider.Socket, m provider.CloseMode) wsa.Errno {
			b("WSPCloseSocket")
			return cl(s, m)
		}}, 0
	}
}

// Condition function that the layer itself puts in place
func TestBreakOwnCondition(t *testing.T) {
	l := layerFunc(func(_ *SR, next *PT) (PT, wsa.Errno) {
		acc := next.WSPAccept
		return PT{WSPAccept: func(s *provider.Socket, r *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
			q := *r
			q.Cond = func(*provider.Indication) provider.CondResult { panic("mine") }
			return acc(s, &q)
		}}, 0
	})
	rig, _ := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, l)
	s := rig.Socket(t)
	_, e := rig.Chain.Table.WSPAccept(s, &provider.AcceptRequest{})
	t.Logf("e=%v failed listener=%v op=%v", e.Name(), s.Failed().Name(), rig.Host.Panics()[0].Op)
	if s.Failed() != 0 || e != wsa.ECONNREFUSED {
		t.Error("the listener was failed; the comment says a panic rejects the connection")
	}
}

type flagW struct {
	mu   sync.Mutex
	dead bool
	late bool
}

func (w *flagW) Wake(*provider.Socket, wsa.Events) {
	w.mu.Lock()
	w.late = w.late || w.dead
	w.mu.Unlock()
}

// Fail does not wake who waits for EvDrained / EvError
func TestBreakFailDrained(t *testing.T) {
	rig, _ := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP)
	s := rig.Socket(t)
	c := new(counter)
	rig.Chain.Table.Watch(s, c, wsa.EvDrained)
	s.Fail(wsa.EACCES, "x")
	r, _ := s.FailedReadiness(wsa.EvDrained)
	if r.Events != 0 && c.n == 0 {
		t.Error("ready for EvDrained, and nobody was woken")
	}
}

// A Decider that does not enforce
type paper struct{}

func (paper) Startup(*SR, *PT) (PT, wsa.Errno) { return PT{}, 0 }
func (paper) Decide(provider.Facts, provider.Op) provider.Verdict {
	return provider.Verdict{Action: provider.Deny}
}
func (paper) OnFailure() provider.OnFailure { return provider.FailClosed }

func TestBreakPaperDecider(t *testing.T) {
	rig, err := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, paper{})
	if err != nil {
		return
	}
	s := rig.Socket(t)
	v := rig.Chain.Decide(provider.Facts{}, provider.OpConnect)
	e := rig.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: provider.Any(wsa.AF_INET, 1)})
	t.Errorf("built; Decide says %v and connect gives %v: explain lies", v, e.Name())
}

// Verdict with unknown action
func TestBreakUnknownAction(t *testing.T) {
	d := &decider{answer: provider.Verdict{Action: 7, Errno: wsa.EACCES}, on: provider.FailClosed}
	rig, _ := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, d)
	s := rig.Socket(t)
	if e := rig.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: provider.Any(wsa.AF_INET, 1)}); e == 0 {
		t.Error("an action out of range allows")
	}
	d.answer = provider.Verdict{Action: provider.Deny, Errno: wsa.EWOULDBLOCK}
	if e := rig.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: provider.Any(wsa.AF_INET, 1)}); e == wsa.EWOULDBLOCK {
		t.Error("a denial looks like a started connect")
	}
}

// MSG_PENDED given by the caller; IP_ADD_MEMBERSHIP
// Mandatory chain bypass
// A socket that is found by its handle while it is being made.
type raceHost struct {
	providertest.Host
	c chan *provider.Socket
}

func (h *raceHost) CreateHandle(s *provider.Socket) (uint64, wsa.Errno) {
	n, e := h.Host.CreateHandle(s)
	h.c <- s
	return n, e
}
func TestBreakPublishRace(t *testing.T) {
	cat := new(provider.Catalog)
	bases, _ := cat.InstallBase("b", new(providertest.Base))
	h := &raceHost{c: make(chan *provider.Socket, 100)}
	c, _ := cat.Snapshot().Build(bases[0], provider.BuildConfig{Host: h})
	var wg sync.WaitGroup
	wg.Go(func() {
		for s := range h.c {
			for !s.Opened() { // who finds a socket by its handle waits for that
				runtime.Gosched()
			}
			_ = s.Handle()
			_ = s.Origin.Attachment
		}
	})
	for range 100 {
		c.Table.WSPSocket(&provider.SocketRequest{Info: &c.Info, Origin: &provider.Origin{}})
	}
	close(h.c)
	wg.Wait()
}

// Base without an entry is started and never cleaned up
func TestBreakNilBaseCleanup(t *testing.T) {
	b := new(providertest.Base)
	cat := new(provider.Catalog)
	ids, _ := cat.InstallBase("nil", nilBase{b})
	cat.Snapshot().Build(ids[0], provider.BuildConfig{Host: new(providertest.Host)})
	if n := len(b.Calls("WSPCleanup")); n != 1 {
		t.Errorf("the base was started and cleaned up %d times", n)
	}
}

// Base panic in close: the chain never ends
func TestBreakBaseClosePanics(t *testing.T) {
	b := &providertest.Base{}
	b.Script.WSPCloseSocket = func(*provider.Socket, provider.CloseMode) wsa.Errno { panic("base") }
	rig, _ := providertest.TryBuild(b, wsa.IPPROTO_TCP, layerFunc(func(_ *SR, n *PT) (PT, wsa.Errno) { return PT{WSPCloseSocket: n.WSPCloseSocket}, 0 }))
	s := rig.Socket(t)
	rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	t.Logf("panics: %v", rig.Host.Panics()[0])
	rig.Chain.Retire()
	select {
	case <-rig.Chain.Done():
	case <-time.After(time.Second):
		t.Errorf("open %d; the chain never ends; blamed: %s", rig.Host.Open(), rig.Host.Panics()[0].Layer)
	}
}

// OnFailure panics
type badOnFailure struct{ decider }

func (badOnFailure) OnFailure() provider.OnFailure { panic("onfailure") }
func TestBreakOnFailurePanics(t *testing.T) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("Build panics: %v", p)
		}
	}()
	providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, &badOnFailure{})
}

// Accept into, denied
func TestBreakAcceptInto(t *testing.T) {
	d := &decider{answer: provider.Verdict{Action: provider.Deny}, on: provider.FailClosed}
	b := &providertest.Base{}
	b.Script.WSPAccept = func(_ *provider.Socket, r *provider.AcceptRequest) (*provider.Socket, wsa.Errno) { return r.Into, 0 }
	log := new(providertest.Log)
	rig, _ := providertest.TryBuild(b, wsa.IPPROTO_TCP, &providertest.Recorder{Name: "up", Log: log, Only: []string{"WSPCloseSocket"}}, d)
	l, into := rig.Socket(t), rig.Socket(t)
	rig.Chain.Table.WSPAccept(l, &provider.AcceptRequest{Into: into})
	if rig.Host.Open() != 1 {
		return
	}
	t.Errorf("Into was closed under its owner; the layer above saw %v", log.Ops())
}
