package sockets

import (
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Overlapped is WSAOVERLAPPED: the caller's memory for one operation that goes on
// after its call has returned IO_PENDING. It must not be copied, nor touched until
// the operation is complete; then it may be used for another one. Starting an
// operation allocates nothing.
//
// Winsock's Internal, InternalHigh, Offset and OffsetHigh (status, bytes, flags,
// error) are private; WSPGetOverlappedResult returns them.
type Overlapped struct {
	// HEvent is reset when the operation is started and set when it completes; nil
	// for none. With a completion routine it is not used.
	HEvent *Event
	// NoPort keeps the completion from the port that the socket is associated
	// with: what the low bit of hEvent says on Windows.
	NoPort bool
	// Context is the client's own.
	Context any

	place  // in a direction's queue
	status atomic.Uint32
	n      uint32
	flags  wsa.MsgFlags
	errno  wsa.Errno

	mu       sync.Mutex                // held while it begins, and while its end is told
	k        atomic.Pointer[sock]      // that the operation was issued on; CancelIoEx asks at any time
	on       atomic.Pointer[direction] // in whose queue it stands
	step     step
	call     call     // what a data operation moves
	captured [][]byte // the WSABUF array, which is the caller's only until the call returns
	from     []byte   // where the source of a datagram goes
	fromlen  *int32
	routine  CompletionRoutine
	thread   *Thread
	record   *association // the port that expects the completion
	work     any          // of operations that are more than one call of the table
	tried    bool         // what comes is a retry
	halfway  bool         // the peer has seen a part: it cannot be cancelled without harm
}

// step is one try of an overlapped operation with the lock of its direction held.
// EWOULDBLOCK: it stays. IO_PENDING: it goes on elsewhere, in o.on.
type step func(o *Overlapped, pended bool) wsa.Errno

// Values of Overlapped.status.
const (
	operationFree    = 0     // never used
	operationPending = 0x103 // WSS_OPERATION_IN_PROGRESS
	operationDone    = 1
)

// completion says how the end of an operation is indicated (winsock-spi 6.2).
type completion struct {
	o       *Overlapped
	routine CompletionRoutine
	thread  *Thread
}

// start issues an operation on d: arm gives it its step and what that needs. What
// the first try says but EWOULDBLOCK is the answer: 0 has been indicated as well,
// an error never will be. IO_PENDING: it will be. An operation that finds others
// before it is not tried; judge says whether it may wait (nil: it need not). n and flags, if not nil,
// are set by an operation that ended at once.
func (k *sock) start(d *direction, c completion, judge func() wsa.Errno, arm func(*Overlapped), n *uint32, flags *wsa.MsgFlags) wsa.Errno {
	o := c.o
	if e := o.begin(k.winsock.port.Load(), c); e != 0 {
		return e
	}
	o.k.Store(k)
	o.on.Store(d)
	d.call.Lock()
	defer d.call.Unlock()
	arm(o)
	wakes := d.wakes.Load()
	e := wsa.EWOULDBLOCK
	switch {
	case d.closed.Load():
		e = wsa.ENOTSOCK
	case d.first == nil || judge == nil:
		e = o.attempt(d)
	default:
		e = judge()
	}
	if (e == 0 || e == wsa.EMSGSIZE) && n != nil {
		*n = o.n
		if flags != nil {
			*flags = o.flags
		}
	}
	switch e {
	case wsa.EWOULDBLOCK:
		d.join(&o.place)
		if d.wakes.Load() != wakes {
			d.prod(d.first)
		}
		return wsa.IO_PENDING
	case wsa.IO_PENDING:
		o.moved()
	case 0:
		o.complete(0)
	default:
		o.withdraw(e)
	}
	return e
}

// attempt is a try of o in d. One that finds others before it when it is issued has
// none then: its first is no retry, and layers judge it (law 7); but a receive is by
// then the one that was issued before an SD_RECEIVE.
func (o *Overlapped) attempt(d *direction) wsa.Errno {
	pended := o.tried || d.last != nil && d == &o.k.Load().rd
	o.tried = true
	return o.step(o, pended)
}

// begin makes o a pending operation: EINVAL if it is one already, INVALID_HANDLE
// for a closed event, ENOBUFS if the port has no room for its completion.
func (o *Overlapped) begin(port *association, c completion) wsa.Errno {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.status.Load() == operationPending {
		return wsa.EINVAL
	}
	o.k.Store(nil)
	o.status.Store(operationPending)
	o.routine, o.thread, o.record = c.routine, c.thread, nil
	o.place.o = o
	o.n, o.flags, o.errno, o.tried, o.halfway = 0, 0, 0, false, false
	if c.routine != nil {
		return 0
	}
	if o.HEvent != nil {
		if e := o.HEvent.Reset(); e != 0 {
			o.status.Store(operationFree)
			return e
		}
	}
	if port != nil && !o.NoPort {
		if e := port.port.reserve(); e != 0 {
			o.status.Store(operationFree)
			return e
		}
		o.record = port
	}
	return 0
}

// withdraw undoes begin: the operation was not started.
func (o *Overlapped) withdraw(e wsa.Errno) {
	if o.record != nil {
		o.record.port.unreserve()
	}
	o.errno = e
	o.release()
	o.status.Store(operationDone)
}

// release lets go of what was the operation's, so that an idle Overlapped holds nothing.
func (o *Overlapped) release() {
	if w, ok := o.work.(*acceptEx); ok {
		w.ended()
	}
	clear(o.captured)
	o.captured = o.captured[:0]
	o.call = call{}
	o.from, o.fromlen, o.work, o.step = nil, nil, nil, nil
	o.routine, o.thread, o.record = nil, nil, nil
	o.k.Store(nil)
}

// complete ends the operation and indicates it. Locks of table calls may be held:
// nothing of the application runs here. Afterwards o is the client's.
func (o *Overlapped) complete(e wsa.Errno) {
	told := e
	if k := o.k.Load(); e == wsa.OPERATION_ABORTED && k != nil && (k.closed.Load() || o.on.Load().closed.Load()) {
		told = wsa.ECONNABORTED // what a port says of a socket that was closed (winsock-spi 12.8)
	}
	o.errno = e
	event, record, routine, thread, n, flags := o.HEvent, o.record, o.routine, o.thread, o.n, o.flags
	o.release()
	o.mu.Lock()
	o.status.Store(operationDone)
	if routine == nil && event != nil {
		event.Set() // before o is begun again, which resets it
	}
	o.mu.Unlock()
	if routine != nil {
		thread.queue(apc{routine: routine, o: o, errno: e, n: n, flags: flags})
		return
	}
	if record != nil {
		record.port.post(Completion{Key: record.key, Overlapped: o, N: n, Errno: told})
	}
}

// cancelSilently ends the operation as WSPCleanup does: nothing is indicated.
func (o *Overlapped) cancelSilently() {
	o.withdraw(wsa.OPERATION_ABORTED)
}

// moved puts o into the queue of the direction that it goes on in. The lock of
// the one it comes from is held: that is a listener's, and o.on is of the socket
// that it accepts into, never the other way round.
func (o *Overlapped) moved() {
	d := o.on.Load()
	d.call.Lock()
	defer d.call.Unlock()
	if d.closed.Load() {
		o.complete(wsa.OPERATION_ABORTED)
		return
	}
	d.join(&o.place)
	d.prod(d.first)
}

// serve tries the overlapped operations at the front until one has to wait. It
// is the direction's job.
func (k *sock) serve(d *direction) {
	d.call.Lock()
	if d.beside {
		k.serveAll(d)
	}
	for !d.beside && d.first != nil && d.first.o != nil && !d.closed.Load() {
		o := d.first.o
		wakes := d.wakes.Load()
		e := o.attempt(d)
		if e != 0 && d.closed.Load() {
			break // what closing made of it; whoever closes ends it
		}
		if e == wsa.EWOULDBLOCK {
			if d.wakes.Load() != wakes {
				continue
			}
			break
		}
		d.remove(&o.place)
		if e == wsa.IO_PENDING {
			o.moved()
		} else {
			o.complete(e)
		}
	}
	d.call.Unlock()
	if w := k.winsock; w != nil {
		w.served()
	}
}

// serveAll tries all operations of a direction where none waits for another.
func (k *sock) serveAll(d *direction) {
	for p := d.first; p != nil; {
		next := p.next
		if p.o == nil {
			d.prod(p)
		} else if !d.closed.Load() {
			if e := p.o.attempt(d); e != wsa.EWOULDBLOCK && !(e != 0 && d.closed.Load()) {
				d.remove(p)
				p.o.complete(e)
			}
		}
		p = next
	}
}

// cancel ends o if it is pending on k; false if it is not. Another goroutine may be
// starting o at the same time, which is then either before or after.
func (k *sock) cancel(o *Overlapped) bool {
	for o.k.Load() == k {
		d := o.on.Load()
		if d == nil {
			return false
		}
		d.call.Lock()
		if o.on.Load() != d { // it has just moved
			d.call.Unlock()
			continue
		}
		there := d.remove(&o.place)
		if there {
			k.cancelled(o)
		}
		d.call.Unlock()
		k.winsock.served()
		return there
	}
	return false
}

// cancelled ends an operation. One that the peer has seen a part of leaves the socket
// usable only for close (winsock-spi 3.7).
func (k *sock) cancelled(o *Overlapped) {
	if o.halfway {
		k.s.Fail(wsa.ECONNABORTED, "an operation was cancelled half-way")
	}
	o.complete(wsa.OPERATION_ABORTED)
}

// abort ends all overlapped operations; d.call is held.
func (d *direction) abort(end func(*Overlapped)) {
	for p := d.first; p != nil; {
		next := p.next
		if p.o != nil {
			d.remove(p)
			end(p.o)
		}
		p = next
	}
}

// capture keeps the WSABUF array, as it is the caller's again when the call
// returns; the memory it names stays lent.
func (o *Overlapped) capture(buffers [][]byte) [][]byte {
	o.captured = append(o.captured[:0], buffers...)
	return o.captured
}

// transfer is the step of the data operations. What a failing send has moved is
// lost to view; a truncated datagram fills the buffers and fails.
func transfer(o *Overlapped, pended bool) wsa.Errno {
	e := o.k.Load().try(o.on.Load(), &o.call, pended)
	switch e {
	case wsa.EWOULDBLOCK:
		o.halfway = o.halfway || o.call.n > 0 && o.on.Load() == &o.k.Load().wr
		return e
	case 0, wsa.EMSGSIZE:
		o.n, o.flags = uint32(o.call.n), o.call.flags
		if o.fromlen != nil {
			putSockaddr(o.from, o.fromlen, o.call.addr)
		}
	}
	return e
}

// awaitData is the step of a receive of no bytes from a stream.
func awaitData(o *Overlapped, pended bool) wsa.Errno {
	return o.k.Load().hasData(pended)
}
