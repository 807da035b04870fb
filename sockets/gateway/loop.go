package gateway

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// loops are the few goroutines that move the bytes of all flows in whose path no
// layer stands. No layer's code runs on them (law 14), and nothing that waits.
type loops struct {
	mu      sync.Mutex
	woken   sync.Cond
	first   *task // queued, in the order in which they were woken
	last    *task
	count   int // goroutines
	idle    int // of them wait for a task
	closed  bool
	running sync.WaitGroup
}

func newLoops() *loops {
	l := new(loops)
	l.woken.L = &l.mu
	return l
}

// A task is what is done for one flow when something has happened to it.
type task struct {
	loops *loops
	turn  func() (more bool) // never twice at a time; more: its time is up, not its work
	state atomic.Uint32
	next  *task
}

// States of a task.
const (
	resting uint32 = iota
	queued
	running
	rerun // woken while it ran
)

// wake has the task run soon. It may be called anywhere, with any lock held that
// turn does not wait for under its own: it marks and schedules. After close it
// does nothing.
func (t *task) wake() {
	for {
		switch s := t.state.Load(); s {
		case resting:
			if t.state.CompareAndSwap(s, queued) {
				t.loops.queue(t)
				return
			}
		case running:
			if t.state.CompareAndSwap(s, rerun) {
				return
			}
		default:
			return
		}
	}
}

// queue starts a goroutine if all have something to do and fewer are there than
// may run at once. No more are woken, either: with a P too few each would wait
// for the other.
func (l *loops) queue(t *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.append(t)
	switch {
	case l.count > l.idle && l.count-l.idle >= runtime.GOMAXPROCS(0):
	case l.idle > 0:
		l.woken.Signal()
	default:
		l.count++
		l.running.Go(l.run)
	}
}

func (l *loops) append(t *task) {
	if l.first == nil {
		l.first = t
	} else {
		l.last.next = t
	}
	l.last = t
}

func (l *loops) run() {
	var t *task
	for {
		if t = l.take(t); t == nil {
			return
		}
		t.state.Store(running)
		more := t.turn()
		if !more && t.state.CompareAndSwap(running, resting) {
			t = nil
		}
	}
}

// take is the next task, behind which again is queued anew; nil after close.
func (l *loops) take(again *task) *task {
	l.mu.Lock()
	defer l.mu.Unlock()
	if again != nil {
		again.state.Store(queued)
		l.append(again)
	}
	for l.first == nil {
		if l.closed {
			return nil
		}
		l.idle++
		l.woken.Wait()
		l.idle--
	}
	if l.closed {
		return nil
	}
	t := l.first
	l.first, t.next = t.next, nil
	took(l.first != nil)
	return t
}

// close ends the goroutines and waits for them. Tasks that have not run do not.
func (l *loops) close() {
	l.mu.Lock()
	l.closed = true
	l.woken.Broadcast()
	l.mu.Unlock()
	l.running.Wait()
}
