package stack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

const (
	protoICMP   = uint8(header.ICMPv4ProtocolNumber)
	protoTCP    = uint8(header.TCPProtocolNumber)
	protoUDP    = uint8(header.UDPProtocolNumber)
	protoICMPv6 = uint8(header.ICMPv6ProtocolNumber)

	protoHopByHop = 0
	protoRouting  = 43
	protoFragment = 44
	protoNone     = 59
	protoDestOpts = 60

	maxExtensionHeaders = 8 // Linux' default limit for each kind of options

	tcpFlagFIN = 0x01
	tcpFlagSYN = 0x02
	tcpFlagRST = 0x04
	tcpFlagACK = 0x10
)

// packet is what parse learns about an IP packet. Offsets count from the first
// byte of the IP header.
type packet struct {
	version  uint8
	proto    uint8 // transport protocol, after IPv6 extension headers
	ttl, tos uint8
	fragment bool // not a whole datagram: no transport header can be trusted
	whole    bool // and may not become one on its way (DF; IPv6 always)
	l4       int  // offset of the transport header
	payload  int  // offset of its payload; equals l4 where parse does not know it
	end      int  // length according to the IP header
	src, dst netip.Addr
}

func netProto(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() || a.Is4In6() {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}

func (p *packet) netProto() tcpip.NetworkProtocolNumber {
	if p.version == 4 {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}

// parse reads the headers of an IP packet of total bytes, of which b holds the
// first ones. more says that the headers go on beyond b: call it with the whole
// packet.
func (p *packet) parse(b []byte, total int) (drop Counter, ok, more bool) {
	*p = packet{}
	if len(b) == 0 {
		return RxDropTruncated, false, false
	}
	switch b[0] >> 4 {
	case 4:
		drop, ok = p.parse4(b, total)
	case 6:
		drop, ok, more = p.parse6(b, total)
	default:
		return RxDropVersion, false, false
	}
	if !ok {
		return drop, false, more
	}
	return p.parseL4(b)
}

func (p *packet) parse4(b []byte, total int) (Counter, bool) {
	if len(b) < header.IPv4MinimumSize {
		return RxDropTruncated, false
	}
	ihl := int(b[0]&15) * 4
	p.version, p.tos, p.ttl, p.proto = 4, b[1], b[8], b[9]
	p.end = int(binary.BigEndian.Uint16(b[2:]))
	if ihl < header.IPv4MinimumSize || p.end < ihl {
		return RxDropIPHeader, false
	}
	if p.end > total || ihl > len(b) {
		return RxDropTruncated, false
	}
	if checksum.Checksum(b[:ihl], 0) != 0xffff {
		return RxDropIPChecksum, false
	}
	p.fragment = binary.BigEndian.Uint16(b[6:])&0x3fff != 0 // MF or an offset
	p.whole = b[6]&0x40 != 0
	p.l4, p.payload = ihl, ihl
	p.src = netip.AddrFrom4([4]byte(b[12:16]))
	p.dst = netip.AddrFrom4([4]byte(b[16:20]))
	return 0, true
}

func (p *packet) parse6(b []byte, total int) (drop Counter, ok, more bool) {
	if len(b) < header.IPv6MinimumSize {
		return RxDropTruncated, false, false
	}
	p.version, p.ttl, p.whole = 6, b[7], true
	p.tos = b[0]<<4 | b[1]>>4
	p.end = header.IPv6MinimumSize + int(binary.BigEndian.Uint16(b[4:]))
	if p.end > total {
		return RxDropTruncated, false, false
	}
	p.src = netip.AddrFrom16([16]byte(b[8:24]))
	p.dst = netip.AddrFrom16([16]byte(b[24:40]))
	next, off := b[6], header.IPv6MinimumSize
	for range maxExtensionHeaders + 1 {
		size := 0
		switch next {
		case protoHopByHop, protoRouting, protoDestOpts:
			if off+8 > p.end {
				return RxDropIPHeader, false, false
			}
			if off+8 > len(b) {
				return 0, false, true
			}
			size = (int(b[off+1]) + 1) * 8
		case protoFragment:
			if off+8 > p.end {
				return RxDropIPHeader, false, false
			}
			if off+8 > len(b) {
				return 0, false, true
			}
			size = 8
			// An atomic fragment (RFC 6946) is a whole datagram, but gVisor
			// reassembles it too, so it goes the way of fragments.
			p.fragment = true
		default:
			p.proto, p.l4, p.payload = next, off, off
			return 0, true, false
		}
		next = b[off]
		if off += size; off > p.end {
			return RxDropIPHeader, false, false
		}
		if p.fragment {
			p.proto, p.l4, p.payload = next, off, off
			return 0, true, false
		}
	}
	return RxDropIPHeader, false, false
}

// parseL4 checks that the transport header lies inside the packet.
func (p *packet) parseL4(b []byte) (drop Counter, ok, more bool) {
	if p.fragment {
		return 0, true, false
	}
	size := 0
	switch p.proto {
	case protoTCP:
		size = header.TCPMinimumSize
	case protoUDP, protoICMP:
		size = header.UDPMinimumSize // ICMPv4's header is 8 bytes, too
	case protoICMPv6:
		size = header.ICMPv6HeaderSize
	default:
		return 0, true, false
	}
	if p.l4+size > p.end {
		return RxDropL4Header, false, false
	}
	if p.l4+size > len(b) {
		return 0, false, true
	}
	switch p.proto {
	case protoTCP:
		size = int(b[p.l4+12]>>4) * 4
		if size < header.TCPMinimumSize || p.l4+size > p.end {
			return RxDropL4Header, false, false
		}
	case protoUDP:
		n := int(binary.BigEndian.Uint16(b[p.l4+4:]))
		if n < size || p.l4+n > p.end {
			return RxDropL4Header, false, false
		}
	}
	p.payload = p.l4 + size
	return 0, true, false
}

// checksumOK verifies the transport checksum of a packet laid out over head
// and tail. Fragments are not judged here: their datagram is, after gVisor has
// reassembled it (link.Capabilities).
func (p *packet) checksumOK(head, tail []byte) bool {
	n := p.end - p.l4
	var sum uint16
	switch p.proto {
	case protoTCP, protoICMPv6:
		sum = p.pseudo(head, n)
	case protoUDP:
		if binary.BigEndian.Uint16(head[p.l4+6:]) == 0 {
			return p.version == 4 // RFC 768; not allowed over IPv6 (RFC 8200 section 8.1)
		}
		n = int(binary.BigEndian.Uint16(head[p.l4+4:]))
		sum = p.pseudo(head, n)
	case protoICMP:
	default:
		return true
	}
	var c checksum.Checksumer
	first := min(n, len(head)-p.l4)
	c.Add(head[p.l4 : p.l4+first])
	if rest := n - first; rest > 0 {
		c.Add(tail[:rest])
	}
	return checksum.Combine(c.Checksum(), sum) == 0xffff
}

// pseudo is the sum over the pseudo header (RFC 9293 section 3.1, RFC 8200
// section 8.1) for n transport bytes.
func (p *packet) pseudo(head []byte, n int) uint16 {
	addrs := head[12:20]
	if p.version == 6 {
		addrs = head[8:40]
	}
	return pseudoSum(addrs, p.proto, n)
}

func pseudoSum(addrs []byte, proto uint8, n int) uint16 {
	sum := checksum.Checksum(addrs, uint16(proto))
	return checksum.Combine(sum, checksum.Combine(uint16(n>>16), uint16(n)))
}

// completeChecksum turns the partial checksum of a TCP or UDP packet into a
// full one. head must reach beyond the checksum field.
func (p *packet) completeChecksum(head, tail []byte) {
	field := p.l4 + 16
	if p.proto == protoUDP {
		field = p.l4 + 6
	}
	n := p.end - p.l4
	first := min(n, len(head)-p.l4)
	if field+2 > len(head) {
		return
	}
	// The field holds the sum of the pseudo header already.
	var c checksum.Checksumer
	c.Add(head[p.l4 : p.l4+first])
	if rest := n - first; rest > 0 {
		c.Add(tail[:rest])
	}
	sum := ^c.Checksum()
	if sum == 0 && p.proto == protoUDP {
		sum = 0xffff // RFC 768: zero means "none"
	}
	binary.BigEndian.PutUint16(head[field:], sum)
}
