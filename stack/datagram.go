package stack

import (
	"encoding/binary"
	"iter"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// A Datagram is a UDP datagram that a program sent and nobody here owns. It
// and its Data are valid during FlowHandler.UDP only.
type Datagram struct {
	Src, Dst netip.AddrPort
	Data     [][]byte // one or more slices, in order; none when empty
	TTL, TOS uint8
	// Whole says that it may not be fragmented on its way: IPv4's "don't fragment",
	// and every IPv6 datagram that its sender has not fragmented itself.
	Whole bool
	NIC   *NIC

	head  []byte                 // what to quote, or
	pkt   *tcpstack.PacketBuffer // the packet to quote
	parts [2][]byte
}

// set makes d of the bytes from begin to end of p's payload, which goes from head
// on into tail.
func (d *Datagram) set(n *NIC, p *packet, head, tail []byte, begin, end int) {
	d.Src = netip.AddrPortFrom(p.src, binary.BigEndian.Uint16(head[p.l4:]))
	d.Dst = netip.AddrPortFrom(p.dst, binary.BigEndian.Uint16(head[p.l4+2:]))
	d.TTL, d.TOS, d.Whole, d.NIC, d.head = p.ttl, p.tos, p.whole, n, head
	d.Data = d.parts[:0]
	begin, end = p.payload+begin, p.payload+end
	if begin < min(end, len(head)) {
		d.Data = append(d.Data, head[begin:min(end, len(head))])
	}
	if begin, end = max(begin-len(head), 0), end-len(head); begin < end {
		d.Data = append(d.Data, tail[begin:end])
	}
}

// datagram is the length of the payload of a whole UDP packet, by its own header.
func (p *packet) datagram(head []byte) int {
	return int(binary.BigEndian.Uint16(head[p.l4+4:])) - header.UDPMinimumSize
}

func (d *Datagram) reset() { *d = Datagram{} }

// Len is the number of payload bytes.
func (d *Datagram) Len() int {
	n := 0
	for _, b := range d.Data {
		n += len(b)
	}
	return n
}

// Quote keeps what an ICMP error about d needs.
func (d *Datagram) Quote() Quote {
	if d.pkt != nil {
		return quoteOf(d.pkt)
	}
	return makeQuote(d.head)
}

// foreign says that a flow to a is the gateway's business: a unicast address
// that is not one of ours.
func (n *NIC) foreign(a netip.Addr) bool {
	return !a.IsMulticast() && a != broadcast4 && !a.IsUnspecified() && !a.IsLoopback() && n.stack.owner(a) == nil
}

var broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// gateway returns the NIC of pkt if flows on it have a handler.
func (s *Stack) gateway(pkt *tcpstack.PacketBuffer) *NIC {
	if n := s.nic(pkt.NICID); n != nil && n.handler != nil {
		return n
	}
	return nil
}

// handleUDP is asked for datagrams without a socket: those to our own
// addresses, and those that gVisor reassembled.
func (s *Stack) handleUDP(id tcpstack.TransportEndpointID, pkt *tcpstack.PacketBuffer) bool {
	n := s.gateway(pkt)
	src, dst := flowEnds(id)
	if n == nil || s.owner(src.Addr()) != nil {
		return false
	}
	if isGroup(dst.Addr()) {
		n.counters.add(groupDrop(dst.Addr()), 1)
		return true
	}
	udp := header.UDP(pkt.TransportHeader().Slice())
	size := int(udp.Length()) - header.UDPMinimumSize
	if size < 0 || size > pkt.Data().Size() || !udpChecksumOK(udp, pkt, src, dst) {
		n.counters.add(RxDropL4Checksum, 1)
		return true
	}
	d := Datagram{Src: src, Dst: dst, NIC: n, pkt: pkt}
	d.TTL, d.TOS = ttlAndTOS(pkt)
	d.Whole = n.mayNotFragment(pkt)
	for b := range dataSlices(pkt) {
		if b = b[:min(len(b), size)]; len(b) > 0 {
			d.Data = append(d.Data, b)
			size -= len(b)
		}
	}
	n.handler.UDP(&d)
	return true
}

func isGroup(a netip.Addr) bool { return a.IsMulticast() || a == broadcast4 }

// udpChecksumOK is for reassembled datagrams; gVisor verifies those of sockets
// itself, but not for a handler.
func udpChecksumOK(udp header.UDP, pkt *tcpstack.PacketBuffer, src, dst netip.AddrPort) bool {
	if pkt.RXChecksumValidated {
		return true
	}
	if udp.Checksum() == 0 {
		return src.Addr().Is4()
	}
	return udp.IsChecksumValid(ToAddress(src.Addr()), ToAddress(dst.Addr()), pkt.Data().Checksum())
}

func ttlAndTOS(pkt *tcpstack.PacketBuffer) (ttl, tos uint8) {
	b := pkt.NetworkHeader().Slice()
	if pkt.NetworkProtocolNumber == header.IPv4ProtocolNumber {
		return b[8], b[1]
	}
	return b[7], b[0]<<4 | b[1]>>4
}

// mayNotFragment is Datagram.Whole of a packet that gVisor has parsed. While the link
// delivers a fragment it is one that gVisor has put together.
func (n *NIC) mayNotFragment(pkt *tcpstack.PacketBuffer) bool {
	if n.link != nil && n.link.unverified.Load() {
		return false
	}
	return pkt.NetworkProtocolNumber == header.IPv6ProtocolNumber || pkt.NetworkHeader().Slice()[6]&0x40 != 0
}

// dataSlices yields the payload of pkt without copying it.
func dataSlices(pkt *tcpstack.PacketBuffer) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		views, skip := pkt.AsViewList()
		skip += pkt.HeaderSize()
		for v := views.Front(); v != nil; v = v.Next() {
			b := v.AsSlice()
			if skip >= len(b) {
				skip -= len(b)
				continue
			}
			b, skip = b[skip:], 0
			if !yield(b) {
				return
			}
		}
	}
}
