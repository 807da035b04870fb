package stack_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// tcpSegment is an IPv4 segment of a peer.
type tcpSegment struct {
	src, dst netip.AddrPort
	seq, ack uint32
	flags    byte
	window   uint16
	options  []byte // padded by who makes them
	data     []byte
}

func (s tcpSegment) bytes() []byte {
	b := segment(s.src.String(), s.dst.String(), s.seq, s.flags)
	b = append(b, s.options...)
	b[32] = byte((20+len(s.options))/4) << 4
	b = append(b, s.data...)
	ip, tcp := b[:20], b[20:]
	binary.BigEndian.PutUint16(ip[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(ip[10:], 0)
	binary.BigEndian.PutUint16(ip[10:], ^checksum.Checksum(ip, 0))
	binary.BigEndian.PutUint32(tcp[8:], s.ack)
	binary.BigEndian.PutUint16(tcp[14:], s.window)
	binary.BigEndian.PutUint16(tcp[16:], 0)
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, stack.ToAddress(s.src.Addr()), stack.ToAddress(s.dst.Addr()), uint16(len(tcp)))
	binary.BigEndian.PutUint16(tcp[16:], ^checksum.Checksum(tcp, sum))
	return b
}

func sackOption(from, to uint32) []byte {
	b := []byte{1, 1, 5, 10, 0, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(b[4:], from)
	binary.BigEndian.PutUint32(b[8:], to)
	return b
}

// TestLossWithGrowingWindow: a peer whose window grows with every duplicate ACK,
// as Linux' does, gets the lost segment after the third, and not after the RTO,
// which is a minute here.
func TestLossWithGrowingWindow(t *testing.T) {
	s, err := stack.New(stack.Config{RTO: stack.RTORange{Min: time.Minute, Max: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := stacktest.NewWire(false)
	if _, err := s.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.1/24")}}); err != nil {
		t.Fatal(err)
	}
	ours, peer := netip.MustParseAddrPort("10.2.0.1:80"), netip.MustParseAddrPort("10.2.0.2:1000")
	l := listen(t, s, ours)
	next, ack := handshake(t, w, peer, ours)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	// All of the first window arrives, for gVisor never retransmits the first
	// segment of a connection fast. Of the second one the first segment is lost.
	first := next
	for range 2 {
		if _, err := c.Write(noise(8 << 10)); err != nil {
			t.Fatal(err)
		}
		ack.ack = next
		for n := uint32(0); n < 8<<10; {
			b := w.Expect(t, 5*time.Second, "data", dataAt(next+n))
			n += uint32(len(b) - int(b[32]>>4)*4 - 20)
		}
		next += 8 << 10
		if ack.ack == first {
			ack.ack = next
			w.Inject(ack.bytes())
		}
	}
	lost := ack.ack
	for i := range uint32(5) {
		ack.window += 3
		ack.options = sackOption(lost+1400, lost+1400+(i+1)*1000)
		w.Inject(ack.bytes())
	}
	w.Expect(t, 5*time.Second, "retransmission", dataAt(lost))
}
