package provider

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// DefaultBudget is how long a call of a layer may take: none of them blocks (law 2).
const DefaultBudget = 10 * time.Second

// patience is how many ticks of the watchdog a budget is.
const patience = 4

// A watchdog finds the calls of a chain's layers that do not return. While there are
// sockets or calls it looks every quarter of the budget, so that a stall is seen after
// the budget and a quarter. Time is counted in looks: a machine that slept blames nobody.
type watchdog struct {
	every time.Duration // 0: it does not look
	tick  atomic.Uint32

	mu      sync.Mutex
	timer   *time.Timer
	armed   bool
	sockets []*Socket // that layers may be called for
	calls   call      // head of a ring: calls without a socket, and timers
	free    *call
}

// A call is one that no socket knows of.
type call struct {
	guard      *guard
	op         entry
	s          *Socket
	tick       uint32
	told       bool
	next, prev *call
}

func (d *watchdog) start(budget time.Duration) {
	d.calls.next, d.calls.prev = &d.calls, &d.calls
	if budget > 0 {
		d.every = max(budget/patience, time.Millisecond)
	}
}

// arm begins to look; mu is held.
func (c *Chain) arm() {
	d := &c.watchdog
	switch {
	case d.every == 0 || d.armed:
		return
	case d.timer == nil:
		d.timer = time.AfterFunc(d.every, c.look)
	default:
		d.timer.Reset(d.every)
	}
	d.armed = true
}

// stop ends the looking.
func (d *watchdog) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.every = 0
}

// live adds a socket to those that are looked at.
func (c *Chain) live(s *Socket) {
	if len(s.flights) == 0 {
		return
	}
	d := &c.watchdog
	d.mu.Lock()
	s.at = len(d.sockets)
	d.sockets = append(d.sockets, s)
	c.arm()
	d.mu.Unlock()
}

// gone takes a socket out: the last one takes its place, so that who goes through
// them from the end meets all that stay.
func (c *Chain) gone(s *Socket) {
	if len(s.flights) == 0 {
		return
	}
	d := &c.watchdog
	d.mu.Lock()
	defer d.mu.Unlock()
	c.past(s)
	last := len(d.sockets) - 1
	d.sockets[s.at] = d.sockets[last]
	d.sockets[s.at].at = s.at
	d.sockets[last] = nil
	d.sockets = d.sockets[:last]
}

// call notes a call that no socket knows of; leave is to be called behind it.
func (g *guard) call(op entry, s *Socket) *call {
	d := &g.chain.watchdog
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.free
	if k == nil {
		k = new(call)
	} else {
		d.free = k.next
	}
	*k = call{guard: g, op: op, s: s, tick: d.tick.Load(), next: &d.calls, prev: d.calls.prev}
	k.prev.next, d.calls.prev = k, k
	g.chain.arm()
	return k
}

func (k *call) leave() {
	d := &k.guard.chain.watchdog
	d.mu.Lock()
	defer d.mu.Unlock()
	k.prev.next, k.next.prev = k.next, k.prev
	*k = call{guard: k.guard, next: d.free}
	d.free = k
}

// look is one look of the watchdog.
func (c *Chain) look() {
	if !c.enter() {
		return
	}
	defer c.running.Done()
	d := &c.watchdog
	now := d.tick.Add(1)
	d.mu.Lock()
	var stale []call
	for k := d.calls.next; k != &d.calls; k = k.next {
		if !k.told && now-k.tick > patience {
			k.told = true
			stale = append(stale, call{guard: k.guard, op: k.op, s: k.s, next: k})
		}
	}
	d.mu.Unlock()
	for _, k := range stale {
		k.guard.stalled(k.op, k.s, k.next)
	}
	c.lookAtSockets(now)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed = false
	if len(d.sockets) > 0 || d.calls.next != &d.calls {
		c.arm()
	}
}

// lookAtSockets goes through them some at a time, from the end ([Chain.gone]).
func (c *Chain) lookAtSockets(now uint32) {
	const some = 256
	d := &c.watchdog
	batch := make([]*Socket, 0, some)
	for i := int(^uint(0) >> 1); i > 0; {
		d.mu.Lock()
		i = min(i, len(d.sockets))
		from := max(0, i-some)
		batch = append(batch[:0], d.sockets[from:i]...)
		i = from
		d.mu.Unlock()
		for _, s := range batch {
			if g, op := s.stalled(now); g != nil {
				g.stalled(op, s, s)
			}
		}
	}
}

// stalled is who is to blame for a call for s that does not return: of the layers that
// have one on its way the lowest, as it was called by those above. If that one has begun
// a moment ago, it is waited for as long again. A wake goes the other way.
func (s *Socket) stalled(now uint32) (guilty *guard, by entry) {
	waking := false
	for k := range s.flights { // from the base up
		ticks, op, ok := s.flights[k].age(now)
		switch {
		case !ok:
		case op == opWake && ticks > patience:
			guilty, by, waking = s.chain.flown[k], op, true
		case waking:
		case guilty == nil && ticks > patience:
			guilty, by = s.chain.flown[k], op
		case guilty == nil && ticks <= patience && op != opWake:
			if !s.stuck(k+1, now) {
				return nil, 0
			}
		}
	}
	if guilty != nil {
		for k := range s.flights {
			s.flights[k].settle()
		}
	}
	return guilty, by
}

// stuck reports that above k there is a call on its way for twice the budget.
func (s *Socket) stuck(k int, now uint32) bool {
	for ; k < len(s.flights); k++ {
		if ticks, _, ok := s.flights[k].age(now); ok && ticks > 2*patience {
			return true
		}
	}
	return false
}

func late(budget time.Duration) string { return fmt.Sprintf("no return within %v", budget) }

// stalled reports a call that does not return, and fails its socket. The waking is left
// to a goroutine, as what stalls may be a wake.
func (g *guard) stalled(op entry, s *Socket, arg any) {
	r := g.report(Stalled, op.String(), s, late(g.chain.budget), stackOf(arg))
	if s == nil {
		return
	}
	first := s.fail(wsa.ECONNABORTED, r.Error())
	s.odd.Or(g.bit) // who closes it does not wait for the layer again
	s.stall.close()
	g.spawn(func() {
		if op == opClose { // a layer cannot keep a socket open (law 9)
			undo([]*Socket{s}, g.below.WSPCloseSocket)
		}
		if first {
			s.rouse()
		}
	})
}

// Stalled is closed when a call of a layer for s was found not to return. s is failed
// then, the layer is not called for it again, and who closes s need not wait for the
// call's end, as he would by law 4.
func (s *Socket) Stalled() <-chan struct{} { return s.stall.channel() }

// latch is a channel that is made when somebody wants it.
type latch struct {
	mu     sync.Mutex
	c      chan struct{}
	closed bool
}

func (l *latch) channel() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.c == nil {
		l.c = make(chan struct{})
		if l.closed {
			close(l.c)
		}
	}
	return l.c
}

func (l *latch) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.c != nil && !l.closed {
		close(l.c)
	}
	l.closed = true
}
