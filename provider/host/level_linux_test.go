package host

import (
	"sync"
	"testing"
)

// TestLevel are the interleavings that a level must survive, step by step.
func TestLevel(t *testing.T) {
	yes, no := func() bool { return true }, func() bool { return false }
	never := func() bool { t.Error("the kernel was asked"); return false }
	type step func(*level)
	var seen uint64
	see := func(l *level) { seen = l.load() }
	empty := func(l *level) { l.empty(seen) }
	raise := func(l *level) { l.raise() }
	ask := func(want bool, kernel func() bool) step {
		return func(l *level) {
			if got := l.ask(kernel); got != want {
				t.Errorf("ask: %v, want %v", got, want)
			}
		}
	}
	for name, steps := range map[string][]step{
		"fresh":                       {ask(false, never)},
		"an edge is asked about once": {raise, ask(true, yes), ask(true, never)},
		"an old edge":                 {raise, ask(false, no), ask(false, never)},
		"emptied":                     {raise, see, empty, ask(false, never)},
		"an edge during the call":     {raise, see, raise, empty, ask(true, yes)},
		"an edge after the call":      {raise, see, empty, raise, ask(true, yes)},
		"asked during the call":       {raise, see, ask(true, yes), empty, ask(false, no)},
		"asked before the call":       {raise, ask(true, yes), see, empty, ask(false, never)},
		"asked, then an edge":         {raise, ask(true, yes), raise, ask(true, yes)},
		"something left":              {raise, ask(true, yes), see, raise, ask(false, no)},
		"an edge while asked":         {raise, func(l *level) { l.ask(func() bool { l.raise(); return true }) }, ask(true, yes)},
		"an edge while it answers no": {raise, func(l *level) { asked := 0; l.ask(func() bool { asked++; l.raise(); return asked > 1 }) }, ask(true, yes)},
		"edges without end":           {raise, func(l *level) { ask(true, func() bool { l.raise(); return false })(l) }},
		"emptied while asked":         {raise, see, func(l *level) { l.ask(func() bool { l.empty(seen); return true }) }, ask(false, never)},
	} {
		t.Run(name, func(*testing.T) {
			var l level
			for _, s := range steps {
				s(&l)
			}
		})
	}
}

// TestLevelRace: items are put and taken by several, and as long as there is one
// after the last edge the level says so.
func TestLevelRace(t *testing.T) {
	var l level
	var mu sync.Mutex
	items := 0
	kernel := func() bool { mu.Lock(); defer mu.Unlock(); return items > 0 }
	var wg sync.WaitGroup
	for range 20_000 {
		wg.Add(3)
		go func() { // the kernel and the poller
			defer wg.Done()
			mu.Lock()
			items++
			mu.Unlock()
			l.raise()
		}()
		go func() { // the receiver, who takes half of the time
			defer wg.Done()
			seen := l.load()
			mu.Lock()
			if items > 1 {
				items--
				mu.Unlock()
				l.raise()
				return
			}
			items = 0
			mu.Unlock()
			l.empty(seen)
		}()
		go func() { // somebody who asks
			defer wg.Done()
			l.ask(kernel)
		}()
		wg.Wait()
		if got, want := l.ask(kernel), kernel(); got != want {
			t.Fatalf("the level says %v, the kernel %v", got, want)
		}
	}
}
