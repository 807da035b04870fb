package trace

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

func (t *tracer) socket(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
	v := event{op: opSocket, start: t.cfg.Now(), args: wsa.FamilyName(q.AF) + " " + wsa.TypeName(q.Type) + " " + wsa.ProtocolName(q.Protocol)}
	s, e := t.next.WSPSocket(q)
	shown := len(t.cfg.To) == 0
	if e == 0 {
		l, _ := t.begin(s)
		shown = l.shown.Load()
		v.args = wsa.FamilyName(s.Family) + " " + wsa.TypeName(s.Type) + " " + wsa.ProtocolName(s.Protocol)
	}
	if shown && t.ops.has(opSocket) {
		v.took, v.e = t.cfg.Now().Sub(v.start), e
		t.write(s, &v)
	}
	return s, e
}

// accept is one line for each connection that was taken, since it was first asked for.
// Whether a try is another of the same nobody says, so tries that found nothing are
// counted with the one that does.
func (t *tracer) accept(s *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
	c := t.start(s, opAccept)
	l := t.slot.Of(s)
	if l != nil {
		c.v.start = l.begin(opAccept, true, c.v.start, provider.Addr{}, 0)
	}
	n, e := t.next.WSPAccept(s, q)
	if e == wsa.EWOULDBLOCK {
		return n, e
	}
	if l != nil {
		l.end(opAccept)
	}
	if e == 0 {
		k, _ := t.begin(n)
		peer, f := t.next.WSPGetPeerName(n)
		if f == 0 {
			c.v.from = peer
		}
		k.shown.Store(len(t.cfg.To) == 0 || t.matches(peer))
		c.v.args = "#" + number(n.Handle())
		t.passBy(n, k)
		if len(t.cfg.To) > 0 && k.shown.Load() { // the listener has no destination
			c.v.took = t.cfg.Now().Sub(c.v.start)
			if t.ops.has(opAccept) {
				t.write(s, &c.v)
			}
			return n, e
		}
	}
	c.end(e)
	return n, e
}

func (t *tracer) joinLeaf(s *provider.Socket, q *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
	c := t.start(s, opJoinLeaf)
	n, e := t.next.WSPJoinLeaf(s, q)
	if e == 0 {
		t.begin(n)
	}
	c.v.to = q.To
	c.end(e)
	return n, e
}

// connect is written when the attempt has ended: settle sees to those that go on.
func (t *tracer) connect(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
	c := t.start(s, opConnect)
	c.v.to = q.To
	if q.Ex {
		c.v.args = "ConnectEx"
	}
	l := t.slot.Of(s)
	if l == nil {
		return t.next.WSPConnect(s, q)
	}
	if len(t.cfg.To) > 0 && q.To.Family != 0 && !l.connecting.Load() {
		l.shown.Store(t.matches(q.To))
	}
	fresh := !l.connecting.Load()
	if fresh {
		l.mu.Lock()
		l.attempt = c.v
		l.mu.Unlock()
	}
	e := t.next.WSPConnect(s, q)
	switch {
	case e == wsa.EWOULDBLOCK && t.stream && fresh:
		l.connecting.Store(true)
	case e != wsa.EWOULDBLOCK:
		c.v.took, c.v.e = t.cfg.Now().Sub(c.v.start), e
		t.connected(s, l, &c.v)
	}
	return e
}

// close is one line, however long the socket lingers. What had not ended is written
// first.
func (t *tracer) close(s *provider.Socket, mode provider.CloseMode) wsa.Errno {
	now, l := t.cfg.Now(), t.slot.Of(s)
	shown := true
	if l != nil {
		t.unfinished(s, l)
		now, shown = l.begin(opClose, true, now, provider.Addr{}, 0), l.shown.Load()
	}
	e := t.next.WSPCloseSocket(s, mode)
	if e == wsa.EWOULDBLOCK || !shown || !t.ops.has(opClose) {
		return e
	}
	v := event{op: opClose, start: now, took: t.cfg.Now().Sub(now), e: e, args: [...]string{"", "abort", "background"}[min(mode, provider.CloseBackground)]}
	t.write(s, &v)
	return e
}
