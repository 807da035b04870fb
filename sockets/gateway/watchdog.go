package gateway

import (
	"sync"
	"sync/atomic"
	"time"
)

// A watchdog barks when it was not fed for a while. A nil one never does.
type watchdog struct {
	life    time.Duration
	bark    func() // called once
	meals   atomic.Uint64
	barking atomic.Bool

	mu    sync.Mutex
	timer *time.Timer // nil once stopped
	seen  uint64
}

func watch(life time.Duration, bark func()) *watchdog {
	w := &watchdog{life: life, bark: bark}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(life, w.look)
	return w
}

func (w *watchdog) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	meals := w.meals.Load()
	switch {
	case w.timer == nil:
	case meals != w.seen:
		w.seen = meals
		w.timer.Reset(w.life)
	default:
		w.barking.Store(true)
		w.bark()
	}
}

func (w *watchdog) fed() {
	if w != nil {
		w.meals.Add(1)
	}
}

func (w *watchdog) barks() bool { return w != nil && w.barking.Load() }

// stop waits for a look that is under way.
func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.timer = nil
}
