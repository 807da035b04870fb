package stack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
)

// dupACKs makes duplicate ACKs look like duplicates to gVisor.
//
// gVisor takes an ACK for a duplicate only if its window is that of the ACK
// before (sender.isDupAck, RFC 5681 section 2 (e)), also where SACK makes it
// plain that a segment is missing. But while a connection is young Linux' window
// grows with every segment that arrives, in order or not (tcp_grow_window). So a
// loss is not detected, and costs an RTO. Here the first ACKs that repeat an ACK number and bring
// SACK blocks keep the window of the first one; what they leave out is in a later
// ACK.
type dupACKs [dupACKSlots]dupACK

type dupACK struct {
	src, dst netip.AddrPort
	ack      uint32
	window   uint16
	held     uint8 // how many of its successors were given the window
}

const (
	dupACKSlots = 128 // direct-mapped: flows that clash go gVisor's own way

	// dupACKHold is how many ACKs keep the window: three make gVisor retransmit,
	// some may be lost. A bound, so that a sender that waits for the window gets
	// it.
	dupACKHold = 8

	optionEnd, optionNOP, optionSACK = 0, 1, 5
)

// steady looks at a received packet; head begins with its IP header.
func (d *dupACKs) steady(p *packet, head []byte, vouched bool) {
	const acknowledges, with = 8, 14 // offsets of the ACK number and the window
	if p.proto != protoTCP || p.fragment || p.payload != p.end || p.payload > len(head) {
		return
	}
	tcp := head[p.l4:p.payload]
	if tcp[13]&(tcpFlagSYN|tcpFlagFIN|tcpFlagRST|tcpFlagACK) != tcpFlagACK || !hasSACK(tcp[20:]) {
		return
	}
	src := netip.AddrPortFrom(p.src, binary.BigEndian.Uint16(tcp))
	dst := netip.AddrPortFrom(p.dst, binary.BigEndian.Uint16(tcp[2:]))
	ack, window := binary.BigEndian.Uint32(tcp[acknowledges:]), binary.BigEndian.Uint16(tcp[with:])
	e := &d[(src.Port()^dst.Port()*31)%dupACKSlots]
	if e.ack != ack || e.src != src || e.dst != dst || window < e.window || e.window == 0 {
		*e = dupACK{src, dst, ack, window, 0}
		return
	}
	if window == e.window || e.held == dupACKHold {
		return
	}
	e.held++
	binary.BigEndian.PutUint16(tcp[with:], e.window)
	if !vouched { // for raw sockets and captures; RFC 1624 (3)
		sum := ^binary.BigEndian.Uint16(tcp[16:])
		sum = checksum.Combine(checksum.Combine(sum, ^window), e.window)
		binary.BigEndian.PutUint16(tcp[16:], ^sum)
	}
}

// hasSACK says that TCP options hold a SACK block. Those of most ACKs are a
// timestamp behind two NOPs, or nothing.
func hasSACK(options []byte) bool {
	for len(options) >= 2 {
		switch options[0] {
		case optionEnd:
			return false
		case optionNOP:
			options = options[1:]
		case optionSACK:
			return true
		default:
			n := int(options[1])
			if n < 2 || n > len(options) {
				return false
			}
			options = options[n:]
		}
	}
	return false
}
