package provider

import (
	"sync"
	"sync/atomic"
	"time"
)

// BreakerConfig says when a layer that fails is no longer asked. Zero fields are the
// defaults.
type BreakerConfig struct {
	// Failures of the layer within Window open its breaker: 5 in a minute. What is
	// counted are reports. Negative: it never opens.
	Failures int
	Window   time.Duration
	// Rest is how long it stays open before one socket is tried: 30 s. As long a trial
	// lasts at most.
	Rest time.Duration
}

func (c BreakerConfig) defaults() BreakerConfig {
	if c.Failures == 0 {
		c.Failures = 5
	}
	if c.Window <= 0 {
		c.Window = time.Minute
	}
	if c.Rest <= 0 {
		c.Rest = 30 * time.Second
	}
	return c
}

// BreakerState is what becomes of new sockets of the chain.
type BreakerState uint8

// States of a breaker.
const (
	// BreakerClosed: the layer stands in every new socket's way.
	BreakerClosed BreakerState = iota
	// BreakerOpen: under on_failure closed there are no new sockets, under open they
	// are made without the layer.
	BreakerOpen
	// BreakerHalfOpen: as open, but that one socket is being tried with the layer.
	BreakerHalfOpen
)

func (s BreakerState) String() string {
	return [...]string{"closed", "open", "half-open"}[min(s, BreakerHalfOpen)]
}

// Breaker is the state of the breaker of one layer of a chain.
type Breaker struct {
	Chain, Layer string
	OnFailure    OnFailure
	State        BreakerState
	Since        time.Time // of the state; zero: it was never another
	Failures     uint64    // in all
	Opened       uint64    // how often
	Last         string    // the last failure, in words
}

// Breakers are those of the chain's layers, the one nearest the application first.
func (c *Chain) Breakers() []Breaker {
	var all []Breaker
	for _, g := range c.guards {
		b := g.breaker.snapshot()
		b.Chain, b.Layer, b.OnFailure = c.name, g.layer, g.on
		all = append(all, b)
	}
	return all
}

// breaker is that of one layer in the chains of one name: a resource, so that it
// survives the chain's versions. A nil one is closed.
type breaker struct {
	state atomic.Uint32 // BreakerState; changed with mu held

	mu       sync.Mutex
	cfg      BreakerConfig
	recent   []time.Time // of failures: the last cfg.Failures
	since    time.Time
	failures uint64
	opened   uint64
	last     string
}

// admission says whether a new socket is the layer's.
type admission uint8

const (
	passed  admission = iota
	trial             // it is, and it is the one that is tried
	refused           // it is not
)

// admit is asked for each new socket.
func (b *breaker) admit() admission {
	if b == nil || BreakerState(b.state.Load()) == BreakerClosed {
		return passed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	rested := time.Since(b.since) >= b.cfg.Rest
	switch state := BreakerState(b.state.Load()); {
	case state == BreakerClosed:
		return passed
	case !rested:
		return refused
	case state == BreakerOpen:
		b.turn(BreakerHalfOpen)
		return trial
	}
	b.turn(BreakerClosed) // the one that is tried lives well
	return passed
}

// asks reports whether the layer is to be called for what has no socket: a decision.
func (b *breaker) asks() bool {
	if b == nil || BreakerState(b.state.Load()) == BreakerClosed {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return BreakerState(b.state.Load()) != BreakerOpen || time.Since(b.since) >= b.cfg.Rest
}

func (b *breaker) turn(to BreakerState) {
	b.since = time.Now()
	b.recent = b.recent[:0]
	if to == BreakerOpen {
		b.opened++
	}
	b.state.Store(uint32(to))
}

// tried is the end of the socket that was tried: well, if it was not failed.
func (b *breaker) tried() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if BreakerState(b.state.Load()) == BreakerHalfOpen {
		b.turn(BreakerClosed)
	}
}

// untried is a trial that came to nothing: the next socket is tried.
func (b *breaker) untried() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if BreakerState(b.state.Load()) == BreakerHalfOpen {
		b.state.Store(uint32(BreakerOpen))
		b.since = time.Now().Add(-b.cfg.Rest)
	}
}

func (b *breaker) failed(r *Report) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	b.last = r.Error()
	if b.cfg.Failures < 0 {
		return
	}
	now := time.Now()
	switch BreakerState(b.state.Load()) {
	case BreakerOpen:
		b.since = now
		return
	case BreakerHalfOpen:
		b.turn(BreakerOpen)
		return
	}
	if b.recent = append(b.recent, now); len(b.recent) > b.cfg.Failures {
		b.recent = b.recent[len(b.recent)-b.cfg.Failures:]
	}
	if len(b.recent) == b.cfg.Failures && now.Sub(b.recent[0]) <= b.cfg.Window {
		b.turn(BreakerOpen)
	}
}

func (b *breaker) snapshot() Breaker {
	if b == nil {
		return Breaker{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return Breaker{State: BreakerState(b.state.Load()), Since: b.since, Failures: b.failures, Opened: b.opened, Last: b.last}
}
