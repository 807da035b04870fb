package sockets

import (
	"math/bits"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// MessageProc stands for the window of WSPAsyncSelect: it is told of one network
// event of s, with its error. It runs on a goroutine of the session, for one
// socket one at a time and in order. It may call the table, but should not block; it
// must not call WSPCleanup or [Session.Close], which wait for it.
type MessageProc func(s SOCKET, event wsa.Events, e wsa.Errno)

// NetworkEvents is WSANETWORKEVENTS. Errors has the code of each event at its
// bit's index; those of other events are left as they are.
type NetworkEvents struct {
	Events wsa.Events
	Errors [10]wsa.Errno
}

// A selection makes edges of the levels that Ready reports (winsock-spi 6.4): an
// event is recorded once, and again when its re-enabling function was called
// (winsock.enabled). It is where WSPEventSelect or WSPAsyncSelect have put it.
type selection struct {
	k   *sock
	job job

	mu      sync.Mutex // not held while the application's code runs
	handle  SOCKET     // that registered
	mask    wsa.Events // 0: no registration
	event   *Event
	post    MessageProc
	record  NetworkEvents // not fetched, or not yet posted
	posting bool
}

// Events that are enabled when a socket is made: FD_CONNECT is by a connect, and
// the changes by their ioctls.
const atFirst = wsa.FD_READ | wsa.FD_WRITE | wsa.FD_OOB | wsa.FD_ACCEPT | wsa.FD_CLOSE

func (w *winsock) selecting() *selection {
	if s := w.selection.Load(); s != nil {
		return s
	}
	s := &selection{k: w.k}
	s.job = job{k: w.k, run: s.run, own: true}
	if w.selection.CompareAndSwap(nil, s) {
		return s
	}
	return w.selection.Load()
}

// register makes (mask, event or post) the one registration of the socket. What
// was recorded for the one before and nobody has seen may be recorded again.
func (s *selection) register(h SOCKET, mask wsa.Events, event *Event, post MessageProc) {
	s.mu.Lock()
	s.k.winsock.enabled.Or(uint32(s.record.Events))
	s.handle, s.mask, s.event, s.post, s.record = h, mask, event, post, NetworkEvents{}
	s.mu.Unlock()
	s.look()
}

// registered tells what is in force.
func (s *selection) registered() (wsa.Events, *Event, MessageProc) {
	if s == nil {
		return 0, nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mask, s.event, s.post
}

// enable allows events to be recorded again, as their re-enabling function was
// called, and records those whose condition holds. e is what that function
// returned: one that failed for its arguments (EFAULT) re-enables messages, but
// not event objects (observed, winsock-spi 12.7).
func (w *winsock) enable(events wsa.Events, e wsa.Errno) {
	s := w.selection.Load()
	if e == wsa.EFAULT {
		if _, _, post := s.registered(); post == nil {
			return
		}
	}
	if wsa.Events(w.enabled.Load())&events != events {
		w.enabled.Or(uint32(events))
	}
	if s != nil {
		s.look()
	}
}

// look records what has happened and is enabled. It is called with no lock of
// the socket held.
func (s *selection) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	mask := s.mask & wsa.Events(s.k.winsock.enabled.Load())
	if mask == 0 {
		return
	}
	w := s.k.winsock
	taken := w.receives() // before, as a level that an operation has just used up is none
	r, open := s.k.level(mask | wsa.FD_CONNECT)
	if !open {
		return
	}
	if w.k.s.Failed() != 0 && s.mask&(wsa.FD_CONNECT|wsa.FD_CLOSE) != 0 {
		r.Events &= wsa.FD_CONNECT | wsa.FD_CLOSE // who asks for neither hears of it by what he asks for
	}
	now := w.events(r, mask) & mask
	if taken || w.receives() {
		now &^= wsa.FD_READ | wsa.FD_ACCEPT // they go to the operation that waits; who serves it looks again
	}
	if now != 0 {
		s.add(now, r)
	}
}

// receives reports an overlapped receive or accept that waits.
func (w *winsock) receives() bool {
	p := w.k.rd.front.Load()
	return p != nil && p.o != nil
}

// events are the network events that the level r stands for, of those in mask.
func (w *winsock) events(r provider.Readiness, mask wsa.Events) wsa.Events {
	ev := r.Events
	if ev&wsa.FD_CONNECT != 0 && r.Connect != 0 {
		ev &^= wsa.FD_WRITE
		if mask&wsa.FD_CONNECT != 0 {
			ev &^= wsa.FD_CLOSE // a failed attempt is one event; a connection that was failed has had its FD_CONNECT
		}
	}
	if ev&wsa.FD_WRITE != 0 && w.k.s.Type != wsa.SOCK_STREAM && !w.bound() {
		ev &^= wsa.FD_WRITE // select finds it writable, but it is not an event (winsock-spi 12.2, 12.4)
	}
	return ev
}

func (w *winsock) bound() bool {
	w.k.ctl.Lock()
	defer w.k.ctl.Unlock()
	if w.k.closed.Load() {
		return false
	}
	_, e := w.k.table.WSPGetSockName(w.k.s)
	return e == 0
}

// add records events; s.mu is held.
func (s *selection) add(now wsa.Events, r provider.Readiness) {
	s.k.winsock.enabled.And(^uint32(now))
	s.record.Events |= now
	if now&wsa.FD_CONNECT != 0 {
		s.record.Errors[bits.TrailingZeros32(uint32(wsa.FD_CONNECT))] = r.Connect
		if r.Connect != 0 {
			s.k.winsock.enabled.And(^uint32(wsa.FD_CLOSE)) // until the next attempt
		}
	}
	if now&wsa.FD_CLOSE != 0 {
		s.record.Errors[bits.TrailingZeros32(uint32(wsa.FD_CLOSE))] = r.Close
	}
	if s.event != nil {
		s.event.Set()
	}
	if s.post != nil && !s.posting {
		s.job.schedule()
	}
}

// joined records FD_CONNECT, as WSPJoinLeaf has returned with e. A join that failed
// has told so: there is no attempt that would end, and the event would be taken for
// that of a connect.
func (s *selection) joined(e wsa.Errno) {
	if s == nil || e != 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mask&wsa.FD_CONNECT != 0 {
		s.add(wsa.FD_CONNECT, provider.Readiness{})
	}
}

// run is the job: it looks, and posts the messages.
func (s *selection) run() {
	s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.posting {
		return
	}
	s.posting = true
	for s.post != nil && s.record.Events != 0 {
		i := bits.TrailingZeros32(uint32(s.record.Events))
		post, handle, e := s.post, s.handle, s.record.Errors[i]
		s.record.Events &^= 1 << i
		s.record.Errors[i] = 0
		unlocked(&s.mu, func() { post(handle, 1<<i, e) })
	}
	s.posting = false
}

// fetch is WSPEnumNetworkEvents: it takes the record and resets event.
func (s *selection) fetch(event *Event, ne *NetworkEvents) wsa.Errno {
	if event != nil && !event.valid() {
		return wsa.EINVAL
	}
	if s == nil {
		ne.Events = 0
		event.Reset()
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ne.Events = 0
	if s.post == nil {
		ne.Events = s.record.Events
		for i := range ne.Errors {
			if ne.Events&(1<<i) != 0 {
				ne.Errors[i] = s.record.Errors[i]
			}
		}
		s.record = NetworkEvents{}
	}
	event.Reset()
	return 0
}

// stop takes the registration away, for good; the event stays its owner's.
func (s *selection) stop() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.mask, s.event, s.post, s.record = 0, nil, nil, NetworkEvents{}
	s.mu.Unlock()
}
