package providertest_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// hanging is a layer whose sends wait for what is received from the channel in, before
// they go on below, if there is one.
type hanging struct{ in chan struct{} }

func (h *hanging) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	through := func(f func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
		return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			if h.in != nil {
				<-h.in
			}
			return f(s, m)
		}
	}
	return provider.ProcTable{WSPSend: through(next.WSPSend), WSPSendTo: through(next.WSPSendTo)}, 0
}

const budget = 4 * time.Second

func hangs(t *testing.T, layers ...provider.Layer) *providertest.Rig {
	t.Helper()
	rig, err := providertest.TryConfigured(provider.BuildConfig{Budget: budget}, new(providertest.Base), wsa.IPPROTO_UDP, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return rig
}

// The lowest layer that does not return is to blame: those above have called it. One
// that takes its time before it calls below is not forgotten.
func TestLaw14StallBlamesTheLowest(t *testing.T) {
	for name, c := range map[string]struct {
		lag    time.Duration // of the upper layer, before it calls the lower, which hangs
		guilty string
	}{
		"the lower": {0, "layer1"}, "the lower, called late": {3 * time.Second, "layer1"}, "the upper": {time.Hour, "layer0"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up, low := &hanging{make(chan struct{})}, &hanging{make(chan struct{})}
				rig := hangs(t, up, low)
				s := rig.Socket(t)
				go rig.Chain.Table.WSPSend(s, msg([]byte("x")))
				lagging := time.AfterFunc(c.lag, func() { close(up.in) })
				time.Sleep(4 * budget)
				if got := rig.Host.Reports(); len(got) != 1 || got[0].Layer != c.guilty || got[0].Kind != provider.Stalled || s.Failed() == 0 {
					t.Errorf("reported %v, failed %v", got, s.Failed())
				}
				if lagging.Stop() {
					close(up.in)
				}
				close(low.in)
				synctest.Wait()
				if n := len(providertest.Sent(s)); c.guilty == "layer0" && n != 0 {
					t.Errorf("%d bytes passed after the socket was failed", n)
				}
				end(t, rig, s)
			})
		})
	}
}

// A socket that was failed for a stall can be closed: its close passes by the layer that
// stalls, which may hold what its own close needs.
func TestLaw14StalledIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock, hang := make(chan struct{}, 1), make(chan struct{})
		rig := hangs(t, layerFunc(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			closes, recv := next.WSPCloseSocket, next.WSPRecv
			receive := func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
				lock <- struct{}{}
				defer func() { <-lock }()
				<-hang
				return recv(s, m)
			}
			return provider.ProcTable{WSPRecv: receive, WSPRecvFrom: receive, WSPCloseSocket: func(s *provider.Socket, m provider.CloseMode) wsa.Errno {
				lock <- struct{}{}
				defer func() { <-lock }()
				return closes(s, m)
			}}, 0
		}))
		s := rig.Socket(t)
		go rig.Chain.Table.WSPRecv(s, msg(make([]byte, 1)))
		time.Sleep(2 * budget)
		if e := rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort); e != 0 || rig.Host.Open() != 0 {
			t.Errorf("close: %v, %d are open", e, rig.Host.Open())
		}
		close(hang)
		synctest.Wait()
		end(t, rig)
	})
}

// A stall is counted by the breaker; and who is slow, but comes back, is not blamed,
// however often.
func TestLaw14SlowIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{make(chan struct{})}
		rig := hangs(t, h)
		s := rig.Socket(t)
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case h.in <- struct{}{}:
					time.Sleep(budget - time.Millisecond)
				case <-stop:
					close(h.in)
					return
				}
			}
		}()
		for range 20 {
			if _, e := rig.Chain.Table.WSPSend(s, msg([]byte("x"))); e != 0 {
				t.Fatal(e)
			}
		}
		close(stop)
		time.Sleep(time.Hour) // idle
		if got := rig.Host.Reports(); len(got) != 0 {
			t.Errorf("reported %v", got)
		}
		end(t, rig, s)
	})
}

func TestLaw14StallsOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{make(chan struct{})}
		rig := hangs(t, h)
		var all []*provider.Socket
		for range 5 {
			s := rig.Socket(t)
			all = append(all, s)
			go rig.Chain.Table.WSPSend(s, msg([]byte("x")))
		}
		time.Sleep(budget + budget/4)
		synctest.Wait()
		if b := rig.Chain.Breakers()[0]; b.State != provider.BreakerOpen || b.Failures != 5 {
			t.Errorf("%+v", b)
		}
		close(h.in)
		synctest.Wait()
		end(t, rig, all...)
	})
}

// slowDecision decides when it is told to.
type slowDecision struct {
	decider
	go_ chan struct{}
}

func (d *slowDecision) Decide(_ provider.Facts, op provider.Op) provider.Verdict {
	if op == provider.OpSendTo || op == provider.OpConnect {
		<-d.go_
	}
	return provider.Verdict{}
}

