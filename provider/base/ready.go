package base

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// ready is Ready: a level with its causes, from the endpoint's raw state
// (winsock-spi 6.4, spi-notes 1.2). A closed socket shows nothing.
func ready(s *provider.Socket, mask wsa.Events) provider.Readiness {
	if r, failed := s.FailedReadiness(mask); failed {
		return r
	}
	k, e := reader(s)
	if e != 0 {
		return provider.Readiness{}
	}
	defer k.mu.RUnlock()
	var r provider.Readiness
	if mask == wsa.FD_READ && k.stream() && k.now() == connected {
		// Who moves bytes asks this before every receive: one system call, not two.
		if q, ok := k.link.Endpoint.(Queuer); ok {
			if r.Queued = q.Queued(); r.Queued > 0 && !k.shutRecv {
				r.Events = wsa.FD_READ
			}
			return r
		}
	}
	if k.stream() {
		k.streamReady(&r)
	} else {
		k.datagramReady(&r)
	}
	if mask&wsa.FD_READ != 0 && (!k.sift.on || r.Events&wsa.FD_READ != 0) {
		r.Queued = k.queued()
	}
	if mask&changeEvents != 0 {
		r.Events |= k.changed()
	}
	r.Events &= mask
	return r
}

// streamReady: an idle stream reports nothing at all, not even writable (12.9);
// a refused one only that the attempt is over.
func (k *socket) streamReady(r *provider.Readiness) {
	switch k.now() {
	case listening:
		if k.link.State().Acceptable || k.holding() {
			r.Events = wsa.FD_ACCEPT
		}
	case refused:
		r.Events, r.Connect = wsa.FD_CONNECT|wsa.EvDrained, wsa.Errno(k.connErr.Load())
	case connected:
		k.connectionReady(r)
	default:
		r.Events = wsa.EvDrained
	}
}

func (k *socket) connectionReady(r *provider.Readiness) {
	st := k.link.State()
	if k.active {
		r.Events |= wsa.FD_CONNECT
	}
	if st.Readable && !k.shutRecv {
		r.Events |= wsa.FD_READ
	}
	if st.Urgent && k.urgent(st) {
		r.Events |= wsa.FD_OOB
	}
	dead := k.ended()
	if st.Writable || k.shutSend || dead != 0 {
		r.Events |= wsa.FD_WRITE
	}
	if st.Drained || dead != 0 {
		r.Events |= wsa.EvDrained
	}
	switch dead {
	case 0:
		if st.PeerClosed {
			r.Events |= wsa.FD_CLOSE
		}
	case wsa.ENETDOWN:
		r.Events, r.Close = r.Events|wsa.FD_CLOSE, dead
	default: // a reset too: observed, see the package comment
		r.Events, r.Close = r.Events|wsa.FD_CLOSE, wsa.ECONNABORTED
	}
}

// datagramReady: writable even unbound (12.4), readable only when bound.
func (k *socket) datagramReady(r *provider.Readiness) {
	st := k.link.State()
	r.Events = wsa.EvDrained
	if st.Writable || k.shutSend {
		r.Events |= wsa.FD_WRITE
	}
	if !k.bound || k.shutRecv {
		return
	}
	if st.Readable && (st.Soft || k.announced()) {
		r.Events |= wsa.FD_READ
	}
	if e := k.waiting(st); e != 0 {
		r.Events, r.Soft = r.Events|wsa.EvError, e
	}
}

// waiting is the soft error that the next receive reports, 0 if none. A driver
// that cannot name it is taken to mean port unreachable, by far the most common.
func (k *socket) waiting(st State) wsa.Errno {
	if w := k.soft.Load(); w != nil && k.wanted(w.errno) {
		return w.errno
	}
	if !st.Soft {
		return 0
	}
	e := wsa.ECONNRESET
	if n, ok := k.link.Endpoint.(SoftNamer); ok {
		if v := n.SoftError(); v != 0 {
			e = v
		}
	}
	if !k.wanted(e) {
		return 0
	}
	return e
}

// queued is what a receive would return now: of datagrams the first, or as many as
// the driver says.
func (k *socket) queued() int {
	if !k.bound || k.stream() && k.now() != connected {
		return 0
	}
	if q, ok := k.link.Endpoint.(Queuer); ok {
		return q.Queued()
	}
	return 0
}

// total is what FIONREAD says: of datagrams all that are queued, where the driver can
// tell.
func (k *socket) total() int {
	if q, ok := k.link.Endpoint.(TotalQueuer); ok && k.bound && !k.stream() {
		return q.QueuedTotal()
	}
	return k.queued()
}
