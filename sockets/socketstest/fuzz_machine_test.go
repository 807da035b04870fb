package socketstest_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// machine runs a program. What it asserts is true in whatever order the two
// goroutines come: a code is one of the function's table; a descriptor that was
// closed is ENOTSOCK for ever, one that was not never is; every operation that was
// started is indicated once, by the way that was asked for; the bytes of a stream are
// those that were sent, in an order in which they may have been sent, whole before
// its end; a datagram is one that was sent and comes once; after SD_SEND nothing is
// sent, nor by a listener; a network event was asked for; an option that one goroutine
// alone has set reads as it set it; and everything ends.
type machine struct {
	t       *testing.T
	ground  *ground
	runners [2]*runner
	ports   [2]*port

	clock     atomic.Int64 // counts what happens, so that "before" can be told
	steps     atomic.Int64 // calls made: the supervisor sees that it goes on
	stop      atomic.Bool
	cancelled atomic.Bool // somebody has called WSPCancelBlockingCall or CancelIoEx
	ending    [2]atomic.Bool
	starts    [2]atomic.Int32

	mu          sync.Mutex
	slots       [slots]*descriptor
	descriptors []*descriptor
	sockets     []*modelSocket
	started     []*operation
	keys        map[uintptr]*modelSocket // of associations
	datagrams   map[uint32]int           // their sizes, by tag
	tags        uint32
	waiting     int // at the barrier
	passed      int
	left        int // runners that have not ended
	meet        *sync.Cond
}

// runner is one of the two goroutines.
type runner struct {
	m      *machine
	g      int
	thread *sockets.Thread
	tables [2]sockets.WSPProcTable
	doing  atomic.Value // the call, for who looks why nothing goes on
}

// descriptor is a SOCKET of one session.
type descriptor struct {
	side    int
	h       sockets.SOCKET
	k       *modelSocket
	closing atomic.Bool // WSPCloseSocket was called
	closed  atomic.Bool // and has succeeded
}

func newMachine(t *testing.T, kind byte) *machine {
	m := &machine{t: t, ground: newGround(t, kind), keys: make(map[uintptr]*modelSocket), datagrams: make(map[uint32]int), left: 2}
	m.meet = sync.NewCond(&m.mu)
	for g := range m.runners {
		r := &runner{m: m, g: g, thread: sockets.OpenThread()}
		for side, s := range m.ground.sessions {
			r.tables[side] = s.ThreadProcTable(r.thread)
		}
		r.doing.Store("")
		m.runners[g] = r
	}
	m.starts[0].Store(1)
	m.starts[1].Store(1)
	m.ports = [2]*port{{CompletionPort: sockets.CreateCompletionPort(0)}, {CompletionPort: sockets.CreateCompletionPort(3), bounded: true}}
	return m
}

func (m *machine) now() int64 { return m.clock.Add(1) }

// failf reports what is wrong, from any goroutine, and ends the run.
func (m *machine) failf(format string, args ...any) {
	m.t.Helper()
	m.t.Errorf(format, args...)
	m.stop.Store(true)
}

// Times of the supervisor. None decides what is right: a call that blocks is ended in
// one of the ways in which it may be.
const (
	tick     = 2 * time.Millisecond
	stuck    = 5  // ticks without a call before those that block are cancelled
	stuckFor = 10 // before the sockets are closed
	watchdog = 20 * time.Second
)

// run runs the lists, and ends calls that nobody else would end.
func (m *machine) run(lists [2][]instruction) {
	done := make(chan struct{}, 2)
	for g, r := range m.runners {
		go func() {
			defer func() { m.leave(); done <- struct{}{} }()
			for _, i := range lists[g] {
				if m.stop.Load() {
					return
				}
				m.steps.Add(1)
				operations[i.op](r, i)
			}
		}()
	}
	t := time.NewTicker(tick)
	defer t.Stop()
	moved := time.Now()
	last, idle := int64(-1), 0
	for ended := 0; ended < 2; {
		select {
		case <-done:
			ended++
			continue
		case <-t.C:
		}
		if now := m.steps.Load(); now != last {
			last, idle, moved = now, 0, time.Now()
			continue
		}
		switch idle++; {
		case time.Since(moved) > watchdog:
			m.hangs("a call does not return although every socket is closed")
		case idle == stuck:
			m.cancelCalls()
		case idle >= stuckFor:
			m.closeAll()
		}
	}
}

func (m *machine) hangs(what string) {
	b := make([]byte, 1<<20)
	b = b[:runtime.Stack(b, true)]
	fmt.Fprintf(os.Stderr, "%s\n", b)
	panic(fmt.Sprintf("%s: %v, %v", what, m.runners[0].doing.Load(), m.runners[1].doing.Load()))
}

func (m *machine) cancelCalls() {
	m.cancelled.Store(true)
	for _, r := range m.runners {
		r.thread.CancelBlockingCall()
	}
}

