package socketstest_test

import (
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

var scriptSteps = steps{seen: make(map[string]int)}

func init() {
	scriptSteps.all = []scriptKind{
		{"listen", (*player).listen},
		{"dial", (*player).dial}, {"dial", (*player).dial}, {"dial", (*player).dial},
		{"accept", (*player).accept}, {"accept", (*player).accept}, {"accept", (*player).accept},
		{"close listener", (*player).closeListener},
		{"connect", (*player).connect}, {"connect", (*player).connect},
		{"write", (*player).write}, {"write", (*player).write}, {"write", (*player).write},
		{"read", (*player).read}, {"read", (*player).read}, {"read", (*player).read},
		{"closeWrite", (*player).closeWrite},
		{"closeRead", (*player).closeRead},
		{"close", (*player).close},
		{"reset", (*player).reset},
		{"exhaust", (*player).exhaust},
		{"deadline", (*player).deadline},
		{"addresses", (*player).addresses},
		{"settings", (*player).settings},
		{"packets", (*player).packetConn},
		{"dial packets", (*player).dialPackets}, {"dial packets", (*player).dialPackets},
		{"writeTo", (*player).writeTo}, {"writeTo", (*player).writeTo},
		{"send", (*player).send}, {"send", (*player).send},
		{"receive", (*player).receive}, {"receive", (*player).receive}, {"receive", (*player).receive},
		{"close packets", (*player).closePackets},
		{"packet deadline", (*player).packetDeadline},
	}
}

func (s *player) join(port int) string { return net.JoinHostPort(s.p.Host, strconv.Itoa(port)) }

// payload is n bytes that say where they come from.
func (s *player) payload(n int) string {
	s.tag++
	return strings.Repeat(string('a'+s.tag%26), n)
}

// conn is the connection of a slot that something is known of.
func (s *player) conn(slot byte) *scriptConn {
	c := s.conns[int(slot)%len(s.conns)]
	if c == nil || c.broken {
		return nil
	}
	return c
}

// far is what c's peer is told: itself, or what waits for it to be accepted.
func (c *scriptConn) far() *scriptConn {
	if c.peer != nil {
		return c.peer
	}
	if c.early == nil {
		c.early = new(scriptConn)
	}
	return c.early
}

func (c *scriptConn) state() string {
	switch {
	case c.closed:
		return "closed"
	case c.seen:
		return "reset seen"
	case c.noWrite && c.fin:
		return "over"
	case c.noWrite:
		return "half closed"
	}
	return ""
}

func (c *scriptConn) left() (n int) {
	for _, x := range c.incoming {
		n += x
	}
	return n
}

func (s *player) write(slot, size, _ byte) {
	c := s.conn(slot)
	if c == nil || c.closed {
		s.writeClosed(c)
		return
	}
	n := []int{0, 1, 5, 100, 1000, 1400}[size%6]
	far := c.far()
	switch {
	case far.left()+n > 8000, len(far.incoming) > 8:
		return
	case c.reset && !c.seen, far.closed && !c.seen, far.noRead: // who knows when it finds out
		return
	}
	data := s.payload(n)
	m, err := c.Write([]byte(data))
	s.add("write", c.name, c.state(), m, "", err)
	if n > 0 && !c.noWrite && !c.seen && !c.past[1] {
		far.incoming = append(far.incoming, n)
	}
}

func (s *player) writeClosed(c *scriptConn) {
	if c != nil {
		n, err := c.Write([]byte("x"))
		s.add("write", c.name, "closed", n, "", err)
	}
}

// read reads what is there, if there is something; else it finds out that there is nothing.
func (s *player) read(slot, size, arg byte) {
	c := s.conn(slot)
	if c == nil {
		return
	}
	s.readFrom(c, []int{0, 1, 4, 150, 3000}[size%5])
}

func (s *player) readFrom(c *scriptConn, n int) {
	b := make([]byte, n)
	switch left := c.left(); {
	case c.closed, c.past[0], n == 0:
		n, err := c.Read(b)
		s.add("read", c.name, c.state(), n, string(b[:n]), err)
	case left > 0:
		c.SetReadDeadline(long())
		n, err := io.ReadFull(c, b[:min(n, left)])
		s.add("read", c.name, c.state(), n, string(b[:n]), err)
		c.SetReadDeadline(time.Time{})
		c.took(n)
	case c.fin, c.reset, c.noRead:
		c.SetReadDeadline(long())
		n, err := c.Read(b)
		state := c.state()
		s.add("read", c.name, state, n, string(b[:n]), err)
		c.SetReadDeadline(time.Time{})
		c.seen = c.seen || c.reset && !c.noRead && !c.fin
	default:
		c.SetReadDeadline(time.Unix(1, 0))
		n, err := c.Read(b)
		s.add("read", c.name, c.state(), n, string(b[:n]), err)
		c.SetReadDeadline(time.Time{})
	}
}

// took is n bytes less to read.
func (c *scriptConn) took(n int) {
	for n > 0 && len(c.incoming) > 0 {
		m := min(n, c.incoming[0])
		n -= m
		if c.incoming[0] -= m; c.incoming[0] == 0 {
			c.incoming = c.incoming[1:]
		}
	}
}

// arrive reads so much that what is left has arrived: it was in one segment with what
// was read.
func (s *player) arrive(c *scriptConn) {
	if c.past[0] || c.closed {
		return
	}
	for len(c.incoming) > 1 {
		s.readFrom(c, c.incoming[0])
	}
	if len(c.incoming) == 1 {
		s.readFrom(c, 1)
	}
}

// exhaust writes to a peer that has closed until it fails.
func (s *player) exhaust(slot, _, _ byte) {
	c := s.conn(slot)
	if c == nil || c.closed || c.noWrite || c.past[1] || c.reset || !c.far().closed || c.peer == nil {
		return
	}
	c.SetWriteDeadline(long())
	var err error
	for err == nil {
		_, err = c.Write([]byte("x"))
	}
	s.add("exhaust", c.name, "peer closed", 0, "", err)
	c.broken = true
	c.Close()
}

// deadline sets deadlines that have passed, or takes them away.
func (s *player) deadline(slot, which, arg byte) {
	c := s.conn(slot)
	if c == nil {
		return
	}
	at, past := time.Time{}, arg%2 == 0
	if past {
		at = time.Unix(1, 0)
	}
	var err error
	switch which % 3 {
	case 0:
		err = c.SetReadDeadline(at)
		c.past[0] = past
	case 1:
		err = c.SetWriteDeadline(at)
		c.past[1] = past
	default:
		err = c.SetDeadline(at)
		c.past = [2]bool{past, past}
	}
	s.add("deadline", c.name, c.state(), 0, "", err)
}

// addresses are there for ever, and of the types of package net.
func (s *player) addresses(slot, other, _ byte) {
	if c := s.conn(slot); c != nil {
		local, ok := c.LocalAddr().(*net.TCPAddr)
		remote, ok2 := c.RemoteAddr().(*net.TCPAddr)
		s.add("addresses", c.name, c.state(), 0, strconv.FormatBool(ok && ok2 && local.Port != 0 && remote.Port != 0), nil)
	}
	if l := s.listeners[int(other)%len(s.listeners)]; l != nil {
		a, ok := l.Addr().(*net.TCPAddr)
		s.add("addresses", "listener", "", 0, strconv.FormatBool(ok && a.Port != 0 && a.IP.String() == s.p.Host && a.Network() == "tcp"), nil)
	}
	if p := s.packets[int(other)%len(s.packets)]; p != nil {
		a, ok := p.LocalAddr().(*net.UDPAddr)
		s.add("addresses", p.name, "", 0, strconv.FormatBool(ok && a.Port != 0), nil)
	}
}

func (s *player) settings(slot, which, arg byte) {
	c := s.conn(slot)
	if c == nil || c.reset {
		return
	}
	t := c.Conn.(interface {
		SetNoDelay(bool) error
		SetKeepAlive(bool) error
		SetLinger(int) error
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	})
	var err error
	switch which % 5 {
	case 0:
		err = t.SetNoDelay(arg%2 == 0)
	case 1:
		err = t.SetKeepAlive(arg%2 == 0)
	case 2:
		err = t.SetReadBuffer(65536)
	case 3:
		err = t.SetWriteBuffer(65536)
	case 4:
		err = t.SetLinger(-1)
	}
	s.add("set", c.name, c.state(), int(which%5), "", err)
}
