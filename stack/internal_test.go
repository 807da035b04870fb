package stack

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// packet4 builds an IPv4 packet with right checksums.
func packet4(proto uint8, l4 []byte, options ...byte) []byte {
	ihl := 20 + len(options)
	b := make([]byte, ihl, ihl+len(l4))
	b[0], b[8], b[9] = 0x40|byte(ihl/4), 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(ihl+len(l4)))
	copy(b[12:], []byte{10, 0, 0, 2, 192, 0, 2, 7})
	copy(b[20:], options)
	binary.BigEndian.PutUint16(b[10:], ^checksum.Checksum(b, 0))
	return append(b, sealed(b[12:20], proto, l4)...)
}

// packet6 builds an IPv6 packet with right checksums.
func packet6(proto uint8, l4 []byte, extension ...byte) []byte {
	b := make([]byte, 40, 40+len(extension)+len(l4))
	b[0], b[6], b[7] = 0x60, proto, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(extension)+len(l4)))
	copy(b[8:], netip.MustParseAddr("fd00::2").AsSlice())
	copy(b[24:], netip.MustParseAddr("2001:db8::7").AsSlice())
	if len(extension) > 0 {
		b[6] = protoHopByHop
	}
	return append(append(b, extension...), sealed(b[8:40], proto, l4)...)
}

// sealed puts the checksum into a transport header.
func sealed(addrs []byte, proto uint8, l4 []byte) []byte {
	l4 = bytes.Clone(l4)
	at, sum := 0, pseudoSum(addrs, proto, len(l4))
	switch proto {
	case protoTCP:
		at = 16
	case protoUDP:
		at = 6
	case protoICMP:
		at, sum = 2, 0
	case protoICMPv6:
		at = 2
	default:
		return l4
	}
	if len(l4) >= at+2 {
		binary.BigEndian.PutUint16(l4[at:], 0)
		binary.BigEndian.PutUint16(l4[at:], ^checksum.Checksum(l4, sum))
	}
	return l4
}

func tcpHeader(payload int) []byte {
	b := make([]byte, 20+payload)
	b[0], b[2], b[3], b[12], b[13] = 0x80, 0, 80, 0x50, tcpFlagSYN
	return b
}

func udpHeader(payload int) []byte {
	b := make([]byte, 8+payload)
	b[0], b[3] = 0x80, 53
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	return b
}

// changed returns b with bytes at offsets replaced.
func changed(b []byte, kv ...int) []byte {
	b = bytes.Clone(b)
	for i := 0; i < len(kv); i += 2 {
		b[kv[i]] = byte(kv[i+1])
	}
	return b
}

// reseal repairs the IPv4 header checksum after a change.
func reseal(b []byte) []byte {
	ihl := int(b[0]&15) * 4
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], ^checksum.Checksum(b[:ihl], 0))
	return b
}

