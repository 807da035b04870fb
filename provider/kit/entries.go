package kit

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

func (k *kit) socket(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
	s, e := k.next.WSPSocket(q)
	if e == 0 && s.Type == wsa.SOCK_STREAM && k.slot.Of(s) == nil { // a duplicate has its conversation
		k.newConversation(s)
	}
	return s, e
}

func (k *kit) accept(l *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
	s, e := k.next.WSPAccept(l, q)
	if e != 0 || s.Type != wsa.SOCK_STREAM {
		return s, e
	}
	c := k.slot.Of(s)
	if c == nil {
		c = k.newConversation(s)
	}
	peer, _ := k.next.WSPGetPeerName(s)
	c.mu.Lock()
	c.phase, c.asked, c.went = open, peer, peer
	c.mu.Unlock()
	c.net.connected.Store(true)
	if !c.begin(provider.ConnectRequest{To: peer}, true) {
		k.next.WSPCloseSocket(s, provider.CloseAbort)
		return nil, wsa.ENETDOWN
	}
	return s, 0
}

func (k *kit) connect(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
	c := k.slot.Of(s)
	if c == nil || q.To.Family == 0 {
		return k.next.WSPConnect(s, q)
	}
	c.mu.Lock()
	before := c.phase
	switch before {
	case connecting:
		c.mu.Unlock()
		return wsa.EALREADY
	case open:
		c.mu.Unlock()
		return wsa.EISCONN
	case spoilt:
		c.mu.Unlock()
		return wsa.EINVAL
	}
	c.phase, c.asked, c.went, c.refusal = connecting, q.To, q.To, 0
	c.mu.Unlock()
	e := wsa.EWOULDBLOCK
	if k.cfg.Connect == nil {
		e = k.next.WSPConnect(s, q)
	}
	switch {
	case e == 0:
		c.net.connected.Store(true)
		c.setPhase(open)
	case e != wsa.EWOULDBLOCK:
		c.setPhase(before)
		return e
	}
	if !c.begin(*q, false) {
		c.setPhase(before)
		return wsa.ENETDOWN
	}
	return e
}

func (c *conversation) setPhase(p phase) {
	c.mu.Lock()
	c.phase = p
	c.mu.Unlock()
}

func (k *kit) getPeerName(s *provider.Socket) (provider.Addr, wsa.Errno) {
	if c := k.slot.Of(s); c != nil && k.cfg.Connect != nil {
		c.mu.Lock()
		p, asked, went := c.phase, c.asked, c.went
		c.mu.Unlock()
		switch {
		case p == connecting || p == spoilt:
			return provider.Addr{}, wsa.ENOTCONN
		case p == open && asked != went:
			return asked, 0
		}
	}
	return k.next.WSPGetPeerName(s)
}

type data = func(*provider.Socket, *provider.Msg) (int, wsa.Errno)

func (k *kit) receive(next data) data {
	return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		c := k.slot.Of(s)
		if c == nil || c.in.direct.Load() {
			return next(s, m)
		}
		n, e, below := c.receive(m)
		if below {
			return next(s, m)
		}
		return n, e
	}
}

func (k *kit) send(next data) data {
	return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		c := k.slot.Of(s)
		if c == nil || c.out.direct.Load() {
			return next(s, m)
		}
		n, e, below := c.send(m)
		if below {
			return next(s, m)
		}
		return n, e
	}
}

func (k *kit) shutdown(s *provider.Socket, how int) wsa.Errno {
	c := k.slot.Of(s)
	if c == nil || how < wsa.SD_RECEIVE || how > wsa.SD_BOTH {
		return k.next.WSPShutdown(s, how)
	}
	c.mu.Lock()
	switch c.phase {
	case idle, refused:
		c.mu.Unlock()
		return k.next.WSPShutdown(s, how)
	case connecting, spoilt:
		c.mu.Unlock()
		return wsa.ENOTCONN
	}
	if e := c.broken; e != 0 {
		c.mu.Unlock()
		return e
	}
	receive, send := how != wsa.SD_SEND, how != wsa.SD_RECEIVE
	recvBelow, sendBelow := receive && c.in.leaving.Load(), send && c.out.direct.Load()
	if receive {
		c.inShut = true
	}
	if send && !sendBelow {
		c.out.eof = true
	}
	c.mu.Unlock()
	c.app.readable.set()
	var e wsa.Errno
	if recvBelow {
		e = k.next.WSPShutdown(s, wsa.SD_RECEIVE)
	}
	if sendBelow {
		if f := k.next.WSPShutdown(s, wsa.SD_SEND); e == 0 {
			e = f
		}
	}
	return e
}

func (k *kit) getSockOpt(s *provider.Socket, level, name int32, out []byte) (int, wsa.Errno) {
	if c := k.slot.Of(s); c != nil && level == wsa.SOL_SOCKET && name == wsa.SO_ERROR {
		c.mu.Lock()
		e := c.refusal
		c.mu.Unlock()
		if e != 0 {
			return putInt(out, int(e))
		}
	}
	return k.next.WSPGetSockOpt(s, level, name, out)
}

func (k *kit) ioctl(s *provider.Socket, q *provider.IoctlRequest) (int, wsa.Errno) {
	if c := k.slot.Of(s); c != nil && q.Code == wsa.FIONREAD && !c.in.direct.Load() {
		c.mu.Lock()
		stands, n := c.phase == open && !c.in.direct.Load(), c.in.ring.n
		c.mu.Unlock()
		if stands {
			return putInt(q.Out, n)
		}
	}
	if c := k.slot.Of(s); c != nil && q.Code == wsa.SIO_REUSE_SOCKET && !c.past() {
		return 0, wsa.EOPNOTSUPP // a socket has one conversation
	}
	return k.next.WSPIoctl(s, q)
}

// putInt is a DWORD as options and ioctls give it: little-endian, as on Windows.
func putInt(out []byte, v int) (int, wsa.Errno) {
	if len(out) < 4 {
		return 4, wsa.EFAULT
	}
	binary.LittleEndian.PutUint32(out, uint32(v))
	return 4, 0
}
