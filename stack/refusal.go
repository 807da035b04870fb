package stack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// A Refuser is a FlowHandler that wants to hear when a program's kernel has no
// socket for a datagram of SendDatagram: it answers with port unreachable.
type Refuser interface {
	FlowHandler
	// Refused is called on the reading goroutine and must not block: src has sent the
	// datagram, dst is the port behind the NIC that is closed.
	Refused(n *NIC, src, dst netip.AddrPort)
}

// refusal looks whether the packet is such an answer. gVisor gets it all the same.
func (r *reader) refusal(head []byte) {
	p := &r.pkt
	if p.proto != protoICMP && p.proto != protoICMPv6 || p.fragment {
		return
	}
	h, ok := r.link.nic.handler.(Refuser)
	if !ok {
		return
	}
	if src, dst, ok := refusedDatagram(p, head); ok && dst.Addr() == p.src {
		h.Refused(r.link.nic, src, dst)
	}
}

// refusedDatagram reads from a port unreachable which datagram drew it (RFC 792, RFC 4443
// 3.1). It is believed only of the host itself: see refusal.
func refusedDatagram(p *packet, head []byte) (src, dst netip.AddrPort, ok bool) {
	const quoted = 8 // begins the packet behind the ICMP header
	if len(head) < p.l4+quoted || p.end < p.l4+quoted {
		return src, dst, false
	}
	icmp := head[p.l4:min(len(head), p.end)]
	port := [2]byte{3, 3}
	if p.version == 6 {
		port = [2]byte{1, 4}
	}
	if [2]byte(icmp) != port {
		return src, dst, false
	}
	q := makeQuote(icmp[quoted:])
	from, to, ok := q.ends()
	if !ok || from.Is4() != (p.version == 4) {
		return src, dst, false
	}
	b := q.b[:q.n]
	at, proto := header.IPv6MinimumSize, b[6]
	if from.Is4() {
		at, proto = int(b[0]&15)*4, b[9]
	}
	if proto != protoUDP || len(b) < at+4 {
		return src, dst, false
	}
	return netip.AddrPortFrom(from, binary.BigEndian.Uint16(b[at:])),
		netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[at+2:])), true
}
