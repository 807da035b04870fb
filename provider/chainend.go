package provider

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// cleanup is one storey's WSPCleanup; guard is nil for the base.
type cleanup struct {
	guard *guard
	run   func() wsa.Errno
}

// end is the chain's. A layer that does not come to an end is waited for as long as
// the budget says, and reported; what it still runs on keeps the chain's resources.
func (c *Chain) end() {
	c.mu.Lock() // so that enter does not add to a WaitGroup that is waited for
	c.cancel()
	c.mu.Unlock()
	var errs []error
	for _, f := range c.cleanups {
		if e := c.clean(f); e != 0 {
			errs = append(errs, e)
		}
	}
	c.timers.end()
	c.watchdog.stop()
	if ended := c.within(c.running.Wait); ended != nil {
		errs = append(errs, c.leaks()...)
		go func() {
			<-ended
			c.letGo()
		}()
	} else {
		errs = append(errs, c.letGo()...)
	}
	c.err = errors.Join(errs...)
	close(c.done)
}

// within runs f and waits for it, no longer than a budget: then it returns what is
// closed when f has returned, else nil.
func (c *Chain) within(f func()) (ended <-chan struct{}) {
	if c.budget < 0 {
		f()
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(c.budget)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return done // what f has to say is not looked at
	}
}

func (c *Chain) clean(f cleanup) (e wsa.Errno) {
	if f.guard == nil {
		return f.run()
	}
	k := new(call)
	if c.within(func() { sought(k, func() { e = f.run() }) }) != nil {
		f.guard.report(Stalled, opCleanup.String(), nil, late(c.budget), stackOf(k))
		return wsa.SYSCALLFAILURE
	}
	return e
}

// leaks reports the layers of which something still runs.
func (c *Chain) leaks() (errs []error) {
	for _, g := range append(slices.Clone(c.guards), c.base) {
		if n := g.running.Load(); n > 0 {
			errs = append(errs, g.report(Leaked, opGoroutine.String(), nil, fmt.Sprintf("%d still run %v after the chain's end", n, c.budget), nil))
		}
	}
	return errs
}

// letGo releases the resources, what was obtained last first.
func (c *Chain) letGo() (errs []error) {
	for i := len(c.held) - 1; i >= 0; i-- {
		h := c.held[i]
		if h.guard == nil {
			c.res.release(h.name)
			continue
		}
		k, err := new(call), error(nil)
		op := opResource.String() + " " + h.name
		if c.within(func() { sought(k, func() { err = h.guard.release(c.res, h.name, op) }) }) != nil {
			errs = append(errs, h.guard.report(Stalled, op, nil, late(c.budget), stackOf(k)))
			continue
		}
		errs = append(errs, err)
	}
	return errs
}

func (g *guard) release(all *Resources, name, op string) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = g.accuse(Panicked, op, nil, orExit(recover()))
		}
	}()
	err = all.release(name)
	returned = true
	return err
}
