package sockets

import (
	"context"
	"sync"

	"github.com/netnsd/netnsd/provider/wsa"
)

// An Event is an event object (WSACreateEvent): manual-reset, at first not
// signalled. It belongs to who made it; sockets and overlapped operations signal
// it. Methods may be called from any goroutine and on a nil Event, which is
// WSA_INVALID_EVENT.
type Event struct {
	mu     sync.Mutex
	set    bool
	closed bool
	signal chan struct{} // closed while set; made when somebody waits
}

// CreateEvent is WSACreateEvent.
func CreateEvent() *Event { return new(Event) }

// Set is WSASetEvent: all who wait go on, until Reset. INVALID_HANDLE after Close.
func (e *Event) Set() wsa.Errno {
	return e.change(func() {
		if !e.set && e.signal != nil {
			close(e.signal)
		}
		e.set = true
	})
}

// Reset is WSAResetEvent. INVALID_HANDLE after Close.
func (e *Event) Reset() wsa.Errno {
	return e.change(func() {
		if e.set {
			e.signal = nil
		}
		e.set = false
	})
}

// Close is WSACloseEvent. Those who wait learn of it: INVALID_HANDLE.
func (e *Event) Close() wsa.Errno {
	return e.change(func() {
		if !e.set && e.signal != nil {
			close(e.signal)
		}
		e.closed = true
	})
}

func (e *Event) change(f func()) wsa.Errno {
	if e == nil {
		return wsa.INVALID_HANDLE
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return wsa.INVALID_HANDLE
	}
	f()
	return 0
}

// signalled is closed while the event is set, or when it is closed.
func (e *Event) signalled() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.signal == nil {
		e.signal = make(chan struct{})
		if e.set || e.closed {
			close(e.signal)
		}
	}
	return e.signal
}

func (e *Event) valid() bool {
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.closed
}

// IsSet reports whether the event is signalled, without waiting
// (WaitForSingleObject with 0).
func (e *Event) IsSet() bool {
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.set && !e.closed
}

// Wait is WSAWaitForMultipleEvents for one event: it blocks until the event is
// signalled, EINTR when ctx ends, INVALID_HANDLE when the event is closed.
func (e *Event) Wait(ctx context.Context) wsa.Errno {
	if !e.valid() {
		return wsa.INVALID_HANDLE
	}
	select {
	case <-e.signalled():
	case <-ctx.Done():
		if !e.IsSet() {
			return wsa.EINTR
		}
	}
	if !e.valid() {
		return wsa.INVALID_HANDLE
	}
	return 0
}
