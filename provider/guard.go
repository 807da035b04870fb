package provider

import (
	"sync/atomic"

	"github.com/netnsd/netnsd/provider/wsa"
)

// guard contains one layer of one chain. It stands at every function value that
// crosses a storey (law 14). What it catches (a panic, a stall, a lie) fails the socket
// it happened on and is reported with the layer's name; nobody else notices.
type guard struct {
	chain   *Chain
	layer   string
	on      OnFailure
	breaker *breaker  // nil: what is guarded is not the layer's own
	below   ProcTable // of the storey below, for sockets that pass the layer by

	flies bool   // the layer is called for sockets: flight is the place on them
	place int    // of its flight
	bit   uint32 // of Socket.odd, if a socket passes it by
	index int    // of Place

	stray   flight
	running atomic.Int64 // goroutines and timers' functions
	faults  [Leaked + 1]atomic.Uint64
	probe   probe
}

// caught is deferred around a call, directly: recover works in no other frame. It looks
// at returned, as after runtime.Goexit there is nothing to recover.
func (g *guard) caught(op entry, s *Socket, e *wsa.Errno, returned *bool) {
	if !*returned {
		g.landed(op, recover(), s, e)
	}
}

// landed is called when an entry did not return: v is what recover gave.
func (g *guard) landed(op entry, v any, s *Socket, e *wsa.Errno) {
	g.accuse(Panicked, op.String(), s, orExit(v))
	*e = brokenErrno(s)
}

// orExit is what recover gave; nothing means that the goroutine was ended.
func orExit(v any) any {
	if v == nil {
		return "runtime.Goexit"
	}
	return v
}

// brokenErrno is what an operation returns that a guard has ended.
func brokenErrno(s *Socket) wsa.Errno {
	if s == nil {
		return wsa.SYSCALLFAILURE
	}
	return wsa.ECONNABORTED
}

// begin notes a call for s that may run beside others, until 0 is stored to what it
// returns; nil if it cannot be noted.
func (g *guard) begin(op entry, s *Socket) *atomic.Uint64 {
	if !g.flies || g.place >= len(s.flights) {
		return nil
	}
	return s.flights[g.place].take(op, g.chain.watchdog.tick.Load())
}

// flight is where the calls for s are noted; of a socket of another chain nowhere.
func (g *guard) flight(s *Socket) *flight {
	if g.place < len(s.flights) {
		return &s.flights[g.place]
	}
	return &g.stray
}

// end is the other end of begin.
func (g *guard) end(noted *atomic.Uint64, op entry, s *Socket, e wsa.Errno) {
	end(noted)
	g.probe.of(s).count(op, e)
}

func end(noted *atomic.Uint64) {
	if noted != nil {
		noted.Store(0)
	}
}

// apart says what to do for a socket that is not as others: it was failed, or it passes
// the layer by.
func (g *guard) apart(s *Socket) (by bool, e wsa.Errno) {
	if e := s.Failed(); e != 0 {
		return false, e
	}
	return s.odd.Load()&g.bit != 0, 0
}

// passes reports that s passes the layer by ([Chain.Breakers]).
func (g *guard) passes(s *Socket) bool { return s.odd.Load()&g.bit != 0 }

// guarded wraps the entries that a layer replaced; nil entries stay nil, but for
// those in which the breaker is asked.
func (g *guard) guarded(t ProcTable) ProcTable {
	b := &g.below
	t.WSPSocket = g.socket(t.WSPSocket)
	t.WSPAccept = g.accept(t.WSPAccept)
	t.WSPJoinLeaf = guardValue(g, opJoinLeaf, t.WSPJoinLeaf, b.WSPJoinLeaf, nothing[*JoinRequest, Socket])
	t.WSPDuplicateSocket = guardValue(g, opDuplicate, t.WSPDuplicateSocket, b.WSPDuplicateSocket, nothing[uint32, ProtocolInfo])
	t.WSPCloseSocket = g.close(t.WSPCloseSocket)
	t.WSPCleanup = g.cleanup(t.WSPCleanup)
	t.WSPBind = guardErrno(g, opBind, t.WSPBind, b.WSPBind)
	t.WSPConnect = guardErrno(g, opConnect, t.WSPConnect, b.WSPConnect)
	t.WSPListen = guardErrno(g, opListen, t.WSPListen, b.WSPListen)
	t.WSPShutdown = guardErrno(g, opShutdown, t.WSPShutdown, b.WSPShutdown)
	t.WSPGetSockName = g.name(opGetSockName, t.WSPGetSockName, b.WSPGetSockName)
	t.WSPGetPeerName = g.name(opGetPeerName, t.WSPGetPeerName, b.WSPGetPeerName)
	t.WSPRecv = g.receives(opRecv, t.WSPRecv, b.WSPRecv)
	t.WSPRecvFrom = g.receives(opRecvFrom, t.WSPRecvFrom, b.WSPRecvFrom)
	t.WSPSend = g.sends(opSend, t.WSPSend, b.WSPSend)
	t.WSPSendTo = g.sends(opSendTo, t.WSPSendTo, b.WSPSendTo)
	t.WSPIoctl = guardValue(g, opIoctl, t.WSPIoctl, b.WSPIoctl, tooLong)
	t.WSPGetSockOpt = g.getOpt(t.WSPGetSockOpt, b.WSPGetSockOpt)
	t.WSPSetSockOpt = g.setOpt(t.WSPSetSockOpt, b.WSPSetSockOpt)
	t.WSPAddressToString = g.addressToString(t.WSPAddressToString)
	t.WSPStringToAddress = g.stringToAddress(t.WSPStringToAddress)
	t.Ready = g.ready(t.Ready, b.Ready)
	t.Watch = g.watch(t.Watch, b.Watch)
	return t
}

// guardErrno guards an entry of the shape (socket, argument) → code.
func guardErrno[X any](g *guard, op entry, f, below func(*Socket, X) wsa.Errno) func(*Socket, X) wsa.Errno {
	if f == nil {
		return nil
	}
	return func(s *Socket, x X) (e wsa.Errno) {
		if s.odd.Load() != 0 {
			if by, e := g.apart(s); e != 0 {
				return e
			} else if by {
				return below(s, x)
			}
		}
		noted, returned := g.begin(op, s), false
		defer func() {
			if !returned {
				g.landed(op, recover(), s, &e)
			}
			g.end(noted, op, s, e)
		}()
		e = f(s, x)
		returned = true
		return e
	}
}

// guardValue guards an entry of the shape (socket, argument) → (value, code). lie says
// what is wrong with a value that came with no error, "" if nothing is.
func guardValue[X, R any](g *guard, op entry, f, below func(*Socket, X) (R, wsa.Errno), lie func(X, R) string) func(*Socket, X) (R, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket, x X) (r R, e wsa.Errno) {
		if s.odd.Load() != 0 {
			if by, e := g.apart(s); e != 0 {
				return r, e
			} else if by {
				return below(s, x)
			}
		}
		noted, returned := g.begin(op, s), false
		defer func() {
			if !returned {
				g.landed(op, recover(), s, &e)
			}
			g.end(noted, op, s, e)
		}()
		r, e = f(s, x)
		returned = true
		if e == 0 {
			if what := lie(x, r); what != "" {
				g.accuse(Lied, op.String(), s, what)
				r, e = *new(R), brokenErrno(s)
			}
		}
		return r, e
	}
}
