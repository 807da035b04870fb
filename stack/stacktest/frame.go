package stacktest

import (
	"encoding/binary"
	"fmt"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"github.com/netnsd/netnsd/stack"
)

// The fields of struct virtio_net_hdr (linux/virtio_net.h).
const (
	vnetLen       = 10
	vnetNeedsCsum = 1
	vnetDataValid = 2
	gsoNone       = 0
	gsoTCP4       = 1
	gsoTCP6       = 4
	gsoUDP        = 5
	gsoECN        = 0x80

	etherLen    = 14
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// frame is a packet of a Device, taken apart by other code than that of package
// stack, so that one can judge the other.
type frame struct {
	vnet []byte // the virtio_net_hdr, nil without
	link []byte // the Ethernet header, nil without
	ip   []byte // cut to the length that the IP header says

	version, proto int
	fragment       bool
	l4, payload    int // offsets in ip
}

func (f *frame) flags() int     { return f.field8(0) }
func (f *frame) gsoType() int   { return f.field8(1) &^ gsoECN }
func (f *frame) hdrLen() int    { return f.field16(2) }
func (f *frame) gsoSize() int   { return f.field16(4) }
func (f *frame) csumStart() int { return f.field16(6) }
func (f *frame) csumField() int { return f.field16(8) }

func (f *frame) field8(at int) int {
	if f.vnet == nil {
		return 0
	}
	return int(f.vnet[at])
}

func (f *frame) field16(at int) int {
	if f.vnet == nil {
		return 0
	}
	return int(binary.LittleEndian.Uint16(f.vnet[at:]))
}

// parseFrame takes b apart. ok is false for what holds no IP packet (ARP). IPv6
// extension headers but for the fragment header are not looked behind.
func parseFrame(b []byte, d stack.Device) (f frame, ok bool, err error) {
	if d.HeaderLen() != 0 {
		if len(b) < vnetLen {
			return f, false, fmt.Errorf("%d bytes are no virtio_net_hdr", len(b))
		}
		f.vnet, b = b[:vnetLen], b[vnetLen:]
	}
	if d.TAP() {
		if len(b) < etherLen {
			return f, false, fmt.Errorf("%d bytes are no Ethernet header", len(b))
		}
		f.link, b = b[:etherLen], b[etherLen:]
		if t := binary.BigEndian.Uint16(f.link[12:]); t != 0x0800 && t != 0x86dd {
			return f, false, nil
		}
	}
	return f, true, f.parseIP(b)
}

func (f *frame) parseIP(b []byte) error {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		f.version, f.proto, f.l4 = 4, int(b[9]), int(b[0]&15)*4
		f.fragment = binary.BigEndian.Uint16(b[6:])&0x3fff != 0
		f.ip = b[:min(len(b), int(binary.BigEndian.Uint16(b[2:])))]
		if n := int(binary.BigEndian.Uint16(b[2:])); n != len(b) || f.l4 > n {
			return fmt.Errorf("IPv4 total length %d, header %d, in a packet of %d bytes", n, f.l4, len(b))
		}
	case len(b) >= 40 && b[0]>>4 == 6:
		f.version, f.proto, f.l4 = 6, int(b[6]), 40
		f.fragment = f.proto == 44
		f.ip = b
		if n := 40 + int(binary.BigEndian.Uint16(b[4:])); n != len(b) {
			return fmt.Errorf("IPv6 length %d in a packet of %d bytes", n, len(b))
		}
	default:
		return fmt.Errorf("neither IPv4 nor IPv6: % x", b[:min(len(b), 8)])
	}
	f.payload = f.l4
	if f.fragment {
		return nil
	}
	switch f.proto {
	case protoTCP:
		if len(f.ip) < f.l4+20 {
			return fmt.Errorf("TCP header cut off at %d", len(f.ip)-f.l4)
		}
		f.payload = f.l4 + int(f.ip[f.l4+12]>>4)*4
	case protoUDP:
		f.payload = f.l4 + 8
	}
	if f.payload > len(f.ip) {
		return fmt.Errorf("transport header of %d bytes cut off at %d", f.payload-f.l4, len(f.ip)-f.l4)
	}
	return nil
}

// sumField is where the transport checksum stands, counted from the transport
// header; -1 for protocols without one that we know.
func (f *frame) sumField() int {
	switch f.proto {
	case protoTCP:
		return 16
	case protoUDP:
		return 6
	}
	return -1
}

// covered says that a checksum protects all from the transport header on. It
// does not for fragments and IPv6 extension headers (the kernel's MLD reports
// have one), where damage may be harmless and nobody's to tell.
func (f *frame) covered() bool {
	switch f.proto {
	case protoICMP, protoTCP, protoUDP, protoICMPv6:
		return !f.fragment && len(f.ip) > f.l4
	}
	return false
}

// pseudo is the sum over the pseudo header for n transport bytes.
func (f *frame) pseudo(n int) uint16 {
	addrs := f.ip[12:20]
	if f.version == 6 {
		addrs = f.ip[8:40]
	}
	return checksum.Checksum(addrs, checksum.Combine(uint16(f.proto), checksum.Combine(uint16(n>>16), uint16(n))))
}

// sum is the checksum over the transport part and its pseudo header: 0xffff if
// the checksum in it is right.
func (f *frame) sum() uint16 {
	return checksum.Checksum(f.ip[f.l4:], f.pseudo(len(f.ip)-f.l4))
}

// finish computes the transport checksum, whatever is there.
func (f *frame) finish() {
	at := f.ip[f.l4+f.sumField():]
	binary.BigEndian.PutUint16(at, 0)
	sum := ^f.sum()
	if sum == 0 && f.proto == protoUDP {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(at, sum)
}
