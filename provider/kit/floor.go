package kit

import (
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// floor counts the calls that the function's goroutines make of the storey
// below, so that its close runs last and alone (law 4), and once (law 9): in the
// caller if no call is under way, else in the one that returns last. As no entry
// blocks, that is soon.
type floor struct {
	s    *provider.Socket
	next func(*provider.Socket, provider.CloseMode) wsa.Errno

	mu      sync.Mutex
	calls   int
	closing bool
	closed  bool
	mode    provider.CloseMode
}

// enter begins a call; false if the socket is closed or closing.
func (f *floor) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		return false
	}
	f.calls++
	return true
}

func (f *floor) leave() {
	f.mu.Lock()
	f.calls--
	last := f.last()
	f.mu.Unlock()
	if last {
		f.next(f.s, f.mode)
	}
}

// last reports that the close is due now. mu is held.
func (f *floor) last() bool {
	if !f.closing || f.closed || f.calls > 0 {
		return false
	}
	f.closed = true
	return true
}

// close closes the storey below. Its code is 0 if that has to wait for a call,
// or was done before. An abort overrides a gentler close that still waits.
func (f *floor) close(mode provider.CloseMode) wsa.Errno {
	f.mu.Lock()
	if !f.closing || mode == provider.CloseAbort {
		f.mode = mode
	}
	f.closing = true
	last := f.last()
	f.mu.Unlock()
	if !last {
		return 0
	}
	e := f.next(f.s, mode)
	if e == wsa.EWOULDBLOCK { // it lingers, and stays open
		f.mu.Lock()
		f.closing, f.closed = false, false
		f.mu.Unlock()
	}
	return e
}
