package provider

import "github.com/netnsd/netnsd/provider/wsa"

// pendedSend is a datagram that a deciding layer has let pass, and that the storey below
// had no room for: its retry is not judged again (law 7).
type pendedSend struct {
	by   *deciding
	to   Addr
	next *pendedSend // of another layer
}

// Vouch says that whoever owns s has every datagram judged before he marks it
// MSG_PENDED: a gateway, whose answers go to those alone who were judged when they came.
// A socket that a program has a descriptor of is never vouched for.
func (s *Socket) Vouch() { s.vouched.Store(true) }

// waits reports that the datagram to to, which is tried again, was judged by d. One that
// a storey above made wait by itself was not: then d has not seen its first try.
func (s *Socket) waits(d *deciding, to Addr) bool {
	if s.vouched.Load() {
		return true
	}
	for p := s.pended.Load(); p != nil; p = p.next {
		if p.by == d {
			return p.to == to
		}
	}
	return false
}

// tried keeps what became of a datagram below d. One data operation at a time is law 4,
// so nobody else writes.
func (s *Socket) tried(d *deciding, to Addr, e wsa.Errno) {
	all := s.pended.Load()
	switch {
	case s.vouched.Load(), e != wsa.EWOULDBLOCK && all == nil, e == wsa.EWOULDBLOCK && s.waits(d, to):
		return
	}
	var kept *pendedSend
	for p := all; p != nil; p = p.next {
		if p.by != d {
			kept = &pendedSend{p.by, p.to, kept}
		}
	}
	if e == wsa.EWOULDBLOCK {
		kept = &pendedSend{d, to, kept}
	}
	s.pended.Store(kept)
}
