package kit

import (
	"sync"
	"time"

	"github.com/netnsd/netnsd/provider"
)

// deadline is a point in time that can be moved while others wait for it, as
// in net.Pipe. Its timer is the chain's.
type deadline struct {
	r *provider.StartupRequest

	mu    sync.Mutex
	timer *provider.Timer
	turn  int // which set the running timer belongs to
	past  chan struct{}
}

// passed is closed when the deadline has passed.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channel()
}

func (d *deadline) channel() chan struct{} {
	if d.past == nil {
		d.past = make(chan struct{})
	}
	return d.past
}

// over reports that the deadline has passed.
func (d *deadline) over() bool {
	select {
	case <-d.passed():
		return true
	default:
		return false
	}
}

// set moves the deadline; the zero time takes it away.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.turn++
	select {
	case <-d.channel():
		d.past = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		close(d.past)
		return
	}
	turn := d.turn
	d.timer = d.r.AfterFunc(nil, left, func() { d.expire(turn) })
}

func (d *deadline) expire(turn int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if turn == d.turn {
		close(d.past)
	}
}
