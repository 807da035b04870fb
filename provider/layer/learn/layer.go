package learn

import (
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Layer is a learning layer, to be installed in a catalog. All chains that it
// stands in make one policy.
type Layer struct {
	mu   sync.Mutex
	live map[*provider.Socket]attempt
	seen record
}

var (
	_ provider.Layer         = (*Layer)(nil)
	_ provider.AnswerWitness = (*Layer)(nil)
)

// New makes a layer that has seen nothing.
func New() *Layer {
	return &Layer{live: make(map[*provider.Socket]attempt), seen: newRecord()}
}

// attempt is a connection that was allowed so far. What its ClientHello says is
// known at its end, or when the policy is asked for.
type attempt struct {
	facts provider.Facts
	name  string // by which it is known if there is no ClientHello
}

// Answered implements provider.AnswerWitness.
func (l *Layer) Answered(f provider.Facts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range f.Names {
		l.seen.answered(n)
	}
}

// Startup implements provider.Layer. No data entry is replaced: bytes do not pass
// here, and where datagrams go the builder tells.
func (l *Layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	r.ObserveSends(l.sent)
	return provider.ProcTable{
		WSPConnect:     l.connect(next.WSPConnect),
		WSPJoinLeaf:    l.join(next.WSPJoinLeaf),
		WSPSetSockOpt:  l.setSockOpt(next),
		WSPCloseSocket: l.close(next.WSPCloseSocket),
	}, 0
}

func (l *Layer) connect(next func(*provider.Socket, *provider.ConnectRequest) wsa.Errno) func(*provider.Socket, *provider.ConnectRequest) wsa.Errno {
	return func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
		e := next(s, q)
		if q.To.Family == 0 || denied(s, e) {
			return e
		}
		f := provider.FactsOf(s, q.To)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.end(s) // one that was refused is connected again
		l.live[s] = attempt{f, l.seen.meant(f)}
		return e
	}
}

func (l *Layer) join(next func(*provider.Socket, *provider.JoinRequest) (*provider.Socket, wsa.Errno)) func(*provider.Socket, *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
	return func(s *provider.Socket, q *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
		n, e := next(s, q)
		l.sent(s, q.To, e)
		return n, e
	}
}

// setSockOpt sees groups that are joined by an option.
func (l *Layer) setSockOpt(next *provider.ProcTable) func(*provider.Socket, int32, int32, []byte) wsa.Errno {
	set, local := next.WSPSetSockOpt, next.WSPGetSockName
	return func(s *provider.Socket, level, name int32, in []byte) wsa.Errno {
		e := set(s, level, name, in)
		if to, joins, _ := provider.JoinedGroup(s, local, level, name, in); joins {
			l.sent(s, to, e)
		}
		return e
	}
}

func (l *Layer) sent(s *provider.Socket, to provider.Addr, e wsa.Errno) {
	if denied(s, e) {
		return
	}
	f := provider.FactsOf(s, to)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen.went(attempt{f, l.seen.meant(f)})
}

func (l *Layer) close(next func(*provider.Socket, provider.CloseMode) wsa.Errno) func(*provider.Socket, provider.CloseMode) wsa.Errno {
	return func(s *provider.Socket, mode provider.CloseMode) wsa.Errno {
		l.mu.Lock()
		l.end(s)
		l.mu.Unlock()
		return next(s, mode)
	}
}

// end keeps what is known of s in the end. l.mu is held.
func (l *Layer) end(s *provider.Socket) {
	a, ok := l.live[s]
	if !ok {
		return
	}
	delete(l.live, s)
	if v := s.Verdict(); v != nil && v.Denied() {
		return // for the server that its ClientHello asked for
	}
	a.facts.Late = s.Learned()
	l.seen.went(a)
}

// denied tells an operation that a verdict ended from one that failed otherwise.
func denied(s *provider.Socket, e wsa.Errno) bool {
	v := s.Verdict()
	return e != 0 && v != nil && v.Denied() && v.Errno == e
}

// Contract implements provider.Contracted: it learns what rules let pass.
func (*Layer) Contract() provider.Contract {
	return provider.Contract{Kind: "learn", Categories: wsa.LSP_INSPECTOR, Before: []string{"firewall"}}
}
