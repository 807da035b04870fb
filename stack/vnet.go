package stack

import "encoding/binary"

// vnetHeader is struct virtio_net_hdr (linux/virtio_net.h, virtio 1.2 section
// 5.1.6), ten bytes in little-endian order: TUN uses the byte order of the
// host unless told otherwise, and every platform with a TUN that we run on is
// little-endian.
type vnetHeader struct {
	flags      uint8
	gsoType    uint8
	hdrLen     uint16
	gsoSize    uint16
	csumStart  uint16
	csumOffset uint16
}

const (
	vnetHeaderLen = 10

	vnetNeedsCsum = 1 // the checksum field holds a partial sum
	vnetDataValid = 2 // the checksum was verified below us

	vnetGSONone  = 0
	vnetGSOTCPv4 = 1
	vnetGSOTCPv6 = 4
	vnetGSOUDP   = 5    // UDP_L4: a train of datagrams, each gso_size long but the last
	vnetGSOECN   = 0x80 // modifier: CWR is set
)

// parseVnetHeader reads b, which must hold vnetHeaderLen bytes.
func parseVnetHeader(b []byte) vnetHeader {
	_ = b[vnetHeaderLen-1]
	return vnetHeader{
		flags:      b[0],
		gsoType:    b[1],
		hdrLen:     binary.LittleEndian.Uint16(b[2:]),
		gsoSize:    binary.LittleEndian.Uint16(b[4:]),
		csumStart:  binary.LittleEndian.Uint16(b[6:]),
		csumOffset: binary.LittleEndian.Uint16(b[8:]),
	}
}

// put writes h into b, which must hold vnetHeaderLen bytes.
func (h vnetHeader) put(b []byte) {
	_ = b[vnetHeaderLen-1]
	b[0], b[1] = h.flags, h.gsoType
	binary.LittleEndian.PutUint16(b[2:], h.hdrLen)
	binary.LittleEndian.PutUint16(b[4:], h.gsoSize)
	binary.LittleEndian.PutUint16(b[6:], h.csumStart)
	binary.LittleEndian.PutUint16(b[8:], h.csumOffset)
}

// vouches says that the sender of the header answers for the transport
// checksum: it is not computed yet, or somebody has verified it.
func (h vnetHeader) vouches() bool { return h.flags&(vnetNeedsCsum|vnetDataValid) != 0 }

// check holds the header against the packet that follows. Offsets in the
// header count from the first byte after it, so with Ethernet they include
// link bytes; total is the length of everything after the header.
//
// hdr_len is a hint (Linux puts the length of the linear part there), so only
// values that cannot be meant are refused.
func (h vnetHeader) check(p *packet, link, total int) (Counter, bool) {
	if h.gsoType != vnetGSONone {
		if c, ok := h.checkGSO(p, link, total); !ok {
			return c, false
		}
	}
	if h.flags&vnetNeedsCsum == 0 {
		return 0, true
	}
	var field int
	switch p.proto {
	case protoTCP:
		field = 16
	case protoUDP:
		field = 6
	default:
		return RxDropVnetHeader, false
	}
	if p.fragment || int(h.csumStart) != link+p.l4 || int(h.csumOffset) != field {
		return RxDropVnetHeader, false
	}
	return 0, true
}

func (h vnetHeader) checkGSO(p *packet, link, total int) (Counter, bool) {
	proto := protoTCP
	switch h.gsoType &^ vnetGSOECN {
	case vnetGSOTCPv4:
		if p.version != 4 {
			return RxDropVnetHeader, false
		}
	case vnetGSOTCPv6:
		if p.version != 6 {
			return RxDropVnetHeader, false
		}
	case vnetGSOUDP:
		proto = protoUDP
	default: // UFO: never offered by us
		return RxDropGSO, false
	}
	if p.proto != proto || p.fragment || h.gsoSize == 0 || h.flags&vnetNeedsCsum == 0 {
		return RxDropVnetHeader, false
	}
	if n := int(h.hdrLen); n != 0 && (n < link+p.payload || n > total) {
		return RxDropVnetHeader, false
	}
	return 0, true
}
