package sockets

import (
	"context"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A direction is one half of a socket: receiving and accepting, or sending and
// connecting. What cannot be done at once waits in its queue, first come, first
// served: callers that block, each in its own goroutine, and overlapped
// operations, which have none. One table call runs at a time (law 4), and no
// lock is held while somebody waits.
type direction struct {
	call        sync.Mutex // held during a table call; the queue and msg are its
	first, last *place
	spare       *place // of the caller that waited last

	front atomic.Pointer[place] // first, for Wake, which takes no lock
	wakes atomic.Uint32         // counts Wakes: one that comes between a try and the queue is seen by it

	closed *atomic.Bool // the socket's
	shut   atomic.Bool  // by CloseRead or CloseWrite
	limit  limit

	// The message of the table call that runs. It is kept here, as one made for
	// each call escapes through the table's function value: 2 allocations.
	msg  provider.Msg
	bufs [1][]byte
	one  [1]byte // that is looked at

	job    job  // serves overlapped operations at the front
	beside bool // its operations do not wait for each other: all are served
}

// place is one operation in a direction's queue.
type place struct {
	next, before *place
	in           atomic.Pointer[direction] // where it stands
	ready        chan struct{}             // of a caller that waits; capacity 1. nil: overlapped
	o            *Overlapped
}

// signal makes the operation at the front look again. It takes no lock that is
// held around a table call, as storeys below call it (through Wake) with theirs.
func (d *direction) signal() {
	d.wakes.Add(1)
	if d.beside {
		d.job.schedule()
	} else if p := d.front.Load(); p != nil {
		d.prod(p)
	}
}

func (d *direction) prod(p *place) {
	if p.ready == nil {
		d.job.schedule()
		return
	}
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// join puts p last; d.call is held.
func (d *direction) join(p *place) {
	p.next, p.before = nil, d.last
	if d.last == nil {
		d.first = p
		d.front.Store(p)
	} else {
		d.last.next = p
	}
	d.last = p
	p.in.Store(d)
}

// remove takes p out of the queue, if it is there, and has the one that is now
// in front look; d.call is held.
func (d *direction) remove(p *place) bool {
	if p.in.Load() != d { // it may be in that of another socket, and on the move there
		return false
	}
	p.in.Store(nil)
	if p.next != nil {
		p.next.before = p.before
	} else {
		d.last = p.before
	}
	if p.before != nil {
		p.before.next = p.next
	} else {
		d.first = p.next
		d.front.Store(d.first)
		if d.first != nil {
			d.prod(d.first)
		}
	}
	p.next, p.before = nil, nil
	return true
}

// waiting is a place for a caller; d.call is held.
func (d *direction) waiting() *place {
	p := d.spare
	if p == nil {
		return &place{ready: make(chan struct{}, 1)}
	}
	d.spare = nil
	return p
}

// leave ends a caller's stay, if it waited; d.call is held.
func (d *direction) leave(p *place) {
	if p == nil {
		return
	}
	d.remove(p)
	select {
	case <-p.ready:
	default:
	}
	d.spare = p
}

// A call is an operation whose caller waits for its end.
type call struct {
	// One of the two: an entry of the table, with what it moves, or anything else.
	data  func(*provider.Socket, *provider.Msg) (int, wsa.Errno)
	other func(pended bool) wsa.Errno

	buffers [][]byte // nil: buffer alone
	buffer  []byte
	addr    provider.Addr
	flags   wsa.MsgFlags
	control *provider.Control
	resumed bool // it continues a send of which a part is done
	whole   bool // all of the buffers are to be moved
	owned   bool // the array of buffers may be changed: it is not the caller's
	enough  int  // bytes that must be queued before it is tried (MSG_PEEK with MSG_WAITALL)
	now     bool // it does not wait: EWOULDBLOCK
	direct  bool // it does not wait for those that stand before it in the queue

	waited bool
	n      int // bytes moved by data; addr and flags are set, too
}

// advance takes the n bytes that were moved from the buffers; true when nothing
// is left.
func (c *call) advance(n int) bool {
	if c.buffers == nil {
		c.buffer = c.buffer[n:]
		return len(c.buffer) == 0
	}
	if !c.owned && n < length(c.buffers) {
		c.buffers, c.owned = slices.Clone(c.buffers), true
	}
	c.buffers = after(c.buffers, n)
	return len(c.buffers) == 0
}

// after is what follows the first n bytes of b. It changes b, unless that is nothing.
func after(b [][]byte, n int) [][]byte {
	for len(b) > 0 && n >= len(b[0]) {
		n -= len(b[0])
		b = b[1:]
	}
	if len(b) > 0 {
		b[0] = b[0][n:]
	}
	return b
}

// await tries c until its answer is not EWOULDBLOCK, and returns that. It is the
// only function of the project in which a caller blocks on one socket. The error
// says that it was not the socket that ended it: net.ErrClosed,
// os.ErrDeadlineExceeded or the context's.
//
// No wake is lost, as the watcher stands from the socket's first moment, the
// operation itself is the question for the level, and a wake that comes while it
// is asked is counted. A call that was tried before says so (law 7).
func (k *sock) await(ctx context.Context, d *direction, c *call) (wsa.Errno, error) {
	d.call.Lock()
	defer d.call.Unlock()
	var p *place
	defer func() { d.leave(p) }()
	for pended := false; ; {
		wakes := d.wakes.Load() // before anything is asked: a close that comes after it is a wake, too
		if err := d.interrupted(ctx); err != nil {
			return 0, err
		}
		if d.first == p || c.direct { // our turn, also if nobody waits and we have no place
			switch e := k.try(d, c, pended); {
			case e == 0:
				return 0, nil
			case e != wsa.EWOULDBLOCK && d.closed.Load():
				return 0, net.ErrClosed // rather than what closing made of it
			case e != wsa.EWOULDBLOCK || c.now:
				return e, nil
			}
			pended = true
			if p == nil {
				p = d.waiting()
				d.join(p)
			}
			if d.wakes.Load() != wakes {
				continue
			}
		} else if c.now {
			return wsa.EWOULDBLOCK, nil // what there is belongs to those who wait
		} else if p == nil {
			p = d.waiting()
			d.join(p)
		}
		c.waited = true
		d.pause(ctx, p)
	}
}

// pause waits without d.call until somebody prods p or ctx ends.
func (d *direction) pause(ctx context.Context, p *place) {
	d.call.Unlock()
	select {
	case <-p.ready:
	case <-ctx.Done():
	}
	d.call.Lock()
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
