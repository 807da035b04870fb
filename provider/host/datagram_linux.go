package host

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// maxAbsorb bounds how often one call is tried again because it was failed by
// an ICMP error that some earlier datagram drew.
const maxAbsorb = 8

// datagram is a UDP, raw or ping endpoint.
type datagram struct {
	endpoint
	ping *standIn // a raw socket playing a ping socket; nil for all others

	rx level
	tx level

	peeking sync.Mutex // held by who peeks: QueuedTotal moves where peeks start

	// writing orders the registrations of the sender, who wants EPOLLOUT, and of
	// the poller, which has seen it.
	writing  sync.Mutex
	watchOut bool

	soft    softErrors
	control ancillary
	trains  trains
	strays  bool  // see Strays
	deaf    uint8 // see hearOwn
}

func (h *Host) openDatagram(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	fd, e := h.socket(af, typ, protocol)
	if e != 0 {
		return nil, e
	}
	return h.newDatagram(fd, af, typ, protocol, nil)
}

func (h *Host) newDatagram(fd int, af, typ, protocol int32, ping *standIn) (base.Endpoint, wsa.Errno) {
	d := &datagram{ping: ping}
	d.init(h, fd, af, typ, protocol, d)
	d.hearErrors()
	d.ownGroupsOnly()
	d.tx.raise()
	if e := d.register(unix.EPOLLIN); e != 0 {
		d.close(false)
		return nil, e
	}
	return d, 0
}

