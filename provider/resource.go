package provider

import (
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
	value any
	close func() error
	refs  int
}

// Resource obtains the resource called name for the chain of r, opening it if
// nobody has it. Only while Startup runs: what a layer needs is known then, and
// a failure keeps the chain from being built. It is released with the chain.
func Resource[T any](r *StartupRequest, name string, open func() (T, func() error, error)) (T, error) {
	var zero T
	if r.started {
		return zero, fmt.Errorf("provider: resource %s: asked for after Startup of %s", name, r.layer)
	}
	all := r.build.resources
	all.mu.Lock()
	defer all.mu.Unlock()
	res := all.all[name]
	if res == nil {
		v, closer, err := open()
		if err != nil {
			return zero, fmt.Errorf("provider: resource %s: %w", name, err)
		}
		if closer == nil {
			closer = func() error { return nil }
		}
		res = &resource{value: v, close: closer}
		if all.all == nil {
			all.all = make(map[string]*resource)
		}
		all.all[name] = res
	}
	v, ok := res.value.(T)
	if !ok {
		return zero, fmt.Errorf("provider: resource %s is a %T, not a %T", name, res.value, zero)
	}
	res.refs++
	r.chain.held = append(r.chain.held, name)
	return v, nil
}

// Names lists what is open, for status and leak checks.
func (a *Resources) Names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := make([]string, 0, len(a.all))
	for n := range a.all {
		names = append(names, n)
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
	if last {
		return res.close()
	}
	return nil
}
