package kit

import (
	"context"
	"sync"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Defaults of Config.
const (
	DefaultBuffer = 64 << 10
	DefaultLinger = 2 * time.Minute
)

// Config says how a conversation works. The zero value is the default.
type Config struct {
	// Buffer is how many bytes are held in each direction of a socket, at most.
	// Memory is taken only while something is held. Default 64 KiB.
	Buffer int
	// Linger is how long the function may go on after the application has closed
	// its socket gracefully; then the connection is reset. Default 2 minutes.
	Linger time.Duration
	// Connect is the connect phase, for layers that do more than connect where
	// the application asked; see the package's documentation. It must call
	// [Exchange.Connect] and returns when the application may call itself
	// connected. App carries nothing yet. Default: connect as asked.
	Connect func(ctx context.Context, x *Exchange) error
}

// Talk is a layer: it runs once for each connection, between the application
// and the network. ctx ends when nothing more can be said: the connection was
// reset, or its socket is closed.
type Talk func(ctx context.Context, x *Exchange) error

// Conversation builds the entries by which talk stands in the path of every
// stream connection of the chain. A layer returns them from Startup; entries of
// its own it may add where the kit has left nil.
func Conversation(r *provider.StartupRequest, next *provider.ProcTable, cfg Config, talk Talk) provider.ProcTable {
	if cfg.Buffer <= 0 {
		cfg.Buffer = DefaultBuffer
	}
	if cfg.Linger <= 0 {
		cfg.Linger = DefaultLinger
	}
	if cfg.Connect != nil {
		r.ChangesDestination()
	}
	k := &kit{r: r, next: next, cfg: cfg, talk: talk, slot: provider.NewSlot[conversation](r)}
	k.buffers.New = func() any { b := make([]byte, cfg.Buffer); return &b }
	return k.table()
}

// kit is what all conversations of one storey share.
type kit struct {
	r       *provider.StartupRequest
	next    *provider.ProcTable
	cfg     Config
	talk    Talk
	slot    provider.Slot[conversation]
	buffers sync.Pool // of *[]byte, each cfg.Buffer long
}

func (k *kit) table() provider.ProcTable {
	return provider.ProcTable{
		WSPSocket:      k.socket,
		WSPAccept:      k.accept,
		WSPJoinLeaf:    k.next.WSPJoinLeaf, // a leaf is a datagram socket: no slot to fill
		WSPCloseSocket: k.close,
		WSPConnect:     k.connect,
		WSPGetPeerName: k.getPeerName,
		WSPRecv:        k.receive(k.next.WSPRecv),
		WSPRecvFrom:    k.receive(k.next.WSPRecvFrom),
		WSPSend:        k.send(k.next.WSPSend),
		WSPSendTo:      k.send(k.next.WSPSendTo),
		WSPShutdown:    k.shutdown,
		WSPGetSockOpt:  k.getSockOpt,
		WSPIoctl:       k.ioctl,
		Ready:          k.ready,
		Watch:          k.watch,
	}
}

const allEvents = wsa.FD_ALL_EVENTS | wsa.EvDrained | wsa.EvError

// phase is where a socket stands, as the application sees it.
type phase uint8

const (
	idle       phase = iota // not connected: the storey below answers
	connecting              // the connect phase runs
	open                    // the function runs, or has ended
	refused                 // the connect phase failed, and may be tried again
	spoilt                  // it failed after the storey below had connected: no second try
)

// A conversation is the state of one stream socket.
type conversation struct {
	k     *kit
	s     *provider.Socket
	up    upper
	net   *netConn
	app   *appConn
	extra extras

	mu       sync.Mutex // never held around a call of the table or a wake
	phase    phase
	asked    provider.Addr // by the application; the peer of an accepted connection
	went     provider.Addr // where the layer connected to
	refusal  wsa.Errno     // why the connect phase failed
	out      flow          // from the application
	in       flow          // to the application
	inShut   bool          // the application's SD_RECEIVE
	closed   bool          // by the application
	ended    bool          // the function has returned
	over     bool          // the storey below is being closed: how is settled
	dead     wsa.Errno     // what the function's operations return, once there is nothing to say
	broken   wsa.Errno     // the first Abort, failure or reset by the application
	cancel   context.CancelFunc
	deadline *provider.Timer // Config.Linger
}

func (k *kit) newConversation(s *provider.Socket) *conversation {
	c := &conversation{k: k, s: s}
	c.net = newNetConn(k, s)
	c.app = &appConn{c: c, readable: newSignal(), writable: newSignal(), rd: deadline{r: k.r}, wd: deadline{r: k.r}}
	c.net.c = c
	c.out.ring, c.in.ring = ring{pool: &k.buffers}, ring{pool: &k.buffers}
	k.slot.Put(s, c)
	k.next.Watch(s, c, allEvents)
	return c
}

// Wake implements provider.Watcher: the storey below may be ready.
func (c *conversation) Wake(s *provider.Socket, hint wsa.Events) {
	c.net.Wake(s, hint)
	if e := s.Failed(); e != 0 {
		c.silence(e) // takes only locks that are never held around a call
	}
	if c.quiet() {
		hint &^= wsa.FD_READ | wsa.FD_WRITE | wsa.FD_CLOSE | wsa.FD_CONNECT
	}
	c.up.wake(s, hint)
}

// quiet reports that readiness below is not the application's, so that a wake
// need not go up.
func (c *conversation) quiet() bool {
	return c.net.busy.Load() && !c.in.leaving.Load() && !c.out.leaving.Load()
}

// begin starts the function. The phase is connecting or, if the connection
// stands already, open.
func (c *conversation) begin(q provider.ConnectRequest, accepted bool) bool {
	c.net.busy.Store(true)
	c.extra.reopen()
	started := c.k.r.Go(c.s, func(ctx context.Context) { c.run(ctx, q, accepted) })
	if !started {
		c.net.busy.Store(false)
	}
	return started
}

func (c *conversation) run(ctx context.Context, q provider.ConnectRequest, accepted bool) {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	c.cancel = cancel
	if c.dead != 0 {
		cancel()
	}
	c.mu.Unlock()
	var err error // ECONNABORTED while the layer's code runs: it stands if that panics
	defer func() {
		cancel()
		c.conclude(err)
	}()
	x := &Exchange{
		App: c.app, Net: c.net, Socket: c.s, Accepted: accepted, To: q.To,
		Facts: provider.FactsOf(c.s, q.To), c: c, request: q,
	}
	err = wsa.ECONNABORTED
	if err = c.establish(ctx, x); err != nil {
		return
	}
	err = wsa.ECONNABORTED
	err = c.k.talk(ctx, x)
}

// establish is the connect phase.
func (c *conversation) establish(ctx context.Context, x *Exchange) error {
	c.mu.Lock()
	stands := c.phase == open
	c.mu.Unlock()
	switch {
	case stands:
		return nil
	case c.k.cfg.Connect == nil:
		if err := c.net.awaitConnect(); err != nil {
			return err
		}
	default:
		if err := c.k.cfg.Connect(ctx, x); err != nil {
			return err
		}
	}
	c.mu.Lock()
	dead := c.dead
	if dead == 0 {
		c.phase = open
	}
	c.mu.Unlock()
	c.up.wake(c.s, wsa.FD_CONNECT|wsa.FD_WRITE)
	return dead.Err()
}

// conclude is the end of the function, whichever way it ended.
func (c *conversation) conclude(err error) {
	c.extra.close()
	c.mu.Lock()
	stood := c.phase == open
	c.mu.Unlock()
	switch {
	case !stood:
		c.refuse(Errno(err))
	case err == nil || isEOF(err) || c.in.leaving.Load() && c.out.leaving.Load():
		c.finish()
	default:
		c.abort(Errno(err))
		c.finish()
	}
}

// refuse ends a connect phase that failed.
func (c *conversation) refuse(e wsa.Errno) {
	below := c.net.connected.Load()
	if below {
		c.net.shutdown(wsa.SD_BOTH)
	}
	c.mu.Lock()
	c.phase, c.refusal = refused, e
	if below {
		c.phase = spoilt
	}
	c.mu.Unlock()
	c.net.busy.Store(false)
	c.up.wake(c.s, wsa.FD_CONNECT|wsa.FD_WRITE|wsa.FD_CLOSE)
}

// finish closes both ends after the function has returned.
func (c *conversation) finish() {
	c.mu.Lock()
	c.ended = true
	broken, handed := c.broken, c.in.direct.Load() || c.out.direct.Load()
	if broken == 0 && !c.out.direct.Load() {
		c.out.err = wsa.ECONNRESET
	}
	if broken == 0 && !c.in.leaving.Load() {
		c.in.eof = true
	}
	timer := c.deadline
	c.mu.Unlock()
	if broken == 0 && !c.out.direct.Load() {
		c.net.CloseWrite()
	}
	if broken != 0 && handed {
		c.s.Fail(broken, "kit: the conversation failed after a handover")
	}
	if timer != nil {
		timer.Stop()
	}
	c.silence(wsa.ECONNABORTED)
	c.settle()
	c.up.wake(c.s, allEvents)
}

// silence makes every operation of the function return e.
func (c *conversation) silence(e wsa.Errno) {
	c.mu.Lock()
	if c.dead == 0 {
		c.dead = e
	}
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	c.app.wake()
	c.net.stop(e)
	c.extra.stop(e)
}

// abort breaks the connection on both sides with e. The first call counts.
func (c *conversation) abort(e wsa.Errno) {
	c.mu.Lock()
	if c.broken != 0 || c.ended || c.over {
		c.mu.Unlock()
		return
	}
	c.broken, c.in.err, c.out.err = e, e, e
	c.mu.Unlock()
	c.silence(e)
	c.settle()
	c.up.wake(c.s, allEvents)
}

// settle closes the storey below when the application has closed and nothing
// more is to be sent.
func (c *conversation) settle() {
	c.mu.Lock()
	closed, mode := c.closed, provider.CloseBackground
	over := closed && (c.ended || c.broken != 0 || c.net.fin.Load())
	c.over = c.over || over
	if c.broken != 0 || c.s.Failed() != 0 {
		mode = provider.CloseAbort
	}
	c.mu.Unlock()
	if over {
		c.silence(wsa.ECONNABORTED)
		c.net.floor.close(mode)
	}
}
