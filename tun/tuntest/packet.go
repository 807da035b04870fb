package tuntest

import (
	"encoding/binary"
	"net/netip"
)

// UDPPacket returns an IPv4 or IPv6 packet with a UDP datagram and correct checksums.
func UDPPacket(src, dst netip.AddrPort, payload []byte) []byte {
	udp := make([]byte, 8+len(payload))
	binary.BigEndian.PutUint16(udp[0:], src.Port())
	binary.BigEndian.PutUint16(udp[2:], dst.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	copy(udp[8:], payload)
	from, to := src.Addr().AsSlice(), dst.Addr().AsSlice()
	const protoUDP = 17
	c := sum(sum(sum(0, from), to), udp) + protoUDP + uint32(len(udp))
	if c := fold(c); c == 0 {
		binary.BigEndian.PutUint16(udp[6:], 0xffff) // RFC 768: 0 means none
	} else {
		binary.BigEndian.PutUint16(udp[6:], c)
	}
	if src.Addr().Is6() {
		h := make([]byte, 40, 40+len(udp))
		h[0], h[6], h[7] = 6<<4, protoUDP, 64
		binary.BigEndian.PutUint16(h[4:], uint16(len(udp)))
		copy(h[8:], from)
		copy(h[24:], to)
		return append(h, udp...)
	}
	h := make([]byte, 20, 20+len(udp))
	h[0], h[8], h[9] = 4<<4|5, 64, protoUDP
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(udp)))
	copy(h[12:], from)
	copy(h[16:], to)
	binary.BigEndian.PutUint16(h[10:], fold(sum(0, h)))
	return append(h, udp...)
}

// UDPPayload returns the payload of an IPv4 or IPv6 packet that is a UDP datagram to port; ok is false for any other.
func UDPPayload(packet []byte, port uint16) (payload []byte, ok bool) {
	var udp []byte
	switch {
	case len(packet) >= 28 && packet[0]>>4 == 4 && packet[9] == 17:
		if l := int(packet[0]&15) * 4; len(packet) >= l+8 {
			udp = packet[l:]
		}
	case len(packet) >= 48 && packet[0]>>4 == 6 && packet[6] == 17:
		udp = packet[40:]
	}
	if len(udp) < 8 || binary.BigEndian.Uint16(udp[2:]) != port {
		return nil, false
	}
	if l := int(binary.BigEndian.Uint16(udp[4:])); l >= 8 && l <= len(udp) {
		return udp[8:l], true
	}
	return nil, false
}

// sum adds b to an Internet checksum (RFC 1071) not yet folded.
func sum(c uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		c += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		c += uint32(b[0]) << 8
	}
	return c
}

func fold(c uint32) uint16 {
	for c > 0xffff {
		c = c>>16 + c&0xffff
	}
	return ^uint16(c)
}
