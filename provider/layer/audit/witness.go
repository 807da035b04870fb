package audit

import (
	"sync"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// witness is the layer in one chain.
type witness struct {
	j     *journal
	now   func() time.Time
	next  *provider.ProcTable
	chain string
	ask   func(*provider.Origin)
	slot  provider.Slot[life]
}

// life is what is remembered of a socket.
type life struct {
	born time.Time

	mu    sync.Mutex
	dst   provider.Addr // of the last connect
	names []string      // of dst, then
	sent  map[provider.Addr]provider.Verdict
}

// line is a record about s.
func (w *witness) line(event string, s *provider.Socket) Record {
	r := Record{Event: event, Chain: w.chain, Socket: s.Handle(), Verdict: verdictOf(s.Verdict())}
	r.origin(s.Origin)
	r.triple(s.Family, s.Type, s.Protocol)
	return r
}

// begin remembers a new socket; a duplicate of one is not new.
func (w *witness) begin(s *provider.Socket) bool {
	if w.slot.Of(s) != nil {
		return false
	}
	w.slot.Put(s, &life{born: w.now()})
	return true
}

func (w *witness) socket(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
	s, e := w.next.WSPSocket(q)
	if e == 0 && w.begin(s) {
		w.ask(s.Origin)
		w.j.add(w.line("open", s))
	}
	return s, e
}

func (w *witness) accept(l *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
	s, e := w.next.WSPAccept(l, q)
	if e != 0 {
		return s, e
	}
	w.begin(s)
	peer, _ := w.next.WSPGetPeerName(s)
	local, _ := w.next.WSPGetSockName(s)
	r := w.line("accept", s)
	r.Src, r.Dst, r.Names = peer.String(), local.String(), s.Origin.NamesOf(peer.Addr())
	w.j.add(r)
	return s, 0
}

func (w *witness) join(s *provider.Socket, q *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
	n, e := w.next.WSPJoinLeaf(s, q)
	if e == 0 {
		w.begin(n)
	}
	r := w.line("join", s)
	r.destination(s.Origin, q.To)
	r.outcome(e)
	w.j.add(r)
	return n, e
}

// setSockOpt writes down what joins a group, as join does.
func (w *witness) setSockOpt(s *provider.Socket, level, name int32, in []byte) wsa.Errno {
	e := w.next.WSPSetSockOpt(s, level, name, in)
	if to, joins, _ := provider.JoinedGroup(s, w.next.WSPGetSockName, level, name, in); joins {
		r := w.line("join", s)
		r.destination(s.Origin, to)
		r.outcome(e)
		w.j.add(r)
	}
	return e
}

func (w *witness) connect(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
	e := w.next.WSPConnect(s, q)
	if q.To.Family == 0 {
		return e // a datagram socket lets go of its peer
	}
	r := w.line("connect", s)
	r.destination(s.Origin, q.To)
	if l := w.slot.Of(s); l != nil {
		l.mu.Lock()
		l.dst, l.names = q.To, r.Names
		l.mu.Unlock()
	}
	r.outcome(e)
	w.j.add(r)
	return e
}

func (w *witness) listen(s *provider.Socket, backlog int) wsa.Errno {
	e := w.next.WSPListen(s, backlog)
	r := w.line("listen", s)
	if local, f := w.next.WSPGetSockName(s); f == 0 {
		r.Src = local.String()
	}
	r.outcome(e)
	w.j.add(r)
	return e
}

// sent is told by the builder, so that the layer is not in the path of datagrams.
func (w *witness) sent(s *provider.Socket, to provider.Addr, e wsa.Errno) {
	if e == wsa.EWOULDBLOCK {
		return
	}
	if l := w.slot.Of(s); l != nil && l.news(to, s.Verdict()) {
		r := w.line("send", s)
		r.destination(s.Origin, to)
		r.outcome(e)
		w.j.add(r)
	}
}

// news reports whether the destination is a new one, or the verdict on it is.
func (l *life) news(to provider.Addr, v *provider.Verdict) bool {
	var now provider.Verdict
	if v != nil {
		now = *v
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, known := l.sent[to]; known && old == now {
		return false
	}
	if l.sent == nil || len(l.sent) >= remembered {
		l.sent = make(map[provider.Addr]provider.Verdict)
	}
	l.sent[to] = now
	return true
}

func (w *witness) close(s *provider.Socket, mode provider.CloseMode) wsa.Errno {
	r := w.last(s, mode)
	e := w.next.WSPCloseSocket(s, mode)
	if e != wsa.EWOULDBLOCK { // else it lingers, and is closed again
		w.j.add(r)
	}
	return e
}

// last is the record of a socket's end.
func (w *witness) last(s *provider.Socket, mode provider.CloseMode) Record {
	r := w.line("close", s)
	r.late(s.Learned())
	r.Totals = &Totals{
		BytesIn: s.Traffic.BytesIn.Load(), BytesOut: s.Traffic.BytesOut.Load(),
		PacketsIn: s.Traffic.PacketsIn.Load(), PacketsOut: s.Traffic.PacketsOut.Load(),
	}
	if l := w.slot.Of(s); l != nil {
		r.Duration = w.now().Sub(l.born).Milliseconds()
		l.mu.Lock()
		if l.dst.Family != 0 {
			r.Dst, r.Names = l.dst.String(), l.names
		}
		l.mu.Unlock()
	}
	code, reason := w.why(s, mode)
	r.outcome(code)
	r.Reason = reason
	return r
}

// why a socket ends: the first cause that is known.
func (w *witness) why(s *provider.Socket, mode provider.CloseMode) (wsa.Errno, string) {
	if f := s.Failure(); f != nil {
		return f.Errno, f.Reason
	}
	if v := s.Verdict(); v != nil && v.Denied() {
		return v.Errno, "denied"
	}
	switch ready := w.next.Ready(s, wsa.FD_CONNECT|wsa.FD_CLOSE); {
	case ready.Events&wsa.FD_CONNECT != 0 && ready.Connect != 0:
		return ready.Connect, "connect failed"
	case ready.Events&wsa.FD_CLOSE != 0 && ready.Close != 0:
		return ready.Close, "connection broken"
	case mode == provider.CloseAbort:
		return 0, "reset by the application"
	case ready.Events&wsa.FD_CLOSE != 0:
		return 0, "closed by the peer"
	}
	return 0, "closed by the application"
}
