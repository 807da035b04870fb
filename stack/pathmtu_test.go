package stack_test

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// narrow is a road with a smaller MTU than its ends: what is longer is dropped, and
// its sender told.
type narrow struct {
	stack.Device
	mtu     int
	back    stack.Device // towards the sender
	dropped atomic.Int64
}

func (d *narrow) WritePacket(q int, bufs [][]byte) (int, error) {
	var p []byte
	for _, b := range bufs {
		p = append(p, b...)
	}
	if len(p) <= d.mtu {
		return d.Device.WritePacket(q, bufs)
	}
	d.dropped.Add(1)
	d.back.WritePacket(0, [][]byte{tooBig(p, d.mtu)})
	return len(p), nil
}

// tooBig is what a router says of packet (RFC 1191, RFC 8201).
func tooBig(packet []byte, mtu int) []byte {
	if header.IPVersion(packet) == header.IPv4Version {
		orig := header.IPv4(packet)
		quote := packet[:header.IPv4MinimumSize+8]
		b := make([]byte, header.IPv4MinimumSize+header.ICMPv4MinimumSize+len(quote))
		ip := header.IPv4(b)
		ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(b)), TTL: 64, Protocol: uint8(header.ICMPv4ProtocolNumber), SrcAddr: orig.DestinationAddress(), DstAddr: orig.SourceAddress()})
		ip.SetChecksum(^ip.CalculateChecksum())
		icmp := header.ICMPv4(b[header.IPv4MinimumSize:])
		icmp.SetType(header.ICMPv4DstUnreachable)
		icmp.SetCode(header.ICMPv4FragmentationNeeded)
		icmp.SetMTU(uint16(mtu))
		copy(icmp[header.ICMPv4MinimumSize:], quote)
		icmp.SetChecksum(^checksum.Checksum(icmp, 0))
		return b
	}
	orig := header.IPv6(packet)
	quote := packet[:header.IPv6MinimumSize+20]
	b := make([]byte, header.IPv6MinimumSize+header.ICMPv6MinimumSize+len(quote))
	icmp := header.ICMPv6(b[header.IPv6MinimumSize:])
	header.IPv6(b).Encode(&header.IPv6Fields{PayloadLength: uint16(len(icmp)), TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: 64, SrcAddr: orig.DestinationAddress(), DstAddr: orig.SourceAddress()})
	icmp.SetType(header.ICMPv6PacketTooBig)
	icmp.SetMTU(uint32(mtu))
	copy(icmp[header.ICMPv6PayloadOffset:], quote)
	icmp.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: icmp, Src: orig.DestinationAddress(), Dst: orig.SourceAddress()}))
	return b
}

// TestPathMTU: a connection over a road that is narrower than its link learns that,
// and completes.
func TestPathMTU(t *testing.T) {
	for _, a := range []netip.Addr{stacktest.A4, stacktest.A6} {
		t.Run(fmt.Sprint(a), func(t *testing.T) {
			road := &narrow{mtu: 1280}
			p := stacktest.NewPair(t, stacktest.PairConfig{Wrap: func(name string, d stack.Device) stack.Device {
				if name == "a" {
					road.back = d
					return d
				}
				road.Device = d
				return road
			}})
			c, d := connect(t, p.B, p.A, netip.AddrPortFrom(a, 80))
			if err := stacktest.StartPour(c, d, 1<<20, 30*time.Second).Wait(); err != nil {
				t.Fatal(err)
			}
			if n := road.dropped.Load(); n == 0 || n > 1000 {
				t.Errorf("%d packets were too long", n)
			}
		})
	}
}
