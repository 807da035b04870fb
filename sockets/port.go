package sockets

import (
	"sync"

	"github.com/netnsd/netnsd/provider/wsa"
)

// A Completion is one record of a completion port.
type Completion struct {
	Key        uintptr     // that the socket was associated with, or posted
	Overlapped *Overlapped // of the operation; what was posted, else
	N          uint32      // bytes
	Errno      wsa.Errno   // 0, or why the operation failed: ECONNABORTED when its socket was closed
}

// A CompletionPort gathers the completions of many sockets for few goroutines.
// It is bounded: it has room for the completion of each operation that was
// started, or the operation is not started (ENOBUFS). Methods may be called from
// any goroutine.
//
// A goroutine that waits in Get does the work of the sockets that become ready
// itself, so that no hand-over stands between a packet and its completion; when
// none waits, the session's workers do.
type CompletionPort struct {
	mu       sync.Mutex
	ring     []Completion // records[first:first+n], circular
	first, n int
	reserved int // records, and operations that will become one
	max      int
	jobs     struct{ first, last *job }
	idle     []*getter // who wait, the last first: its stack is still warm
	free     []*getter
	closed   bool
}

// association binds a socket to a port.
type association struct {
	port *CompletionPort
	key  uintptr
}

// DefaultCompletions is what CreateCompletionPort(0) holds.
const DefaultCompletions = 1 << 20

// CreateCompletionPort is CreateIoCompletionPort without a file: a port for at
// most max operations and records at a time, 0 for DefaultCompletions.
func CreateCompletionPort(max int) *CompletionPort {
	if max <= 0 {
		max = DefaultCompletions
	}
	return &CompletionPort{max: max}
}

// reserve makes room for one record; ENOBUFS if there is none.
func (p *CompletionPort) reserve() wsa.Errno {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return wsa.INVALID_HANDLE
	case p.reserved >= p.max:
		return wsa.ENOBUFS
	}
	p.reserved++
	return 0
}

func (p *CompletionPort) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// unreserve gives back what was reserved for an operation that was not started.
func (p *CompletionPort) unreserve() {
	p.mu.Lock()
	p.reserved--
	p.mu.Unlock()
}

// post queues the record of a reservation. Locks of a table call may be held.
func (p *CompletionPort) post(c Completion) {
	p.mu.Lock()
	if p.closed {
		p.reserved--
		p.mu.Unlock()
		return
	}
	p.put(c)
	g := p.waiter()
	p.mu.Unlock()
	g.prod()
}

func (p *CompletionPort) put(c Completion) {
	if p.n == len(p.ring) {
		ring := make([]Completion, max(16, 2*p.n))
		for i := range p.n {
			ring[i] = p.ring[(p.first+i)%len(p.ring)]
		}
		p.ring, p.first = ring, 0
	}
	p.ring[(p.first+p.n)%len(p.ring)] = c
	p.n++
}

func (p *CompletionPort) take() Completion {
	c := p.ring[p.first]
	p.ring[p.first] = Completion{}
	p.first = (p.first + 1) % len(p.ring)
	p.n--
	p.reserved--
	return c
}

// Post is PostQueuedCompletionStatus: a record of the caller's own. ENOBUFS: the
// port is full. INVALID_HANDLE: it is closed.
func (p *CompletionPort) Post(n uint32, key uintptr, o *Overlapped) wsa.Errno {
	if e := p.reserve(); e != 0 {
		return e
	}
	p.post(Completion{Key: key, Overlapped: o, N: n})
	return 0
}

// lend gives j to somebody who waits in Get; false if nobody does.
func (p *CompletionPort) lend(j *job) bool {
	p.mu.Lock()
	g := p.waiter()
	if g == nil {
		p.mu.Unlock()
		return false
	}
	j.next = nil
	if p.jobs.last == nil {
		p.jobs.first = j
	} else {
		p.jobs.last.next = j
	}
	p.jobs.last = j
	p.mu.Unlock()
	g.prod()
	return true
}

func (p *CompletionPort) job() *job {
	j := p.jobs.first
	if j == nil {
		return nil
	}
	if p.jobs.first = j.next; p.jobs.first == nil {
		p.jobs.last = nil
	}
	j.next = nil
	return j
}

// Close ends the port: those who wait return INVALID_HANDLE, records that are
// left are dropped, operations of its sockets still complete, unrecorded.
func (p *CompletionPort) Close() wsa.Errno {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return wsa.INVALID_HANDLE
	}
	p.closed = true
	p.reserved -= p.n
	p.ring, p.n = nil, 0
	idle := p.idle
	p.idle = nil
	var left []*job
	for j := p.job(); j != nil; j = p.job() {
		left = append(left, j)
	}
	p.mu.Unlock()
	for _, g := range idle {
		g.prod()
	}
	for _, j := range left {
		j.k.owner().workers.push(j)
	}
	return 0
}