func TestJudge(t *testing.T) {
	tcp4, udp4 := packet4(protoTCP, tcpHeader(700)), packet4(protoUDP, udpHeader(700))
	tcp6, udp6 := packet6(protoTCP, tcpHeader(701)), packet6(protoUDP, udpHeader(701))
	icmp6 := packet6(protoICMPv6, []byte{128, 0, 0, 0, 1, 2, 0, 1})
	pad := []byte{0, 0, 1, 4, 0, 0, 0, 0} // hop-by-hop: next, length 0, PadN
	ext := func(next uint8) []byte { return append([]byte{next}, pad[1:]...) }
	var long []byte
	for range 25 { // more than fits the first view
		long = append(long, 60, 0, 1, 4, 0, 0, 0, 0)
	}
	const good = Counter(255)
	for _, c := range []struct {
		name string
		vnet vnetHeader
		b    []byte
		want Counter
	}{
		{"tcp4", vnetHeader{}, tcp4, good},
		{"udp4", vnetHeader{}, udp4, good},
		{"tcp6", vnetHeader{}, tcp6, good},
		{"udp6", vnetHeader{}, udp6, good},
		{"icmp4", vnetHeader{}, packet4(protoICMP, []byte{8, 0, 0, 0, 1, 2, 0, 1, 9}), good},
		{"icmp6", vnetHeader{}, icmp6, good},
		{"options", vnetHeader{}, packet4(protoTCP, tcpHeader(1), 1, 1, 1, 0), good},
		{"unknown protocol", vnetHeader{}, packet4(99, []byte{1}), good},
		{"hop by hop", vnetHeader{}, packet6(protoUDP, udpHeader(9), ext(protoUDP)...), good},
		{"padding after the packet", vnetHeader{}, append(bytes.Clone(udp4), 0, 0, 0), good},
		{"empty", vnetHeader{}, nil, RxDropTruncated},
		{"version 5", vnetHeader{}, changed(tcp4, 0, 0x55), RxDropVersion},
		{"short header", vnetHeader{}, tcp4[:19], RxDropTruncated},
		{"short header 6", vnetHeader{}, tcp6[:39], RxDropTruncated},
		{"cut", vnetHeader{}, tcp4[:400], RxDropTruncated},
		{"cut 6", vnetHeader{}, tcp6[:400], RxDropTruncated},
		{"ihl 4", vnetHeader{}, reseal(changed(tcp4, 0, 0x44)), RxDropIPHeader},
		{"total below ihl", vnetHeader{}, reseal(changed(tcp4, 2, 0, 3, 19)), RxDropIPHeader},
		{"header checksum", vnetHeader{}, changed(tcp4, 8, 63), RxDropIPChecksum},
		{"tcp checksum", vnetHeader{}, changed(tcp4, 300, 1), RxDropL4Checksum},
		{"tcp checksum, last byte", vnetHeader{}, changed(tcp6, len(tcp6)-1, 1), RxDropL4Checksum},
		{"udp checksum", vnetHeader{}, changed(udp4, 300, 1), RxDropL4Checksum},
		{"icmp checksum", vnetHeader{}, changed(icmp6, 47, 9), RxDropL4Checksum},
		{"udp4 without checksum", vnetHeader{}, changed(udp4, 26, 0, 27, 0), good},
		{"udp6 without checksum", vnetHeader{}, changed(udp6, 46, 0, 47, 0), RxDropL4Checksum},
		{"tcp offset 4", vnetHeader{}, changed(tcp4, 32, 0x40), RxDropL4Header},
		{"tcp offset beyond", vnetHeader{}, packet4(protoTCP, changed(tcpHeader(0), 12, 0xf0)), RxDropL4Header},
		{"tcp of 19 bytes", vnetHeader{}, packet4(protoTCP, tcpHeader(0)[:19]), RxDropL4Header},
		{"udp length 7", vnetHeader{}, changed(udp4, 24, 0, 25, 7), RxDropL4Header},
		{"udp length beyond", vnetHeader{}, changed(udp4, 24, 9), RxDropL4Header},
		{"extension beyond", vnetHeader{}, packet6(protoUDP, nil, changed(ext(protoUDP), 1, 9)...), RxDropIPHeader},
		{"too many extensions", vnetHeader{}, packet6(protoUDP, udpHeader(9), long...), RxDropIPHeader},
		{"vouched: valid", vnetHeader{flags: vnetDataValid}, changed(tcp4, 300, 1), good},
		{"vouched: needs", vnetHeader{flags: vnetNeedsCsum, csumStart: 20, csumOffset: 16}, changed(tcp4, 300, 1), good},
		{"vouched: udp6", vnetHeader{flags: vnetNeedsCsum, csumStart: 40, csumOffset: 6}, changed(udp6, 300, 1), good},
		{"start is wrong", vnetHeader{flags: vnetNeedsCsum, csumStart: 24, csumOffset: 16}, tcp4, RxDropVnetHeader},
		{"start beyond", vnetHeader{flags: vnetNeedsCsum, csumStart: 60000, csumOffset: 60000}, tcp4, RxDropVnetHeader},
		{"offset is wrong", vnetHeader{flags: vnetNeedsCsum, csumStart: 20, csumOffset: 6}, tcp4, RxDropVnetHeader},
		{"needs, but ICMP", vnetHeader{flags: vnetNeedsCsum, csumStart: 40, csumOffset: 2}, icmp6, RxDropVnetHeader},
		{"gso", vnetHeader{vnetNeedsCsum, vnetGSOTCPv4, 40, 500, 20, 16}, tcp4, good},
		{"gso with ECN", vnetHeader{vnetNeedsCsum, vnetGSOTCPv4 | vnetGSOECN, 40, 500, 20, 16}, tcp4, good},
		{"gso 6, hdr_len is a hint", vnetHeader{vnetNeedsCsum, vnetGSOTCPv6, 61, 500, 40, 16}, tcp6, good},
		{"gso: size 0", vnetHeader{vnetNeedsCsum, vnetGSOTCPv4, 40, 0, 20, 16}, tcp4, RxDropVnetHeader},
		{"gso: header too short", vnetHeader{vnetNeedsCsum, vnetGSOTCPv4, 39, 500, 20, 16}, tcp4, RxDropVnetHeader},
		{"gso: header beyond", vnetHeader{vnetNeedsCsum, vnetGSOTCPv4, 9999, 500, 20, 16}, tcp4, RxDropVnetHeader},
		{"gso: wrong family", vnetHeader{vnetNeedsCsum, vnetGSOTCPv6, 40, 500, 20, 16}, tcp4, RxDropVnetHeader},
		{"gso: UDP inside", vnetHeader{vnetNeedsCsum, vnetGSOTCPv4, 28, 500, 20, 6}, udp4, RxDropVnetHeader},
		{"gso: no partial checksum", vnetHeader{0, vnetGSOTCPv4, 40, 500, 20, 16}, tcp4, RxDropVnetHeader},
		{"gso: UFO", vnetHeader{vnetNeedsCsum, 3, 28, 500, 20, 6}, udp4, RxDropGSO},
		{"gso: USO", vnetHeader{vnetNeedsCsum, vnetGSOUDP, 28, 500, 20, 6}, udp4, RxDropGSO}, // never offered
	} {
		t.Run(c.name, func(t *testing.T) {
			drop, ok := judged(c.vnet, c.b)
			if ok {
				drop = good
			}
			if drop != c.want {
				t.Errorf("got %v, want %v", drop, c.want)
			}
		})
	}
}

