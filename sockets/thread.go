package sockets

import (
	"context"
	"sync"

	"github.com/netnsd/netnsd/provider/wsa"
)

// A Thread stands for the thread of Windows that starts operations
// (WSATHREADID): goroutines have no identity, so it is made explicit. It holds
// the completion routines that are due until its owner waits alertably (SleepEx),
// and is what WSPCancelBlockingCall cancels. Its methods may be called from any
// goroutine; routines run in the one that calls SleepEx, one after the other.
//
// Unlike a thread of Windows it has no end that would cancel what it started.
type Thread struct {
	mu       sync.Mutex
	due      []apc
	wake     chan struct{} // capacity 1
	running  bool          // a routine, so that none nests
	blocking int           // calls that may block
	ctx      context.Context
	cancel   context.CancelFunc
}

// apc is what QueueAPC or a completion queued.
type apc struct {
	f func()

	routine CompletionRoutine
	o       *Overlapped
	errno   wsa.Errno
	n       uint32
	flags   wsa.MsgFlags
}

// CompletionRoutine is LPWSAOVERLAPPED_COMPLETION_ROUTINE.
type CompletionRoutine func(e wsa.Errno, n uint32, o *Overlapped, flags wsa.MsgFlags)

// OpenThread is a new Thread (WPUOpenCurrentThread).
func OpenThread() *Thread {
	t := &Thread{wake: make(chan struct{}, 1)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// QueueAPC has f run by the next SleepEx (WPUQueueApc).
func (t *Thread) QueueAPC(f func()) { t.queue(apc{f: f}) }

func (t *Thread) queue(a apc) {
	t.mu.Lock()
	t.due = append(t.due, a)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// SleepEx waits alertably: it runs the routines that are due, or waits for the
// first that will be, and returns how many it ran. It returns 0 when ctx ends. While a
// routine runs no other does: one that calls SleepEx itself waits for the end of ctx,
// as routines do not nest here; on Windows those of other sockets may.
func (t *Thread) SleepEx(ctx context.Context) int {
	for {
		if n := t.drain(); n > 0 {
			return n
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
			return t.drain()
		}
	}
}

func (t *Thread) drain() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running {
		return 0
	}
	t.running = true
	defer func() { t.running = false }()
	for ; len(t.due) > 0; n++ {
		a := t.due[0]
		t.due[0] = apc{}
		if t.due = t.due[1:]; len(t.due) == 0 {
			t.due = nil
		}
		unlocked(&t.mu, a.run)
	}
	return n
}

// unlocked runs f, which is the application's and may panic, without mu.
func unlocked(mu *sync.Mutex, f func()) {
	mu.Unlock()
	defer mu.Lock()
	f()
}

func (a *apc) run() {
	if a.f != nil {
		a.f()
		return
	}
	a.routine(a.errno, a.n, a.o, a.flags)
}

// CancelBlockingCall is WSPCancelBlockingCall of this thread: the call that
// blocks now returns EINTR. EINVAL: none does.
func (t *Thread) CancelBlockingCall() wsa.Errno {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.blocking == 0 {
		return wsa.EINVAL
	}
	t.cancel()
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return 0
}

// begin enters a call that may block; it is cancelled by the context.
func (t *Thread) begin() context.Context {
	if t == nil {
		return context.Background()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blocking++
	return t.ctx
}

func (t *Thread) end() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.blocking--
	t.mu.Unlock()
}

// IsBlocking is WSAIsBlocking of this thread: whether a call of it blocks now, or
// may do so at once.
func (t *Thread) IsBlocking() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.blocking > 0
}
