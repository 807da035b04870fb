package provider

import (
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
)

// The guards of the entries by which sockets come and go. There the breaker is asked,
// also where the layer has not replaced the entry.

// undo closes, from the storey below the layer that panicked, what was made for it.
func undo(made []*Socket, close func(*Socket, CloseMode) wsa.Errno) {
	for _, s := range made {
		if !s.closed.Load() {
			close(s, CloseAbort)
		}
	}
}

// socket undoes a socket that was made below before the layer panicked.
func (g *guard) socket(f func(*SocketRequest) (*Socket, wsa.Errno)) func(*SocketRequest) (*Socket, wsa.Errno) {
	return func(r *SocketRequest) (*Socket, wsa.Errno) {
		q := *r
		q.made = new([]*Socket)
		admitted := g.breaker.admit()
		var s *Socket
		var e wsa.Errno
		switch {
		case admitted == refused && g.on != FailOpen:
			return nil, wsa.EPROVIDERFAILEDINIT
		case admitted == refused || f == nil:
			s, e = g.below.WSPSocket(&q)
		default:
			s, e = g.opened(g.call(opSocket, nil), f, &q)
		}
		if r.made != nil { // for the guard above
			*r.made = append(*r.made, *q.made...)
		}
		fresh := e == 0 && slices.Contains(*q.made, s) // else one that lives already, by a token
		switch {
		case admitted == refused && fresh:
			s.pass(g)
		case admitted == trial && fresh:
			s.trials = append(s.trials, g.breaker)
		case admitted == trial:
			g.breaker.untried()
		}
		return s, e
	}
}

func (g *guard) opened(k *call, f func(*SocketRequest) (*Socket, wsa.Errno), q *SocketRequest) (s *Socket, e wsa.Errno) {
	returned := false
	defer func() {
		k.leave()
		if !returned {
			s = nil
			g.landed(opSocket, recover(), nil, &e)
			undo(*q.made, g.below.WSPCloseSocket)
			*q.made = nil
		}
		g.probe.of(s).count(opSocket, e)
	}()
	sought(k, func() { s, e = f(q) })
	returned = true
	if what := nothing(q, s); e == 0 && what != "" {
		g.accuse(Lied, opSocket.String(), nil, what)
		e = wsa.SYSCALLFAILURE
	}
	return s, e
}

// accept is WSPAccept. A socket that is accepted passes a layer by if the listener does,
// as the layer knows neither; one that AcceptEx brings (Into) has to agree.
func (g *guard) accept(f func(*Socket, *AcceptRequest) (*Socket, wsa.Errno)) func(*Socket, *AcceptRequest) (*Socket, wsa.Errno) {
	above := &guard{chain: g.chain, layer: "above " + g.layer} // whose condition function r.Cond is
	return func(s *Socket, r *AcceptRequest) (*Socket, wsa.Errno) {
		by, e := g.apart(s)
		if e != 0 {
			return nil, e
		}
		q := *r
		q.made = new([]*Socket)
		admitted := passed
		switch {
		case r.Into != nil && g.passes(r.Into) != by:
			return nil, wsa.EINVAL
		case !by:
			admitted = g.breaker.admit()
		}
		if admitted == refused && g.on != FailOpen {
			return g.turnAway(s)
		}
		by = by || admitted == refused && r.Into == nil
		var n *Socket
		if by || f == nil {
			n, e = g.below.WSPAccept(s, &q)
		} else {
			n, e = g.accepted(f, s, &q, above)
		}
		if r.made != nil {
			*r.made = append(*r.made, *q.made...)
		}
		switch {
		case e == 0 && by && n != r.Into:
			n.pass(g)
		case admitted == trial && e == 0 && n != r.Into:
			n.trials = append(n.trials, g.breaker)
		case admitted == trial:
			g.breaker.untried()
		}
		return n, e
	}
}

func (g *guard) accepted(f func(*Socket, *AcceptRequest) (*Socket, wsa.Errno), s *Socket, q *AcceptRequest, above *guard) (n *Socket, e wsa.Errno) {
	noted, returned := g.begin(opAccept, s), false
	q.Cond = above.cond(q.Cond, noted)
	defer func() {
		if !returned {
			n = nil
			g.landed(opAccept, recover(), s, &e)
			undo(*q.made, g.below.WSPCloseSocket)
			*q.made = nil
		}
		g.end(noted, opAccept, s, e)
	}()
	n, e = f(s, q)
	returned = true
	if what := nothing(q, n); e == 0 && what != "" {
		g.accuse(Lied, opAccept.String(), s, what)
		e = wsa.ECONNABORTED
	}
	return n, e
}

// turnAway rejects the next connection of a listener, while no new socket may be made.
func (g *guard) turnAway(s *Socket) (*Socket, wsa.Errno) {
	n, e := g.below.WSPAccept(s, &AcceptRequest{Cond: func(*Indication) CondResult { return CF_REJECT }})
	if e == 0 {
		g.below.WSPCloseSocket(n, CloseAbort)
		e = wsa.ECONNREFUSED
	}
	return nil, e
}

// close lets a failed socket through, and closes the storey below if the layer
// panics: a layer cannot keep a socket open (law 9).
func (g *guard) close(f func(*Socket, CloseMode) wsa.Errno) func(*Socket, CloseMode) wsa.Errno {
	if f == nil {
		return nil
	}
	return func(s *Socket, m CloseMode) (e wsa.Errno) {
		if g.passes(s) {
			return g.below.WSPCloseSocket(s, m)
		}
		noted, returned := g.begin(opClose, s), false
		defer func() {
			if !returned {
				g.landed(opClose, recover(), s, &e)
				e = 0
				undo([]*Socket{s}, g.below.WSPCloseSocket)
			}
			g.end(noted, opClose, s, e)
		}()
		e = f(s, m)
		returned = true
		return e
	}
}