// A decision about a socket that never comes fails that socket.
func TestLaw14StalledDecision(t *testing.T) {
	for name, call := range map[string]func(*provider.ProcTable, *provider.Socket){
		"connect": func(tab *provider.ProcTable, s *provider.Socket) {
			tab.WSPConnect(s, &provider.ConnectRequest{To: peer})
		},
		"sendto": func(tab *provider.ProcTable, s *provider.Socket) {
			m := msg([]byte("x"))
			m.Addr = peer
			tab.WSPSendTo(s, m)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &slowDecision{decider{on: provider.FailClosed}, make(chan struct{})}
				rig := hangs(t, d)
				s := rig.Socket(t)
				go call(&rig.Chain.Table, s)
				time.Sleep(2 * budget)
				if got := rig.Host.Reports(); len(got) != 1 || got[0].Kind != provider.Stalled || s.Failed() == 0 {
					t.Errorf("reported %v, failed %v", got, s.Failed())
				}
				close(d.go_)
				synctest.Wait()
				end(t, rig, s)
			})
		})
	}
}

// The program's own condition function may take its time: no layer is blamed for it.
func TestLaw14SlowCondition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := layerFunc(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			return provider.ProcTable{WSPAccept: next.WSPAccept}, 0
		})
		rig := hangs(t, pass, pass)
		l := rig.Socket(t)
		n, e := rig.Chain.Table.WSPAccept(l, &provider.AcceptRequest{Cond: func(*provider.Indication) provider.CondResult {
			time.Sleep(10 * budget)
			return provider.CF_ACCEPT
		}})
		if got := rig.Host.Reports(); e != 0 || len(got) != 0 {
			t.Errorf("accept: %v, reported %v", e, got)
		}
		end(t, rig, l, n)
	})
}

// A wake that does not return keeps the goroutine that woke, and nothing else: other wakes
// of the socket pass, and its watcher can be taken away.
func TestLaw14StalledWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		b := &bomber{at: "Wake", off: func() { <-hang }}
		rig := hangs(t, b)
		s := rig.Socket(t)
		bell := make(ringer, 1)
		rig.Chain.Table.Watch(s, bell, wsa.FD_READ)
		b.armed.Store(true)
		go providertest.Inject(s, []byte("x"))
		synctest.Wait()
		providertest.Inject(s, []byte("y"))
		select {
		case <-bell:
		default:
			t.Error("the next wake did not arrive")
		}
		start := time.Now()
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
		if d := time.Since(start); d > provider.DefaultBudget {
			t.Errorf("close took %v", d)
		}
		close(hang)
		synctest.Wait()
		end(t, rig)
	})
}

// What a layer leaves running when its chain ends is reported with its name; it keeps
// what the layers had obtained until it comes back, and the chain has ended all the same.
func TestLaw14Leaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang, closed := make(chan struct{}), false
		l := layerFunc(func(r *provider.StartupRequest, _ *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			if _, err := provider.Resource(r, "file", func() (int, func() error, error) {
				return 1, func() error { closed = true; return nil }, nil
			}); err != nil {
				t.Error(err)
			}
			for range 2 {
				r.Go(nil, func(context.Context) { <-hang }) // it does not look at the context
			}
			return provider.ProcTable{}, 0
		})
		rig := hangs(t, providertest.PassThrough{}, l)
		rig.Chain.Retire()
		<-rig.Chain.Done()
		got := rig.Host.Reports()
		if len(got) != 1 || got[0].Kind != provider.Leaked || got[0].Layer != "layer1" || rig.Chain.Err() == nil {
			t.Errorf("reported %v; the chain ended with %v", got, rig.Chain.Err())
		}
		if closed {
			t.Error("what a goroutine may be using was closed")
		}
		close(hang)
		synctest.Wait()
		if !closed {
			t.Error("the resource was not closed when the goroutines had come back")
		}
	})
}

// Timers are stopped with the chain: a layer cannot leave one.
func TestLaw14TimersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var req *provider.StartupRequest
		rig := hangs(t, layerFunc(func(r *provider.StartupRequest, _ *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			req = r
			return provider.ProcTable{}, 0
		}))
		var ran []string
		one := req.AfterFunc(nil, time.Hour, func() { ran = append(ran, "one") })
		two := req.AfterFunc(nil, time.Second, func() { ran = append(ran, "two") })
		time.Sleep(2 * time.Second)
		if two.Reset(time.Hour) || !one.Reset(2*time.Hour) {
			t.Error("Reset says that a timer runs that has run, or that one does not that does")
		}
		rig.Chain.Retire()
		<-rig.Chain.Done()
		if one.Stop() || two.Stop() || one.Reset(time.Second) || req.AfterFunc(nil, 0, func() { ran = append(ran, "late") }).Stop() {
			t.Error("a timer is armed after the end")
		}
		time.Sleep(3 * time.Hour)
		if !slices.Equal(ran, []string{"two"}) {
			t.Errorf("ran %v", ran)
		}
	})
}
