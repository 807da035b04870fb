package base

import (
	"net/netip"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// sift keeps datagrams to groups from a socket that is not to hear them: of groups,
// on interfaces, that it has not joined, from sources that it does not want, and its
// own machine's where IP_MULTICAST_LOOP is off. Networks queue more than that (BSD's
// and gVisor's membership is the interface's, not the socket's), so receives skip
// what is unwanted, and Ready discards it in front of what it announces.
type sift struct {
	on           bool // guarded, like the next two, by socket.mu
	deaf4, deaf6 bool // IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP are off

	// mu is held by who looks at the head of the endpoint's queue or takes it, so that
	// Ready can look while a receive runs beside it. Taken with socket.mu held.
	mu    sync.Mutex
	heard bool // what is at the head has been looked at and is wanted
}

// adjust follows a change of what is wanted. k.mu is held for writing, or k is new.
func (f *sift) adjust(k *socket) {
	g, ok := k.link.Endpoint.(Grouper)
	f.on = ok && !k.stream() && (f.deaf4 || f.deaf6 || k.groups.choosy() || g.Strays())
	f.heard = false
}

// hears judges a datagram by where it came from and what c tells of it. A network
// that does not tell where it went is taken to have chosen well itself.
func (k *socket) hears(from provider.Addr, c *provider.Control) bool {
	to := c.Dst.Unmap()
	if c.Has&provider.ControlPacketInfo == 0 || !to.IsMulticast() {
		return true
	}
	source := from.Addr().Unmap()
	if i := k.groups.find(to.WithZone(""), c.IfIndex); i >= 0 {
		if !k.groups[i].passes(source) {
			return false
		}
	} else if k.row.Type != wsa.SOCK_RAW { // raw sockets have a copy of all that arrives (winsock-spi 9.4)
		return false
	}
	deaf := k.sift.deaf4
	if to.Is6() {
		deaf = k.sift.deaf6
	}
	return !deaf || !k.link.Endpoint.(Grouper).Own(source)
}

// next is the endpoint's Recv, and whether the socket hears what came. If k.sift is on
// its lock is held.
func (k *socket) next(m *provider.Msg) (n int, heard bool, e wsa.Errno) {
	if !k.sift.on {
		n, e = k.link.Recv(m)
		return n, k.fromPeer(m.Addr), e
	}
	if m.Control != nil {
		return k.nextTold(m, m.Control)
	}
	c := ones.Get().(*one)
	c.control.Has = 0
	m.Control = &c.control
	n, heard, e = k.nextTold(m, m.Control)
	m.Control = nil
	c.release()
	return n, heard, e
}

// nextTold is next with ancillary data, of which the caller sees what it asked for.
func (k *socket) nextTold(m *provider.Msg, c *provider.Control) (n int, heard bool, e wsa.Errno) {
	asked := c.Has & provider.ControlPacketInfo
	c.Has |= provider.ControlPacketInfo
	n, e = k.link.Recv(m)
	if e == 0 || e == wsa.EMSGSIZE {
		heard = k.fromPeer(m.Addr) && k.hears(m.Addr, c)
	}
	k.sift.heard = heard && m.Flags&wsa.MSG_PEEK != 0
	if asked == 0 {
		c.Has &^= provider.ControlPacketInfo
		c.Dst, c.IfIndex = netip.Addr{}, 0
	}
	return n, heard, e
}

// announced reports whether the first datagram queued, which there is, is one that
// the socket hears, after those in front of it that it does not were discarded. Of a
// flood of such it discards some, and has the watcher ask again.
func (k *socket) announced() bool {
	if !k.sift.on {
		return true
	}
	k.sift.mu.Lock()
	defer k.sift.mu.Unlock()
	if k.sift.heard {
		return true
	}
	for range maxSkipped {
		_, heard, e := k.peek(wsa.MSG_PEEK)
		switch {
		case heard:
			return true
		case e == wsa.EWOULDBLOCK || k.kept(e):
			return false
		}
		_, _, e = k.peek(0)
		if k.kept(e) {
			return false
		}
	}
	if s := k.self.Load(); s != nil {
		s.Wake(wsa.FD_READ)
	}
	return false
}

// relook discards what is queued and unwanted in front of a change of what is wanted,
// up to the first datagram that is wanted: what came before a join is not heard. What
// is queued behind that one is judged by what is wanted when it is received. k.mu is
// held for writing.
func (k *socket) relook() {
	if k.sift.on && k.bound && k.link.State().Readable {
		k.announced()
	}
}

// peek is next with one byte of room.
func (k *socket) peek(flags wsa.MsgFlags) (n int, heard bool, e wsa.Errno) {
	c := ones.Get().(*one)
	defer c.release()
	c.buffer[0] = c.room[:]
	c.msg = provider.Msg{Buffers: c.buffer[:], Flags: flags}
	n, heard, e = k.next(&c.msg)
	if e != 0 && e != wsa.EMSGSIZE && e != wsa.EWOULDBLOCK {
		k.soft.CompareAndSwap(nil, &softError{errno: e, to: c.msg.Addr})
	}
	return n, heard, e
}

// kept reports a soft error, which peek has put by for the next receive.
func (k *socket) kept(e wsa.Errno) bool {
	return e != 0 && e != wsa.EMSGSIZE && e != wsa.EWOULDBLOCK
}
