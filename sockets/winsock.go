package sockets

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// winsock is what the Winsock face keeps of a socket, besides what it shares with
// the Go face.
type winsock struct {
	k           *sock
	overlapped  bool        // WSA_FLAG_OVERLAPPED
	nonblocking atomic.Bool // FIONBIO, WSPEventSelect, WSPAsyncSelect
	over        [2]atomic.Bool
	listens     atomic.Bool
	forgiven    atomic.Bool // SO_ERROR of a blocking connect was the call's result
	timeout     [2]atomic.Uint32
	port        atomic.Pointer[association]
	selection   atomic.Pointer[selection]
	enabled     atomic.Uint32 // network events that may be recorded (selection)
	context     atomic.Bool   // AcceptEx or ConnectEx waits for SO_UPDATE_*_CONTEXT
	offered     atomic.Bool   // a connection that was accepted, not made: for who judges it (redeem)
	promised    atomic.Bool   // an AcceptEx is going to accept into it
	shared      atomic.Bool   // it was offered by WSPDuplicateSocket
	admitted    int           // to how many sessions for its peer's sake; guarded by sock.ctl

	change  atomic.Pointer[direction] // of the *_CHANGE ioctls; made when one is pended
	mu      sync.Mutex                // taken in Wake: with it held only the tables of descriptors are locked
	firsts  []*acceptEx               // of this listener, that wait for data of a connection
	holders []*Session                // one for each descriptor
	waiting []*poll                   // select and poll calls that look at this socket
}

// Sides of a socket, by SD_*.
const (
	receiving = wsa.SD_RECEIVE
	sending   = wsa.SD_SEND
)

func (w *winsock) attach(k *sock) {
	w.k = k
	w.enabled.Store(uint32(atFirst))
	k.rd.job.run = func() { k.serve(&k.rd) }
	k.wr.job.run = func() { k.serve(&k.wr) }
}

// changing is the queue of the ioctls that wait for a change of the network.
func (w *winsock) changing() *direction {
	if d := w.change.Load(); d != nil {
		return d
	}
	d := &direction{closed: &w.k.closed, beside: true}
	d.job = job{k: w.k, run: func() { w.k.serve(d) }}
	if w.change.CompareAndSwap(nil, d) {
		return d
	}
	return w.change.Load()
}

// wake is called from Wake.
func (w *winsock) wake(hint wsa.Events) {
	if d := w.change.Load(); d != nil && hint&changes != 0 {
		d.signal()
	}
	if s := w.selection.Load(); s != nil {
		s.job.schedule()
	}
	w.mu.Lock()
	for _, p := range w.waiting {
		p.prod()
	}
	w.mu.Unlock()
}

// served is called when overlapped operations were served: what they left is for
// network events.
func (w *winsock) served() {
	if s := w.selection.Load(); s != nil {
		s.look()
	}
}

// directions are the queues that there are.
func (w *winsock) directions() []*direction {
	all := []*direction{&w.k.rd, &w.k.wr}
	if d := w.change.Load(); d != nil {
		all = append(all, d)
	}
	return all
}

// run is await for a call of the Winsock face: by the mode of the socket, the
// timeout of the side (SO_RCVTIMEO, SO_SNDTIMEO; 0 or a negative side: none) and
// the thread, which may cancel it. The mode is the caller's to read (call.now), once:
// it may change meanwhile, and a send that goes on until all is sent must not stop
// half-way because it has become a non-blocking one.
func (w *winsock) run(t *Thread, d *direction, side int, c *call) wsa.Errno {
	ctx := context.Background()
	if !c.now {
		ctx = t.begin()
		defer t.end()
		if ms := w.limit(side); ms > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, ms)
			defer cancel()
		}
	}
	e, err := w.k.await(ctx, d, c)
	if err != nil {
		return interruptedBy(err, c.waited)
	}
	return e
}

func (w *winsock) limit(side int) time.Duration {
	if side < 0 {
		return 0
	}
	return time.Duration(w.timeout[side].Load()) * time.Millisecond
}

// interruptedBy is the code of a call that was not ended by its socket.
func interruptedBy(err error, waited bool) wsa.Errno {
	switch {
	case errors.Is(err, net.ErrClosed) && !waited:
		return wsa.ENOTSOCK
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return wsa.ETIMEDOUT
	}
	return wsa.EINTR
}
