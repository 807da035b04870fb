package provider

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Panic is the report of a panic that a guard caught.
type Panic struct {
	Layer  string
	Op     string  // entry, "wake", "timer", "goroutine" …
	Socket *Socket // failed by it; nil if there was none yet
	Value  any
	Stack  []byte
}

func (p *Panic) Error() string {
	return fmt.Sprintf("provider: layer %s: panic in %s: %v", p.Layer, p.Op, p.Value)
}

// guard contains one layer of one chain. It stands at every function value that
// crosses a storey (law 14): a panic fails the socket it happened on and is
// reported with the layer's name; nobody else notices.
type guard struct {
	chain *Chain
	layer string
}

func (c *Chain) guard(layer string) guard { return guard{c, layer} }

// caught is deferred around a call. It must be deferred directly: recover works
// in no other frame.
func (g guard) caught(op string, s *Socket, e *wsa.Errno) {
	if p := recover(); p != nil {
		g.report(op, s, p)
		*e = wsa.ECONNABORTED
		if s == nil {
			*e = wsa.SYSCALLFAILURE
		}
	}
}

func (g guard) report(op string, s *Socket, value any) {
	g.chain.panics.Add(1)
	r := &Panic{Layer: g.layer, Op: op, Socket: s, Value: value, Stack: debug.Stack()}
	if s != nil {
		s.Fail(wsa.ECONNABORTED, r.Error())
	}
	g.chain.host.Panicked(r)
}

// guarded wraps the entries that a layer replaced; nil entries stay nil.
func (g guard) guarded(t ProcTable, edge *ProcTable, storey int) ProcTable {
	t.WSPSocket = g.socket(t.WSPSocket, edge.WSPCloseSocket)
	t.WSPAccept = g.accept(t.WSPAccept, edge.WSPCloseSocket)
	t.WSPJoinLeaf = guardValue(g, "WSPJoinLeaf", t.WSPJoinLeaf)
	t.WSPDuplicateSocket = guardValue(g, "WSPDuplicateSocket", t.WSPDuplicateSocket)
	t.WSPCloseSocket = g.close(t.WSPCloseSocket, edge.WSPCloseSocket)
	t.WSPCleanup = g.cleanup(t.WSPCleanup)
	t.WSPBind = guardErrno(g, "WSPBind", t.WSPBind)
	t.WSPConnect = guardErrno(g, "WSPConnect", t.WSPConnect)
	t.WSPListen = guardErrno(g, "WSPListen", t.WSPListen)
	t.WSPShutdown = guardErrno(g, "WSPShutdown", t.WSPShutdown)
	t.WSPGetSockName = g.name("WSPGetSockName", t.WSPGetSockName)
	t.WSPGetPeerName = g.name("WSPGetPeerName", t.WSPGetPeerName)
	t.WSPRecv = guardValue(g, "WSPRecv", t.WSPRecv)
	t.WSPRecvFrom = guardValue(g, "WSPRecvFrom", t.WSPRecvFrom)
	t.WSPSend = guardValue(g, "WSPSend", t.WSPSend)
	t.WSPSendTo = guardValue(g, "WSPSendTo", t.WSPSendTo)
	t.WSPIoctl = guardValue(g, "WSPIoctl", t.WSPIoctl)
	t.WSPGetSockOpt = g.getOpt(t.WSPGetSockOpt)
	t.WSPSetSockOpt = g.setOpt(t.WSPSetSockOpt)
	t.WSPAddressToString = g.addressToString(t.WSPAddressToString)
	t.WSPStringToAddress = g.stringToAddress(t.WSPStringToAddress)
	t.Ready = g.ready(t.Ready)
	t.Watch = g.watch(t.Watch, storey)
	return t
}

// guardErrno guards an entry of the shape (socket, argument) → code.
func guardErrno[X any](g guard, op string, f func(*Socket, X) wsa.Errno) func(*Socket, X) wsa.Errno {
	if f == nil {
		return nil
	}
	return func(s *Socket, x X) (e wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return e
		}
		defer g.caught(op, s, &e)
		return f(s, x)
	}
}

// guardValue guards an entry of the shape (socket, argument) → (value, code).
func guardValue[X, R any](g guard, op string, f func(*Socket, X) (R, wsa.Errno)) func(*Socket, X) (R, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket, x X) (r R, e wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return r, e
		}
		defer g.caught(op, s, &e)
		return f(s, x)
	}
}

// socket undoes a socket that was made below before the layer panicked.
func (g guard) socket(f func(*SocketRequest) (*Socket, wsa.Errno), close func(*Socket, CloseMode) wsa.Errno) func(*SocketRequest) (*Socket, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(r *SocketRequest) (s *Socket, e wsa.Errno) {
		q := *r
		var made *Socket
		if q.made == nil {
			q.made = &made
		}
		defer func() {
			if e == wsa.SYSCALLFAILURE && *q.made != nil && s == nil {
				close(*q.made, CloseAbort)
				*q.made = nil
			}
		}()
		defer g.caught("WSPSocket", nil, &e)
		return f(&q)
	}
}

func (g guard) accept(f func(*Socket, *AcceptRequest) (*Socket, wsa.Errno), close func(*Socket, CloseMode) wsa.Errno) func(*Socket, *AcceptRequest) (*Socket, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket, r *AcceptRequest) (n *Socket, e wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return nil, e
		}
		q := *r
		var made *Socket
		if q.made == nil {
			q.made = &made
		}
		q.Cond = g.cond(s, r.Cond)
		panicked := true
		defer func() {
			if panicked && *q.made != nil {
				close(*q.made, CloseAbort)
				*q.made = nil
			}
		}()
		defer g.caught("WSPAccept", s, &e)
		n, e = f(s, &q)
		panicked = false
		return n, e
	}
}

