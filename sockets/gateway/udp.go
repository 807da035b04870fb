package gateway

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// UDP is called by the stack for each datagram that takes no short cut, on the
// NIC's reader. Nothing in it waits, but for a chain that is needed for the first
// time and has to be built.
func (g *Gateway) UDP(d *stack.Datagram) {
	flow := flowKey{d.NIC, d.Src, d.Dst, wsa.IPPROTO_UDP}
	if v := g.visiting.find(flow); v != nil {
		v.answer(d.Data, d.Quote)
		return
	}
	if g.isDNS(d.Dst) {
		g.dns.serveUDP(d)
		return
	}
	switch {
	case g.broadcast(d.Dst.Addr()):
		g.UDPBroadcast.Add(1)
	case d.TTL <= 1 && !g.own(d.Dst.Addr()):
		g.expired(d.NIC, d.Quote())
	default:
		g.forward(flow, d.Data, marks{d.TTL, d.TOS, d.Whole}, d.Quote)
	}
}

func (g *Gateway) forward(flow flowKey, data [][]byte, k marks, quote func() stack.Quote) {
	e := g.carry(flow, data, k, quote)
	if e == errClosing { // it ended in this moment; the next is a new one
		e = g.carry(flow, data, k, quote)
	}
	switch e {
	case 0:
		if flow.protocol == wsa.IPPROTO_UDP {
			g.UDPSent.Add(1)
		}
	default:
		g.lost(flow.nic, e, quote)
	}
}

// lost accounts for a datagram that was not sent, and tells the program why if
// a network would.
func (g *Gateway) lost(nic *stack.NIC, e wsa.Errno, quote func() stack.Quote) {
	switch e {
	case wsa.EWOULDBLOCK, wsa.ENOBUFS, errClosing:
		g.UDPFull.Add(1)
		return
	case errTooMany:
		g.UDPLimit.Add(1)
		return
	case wsa.EMSGSIZE: // complain says so, with the MTU
		g.UDPTooLong.Add(1)
		return
	}
	g.UDPDenied.Add(1)
	if t := fateOf(e); !t.silent {
		q := quote()
		nic.SendUnreachableFrom(g.ownAs(q), q, t.unreachable)
	}
}

func (g *Gateway) carry(flow flowKey, data [][]byte, k marks, quote func() stack.Quote) wsa.Errno {
	p := g.dgram.known(flow)
	if p == nil {
		dst, e := g.target(flow.dst)
		if e != 0 {
			g.refused(flow.src, flow.dst, wsa.SOCK_DGRAM, flow.protocol, e)
			return e
		}
		if p, e = g.dgram.find(flow, dst); e != 0 {
			if flow.protocol != wsa.IPPROTO_UDP { // no ping for this user: unanswered, never forged
				g.PingUnsupported.Add(1)
				return wsa.ETIMEDOUT
			}
			return e
		}
	}
	return p.a.send(p, data, k, quote)
}
