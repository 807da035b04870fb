package provider

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Chain is a finished house: a base, the layers on it, and the table of the
// top storey. It is immutable, safe for concurrent use, and lives until it was
// retired and its last socket is closed.
type Chain struct {
	// Table is the top storey's; every entry is set.
	Table ProcTable
	// Info is the catalog entry that the chain was built of. Socket.Info points here.
	Info ProtocolInfo
	// Version is the generation of the catalog that the chain was built of.
	Version uint64

	name   string // the entry's in the catalog
	budget time.Duration

	storeys   []Storey
	path      Path   // the base's
	inPath    uint32 // by index of place: the storeys that stand in the path of the bytes
	deciders  []deciding
	witnesses []witness
	listeners []listener
	slots     int
	host      Host
	guards    []*guard  // of the layers, roof first
	base      *guard    // which contains the start of the base, and nothing else
	flown     []*guard  // those that are called for sockets, by guard.place
	flying    int       // how many
	cleanups  []cleanup // roof first, the base last; each at most once
	res       *Resources
	held      []held // mu
	timers    timers
	watchdog  watchdog

	ctx     context.Context
	cancel  context.CancelFunc
	mu      sync.Mutex // guards dying, and ctx's end against running
	running sync.WaitGroup
	dying   bool

	refs   atomic.Int64 // one of the owner, one per open socket
	panics atomic.Uint64
	retire sync.Once
	done   chan struct{}
	err    error // written before done is closed
}

// Storey is one provider of a chain, and which entries it replaced: a fact,
// from which guards, costs and short cuts follow.
type Storey struct {
	ID       CatalogID
	Name     string
	Replaces []string // names of ProcTable's fields; all of them for the base
	Decides  bool
	Observes bool // it is told of datagrams ([StartupRequest.ObserveSends])
	Reads    bool // it asks about the beginning of streams ([StartupRequest.ReadsHellos])
}

// inPath is Data, or being asked whether there are any.
func (s Storey) inPath() bool { return s.Data() || slices.Contains(s.Replaces, "Ready") }

// Data reports whether the storey stands in the path of the bytes. A layer that
// merely decides ([Deciding]) does not.
func (s Storey) Data() bool {
	for _, n := range s.Replaces {
		switch n {
		case "WSPRecv", "WSPRecvFrom", "WSPSend", "WSPSendTo":
			return true
		}
	}
	return false
}

// ReadsHellos reports whether a layer of the chain asks about the beginning of streams.
func (c *Chain) ReadsHellos() bool {
	return slices.ContainsFunc(c.storeys, func(s Storey) bool { return s.Reads })
}

// Storeys are the chain's providers, the one nearest the application first, the
// base last.
func (c *Chain) Storeys() []Storey { return c.storeys }

// Sockets is the number of sockets that live on the chain.
func (c *Chain) Sockets() int {
	n := c.refs.Load()
	select {
	case <-c.done:
		return 0
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dying {
		n--
	}
	return int(max(n, 0))
}

// Name is the chain's in the catalog.
func (c *Chain) Name() string { return c.name }

// Panics counts the panics that the guards caught.
func (c *Chain) Panics() uint64 { return c.panics.Load() }

// Retire gives up the owner's hold: no socket is made any more, and when the
// last one is closed the chain ends: from the roof down, each storey's
// WSPCleanup runs once, goroutines are waited for, timers stopped, resources released.
// It does not wait; see Done. Further calls do nothing.
func (c *Chain) Retire() {
	c.retire.Do(func() {
		c.mu.Lock()
		c.dying = true
		c.mu.Unlock()
		c.release()
	})
}

// Done is closed when the chain has ended; Err is valid then.
func (c *Chain) Done() <-chan struct{} { return c.done }

// Err is what went wrong while the chain ended, once Done is closed.
func (c *Chain) Err() error { return c.err }

// retain holds the chain for a new socket; false when it is retired.
func (c *Chain) retain() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dying {
		return false
	}
	c.refs.Add(1)
	return true
}

// release lets go of one hold. The end runs on a goroutine of its own, as the
// last socket may be closed by one of the goroutines that the end waits for.
func (c *Chain) release() {
	if c.refs.Add(-1) == 0 {
		go c.end()
	}
}

// enter counts a goroutine or timer among what the end waits for; false once
// the end has come.
func (c *Chain) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return false
	}
	c.running.Add(1)
	return true
}
