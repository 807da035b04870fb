package stack

import (
	"container/list"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// handshakes are the flows without a verdict, and those without the program's ACK to
// it, from their SYN on: a goroutine each, so they are bounded. Guarded by
// flowTable.mu.
type handshakes struct {
	flows   map[flowKey]*Flow
	sources map[netip.Addr]*attempts
}

// Attempts are those from one place: a NIC, or a source address on any of them.
type attempts struct {
	n      int       // in flight
	oldest list.List // of *Flow in the order of their SYNs, but for those that were evicted
}

// An attempt may have to make room once it is so old that a program's ACK has long
// been there, and a host has had three SYNs of ours (after 0, 1 and 3 s). Otherwise a
// program that tries 1024 silent hosts, or a flood of SYNs that nobody acknowledges,
// would leave no room for as long as Linux tries: two minutes.
const evictAfter = 4 * time.Second

// evictPart of them goes at once: the SYN that was in vain is to find room when it comes
// again, a second later.
const evictPart = 64

func (h *handshakes) init() {
	h.flows = map[flowKey]*Flow{}
	h.sources = map[netip.Addr]*attempts{}
}

// room says that there is room for one more; or which have to go, so that there is
// for the next.
func (t *flowTable) room(key flowKey) (ok bool, over []*Flow) {
	n, s := key.nic, t.stack.config
	if len(t.pending.flows) >= s.MaxHandshakes || n.pending.n >= n.maxHandshakes {
		over = t.evict(n, &n.pending)
		n.counters.add(FlowDropLimit, 1)
		return false, over
	}
	if from := t.pending.sources[key.src.Addr()]; from != nil && from.n >= min(s.MaxHandshakesPerSource, n.maxPerSource) {
		over = t.evict(n, from)
		n.counters.add(FlowDropSource, 1)
		return false, over
	}
	return true, nil
}

// evict chooses among those of o.
func (t *flowTable) evict(n *NIC, o *attempts) (over []*Flow) {
	now := t.now()
	for e := o.oldest.Front(); e != nil && len(over) <= o.n/evictPart; e = o.oldest.Front() {
		f := e.Value.(*Flow)
		if now.Sub(f.began) < evictAfter {
			break
		}
		t.pending.unlist(f)
		over = append(over, f)
	}
	n.counters.add(FlowEvicted, len(over))
	return over
}

func (t *flowTable) now() tcpip.MonotonicTime { return t.stack.tcpip.Clock().NowMonotonic() }

// Handshakes are how many flows of n are without a verdict, or without the program's ACK
// to it.
func (n *NIC) Handshakes() int {
	n.stack.flows.mu.Lock()
	defer n.stack.flows.mu.Unlock()
	return n.pending.n
}

// begin makes a Flow of a SYN.
func (t *flowTable) begin(key flowKey, isn uint32, pkt *tcpstack.PacketBuffer) *Flow {
	n := key.nic
	f := &Flow{stack: t.stack, nic: n, key: key, isn: isn, began: t.now(), canceled: make(chan struct{}), quote: quoteOf(pkt)}
	f.ttl, f.tos = ttlAndTOS(pkt)
	f.unleased.L = &f.mu
	n.handlers.Add(1)
	t.pending.add(f)
	return f
}

func (h *handshakes) add(f *Flow) {
	h.flows[f.key] = f
	from := h.sources[f.key.src.Addr()]
	if from == nil {
		from = &attempts{}
		h.sources[f.key.src.Addr()] = from
	}
	f.listed.nic, f.listed.source = f.nic.pending.oldest.PushBack(f), from.oldest.PushBack(f)
	f.nic.pending.n++
	from.n++
}

func (h *handshakes) unlist(f *Flow) {
	f.nic.pending.oldest.Remove(f.listed.nic) // does nothing the second time
	h.sources[f.key.src.Addr()].oldest.Remove(f.listed.source)
}

func (h *handshakes) remove(f *Flow) {
	if h.flows[f.key] != f {
		return
	}
	delete(h.flows, f.key)
	h.unlist(f)
	f.listed.nic, f.listed.source = nil, nil // nothing that a connection needs
	f.nic.pending.n--
	src := f.key.src.Addr()
	if from := h.sources[src]; from.n > 1 {
		from.n--
	} else {
		delete(h.sources, src)
	}
}
