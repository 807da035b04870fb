package gateway

import (
	"container/heap"
	"net/netip"
	"slices"
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

// maxNamesPerAddr bounds what a wildcard zone can hang on one address. A
// content network's address has a few names; the newest are kept.
const maxNamesPerAddr = 32

// names remembers which names DNS answers gave for an address, to one
// attachment, while they live. It is a provider.NameSource. Safe for concurrent use.
type names struct {
	max int
	now func() time.Time

	mu     sync.RWMutex
	byAddr map[netip.Addr]*addrNames
	ends   nameHeap // what ends first, first
	count  int
}

// addrNames are the names of one address, oldest first. list is what NamesOf
// hands out; it is replaced, not changed.
type addrNames struct {
	list []string
	ends []time.Time
	next time.Time // the first of ends
}

func newNames(max int) *names {
	return &names{max: max, now: time.Now, byAddr: make(map[netip.Addr]*addrNames)}
}

// learn keeps name for ip for ttl, within the bounds above.
func (n *names) learn(ip netip.Addr, name string, ttl time.Duration) {
	ip = ip.Unmap()
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	ends := now.Add(min(max(ttl, minNameLife), maxNameLife))
	n.expire(now)
	for len(n.ends) >= n.max {
		n.evict()
	}
	a := n.byAddr[ip]
	if a == nil {
		a = new(addrNames)
		n.byAddr[ip] = a
	}
	if i := slices.Index(a.list, name); i >= 0 {
		if ends.After(a.ends[i]) {
			a.ends[i] = ends // its place in the heap is corrected when that comes up
			a.next = slices.MinFunc(a.ends, time.Time.Compare)
		}
		return
	}
	if len(a.list) >= maxNamesPerAddr {
		n.remove(a, 0)
	}
	a.list = append(slices.Clip(a.list), name)
	a.ends = append(a.ends, ends)
	a.next = slices.MinFunc(a.ends, time.Time.Compare)
	n.count++
	heap.Push(&n.ends, nameEnd{ip, name, ends})
}

// NamesOf are the living names of ip. It allocates only where one of them has
// ended and nobody has learnt anything since.
func (n *names) NamesOf(ip netip.Addr) []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	a := n.byAddr[ip.Unmap()]
	if a == nil {
		return nil
	}
	now := n.now()
	if now.Before(a.next) {
		return a.list
	}
	var live []string
	for i, name := range a.list {
		if now.Before(a.ends[i]) {
			live = append(live, name)
		}
	}
	return live
}

// expire drops what has ended. A name whose life was prolonged goes back.
func (n *names) expire(now time.Time) {
	for len(n.ends) > 0 && !now.Before(n.ends[0].ends) {
		e := heap.Pop(&n.ends).(nameEnd)
		a := n.byAddr[e.ip]
		if a == nil {
			continue
		}
		i := slices.Index(a.list, e.name)
		switch {
		case i < 0: // pushed out by newer names
		case now.Before(a.ends[i]):
			e.ends = a.ends[i]
			heap.Push(&n.ends, e)
		default:
			n.drop(e.ip, e.name)
		}
	}
}

// evict drops the name that ends first. One whose life was prolonged since it
// was put there goes back to its true place.
func (n *names) evict() {
	for {
		e := heap.Pop(&n.ends).(nameEnd)
		a := n.byAddr[e.ip]
		if a != nil {
			if i := slices.Index(a.list, e.name); i >= 0 && a.ends[i].After(e.ends) {
				e.ends = a.ends[i]
				heap.Push(&n.ends, e)
				continue
			}
		}
		n.drop(e.ip, e.name)
		return
	}
}

func (n *names) drop(ip netip.Addr, name string) {
	a := n.byAddr[ip]
	if a == nil {
		return
	}
	if i := slices.Index(a.list, name); i >= 0 {
		n.remove(a, i)
		if len(a.list) == 0 {
			delete(n.byAddr, ip)
		}
	}
}

func (n *names) remove(a *addrNames, i int) {
	a.list = slices.Concat(a.list[:i], a.list[i+1:])
	a.ends = slices.Delete(a.ends, i, i+1)
	if len(a.ends) > 0 {
		a.next = slices.MinFunc(a.ends, time.Time.Compare)
	}
	n.count--
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