// hearErrors turns the error queue on. An IPv6 socket needs both: ICMP (v4)
// comes for mapped destinations. A raw one knows its own family only.
func (d *datagram) hearErrors() {
	if d.af == wsa.AF_INET6 {
		unix.SetsockoptInt(d.fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
	}
	if d.af == wsa.AF_INET || d.typ != wsa.SOCK_RAW {
		unix.SetsockoptInt(d.fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
	}
}

// Bind takes a local address; of a ping endpoint the port is the identifier.
func (d *datagram) Bind(a provider.Addr) wsa.Errno {
	if !d.enter() {
		return wsa.ENOTSOCK
	}
	defer d.leave()
	switch {
	case d.ping != nil:
		return d.bindStandIn(a)
	case d.typ == wsa.SOCK_RAW:
		return d.bindTo(withPort(a, 0))
	case d.protocol != wsa.IPPROTO_UDP:
		return d.bindTo(a)
	}
	return d.claim(a, func() wsa.Errno { return d.bindTo(a) })
}

// Connect sets the peer. The kernel would keep the source address that it chose
// for the peer before, so that one is taken away first.
func (d *datagram) Connect(a provider.Addr) wsa.Errno {
	if !d.enter() {
		return wsa.ENOTSOCK
	}
	defer d.leave()
	if d.peer.Load() != nil {
		if e := d.disconnect(); e != 0 {
			return e
		}
	}
	to := a
	if d.raw() {
		to = withPort(a, 0) // a port would be taken for a protocol (rawv6_sendmsg)
	}
	if d.ping != nil {
		if e := d.identify(); e != 0 {
			return e
		}
	}
	if e := d.connectTo(to); e != 0 {
		return e
	}
	d.peer.Store(&to)
	return 0
}

// raw reports a socket of type raw in the kernel, whose addresses have no port.
func (d *datagram) raw() bool { return d.typ == wsa.SOCK_RAW || d.ping != nil }

// isPing reports a ping endpoint, real or played.
func (d *datagram) isPing() bool {
	return d.typ == wsa.SOCK_DGRAM && (d.protocol == wsa.IPPROTO_ICMP || d.protocol == wsa.IPPROTO_ICMPV6)
}

// Disconnect takes the peer away.
func (d *datagram) Disconnect() wsa.Errno {
	if !d.enter() {
		return wsa.ENOTSOCK
	}
	defer d.leave()
	return d.disconnect()
}

// disconnect is connect(2) to no family. The kernel then forgets what it chose
// itself: the address, as it should, and the port (__udp_disconnect), which
// Winsock keeps; and of a raw socket even the address it was bound to.
func (d *datagram) disconnect() wsa.Errno {
	before, _ := d.local()
	m := getMessage()
	defer m.release()
	m.name.unspecified()
	if errno := setAddress(unix.SYS_CONNECT, d.fd, &m.name); errno != 0 && errno != unix.EAFNOSUPPORT {
		return translate(opConnect, errno)
	}
	d.peer.Store(nil)
	again := provider.Any(d.af, 0)
	b := d.bound.Load()
	if b != nil {
		again = *b
	}
	after, _ := d.local()
	switch {
	case d.raw() && b != nil:
		return d.bindTo(again)
	case d.raw() || after.Port() == before.Port():
		return 0
	}
	return d.bindTo(withPort(again, before.Port()))
}

// Listen, Accept and Shutdown are for streams.

func (d *datagram) Listen(int) wsa.Errno               { return wsa.EOPNOTSUPP }
func (d *datagram) Accept() (base.Endpoint, wsa.Errno) { return nil, wsa.EOPNOTSUPP }
func (d *datagram) Shutdown() wsa.Errno                { return wsa.EOPNOTSUPP }

// Close ends the endpoint; what was sent is on its way either way.
func (d *datagram) Close(bool) {
	if d.close(false) && d.ping != nil {
		d.host.pings.giveBack(d.af, d.ping.id())
	}
}

// LocalAddr is what the kernel says; of a ping endpoint the port is the
// identifier, of a raw one it is 0 (the kernel puts the protocol there).
func (d *datagram) LocalAddr() (provider.Addr, bool) {
	if !d.enter() {
		return provider.Addr{}, false
	}
	defer d.leave()
	a, ok := d.local()
	switch {
	case d.ping != nil:
		return withPort(a, d.ping.id()), d.ping.id() != 0
	case d.typ == wsa.SOCK_RAW:
		return withPort(a, 0), d.bound.Load() != nil || d.peer.Load() != nil
	}
	return a, ok
}

// State is the raw state. It asks the kernel whether a datagram is queued once
// after each edge or receive.
func (d *datagram) State() base.State {
	st := base.State{Soft: d.soft.pending.Load(), Writable: up(d.tx.load()), Drained: true}
	if d.peer.Load() != nil {
		st.Phase = base.Connected
	}
	if d.enter() {
		st.Readable = d.rx.ask(d.hasDatagram)
		d.leave()
	}
	return st
}

func (d *datagram) hasDatagram() bool {
	_, ok := d.first()
	return ok
}

// first is the size of the first datagram queued. Unlike FIONREAD, a peek tells
// one of no bytes from none, and ping sockets know it too.
func (d *datagram) first() (n int, ok bool) {
	d.peeking.Lock()
	defer d.peeking.Unlock()
	return d.peekFirst()
}

func (d *datagram) peekFirst() (n int, ok bool) {
	m := getMessage()
	defer m.release()
	if d.isPing() && d.ping == nil {
		m.add(m.packet()) // ping_recvmsg does not know MSG_TRUNC: it must fit
	}
	for range maxAbsorb {
		m.prepare(false, 0)
		n, errno := m.receive(d.fd, unix.MSG_PEEK|unix.MSG_TRUNC)
		switch {
		case errno == 0:
			return n, true
		case errno == unix.EAGAIN:
			return 0, false
		}
		d.collect() // it took an error from the socket: look in the queue
	}
	return 0, false
}

// Queued is the size of the first datagram, in bytes.
func (d *datagram) Queued() int {
	if !d.enter() {
		return 0
	}
	defer d.leave()
	n, ok := d.first()
	if !ok {
		return 0
	}
	if d.ping != nil {
		n -= d.headerSize()
	}
	return n
}

// deliver takes what epoll reported, on the Host's goroutine.
func (d *datagram) deliver(events uint32) {
	if !d.enter() {
		return
	}
	var hint wsa.Events
	if events&unix.EPOLLERR != 0 && (d.collect() > 0 || d.soft.pending.Load()) {
		hint |= wsa.EvError | wsa.FD_READ
	}
	if events&unix.EPOLLIN != 0 {
		d.rx.raise()
		hint |= wsa.FD_READ
	}
	if events&unix.EPOLLOUT != 0 {
		d.wantOut(false)
		d.tx.raise()
		hint |= wsa.FD_WRITE
	}
	d.leave()
	d.notify(hint)
}

// wantOut registers for EPOLLOUT or takes that back. The kernel looks anew when
// asked, so nothing is lost between a send that failed and this; and when the
// poller takes it back because of an event that is old, the sender is woken for
// nothing, tries, and asks again.
func (d *datagram) wantOut(want bool) {
	d.writing.Lock()
	defer d.writing.Unlock()
	if d.watchOut == want {
		return
	}
	d.watchOut = want
	events := uint32(unix.EPOLLIN | unix.EPOLLET)
	if want {
		events |= unix.EPOLLOUT
	}
	d.host.poller.modify(d.fd, events, d.token)
}

// down is the Host's end.
func (d *datagram) down() {
	d.soft.down()
	d.notify(everything | wsa.EvError)
}
