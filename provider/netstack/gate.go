package netstack

import "sync/atomic"

// A gate tells State whether it may be inside a wake of its own endpoint, where
// the endpoint's lock is held perhaps by the same goroutine. It counts the wakes
// that run. While it counts none, State may lock. While it counts some, State
// answers from what atomics say and leaves a mark, and the last wake to end sees
// the mark and has the endpoint woken once more, from outside.
//
// One word holds both: wakes in steps of 2, the mark in bit 0. So no mark is
// left after the wake that should see it has looked.
type gate struct{ word atomic.Uint32 }

const marked = 1

func (g *gate) enter() { g.word.Add(2) }

// leave reports that a State was put off while wakes ran, and none runs any more.
func (g *gate) leave() (again bool) {
	for {
		old := g.word.Load()
		now := old - 2
		again = now == marked
		if again {
			now = 0
		}
		if g.word.CompareAndSwap(old, now) {
			return again
		}
	}
}

// outside reports that no wake runs; if one does, it will be repeated.
func (g *gate) outside() bool {
	for {
		old := g.word.Load()
		if old == 0 {
			return true
		}
		if g.word.CompareAndSwap(old, old|marked) {
			return false
		}
	}
}
