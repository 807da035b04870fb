package sockets

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// chains are the chains that were built, each when it was first needed, of one
// state of the catalog. When the catalog has changed, those that are not in it any
// more as they were are retired: they end with their last socket.
type chains struct {
	mu     sync.Mutex
	closed bool
	of     *provider.Snapshot // nil: none yet
	now    map[provider.CatalogID]*slot
	next   prepared
	old    []*slot
	err    error // of old chains that have ended
}

// prepared are chains of a state of the catalog that may become its next.
type prepared struct {
	of  *provider.Snapshot
	all map[provider.CatalogID]*slot
}

// slot is the place of one chain. Its mutex is held while the chain is built,
// so that others of the session are not held up by a slow Startup; the chain is
// there for those who only look (foster) without it.
type slot struct {
	mu      sync.Mutex
	chain   atomic.Pointer[provider.Chain]
	retired bool
	foreign bool // of another session, of which a socket was handed over
}

// slotOf is the place of a chain that is there.
func slotOf(c *provider.Chain) *slot {
	p := new(slot)
	p.chain.Store(c)
	return p
}

// Chains are those of the session that are built: of the catalog as it was at the last
// look, then of states before ([provider.Chain.Retired]) on which sockets live still.
func (s *Session) Chains() (all []*provider.Chain) {
	c := &s.chains
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(c.now)) {
		if chain := c.now[id].chain.Load(); chain != nil {
			all = append(all, chain)
		}
	}
	for _, p := range c.old {
		if chain := p.chain.Load(); chain != nil && !p.foreign && chain.Sockets() > 0 {
			all = append(all, chain)
		}
	}
	return all
}

// foster has close wait for a chain of another session, of which a socket was
// handed over: if that one ends before, nobody else does.
func (c *chains) foster(chain *provider.Chain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || slices.ContainsFunc(c.old, func(p *slot) bool { return p.foreign && p.chain.Load() == chain }) {
		return
	}
	p := slotOf(chain)
	p.foreign = true
	c.old = append(c.old, p)
}

// Prepare builds the chains of next that wanted names (nil: all), before next is
// published, so that nobody meets one that cannot be built and no socket waits
// for it; one that the session has built and that is the same in next it keeps. When next becomes the catalog's state they are the session's. What was
// prepared before and has not become it is given up; Prepare(nil, nil) does just
// that. On an error nothing is prepared.
func (s *Session) Prepare(next *provider.Snapshot, wanted func(*provider.Entry) bool) error {
	built := prepared{of: next, all: make(map[provider.CatalogID]*slot)}
	var err error
	if next != nil {
		err = s.build(built, wanted)
	}
	if err == nil {
		built, err = s.chains.prepare(built)
	}
	s.chains.leave(slices.Collect(maps.Values(built.all)))
	return err
}

func (s *Session) build(into prepared, wanted func(*provider.Entry) bool) error {
	for i := range into.of.Entries {
		e := &into.of.Entries[i]
		if e.Storeys == nil || wanted != nil && !wanted(e) || s.chains.has(into.of, e.Info.CatalogEntryID) {
			continue
		}
		c, err := into.of.Build(e.Info.CatalogEntryID, s.built())
		if err != nil {
			return err
		}
		into.all[e.Info.CatalogEntryID] = slotOf(c)
	}
	return nil
}

// built is how chains are.
func (s *Session) built() provider.BuildConfig {
	return provider.BuildConfig{Host: host{s}, Resources: s.cfg.Resources, Log: s.log, Budget: s.cfg.Budget, Breaker: s.cfg.Breaker}
}

// Chain is the session's chain for entry id of the catalog, built if it is not
// yet. It stays the session's: do not retire it. A chain that cannot be built is
// a [provider.BuildError], and is tried again the next time.
func (s *Session) Chain(id provider.CatalogID) (*provider.Chain, error) {
	return s.chain(s.cfg.Catalog.Snapshot(), id)
}

