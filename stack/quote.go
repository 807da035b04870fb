package stack

import (
	"net/netip"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// A Quote is the start of a packet, as an ICMP error about it must carry
// (RFC 792: the IP header and 8 bytes; RFC 4443: as much as fits). It is a
// value and may be stored; the zero Quote quotes nothing.
type Quote struct {
	n uint8
	b [quoteLen]byte
}

// quoteLen is room for the longest IPv4 header with 8 bytes and more, and for
// an IPv6 header with one of TCP.
const quoteLen = 96

func makeQuote(parts ...[]byte) (q Quote) {
	for _, p := range parts {
		q.n += uint8(copy(q.b[q.n:], p))
	}
	return q
}

// quoteOf takes the start of a packet whose headers gVisor has parsed.
func quoteOf(pkt *tcpstack.PacketBuffer) Quote {
	q := makeQuote(pkt.NetworkHeader().Slice(), pkt.TransportHeader().Slice())
	for v := range dataSlices(pkt) {
		q.n += uint8(copy(q.b[q.n:], v))
	}
	return q
}

// Unreachable says what an ICMP error reports.
type Unreachable uint8

// The reports that a gateway makes, with what connect(2) of a Linux program
// then says. Port unreachable comes from the destination itself, the others
// from the gateway.
const (
	UnreachableNet        Unreachable = iota // ENETUNREACH
	UnreachableHost                          // EHOSTUNREACH
	UnreachablePort                          // ECONNREFUSED
	UnreachableProhibited                    // IPv4 EHOSTUNREACH, IPv6 EACCES
	TimeExceeded                             // TTL used up, for traceroute
)

// codes are type and code for IPv4 (RFC 792, RFC 1812 5.2.7.1) and IPv6
// (RFC 4443 3.1, 3.3).
var unreachableCodes = [...]struct{ type4, code4, type6, code6 uint8 }{
	UnreachableNet:        {3, 0, 1, 0},
	UnreachableHost:       {3, 1, 1, 3},
	UnreachablePort:       {3, 3, 1, 4},
	UnreachableProhibited: {3, 13, 1, 1},
	TimeExceeded:          {11, 0, 3, 0},
}

// SendUnreachable reports u to the sender of the quoted packet. EINVAL for a
// zero Quote; otherwise errors are those of the route. Never blocks.
func (n *NIC) SendUnreachable(q Quote, u Unreachable) error {
	var p packet
	src, dst, ok := q.ends(&p)
	if !ok || int(u) >= len(unreachableCodes) {
		return syscall.EINVAL
	}
	from := dst
	if u != UnreachablePort {
		if a, ok := n.ownAddr(src); ok {
			from = a
		}
	}
	c := unreachableCodes[u]
	var msg [8 + quoteLen]byte
	b := msg[:8+copy(msg[8:], q.b[:q.n])]
	if src.Is4() {
		b[0], b[1] = c.type4, c.code4
		checksum.Put(b[2:], ^checksum.Checksum(b, 0))
		return n.sendIP(from, src, protoICMP, 0, b)
	}
	b[0], b[1] = c.type6, c.code6
	checksum.Put(b[2:], ^checksum.Checksum(b, pseudoHeader(from, src, protoICMPv6, len(b))))
	return n.sendIP(from, src, protoICMPv6, 0, b)
}

// ends reads source and destination from the quoted header.
func (q *Quote) ends(p *packet) (src, dst netip.Addr, ok bool) {
	b := q.b[:q.n]
	switch {
	case len(b) >= header.IPv4MinimumSize && b[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), true
	case len(b) >= header.IPv6MinimumSize && b[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), true
	}
	return netip.Addr{}, netip.Addr{}, false
}

// pseudoHeader is the sum over the pseudo header of a packet that we make.
func pseudoHeader(src, dst netip.Addr, proto uint8, n int) uint16 {
	var b [32]byte
	addrs := append(append(b[:0], src.AsSlice()...), dst.AsSlice()...)
	return pseudoSum(addrs, proto, n)
}
