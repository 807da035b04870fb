package gateway

import (
	"container/list"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// A visitor is a client of a published UDP port. What the program sends to the
// address under which it knows the client goes out of that port, from the address
// that the client has asked.
type visitor struct {
	port   *publicPort
	client provider.Addr
	local  netip.Addr // the client has asked it; none if the port is bound to one
	inside flowKey    // the program's side: what it sends there is an answer
	denied bool
	head   []byte // of each datagram: PROXY protocol

	place *list.Element
	used  atomic.Int64 // by associations.now
	quote atomic.Pointer[stack.Quote]
}

// visitors are those of one publication.
type visitors struct {
	max   int
	idle  time.Duration
	mu    sync.Mutex
	byKey map[visitorKey]*visitor
	// recent has the most lately used first. What only answers is not moved.
	recent  *list.List
	sweeper *time.Timer // runs while there are any
	closed  bool
}

type visitorKey struct {
	port   *publicPort
	client provider.Addr
	local  netip.Addr
}

func (vs *visitors) init(l Limits) {
	vs.max, vs.idle = l.Visitors, l.Idle
	vs.byKey, vs.recent = make(map[visitorKey]*visitor), list.New()
}

// visiting is where the program's datagrams to visitors are recognized, of all
// publications of a gateway.
type visiting struct {
	any atomic.Int64
	mu  sync.RWMutex
	by  map[flowKey]*visitor
}

func (g *visiting) find(flow flowKey) *visitor {
	if g.any.Load() == 0 {
		return nil
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.by[flow]
}

// add is false if the program knows another visitor by that name.
func (g *visiting) add(v *visitor) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by[v.inside] != nil {
		return false
	}
	if g.by == nil {
		g.by = make(map[flowKey]*visitor)
	}
	g.by[v.inside] = v
	g.any.Add(1)
	return true
}

func (g *visiting) remove(v *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by[v.inside] == v {
		delete(g.by, v.inside)
		g.any.Add(-1)
	}
}

// visitor is the one who has sent from client to local; nil if no name is left for
// it inside. Only run calls it.
func (port *publicPort) visitor(client provider.Addr, local netip.Addr) *visitor {
	vs, now := &port.p.visitors, port.p.g.dgram.now()
	key := visitorKey{port, client, local}
	vs.mu.Lock()
	v := vs.byKey[key]
	if v != nil {
		vs.recent.MoveToFront(v.place)
		v.used.Store(now)
	}
	vs.mu.Unlock()
	if v == nil {
		v = &visitor{port: port, client: client, local: local}
		v.used.Store(now)
		at := port.asked(local)
		v.denied = !port.admits(port.chain(), client, at)
		v.head = port.p.pub.Proxy.header(unmap(client.AddrPort), unmap(at.AddrPort), wsa.IPPROTO_UDP)
		if !v.denied && !v.name() {
			return nil
		}
		port.p.receives(key, v)
	}
	return v
}

// asked is the address of the port that a client has sent to.
func (port *publicPort) asked(local netip.Addr) provider.Addr {
	if !local.IsValid() {
		return port.at
	}
	a := port.at
	a.AddrPort = netip.AddrPortFrom(local, a.Port())
	return a
}

// aliases is how often a port of the gateway's address is tried for a visitor that
// cannot have its own address inside.
const aliases = 64

// name finds an address under which the program can know v, and nobody else.
func (v *visitor) name() bool {
	p := v.port.p
	g := p.g
	client := unmap(v.client.AddrPort)
	src, kept := p.source(client)
	v.inside = flowKey{p.pub.NIC, v.port.to, src, wsa.IPPROTO_UDP}
	if kept && g.visiting.add(v) {
		g.dgram.release(v.inside)
		return true
	}
	p.Masked.Add(1)
	try := client.Port()
	for range aliases {
		v.inside.dst = netip.AddrPortFrom(p.mask, try)
		if !g.isDNS(v.inside.dst) && g.visiting.add(v) {
			return true
		}
		try = uint16(1<<15 + rand.IntN(1<<15))
	}
	return false
}

// receives takes v in, for which the least lately used may have to go.
func (p *Published) receives(key visitorKey, v *visitor) {
	vs := &p.visitors
	vs.mu.Lock()
	defer vs.mu.Unlock()
	for len(vs.byKey) >= vs.max {
		p.forget(vs.recent.Back().Value.(*visitor))
		p.Evicted.Add(1)
	}
	vs.byKey[key] = v
	v.place = vs.recent.PushFront(v)
	if vs.sweeper == nil && !vs.closed {
		vs.sweeper = time.AfterFunc(vs.idle, p.sweep)
	}
}

// forget is called with visitors.mu held.
func (p *Published) forget(v *visitor) {
	delete(p.visitors.byKey, visitorKey{v.port, v.client, v.local})
	p.visitors.recent.Remove(v.place)
	p.g.visiting.remove(v)
}

// sweep forgets who was idle too long. Who was denied is asked about anew after a
// second, as the rules may have changed.
func (p *Published) sweep() {
	vs, now := &p.visitors, p.g.dgram.now()
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if vs.closed {
		return
	}
	next := vs.idle
	for _, v := range vs.byKey {
		life := vs.idle
		if v.denied {
			life = min(life, trust)
		}
		if left := life - time.Duration(now-v.used.Load()); left <= 0 {
			p.forget(v)
		} else {
			next = min(next, left)
		}
	}
	if vs.sweeper = nil; len(vs.byKey) > 0 {
		vs.sweeper = time.AfterFunc(max(next, vs.idle/16, time.Millisecond), p.sweep)
	}
}

// forgetVisitors is the end of them.
func (p *Published) forgetVisitors() {
	vs := &p.visitors
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.closed = true
	if vs.sweeper != nil {
		vs.sweeper.Stop()
	}
	for _, v := range vs.byKey {
		p.forget(v)
	}
}

// Clients is how many clients of UDP ports are remembered.
func (p *Published) Clients() int {
	p.visitors.mu.Lock()
	defer p.visitors.mu.Unlock()
	return len(p.visitors.byKey)
}

// release takes a flow from the association that has carried it: what the program
// sends there is from now on an answer.
func (all *associations) release(flow flowKey) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if p := all.byFlow[flow]; p != nil {
		all.drop(p)
		p.a.pairs = slices.DeleteFunc(p.a.pairs, func(q *pair) bool { return q == p })
	}
}
