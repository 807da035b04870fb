package socketstest_test

import (
	"strconv"
	"time"
)

func (s *player) listen(slot, _, _ byte) {
	i := int(slot) % len(s.listeners)
	if l := s.listeners[i]; l != nil && !l.closed {
		return
	}
	l, err := s.p.Server.Listen(s.t.Context(), "tcp", s.join(0))
	s.add("listen", "a listener", "", 0, "", err)
	if err == nil {
		s.all = append(s.all, l)
		s.listeners[i] = &scriptListener{Listener: l, at: i}
	}
}

// dial connects to a listener, which may be closed.
func (s *player) dial(slot, other, arg byte) {
	l := s.listeners[int(other)%len(s.listeners)]
	if l == nil {
		return
	}
	s.dialTo(int(slot)%len(s.conns), l)
}

// dialTo leaves one waiting at most: in which order several are accepted is the network's.
func (s *player) dialTo(i int, l *scriptListener) {
	if len(l.pending) > 0 || s.conns[i] != nil && !s.conns[i].closed {
		return
	}
	c, err := s.p.Client.DialContext(s.t.Context(), "tcp", l.Addr().String())
	state := ""
	if l.closed {
		state = "closed"
	}
	s.add("dial", "a listener", state, 0, "", err)
	if err != nil {
		return
	}
	s.all = append(s.all, c)
	s.conns[i] = &scriptConn{Conn: c, name: "connection " + strconv.Itoa(i)}
	l.pending = append(l.pending, s.conns[i])
}

// accept takes what was dialled, or finds that nothing was.
func (s *player) accept(slot, other, _ byte) {
	l := s.listeners[int(slot)%len(s.listeners)]
	if l == nil {
		return
	}
	s.acceptTo(l, int(other)%len(s.conns))
}

func (s *player) acceptTo(l *scriptListener, i int) {
	if s.conns[i] != nil && !s.conns[i].closed {
		return
	}
	d := l.Listener.(interface{ SetDeadline(time.Time) error })
	if len(l.pending) == 0 || l.closed || l.past {
		d.SetDeadline(time.Unix(1, 0))
		_, err := l.Accept()
		s.add("accept", "listener "+strconv.Itoa(l.at), "", 0, "", err)
		if !l.past {
			d.SetDeadline(time.Time{})
		}
		return
	}
	d.SetDeadline(long())
	c, err := l.Accept()
	s.add("accept", "listener "+strconv.Itoa(l.at), "", 0, "", err)
	d.SetDeadline(time.Time{})
	if err != nil {
		return
	}
	s.all = append(s.all, c)
	peer := l.pending[0]
	l.pending = l.pending[1:]
	n := &scriptConn{Conn: c, name: "accepted " + strconv.Itoa(i), peer: peer}
	peer.peer, s.conns[i] = n, n
	s.add("names", n.name, "", 0, strconv.FormatBool(c.RemoteAddr().String() == peer.LocalAddr().String() && c.LocalAddr().String() == peer.RemoteAddr().String()), nil)
	if early := peer.early; early != nil {
		n.incoming, n.fin = early.incoming, early.fin
	}
}

// connect is all of it at once.
func (s *player) connect(slot, other, _ byte) {
	i := int(slot) % len(s.conns)
	j := (i + 1 + int(other)%(len(s.conns)-1)) % len(s.conns)
	for _, x := range []int{i, j} {
		if c := s.conns[x]; c != nil && !c.closed {
			return
		}
	}
	s.listen(0, 0, 0)
	l := s.listeners[0]
	if l == nil || l.closed || l.past || len(l.pending) > 0 {
		return
	}
	s.dialTo(i, l)
	s.acceptTo(l, j)
}

// closeListener closes it once more, too. Who was not accepted is reset.
func (s *player) closeListener(slot, _, arg byte) {
	l := s.listeners[int(slot)%len(s.listeners)]
	if l == nil || !l.closed && arg%3 != 0 {
		return
	}
	s.add("close", "listener "+strconv.Itoa(l.at), "", 0, "", l.Close())
	l.closed = true
	for _, c := range l.pending {
		c.broken = true // what it had sent may or may not be answered by the reset
	}
	l.pending = nil
}

func (s *player) closeWrite(slot, _, _ byte) {
	c := s.conn(slot)
	if c == nil || c.reset && !c.closed || c.far().closed {
		return
	}
	err := c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	s.add("closeWrite", c.name, c.state(), 0, "", err)
	if !c.closed {
		c.noWrite, c.far().fin = true, true
	}
}

func (s *player) closeRead(slot, _, _ byte) {
	c := s.conn(slot)
	if c == nil || c.reset && !c.closed || c.past[0] || c.peer == nil {
		return
	}
	s.arrive(c)
	err := c.Conn.(interface{ CloseRead() error }).CloseRead()
	s.add("closeRead", c.name, c.state(), 0, "", err)
	c.noRead = c.noRead || !c.closed
}

func (s *player) close(slot, _, _ byte) {
	c := s.conn(slot)
	if c == nil || c.past[0] && c.left() > 0 {
		return
	}
	if !c.closed && !c.reset && !c.far().closed {
		s.arrive(c)
	}
	unread := c.left() > 0
	if unread && !s.delivered(c) {
		return
	}
	err := c.Close()
	s.add("close", c.name, c.state(), 0, "", err)
	s.ended(c, unread)
}

// delivered sees to it that what c has written has arrived, as a reset takes back what
// has not; false if that cannot be seen.
func (s *player) delivered(c *scriptConn) bool {
	far := c.far()
	if c.closed || far.closed || far.left() == 0 {
		return true
	}
	if c.peer == nil || far.past[0] {
		return false
	}
	s.arrive(far)
	return true
}

// ended tells the peer of c that it is closed.
func (s *player) ended(c *scriptConn, abrupt bool) {
	far := c.far()
	if c.closed || c.reset {
		c.closed = true
		return
	}
	c.closed = true
	if abrupt && !far.closed {
		far.reset = true
		if far.fin || far.noRead || c.noRead { // the FIN was before: what the reset does to what is queued is not agreed on
			far.broken = true
		}
		return
	}
	far.fin = true
}

// reset closes by a reset (SetLinger(0)).
func (s *player) reset(slot, _, arg byte) {
	c := s.conn(slot)
	if c == nil || c.closed || c.past[0] || arg%2 == 0 || c.peer == nil { // one that was not accepted need never be
		return
	}
	if !s.delivered(c) {
		return
	}
	s.add("set", c.name, c.state(), 0, "", c.Conn.(interface{ SetLinger(int) error }).SetLinger(0))
	s.add("close", c.name, c.state(), 0, "", c.Close())
	s.ended(c, true)
}
