package stack

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// ownAddr is the NIC's first address of the family of peer.
func (n *NIC) ownAddr(peer netip.Addr) (netip.Addr, bool) {
	n.stack.mu.Lock()
	defer n.stack.mu.Unlock()
	for _, p := range n.addrs {
		if p.Addr().Is4() == peer.Is4() {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// SendDatagram sends a UDP datagram out of the NIC, from any source address if
// the NIC has a FlowHandler. ttl 0 is the stack's default. Datagrams beyond the
// MTU are fragmented. Errors: EINVAL for addresses of different families,
// EMSGSIZE beyond 65507 bytes (IPv6: 65527), ENETUNREACH without a route.
// Never blocks; data is not kept.
func (n *NIC) SendDatagram(src, dst netip.AddrPort, data []byte, ttl uint8) error {
	return n.sendDatagram(src, dst, data, ttl, 0)
}

func (n *NIC) sendDatagram(src, dst netip.AddrPort, data []byte, ttl, tos uint8) error {
	from, to, err := n.ends(src, dst, len(data))
	if err != nil {
		return err
	}
	var h [header.UDPMinimumSize]byte
	size := len(h) + len(data)
	binary.BigEndian.PutUint16(h[0:], src.Port())
	binary.BigEndian.PutUint16(h[2:], dst.Port())
	binary.BigEndian.PutUint16(h[4:], uint16(size))
	sum := checksum.Checksum(h[:], pseudoHeader(from, to, protoUDP, size))
	if sum = ^checksum.Checksum(data, sum); sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(h[6:], sum)
	return n.sendIP(from, to, protoUDP, ttl, tos, h[:], data)
}

// ends are the addresses of a datagram of size bytes, if there can be such a one.
func (n *NIC) ends(src, dst netip.AddrPort, size int) (from, to netip.Addr, err error) {
	from, to = src.Addr().Unmap(), dst.Addr().Unmap()
	if !from.IsValid() || !to.IsValid() || from.Is4() != to.Is4() {
		return from, to, syscall.EINVAL
	}
	limit := 65535 - header.UDPMinimumSize
	if from.Is4() {
		limit -= header.IPv4MinimumSize
	}
	if size > limit {
		return from, to, syscall.EMSGSIZE
	}
	return from, to, nil
}

// SendEchoReply answers a ping: src is who was pinged. Errors as SendDatagram.
func (n *NIC) SendEchoReply(src, dst netip.Addr, id, seq uint16, data []byte, ttl uint8) error {
	src, dst = src.Unmap(), dst.Unmap()
	if !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() {
		return syscall.EINVAL
	}
	var h [8]byte
	binary.BigEndian.PutUint16(h[4:], id)
	binary.BigEndian.PutUint16(h[6:], seq)
	proto, sum := protoICMP, uint16(0)
	if src.Is4() {
		h[0] = uint8(header.ICMPv4EchoReply)
	} else {
		h[0] = uint8(header.ICMPv6EchoReply)
		proto = protoICMPv6
		sum = pseudoHeader(src, dst, protoICMPv6, len(h)+len(data))
	}
	binary.BigEndian.PutUint16(h[2:], ^checksum.Checksum(data, checksum.Checksum(h[:], sum)))
	return n.sendIP(src, dst, proto, ttl, 0, h[:], data)
}

// sendIP sends a packet with a transport header of ours along gVisor's route,
// which fragments it and finds the neighbour on a TAP.
func (n *NIC) sendIP(src, dst netip.Addr, proto, ttl, tos uint8, parts ...[]byte) error {
	r, err := n.stack.tcpip.FindRoute(n.id, ToAddress(src), ToAddress(dst), netProto(dst), false)
	if err != nil {
		return errno(err)
	}
	defer r.Release()
	if ttl == 0 {
		ttl = r.DefaultTTL()
	}
	var payload buffer.Buffer
	for _, p := range parts[1:] {
		if len(p) > 0 {
			payload.Append(buffer.NewViewWithData(p))
		}
	}
	pkt := tcpstack.NewPacketBuffer(tcpstack.PacketBufferOptions{
		ReserveHeaderBytes: int(r.MaxHeaderLength()) + len(parts[0]),
		Payload:            payload,
	})
	defer pkt.DecRef()
	copy(pkt.TransportHeader().Push(len(parts[0])), parts[0])
	pkt.TransportProtocolNumber = tcpip.TransportProtocolNumber(proto)
	return errno(r.WritePacket(tcpstack.NetworkHeaderParams{
		Protocol: tcpip.TransportProtocolNumber(proto),
		TTL:      ttl,
		TOS:      tos,
	}, pkt))
}
