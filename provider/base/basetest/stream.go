package basetest

import (
	"net/netip"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

const (
	anything = wsa.FD_READ | wsa.FD_WRITE | wsa.FD_CONNECT | wsa.FD_CLOSE
	opened   = wsa.FD_CONNECT | wsa.FD_WRITE
	arrived  = wsa.FD_READ
	finished = wsa.FD_CLOSE | wsa.FD_READ
)

// die ends a connection or an attempt; queued data stays readable.
func (e *endpoint) die(code wsa.Errno) {
	if e.listener != nil {
		e.listener.forget(e)
	}
	e.phase, e.err = base.Dead, code
	e.changed(anything)
}

// space is what the peer would take. A peer that is gone takes everything, and
// answers with a reset.
func (e *endpoint) space() int {
	if e.peer == nil || e.peer.gone {
		return 1
	}
	return e.peer.in.free(e.n.cfg.Buffer)
}

func (e *endpoint) connectStream(to netip.AddrPort) wsa.Errno {
	h, code := e.h.route(to.Addr())
	if code == wsa.ENETUNREACH || code == wsa.ENETDOWN {
		return code
	}
	if code := e.fix(to.Addr()); code != 0 {
		return code
	}
	e.local, e.remote, e.phase = e.from(to.Addr()), to, base.Connecting
	e.publish()
	switch code {
	case wsa.EWOULDBLOCK:
		return code
	case wsa.EHOSTUNREACH:
		e.die(code)
		return wsa.EWOULDBLOCK
	}
	var l *endpoint
	h.hearing(e.protocol, to, func(o *endpoint) bool {
		if o.phase == base.Listening {
			l = o
		}
		return l == nil
	})
	switch {
	case l == nil, l.is(wsa.SO_PAUSE_ACCEPT):
		e.die(wsa.ECONNREFUSED)
	case l.is(wsa.SO_CONDITIONAL_ACCEPT):
		l.waiting = append(l.waiting, e)
		e.listener = l
		l.changed(wsa.FD_ACCEPT)
	case len(l.ready) >= l.backlog:
		l.waiting = append(l.waiting, e)
		e.listener = l
	default:
		l.admit(e)
	}
	return wsa.EWOULDBLOCK
}

// admit completes a handshake and queues the connection.
func (l *endpoint) admit(e *endpoint) {
	s := l.h.endpoint(l.af, l.typ, l.protocol)
	s.v6only, s.local, s.remote = l.v6only, e.remote, e.local
	s.phase, e.phase = base.Connected, base.Connected
	s.peer, e.peer = e, s
	s.listener, e.listener = l, nil
	s.publish()
	l.ready = append(l.ready, s)
	e.changed(opened)
	l.changed(wsa.FD_ACCEPT)
}

// forget removes an attempt or an unaccepted connection from l's queues; an
// unaccepted one that died stays, for Accept to report.
func (l *endpoint) forget(e *endpoint) {
	l.waiting = slices.DeleteFunc(l.waiting, func(o *endpoint) bool { return o == e })
	e.listener = nil
}

func (e *endpoint) Listen(backlog int) wsa.Errno {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	e.phase, e.backlog = base.Listening, backlog
	e.fill()
	e.publish()
	return 0
}

// fill admits attempts that wait for room in the backlog.
func (e *endpoint) fill() {
	for len(e.waiting) > 0 && len(e.ready) < e.backlog && !e.is(wsa.SO_CONDITIONAL_ACCEPT) {
		next := e.waiting[0]
		e.waiting = e.waiting[1:]
		e.admit(next)
	}
}

func (e *endpoint) Accept() (base.Endpoint, wsa.Errno) {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	if len(e.ready) == 0 {
		return nil, wsa.EWOULDBLOCK
	}
	s := e.ready[0]
	e.ready = slices.Delete(e.ready, 0, 1)
	s.listener = nil
	e.fill()
	e.publish()
	if s.phase == base.Dead {
		s.discard()
		return nil, wsa.ECONNRESET
	}
	return s, 0
}

func (e *endpoint) sendStream(m *provider.Msg) (int, wsa.Errno) {
	switch {
	case e.phase == base.Dead:
		return 0, e.err
	case e.phase != base.Connected:
		return 0, wsa.ENOTCONN
	case e.finSent:
		return 0, wsa.ESHUTDOWN
	case e.peer.gone:
		n := m.Len()
		e.die(wsa.ECONNRESET)
		return n, 0
	}
	n := e.peer.in.write(e.n.cfg.Buffer, m.Buffers)
	if n < m.Len() {
		e.blocked = true
	}
	e.publish()
	if n > 0 {
		e.peer.changed(arrived)
		return n, 0
	}
	if m.Len() == 0 {
		return 0, 0
	}
	return 0, wsa.EWOULDBLOCK
}

func (e *endpoint) receiveStream(m *provider.Msg) (int, wsa.Errno) {
	peek := m.Flags&wsa.MSG_PEEK != 0
	if n := e.in.read(m.Buffers, peek); n > 0 {
		if !peek {
			e.drained()
		}
		return n, 0
	}
	switch {
	case e.phase == base.Dead:
		return 0, e.err
	case e.phase != base.Connected:
		return 0, wsa.ENOTCONN
	case e.finSeen && e.in.len == 0, m.Len() == 0 && e.in.len > 0:
		return 0, 0
	}
	return 0, wsa.EWOULDBLOCK
}

// drained tells the peer that there is space.
func (e *endpoint) drained() {
	e.publish()
	p := e.peer
	if p == nil || p.gone || p.phase != base.Connected {
		return
	}
	if !p.blocked {
		p.publish()
		return
	}
	p.blocked = false
	p.changed(wsa.FD_WRITE)
}

func (e *endpoint) Shutdown() wsa.Errno {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	if e.phase != base.Connected {
		return wsa.ENOTCONN
	}
	e.finish()
	return 0
}

// finish sends FIN. It is acknowledged at once: the sender is drained.
func (e *endpoint) finish() {
	if e.finSent {
		return
	}
	e.finSent = true
	e.changed(wsa.EvDrained)
	if p := e.peer; p != nil && !p.gone && p.phase == base.Connected {
		p.finSeen = true
		p.changed(finished)
	}
}

// closeStream ends what e stands for. Unread bytes make it a reset, as
// everywhere (RFC 1122, 4.2.2.13).
func (e *endpoint) closeStream(abort bool) {
	switch e.phase {
	case base.Connecting:
		if e.listener != nil {
			e.listener.forget(e)
		}
	case base.Connected:
		if !abort && e.in.len == 0 {
			e.finish()
		} else if p := e.peer; !p.gone && p.phase == base.Connected {
			p.die(wsa.ECONNRESET)
		}
	case base.Listening:
		for _, s := range e.ready {
			s.listener = nil
			if s.phase == base.Connected && !s.peer.gone {
				s.peer.die(wsa.ECONNRESET)
			}
			s.discard()
		}
		for _, c := range slices.Clone(e.waiting) {
			c.die(wsa.ECONNREFUSED)
		}
		e.ready, e.waiting = nil, nil
	}
}
