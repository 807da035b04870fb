package gateway

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// Bounds of what one reader holds back: datagrams, their bytes, and the size
// beyond which one is not worth the copy.
const (
	maxHeld   = 64
	arenaSize = 96 << 10
	maxCopied = 16 << 10
)

// shortcut is the way of datagrams whose flow was judged less than a second ago
// by a chain that only decides, and of answers to clients of published ports, who were
// judged when they came: past table and layers, many in one call. Each
// reader of a NIC has one; what it holds is sent before the reader waits.
//
// A flow's short cut is shut when its association ends or a send fails, and not
// taken once the catalog has changed: what is held then is judged anew.
type shortcut struct {
	g   *Gateway
	nic *stack.NIC

	now        int64 // when what is held began to be
	generation uint64
	arena      []byte
	used       int
	held       [maxHeld]heldDatagram
	n          int
	lately     [16]*pair // by hash of the flow

	out      [maxHeld]provider.Datagram // of one association, or one published port
	pairs    [maxHeld]*pair             // of out
	visitors [maxHeld]*visitor          // of out
}

type heldDatagram struct {
	p    *pair    // nil: sent, or an answer
	v    *visitor // whom it answers; nil: sent, or none
	data []byte
	tos  uint8
}

var _ stack.Batcher = (*Gateway)(nil)

// Batch implements stack.Batcher.
func (g *Gateway) Batch(nic *stack.NIC, _ int) stack.Batch { return &shortcut{g: g, nic: nic} }

// open says that datagrams of p need not be judged now.
func (p *pair) open(now int64, generation uint64) bool {
	return p.until.Load() > now && p.generation == generation
}

func (p *pair) shut() { p.until.Store(0) }

// UDP implements stack.Batch.
func (c *shortcut) UDP(d *stack.Datagram) (held bool) {
	size := d.Len()
	if c.n == maxHeld || c.used+size > arenaSize {
		c.Flush()
	}
	if c.n == 0 {
		c.now, c.generation = c.g.dgram.now(), c.g.cfg.Session.Generation()
	}
	p := c.pair(d.Src, d.Dst)
	var v *visitor
	if p == nil {
		v = c.visitor(d)
	}
	open := v != nil || p != nil && p.open(c.now, c.generation) && p.a.usual(marks{d.TTL, d.TOS, d.Whole})
	if !open || size > maxCopied {
		c.Flush()
		c.g.UDP(d)
		return false
	}
	if c.arena == nil {
		c.arena = make([]byte, arenaSize)
	}
	begin := c.used
	for _, b := range d.Data {
		c.used += copy(c.arena[c.used:], b)
	}
	if v != nil {
		v.answers(d.Quote, c.now)
	}
	c.held[c.n] = heldDatagram{p, v, c.arena[begin:c.used:c.used], d.TOS}
	c.n++
	return true
}

// pair is what is known of a flow, if its short cut was open lately.
func (c *shortcut) pair(src, dst netip.AddrPort) *pair {
	at := &c.lately[(src.Port()^dst.Port()*31)%uint16(len(c.lately))]
	if p := *at; p != nil && p.key.src == src && p.key.dst == dst && p.generation == c.generation && p.until.Load() != 0 {
		return p
	}
	all := c.g.dgram
	all.mu.Lock()
	p := all.byFlow[flowKey{c.nic, src, dst, wsa.IPPROTO_UDP}]
	all.mu.Unlock()
	if p != nil {
		*at = p
	}
	return p
}

// Flush implements stack.Batch: flow by flow, each in its order.
func (c *shortcut) Flush() {
	if c.n == 0 {
		return
	}
	held := c.held[:c.n]
	stale := c.g.cfg.Session.Generation() != c.generation
	for i := range held {
		if v := held[i].v; v != nil {
			c.answer(v.port, held[i:])
		} else if p := held[i].p; p != nil {
			n := c.collect(p.a, held[i:])
			if stale {
				c.again(n)
			} else {
				c.send(p.a, n)
			}
		}
	}
	clear(held)
	c.n, c.used = 0, 0
}

// collect takes what is held for a, its flows one after the other, so that each
// makes as long a run as it can.
func (c *shortcut) collect(a *association, held []heldDatagram) (n int) {
	for i := range held {
		p := held[i].p
		if p == nil || p.a != a {
			continue
		}
		for j := i; j < len(held); j++ {
			if held[j].p == p {
				c.out[n].Data, c.out[n].Addr, c.out[n].TOS, c.pairs[n] = held[j].data, p.to, held[j].tos, p
				n++
				held[j].p = nil
			}
		}
	}
	return n
}

// send sends the first n of out. Law 4 and the peers are those of
// association.send.
func (c *shortcut) send(a *association, n int) {
	all := c.g.dgram
	a.sendMu.Lock()
	if a.closed || c.g.cfg.Session.Generation() != c.generation {
		a.sendMu.Unlock()
		c.again(n)
		return
	}
	a.peers.speaksOn(c.pairs[:n])
	path := a.s.Direct()
	sent, lost := 0, 0
	for done := 0; done < n; {
		k, e := sendBatch(path, a.s, c.out[done:n])
		sent += k
		if done += k; e == 0 {
			continue
		}
		if e == wsa.EWOULDBLOCK { // the socket is full, for those behind it too
			c.g.UDPFull.Add(uint64(n - done))
			break
		}
		c.pairs[done].shut()
		c.pairs[lost], c.out[lost].N = c.pairs[done], int(e)
		lost++
		done++
	}
	a.sendMu.Unlock()
	c.g.UDPSent.Add(uint64(sent))
	all.mu.Lock()
	if !a.forgotten.Load() {
		all.touch(a, c.now)
	}
	all.mu.Unlock()
	for i, p := range c.pairs[:lost] {
		c.g.lost(c.nic, wsa.Errno(c.out[i].N), p.quote)
	}
}

// again sends the first n of out the ordinary way: their association has ended,
// or the catalog has changed.
func (c *shortcut) again(n int) {
	var one [1][]byte
	for i, p := range c.pairs[:n] {
		one[0] = c.out[i].Data
		c.g.forward(p.key, one[:], marks{usualTTL, c.out[i].TOS, p.a.whole.Load()}, p.quote)
	}
}

// quote is a packet of the flow: not the newest, but none the worse.
func (p *pair) quote() stack.Quote { return p.peer.Load().quote }

// sendBatch is path.SendBatch, made of single sends where the base has none.
func sendBatch(path *provider.Path, s *provider.Socket, ds []provider.Datagram) (n int, e wsa.Errno) {
	if path.SendBatch != nil {
		return path.SendBatch(s, ds)
	}
	o := outgoing.Get().(*parcel)
	defer o.release()
	var one [1][]byte
	for i := range ds {
		one[0] = ds[i].Data
		if _, e = path.SendTo(s, o.fill(one[:], ds[i].Addr, marks{usualTTL, ds[i].TOS, false})); e != 0 {
			return i, e
		}
	}
	return len(ds), 0
}
