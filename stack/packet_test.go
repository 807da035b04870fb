package stack_test

import (
	"encoding/binary"
	"net/netip"

	gbuffer "gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netnsd/netnsd/stack"
)

func syn(src, dst string, seq uint32) []byte { return segment(src, dst, seq, 0x02) }

// segment is an IPv4 TCP segment without payload.
func segment(src, dst string, seq uint32, flags byte) []byte {
	from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	b := make([]byte, 40)
	ip, tcp := b[:20], b[20:]
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(ip[2:], 40)
	copy(ip[12:], from.Addr().AsSlice())
	copy(ip[16:], to.Addr().AsSlice())
	binary.BigEndian.PutUint16(ip[10:], ^checksum.Checksum(ip, 0))
	binary.BigEndian.PutUint16(tcp, from.Port())
	binary.BigEndian.PutUint16(tcp[2:], to.Port())
	binary.BigEndian.PutUint32(tcp[4:], seq)
	tcp[12], tcp[13], tcp[14] = 0x50, flags, 0xff
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, stack.ToAddress(from.Addr()), stack.ToAddress(to.Addr()), 20)
	binary.BigEndian.PutUint16(tcp[16:], ^checksum.Checksum(tcp, sum))
	return b
}

// fragments is a UDP datagram of n payload bytes in IPv4 fragments, with a right
// or a wrong checksum.
func fragments(src, dst string, id uint16, n int, good bool) (out [][]byte) {
	from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	udp := make([]byte, 8+n)
	binary.BigEndian.PutUint16(udp, from.Port())
	binary.BigEndian.PutUint16(udp[2:], to.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, stack.ToAddress(from.Addr()), stack.ToAddress(to.Addr()), uint16(len(udp)))
	binary.BigEndian.PutUint16(udp[6:], ^checksum.Checksum(udp, sum))
	if !good {
		udp[len(udp)-1] ^= 1
	}
	const step = 1400
	for off := 0; off < len(udp); off += step {
		part := udp[off:min(off+step, len(udp))]
		ip := make([]byte, 20)
		ip[0], ip[8], ip[9] = 0x45, 64, 17
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(part)))
		binary.BigEndian.PutUint16(ip[4:], id)
		flags := uint16(off / 8)
		if off+step < len(udp) {
			flags |= 0x2000
		}
		binary.BigEndian.PutUint16(ip[6:], flags)
		copy(ip[12:], from.Addr().AsSlice())
		copy(ip[16:], to.Addr().AsSlice())
		binary.BigEndian.PutUint16(ip[10:], ^checksum.Checksum(ip, 0))
		out = append(out, append(ip, part...))
	}
	return out
}

// tryChunks takes and returns a chunk of every size of gVisor's pools, dirtied.
func tryChunks() {
	var views []*gbuffer.View
	for n := 64; n <= 64<<10; n *= 2 {
		v := gbuffer.NewViewSize(n)
		for i := range v.AsSlice() {
			v.AsSlice()[i] = 0xdd
		}
		views = append(views, v)
	}
	for _, v := range views {
		v.Release()
	}
}