// judged runs a packet through a reader's judgement.
func judged(h vnetHeader, b []byte) (Counter, bool) {
	r := &reader{link: &link{vnet: true, nic: &NIC{}}, first: buffer.NewViewSize(firstView), large: buffer.NewViewSize(ringView)}
	defer r.release()
	h.put(r.header[:])
	copy(r.large.AsSlice(), b[copy(r.first.AsSlice(), b):])
	return r.judge(r.first.AsSlice()[:min(len(b), firstView)], r.large.AsSlice()[:max(0, len(b)-firstView)], len(b))
}

func TestCompleteChecksum(t *testing.T) {
	for _, b := range [][]byte{
		packet4(protoTCP, tcpHeader(700)), packet4(protoUDP, udpHeader(33)),
		packet6(protoTCP, tcpHeader(1)), packet6(protoUDP, udpHeader(701)),
	} {
		var p packet
		if _, ok, _ := p.parse(b, len(b)); !ok {
			t.Fatal("parse")
		}
		field := p.l4 + 16
		if p.proto == protoUDP {
			field = p.l4 + 6
		}
		partial := bytes.Clone(b)
		binary.BigEndian.PutUint16(partial[field:], p.pseudo(b, p.end-p.l4))
		n := min(len(b), firstView)
		p.completeChecksum(partial[:n], partial[n:])
		if !bytes.Equal(partial, b) {
			t.Errorf("version %d protocol %d: got %x, want %x", p.version, p.proto, partial[field:field+2], b[field:field+2])
		}
	}
}

func FuzzVnetHeader(f *testing.F) {
	h := make([]byte, vnetHeaderLen)
	vnetHeader{vnetNeedsCsum, vnetGSOTCPv4, 40, 500, 20, 16}.put(h)
	f.Add(h, packet4(protoTCP, tcpHeader(700)))
	vnetHeader{flags: vnetNeedsCsum, csumStart: 40, csumOffset: 6}.put(h)
	f.Add(bytes.Clone(h), packet6(protoUDP, udpHeader(300)))
	f.Add(make([]byte, vnetHeaderLen), packet6(protoUDP, udpHeader(9), protoUDP, 0, 1, 4, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, header, b []byte) {
		if len(header) < vnetHeaderLen || len(b) > firstView+ringView {
			return
		}
		h := parseVnetHeader(header)
		again := make([]byte, vnetHeaderLen)
		h.put(again)
		if !bytes.Equal(again, header[:vnetHeaderLen]) {
			t.Fatalf("%x written as %x", header, again)
		}
		drop, ok := judged(h, b)
		if !ok {
			if drop < RxDropTruncated || drop > RxDropGSO {
				t.Fatalf("dropped as %v", drop)
			}
			return
		}
		var p packet
		if _, ok, _ := p.parse(b, len(b)); !ok {
			t.Fatal("good once, bad once")
		}
		if p.l4 > p.payload || p.payload > p.end || p.end > len(b) {
			t.Fatalf("offsets %d %d %d in %d bytes", p.l4, p.payload, p.end, len(b))
		}
	})
}

// sink is a device that takes everything.
type sink struct {
	Device
	n int
}

func (s *sink) WritePacket(_ int, bufs [][]byte) (int, error) {
	for _, b := range bufs {
		s.n += len(b)
	}
	return s.n, nil
}

