package shape

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// limits are the buckets of all chains and versions that name them.
type limits struct {
	mu      sync.Mutex
	buckets map[key]*bucket
	keyed   int       // of buckets: those that are not one socket's
	idle    list.List // of *bucket: no socket has them; the oldest first
	tickets uint64
}

// key is what sockets of one bucket have in common.
type key struct {
	rule   string
	text   string // attachment or name
	addr   netip.Addr
	socket *provider.Socket
	rest   bool // those for whom there was no room
}

// bucket is what the sockets of a key share.
type bucket struct {
	key   key
	refs  int // sockets
	used  int64
	total int64
	by    uint64 // the version that has configured it
	idle  *list.Element
	pipes [ways]pipe
}

// configure gives b the parameters of r, unless a later version has done so: sockets
// that are pinned to an old one do not bring them back.
func (b *bucket) configure(r *Rule, version uint64, now time.Time) {
	if version < b.by {
		return
	}
	b.by, b.total = version, r.Total
	burst := func(rate, burst float64) float64 {
		if burst == 0 {
			burst = rate / 10
		}
		return max(1, burst)
	}
	for w, rate := range [ways]float64{down: float64(r.Down), up: float64(r.Up), conns: r.Conns} {
		if way(w) == conns {
			b.pipes[w].set(rate, burst(rate, 0), now)
		} else {
			b.pipes[w].set(rate, burst(rate, float64(r.Burst)), now)
		}
	}
}

// forgettable: a bucket made anew would be the same.
func (b *bucket) forgettable(now time.Time) bool {
	for i := range b.pipes {
		if b.pipes[i].refill(now); !b.pipes[i].full() {
			return false
		}
	}
	return b.total == 0 || b.used == 0
}

// bucket is the one of k, made if there is room, else that of all who found none.
func (l *limits) bucket(k key, most int, now time.Time) *bucket {
	b := l.buckets[k]
	if b == nil && k.socket == nil { // those of a socket are bounded as sockets are
		if l.keyed >= most {
			l.forget(now)
		}
		if l.keyed >= most {
			k = key{rule: k.rule, rest: true}
			b = l.buckets[k]
		}
	}
	if b == nil {
		b = &bucket{key: k}
		for i := range b.pipes {
			b.pipes[i].lim = l
		}
		if l.buckets[k] = b; k.socket == nil {
			l.keyed++
		}
	}
	return b
}

// forget drops the oldest bucket that nobody has, if that changes nothing for who comes back.
func (l *limits) forget(now time.Time) {
	e := l.idle.Front()
	if e == nil {
		return
	}
	if b := e.Value.(*bucket); b.forgettable(now) {
		l.idle.Remove(e)
		delete(l.buckets, b.key)
		l.keyed--
		return
	}
	l.idle.MoveToBack(e) // the next is looked at the next time
}

func (l *limits) hold(b *bucket) {
	if b.refs++; b.idle != nil {
		l.idle.Remove(b.idle)
		b.idle = nil
	}
}

func (l *limits) release(b *bucket) {
	if b.refs--; b.refs > 0 {
		return
	}
	if b.key.socket != nil {
		delete(l.buckets, b.key)
		return
	}
	b.idle = l.idle.PushBack(b)
}

// bind finds the buckets of st for remote. A socket that is new there may be refused:
// EMFILE, EDQUOT. mu is held.
func (l *limits) bind(st *state, rs *rules, remote provider.Addr, refusable bool) wsa.Errno {
	names := st.s.Origin.NamesOf(remote.Addr())
	now := time.Now()
	var found []*bucket
	for i := range rs.cfg.Rules {
		r := &rs.cfg.Rules[i]
		if !r.Match.has(st.s.Protocol, remote, names) {
			continue
		}
		b := l.bucket(keyOf(st.s, r, rs.ids[i], remote, names), rs.cfg.Buckets, now)
		b.configure(r, rs.version, now)
		mine := has(st.buckets, b)
		l.hold(b)
		found = append(found, b)
		e := wsa.Errno(0)
		switch {
		case !refusable:
		case b.total > 0 && b.used >= b.total:
			e = wsa.EDQUOT
		case r.Sockets > 0 && !mine && b.refs > r.Sockets:
			e = wsa.EMFILE
		}
		if e != 0 {
			for _, b := range found {
				l.release(b)
			}
			return e
		}
	}
	var waited [ways]bool
	for i := range st.waiters {
		waited[i] = st.waiters[i].in != nil
		st.waiters[i].leave()
	}
	for _, b := range st.buckets {
		l.release(b)
	}
	st.buckets, st.rules, st.remote = found, rs, remote
	for i, w := range waited {
		if w {
			l.goOn(st, &st.waiters[i])
		}
	}
	if st.free.Store(nil); len(found) == 0 {
		st.free.Store(rs)
	}
	return 0
}

// goOn has who waited in another bucket wait in one of its new ones, so that it is woken
// there; at once if none of them makes it wait.
func (l *limits) goOn(st *state, w *waiter) {
	for _, b := range st.buckets {
		if p := &b.pipes[w.way]; p.rate > 0 {
			p.queue(w)
			return
		}
	}
	st.in.r.AfterFunc(nil, 0, w.wake)
}

func has(all []*bucket, b *bucket) bool {
	for _, x := range all {
		if x == b {
			return true
		}
	}
	return false
}

func keyOf(s *provider.Socket, r *Rule, id string, remote provider.Addr, names []string) key {
	k := key{rule: id}
	switch r.Per {
	case PerAttachment:
		k.text = s.Origin.Attachment
	case PerName:
		if len(names) > 0 {
			k.text = names[0]
			break
		}
		fallthrough
	case PerDestination:
		k.addr = remote.Addr().Unmap()
	case PerSocket:
		k.socket = s
	}
	return k
}

// unbind lets go of all that st has. mu is held.
func (l *limits) unbind(st *state) {
	for i := range st.waiters {
		st.waiters[i].leave()
	}
	for _, b := range st.buckets {
		l.release(b)
	}
	st.buckets = nil
}
