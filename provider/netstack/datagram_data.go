package netstack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Largest payloads of UDP: 65535 less the headers. gVisor lets more through over
// IPv4 and wraps the length field.
const (
	maxPayload4 = 65535 - 20 - 8
	maxPayload6 = 65535 - 8
)

// Send sends one datagram. An ICMP error that waits stays for Recv.
func (d *datagram) Send(m *provider.Msg) (int, wsa.Errno) {
	opts, o := tcpip.WriteOptions{}, opSend
	to := d.peer.Load()
	if m.Addr.Family != 0 {
		full, e := d.destination(m.Addr)
		if e != 0 {
			return 0, e
		}
		d.to, opts.To, o, to = full, &d.to, opSendTo, &m.Addr
	}
	if to == nil {
		return 0, wsa.ENOTCONN
	}
	d.src.reset(m.Buffers)
	defer d.src.reset(nil)
	if d.isUDP() && d.src.Len() > maxPayload(to.Addr()) {
		return 0, wsa.EMSGSIZE
	}
	if e := d.bindForErrors(); e != 0 {
		return 0, e
	}
	restore, e := d.sendControl(m.Control, to.Addr(), &opts.ControlMessages)
	if e != 0 {
		return 0, e
	}
	defer restore.undo(d)
	n, err := d.ep.Write(&d.src, opts)
	if _, icmp := err.(*tcpip.ErrConnectionRefused); icmp {
		d.keepSoft(wsa.ECONNRESET)
		n, err = d.ep.Write(&d.src, opts) // nothing was read of src
	}
	d.listenForErrors()
	if err != nil {
		e := errno(o, err)
		if e == wsa.ENETUNREACH || e == wsa.EHOSTUNREACH {
			full, _ := d.toFull(*to)
			e = d.driver.unreachable(e, unmapped(full.Addr))
		}
		return 0, e
	}
	return int(n), 0
}

// bindForErrors binds before the first send does: an ICMP error may be back before
// that send returns, and is told by the port that drew it.
func (d *datagram) bindForErrors() wsa.Errno {
	if !d.isUDP() || transport.DatagramEndpointState(d.ep.State()) != transport.DatagramEndpointStateInitial {
		return 0
	}
	return d.Bind(provider.Any(d.family, 0))
}

func maxPayload(to netip.Addr) int {
	if to.Unmap().Is4() {
		return maxPayload4
	}
	return maxPayload6
}

// keepSoft saves an error that gVisor gave to the wrong operation.
func (d *datagram) keepSoft(e wsa.Errno) {
	s := &soft{errno: e}
	if p := d.peer.Load(); p != nil {
		s.to = *p
	}
	if d.soft.CompareAndSwap(nil, s) && d.wake != nil {
		d.wake(wsa.EvError | wsa.FD_READ)
	}
}

// Recv takes one datagram and says where it came from. One that does not fit
// fills the buffers and gives EMSGSIZE; the rest of it is lost, unless it was a
// peek. (0, 0) is a datagram without a byte.
func (d *datagram) Recv(m *provider.Msg) (int, wsa.Errno) {
	if s := d.soft.Swap(nil); s != nil {
		m.Addr = s.to
		return 0, s.errno
	}
	peek := m.Flags&wsa.MSG_PEEK != 0
	d.ahead.mu.Lock()
	defer d.ahead.mu.Unlock()
	if n, e, ok := d.recvAhead(m, peek); ok {
		return n, e
	}
	d.dst.reset(m.Buffers)
	res, err := d.ep.Read(&d.dst, tcpip.ReadOptions{Peek: peek, NeedRemoteAddr: true})
	d.dst.reset(nil)
	switch err.(type) {
	case nil, *tcpip.ErrBadBuffer: // not a byte fitted
	case *tcpip.ErrConnectionRefused:
		if p := d.peer.Load(); p != nil {
			m.Addr = *p
		}
		return 0, wsa.ECONNRESET
	case *tcpip.ErrClosedForReceive: // not by us: the stack was closed
		return 0, wsa.ENETDOWN
	default:
		return 0, errno(opRecv, err)
	}
	if !peek {
		d.flood.took()
	}
	d.told(m, &res)
	if res.Count < res.Total {
		return res.Count, wsa.EMSGSIZE
	}
	return res.Count, 0
}
