package kit

import (
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

func (k *kit) ready(s *provider.Socket, mask wsa.Events) provider.Readiness {
	c := k.slot.Of(s)
	if c == nil || c.in.direct.Load() && c.out.direct.Load() {
		return k.next.Ready(s, mask)
	}
	c.mu.Lock()
	switch c.phase {
	case idle:
		c.mu.Unlock()
		return k.next.Ready(s, mask)
	case refused, spoilt:
		r := provider.Readiness{Events: mask & wsa.FD_CONNECT, Connect: c.refusal}
		c.mu.Unlock()
		return r
	case connecting:
		c.mu.Unlock()
		return provider.Readiness{}
	}
	r, ask := c.held()
	c.mu.Unlock()
	r.Events &= mask
	if ask &= mask; ask != 0 {
		b := k.next.Ready(s, ask)
		r.Events |= b.Events & ask
		if ask&wsa.FD_READ != 0 {
			r.Close, r.Soft, r.Queued = b.Close, b.Soft, b.Queued
		}
	}
	return r
}

// held is the readiness that follows from what the conversation holds, and
// which events only the storey below can answer. mu is held.
func (c *conversation) held() (r provider.Readiness, ask wsa.Events) {
	r.Events = wsa.FD_CONNECT
	switch {
	case c.leaveIn():
		ask = wsa.FD_READ | wsa.FD_CLOSE | wsa.FD_OOB | wsa.EvError
	case c.in.ring.n > 0:
		if !c.inShut {
			r.Events |= wsa.FD_READ
			r.Queued = c.in.ring.n
		}
	case c.in.err != 0:
		r.Events |= wsa.FD_CLOSE
		r.Close = closeCode(c.in.err)
	case c.in.eof:
		r.Events |= wsa.FD_CLOSE
	}
	switch {
	case c.out.direct.Load():
		ask |= wsa.FD_WRITE | wsa.EvDrained
	case c.out.err != 0 || !c.out.ring.full():
		r.Events |= wsa.FD_WRITE
	}
	switch {
	case c.broken != 0:
		r.Events |= wsa.EvDrained // nothing more is to be waited for
	case c.net.fin.Load():
		ask |= wsa.EvDrained
	}
	return r, ask
}

// closeCode is the cause that goes with FD_CLOSE: after a reset it is
// ECONNABORTED while receives say ECONNRESET, as observed on Windows.
func closeCode(e wsa.Errno) wsa.Errno {
	if e == wsa.ECONNRESET {
		return wsa.ECONNABORTED
	}
	return e
}

func (k *kit) watch(s *provider.Socket, w provider.Watcher, mask wsa.Events) {
	if c := k.slot.Of(s); c != nil {
		c.up.set(w, mask)
		return
	}
	k.next.Watch(s, w, mask)
}

// upper is the watcher of the storey above. wake holds mu for reading while it
// runs, so that none runs after set(nil).
type upper struct {
	mu   sync.RWMutex
	w    provider.Watcher
	mask wsa.Events
}

func (u *upper) set(w provider.Watcher, mask wsa.Events) {
	u.mu.Lock()
	u.w, u.mask = w, mask
	u.mu.Unlock()
}

func (u *upper) wake(s *provider.Socket, hint wsa.Events) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.w != nil && hint&u.mask != 0 {
		u.w.Wake(s, hint&u.mask)
	}
}
