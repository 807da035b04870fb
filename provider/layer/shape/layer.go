package shape

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Layer is a shaping layer, to be installed in a catalog.
type Layer struct {
	rules atomic.Pointer[rules]

	mu   sync.Mutex
	open map[*limits]int // chains that stand on them
}

var _ provider.Layer = (*Layer)(nil)

// rules are one version of a Config.
type rules struct {
	cfg     Config
	ids     []string
	version uint64
}

var versions atomic.Uint64

func compile(c Config) (*rules, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Name == "" {
		c.Name = "shape"
	}
	if c.Buckets == 0 {
		c.Buckets = DefaultBuckets
	}
	if c.Held == 0 {
		c.Held = DefaultHeld
	}
	c.Rules = append([]Rule(nil), c.Rules...)
	rs := &rules{cfg: c, version: versions.Add(1)}
	for _, r := range c.Rules {
		rs.ids = append(rs.ids, r.id())
	}
	return rs, nil
}

// New makes a layer. The error is that of [Config.Validate].
func New(c Config) (*Layer, error) {
	rs, err := compile(c)
	if err != nil {
		return nil, err
	}
	l := &Layer{open: make(map[*limits]int)}
	l.rules.Store(rs)
	return l, nil
}

// Update changes the limits of living sockets, from their next operation on; who waits
// is woken. An error changes nothing. The name cannot change. What is used of a total
// stays used; a socket beyond a lower bound stays open.
func (l *Layer) Update(c Config) error {
	rs, err := compile(c)
	if err != nil {
		return err
	}
	if old := l.rules.Load().cfg.Name; rs.cfg.Name != old {
		return fmt.Errorf("shape: the layer is called %s, not %s", old, rs.cfg.Name)
	}
	l.rules.Store(rs)
	l.mu.Lock()
	var all []*limits
	for m := range l.open {
		all = append(all, m)
	}
	l.mu.Unlock()
	for _, m := range all {
		m.wakeAll()
	}
	return nil
}

func (l *limits) wakeAll() {
	var all []*waiter
	l.mu.Lock()
	for _, b := range l.buckets {
		for i := range b.pipes {
			for p := &b.pipes[i]; p.head != nil; {
				all = append(all, p.head)
				p.head.leave()
			}
		}
	}
	l.mu.Unlock()
	for _, w := range all {
		w.wake()
	}
}

// instance is the layer in one chain.
type instance struct {
	layer    *Layer
	lim      *limits
	r        *provider.StartupRequest
	next     *provider.ProcTable
	slot     provider.Slot[state]
	messages bool
}

// state is what the layer knows of a socket.
type state struct {
	in  *instance
	s   *provider.Socket
	up  upper
	one [2]scratch // of the operation that runs in each direction (law 4)

	free atomic.Pointer[rules] // those of which none is about the socket

	// Guarded by limits.mu.
	rules   *rules // nil: not bound yet
	remote  provider.Addr
	buckets []*bucket
	waiters [ways]waiter

	mu      sync.Mutex // guards what follows, and the connect that was held
	phase   phase
	held    provider.ConnectRequest
	refusal wsa.Errno
	closed  bool
}

// Startup implements provider.Layer.
func (l *Layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	name := "shape/" + l.rules.Load().cfg.Name
	lim, err := provider.Resource(r, name, func() (*limits, func() error, error) {
		return &limits{buckets: make(map[key]*bucket)}, nil, nil
	})
	if err != nil {
		r.Log.Error("shape: the chain is not built", "error", err)
		return provider.ProcTable{}, wsa.EPROVIDERFAILEDINIT
	}
	l.mu.Lock()
	l.open[lim]++
	l.mu.Unlock()
	in := &instance{layer: l, lim: lim, r: r, next: next, slot: provider.NewSlot[state](r), messages: r.Info.MessageOriented()}
	return provider.ProcTable{
		WSPSocket: in.socket, WSPAccept: in.accept, WSPJoinLeaf: in.join, WSPCloseSocket: in.close, WSPCleanup: in.cleanup,
		WSPConnect: in.connect, WSPGetSockOpt: in.getSockOpt, WSPIoctl: in.ioctl,
		WSPRecv: in.receive(next.WSPRecv), WSPRecvFrom: in.receive(next.WSPRecvFrom),
		WSPSend: in.send(next.WSPSend), WSPSendTo: in.send(next.WSPSendTo),
		Ready: in.ready, Watch: in.watch,
	}, 0
}

func (in *instance) cleanup() wsa.Errno {
	l := in.layer
	l.mu.Lock()
	if l.open[in.lim]--; l.open[in.lim] == 0 {
		delete(l.open, in.lim)
	}
	l.mu.Unlock()
	return 0
}

func (in *instance) begin(s *provider.Socket) *state {
	st := &state{in: in, s: s}
	for i := range st.waiters {
		st.waiters[i].st, st.waiters[i].way = st, way(i)
	}
	in.slot.Put(s, st)
	return st
}

func (in *instance) socket(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
	s, e := in.next.WSPSocket(q)
	if e == 0 && in.slot.Of(s) == nil { // a duplicate has its state
		in.begin(s)
	}
	return s, e
}

// accept counts a connection that was taken; one too many is reset, and the caller told
// ECONNREFUSED, as for a condition function's CF_REJECT.
func (in *instance) accept(l *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
	s, e := in.next.WSPAccept(l, q)
	if e != 0 {
		return s, e
	}
	st := in.slot.Of(s)
	if st == nil {
		st = in.begin(s)
	}
	peer, _ := in.next.WSPGetPeerName(s)
	in.lim.mu.Lock()
	e = in.lim.bind(st, in.layer.rules.Load(), peer, true)
	in.lim.mu.Unlock()
	if e == 0 {
		return s, 0
	}
	if q.Into != nil {
		s.Fail(wsa.ECONNREFUSED, "shape: "+e.Name())
	} else {
		in.next.WSPCloseSocket(s, provider.CloseAbort)
	}
	return nil, wsa.ECONNREFUSED
}

func (in *instance) join(s *provider.Socket, q *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
	n, e := in.next.WSPJoinLeaf(s, q)
	if e == 0 && in.slot.Of(n) == nil {
		in.begin(n)
	}
	return n, e
}

func (in *instance) close(s *provider.Socket, mode provider.CloseMode) wsa.Errno {
	st := in.slot.Of(s)
	if st == nil {
		return in.next.WSPCloseSocket(s, mode)
	}
	st.mu.Lock() // a held connect that has its turn now runs first
	st.closed = true
	st.mu.Unlock()
	e := in.next.WSPCloseSocket(s, mode)
	if e == wsa.EWOULDBLOCK { // it lingers, and stays open
		st.mu.Lock()
		st.closed = false
		st.mu.Unlock()
		return e
	}
	in.lim.mu.Lock()
	in.lim.unbind(st)
	in.lim.mu.Unlock()
	st.up.set(nil, 0)
	return e
}

// Contract implements provider.Contracted: what is denied uses nothing up, and names
// are those that the application asks for.
func (*Layer) Contract() provider.Contract {
	return provider.Contract{Kind: "shape", Categories: wsa.LSP_INBOUND_MODIFY | wsa.LSP_OUTBOUND_MODIFY, After: []string{"firewall"}, Before: []string{"redirector"}}
}
