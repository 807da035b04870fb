package gateway

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// UDP is called by the stack for each datagram, on the NIC's reader: nothing in
// it waits.
func (g *Gateway) UDP(d *stack.Datagram) {
	if g.isDNS(d.Dst) {
		g.dns.serveUDP(d)
		return
	}
	g.datagram(d.NIC, d.Src, d.Dst, wsa.IPPROTO_UDP, d.Data, d.Quote)
}

func (g *Gateway) datagram(nic *stack.NIC, src, to netip.AddrPort, protocol int32, data [][]byte, quote func() stack.Quote) {
	dst, e := g.target(to)
	if e != 0 {
		g.refused(src, to, wsa.SOCK_DGRAM, protocol, e)
	} else {
		var a *association
		if a, e = g.dgram.find(nic, src, dst, protocol); e == 0 {
			e = a.send(dst, data, quote)
		}
	}
	switch {
	case e == 0:
		g.UDPSent.Add(1)
	case e == wsa.EWOULDBLOCK || e == wsa.ENOBUFS || e == wsa.EMSGSIZE:
		g.UDPFull.Add(1)
	default:
		g.UDPDenied.Add(1)
		if t := fateOf(e); !t.silent {
			nic.SendUnreachable(quote(), t.unreachable)
		}
	}
}
