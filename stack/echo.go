package stack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// An Echo is a ping that a program sent to an address that is not the NIC's
// own. It and its Data are valid during FlowHandler.Echo only. Whoever wants
// an answer sends it (SendEchoReply); the stack never makes one up.
type Echo struct {
	Src, Dst netip.Addr
	ID, Seq  uint16
	Data     []byte
	TTL, TOS uint8
	Whole    bool // as in Datagram
	NIC      *NIC

	pkt *tcpstack.PacketBuffer
}

// Quote keeps what an ICMP error about e needs.
func (e *Echo) Quote() Quote { return quoteOf(e.pkt) }

func (s *Stack) handleICMP4(id tcpstack.TransportEndpointID, pkt *tcpstack.PacketBuffer) bool {
	h := pkt.TransportHeader().Slice()
	if len(h) < header.ICMPv4MinimumSize || header.ICMPv4(h).Type() != header.ICMPv4Echo {
		return false
	}
	return s.handleEcho(id, pkt, h)
}

func (s *Stack) handleICMP6(id tcpstack.TransportEndpointID, pkt *tcpstack.PacketBuffer) bool {
	h := pkt.TransportHeader().Slice()
	if len(h) < header.ICMPv6EchoMinimumSize || header.ICMPv6(h).Type() != header.ICMPv6EchoRequest {
		return false
	}
	return s.handleEcho(id, pkt, h)
}

// handleEcho answers true for a foreign address whatever the gateway does with
// it: then gVisor sends no reply of its own.
func (s *Stack) handleEcho(id tcpstack.TransportEndpointID, pkt *tcpstack.PacketBuffer, h []byte) bool {
	n := s.gateway(pkt)
	if n == nil {
		return false
	}
	src, dst := FromAddress(id.RemoteAddress), FromAddress(id.LocalAddress)
	if isGroup(dst) || s.owner(dst) != nil {
		return false
	}
	e := Echo{
		Src: src, Dst: dst, NIC: n, pkt: pkt,
		ID: binary.BigEndian.Uint16(h[4:]), Seq: binary.BigEndian.Uint16(h[6:]),
	}
	e.TTL, e.TOS = ttlAndTOS(pkt)
	e.Whole = n.mayNotFragment(pkt)
	for b := range dataSlices(pkt) {
		e.Data = append(e.Data, b...)
	}
	n.handler.Echo(&e)
	return true
}
