package provider

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// sampled is of how many data operations one is measured: reading the clock twice costs
// some 100 ns.
const sampled = 256

// newFlights are those of a new socket. Which operations are measured differs, so that
// not the first of each are.
func newFlights(n int) []flight {
	all, phase := make([]flight, n), uint8(rand.Uint32())
	for i := range all {
		all[i].in.phase, all[i].out.phase, all[i].asked.phase = phase, phase, phase
	}
	return all
}

// A span is a data operation that is measured at one guard; below is what it has spent
// under the layer.
type span struct{ below time.Duration }

// measured is f with the time it takes less that of the storeys below entered in to. It
// adds the whole of it to the span of the guard above.
func (l *lane) measured(to *histogram, f func(*Socket, *Msg) (int, wsa.Errno), s *Socket, m *Msg) (int, wsa.Errno) {
	above := m.span
	l.span.below = 0
	m.span = &l.span
	start := time.Now()
	defer func() {
		took := time.Since(start)
		m.span = above
		to.enter(took - l.span.below)
		if above != nil {
			above.below += took
		}
	}()
	return f(s, m)
}

// timedBelow is an entry of the base as the lowest layer that replaces it is given it: of
// an operation that is measured, the base's time is not the layer's.
func timedBelow(f func(*Socket, *Msg) (int, wsa.Errno)) func(*Socket, *Msg) (int, wsa.Errno) {
	return func(s *Socket, m *Msg) (int, wsa.Errno) {
		if m.span == nil {
			return f(s, m)
		}
		return timed(f, s, m)
	}
}

func timed(f func(*Socket, *Msg) (int, wsa.Errno), s *Socket, m *Msg) (int, wsa.Errno) {
	above, start := m.span, time.Now()
	n, e := f(s, m)
	above.below += time.Since(start)
	return n, e
}

// bounds of a histogram's buckets: 256 ns, and four times as much for each, to a second.
const (
	bounds     = 12
	firstBound = 256 * time.Nanosecond
)

type histogram struct {
	buckets [bounds + 1]atomic.Uint64
	sum     atomic.Int64
}

func (h *histogram) enter(d time.Duration) {
	d = max(d, 0)
	i := 0
	for up := firstBound; i < bounds && d > up; up *= 4 {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

func (h *histogram) read() Histogram {
	r := Histogram{Buckets: make([]Bucket, bounds+1)}
	n, up := uint64(0), firstBound
	for i := range r.Buckets {
		n += h.buckets[i].Load()
		r.Buckets[i] = Bucket{up, n}
		up *= 4
	}
	r.Buckets[bounds].UpTo = 0
	r.Sum = time.Duration(h.sum.Load())
	return r
}
