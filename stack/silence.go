package stack

import "time"

// silences remembers the SYNs that Flow.Drop left unanswered.
type silences struct {
	until map[silence]time.Time
	order []silence // ring of up to silenceMax, to forget the oldest
	next  int
}

type silence struct {
	key flowKey
	isn uint32
}

const (
	silenceMax  = 4096
	silenceTime = 130 * time.Second // Linux sends its last of 6 retransmissions after 63 s, and gives up after 127 s
)

func (s *silences) init() { s.until = map[silence]time.Time{} }

func (s *silences) has(key flowKey, isn uint32, now time.Time) bool {
	return now.Before(s.until[silence{key, isn}])
}

func (s *silences) add(key flowKey, isn uint32, now time.Time) {
	e := silence{key, isn}
	s.until[e] = now.Add(silenceTime)
	if len(s.order) < silenceMax {
		s.order = append(s.order, e)
		return
	}
	delete(s.until, s.order[s.next])
	s.order[s.next] = e
	s.next = (s.next + 1) % silenceMax
}
