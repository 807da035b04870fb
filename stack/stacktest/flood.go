package stacktest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Kinds of a Flood.
const (
	FloodSYN = "syn"
	FloodUDP = "udp"
	FloodDNS = "dns" // questions for a name each
)

// A Flood makes IPv4 packets as of very many hosts: each has a source address in
// 10.0.0.0/8 and a port of its own. The same packets every time.
type Flood struct {
	kind   string
	to     netip.AddrPort
	random *rand.Rand
}

// NewFlood makes a Flood to an address and a port, 0 for any.
func NewFlood(kind string, to netip.AddrPort) (*Flood, error) {
	switch kind {
	case FloodSYN, FloodUDP, FloodDNS:
	default:
		return nil, fmt.Errorf("stacktest: no flood of %q", kind)
	}
	if !to.Addr().Is4() {
		return nil, fmt.Errorf("stacktest: a flood to %v", to)
	}
	return &Flood{kind, to, rand.New(rand.NewPCG(1, 2))}, nil
}

// Next is the next packet, ready to be sent; it is the caller's.
func (f *Flood) Next() []byte {
	r := f.random
	src := netip.AddrFrom4([4]byte{10, byte(1 + r.IntN(200)), byte(r.IntN(256)), byte(1 + r.IntN(250))})
	from, port := f.port(), f.to.Port()
	if port == 0 {
		port = f.port()
	}
	if f.kind == FloodSYN {
		b := f.packet(src, header.TCPProtocolNumber, header.TCPMinimumSize)
		t := header.TCP(b[header.IPv4MinimumSize:])
		t.Encode(&header.TCPFields{
			SrcPort: from, DstPort: port, SeqNum: r.Uint32(),
			DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagSyn, WindowSize: 65535,
		})
		t.SetChecksum(^t.CalculateChecksum(f.pseudo(src, header.TCPProtocolNumber, len(t))))
		return b
	}
	data := []byte("flood")
	if f.kind == FloodDNS {
		data = f.question()
	}
	b := f.packet(src, header.UDPProtocolNumber, header.UDPMinimumSize+len(data))
	u := header.UDP(b[header.IPv4MinimumSize:])
	u.Encode(&header.UDPFields{SrcPort: from, DstPort: port, Length: uint16(len(u))})
	copy(u.Payload(), data)
	u.SetChecksum(^checksum.Checksum(data, u.CalculateChecksum(f.pseudo(src, header.UDPProtocolNumber, len(u)))))
	return b
}

func (f *Flood) port() uint16 { return uint16(1024 + f.random.IntN(60000)) }

func (f *Flood) packet(src netip.Addr, p tcpip.TransportProtocolNumber, size int) []byte {
	b := make([]byte, header.IPv4MinimumSize+size)
	ip := header.IPv4(b)
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(b)), TTL: 64, Protocol: uint8(p),
		SrcAddr: tcpip.AddrFromSlice(src.AsSlice()), DstAddr: tcpip.AddrFromSlice(f.to.Addr().AsSlice()),
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	return b
}

func (f *Flood) pseudo(src netip.Addr, p tcpip.TransportProtocolNumber, size int) uint16 {
	return header.PseudoHeaderChecksum(p, tcpip.AddrFromSlice(src.AsSlice()), tcpip.AddrFromSlice(f.to.Addr().AsSlice()), uint16(size))
}

// question asks for an A record (RFC 1035, 4.1).
func (f *Flood) question() []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(f.random.Uint32()))
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8)
	b = fmt.Appendf(b, "%08x", f.random.Uint32())
	return append(b, "\x04test\x00\x00\x01\x00\x01"...)
}
