package host

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Send sends one datagram, to m.Addr or, if that has no family, to the peer. An
// error is this datagram's own: what earlier ones drew waits for Recv. A
// datagram of more than 1024 slices is EMSGSIZE.
func (d *datagram) Send(m *provider.Msg) (int, wsa.Errno) {
	if !d.enter() {
		return 0, wsa.ENOTSOCK
	}
	defer d.leave()
	if d.soft.ended.Load() {
		return 0, wsa.ENETDOWN
	}
	g := getMessage()
	defer g.release()
	if e := d.compose(g, m); e != 0 {
		return 0, e
	}
	if e := d.send(g); e != 0 {
		return 0, e
	}
	return m.Len(), 0
}

// send sends what was composed.
func (d *datagram) send(g *message) wsa.Errno {
	const doubt = 2 // tries of an error that nobody is known to have drawn: the poller may have collected it
	for try := 0; ; try++ {
		seen := d.tx.load()
		_, errno := g.send(d.fd, 0)
		switch {
		case errno == 0, errno == unix.ENOBUFS: // the interface's queue dropped it, see doc.go
			return 0
		case errno == unix.EAGAIN:
			d.tx.empty(seen)
			d.wantOut(true)
			return wsa.EWOULDBLOCK
		case asynchronous(errno) && try < maxAbsorb && (d.collectAndTell() || try < doubt):
			continue // it was, or may have been, somebody else's
		}
		if d.isPing() {
			return translate(opSendPing, errno)
		}
		return translate(opSendTo, errno)
	}
}

// collectAndTell is collect in a call, where the one who waits to receive must
// hear of it.
func (d *datagram) collectAndTell() bool {
	n := d.collect()
	if n > 0 || d.soft.pending.Load() {
		d.notify(wsa.EvError | wsa.FD_READ)
	}
	return n > 0
}

// compose makes the kernel's message of m.
func (d *datagram) compose(g *message, m *provider.Msg) wsa.Errno {
	g.name.set(m.Addr)
	if d.raw() && g.name.length > 0 {
		g.name.set(withPort(m.Addr, 0))
	}
	size := 0
	if m.Control != nil && m.Control.Has != 0 {
		size = putControl(g.controlBytes(), d.mapped(m.Addr), d.af, m.Control)
	}
	if d.ping != nil {
		if e := d.identify(); e != 0 {
			return e
		}
		if e := d.ping.compose(g, m.Buffers); e != 0 {
			return e
		}
	} else if !g.addAll(m.Buffers) {
		return wsa.EMSGSIZE
	}
	g.prepare(true, size)
	return 0
}

// mapped reports a destination, given or the peer, that is IPv4's.
func (d *datagram) mapped(to provider.Addr) bool {
	if p := d.peer.Load(); to.Family == 0 && p != nil {
		to = *p
	}
	return to.Addr().Is4In6()
}

// Recv takes one datagram, or the next ICMP error, which comes first: its
// sender may be waiting for an answer that will not come. m.Addr is the source,
// or the destination that drew the error. Of more than 1024 slices the first
// 1024 are filled.
func (d *datagram) Recv(m *provider.Msg) (int, wsa.Errno) {
	if !d.enter() {
		return 0, wsa.ENOTSOCK
	}
	defer d.leave()
	flags := 0
	if m.Flags&wsa.MSG_PEEK != 0 {
		flags = unix.MSG_PEEK
	}
	if m.Control != nil && m.Control.Has&provider.ControlICMP != 0 {
		d.soft.ask()
	}
	for range maxAbsorb {
		if soft, ok := d.soft.pop(); ok {
			m.Addr = soft.to
			if m.Control != nil {
				*m.Control = provider.Control{Has: provider.ControlICMP, ICMP: soft.icmp}
			}
			return 0, soft.err
		}
		seen := d.rx.load()
		n, e, errno := d.take(m, flags)
		switch {
		case errno == 0:
			if flags == 0 {
				d.rx.raise() // others may be behind it; State asks
			}
			return n, e
		case errno == unix.EAGAIN:
			d.rx.empty(seen)
			return 0, wsa.EWOULDBLOCK
		case !asynchronous(errno):
			return 0, translate(opRecvFrom, errno)
		}
		d.collect() // the error that the call took stands in the queue
	}
	return 0, wsa.EWOULDBLOCK
}

// take is one recvmsg(2).
func (d *datagram) take(m *provider.Msg, flags int) (n int, e wsa.Errno, errno syscall.Errno) {
	g := getMessage()
	defer g.release()
	header := 0
	if d.ping != nil {
		if header = d.headerSize(); header > 0 {
			g.add(g.ip[:header])
		}
	}
	g.addAll(m.Buffers)
	g.name.room()
	size := 0
	if m.Control != nil && m.Control.Has != 0 {
		d.control.want(d, m.Control.Has)
		size = len(g.controlBytes())
	}
	g.prepare(true, size)
	if flags&unix.MSG_PEEK != 0 {
		d.peeking.Lock()
		defer d.peeking.Unlock()
	}
	n, errno = g.receive(d.fd, flags)
	if errno != 0 {
		return 0, 0, errno
	}
	m.Addr = g.name.get()
	if d.raw() {
		m.Addr = withPort(m.Addr, 0)
	}
	if size > 0 {
		getControl(g.controlBytes()[:g.header.Controllen], m.Control)
	}
	if g.header.Flags&unix.MSG_CTRUNC != 0 {
		m.Flags |= wsa.MSG_CTRUNC
	}
	if g.header.Flags&unix.MSG_TRUNC != 0 {
		m.Flags |= wsa.MSG_TRUNC
		e = wsa.EMSGSIZE
	}
	return max(n-header, 0), e, 0
}
