package gateway

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// associations are the datagram sockets of a gateway: one per NIC, guest
// source, protocol and chain.
type associations struct {
	g    *Gateway
	born time.Time

	mu      sync.Mutex
	byKey   map[assocKey]*association
	byFlow  map[flowKey]*pair
	recent  *list.List  // of *association, the most lately used first
	sweeper *time.Timer // runs while there are any
	evicted allowance
	closed  bool
}

// An allowance is what is left of so many a millisecond.
type allowance struct {
	since int64 // nanoseconds
	used  int
}

// evictBurst sources may come for others in a millisecond: a flood of them, each of which
// costs a socket, would keep a CPU busy, and this is the reader's. At 50 000 a second a
// neighbour has 0.7 of its fetches left; without it, 0.4.
const evictBurst = 4

func (a *allowance) take(now int64) bool {
	if now-a.since > int64(time.Millisecond) {
		*a = allowance{since: now}
	}
	a.used++
	return a.used <= evictBurst
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
	only     netip.AddrPort // with UDPPerFlow: where it really goes
}

// flowKey is a guest source and whom it sends to, under the name that it uses.
type flowKey struct {
	nic      *stack.NIC
	src, dst netip.AddrPort
	protocol int32
}

// pair is a guest source and destination, as resolved in one generation of the
// catalog.
type pair struct {
	key        flowKey
	a          *association
	to         provider.Addr // where it really goes
	generation uint64

	until atomic.Int64         // the short cut is open until then; 0: it is shut
	peer  atomic.Pointer[peer] // of the last datagram that was judged
}

func newAssociations(g *Gateway) *associations {
	return &associations{
		g: g, born: time.Now(),
		byKey: make(map[assocKey]*association), byFlow: make(map[flowKey]*pair), recent: list.New(),
	}
}

// now is the time in which associations measure, in nanoseconds.
func (all *associations) now() int64 { return int64(time.Since(all.born)) }

// known is the pair of a flow that has one in the catalog as it is now.
func (all *associations) known(flow flowKey) *pair {
	generation, now := all.g.cfg.Session.Generation(), all.now()
	all.mu.Lock()
	defer all.mu.Unlock()
	p := all.byFlow[flow]
	if p == nil || p.generation != generation {
		return nil
	}
	all.touch(p.a, now)
	return p
}

// find is the pair that carries flow to dst, made if there is none. Resolve runs
// for every new one, and outside the lock, as it may build a chain.
func (all *associations) find(flow flowKey, dst netip.AddrPort) (*pair, wsa.Errno) {
	if p := all.known(flow); p != nil {
		return p, 0
	}
	p := &pair{key: flow, to: provider.AddrFrom(dst), generation: all.g.cfg.Session.Generation()}
	key, r, e := all.resolve(flow, dst)
	if e != 0 {
		return nil, e
	}
	all.mu.Lock()
	a := all.byKey[key]
	if a != nil {
		all.remember(a, p)
	}
	room := len(all.byKey) < all.g.cfg.Limits.Datagram || all.evicted.take(all.now())
	all.mu.Unlock()
	switch {
	case a != nil:
		return p, 0
	case !room:
		flooded()
		return nil, errTooMany
	}
	return p, all.open(key, p, r)
}

// touch is called with all.mu held.
func (all *associations) touch(a *association, now int64) {
	all.recent.MoveToFront(a.place)
	a.used.Store(now)
}

// remember makes the next datagram of p's flow find a at once.
func (all *associations) remember(a *association, p *pair) {
	all.touch(a, all.now())
	if old := all.byFlow[p.key]; old != nil && old != p { // of a catalog that was
		all.drop(old)
		old.a.pairs = slices.DeleteFunc(old.a.pairs, func(q *pair) bool { return q == old })
	}
	if len(a.pairs) >= all.g.cfg.Limits.Peers {
		all.drop(a.pairs[0])
		a.pairs = append(a.pairs[:0], a.pairs[1:]...)
	}
	p.a = a
	all.byFlow[p.key] = p
	a.pairs = append(a.pairs, p)
}

func (all *associations) drop(p *pair) {
	p.shut()
	if all.byFlow[p.key] == p {
		delete(all.byFlow, p.key)
	}
}

func (all *associations) resolve(flow flowKey, dst netip.AddrPort) (assocKey, *provider.SocketRequest, wsa.Errno) {
	r := &provider.SocketRequest{
		AF: family(dst.Addr()), Type: wsa.SOCK_DGRAM, Protocol: flow.protocol,
		Flags: wsa.WSA_FLAG_OVERLAPPED, Origin: all.g.owned(flow.protocol, flow.src, dst, flow.dst),
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
	key := assocKey{nic: flow.nic, src: flow.src, protocol: flow.protocol, family: r.AF, chain: chain}
	if all.g.cfg.UDPPerFlow && flow.protocol == wsa.IPPROTO_UDP {
		key.only = dst
	}
	return key, r, 0
}

func (all *associations) open(key assocKey, p *pair, r *provider.SocketRequest) wsa.Errno {
	if !all.g.enter() {
		if all.g.drained.Load() {
			return errClosing // in silence
		}
		return wsa.ENETDOWN
	}
	s, e := key.chain.Table.WSPSocket(r)
	if e != 0 {
		all.g.running.Done()
		return e
	}
	key.chain.Table.WSPSetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_RCVBUF, receiveBuffer[:]) // as much as the host allows
	tellTOS(s)
	if !all.admit(key, p, s) { // another reader was faster, or the gateway closes
		key.chain.Table.WSPCloseSocket(s, provider.CloseAbort)
		all.g.running.Done()
	}
	if p.a == nil {
		return wsa.ENETDOWN
	}
	return 0
}

// receiveBuffer is SO_RCVBUF of a datagram socket, 1 MiB little-endian: programs
// that raise their own would gain nothing behind the 208 KiB that Linux gives ours,
// 92 datagrams of 1200 bytes. It costs memory only while something waits.
var receiveBuffer = [4]byte{2: 1 << 4}

// admit makes an association of s, unless there is one.
func (all *associations) admit(key assocKey, p *pair, s *provider.Socket) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.closed {
		return false
	}
	if a := all.byKey[key]; a != nil {
		all.remember(a, p)
		return false
	}
	for len(all.byKey) >= all.g.cfg.Limits.Datagram {
		all.forget(all.recent.Back().Value.(*association))
		all.g.UDPEvicted.Add(1)
	}
	a := newAssociation(all.g, key, s)
	a.place = all.recent.PushFront(a)
	all.byKey[key] = a
	all.remember(a, p)
	all.watch()
	a.begin()
	return true
}

// forget takes a out of the tables, and begins its end. all.mu is held.
func (all *associations) forget(a *association) {
	if a.forgotten.Load() {
		return
	}
	a.forgotten.Store(true)
	delete(all.byKey, a.key)
	for _, p := range a.pairs {
		all.drop(p)
	}
	a.pairs = nil
	all.recent.Remove(a.place)
	if a.shared.Load() {
		go a.close()
	} else {
		a.bell.ring()
	}
}

func (all *associations) end(a *association) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.forget(a)
}

// close ends all; Gateway.Close waits for them.
func (all *associations) close() {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.closed = true
	for _, a := range all.byKey {
		all.forget(a)
	}
	if all.sweeper != nil {
		all.sweeper.Stop()
	}
}
