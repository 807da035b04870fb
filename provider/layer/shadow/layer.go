package shadow

import (
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// remembered is how many destinations and names are told from new ones.
const remembered = 4096

// A Layer is a deciding layer that is not obeyed.
type Layer struct {
	tried provider.Decider

	mu      sync.Mutex
	count   Count
	counted map[*provider.Socket]bool // streams that live
	seen    map[any]bool              // provider.Addr of datagrams, string of lookups
}

// Count is what would have been denied.
type Count struct{ Connections, Datagrams, Lookups, Accepts int }

// Total is the sum of all.
func (c Count) Total() int { return c.Connections + c.Datagrams + c.Lookups + c.Accepts }

var (
	_ provider.Decider = (*Layer)(nil)
	_ provider.Witness = (*Layer)(nil)
)

// New makes a layer that tries d.
func New(d provider.Decider) *Layer {
	return &Layer{tried: d, counted: make(map[*provider.Socket]bool), seen: make(map[any]bool)}
}

// Count is what would have been denied so far.
func (l *Layer) Count() Count {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Decide implements provider.Decider: what d says, a denial as a shadow.
func (l *Layer) Decide(f provider.Facts, op provider.Op) provider.Verdict {
	v := l.tried.Decide(f, op)
	v.Shadow = v.Denied()
	return v
}

// OnFailure implements provider.Decider.
func (l *Layer) OnFailure() provider.OnFailure { return provider.FailOpen }

// Witness implements provider.Witness: it counts the names that were looked up.
func (l *Layer) Witness(f provider.Facts, op provider.Op, v provider.Verdict) {
	if op != provider.OpLookup || !v.Shadow {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range f.Names {
		if l.first(n) {
			l.count.Lookups++
		}
	}
}

// first reports whether x is met for the first time. l.mu is held.
func (l *Layer) first(x any) bool {
	if l.seen[x] {
		return false
	}
	if len(l.seen) >= remembered {
		clear(l.seen)
	}
	l.seen[x] = true
	return true
}

// Startup implements provider.Layer: the entries that follow from Decide, with
// counting.
func (l *Layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	t := provider.Deciding(r, next)
	r.ObserveSends(l.sent)
	connect, accept, listen := t.WSPConnect, t.WSPAccept, t.WSPListen
	if r.Info.MessageOriented() {
		t.WSPConnect = func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
			e := connect(s, q)
			if q.To.Family != 0 {
				l.sent(s, q.To, e)
			}
			return e
		}
		t.WSPJoinLeaf = l.join(t.WSPJoinLeaf)
		t.WSPSetSockOpt = l.setSockOpt(t.WSPSetSockOpt, next.WSPGetSockName)
		return t, 0
	}
	t.WSPConnect = func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
		e := connect(s, q)
		l.once(s, &l.count.Connections)
		return e
	}
	t.WSPListen = func(s *provider.Socket, backlog int) wsa.Errno {
		e := listen(s, backlog)
		l.once(s, &l.count.Accepts)
		return e
	}
	t.WSPAccept = func(s *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
		n, e := accept(s, q)
		if e == 0 {
			l.once(n, &l.count.Accepts)
		}
		return n, e
	}
	t.WSPCloseSocket = func(s *provider.Socket, mode provider.CloseMode) wsa.Errno {
		l.closing(s)
		return next.WSPCloseSocket(s, mode)
	}
	return t, 0
}

// join counts groups as destinations.
func (l *Layer) join(next func(*provider.Socket, *provider.JoinRequest) (*provider.Socket, wsa.Errno)) func(*provider.Socket, *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
	return func(s *provider.Socket, q *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
		n, e := next(s, q)
		l.sent(s, q.To, e)
		return n, e
	}
}

// setSockOpt is join, for the options that join a group.
func (l *Layer) setSockOpt(next func(*provider.Socket, int32, int32, []byte) wsa.Errno, local func(*provider.Socket) (provider.Addr, wsa.Errno)) func(*provider.Socket, int32, int32, []byte) wsa.Errno {
	return func(s *provider.Socket, level, name int32, in []byte) wsa.Errno {
		e := next(s, level, name, in)
		if to, joins, _ := provider.JoinedGroup(s, local, level, name, in); joins {
			l.sent(s, to, e)
		}
		return e
	}
}

// once counts s if its verdict is a shadow, and never again while it lives.
func (l *Layer) once(s *provider.Socket, n *int) {
	if v := s.Verdict(); v == nil || !v.Shadow {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.counted[s] {
		l.counted[s] = true
		*n++
	}
}

// closing counts what a ClientHello was judged for, which no entry tells of.
func (l *Layer) closing(s *provider.Socket) {
	l.once(s, &l.count.Connections)
	l.mu.Lock()
	delete(l.counted, s)
	l.mu.Unlock()
}

func (l *Layer) sent(s *provider.Socket, to provider.Addr, _ wsa.Errno) {
	if v := s.Verdict(); v == nil || !v.Shadow {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first(to) {
		l.count.Datagrams++
	}
}

// Contract implements provider.Contracted: it is that of the layer that is tried.
func (l *Layer) Contract() provider.Contract {
	if tried, ok := l.tried.(provider.Contracted); ok {
		return tried.Contract()
	}
	return provider.Contract{}
}
