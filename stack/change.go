package stack

import "slices"

// OnChange has f called after each change of addresses or routes (AddNIC, NIC.Close,
// AddAddr, RemoveAddr, SetRoutes, Close), in the goroutine that made it and with the
// Stack's lock held: f only marks and schedules, and calls nothing of the Stack. After
// stop has returned f is not called any more; stop must not be called from f.
func (s *Stack) OnChange(f func()) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := &f
	s.changed = append(s.changed, own)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed = slices.DeleteFunc(s.changed, func(g *func()) bool { return g == own })
	}
}

// tell calls the functions of OnChange. Called with mu held.
func (s *Stack) tell() {
	for _, f := range s.changed {
		(*f)()
	}
}
