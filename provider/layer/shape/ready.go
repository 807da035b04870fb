package shape

import (
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// behind waits behind bytes that are held (law 5).
const behind = wsa.FD_READ | wsa.FD_CLOSE | wsa.EvError

func (in *instance) ready(s *provider.Socket, mask wsa.Events) provider.Readiness {
	st := in.slot.Of(s)
	if st == nil {
		return in.next.Ready(s, mask)
	}
	if r, waits := st.connecting(mask); waits {
		return r
	}
	if st, _ = in.shaped(s, provider.Addr{}); st == nil {
		return in.next.Ready(s, mask)
	}
	ask := mask
	if mask&behind != 0 {
		ask |= wsa.FD_READ
	}
	r := in.next.Ready(s, ask)
	if r.Events&wsa.FD_READ != 0 {
		switch n := in.lim.open(st, down); {
		case n == 0:
			r.Events &^= behind
			r.Close, r.Soft, r.Queued = 0, 0, 0
		case !in.messages:
			r.Queued = int(min(int64(r.Queued), n))
		}
	}
	if r.Events&wsa.FD_WRITE != 0 && in.lim.open(st, up) == 0 {
		r.Events &^= wsa.FD_WRITE
	}
	r.Events &= mask
	return r
}

// watch gives the watcher to the storey below, which wakes it directly, and keeps it for
// the wakes of this one.
func (in *instance) watch(s *provider.Socket, w provider.Watcher, mask wsa.Events) {
	if st := in.slot.Of(s); st != nil {
		st.up.set(w, mask)
	}
	in.next.Watch(s, w, mask)
}

// ioctl answers FIONREAD as Ready does.
func (in *instance) ioctl(s *provider.Socket, q *provider.IoctlRequest) (int, wsa.Errno) {
	if q.Code == wsa.FIONREAD && !in.messages {
		if st, _ := in.shaped(s, provider.Addr{}); st != nil {
			return putInt(q.Out, in.ready(s, wsa.FD_READ).Queued)
		}
	}
	return in.next.WSPIoctl(s, q)
}

// upper is the watcher of the storey above. wake holds mu for reading while it runs, so
// that none runs after set(nil).
type upper struct {
	mu   sync.RWMutex
	w    provider.Watcher
	mask wsa.Events
}

func (u *upper) set(w provider.Watcher, mask wsa.Events) {
	u.mu.Lock()
	u.w, u.mask = w, mask
	u.mu.Unlock()
}

func (u *upper) wake(s *provider.Socket, hint wsa.Events) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.w != nil && hint&u.mask != 0 {
		u.w.Wake(s, hint&u.mask)
	}
}
