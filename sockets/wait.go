package sockets

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A direction is one half of a socket: receiving and accepting, or sending and
// connecting. One operation at a time runs in it (law 4), from its first try to
// its end, so that concurrent Writes do not mix.
type direction struct {
	mu   sync.Mutex    // the operation's; Close takes it to be last and alone
	wake chan struct{} // capacity 1: a wake that comes before the wait is kept

	closed *atomic.Bool // the socket's
	shut   atomic.Bool  // by CloseRead or CloseWrite
	limit  limit

	// The data operation under way. It is kept here, as a Msg made for each call
	// escapes through the table's function value: 2 allocations.
	msg  provider.Msg
	bufs [1][]byte
	op   func(*provider.Socket, *provider.Msg) (int, wsa.Errno)
	n    int
	try  func(pended bool) wsa.Errno // performs op; made once

	resumed bool // op continues a send of which a part is done
}

// limit is a deadline. A timer marks it expired and wakes the direction.
type limit struct {
	mu      sync.Mutex
	at      time.Time
	timer   *time.Timer
	expired atomic.Bool
}

// await tries an operation until its answer is not EWOULDBLOCK, and returns
// that. It is the only function of the project that blocks on a socket. The
// error says that it was not the socket that ended it: net.ErrClosed,
// os.ErrDeadlineExceeded or the context's.
//
// No wake is lost, as the watcher stands from the socket's first moment and
// the operation itself is the question for the level. A wake left over from
// before costs one try more. try is told whether it was called before: such a
// call is a retry of a pended operation (law 7).
func (d *direction) await(ctx context.Context, try func(pended bool) wsa.Errno) (wsa.Errno, error) {
	for pended := false; ; pended = true {
		if err := d.interrupted(ctx); err != nil {
			return 0, err
		}
		switch e := try(pended); {
		case e == 0:
			return 0, nil
		case e != wsa.EWOULDBLOCK && d.closed.Load():
			return 0, net.ErrClosed // rather than what closing made of it
		case e != wsa.EWOULDBLOCK:
			return e, nil
		}
		select {
		case <-d.wake:
		case <-ctx.Done():
		}
	}
}

// interrupted is why no operation may be tried now, nil if it may.
func (d *direction) interrupted(ctx context.Context) error {
	switch {
	case d.closed.Load():
		return net.ErrClosed
	case d.limit.expired.Load():
		return os.ErrDeadlineExceeded
	}
	return ctx.Err()
}

// signal makes await look again. It takes no lock, as storeys below call it
// (through Wake) with theirs held.
func (d *direction) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
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

// Wake is the socket's one watcher: it marks the directions that an event
// concerns, and nothing else.
func (k *sock) Wake(_ *provider.Socket, hint wsa.Events) {
	const both = wsa.FD_CLOSE
	if hint&(wsa.FD_READ|wsa.FD_OOB|wsa.FD_ACCEPT|wsa.EvError|both) != 0 {
		k.rd.signal()
	}
	if hint&(wsa.FD_WRITE|wsa.FD_CONNECT|wsa.EvDrained|both) != 0 {
		k.wr.signal()
	}
}

const watched = wsa.FD_READ | wsa.FD_WRITE | wsa.FD_ACCEPT | wsa.FD_CONNECT | wsa.FD_CLOSE | wsa.EvError | wsa.EvDrained
