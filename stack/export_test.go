package stack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// RaceEnabled is for the tests from outside.
const RaceEnabled = raceEnabled

// FitAll shares the buffers out anew, as if the last time were long ago.
func (s *Stack) FitAll() {
	s.buffers.mu.Lock()
	s.buffers.shrunk = tcpip.MonotonicTime{}.Add(-time.Hour)
	s.buffers.mu.Unlock()
	s.fitBuffers()
}

// BufferWalks is how often all connections were gone through.
func (s *Stack) BufferWalks() int {
	s.buffers.mu.Lock()
	defer s.buffers.mu.Unlock()
	return s.buffers.walks
}
