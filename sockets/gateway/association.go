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

// associations are the datagram sockets of a gateway: one per NIC, guest
// source, protocol and chain.
type associations struct {
	g *Gateway

	mu     sync.Mutex
	byKey  map[assocKey]*association
	byFlow map[flowKey]*association
	recent *list.List // of *association, the most lately used first
}

// assocKey names an association. For ping the port is the echo identifier. The
// chain is the built one: after a change of the catalog what is new goes
// through the new chain, though the entry be the same.
type assocKey struct {
	nic      *stack.NIC
	src      netip.AddrPort
	protocol int32
	family   int32
	chain    *provider.Chain
}

// flowKey is a guest source and destination, as resolved in one generation of
// the catalog.
type flowKey struct {
	nic        *stack.NIC
	src, dst   netip.AddrPort
	protocol   int32
	generation uint64
}

func newAssociations(g *Gateway) *associations {
	return &associations{g: g, byKey: make(map[assocKey]*association), byFlow: make(map[flowKey]*association), recent: list.New()}
}

// find is the association that carries src to dst, made if there is none.
// Resolve runs for every new pair, and outside the lock, as it may build a chain.
func (all *associations) find(nic *stack.NIC, src, dst netip.AddrPort, protocol int32) (*association, wsa.Errno) {
	flow := flowKey{nic, src, dst, protocol, all.g.cfg.Session.Generation()}
	all.mu.Lock()
	a := all.byFlow[flow]
	if a != nil {
		all.touch(a)
	}
	all.mu.Unlock()
	if a != nil {
		return a, 0
	}
	key, r, e := all.resolve(flow)
	if e != 0 {
		return nil, e
	}
	all.mu.Lock()
	a = all.byKey[key]
	if a != nil {
		all.remember(a, flow)
	}
	all.mu.Unlock()
	if a != nil {
		return a, 0
	}
	return all.open(key, flow, r)
}

func (all *associations) touch(a *association) {
	all.recent.MoveToFront(a.place)
	a.used.Store(since(a.born))
}

// remember makes the next datagram of flow find a at once.
func (all *associations) remember(a *association, flow flowKey) {
	all.touch(a)
	if len(a.flows) >= all.g.cfg.Limits.Peers {
		delete(all.byFlow, a.flows[0])
		a.flows = a.flows[1:]
	}
	all.byFlow[flow] = a
	a.flows = append(a.flows, flow)
}

func (all *associations) resolve(flow flowKey) (assocKey, *provider.SocketRequest, wsa.Errno) {
	r := &provider.SocketRequest{
		AF: family(flow.dst.Addr()), Type: wsa.SOCK_DGRAM, Protocol: flow.protocol,
		Flags: wsa.WSA_FLAG_OVERLAPPED, Origin: all.g.origin(flow.src, flow.dst),
	}
	entry, _, err := all.g.cfg.Session.Resolve(r)
	if err != nil {
		return assocKey{}, nil, codeOf(err)
	}
	chain, err := all.g.cfg.Session.Chain(entry.Info.CatalogEntryID)
	if err != nil {
		return assocKey{}, nil, codeOf(err)
	}
	// The socket serves many destinations: each send names its own, and the
	// socket's facts name none.
	o := *r.Origin
	o.Destination = provider.Addr{}
	r.Info, r.Origin = &chain.Info, &o
	return assocKey{flow.nic, flow.src, flow.protocol, r.AF, chain}, r, 0
}

func (all *associations) open(key assocKey, flow flowKey, r *provider.SocketRequest) (*association, wsa.Errno) {
	if !all.g.enter() {
		return nil, wsa.ENETDOWN
	}
	s, e := key.chain.Table.WSPSocket(r)
	if e != 0 {
		all.g.running.Done()
		return nil, e
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if a := all.byKey[key]; a != nil { // another reader was faster
		key.chain.Table.WSPCloseSocket(s, provider.CloseAbort)
		all.g.running.Done()
		all.remember(a, flow)
		return a, 0
	}
	for len(all.byKey) >= all.g.cfg.Limits.Datagram {
		oldest := all.recent.Back().Value.(*association)
		all.forget(oldest)
		oldest.bell.ring()
		all.g.UDPEvicted.Add(1)
	}
	a := newAssociation(all.g, key, s)
	a.place = all.recent.PushFront(a)
	all.byKey[key] = a
	all.remember(a, flow)
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
		if all.byFlow[f] == a {
			delete(all.byFlow, f)
		}
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