func (s *Session) chain(now *provider.Snapshot, id provider.CatalogID) (*provider.Chain, error) {
	p, stale, e := s.chains.slot(now, id)
	for _, old := range stale {
		old.retire()
	}
	if e != 0 {
		return nil, e.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.chain.Load()
	switch {
	case p.retired:
		return nil, wsa.ENETDOWN
	case c == nil:
		var err error
		c, err = now.Build(id, s.built())
		if err != nil {
			return nil, err
		}
		p.chain.Store(c)
	}
	return c, nil
}

// has says that the chain is there already which id is in next.
func (c *chains) has(next *provider.Snapshot, id provider.CatalogID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.now[id]
	return p != nil && p.chain.Load() != nil && c.of.Same(next, id)
}

// prepare keeps p for the turn to its generation, and returns what it replaces.
func (c *chains) prepare(p prepared) (stale prepared, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return p, wsa.NOTINITIALISED
	}
	stale, c.next = c.next, p
	return stale, nil
}

// leave retires chains that nobody has met.
func (c *chains) leave(all []*slot) {
	for _, p := range all {
		p.retire()
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.old = append(c.old, all...)
	}
	c.mu.Unlock()
	for _, p := range all {
		if closed { // nobody else waits for them
			<-p.chain.Load().Done()
		}
	}
}

// slot is the place of a chain of the given state; ENETDOWN if the catalog
// has moved on, NOTINITIALISED after close. The caller retires the stale ones,
// without c's lock, as each may be waiting for its build.
func (c *chains) slot(now *provider.Snapshot, id provider.CatalogID) (p *slot, stale []*slot, e wsa.Errno) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, wsa.NOTINITIALISED
	case c.of != nil && now.Generation < c.of.Generation:
		return nil, nil, wsa.ENETDOWN
	case c.of == nil || now.Generation > c.of.Generation:
		stale = c.turn(now)
	}
	p = c.now[id]
	if p == nil {
		p = new(slot)
		c.now[id] = p
	}
	return p, stale, 0
}

// turn begins a generation and returns the chains of the one before that are not
// the same in it. Those that have ended are forgotten, but for what went wrong with
// them.
func (c *chains) turn(to *provider.Snapshot) (stale []*slot) {
	c.old = slices.DeleteFunc(c.old, func(p *slot) bool {
		ended, err := p.ended()
		c.err = errors.Join(c.err, err)
		return ended
	})
	next := make(map[provider.CatalogID]*slot)
	if c.next.of == to {
		next = c.next.all
	} else {
		stale = slices.Collect(maps.Values(c.next.all))
	}
	for id, p := range c.now {
		if next[id] == nil && c.of.Same(to, id) {
			next[id] = p
		} else {
			stale = append(stale, p)
		}
	}
	c.old = append(c.old, stale...)
	c.of, c.now, c.next = to, next, prepared{}
	return stale
}

func (p *slot) retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retired = true
	if c := p.chain.Load(); c != nil {
		c.Retire()
	}
}

// ended looks without waiting: a slot whose chain is being built has not ended.
func (p *slot) ended() (bool, error) {
	if !p.mu.TryLock() {
		return false, nil
	}
	defer p.mu.Unlock()
	c := p.chain.Load()
	if c == nil {
		return p.retired, nil
	}
	select {
	case <-c.Done():
		return true, c.Err()
	default:
		return false, nil
	}
}

// close retires all chains and waits until they have ended, but for those that
// sockets of other sessions live on.
func (c *chains) close(parted []*provider.Chain) error {
	c.mu.Lock()
	c.closed = true
	all := slices.AppendSeq(slices.AppendSeq(c.old, maps.Values(c.now)), maps.Values(c.next.all))
	c.old, c.now, c.next = nil, nil, prepared{}
	errs := []error{c.err}
	c.mu.Unlock()
	for _, p := range all {
		if !p.foreign {
			p.retire()
		}
		chain := p.chain.Load()
		switch {
		case chain == nil, slices.Contains(parted, chain):
			continue
		case p.foreign && (!chain.Retired() || chain.Sockets() > 0): // its own session's, or another's that has a socket
			continue
		}
		<-chain.Done()
		errs = append(errs, chain.Err())
	}
	return errors.Join(errs...)
}
