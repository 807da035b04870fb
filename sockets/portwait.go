package sockets

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// getter is one who waits in Get.
type getter struct {
	wake  chan struct{}
	timer *time.Timer
}

// Get is GetQueuedCompletionStatus: the first record. It waits for one until
// timeout is over, for ever if that is negative: WAIT_TIMEOUT. INVALID_HANDLE:
// the port is, or was while it waited, closed.
func (p *CompletionPort) Get(timeout time.Duration) (Completion, wsa.Errno) {
	var end time.Time
	if timeout > 0 {
		end = time.Now().Add(timeout)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.closed {
			return Completion{}, wsa.INVALID_HANDLE
		}
		if j := p.job(); j != nil { // first: who was prodded for it must not leave with a record instead
			unlocked(&p.mu, j.do)
			continue
		}
		if p.n > 0 {
			return p.take(), 0
		}
		if timeout == 0 || timeout > 0 && !time.Now().Before(end) {
			return Completion{}, wsa.WAIT_TIMEOUT
		}
		p.wait(timeout, end)
	}
}

// wait waits to be prodded; p.mu is held, but not meanwhile. Who leaves by the
// clock, and was prodded at that moment, looks at what there is as well: Get does.
func (p *CompletionPort) wait(timeout time.Duration, end time.Time) {
	g := p.getter()
	p.idle = append(p.idle, g)
	p.mu.Unlock()
	if timeout < 0 {
		<-g.wake
	} else {
		g.until(end)
	}
	p.mu.Lock()
	for i, other := range p.idle {
		if other == g {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			break
		}
	}
	select {
	case <-g.wake:
	default:
	}
	p.free = append(p.free, g)
}

func (g *getter) until(end time.Time) {
	if g.timer == nil {
		g.timer = time.NewTimer(time.Until(end))
	} else {
		g.timer.Reset(time.Until(end))
	}
	select {
	case <-g.wake:
		g.timer.Stop()
	case <-g.timer.C:
	}
}

func (p *CompletionPort) getter() *getter {
	if n := len(p.free); n > 0 {
		g := p.free[n-1]
		p.free = p.free[:n-1]
		return g
	}
	return &getter{wake: make(chan struct{}, 1)}
}

// GetMany is GetQueuedCompletionStatusEx: as Get, and all further records that
// are there, as far as they have room in c. It returns how many.
func (p *CompletionPort) GetMany(c []Completion, timeout time.Duration) (int, wsa.Errno) {
	if len(c) == 0 {
		return 0, wsa.EINVAL
	}
	first, e := p.Get(timeout)
	if e != 0 {
		return 0, e
	}
	c[0] = first
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 1
	for ; n < len(c) && p.n > 0; n++ {
		c[n] = p.take()
	}
	return n, 0
}

// waiter takes one who waits off the stack; nil if nobody does.
func (p *CompletionPort) waiter() *getter {
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	g := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return g
}

func (g *getter) prod() {
	if g == nil {
		return
	}
	select {
	case g.wake <- struct{}{}:
	default:
	}
}
