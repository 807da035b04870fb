package shape

import "github.com/netnsd/netnsd/provider/wsa"

// way is a direction of bytes, or connections.
type way uint8

const (
	down way = iota
	up
	conns
	ways
)

// A waiter is one direction of a socket. It is guarded by limits.mu.
type waiter struct {
	st         *state
	way        way
	ticket     uint64 // when it began to wait; 0 = it has all it asked for
	in         *pipe
	prev, next *waiter
}

// leave takes w out of where it waits, and the next one's turn may be sooner.
func (w *waiter) leave() {
	if p := w.in; p != nil {
		w.leaveQuietly()
		p.arm(0)
	}
}

func (w *waiter) leaveQuietly() {
	p := w.in
	if p == nil {
		return
	}
	if w.prev == nil {
		p.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		p.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.in, w.prev, w.next = nil, nil, nil
	p.waiting--
}

// wake tells who waits that its turn has come; no lock is held.
func (w *waiter) wake() {
	switch w.way {
	case down:
		w.st.up.wake(w.st.s, wsa.FD_READ|wsa.FD_CLOSE|wsa.EvError)
	case up:
		w.st.up.wake(w.st.s, wsa.FD_WRITE)
	case conns:
		w.st.connectHeld()
	}
}