// cond guards a condition function that a layer may have put in place of the
// application's: a panic rejects the connection.
func (g guard) cond(s *Socket, f func(*Indication) CondResult) func(*Indication) CondResult {
	if f == nil {
		return nil
	}
	return func(i *Indication) (r CondResult) {
		defer func() {
			if p := recover(); p != nil {
				g.report("condition function", nil, p)
				r = CF_REJECT
			}
		}()
		return f(i)
	}
}

// close lets a failed socket through, and closes the base if the layer panics:
// a layer cannot keep a socket open (law 9).
func (g guard) close(f, base func(*Socket, CloseMode) wsa.Errno) func(*Socket, CloseMode) wsa.Errno {
	if f == nil {
		return nil
	}
	return func(s *Socket, m CloseMode) (e wsa.Errno) {
		panicked := true
		defer func() {
			if panicked {
				e = base(s, CloseAbort)
			}
		}()
		defer g.caught("WSPCloseSocket", s, &e)
		e = f(s, m)
		panicked = false
		return e
	}
}

func (g guard) cleanup(f func() wsa.Errno) func() wsa.Errno {
	if f == nil {
		return nil
	}
	return func() (e wsa.Errno) {
		defer g.caught("WSPCleanup", nil, &e)
		return f()
	}
}

func (g guard) name(op string, f func(*Socket) (Addr, wsa.Errno)) func(*Socket) (Addr, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket) (a Addr, e wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return a, e
		}
		defer g.caught(op, s, &e)
		return f(s)
	}
}

func (g guard) getOpt(f func(*Socket, int32, int32, []byte) (int, wsa.Errno)) func(*Socket, int32, int32, []byte) (int, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket, level, name int32, out []byte) (n int, e wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return 0, e
		}
		defer g.caught("WSPGetSockOpt", s, &e)
		return f(s, level, name, out)
	}
}

func (g guard) setOpt(f func(*Socket, int32, int32, []byte) wsa.Errno) func(*Socket, int32, int32, []byte) wsa.Errno {
	if f == nil {
		return nil
	}
	return func(s *Socket, level, name int32, in []byte) (e wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return e
		}
		defer g.caught("WSPSetSockOpt", s, &e)
		return f(s, level, name, in)
	}
}

func (g guard) addressToString(f func(Addr, *ProtocolInfo) (string, wsa.Errno)) func(Addr, *ProtocolInfo) (string, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(a Addr, p *ProtocolInfo) (t string, e wsa.Errno) {
		defer g.caught("WSPAddressToString", nil, &e)
		return f(a, p)
	}
}

func (g guard) stringToAddress(f func(string, int32, *ProtocolInfo) (Addr, wsa.Errno)) func(string, int32, *ProtocolInfo) (Addr, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(t string, af int32, p *ProtocolInfo) (a Addr, e wsa.Errno) {
		defer g.caught("WSPStringToAddress", nil, &e)
		return f(t, af, p)
	}
}

func (g guard) ready(f func(*Socket, wsa.Events) Readiness) func(*Socket, wsa.Events) Readiness {
	if f == nil {
		return nil
	}
	return func(s *Socket, mask wsa.Events) (r Readiness) {
		if r, failed := s.FailedReadiness(mask); failed {
			return r
		}
		var e wsa.Errno
		defer func() {
			if e != 0 {
				r, _ = s.FailedReadiness(mask)
			}
		}()
		defer g.caught("Ready", s, &e)
		return f(s, mask)
	}
}

// watch remembers who stands above, so that Fail wakes them even if the layer
// does not pass wakes on.
func (g guard) watch(f func(*Socket, Watcher, wsa.Events), storey int) func(*Socket, Watcher, wsa.Events) {
	if f == nil {
		return nil
	}
	return func(s *Socket, w Watcher, mask wsa.Events) {
		s.mu.Lock()
		if w == nil {
			delete(s.upper, storey)
		} else {
			if s.upper == nil {
				s.upper = make(map[int]Watcher)
			}
			s.upper[storey] = w
		}
		s.mu.Unlock()
		var e wsa.Errno
		defer g.caught("Watch", s, &e)
		f(s, w, mask)
	}
}

// guardedWatcher contains a layer's own watcher, which the storey below calls
// with its locks held: the socket cannot be failed from there, as Fail wakes.
// A watcher that has panicked is not called again.
type guardedWatcher struct {
	guard guard
	w     Watcher
	dead  atomic.Bool
}

func (g *guardedWatcher) Wake(s *Socket, hint wsa.Events) {
	if g.dead.Load() {
		return
	}
	defer g.caught(s)
	g.w.Wake(s, hint)
}

func (g *guardedWatcher) caught(s *Socket) {
	p := recover()
	if p == nil {
		return
	}
	g.dead.Store(true)
	g.guard.report("wake", nil, p)
	c := g.guard.chain
	if !c.enter() {
		return
	}
	go func() {
		defer c.running.Done()
		s.Fail(wsa.ECONNABORTED, fmt.Sprintf("layer %s: panic in wake: %v", g.guard.layer, p))
	}()
}

// watchBelow is the Watch that a layer is given: its watcher is contained.
func (g guard) watchBelow(next func(*Socket, Watcher, wsa.Events)) func(*Socket, Watcher, wsa.Events) {
	return func(s *Socket, w Watcher, mask wsa.Events) {
		if w != nil {
			w = &guardedWatcher{guard: g, w: w}
		}
		next(s, w, mask)
	}
}
