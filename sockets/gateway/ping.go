package gateway

import (
	"encoding/binary"
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// ICMP echo (RFC 792, RFC 4443 4.1): type, code, checksum, identifier, sequence.
const (
	echoHeader   = 8
	echoRequest4 = 8
	echoReply4   = 0
	echoRequest6 = 128
	echoReply6   = 129
)

// Echo is called by the stack for each ping of an address that is not its own.
// It becomes one of a DGRAM/ICMP socket of the chain: the round trip is real. Our
// own addresses we answer for ourselves.
func (g *Gateway) Echo(e *stack.Echo) {
	g.Pings.Add(1)
	switch {
	case g.own(e.Dst):
		g.PingReplies.Add(1)
		e.NIC.SendEchoReply(e.Dst, e.Src, e.ID, e.Seq, e.Data, 0)
		return
	case e.TTL <= 1:
		g.expired(e.NIC, e.Quote())
		return
	}
	protocol, typ := wsa.IPPROTO_ICMP, byte(echoRequest4)
	if e.Dst.Is6() {
		protocol, typ = wsa.IPPROTO_ICMPV6, echoRequest6
	}
	request := make([]byte, echoHeader+len(e.Data))
	request[0] = typ
	binary.BigEndian.PutUint16(request[4:], e.ID)
	binary.BigEndian.PutUint16(request[6:], e.Seq)
	copy(request[echoHeader:], e.Data)
	if protocol == wsa.IPPROTO_ICMP { // the kernel sums ICMPv6 itself (RFC 3542, 3.1)
		binary.BigEndian.PutUint16(request[2:], checksum(request))
	}
	g.forward(flowKey{e.NIC, netip.AddrPortFrom(e.Src, e.ID), netip.AddrPortFrom(e.Dst, 0), protocol},
		[][]byte{request}, marks{e.TTL, e.TOS, e.Whole}, e.Quote)
}

// echoed hands a reply to the program, under the identifier that it used and with
// the hops that it has left.
func (a *association) echoed(as netip.Addr, reply []byte, ttl uint8) {
	if len(reply) < echoHeader || reply[0] != echoReply4 && reply[0] != echoReply6 {
		return
	}
	a.g.PingReplies.Add(1)
	a.key.nic.SendEchoReply(as, a.key.src.Addr(), a.key.src.Port(), binary.BigEndian.Uint16(reply[6:]), reply[echoHeader:], max(ttl, 1)-1)
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
