package base

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Flags that a receive sets, and those that reach a driver.
const (
	outFlags    = wsa.MSG_TRUNC | wsa.MSG_CTRUNC | wsa.MSG_BCAST | wsa.MSG_MCAST | wsa.MSG_PARTIAL
	driverFlags = wsa.MSG_PEEK | wsa.MSG_OOB
)

func recv(s *provider.Socket, m *provider.Msg) (int, wsa.Errno)     { return receive(s, m, false) }
func recvFrom(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return receive(s, m, true) }
func send(s *provider.Socket, m *provider.Msg) (int, wsa.Errno)     { return transmit(s, m, false) }
func sendTo(s *provider.Socket, m *provider.Msg) (int, wsa.Errno)   { return transmit(s, m, true) }

// receive is WSPRecv and WSPRecvFrom (winsock-spi 3.21, 3.23), which differ only
// on a datagram socket that was disconnected.
func receive(s *provider.Socket, m *provider.Msg, from bool) (int, wsa.Errno) {
	k, e := reader(s)
	if e != 0 {
		return 0, e
	}
	defer k.mu.RUnlock()
	if e := k.mayReceive(m, from); e != 0 {
		return 0, e
	}
	in := m.Flags &^ outFlags
	m.Flags = in & driverFlags
	var n int
	if k.stream() {
		n, e = k.receiveStream(m)
	} else {
		n, e = k.receiveDatagram(m)
	}
	m.Flags = in | m.Flags&outFlags
	if in&wsa.MSG_PEEK == 0 && !reported(m, e) {
		k.countIn(s, n, e)
	}
	return n, e
}

// reported says that a receive tells of a path MTU (provider.ControlICMP).
func reported(m *provider.Msg, e wsa.Errno) bool {
	const icmp = provider.ControlICMP
	return e == wsa.EMSGSIZE && m.Control != nil && m.Control.Has&icmp != 0 && m.Control.ICMP.MTU != 0
}

// countIn counts what was received, once (law 15). A truncated datagram is one
// too; a stream's end is not.
func (k *socket) countIn(s *provider.Socket, n int, e wsa.Errno) {
	if e != 0 && e != wsa.EMSGSIZE {
		return
	}
	s.Traffic.BytesIn.Add(uint64(n))
	if !k.stream() {
		s.Traffic.PacketsIn.Add(1)
	}
}

// mayReceive is the state check. What was issued before SD_RECEIVE (MSG_PENDED)
// may finish (observed).
func (k *socket) mayReceive(m *provider.Msg, from bool) wsa.Errno {
	switch {
	case len(m.Buffers) == 0:
		return wsa.EINVAL
	case m.Flags&wsa.MSG_OOB != 0 && !k.row.Expedited:
		return wsa.EOPNOTSUPP
	case m.Flags&wsa.MSG_OOB != 0 && k.value(wsa.SOL_SOCKET, wsa.SO_OOBINLINE) != 0:
		return wsa.EINVAL
	case k.shutRecv && m.Flags&wsa.MSG_PENDED == 0:
		return wsa.ESHUTDOWN
	case !k.bound:
		return wsa.EINVAL
	case k.stream() && k.now() != connected:
		return wsa.ENOTCONN
	case !k.stream() && !from && k.hadPeer && !k.hasPeer:
		return wsa.ENOTCONN
	}
	return 0
}

// receiveStream asks the endpoint first, so that data queued before a reset is
// delivered, and then says how the connection ended, for ever.
func (k *socket) receiveStream(m *provider.Msg) (int, wsa.Errno) {
	n, e := k.link.Recv(m)
	if n > 0 {
		return n, 0
	}
	if dead := k.ended(); dead != 0 {
		return 0, dead
	}
	return 0, e
}

// maxSkipped bounds how many unwanted datagrams one call discards.
const maxSkipped = 64

// receiveDatagram takes the next datagram or soft error that the socket wants to
// hear of: with a peer set, only the peer's.
func (k *socket) receiveDatagram(m *provider.Msg) (int, wsa.Errno) {
	if w := k.soft.Load(); w != nil && k.soft.CompareAndSwap(w, nil) && k.wanted(w.errno) {
		m.Addr = w.to
		if m.Control != nil {
			*m.Control = provider.Control{}
		}
		return 0, w.errno
	}
	if k.sift.on {
		k.sift.mu.Lock()
		defer k.sift.mu.Unlock()
	}
	want := provider.ControlBits(0)
	if m.Control != nil {
		want = m.Control.Has
	}
	for range maxSkipped {
		if m.Control != nil {
			m.Control.Has = want
		}
		n, heard, e := k.next(m)
		switch {
		case e == wsa.EWOULDBLOCK:
			return 0, e
		case e != 0 && e != wsa.EMSGSIZE:
			if k.wanted(e) {
				return 0, e
			}
		case heard:
			return n, e
		case m.Flags&wsa.MSG_PEEK != 0:
			k.skip()
		}
	}
	return 0, wsa.EWOULDBLOCK
}

// wanted reports whether a soft error is to be told (SIO_UDP_CONNRESET,
// SIO_UDP_NETRESET).
func (k *socket) wanted(e wsa.Errno) bool {
	return !(e == wsa.ECONNRESET && k.dropReset || e == wsa.ENETRESET && k.dropNetReset)
}

// fromPeer reports whether a datagram socket hears this sender. Like on Windows
// and Linux, one that is connected to a group or a broadcast address hears nobody.
func (k *socket) fromPeer(a provider.Addr) bool {
	if !k.hasPeer {
		return true
	}
	return a.Addr().Unmap() == k.peer.Addr().Unmap() && (a.Port() == k.peer.Port() || !k.hasPorts())
}

