package provider

import "github.com/netnsd/netnsd/provider/wsa"

// Deciding builds, from the layer's Decide, all the entries by which a socket
// can reach or be reached: connect, sendto, accept, listen and joinleaf, which is
// asked for by WSPJoinLeaf and by the options that join a group. A layer that decides
// returns it from Startup, with entries of its own added if it has any.
//
// No data entry is replaced. A stream ignores the address of WSPSendTo; on a
// datagram chain the builder has each datagram judged before the layer's
// WSPSendTo, or the storey's below, is called. So a layer that only decides does
// not stand in the path of the bytes, and it can be told from one that does.
func Deciding(r *StartupRequest, next *ProcTable) ProcTable {
	ask := r.build.decider
	ask.sends = r.Info.MessageOriented()
	g := decider{ask: ask, next: next, getPeer: next.WSPGetPeerName, getSock: next.WSPGetSockName}
	t := ProcTable{
		WSPConnect:  g.connect(next.WSPConnect),
		WSPAccept:   g.accept(next.WSPAccept, next.WSPCloseSocket),
		WSPListen:   g.listen(next.WSPListen),
		WSPJoinLeaf: g.join(next.WSPJoinLeaf),
	}
	if ask.sends { // no stream is a member of a group
		t.WSPSetSockOpt = g.setSockOpt(next.WSPSetSockOpt)
	}
	return t
}

type decider struct {
	ask     *deciding
	next    *ProcTable
	getPeer func(*Socket) (Addr, wsa.Errno)
	getSock func(*Socket) (Addr, wsa.Errno)
}

// FactsOf are the facts of an operation on s towards remote.
func FactsOf(s *Socket, remote Addr) Facts {
	return Facts{
		Origin:   s.Origin,
		Type:     s.Type,
		Protocol: s.Protocol,
		Remote:   remote,
		Names:    s.Origin.NamesOf(remote.Addr()),
		Late:     s.Learned(),
	}
}

// Judge asks the deciding layers of s's chain about something that is learned
// while s lives (OpSNI, OpHTTP), and keeps their answer on s. What a denial means
// is the caller's to do: [Socket.Fail], with the verdict's code.
func (s *Socket) Judge(f Facts, op Op) Verdict {
	v := s.chain.decideFor(s, f, op)
	if v.Action != NoOpinion {
		s.note(v)
	}
	return v
}

// judge keeps the verdict on the socket; a denial's code is returned.
func (d *decider) judge(s *Socket, f Facts, op Op) wsa.Errno {
	v := d.ask.decide(s, f, op)
	if v.Action == NoOpinion {
		return 0
	}
	s.note(v)
	if v.Denied() {
		return v.Errno
	}
	return 0
}

// note keeps v unless an equal verdict stands there: a socket that sends many
// datagrams under one rule allocates once.
func (s *Socket) note(v Verdict) {
	if old := s.verdict.Load(); old != nil && *old == v {
		return
	}
	kept := v // not &v: the parameter would be moved to the heap on every call
	s.verdict.Store(&kept)
}

func (d *decider) connect(next func(*Socket, *ConnectRequest) wsa.Errno) func(*Socket, *ConnectRequest) wsa.Errno {
	return func(s *Socket, r *ConnectRequest) wsa.Errno {
		if r.To.Family != 0 {
			if e := d.judge(s, FactsOf(s, r.To), OpConnect); e != 0 {
				return e
			}
		}
		return next(s, r)
	}
}

// sendTo judges a datagram once: a retry (MSG_PENDED) of one that it has let pass, and
// of no other.
func (d *decider) sendTo(next func(*Socket, *Msg) (int, wsa.Errno)) func(*Socket, *Msg) (int, wsa.Errno) {
	return func(s *Socket, m *Msg) (int, wsa.Errno) {
		if m.Addr.Family == 0 {
			return next(s, m)
		}
		to := m.Addr
		if m.Flags&wsa.MSG_PENDED == 0 || !s.waits(d.ask, to) {
			if e := d.judge(s, FactsOf(s, to), OpSendTo); e != 0 {
				return 0, e
			}
		}
		n, e := next(s, m)
		s.tried(d.ask, to, e)
		return n, e
	}
}

// accept judges the connection after it was taken, as only then its peer is
// known; one that is denied is reset and the caller told ECONNREFUSED, as for a
// condition function's CF_REJECT.
func (d *decider) accept(next func(*Socket, *AcceptRequest) (*Socket, wsa.Errno), close func(*Socket, CloseMode) wsa.Errno) func(*Socket, *AcceptRequest) (*Socket, wsa.Errno) {
	return func(s *Socket, r *AcceptRequest) (*Socket, wsa.Errno) {
		n, e := next(s, r)
		if e != 0 {
			return n, e
		}
		peer, _ := d.getPeer(n)
		f := FactsOf(n, peer)
		f.Local, _ = d.getSock(n)
		if d.judge(n, f, OpAccept) != 0 {
			s.note(*n.Verdict())
			if r.Into != nil { // AcceptEx: the socket is its owner's to close
				n.Fail(wsa.ECONNREFUSED, n.Verdict().String())
			} else {
				close(n, CloseAbort)
			}
			return nil, wsa.ECONNREFUSED
		}
		return n, 0
	}
}

func (d *decider) listen(next func(*Socket, int) wsa.Errno) func(*Socket, int) wsa.Errno {
	return func(s *Socket, backlog int) wsa.Errno {
		f := FactsOf(s, Addr{})
		f.Local, _ = d.getSock(s)
		if e := d.judge(s, f, OpListen); e != 0 {
			return e
		}
		return next(s, backlog)
	}
}

func (d *decider) join(next func(*Socket, *JoinRequest) (*Socket, wsa.Errno)) func(*Socket, *JoinRequest) (*Socket, wsa.Errno) {
	return func(s *Socket, r *JoinRequest) (*Socket, wsa.Errno) {
		if e := d.judge(s, FactsOf(s, r.To), OpJoinLeaf); e != 0 {
			return nil, e
		}
		return next(s, r)
	}
}

// setSockOpt judges the options that join a group as WSPJoinLeaf is judged, so that
// they are no way around it. A value that cannot be read goes no further: the base
// might read it.
func (d *decider) setSockOpt(next func(*Socket, int32, int32, []byte) wsa.Errno) func(*Socket, int32, int32, []byte) wsa.Errno {
	return func(s *Socket, level, name int32, in []byte) wsa.Errno {
		if MembershipSize(level, name) == 0 {
			return next(s, level, name, in)
		}
		to, joins, e := JoinedGroup(s, d.getSock, level, name, in)
		if e != 0 {
			return e
		}
		if joins {
			if e := d.judge(s, FactsOf(s, to), OpJoinLeaf); e != 0 {
				return e
			}
		}
		return next(s, level, name, in)
	}
}
