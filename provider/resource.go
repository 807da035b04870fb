package provider

import (
	"errors"
	"fmt"
	"sync"
)

// Resources are what must outlive one version of a chain: files, buckets,
// quotas, name memory. Each has a name, is opened by the first that asks and
// closed when the last chain that holds it ends. Safe for concurrent use.
type Resources struct {
	mu  sync.Mutex
	all map[string]*resource
}

type resource struct {
	value  any
	close  func() error
	refs   int
	hidden bool          // the builder's own
	opened chan struct{} // closed when value or err is there
	err    error
}

// held is a resource of one chain, for the layer of guard.
type held struct {
	guard *guard
	name  string
}

// Resource obtains the resource called name for the chain of r, opening it if
// nobody has it. Only while Startup runs: what a layer needs is known then, and
// a failure keeps the chain from being built. It is released with the chain.
//
// While it is being opened, others that want it wait.
func Resource[T any](r *StartupRequest, name string, open func() (T, func() error, error)) (T, error) {
	var zero T
	if r.phase.Load() != starting {
		return zero, fmt.Errorf("provider: resource %s: asked for after Startup of %s", name, r.guard.layer)
	}
	all := r.build.resources
	res, err := all.obtain(name, func() (any, func() error, error) { return open() })
	if err != nil {
		return zero, err
	}
	v, ok := res.value.(T)
	if !ok {
		all.release(name)
		return zero, fmt.Errorf("provider: resource %s is a %T, not a %T", name, res.value, zero)
	}
	if !r.chain.hold(held{r.guard, name}) {
		all.release(name)
		return zero, fmt.Errorf("provider: resource %s: the chain was given up", name)
	}
	return v, nil
}

// hold keeps a resource until the chain's end; false if that has come.
func (c *Chain) hold(h held) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return false
	}
	c.held = append(c.held, h)
	return true
}

// obtain adds a hold. Nobody else waits while a resource of another name is opened.
func (a *Resources) obtain(name string, open func() (any, func() error, error)) (*resource, error) {
	a.mu.Lock()
	res := a.all[name]
	mine := res == nil
	if mine {
		res = &resource{opened: make(chan struct{}), err: errors.New("it was not opened")}
		if a.all == nil {
			a.all = make(map[string]*resource)
		}
		a.all[name] = res
	}
	res.refs++
	a.mu.Unlock()
	if mine {
		a.open(name, res, open)
	}
	<-res.opened
	if res.err != nil {
		return nil, fmt.Errorf("provider: resource %s: %w", name, res.err)
	}
	return res, nil
}

// open is also left by a panic.
func (a *Resources) open(name string, res *resource, open func() (any, func() error, error)) {
	defer func() {
		if res.err != nil { // who waits for it gets the error, who comes later tries again
			a.mu.Lock()
			delete(a.all, name)
			a.mu.Unlock()
		}
		close(res.opened)
	}()
	res.value, res.close, res.err = open()
}

// breaker is that of a layer in the chains of c's name.
func (a *Resources) breaker(c *Chain, layer string, cfg BreakerConfig) *breaker {
	name := fmt.Sprintf("breaker of %s in %s", layer, c.name)
	res, err := a.obtain(name, func() (any, func() error, error) { return new(breaker), nil, nil })
	if err != nil {
		return nil
	}
	b, ok := res.value.(*breaker)
	if !ok {
		a.release(name)
		return nil
	}
	a.mu.Lock()
	res.hidden = true
	a.mu.Unlock()
	b.mu.Lock()
	b.cfg = cfg
	b.mu.Unlock()
	c.hold(held{name: name})
	return b
}

// Names lists what is open, for status and leak checks.
func (a *Resources) Names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := make([]string, 0, len(a.all))
	for n, res := range a.all {
		if !res.hidden {
			names = append(names, n)
		}
	}
	return names
}

func (a *Resources) release(name string) error {
	a.mu.Lock()
	res := a.all[name]
	res.refs--
	last := res.refs == 0
	if last {
		delete(a.all, name)
	}
	a.mu.Unlock()
	if last && res.close != nil {
		return res.close()
	}
	return nil
}
