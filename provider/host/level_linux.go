package host

import "sync/atomic"

// A level makes from the kernel's edges what State wants: a level. Edges raise
// it, a call that found nothing lowers it, unless an edge came since that call
// began. The low bits are the mark, the rest counts every change, so that a
// compare-and-swap notices that anything at all happened in between.
type level struct{ word atomic.Uint64 }

const (
	levelMaybe uint64 = 1 << iota // an edge came, or a call left something
	levelSure                     // the kernel was asked since, and said yes
	levelUnit                     // one change
)

// up reports whether there may be something.
func up(word uint64) bool { return word&(levelMaybe|levelSure) != 0 }

func (l *level) load() uint64 { return l.word.Load() }

// raise notes an edge, or that a call left something behind. It reports whether
// the level was up already.
func (l *level) raise() bool {
	for {
		cur := l.word.Load()
		if l.word.CompareAndSwap(cur, (cur&^levelSure|levelMaybe)+levelUnit) {
			return up(cur)
		}
	}
}

// empty notes that a call which began when the word was seen found, or left,
// nothing. If anything happened since, the level stays as it is, but certainty
// is gone: what was sure may be what this call took.
func (l *level) empty(seen uint64) {
	for {
		cur := l.word.Load()
		next := cur &^ (levelMaybe | levelSure)
		if cur != seen && up(cur) {
			next |= levelMaybe
		}
		if l.word.CompareAndSwap(cur, next+levelUnit) {
			return
		}
	}
}

// ask is the level for certain: the kernel is asked unless the answer is known.
// An answer is kept only if nothing happened while it was got.
func (l *level) ask(kernel func() bool) bool {
	const patience = 4 // under a storm of edges "perhaps" is the truth
	for range patience {
		cur := l.word.Load()
		switch {
		case cur&levelSure != 0:
			return true
		case cur&levelMaybe == 0:
			return false
		}
		next := cur&^levelMaybe | levelSure
		there := kernel()
		if !there {
			next = cur &^ levelMaybe
		}
		if l.word.CompareAndSwap(cur, next) || there {
			return there
		}
	}
	return true
}
