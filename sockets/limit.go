package sockets

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// limit is a deadline. A timer marks it expired and wakes the direction.
type limit struct {
	mu      sync.Mutex
	at      time.Time
	timer   *time.Timer
	expired atomic.Bool
}

// setLimit makes operations fail from t on, those under way too; the zero time
// never.
func (d *direction) setLimit(t time.Time) {
	l := &d.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	l.at = t
	left := time.Until(t)
	l.expired.Store(!t.IsZero() && left <= 0)
	switch {
	case t.IsZero():
	case left <= 0:
		d.signal()
	case l.timer == nil:
		l.timer = time.AfterFunc(left, d.expire)
	default:
		l.timer.Reset(left)
	}
}

// expire is the timer's. One that was stopped too late finds a deadline that is
// still ahead, or none.
func (d *direction) expire() {
	l := &d.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() {
		return
	}
	if left := time.Until(l.at); left > 0 {
		l.timer.Reset(left)
		return
	}
	l.expired.Store(true)
	d.signal()
}

// Wake is the socket's one watcher: it marks those that an event concerns, and
// nothing else.
func (k *sock) Wake(_ *provider.Socket, hint wsa.Events) {
	const both = wsa.FD_CLOSE
	if hint&(wsa.FD_READ|wsa.FD_OOB|wsa.FD_ACCEPT|wsa.EvError|both) != 0 {
		k.rd.signal()
	}
	if hint&(wsa.FD_WRITE|wsa.FD_CONNECT|wsa.EvDrained|both) != 0 {
		k.wr.signal()
	}
	if w := k.winsock; w != nil {
		w.wake(hint)
	}
}

const (
	changes = wsa.FD_ROUTING_INTERFACE_CHANGE | wsa.FD_ADDRESS_LIST_CHANGE
	watched = wsa.FD_READ | wsa.FD_WRITE | wsa.FD_OOB | wsa.FD_ACCEPT | wsa.FD_CONNECT | wsa.FD_CLOSE | wsa.EvError | wsa.EvDrained | changes
)
