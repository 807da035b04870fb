package stack

import "time"

// RaceEnabled is for the tests from outside.
const RaceEnabled = raceEnabled

// FitAll shares the buffers out anew, as if the last time were long ago.
func (s *Stack) FitAll() {
	s.buffers.mu.Lock()
	s.buffers.shrunk = time.Time{}
	s.buffers.mu.Unlock()
	s.fitBuffers()
}
