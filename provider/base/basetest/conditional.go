package basetest

import (
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

func (e *endpoint) is(name int32) bool { return e.options[[2]int32{wsa.SOL_SOCKET, name}] != 0 }

// Offer takes the first attempt at a listener with SO_CONDITIONAL_ACCEPT.
func (e *endpoint) Offer() (base.Attempt, wsa.Errno) {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	if !e.is(wsa.SO_CONDITIONAL_ACCEPT) || len(e.waiting) == 0 {
		return nil, wsa.EWOULDBLOCK
	}
	c := e.waiting[0]
	e.waiting = slices.Delete(e.waiting, 0, 1)
	c.listener = nil
	e.publish()
	return &attempt{e, c}, 0
}

// attempt is an endpoint that wants to connect and was not answered.
type attempt struct{ listener, from *endpoint }

func (a *attempt) LocalAddr() provider.Addr {
	return a.addr(func() provider.Addr { return sockaddr(a.listener.af, a.from.remote) })
}
func (a *attempt) PeerAddr() provider.Addr {
	return a.addr(func() provider.Addr { return sockaddr(a.listener.af, a.from.local) })
}

func (a *attempt) addr(of func() provider.Addr) provider.Addr {
	a.listener.n.mu.Lock()
	defer a.listener.n.mu.Unlock()
	return of()
}

// Answer completes the handshake: Accept has the connection when it returns.
func (a *attempt) Answer() wsa.Errno {
	a.listener.n.mu.Lock()
	defer a.listener.n.mu.Unlock()
	if a.listener.gone || a.from.gone || a.from.phase != base.Connecting {
		return wsa.EACCES
	}
	a.listener.admit(a.from)
	return 0
}

// Refuse answers with a reset.
func (a *attempt) Refuse() {
	a.listener.n.mu.Lock()
	defer a.listener.n.mu.Unlock()
	if !a.from.gone && a.from.phase == base.Connecting {
		a.from.die(wsa.ECONNREFUSED)
	}
}
