package stack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/header/parse"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// runFlow is the goroutine of a flow: the forwarder of the NIC starts it.
func (n *NIC) runFlow(r *tcp.ForwarderRequest) {
	src, dst := flowEnds(r.ID())
	t := &n.stack.flows
	defer n.handlers.Done()
	f := t.begun(flowKey{n, src, dst}, r)
	if f == nil {
		r.Complete(false)
		return
	}
	defer f.Refuse()
	n.handler.TCP(f)
}

// foreignSYN takes a SYN to a foreign address, straight from the link.
func (s *Stack) foreignSYN(n *NIC, pkt *tcpstack.PacketBuffer, p *packet) {
	if !parseTCP(pkt) {
		n.counters.add(RxDropL4Header, 1)
		return
	}
	pkt.NICID = n.id
	pkt.RXChecksumValidated = true // the link has
	tcp := header.TCP(pkt.TransportHeader().Slice())
	src := netip.AddrPortFrom(p.src, tcp.SourcePort())
	dst := netip.AddrPortFrom(p.dst, tcp.DestinationPort())
	id := flowID(src, dst)
	if s.connectionTakes(p, id, n) {
		s.redeliver(n, pkt)
		return
	}
	s.flows.syn(n, id, src, dst, pkt)
}

// handleTCP is asked for segments without an endpoint.
func (s *Stack) handleTCP(id tcpstack.TransportEndpointID, pkt *tcpstack.PacketBuffer) bool {
	if s.queueSYN(id, pkt) {
		return true
	}
	n := s.gateway(pkt)
	if n == nil {
		return false
	}
	src, dst := flowEnds(id)
	h := header.TCP(pkt.TransportHeader().Slice())
	switch flags := uint8(h.Flags()) & (tcpFlagSYN | tcpFlagACK | tcpFlagRST | tcpFlagFIN); {
	case flags&tcpFlagRST != 0:
		s.flows.reset(flowKey{n, src, dst}, h.SequenceNumber())
		return true
	case flags == tcpFlagSYN && s.owner(src.Addr()) == nil && !isGroup(dst.Addr()):
		return s.flows.syn(n, id, src, dst, pkt)
	}
	return false
}

// connectionTakes says that the SYN belongs to a connection that exists: a
// retransmission during the handshake, or a challenge (RFC 5961 section 4).
// TIME-WAIT gives way to it: gVisor knows that only for its own listeners.
func (s *Stack) connectionTakes(p *packet, id tcpstack.TransportEndpointID, n *NIC) bool {
	ep, ok := s.tcpip.FindTransportEndpoint(p.netProto(), tcp.ProtocolNumber, id, n.id).(*tcp.Endpoint)
	if !ok {
		return false
	}
	switch ep.EndpointState() {
	case tcp.StateListen, tcp.StateBound, tcp.StateInitial, tcp.StateClose, tcp.StateError:
		return false
	case tcp.StateTimeWait:
		ep.Abort()
		return false
	}
	return true
}

// redeliver sends a parsed packet through gVisor after all.
func (s *Stack) redeliver(n *NIC, pkt *tcpstack.PacketBuffer) {
	again := tcpstack.NewPacketBuffer(tcpstack.PacketBufferOptions{Payload: pkt.ToBuffer()})
	n.link.deliver(again, pkt.NetworkProtocolNumber, false)
	again.DecRef()
}

func parseTCP(pkt *tcpstack.PacketBuffer) bool {
	if pkt.NetworkProtocolNumber == header.IPv4ProtocolNumber {
		return parse.IPv4(pkt) && parse.TCP(pkt)
	}
	_, _, _, _, ok := parse.IPv6(pkt)
	return ok && parse.TCP(pkt)
}
