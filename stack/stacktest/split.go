package stacktest

import (
	"encoding/binary"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"github.com/netnsd/netnsd/stack"
)

// Split makes of a packet of d, as its ReadPacket or WritePacket carries it, the
// packets that a wire would carry: super-segments of TCP and super-datagrams of
// UDP are segmented as a network card does it, every checksum is finished, and
// the virtio_net_hdr asks for nothing. Each result is memory of its own.
func Split(packet []byte, d stack.Device) [][]byte {
	f, ok, err := parseFrame(packet, d)
	if !ok || err != nil || f.vnet == nil {
		return [][]byte{slices.Clone(packet)}
	}
	ip := len(packet) - len(f.ip)
	head := ip + f.payload
	data := packet[head:]
	size := max(len(data), 1)
	if f.gsoType() != gsoNone && f.gsoSize() > 0 {
		size = f.gsoSize()
	}
	var out [][]byte
	for i, off := 0, 0; off < len(data) || i == 0; i, off = i+1, off+size {
		part := slices.Concat(packet[:head], data[off:min(off+size, len(data))])
		p := f
		p.vnet, p.ip = part[:vnetLen], part[ip:]
		p.become(i, off, off+size >= len(data), f.flags()&vnetNeedsCsum != 0)
		out = append(out, part)
	}
	return out
}

// become turns a copy of the super-packet's head, with the i-th part of its data
// behind it, into a packet of its own. off is where the part begins.
func (f *frame) become(i, off int, last, unfinished bool) {
	if f.version == 4 {
		id := binary.BigEndian.Uint16(f.ip[4:])
		binary.BigEndian.PutUint16(f.ip[2:], uint16(len(f.ip)))
		binary.BigEndian.PutUint16(f.ip[4:], id+uint16(i))
		binary.BigEndian.PutUint16(f.ip[10:], 0)
		binary.BigEndian.PutUint16(f.ip[10:], ^checksum.Checksum(f.ip[:f.l4], 0))
	} else {
		binary.BigEndian.PutUint16(f.ip[4:], uint16(len(f.ip)-40))
	}
	switch {
	case f.fragment:
	case f.proto == protoTCP:
		tcp := f.ip[f.l4:]
		binary.BigEndian.PutUint32(tcp[4:], binary.BigEndian.Uint32(tcp[4:])+uint32(off))
		if !last {
			tcp[13] &^= 0x09 // FIN, PSH
		}
		if i > 0 {
			tcp[13] &^= 0x80 // CWR
		}
	case f.proto == protoUDP:
		binary.BigEndian.PutUint16(f.ip[f.l4+4:], uint16(len(f.ip)-f.l4))
	}
	if unfinished && f.sumField() >= 0 {
		f.finish()
	}
	clear(f.vnet)
}
