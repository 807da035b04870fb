package gateway

import (
	"sync"
	"time"
)

// starts has the attempts of a flood begin one after the other. To make a socket and send
// its SYN costs 50 to 100 us, and as many may be in flight as there may be handshakes,
// 4096: every packet of every neighbour in the process would wait for all of those, again
// and again. As long as every P has a goroutine to run, the runtime looks after descriptors
// but every 10 ms (sysmon).
//
// So there has to be a P that is idle now and then. With more than manyStarts in flight
// they begin in bursts, and a rest between is as short as the runtime's timers are (a
// millisecond, of epoll_wait); the others are parked, first come first. And Pace gives all
// Ps: the packets of a flood keep one busy alone. What a neighbour has left of its fetches of
// 1 MiB at 50 000 SYNs a second to a port that is closed, 2 CPUs: 0.02 without bursts, 0.02
// with one P, 0.7 as it is. netnsd bench --table flood has what is left of other loads.
type starts struct {
	mu      sync.Mutex
	begun   int // since the last rest
	waiting []*start
	resting *time.Timer // nil: there is no flood
}

const (
	manyStarts = 256
	startBurst = 4
	startRest  = time.Millisecond
)

// A start waits for its turn.
type start struct {
	begin chan struct{} // closed when it may begin
	over  bool          // it has given up
}

// enter waits for its turn, with so many in flight; false if it was canceled before.
func (s *starts) enter(inFlight int, canceled <-chan struct{}) bool {
	s.mu.Lock()
	if s.resting == nil && inFlight <= manyStarts {
		s.mu.Unlock()
		return true
	}
	if s.resting == nil {
		s.resting = time.AfterFunc(startRest, s.rested)
	}
	if s.begun < startBurst {
		s.begun++
		s.mu.Unlock()
		return true
	}
	w := &start{begin: make(chan struct{})}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	select {
	case <-w.begin:
		return true
	case <-canceled:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.begin: // too late to give up, others wait behind it
		return true
	default:
	}
	w.over = true
	return false
}

// rested lets the next ones begin. Without any the flood is over.
func (s *starts) rested() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.begun = 0; s.begun < startBurst && len(s.waiting) > 0; s.waiting = s.waiting[1:] {
		if w := s.waiting[0]; !w.over {
			s.begun++
			close(w.begin)
		}
		s.waiting[0] = nil
	}
	if s.begun == 0 {
		s.waiting, s.resting = nil, nil
		return
	}
	flooded()
	s.resting.Reset(startRest)
}

// close ends it when nobody waits any more.
func (s *starts) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resting != nil {
		s.resting.Stop()
	}
}
