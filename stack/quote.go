package stack

import (
	"encoding/binary"
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
	return n.SendUnreachableFrom(netip.Addr{}, q, u)
}

// SendUnreachableFrom is SendUnreachable in the name of from, if it is an address
// of that family. Port unreachable comes from the destination all the same.
func (n *NIC) SendUnreachableFrom(from netip.Addr, q Quote, u Unreachable) error {
	src, dst, ok := q.ends()
	if !ok || int(u) >= len(unreachableCodes) {
		return syscall.EINVAL
	}
	if u == UnreachablePort {
		from = dst
	}
	c := unreachableCodes[u]
	e := ICMPError{From: from, Type: c.type6, Code: c.code6}
	if src.Is4() {
		e.Type, e.Code = c.type4, c.code4
	}
	return n.SendICMPError(q, e)
}

// An ICMPError is one that a gateway says on: the numbers are those of the quoted
// packet's family.
type ICMPError struct {
	From       netip.Addr // who found it; not of that family: an address of the NIC, or the destination
	Type, Code uint8
	MTU        uint32 // of the next hop, bytes, with "fragmentation needed" and "packet too big"
}

// SendICMPError sends e to the sender of the quoted packet. EINVAL: a zero Quote, or
// a type that is not an error about a packet; else the errors of the route. Never
// blocks.
func (n *NIC) SendICMPError(q Quote, e ICMPError) error {
	src, dst, ok := q.ends()
	if !ok || !e.aboutPacket(src.Is4()) {
		return syscall.EINVAL
	}
	from := e.From.Unmap()
	if !from.IsValid() || from.Is4() != src.Is4() {
		if from, ok = n.ownAddr(src); !ok {
			from = dst
		}
	}
	var msg [8 + quoteLen]byte
	b := msg[:8+copy(msg[8:], q.b[:q.n])]
	b[0], b[1] = e.Type, e.Code
	if src.Is4() {
		binary.BigEndian.PutUint16(b[6:], uint16(min(e.MTU, 65535))) // RFC 1191, 4
		checksum.Put(b[2:], ^checksum.Checksum(b, 0))
		return n.sendIP(from, src, protoICMP, 0, 0, b)
	}
	binary.BigEndian.PutUint32(b[4:], e.MTU) // RFC 4443, 3.2
	checksum.Put(b[2:], ^checksum.Checksum(b, pseudoHeader(from, src, protoICMPv6, len(b))))
	return n.sendIP(from, src, protoICMPv6, 0, 0, b)
}

// aboutPacket says that the type is one of those by which the network speaks of a
// packet: redirects and everything that is not an error are none of ours.
func (e *ICMPError) aboutPacket(is4 bool) bool {
	const unreachable4, exceeded4, problem4 = 3, 11, 12
	if is4 {
		return e.Type == unreachable4 || e.Type == exceeded4 || e.Type == problem4
	}
	return e.Type >= 1 && e.Type <= 4 // RFC 4443, 3: unreachable, too big, exceeded, problem
}

// WithSeq is q with another sequence number, if it quotes a ping: who pings tells
// its requests apart by it.
func (q Quote) WithSeq(seq uint16) Quote {
	b := q.b[:q.n]
	at, proto := header.IPv6MinimumSize, protoICMPv6
	if src, _, ok := q.ends(); !ok {
		return q
	} else if src.Is4() {
		at, proto = int(b[0]&15)*4, protoICMP
		if b[9] != proto {
			return q
		}
	} else if b[6] != proto {
		return q
	}
	if len(b) >= at+8 {
		binary.BigEndian.PutUint16(b[at+6:], seq)
	}
	return q
}

// Source is who has sent the quoted packet.
func (q Quote) Source() (src netip.Addr, ok bool) {
	src, _, ok = q.ends()
	return src, ok
}

// Destination is where the quoted packet went; not valid of a zero Quote.
func (q Quote) Destination() netip.Addr {
	_, dst, _ := q.ends()
	return dst
}

// ends reads source and destination from the quoted header.
func (q *Quote) ends() (src, dst netip.Addr, ok bool) {
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
