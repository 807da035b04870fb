package provider

import (
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// watchPoint is one persistent watcher. Who sets another waits for the wakes of the one
// before that are running, so that none runs after set(nil).
type watchPoint struct{ now atomic.Pointer[watching] }

type watching struct {
	w       Watcher
	mask    wsa.Events
	running atomic.Int64                  // wakes
	waited  atomic.Pointer[chan struct{}] // for the last of them
}

// set waits no longer than a budget: a wake that has not returned by then is the
// watchdog's, and whoever is behind it does not return either.
func (p *watchPoint) set(w Watcher, mask wsa.Events) {
	var next *watching
	if w != nil {
		next = &watching{w: w, mask: mask}
	}
	old := p.now.Swap(next)
	if old == nil || old.running.Load() == 0 {
		return
	}
	gone := make(chan struct{}, 1)
	old.waited.Store(&gone)
	timer := time.NewTimer(DefaultBudget)
	defer timer.Stop()
	for old.running.Load() != 0 {
		select {
		case <-gone:
		case <-timer.C:
			return
		}
	}
}

func (p *watchPoint) wake(s *Socket, hint wsa.Events) {
	for {
		x := p.now.Load()
		if x == nil || hint&x.mask == 0 {
			return
		}
		x.running.Add(1)
		if p.now.Load() == x {
			x.wake(s, hint)
			return
		}
		x.leave() // it was replaced by somebody who may not have seen this wake
	}
}

func (x *watching) wake(s *Socket, hint wsa.Events) {
	defer x.leave()
	x.w.Wake(s, hint&x.mask)
}

func (x *watching) leave() {
	if x.running.Add(-1) > 0 {
		return
	}
	if gone := x.waited.Load(); gone != nil {
		select {
		case *gone <- struct{}{}:
		default:
		}
	}
}
