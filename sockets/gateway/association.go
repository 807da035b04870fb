package gateway

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// associations are the datagram sockets of a gateway: one per guest source,
// protocol and chain.
type associations struct {
	g *Gateway

	mu     sync.Mutex
	byKey  map[assocKey]*association
	byFlow map[flowKey]*association
	recent *list.List // of *association, the most lately used first
}

// assocKey names an association. For ping the port is the echo identifier.
type assocKey struct {
	src      netip.AddrPort
	protocol int32
	family   int32
	entry    provider.CatalogID
}

type flowKey struct {
	src, dst netip.AddrPort
	protocol int32
}

func newAssociations(g *Gateway) *associations {
	return &associations{g: g, byKey: make(map[assocKey]*association), byFlow: make(map[flowKey]*association), recent: list.New()}
}

// find is the association that carries src to dst, made if there is none.
// Resolve runs for every new pair.
func (all *associations) find(nic *stack.NIC, src, dst netip.AddrPort, protocol int32) (*association, wsa.Errno) {
	flow := flowKey{src, dst, protocol}
	all.mu.Lock()
	defer all.mu.Unlock()
	if a := all.byFlow[flow]; a != nil {
		all.recent.MoveToFront(a.place)
		return a, 0
	}
	a, e := all.resolve(nic, src, dst, protocol)
	if e != 0 {
		return nil, e
	}
	if len(a.flows) < all.g.cfg.Limits.Peers {
		all.byFlow[flow] = a
		a.flows = append(a.flows, flow)
	}
	return a, 0
}

func (all *associations) resolve(nic *stack.NIC, src, dst netip.AddrPort, protocol int32) (*association, wsa.Errno) {
	r := &provider.SocketRequest{
		AF: family(dst.Addr()), Type: wsa.SOCK_DGRAM, Protocol: protocol,
		Flags: wsa.WSA_FLAG_OVERLAPPED, Origin: all.g.origin(src, dst),
	}
	entry, _, err := all.g.cfg.Session.Resolve(r)
	if err != nil {
		return nil, codeOf(err)
	}
	key := assocKey{src, protocol, r.AF, entry.Info.CatalogEntryID}
	if a := all.byKey[key]; a != nil {
		all.recent.MoveToFront(a.place)
		return a, 0
	}
	if !all.g.enter() {
		return nil, wsa.ENETDOWN
	}
	s, err := all.g.cfg.Session.Socket(r)
	if err != nil {
		all.g.running.Done()
		return nil, codeOf(err)
	}
	for len(all.byKey) >= all.g.cfg.Limits.Datagram {
		oldest := all.recent.Back().Value.(*association)
		all.forget(oldest)
		oldest.bell.ring()
		all.g.UDPEvicted.Add(1)
	}
	a := newAssociation(all.g, nic, key, s)
	a.place = all.recent.PushFront(a)
	all.byKey[key] = a
	go a.run()
	return a, 0
}

// forget takes a out of the tables; its goroutine ends it. all.mu is held.
func (all *associations) forget(a *association) {
	if all.byKey[a.key] != a {
		return
	}
	delete(all.byKey, a.key)
	for _, f := range a.flows {
		delete(all.byFlow, f)
	}
	all.recent.Remove(a.place)
	a.forgotten.Store(true)
}

// idle forgets a unless it was used since last.
func (all *associations) idle(a *association, last int64) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	if a.used.Load() != last {
		return false
	}
	all.forget(a)
	return true
}

func (all *associations) end(a *association) {
	all.mu.Lock()
	all.forget(a)
	all.mu.Unlock()
}

// since is the time that an association measures idleness in.
func since(t time.Time) int64 { return int64(time.Since(t)) }