func newTestLink(d Device) *link {
	s := &Stack{config: Config{HoldBytes: 1 << 20, HoldTime: time.Second}}
	s.own.Store(&map[netip.Addr]*NIC{netip.MustParseAddr("10.0.0.1"): nil})
	n := &NIC{stack: s}
	l := &link{nic: n, stack: s, dev: d, vnet: true, closing: make(chan struct{}), gone: make(chan struct{}), queues: make([]txQueue, 1)}
	l.queues[0].link = l
	l.vectors.New = func() any { return &vector{} }
	n.link = l
	return l
}

func outgoing(payload int) *tcpstack.PacketBuffer {
	var b buffer.Buffer
	for n := payload; n > 0; n -= 64 << 10 {
		b.Append(buffer.NewViewSize(min(n, 64<<10)))
	}
	pkt := tcpstack.NewPacketBuffer(tcpstack.PacketBufferOptions{ReserveHeaderBytes: 40, Payload: b})
	pkt.TransportHeader().Push(20)
	ip := pkt.NetworkHeader().Push(20)
	copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
	pkt.GSOOptions = tcpstack.GSO{Type: tcpstack.GSOTCPv4, NeedsCsum: true, CsumOffset: 16, MSS: 1448, L3HdrLen: 20}
	return pkt
}

// TestWriteAllocates: sending a super-segment costs no allocation of ours.
func TestWriteAllocates(t *testing.T) {
	l := newTestLink(&sink{})
	var list tcpstack.PacketBufferList
	pkt := outgoing(65000)
	defer pkt.DecRef()
	list.PushBack(pkt)
	if n := testing.AllocsPerRun(1000, func() { l.WritePackets(list) }); n != 0 && !raceEnabled {
		t.Errorf("%v allocations per packet, want 0", n)
	}
	if sent := l.nic.Counters(); sent[TxGSO] != sent[TxPackets] || sent[TxPackets] == 0 {
		t.Errorf("%d packets, %d super-segments", sent[TxPackets], sent[TxGSO])
	}
}

// TestReadAllocates: judging a packet and handing a datagram to a gateway cost
// none either.
func TestReadAllocates(t *testing.T) {
	l := newTestLink(&sink{})
	l.nic.handler = nobody{}
	r := &reader{link: l}
	defer r.release()
	b := packet4(protoUDP, udpHeader(1400))
	run := func() {
		bufs := r.vector()
		copy(bufs[2], b[copy(bufs[1], b):])
		r.packet(vnetHeaderLen + len(b))
	}
	run()
	if n := testing.AllocsPerRun(1000, run); n != 0 && !raceEnabled {
		t.Errorf("%v allocations per datagram, want 0", n)
	}
	if c := l.nic.Counters(); c[RxPackets] == 0 || c[RxDropL4Checksum] != 0 {
		t.Errorf("counters %v", c)
	}
}

type nobody struct{}

func (nobody) TCP(*Flow)     {}
func (nobody) UDP(*Datagram) {}
func (nobody) Echo(*Echo)    {}

func TestTxHeader(t *testing.T) {
	for _, c := range []struct {
		payload int
		want    vnetHeader
	}{
		{0, vnetHeader{flags: vnetNeedsCsum, csumStart: 20, csumOffset: 16}},
		{1448, vnetHeader{flags: vnetNeedsCsum, csumStart: 20, csumOffset: 16}},
		{1449, vnetHeader{vnetNeedsCsum, vnetGSOTCPv4, 40, 1448, 20, 16}},
		{65536, vnetHeader{vnetNeedsCsum, vnetGSOTCPv4, 40, 1448, 20, 16}}, // not 0 modulo 64 KiB
	} {
		pkt := outgoing(c.payload)
		if got := txHeader(pkt); got != c.want {
			t.Errorf("%d bytes: %+v, want %+v", c.payload, got, c.want)
		}
		pkt.DecRef()
	}
}

