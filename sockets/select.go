package sockets

import (
	"context"
	"slices"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// FDSet is fd_set. It may hold any number of descriptors.
type FDSet []SOCKET

// Set is FD_SET.
func (f *FDSet) Set(s SOCKET) {
	if !f.IsSet(s) {
		*f = append(*f, s)
	}
}

// Clr is FD_CLR.
func (f *FDSet) Clr(s SOCKET) {
	*f = slices.DeleteFunc(*f, func(x SOCKET) bool { return x == s })
}

// IsSet is FD_ISSET (WPUFDIsSet).
func (f *FDSet) IsSet(s SOCKET) bool { return f != nil && slices.Contains(*f, s) }

// Zero is FD_ZERO.
func (f *FDSet) Zero() { *f = (*f)[:0] }

// A poll is one call of select or WSAPoll that waits.
type poll struct {
	wake chan struct{} // capacity 1
	of   []*sock
}

func (p *poll) prod() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// watch has p prodded by all wakes of its sockets, until unwatch.
func (p *poll) watch() {
	for _, k := range p.of {
		w := k.winsock
		w.mu.Lock()
		w.waiting = append(w.waiting, p)
		w.mu.Unlock()
	}
}

func (p *poll) unwatch() {
	for _, k := range p.of {
		w := k.winsock
		w.mu.Lock()
		if i := slices.Index(w.waiting, p); i >= 0 {
			w.waiting = slices.Delete(w.waiting, i, i+1)
		}
		w.mu.Unlock()
	}
}

// until asks look until it says that it is done, at first and after each wake,
// or until the time is over (negative: never): then it returns 0. EINTR: t's call
// was cancelled.
func (p *poll) until(t *Thread, timeout time.Duration, look func() (done bool)) wsa.Errno {
	if timeout == 0 {
		look()
		return 0
	}
	ctx := t.begin()
	defer t.end()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	p.wake = make(chan struct{}, 1)
	p.watch()
	defer p.unwatch()
	for !look() {
		select {
		case <-p.wake:
		case <-ctx.Done():
			if ctx.Err() == context.Canceled {
				return wsa.EINTR
			}
			return 0
		}
	}
	return 0
}

// role is one of the three sets of select.
type role struct {
	set   *FDSet
	mask  wsa.Events
	ready func(provider.Readiness) bool
	// dead is what a socket is that was closed during the call: ready, or ENOTSOCK.
	dead wsa.Errno
	hits []SOCKET
}

func readable(r provider.Readiness) bool {
	return r.Events&(wsa.FD_READ|wsa.FD_ACCEPT|wsa.FD_CLOSE|wsa.EvError) != 0 && !refused(r)
}

func writable(r provider.Readiness) bool { return r.Events&wsa.FD_WRITE != 0 && !refused(r) }

func exceptional(r provider.Readiness) bool { return r.Events&wsa.FD_OOB != 0 || refused(r) }

// refused reports a connection attempt that has failed.
func refused(r provider.Readiness) bool { return r.Events&wsa.FD_CONNECT != 0 && r.Connect != 0 }

// selectSockets is WSPSelect (winsock-spi 3.24): the sockets may be of several
// chains, as the waiting is done here and not by one provider. A negative timeout
// is none. The sets are rewritten on success only; a set given for two roles gets
// what is ready for either.
func (f *functions) selectSockets(_ int, r, w, x *FDSet, timeout *time.Duration) (int, wsa.Errno) {
	roles := []*role{
		{set: r, mask: wsa.FD_READ | wsa.FD_ACCEPT | wsa.FD_CLOSE | wsa.FD_CONNECT | wsa.EvError, ready: readable},
		{set: w, mask: wsa.FD_WRITE | wsa.FD_CONNECT, ready: writable, dead: wsa.ENOTSOCK},
		{set: x, mask: wsa.FD_OOB | wsa.FD_CONNECT, ready: exceptional, dead: wsa.ENOTSOCK},
	}
	roles = slices.DeleteFunc(roles, func(o *role) bool { return o.set == nil || len(*o.set) == 0 })
	wait := time.Duration(-1)
	if timeout != nil {
		wait = *timeout
	}
	if len(roles) == 0 || timeout != nil && wait < 0 {
		return 0, wsa.EINVAL
	}
	socks := make(map[SOCKET]*sock)
	p := new(poll)
	for _, o := range roles {
		for _, h := range *o.set {
			k, e := f.find(h)
			if e != 0 {
				return 0, e
			}
			if socks[h] == nil {
				p.of = append(p.of, k)
			}
			socks[h] = k
		}
	}
	n, failed := 0, wsa.Errno(0)
	e := p.until(f.t, wait, func() bool {
		n, failed = survey(roles, socks)
		return n > 0 || failed != 0
	})
	if e != 0 || failed != 0 {
		return 0, max(e, failed)
	}
	report(r, w, x, roles)
	return n, 0
}

// survey asks each socket for each of its roles.
func survey(roles []*role, socks map[SOCKET]*sock) (n int, e wsa.Errno) {
	for _, o := range roles {
		o.hits = o.hits[:0]
		for _, h := range *o.set {
			r, open := socks[h].level(o.mask)
			switch {
			case !open && o.dead != 0:
				e = o.dead
			case !open || socks[h].s.Failed() != 0 || o.ready(r): // whatever is waited for, the next call says why
				o.hits = append(o.hits, h)
				n++
			}
		}
	}
	if n > 0 {
		e = 0
	}
	return n, e
}

// report writes what is ready into the sets.
func report(r, w, x *FDSet, roles []*role) {
	for _, set := range []*FDSet{r, w, x} {
		if set == nil {
			continue
		}
		var hits FDSet
		for _, o := range roles {
			if o.set == set {
				for _, h := range o.hits {
					hits.Set(h)
				}
			}
		}
		*set = append((*set)[:0], hits...)
	}
}
