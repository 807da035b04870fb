package trace

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// life is what is remembered of a socket.
type life struct {
	shown atomic.Bool // it has to do with a destination that is traced
	aside atomic.Bool // its bytes pass the layer by

	connecting atomic.Bool // an attempt is under way
	closing    atomic.Bool // what had not ended has been written

	mu      sync.Mutex // held for memory operations only
	attempt event      // while connecting
	tries   [opCount]try
}

// try is an operation that has not ended: what it was tried with last, and since when.
type try struct {
	open  bool
	start time.Time
	again int // operations before it that found nothing, and were told so
	to    provider.Addr
	size  int
}

// begin is the start of an operation: now, or the first try of the one that this is a
// retry of (law 7).
func (l *life) begin(x op, retry bool, now time.Time, to provider.Addr, size int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	y := &l.tries[x]
	switch {
	case y.open && retry:
		return y.start
	case y.open:
		y.again++
	}
	y.open, y.start, y.to, y.size = true, now, to, size
	return now
}

// end is how many tries came before.
func (l *life) end(x op) (again int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	again = l.tries[x].again
	l.tries[x] = try{}
	return again
}

// begin remembers a new socket; a duplicate of one is not new.
func (t *tracer) begin(s *provider.Socket) (l *life, born bool) {
	if l = t.slot.Of(s); l != nil {
		return l, false
	}
	l = new(life)
	l.shown.Store(len(t.cfg.To) == 0 || s.Origin.Destination.Family != 0 && t.matches(s.Origin.Destination))
	t.slot.Put(s, l)
	return l, true
}

// passBy takes the layer out of the path of a stream's bytes, if there is nothing more to
// see for it.
func (t *tracer) passBy(s *provider.Socket, l *life) {
	if t.stream && (!t.inPath || !l.shown.Load()) && !l.aside.Swap(true) {
		t.request.StepAside(s)
	}
}

// settle writes the line of a connection attempt that has ended.
func (t *tracer) settle(s *provider.Socket, l *life) {
	if !l.connecting.Load() {
		return
	}
	r := t.next.Ready(s, wsa.FD_CONNECT)
	if r.Events&wsa.FD_CONNECT == 0 || !l.connecting.CompareAndSwap(true, false) {
		return
	}
	l.mu.Lock()
	v := l.attempt
	l.mu.Unlock()
	v.took, v.e = t.cfg.Now().Sub(v.start), r.Connect
	t.connected(s, l, &v)
}

// connected is the end of an attempt.
func (t *tracer) connected(s *provider.Socket, l *life, v *event) {
	if l.shown.Load() && t.ops.has(opConnect) {
		t.write(s, v)
	}
	if v.e == 0 {
		t.passBy(s, l)
	}
}

func (t *tracer) ready(s *provider.Socket, mask wsa.Events) provider.Readiness {
	r := t.next.Ready(s, mask)
	if l := t.slot.Of(s); l != nil && !l.aside.Load() {
		t.settle(s, l)
	}
	return r
}

// unfinished writes what has not ended when the socket is closed.
func (t *tracer) unfinished(s *provider.Socket, l *life) {
	t.settle(s, l)
	if l.closing.Swap(true) || !l.shown.Load() {
		return
	}
	now := t.cfg.Now()
	if l.connecting.CompareAndSwap(true, false) && t.ops.has(opConnect) {
		l.mu.Lock()
		v := l.attempt
		l.mu.Unlock()
		v.took, v.open = now.Sub(v.start), true
		t.write(s, &v)
	}
	l.mu.Lock()
	tries := l.tries
	l.mu.Unlock()
	for x, y := range tries {
		if y.open && op(x) != opClose {
			t.write(s, &event{op: op(x), start: y.start, took: now.Sub(y.start), to: y.to, size: y.size, again: y.again, open: true})
		}
	}
}
