package sockets

import (
	"net"
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// A UDPConn is a datagram socket of a session, with a peer (from DialContext)
// or without (from ListenPacket). It has the methods that users of [net.UDPConn]
// rely on, less SyscallConn: libraries that find it take its failure for theirs.
//
// On the "ip" networks it is a raw socket: addresses are [*net.IPAddr], and
// ReadFrom and its like take the IPv4 header off, as [net.IPConn] does; Read does not.
type UDPConn struct {
	conn
	family    int32
	connected bool
}

var (
	_ net.Conn       = (*UDPConn)(nil)
	_ net.PacketConn = (*UDPConn)(nil)
)

func newUDPConn(k *sock, n network, family int32, connected bool) *UDPConn {
	return &UDPConn{conn: newConn(k, n), family: family, connected: connected}
}

// ReadFrom reads one datagram; what does not fit into p is lost. The address is
// a [*net.UDPAddr].
func (c *UDPConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(p)
	return n, c.network.netAddr(from), err
}

// ReadFromUDP is ReadFrom with the type that it returns.
func (c *UDPConn) ReadFromUDP(p []byte) (int, *net.UDPAddr, error) {
	n, from, err := c.ReadFromUDPAddrPort(p)
	if !from.IsValid() {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), err
}

// ReadFromUDPAddrPort is ReadFrom without an allocation. On a dual-stack socket
// an IPv4 source is a v4-mapped address.
func (c *UDPConn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	n, from, _, err := c.readFrom(p)
	return n, from, err
}

// ReadMsgUDP is ReadMsgUDPAddrPort with a [*net.UDPAddr].
func (c *UDPConn) ReadMsgUDP(p, oob []byte) (n, oobn, flags int, from *net.UDPAddr, err error) {
	n, oobn, flags, ap, err := c.ReadMsgUDPAddrPort(p, oob)
	if ap.IsValid() {
		from = net.UDPAddrFromAddrPort(ap)
	}
	return n, oobn, flags, from, err
}

// ReadMsgUDPAddrPort reads one datagram. flags has the system's
// MSG_TRUNC if it did not fit into p. There is no ancillary data: oobn is 0.
func (c *UDPConn) ReadMsgUDPAddrPort(p, _ []byte) (n, oobn, flags int, from netip.AddrPort, err error) {
	n, from, truncated, err := c.readFrom(p)
	if truncated {
		flags = msgTrunc
	}
	return n, 0, flags, from, err
}

func (c *UDPConn) readFrom(p []byte) (n int, from netip.AddrPort, truncated bool, err error) {
	n, a, e, err := c.sock.receive(p, true)
	if e != 0 || err != nil {
		if err := c.failure(opRead, e, err); err != nil {
			return n, netip.AddrPort{}, false, err
		}
	}
	if c.network.typ == wsa.SOCK_RAW && c.family == wsa.AF_INET {
		n = copy(p, payload(p[:n]))
	}
	return n, addrPort(a), e == wsa.EMSGSIZE, nil
}

// payload is what follows the IPv4 header of b, or b if there is none.
func payload(b []byte) []byte {
	if len(b) < 20 {
		return b
	}
	if h := int(b[0]&0x0f) * 4; h >= 20 && h <= len(b) {
		return b[h:]
	}
	return b
}

// WriteTo sends p as one datagram. On a socket with a peer it fails with
// [net.ErrWriteToConnected].
func (c *UDPConn) WriteTo(p []byte, to net.Addr) (int, error) {
	ap, ok := fromNetAddr(to)
	if !ok {
		return 0, c.unsendable(to, &net.AddrError{Err: "no IP address", Addr: textOf(to)})
	}
	return c.WriteToUDPAddrPort(p, ap)
}

// WriteToUDP is WriteTo.
func (c *UDPConn) WriteToUDP(p []byte, to *net.UDPAddr) (int, error) {
	if to == nil {
		return 0, c.unsendable(nil, wsa.EDESTADDRREQ)
	}
	return c.WriteToUDPAddrPort(p, to.AddrPort())
}

// WriteToUDPAddrPort is WriteTo without an allocation.
func (c *UDPConn) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	if c.connected {
		return 0, c.unsendable(c.network.netAddr(to), net.ErrWriteToConnected)
	}
	a := sockaddr(c.family, to)
	if a.IsZero() {
		return 0, c.unsendable(c.network.netAddr(to), &net.AddrError{Err: "address of another family", Addr: to.String()})
	}
	n, e, err := c.sock.sendTo(p, a)
	if e == 0 && err == nil {
		return n, nil
	}
	if err == nil {
		err = e.Err()
	}
	return n, c.unsendable(c.network.netAddr(to), err)
}

// WriteMsgUDP is WriteMsgUDPAddrPort with a [*net.UDPAddr], nil for the peer.
func (c *UDPConn) WriteMsgUDP(p, oob []byte, to *net.UDPAddr) (n, oobn int, err error) {
	var ap netip.AddrPort
	if to != nil {
		ap = to.AddrPort()
	}
	return c.WriteMsgUDPAddrPort(p, oob, ap)
}

// WriteMsgUDPAddrPort sends one datagram, to the peer if to is not valid. It
// takes no ancillary data: EOPNOTSUPP.
func (c *UDPConn) WriteMsgUDPAddrPort(p, oob []byte, to netip.AddrPort) (n, oobn int, err error) {
	switch {
	case len(oob) > 0:
		return 0, 0, c.unsendable(c.network.netAddr(to), wsa.EOPNOTSUPP)
	case !to.IsValid():
		n, err = c.Write(p)
	default:
		n, err = c.WriteToUDPAddrPort(p, to)
	}
	return n, 0, err
}

func (c *UDPConn) unsendable(to net.Addr, err error) error {
	return opError(opWrite, c.network.name, c.local, to, datagram, err)
}

func textOf(a net.Addr) string {
	if a == nil {
		return "<nil>"
	}
	return a.String()
}
