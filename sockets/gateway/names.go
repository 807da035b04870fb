package gateway

import (
	"container/heap"
	"net/netip"
	"sync"
	"time"
)

// How long a name is kept for an address, whatever the record's TTL says: a
// program connects some time after it has asked, and one that keeps addresses
// for an hour is not to be served from memory for a week.
const (
	minNameLife = 60 * time.Second
	maxNameLife = time.Hour
)

// names remembers which names DNS answers gave for an address, to one
// attachment, while they live. It is a provider.NameSource. Safe for concurrent use.
type names struct {
	max int
	now func() time.Time

	mu     sync.Mutex
	byAddr map[netip.Addr][]named
	ends   nameHeap // what ends first, first
}

type named struct {
	name string
	ends time.Time
}

func newNames(max int) *names {
	return &names{max: max, now: time.Now, byAddr: make(map[netip.Addr][]named)}
}

// learn keeps name for ip for ttl, within the bounds above.
func (n *names) learn(ip netip.Addr, name string, ttl time.Duration) {
	ip = ip.Unmap()
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	ends := now.Add(min(max(ttl, minNameLife), maxNameLife))
	n.expire(now)
	all := n.byAddr[ip]
	for i := range all {
		if all[i].name == name {
			all[i].ends = later(all[i].ends, ends)
			return
		}
	}
	for len(n.ends) >= n.max {
		n.drop(heap.Pop(&n.ends).(nameEnd))
		all = n.byAddr[ip]
	}
	n.byAddr[ip] = append(all[:len(all):len(all)], named{name, ends})
	heap.Push(&n.ends, nameEnd{ip, name, ends})
}

// NamesOf are the living names of ip.
func (n *names) NamesOf(ip netip.Addr) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	var live []string
	for _, d := range n.byAddr[ip.Unmap()] {
		if now.Before(d.ends) {
			live = append(live, d.name)
		}
	}
	return live
}

// expire drops what has ended. An entry whose life was prolonged goes back.
func (n *names) expire(now time.Time) {
	for len(n.ends) > 0 && !now.Before(n.ends[0].ends) {
		e := heap.Pop(&n.ends).(nameEnd)
		if ends, ok := n.endOf(e); ok && now.Before(ends) {
			e.ends = ends
			heap.Push(&n.ends, e)
			continue
		}
		n.drop(e)
	}
}

func (n *names) endOf(e nameEnd) (time.Time, bool) {
	for _, d := range n.byAddr[e.ip] {
		if d.name == e.name {
			return d.ends, true
		}
	}
	return time.Time{}, false
}

func (n *names) drop(e nameEnd) {
	all := n.byAddr[e.ip]
	for i := range all {
		if all[i].name == e.name {
			rest := append(all[:i:i], all[i+1:]...)
			if len(rest) == 0 {
				delete(n.byAddr, e.ip)
			} else {
				n.byAddr[e.ip] = rest
			}
			return
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

type nameEnd struct {
	ip   netip.Addr
	name string
	ends time.Time
}

type nameHeap []nameEnd

func (h nameHeap) Len() int           { return len(h) }
func (h nameHeap) Less(i, j int) bool { return h[i].ends.Before(h[j].ends) }
func (h nameHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *nameHeap) Push(x any)        { *h = append(*h, x.(nameEnd)) }
func (h *nameHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
