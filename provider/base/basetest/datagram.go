package basetest

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// maxSoft bounds the soft errors that wait; further ones are lost, as ICMP is.
const maxSoft = 16

func (e *endpoint) sendDatagram(m *provider.Msg) (int, wsa.Errno) {
	to := e.remote
	if m.Addr.Family != 0 {
		to = plain(m.Addr)
	}
	if code := e.fix(to.Addr()); code != 0 {
		return 0, code
	}
	if e.typ == wsa.SOCK_RAW {
		return m.Len(), 0
	}
	from := e.from(to.Addr())
	if m.Control != nil && m.Control.Has&provider.ControlPacketInfo != 0 && e.h.owns(m.Control.Dst.Unmap()) {
		from = netip.AddrPortFrom(m.Control.Dst.Unmap(), from.Port())
	}
	if to.Addr() == broadcast {
		for _, h := range e.n.hosts {
			h.deliver(e.protocol, from, to, m.Buffers, true)
		}
		return m.Len(), 0
	}
	if to.Addr().IsMulticast() {
		if e.n.down {
			return 0, wsa.ENETDOWN
		}
		e.n.sendGroup(e.protocol, from, to, m.Buffers)
		return m.Len(), 0
	}
	h, code := e.h.route(to.Addr())
	switch code {
	case 0:
		if !h.deliver(e.protocol, from, to, m.Buffers, false) {
			e.complain(wsa.ECONNRESET, to)
		}
	case wsa.EWOULDBLOCK:
	case wsa.EHOSTUNREACH:
		e.complain(code, to)
	default:
		return 0, code
	}
	return m.Len(), 0
}

// deliver queues a datagram at whoever hears it: one endpoint, a connected one
// before others, or all of them. It reports whether there was any.
func (h *Host) deliver(protocol int32, from, to netip.AddrPort, buffers [][]byte, all bool) bool {
	heard := false
	var best *endpoint
	h.hearing(protocol, to, func(e *endpoint) bool {
		switch {
		case e.remote.IsValid() && e.remote != from:
			return true
		case all:
			heard = true
			e.hear(from, to, buffers)
			return true
		case best == nil || e.remote.IsValid() && !best.remote.IsValid():
			best = e
		}
		return true
	})
	if best != nil {
		best.hear(from, to, buffers)
	}
	return heard || best != nil
}

func (e *endpoint) hear(from, to netip.AddrPort, buffers [][]byte) {
	if e.circular && e.queue.n == e.n.cfg.Datagrams {
		e.queue.drop()
	}
	if e.queue.push(e.n.cfg.Datagrams, from, to, buffers) {
		e.changed(arrived)
	}
}

// DropOldest makes the queue circular.
func (e *endpoint) DropOldest() bool {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	e.circular = true
	return true
}

// complain is an ICMP error that comes back.
func (e *endpoint) complain(code wsa.Errno, to netip.AddrPort) {
	if len(e.errors) < maxSoft {
		e.errors = append(e.errors, softError{code, to})
	}
	e.changed(wsa.EvError | arrived)
}

func (e *endpoint) receiveDatagram(m *provider.Msg) (int, wsa.Errno) {
	if len(e.errors) > 0 {
		s := e.errors[0]
		e.errors = append(e.errors[:0], e.errors[1:]...)
		m.Addr = sockaddr(e.af, s.to)
		e.publish()
		return 0, s.code
	}
	if e.queue.n == 0 {
		return 0, wsa.EWOULDBLOCK
	}
	d := e.queue.first()
	n, code := scatter(m.Buffers, d.data), wsa.Errno(0)
	if n < len(d.data) {
		code = wsa.EMSGSIZE
	}
	m.Addr = sockaddr(e.af, d.from)
	if m.Control != nil {
		describe(m.Control, d)
	}
	if m.Flags&wsa.MSG_PEEK == 0 {
		e.queue.drop()
		e.publish()
	}
	return n, code
}

// describe fills the ancillary data that was asked for.
func describe(c *provider.Control, d *datagram) {
	if c.Has&provider.ControlPacketInfo != 0 {
		c.Dst, c.IfIndex = d.to.Addr(), 1
	}
	if c.Has&provider.ControlTTL != 0 {
		c.TTL = 128
	}
	if c.Has&provider.ControlTOS != 0 {
		c.TOS = 0
	}
}
