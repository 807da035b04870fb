package gateway

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// UDP is called by the stack for each datagram, on the NIC's reader. Nothing in
// it waits, but for a chain that is needed for the first time and has to be built.
func (g *Gateway) UDP(d *stack.Datagram) {
	if g.isDNS(d.Dst) {
		g.dns.serveUDP(d)
		return
	}
	g.datagram(d.NIC, d.Src, d.Dst, wsa.IPPROTO_UDP, d.Data, d.Quote)
}

func (g *Gateway) datagram(nic *stack.NIC, src, to netip.AddrPort, protocol int32, data [][]byte, quote func() stack.Quote) {
	e := g.carry(nic, src, to, protocol, data, quote)
	if e == errClosing { // it ended in this moment; the next is a new one
		e = g.carry(nic, src, to, protocol, data, quote)
	}
	switch e {
	case 0:
		if protocol == wsa.IPPROTO_UDP {
			g.UDPSent.Add(1)
		}
	case wsa.EWOULDBLOCK, wsa.ENOBUFS, wsa.EMSGSIZE, errClosing:
		g.UDPFull.Add(1)
	default:
		g.UDPDenied.Add(1)
		if t := fateOf(e); !t.silent {
			nic.SendUnreachable(quote(), t.unreachable)
		}
	}
}

func (g *Gateway) carry(nic *stack.NIC, src, to netip.AddrPort, protocol int32, data [][]byte, quote func() stack.Quote) wsa.Errno {
	dst, e := g.target(to)
	if e != 0 {
		g.refused(src, to, wsa.SOCK_DGRAM, protocol, e)
		return e
	}
	a, e := g.dgram.find(nic, src, dst, protocol)
	if e != 0 {
		if protocol != wsa.IPPROTO_UDP { // no ping for this user: unanswered, never forged
			g.PingUnsupported.Add(1)
			return wsa.ETIMEDOUT
		}
		return e
	}
	return a.send(dst, to.Addr().Unmap(), data, quote)
}
