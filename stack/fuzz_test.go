package stack_test

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// FuzzLink sends frames into a live stack: a gateway with a listener, a
// forwarder that gives every verdict, and an echo handler. The input is a list
// of frames, each with a length byte pair; an odd first byte asks for the
// checksums to be made right, so that half of the inputs get deep.
func FuzzLink(f *testing.F) {
	seeds := [][]byte{
		syn("10.1.0.2:1000", "192.0.2.7:80", 1), syn("10.1.0.2:1000", "10.1.0.1:80", 1),
		segment("10.1.0.2:1000", "10.1.0.1:80", 2, 0x10), segment("10.1.0.2:1000", "192.0.2.7:81", 2, 0x04),
		segment("10.1.0.2:9", "192.0.2.7:9", 2, 0x11),
		{0x60, 0, 0, 0, 0, 8, 58, 64, 0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 128, 0, 0, 0, 0, 1, 0, 1},
		{0x45, 0, 0, 36, 0, 1, 0x20, 0, 64, 17, 0, 0, 10, 1, 0, 2, 192, 0, 2, 7, 0, 9, 0, 9, 0, 24, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8},
		{0x45, 0, 0, 28, 0, 1, 0, 2, 64, 17, 0, 0, 10, 1, 0, 2, 192, 0, 2, 7, 1, 2, 3, 4, 5, 6, 7, 8},
		{0x45, 0, 0, 32, 0, 1, 0, 0, 64, 1, 0, 0, 10, 1, 0, 2, 192, 0, 2, 7, 3, 3, 0, 0, 0, 0, 0, 0, 0x45, 0, 0, 0},
	}
	var all []byte
	for _, s := range seeds {
		one := frame(s)
		f.Add(one)
		all = append(all, one...)
	}
	f.Add(all)
	s, err := stack.New(stack.Config{MaxHandshakes: 64})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	w := stacktest.NewWire(false)
	nic, err := s.AddNIC(stack.NICConfig{Device: w, Forward: everything(),
		Addrs: []netip.Prefix{netip.PrefixFrom(stacktest.A4, 24), netip.PrefixFrom(stacktest.A6, 64)}})
	if err != nil {
		f.Fatal(err)
	}
	listen(f, s, netip.AddrPortFrom(stacktest.A4, 80))
	f.Fuzz(func(t *testing.T, in []byte) {
		before := nic.Counters()
		sent := uint64(0)
		for len(in) >= 2 && sent < 64 {
			n := int(binary.BigEndian.Uint16(in)) & 0x7ff
			b := in[2:min(2+n, len(in))]
			if in[0]&0x80 != 0 {
				b = repaired(b)
			}
			if len(b) > 0 {
				w.Inject(b)
				sent++
			}
			in = in[min(2+n, len(in)):]
		}
		for start := time.Now(); ; runtime.Gosched() {
			c := nic.Counters()
			if c[stack.RxPackets]-before[stack.RxPackets] >= sent {
				break
			}
			if time.Since(start) > 10*time.Second {
				t.Fatal("the reader hangs")
			}
		}
		if n := len(s.TCPIP().RegisteredEndpoints()); n > 10_000 {
			t.Fatalf("%d endpoints", n)
		}
		for w.Next(0) != nil {
		}
	})
}

// frame wraps a packet for FuzzLink, to be repaired.
func frame(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))|0x8000), b...)
}

// repaired sets lengths and checksums where the version allows.
func repaired(b []byte) []byte {
	b = append([]byte(nil), b...)
	l4, proto := 20, byte(0)
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		b[0] = 0x45
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], ^checksum.Checksum(b[:20], 0))
		proto = b[9]
	case len(b) >= 40 && b[0]>>4 == 6:
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
		l4, proto = 40, b[6]
	default:
		return b
	}
	at := map[byte]int{6: 16, 17: 6, 1: 2, 58: 2}[proto]
	if at == 0 || len(b) < l4+at+2 {
		return b
	}
	if proto == 17 {
		binary.BigEndian.PutUint16(b[l4+4:], uint16(len(b)-l4))
	}
	sum := uint16(0)
	if proto != 1 {
		addrs := b[l4-8 : l4]
		if l4 == 40 {
			addrs = b[8:40]
		}
		sum = checksum.Combine(checksum.Checksum(addrs, uint16(proto)), uint16(len(b)-l4))
	}
	binary.BigEndian.PutUint16(b[l4+at:], 0)
	binary.BigEndian.PutUint16(b[l4+at:], ^checksum.Checksum(b[l4:], sum))
	return b
}

// everything gives each verdict by port.
func everything() gateway {
	return gateway{
		tcp: func(f *stack.Flow) {
			switch f.Destination().Port() % 6 {
			case 0:
				f.Refuse()
			case 1:
				f.Drop()
			case 2:
				f.Unreachable(stack.Unreachable(f.Source().Port() % 5))
			case 3:
				f.Abort()
			default:
				if f.Accept() == nil {
					f.Peek(1000, func(bufs [][]byte) int { return len(bufs) })
					f.Close()
				}
			}
		},
		udp: func(d *stack.Datagram) {
			d.NIC.SendUnreachable(d.Quote(), stack.Unreachable(d.Src.Port()%5))
			d.NIC.SendDatagram(d.Dst, d.Src, make([]byte, d.Len()), d.TTL)
		},
		echo: func(e *stack.Echo) {
			e.NIC.SendEchoReply(e.Dst, e.Src, e.ID, e.Seq, e.Data, e.TTL)
			e.NIC.SendUnreachable(e.Quote(), stack.UnreachableHost)
		},
	}
}
