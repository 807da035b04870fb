package provider

import (
	"runtime/debug"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider/wsa"
)

// watch remembers who stands above, so that Fail wakes them even if the layer
// does not pass wakes on.
func (g *guard) watch(f, below func(*Socket, Watcher, wsa.Events)) func(*Socket, Watcher, wsa.Events) {
	if f == nil {
		return nil
	}
	return func(s *Socket, w Watcher, mask wsa.Events) {
		if g.passes(s) {
			below(s, w, mask)
			return
		}
		s.mu.Lock()
		if s.upper == nil {
			s.upper = make(map[int]*watchPoint)
		}
		at := s.upper[g.index]
		if at == nil {
			at = new(watchPoint)
			s.upper[g.index] = at
		}
		s.mu.Unlock()
		at.set(w, mask)
		var e wsa.Errno
		returned := false
		noted := g.begin(opWatch, s)
		defer func() { g.end(noted, opWatch, s, e) }()
		defer g.caught(opWatch, s, &e, &returned)
		f(s, w, mask)
		returned = true
	}
}

// guardedWatcher contains a layer's own watcher, which the storey below calls
// with its locks held: the socket cannot be failed from there, as Fail wakes.
// A watcher that has panicked is not called again.
type guardedWatcher struct {
	guard *guard
	w     Watcher
	dead  atomic.Bool
}

func (g *guardedWatcher) Wake(s *Socket, hint wsa.Events) {
	if g.dead.Load() {
		return
	}
	noted, returned := g.guard.begin(opWake, s), false
	defer func() {
		if !returned {
			g.landed(s, recover())
		}
		g.guard.end(noted, opWake, s, 0)
	}()
	g.w.Wake(s, hint)
	returned = true
}

func (g *guardedWatcher) landed(s *Socket, v any) {
	g.dead.Store(true)
	r := g.guard.report(Panicked, opWake.String(), s, orExit(v), debug.Stack())
	if s.fail(wsa.ECONNABORTED, r.Error()) {
		g.guard.spawn(s.rouse)
	}
}

// watchBelow is the Watch that a layer is given: its watcher is contained.
func (g *guard) watchBelow(next func(*Socket, Watcher, wsa.Events)) func(*Socket, Watcher, wsa.Events) {
	return func(s *Socket, w Watcher, mask wsa.Events) {
		if w != nil {
			w = &guardedWatcher{guard: g, w: w}
		}
		next(s, w, mask)
	}
}

// acceptBelow is the WSPAccept that a layer is given: a condition function that
// it puts in place is contained, and a panic rejects the connection. One that never
// returns is the layer's WSPAccept, in which it runs, to the watchdog.
func (g *guard) acceptBelow(next func(*Socket, *AcceptRequest) (*Socket, wsa.Errno)) func(*Socket, *AcceptRequest) (*Socket, wsa.Errno) {
	return func(s *Socket, r *AcceptRequest) (*Socket, wsa.Errno) {
		q := *r
		q.Cond = g.cond(r.Cond, nil)
		return next(s, &q)
	}
}

// cond guards a condition function: a panic rejects the connection. What it answers is
// the base's to judge. While it runs the time is not that of the layer below, whose call
// noted is (nil: none).
func (g *guard) cond(f func(*Indication) CondResult, noted *atomic.Uint64) func(*Indication) CondResult {
	if f == nil {
		return nil
	}
	return func(i *Indication) (r CondResult) {
		if noted != nil {
			op := entry(noted.Load())
			noted.Store(uint64(op) | reported)
			defer func() { noted.Store(stamp(op, g.chain.watchdog.tick.Load())) }()
		}
		returned := false
		defer func() {
			if !returned {
				g.report(Panicked, opCondition.String(), nil, orExit(recover()), debug.Stack())
				r = CF_REJECT
			}
		}()
		r = f(i)
		returned = true
		return r
	}
}