// leave is the end of a runner: nobody waits for it at a barrier.
func (m *machine) leave() {
	m.mu.Lock()
	m.left--
	m.mu.Unlock()
	m.meet.Broadcast()
}

// barrier waits for the other goroutine.
func (r *runner) barrier(instruction) {
	m := r.m
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting++
	if m.waiting == 2 {
		m.waiting = 0
		m.passed++
		m.meet.Broadcast()
		return
	}
	for round := m.passed; m.passed == round; m.meet.Wait() {
		if m.left < 2 {
			m.waiting = 0
			return
		}
	}
}

// at is what a slot holds now: something that was never open, if nothing.
func (m *machine) at(slot byte) *descriptor {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.slots[slot]; d != nil {
		return d
	}
	d := &descriptor{h: sockets.SOCKET(0xdead0000 + uint64(slot)), k: newModelSocket(0, 0, false)}
	d.closing.Store(true)
	d.closed.Store(true)
	return d
}

// keep puts a new descriptor into a slot.
func (m *machine) keep(slot byte, side int, h sockets.SOCKET, k *modelSocket) *descriptor {
	d := &descriptor{side: side, h: h, k: k}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.descriptors {
		if o.h == h {
			m.t.Errorf("descriptor %d is given out twice", h)
		}
	}
	if !slices.Contains(m.sockets, k) {
		k.id = len(m.sockets)
		m.sockets = append(m.sockets, k)
	}
	m.slots[slot] = d
	m.descriptors = append(m.descriptors, d)
	return d
}

// call makes one call on d and judges its code.
func (r *runner) call(fn string, d *descriptor, f func(t *sockets.WSPProcTable) wsa.Errno, also ...wsa.Errno) wsa.Errno {
	r.m.t.Helper()
	stale := d.closed.Load()
	r.doing.Store(fn)
	e := f(&r.tables[d.side])
	reached.add(fn, e)
	r.doing.Store("")
	r.m.steps.Add(1)
	r.m.judge(fn, d, stale, e, also)
	return e
}

// judge says whether e may be the answer of fn on d; stale: d was closed before.
func (m *machine) judge(fn string, d *descriptor, stale bool, e wsa.Errno, also []wsa.Errno) {
	m.t.Helper()
	ended := m.ending[d.side].Load()
	anyEnded := m.ending[0].Load() || m.ending[1].Load()
	switch {
	case e == wsa.NOTINITIALISED && ended:
	case stale:
		if e != wsa.ENOTSOCK {
			m.failf("%s on descriptor %d, which is closed: %s", fn, d.h, e.Name())
		}
	case e == 0, slices.Contains(also, e):
	case e == wsa.ENOTSOCK:
		if !d.closing.Load() && !ended {
			m.failf("%s on descriptor %d, which is open: %s", fn, d.h, e.Name())
		}
	case e == wsa.ENETDOWN && anyEnded:
	case e == wsa.ECONNABORTED && m.cancelled.Load() && d.k.mayBreak.Load():
	case e == wsa.EINTR && !m.cancelled.Load() && !d.k.closing.Load() && !anyEnded:
		m.failf("%s on descriptor %d: %s, and nobody has ended it", fn, d.h, e.Name())
	case slices.Contains(documented[fn], e):
	default:
		m.failf("%s on descriptor %d: %s is not documented for it", fn, d.h, e.Name())
	}
}

// wants fails the run unless e, which fn answered, is one of those.
func (m *machine) wants(fn string, e wsa.Errno, want ...wsa.Errno) {
	m.t.Helper()
	reached.add(fn, e)
	if e != 0 && !slices.Contains(want, e) && !slices.Contains(documented[fn], e) {
		m.failf("%s: %s is not documented for it", fn, e.Name())
	}
}

// closeAll closes every descriptor at once.
func (m *machine) closeAll() {
	m.mu.Lock()
	all := slices.Clone(m.descriptors)
	m.mu.Unlock()
	for _, d := range all {
		m.end(d)
	}
}

// end closes d whatever it is in, without waiting for its peer.
func (m *machine) end(d *descriptor) {
	if d.closed.Load() {
		return
	}
	table := m.ground.sessions[d.side].ProcTable()
	table.WSPSetSockOpt(d.h, wsa.SOL_SOCKET, wsa.SO_LINGER, []byte{0, 0, 0, 0})
	d.closing.Store(true)
	d.k.closing.Store(true)
	switch e := table.WSPCloseSocket(d.h); {
	case e == 0:
		d.closed.Store(true)
	case e == wsa.ENOTSOCK, e == wsa.NOTINITIALISED && m.ending[d.side].Load():
	case e == wsa.EWOULDBLOCK: // the other goroutine makes it linger: once more
	default:
		m.failf("WSPCloseSocket at the end: %s", e.Name())
	}
}
