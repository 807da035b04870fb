package metrics

import (
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Config says what is told apart. The zero value is ready to use.
type Config struct {
	Keys      int  // of each kind; default 1024
	Processes bool // ask who a socket's owner is
}

// DefaultKeys is what Config.Keys means when it is 0.
const DefaultKeys = 1024

// A Layer adds up, over all chains and sessions that it is part of. It is safe for
// concurrent use.
type Layer struct {
	cfg Config

	mu     sync.Mutex
	totals [kinds]map[key]*Total
	alive  map[*provider.Socket]*life
}

var (
	_ provider.Contracted    = (*Layer)(nil)
	_ provider.FailureStater = (*Layer)(nil)
	_ provider.Witness       = (*Layer)(nil)
)

// New makes a layer.
func New(c Config) *Layer {
	if c.Keys <= 0 {
		c.Keys = DefaultKeys
	}
	l := &Layer{cfg: c, alive: make(map[*provider.Socket]*life)}
	for i := range l.totals {
		l.totals[i] = make(map[key]*Total)
	}
	return l
}

// Contract implements provider.Contracted: what is denied below it is seen above it alone.
func (*Layer) Contract() provider.Contract {
	return provider.Contract{Kind: "metrics", Categories: wsa.LSP_INSPECTOR, Before: []string{"firewall"}}
}

// OnFailure implements provider.FailureStater: nothing depends on a sum.
func (*Layer) OnFailure() provider.OnFailure { return provider.FailOpen }

// Startup implements provider.Layer.
func (l *Layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	c := &counting{layer: l, next: next, slot: provider.NewSlot[life](r)}
	r.ObserveSends(c.sent)
	return provider.ProcTable{
		WSPSocket: c.socket, WSPAccept: c.accept, WSPJoinLeaf: c.join, WSPConnect: c.connect, WSPCloseSocket: c.close,
	}, 0
}

// Witness implements provider.Witness: lookups, and what was refused before it had a socket.
func (l *Layer) Witness(f provider.Facts, _ provider.Op, v provider.Verdict) {
	if !v.Denied() {
		return
	}
	name := f.Remote.Addr().String()
	if len(f.Names) > 0 {
		name = f.Names[0]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.of(l.keys(f.Origin, ruleOf(&v), name)) {
		t.Denied++
	}
}

// counting is the layer in one chain.
type counting struct {
	layer *Layer
	next  *provider.ProcTable
	slot  provider.Slot[life]
}

// life is what is remembered of a socket. The layer's mu guards all but last.
type life struct {
	last atomic.Pointer[met] // the destination before: most datagrams go there

	keys    [kinds]key // that it counts for
	counted bool
	in, out uint64 // of its bytes that are in totals
	met     map[provider.Addr]*met
}

// met is a destination that the socket has counted for.
type met struct {
	to      provider.Addr
	verdict *provider.Verdict
	keys    [kinds]key
}

// remembered is how many destinations of a socket are told from new ones.
const remembered = 256

func (c *counting) begin(s *provider.Socket) {
	if c.slot.Of(s) != nil { // a duplicate of one is not new
		return
	}
	m := new(life)
	c.slot.Put(s, m)
	c.layer.mu.Lock()
	defer c.layer.mu.Unlock()
	c.layer.alive[s] = m
}

func (c *counting) socket(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
	s, e := c.next.WSPSocket(q)
	if e == 0 {
		c.begin(s)
	}
	return s, e
}

func (c *counting) accept(s *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
	n, e := c.next.WSPAccept(s, q)
	if e == 0 {
		c.begin(n)
		peer, _ := c.next.WSPGetPeerName(n)
		c.layer.meets(n, c.slot.Of(n), peer, false)
	} else if e == wsa.ECONNREFUSED {
		c.layer.meets(s, c.slot.Of(s), provider.Addr{}, true)
	}
	return n, e
}

func (c *counting) join(s *provider.Socket, q *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
	n, e := c.next.WSPJoinLeaf(s, q)
	if e == 0 {
		c.begin(n)
	}
	return n, e
}

func (c *counting) connect(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
	e := c.next.WSPConnect(s, q)
	if q.To.Family != 0 {
		c.layer.meets(s, c.slot.Of(s), q.To, denied(s, e))
	}
	return e
}

func (c *counting) sent(s *provider.Socket, to provider.Addr, e wsa.Errno) {
	if e != wsa.EWOULDBLOCK {
		c.layer.meets(s, c.slot.Of(s), to, denied(s, e))
	}
}

func denied(s *provider.Socket, e wsa.Errno) bool {
	v := s.Verdict()
	return e != 0 && v != nil && v.Denied() && v.Errno == e
}

func (c *counting) close(s *provider.Socket, mode provider.CloseMode) wsa.Errno {
	e := c.next.WSPCloseSocket(s, mode)
	if m := c.slot.Of(s); m != nil && e != wsa.EWOULDBLOCK { // else it lingers, and is closed again
		c.layer.ended(s, m)
	}
	return e
}
