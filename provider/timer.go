package provider

import (
	"context"
	"sync"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Go runs f on a goroutine of the chain; false if the chain has ended. ctx ends
// when the chain does, which waits for f, though not for ever ([BuildConfig.Budget]). A
// panic in f is contained and reported; s, if not nil, is failed by it.
func (r *StartupRequest) Go(s *Socket, f func(ctx context.Context)) bool {
	g := r.guard
	return g.spawn(func() {
		defer func() { // it may end itself, by runtime.Goexit
			if p := recover(); p != nil {
				g.accuse(Panicked, opGoroutine.String(), s, p)
			}
		}()
		f(g.chain.ctx)
	})
}

// spawn runs f on a goroutine that the chain's end waits for.
func (g *guard) spawn(f func()) bool {
	if !g.chain.enter() {
		return false
	}
	g.running.Add(1)
	go func() {
		defer g.chain.running.Done()
		defer g.running.Add(-1)
		f()
	}()
	return true
}

// AfterFunc runs f once after d, unless stopped or the chain closes first. A
// panic in f is contained and reported; s, if not nil, is failed by it. So it is if f
// has not returned within the budget: what waits belongs to Go.
func (r *StartupRequest) AfterFunc(s *Socket, d time.Duration, f func()) *Timer {
	t := &Timer{of: &r.chain.timers}
	g := r.guard
	t.of.add(t, func() {
		t.t = time.AfterFunc(d, func() {
			t.of.remove(t)
			if !g.chain.enter() {
				return
			}
			defer g.chain.running.Done()
			g.running.Add(1)
			defer g.running.Add(-1)
			var e wsa.Errno
			g.run(g.call(opTimer, s), &e, f)
		})
	})
	return t
}

// Timer is a running AfterFunc.
type Timer struct {
	of *timers
	t  *time.Timer // nil: the chain had ended
}

// Stop keeps the function from running; false if it ran or was stopped before.
func (t *Timer) Stop() bool {
	if t.t == nil || !t.t.Stop() {
		return false
	}
	t.of.remove(t)
	return true
}

// Reset makes the timer run its function after d from now; true if it was running. A
// chain that has ended runs nothing.
func (t *Timer) Reset(d time.Duration) (was bool) {
	t.of.add(t, func() {
		if t.t != nil {
			was = t.t.Reset(d)
		}
	})
	return was
}

// timers are those of a chain that are armed: its end stops them, so that no layer
// leaves any behind.
type timers struct {
	mu    sync.Mutex
	armed map[*Timer]struct{}
	over  bool
}

// add arms t by arm, unless the end has come.
func (a *timers) add(t *Timer, arm func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return
	}
	if a.armed == nil {
		a.armed = make(map[*Timer]struct{})
	}
	arm()
	a.armed[t] = struct{}{}
}

func (a *timers) remove(t *Timer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.armed, t)
}

func (a *timers) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	for t := range a.armed {
		t.t.Stop()
	}
	a.armed = nil
}