func TestGatherManySlices(t *testing.T) {
	var b buffer.Buffer
	want := []byte{}
	for i := range 100 {
		b.Append(buffer.NewViewWithData([]byte{byte(i), byte(i)}))
		want = append(want, byte(i), byte(i))
	}
	pkt := tcpstack.NewPacketBuffer(tcpstack.PacketBufferOptions{Payload: b})
	defer pkt.DecRef()
	var v vector
	v.gather(&link{vnet: true}, pkt)
	if len(v.bufs) > maxVector {
		t.Errorf("%d slices, at most %d are allowed", len(v.bufs), maxVector)
	}
	if got := bytes.Join(v.bufs[1:], nil); !bytes.Equal(got, want) {
		t.Errorf("gathered %d bytes that differ from the packet's %d", len(got), len(want))
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want trouble
	}{
		{syscall.EAGAIN, full}, {syscall.ENOBUFS, full}, {syscall.ENOMEM, full},
		{syscall.EIO, down}, {syscall.ENETDOWN, down},
		{syscall.EBADF, gone}, {errBadFD, gone}, {os.ErrClosed, gone},
		{&os.PathError{Err: syscall.EIO}, down},
		{syscall.EINVAL, refused}, {syscall.EMSGSIZE, refused},
	} {
		if got := classify(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

// TestCounterNames: each has one.
func TestCounterNames(t *testing.T) {
	seen := map[string]bool{}
	for c := range numCounters {
		if s := c.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("counter %d is called %q", c, s)
		} else {
			seen[s] = true
		}
	}
}

// TestSteady: the first duplicate ACKs keep the window of the first one, and the
// checksum stays right.
func TestSteady(t *testing.T) {
	sack := []byte{1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 10}
	stamp := append([]byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}, sack...)
	segment := func(port byte, ack byte, window uint16, flags byte, payload int, options []byte) []byte {
		b := make([]byte, 20+len(options)+payload)
		b[1], b[3], b[11], b[12], b[13] = port, 80, ack, byte(5+len(options)/4)<<4, flags
		binary.BigEndian.PutUint16(b[14:], window)
		copy(b[20:], options)
		return packet4(protoTCP, b)
	}
	type step struct {
		b    []byte
		want uint16
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"growing", []step{{segment(1, 1, 100, 16, 0, sack), 100}, {segment(1, 1, 103, 16, 0, sack), 100}, {segment(1, 1, 106, 16, 0, stamp), 100}}},
		{"another ACK number", []step{{segment(1, 1, 100, 16, 0, sack), 100}, {segment(1, 2, 103, 16, 0, sack), 103}, {segment(1, 2, 106, 16, 0, sack), 103}}},
		{"shrinking", []step{{segment(1, 1, 100, 16, 0, sack), 100}, {segment(1, 1, 90, 16, 0, sack), 90}, {segment(1, 1, 95, 16, 0, sack), 90}}},
		{"from zero", []step{{segment(1, 1, 0, 16, 0, sack), 0}, {segment(1, 1, 90, 16, 0, sack), 90}}},
		{"another flow in the slot", []step{{segment(1, 1, 100, 16, 0, sack), 100}, {segment(129, 1, 110, 16, 0, sack), 110}, {segment(1, 1, 120, 16, 0, sack), 120}}},
		{"no SACK", []step{{segment(1, 1, 100, 16, 0, sack), 100}, {segment(1, 1, 103, 16, 0, nil), 103}, {segment(1, 1, 103, 16, 0, stamp[:12]), 103}}},
		{"data", []step{{segment(1, 1, 100, 16, 0, sack), 100}, {segment(1, 1, 103, 16, 9, sack), 103}}},
		{"FIN", []step{{segment(1, 1, 100, 16, 0, sack), 100}, {segment(1, 1, 103, 17, 0, sack), 103}}},
		{"bad options", []step{{segment(1, 1, 100, 16, 0, sack), 100}, {segment(1, 1, 103, 16, 0, []byte{9, 0, 5, 10}), 103}, {segment(1, 1, 103, 16, 0, []byte{9, 40, 5, 10}), 103}}},
	} {
		var d dupACKs
		for i, s := range c.steps {
			var p packet
			if _, ok, _ := p.parse(s.b, len(s.b)); !ok {
				t.Fatal("parse")
			}
			d.steady(&p, s.b, false)
			if got := binary.BigEndian.Uint16(s.b[34:]); got != s.want {
				t.Errorf("%s, ACK %d: window %d, want %d", c.name, i, got, s.want)
			}
			if !p.checksumOK(s.b, nil) {
				t.Errorf("%s, ACK %d: checksum is wrong", c.name, i)
			}
		}
	}
	var d dupACKs
	last := uint16(0)
	for i := range uint16(2 * dupACKHold) {
		b := segment(1, 1, 100+i, 16, 0, sack)
		var p packet
		p.parse(b, len(b))
		d.steady(&p, b, true)
		last = binary.BigEndian.Uint16(b[34:])
	}
	if last == 100 {
		t.Error("the window never opens")
	}
	b := segment(1, 1, 100, 16, 0, stamp)
	var p packet
	p.parse(b, len(b))
	if n := testing.AllocsPerRun(100, func() { d.steady(&p, b, false) }); n != 0 {
		t.Errorf("%v allocations per ACK", n)
	}
}
