package shape

import (
	"time"
)

// answer is what becomes of an operation.
type answer uint8

const (
	yes answer = iota
	later
	spent // a total is used up
)

// take asks for want tokens, and has them charged: less of a stream (whole is false) if
// there are less. Who gets later has to call wait if it does. mu is held.
func (l *limits) take(st *state, w way, want int64, whole bool) (granted int64, a answer) {
	wt := &st.waiters[w]
	now := time.Now()
	granted = want
	for _, b := range st.buckets {
		if w != conns && b.total > 0 {
			left := b.total - b.used
			if left <= 0 || whole && left < want {
				return 0, spent
			}
			granted = min(granted, left)
		}
	}
	for _, b := range st.buckets {
		p := &b.pipes[w]
		if p.rate == 0 {
			continue
		}
		if p.refill(now); !p.may(wt, float64(want)) {
			return 0, later
		}
		if !whole {
			granted = min(granted, p.most(wt))
		}
	}
	for _, b := range st.buckets {
		b.charge(w, granted)
	}
	wt.leave()
	return granted, yes
}

func (b *bucket) charge(w way, n int64) {
	if p := &b.pipes[w]; p.rate > 0 {
		p.tokens = min(p.burst, p.tokens-float64(n))
	}
	if w != conns {
		b.used += n
	}
}

// settle charges what was moved in place of what was granted.
func (l *limits) settle(st *state, w way, granted, moved int64) {
	l.mu.Lock()
	if moved > 0 {
		st.waiters[w].ticket = 0
	}
	for _, b := range st.buckets {
		if granted != moved {
			b.charge(w, moved-granted)
		}
		if b.pipes[w].head != nil {
			b.pipes[w].arm(0)
		}
	}
	l.mu.Unlock()
}

// wait has st wait where it lacks tokens; false if it does not. most is how many may
// wait there, 0 any number. mu is held.
func (l *limits) wait(st *state, w way, most int) bool {
	now := time.Now()
	wt := &st.waiters[w]
	for _, b := range st.buckets {
		p := &b.pipes[w]
		if p.rate == 0 {
			continue
		}
		if p.refill(now); !p.may(wt, p.quantum) {
			if most > 0 && wt.in != p && p.waiting >= most {
				return false
			}
			p.queue(wt)
			return true
		}
	}
	return false
}

// open is how much could move at once now; who finds it 0 waits and is woken.
func (l *limits) open(st *state, w way) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wait(st, w, 0) {
		return 0
	}
	most := int64(maxRate)
	for _, b := range st.buckets {
		if p := &b.pipes[w]; p.rate > 0 {
			most = min(most, p.most(&st.waiters[w]))
		}
		if b.total > 0 {
			most = min(most, max(1, b.total-b.used)) // 1: the next operation says that nothing is left
		}
	}
	return most
}