// skip discards the first datagram.
func (k *socket) skip() {
	var b [1]byte
	k.link.Recv(&provider.Msg{Buffers: [][]byte{b[:]}})
}

// prune discards what strangers sent before the peer was set, up to the first
// datagram of the peer, so that Ready does not promise what receive will skip.
// k.mu is held for writing.
func (k *socket) prune() {
	for range maxSkipped {
		if !k.mixed {
			return
		}
		var b [1]byte
		m := provider.Msg{Buffers: [][]byte{b[:]}, Flags: wsa.MSG_PEEK}
		_, e := k.link.Recv(&m)
		switch {
		case e != 0 && e != wsa.EMSGSIZE:
			k.mixed = false
		case k.fromPeer(m.Addr):
			return
		default:
			k.skip()
		}
	}
}

// transmit is WSPSend and WSPSendTo (winsock-spi 3.25, 3.26). A stream ignores
// the address.
func transmit(s *provider.Socket, m *provider.Msg, to bool) (int, wsa.Errno) {
	k, e := reader(s)
	if e != 0 {
		return 0, e
	}
	if !k.stream() && !k.bound && to {
		if k, e = bindForSend(s, k, m); e != 0 {
			return 0, e
		}
	}
	defer k.mu.RUnlock()
	if e := k.maySend(m, to); e != 0 {
		return 0, e
	}
	addr, in := m.Addr, m.Flags
	m.Flags = in & driverFlags &^ wsa.MSG_PEEK
	var n int
	if k.stream() {
		m.Addr = provider.Addr{}
		n, e = k.sendStream(m)
	} else {
		if !to {
			m.Addr = provider.Addr{}
		}
		m.Addr = k.addressed(m.Addr)
		n, e = k.sendDatagram(m)
	}
	m.Addr, m.Flags = addr, in
	if e == 0 {
		s.Traffic.BytesOut.Add(uint64(n))
		if !k.stream() {
			s.Traffic.PacketsOut.Add(1)
		}
	}
	return n, e
}

// maySend is the state check, and for a datagram that of the destination.
func (k *socket) maySend(m *provider.Msg, to bool) wsa.Errno {
	switch {
	case len(m.Buffers) == 0:
		return wsa.EINVAL
	case m.Flags&wsa.MSG_OOB != 0 && !k.row.Expedited, m.Flags&wsa.MSG_PARTIAL != 0:
		return wsa.EOPNOTSUPP
	case k.shutSend:
		return wsa.ESHUTDOWN
	case k.stream():
		if k.now() != connected {
			return wsa.ENOTCONN
		}
		return 0
	}
	if e := k.mayReach(m.Addr, m.Len(), to); e != 0 {
		return e
	}
	return k.ownHeader(m, to)
}

// mayReach judges one datagram of size bytes: for addr if to says so and it is one,
// else for the peer.
func (k *socket) mayReach(addr provider.Addr, size int, to bool) wsa.Errno {
	switch {
	case to && addr.Family != 0:
		if e := k.checkRemote(addr); e != 0 {
			return e
		}
		if e := k.checkBroadcast(addr); e != 0 {
			return e
		}
	case k.hasPeer, k.session.Family != 0:
	case to:
		return wsa.EDESTADDRREQ
	default:
		return wsa.ENOTCONN
	}
	if k.hasPorts() && size > maxPayload(k.row.Family) {
		return wsa.EMSGSIZE
	}
	return 0
}

// maxPayload is the largest UDP payload: 65535 less the UDP header and, on IPv4,
// the IP header, which the IPv6 payload length does not count.
func maxPayload(af int32) int {
	if af == wsa.AF_INET6 {
		return 65527
	}
	return 65507
}

// bindForSend binds implicitly before the first WSPSendTo. The reading hold on k
// is given up and, without an error, taken again.
func bindForSend(s *provider.Socket, k *socket, m *provider.Msg) (*socket, wsa.Errno) {
	e := k.maySend(m, true)
	k.mu.RUnlock()
	if e != 0 {
		return nil, e
	}
	if k, e = writer(s); e != 0 {
		return nil, e
	}
	if !k.bound {
		e = k.bind(provider.Any(k.row.Family, 0), false)
	}
	k.mu.Unlock()
	if e != 0 {
		return nil, e
	}
	return reader(s)
}

func (k *socket) sendStream(m *provider.Msg) (int, wsa.Errno) {
	if e := k.term.Load(); e != 0 {
		return 0, wsa.Errno(e)
	}
	n, e := k.link.Send(m)
	if n > 0 || e == 0 && m.Len() == 0 {
		return n, 0
	}
	if dead := k.ended(); dead != 0 {
		return 0, dead
	}
	if e == 0 {
		e = wsa.EWOULDBLOCK // "0 bytes" is not an answer (3.25)
	}
	return 0, e
}

// maxResets bounds how often a send that tells of earlier ones is tried again.
const maxResets = 8

// sendDatagram keeps soft errors for the next receive: on Windows a send never
// reports what an earlier one drew.
func (k *socket) sendDatagram(m *provider.Msg) (int, wsa.Errno) {
	to, flags := m.Addr, m.Flags
	for range maxResets {
		n, e := k.link.Send(m)
		if e != wsa.ECONNRESET {
			return n, e
		}
		k.soft.Store(&softError{errno: e, to: m.Addr})
		m.Addr, m.Flags = to, flags
	}
	return 0, wsa.EWOULDBLOCK
}
