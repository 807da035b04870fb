package stack

import (
	"errors"
	"io"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// firstView holds the headers, and whole ACKs: those must not burn a large
	// view. 192 B and its predecessor 2 KiB: perf.md B, "v192".
	firstView = 192

	// copyBreak is the length up to which the rest of a packet is copied into
	// a view of its size. A 64 KiB view under a packet of 1500 bytes would let
	// a receive buffer of 1 MiB pin 46 MiB.
	copyBreak = 8 << 10
)

// reader is the state of one queue's reading goroutine.
type reader struct {
	link  *link
	queue int
	ring  viewRing

	header [vnetHeaderLen]byte
	eth    [header.EthernetMinimumSize]byte
	first  *buffer.View // refilled when a packet has kept it
	large  *buffer.View
	bufs   [][]byte

	pkt     packet
	vouched bool // nobody has summed pkt up: its transport checksum may be partial
	dupACKs dupACKs
	dgram   Datagram
	held    held
	part    int // length of a datagram if pkt is a train of them, else 0
}

// read is the goroutine of queue q. It ends when the device is closed or gone.
func (l *link) read(q int) {
	r := &reader{link: l, queue: q}
	defer r.release()
	r.openBatch()
	defer r.flush()
	pause := time.Millisecond
	for {
		n, err := l.dev.ReadPacket(q, r.vector())
		if err == nil {
			pause = time.Millisecond
			r.packet(n)
			r.settle()
			continue
		}
		r.flush()
		if classify(err) == gone || errors.Is(err, io.EOF) {
			l.vanish(err)
			return
		}
		// A device that is down or in trouble of a passing kind.
		l.nic.counters.add(RxRetry, 1)
		select {
		case <-time.After(pause):
			pause = min(2*pause, waitSlice)
		case <-l.closing:
			return
		case <-l.gone:
			return
		}
	}
}

func (r *reader) release() {
	if r.first != nil {
		r.first.Release()
	}
	if r.large != nil {
		r.large.Release()
	}
	r.ring.release()
}

// vector is where the next packet goes.
func (r *reader) vector() [][]byte {
	if r.first == nil {
		r.first = buffer.NewViewSize(firstView)
	}
	if r.large == nil {
		r.large = r.ring.get()
	}
	r.bufs = r.bufs[:0]
	if r.link.vnet {
		r.bufs = append(r.bufs, r.header[:])
	}
	if r.link.tap {
		r.bufs = append(r.bufs, r.eth[:])
	}
	r.bufs = append(r.bufs, r.first.AsSlice(), r.large.AsSlice())
	return r.bufs
}

// packet judges and delivers the n bytes just read.
func (r *reader) packet(n int) {
	l := r.link
	n -= l.head
	if n <= 0 || n > firstView+ringView {
		l.nic.counters.add(RxDropTruncated, 1)
		return
	}
	l.nic.counters.add(RxPackets, 1)
	l.nic.counters.add(RxBytes, n)
	if l.tap && r.ethernet(n) {
		return
	}
	head := r.first.AsSlice()[:min(n, firstView)]
	tail := r.large.AsSlice()[:max(0, n-firstView)]
	if drop, ok := r.judge(head, tail, n); !ok {
		l.nic.counters.add(drop, 1)
		return
	}
	if r.part > 0 {
		r.train(head, tail)
		return
	}
	if r.shortcut(head, tail) || r.strayGroup() {
		return
	}
	r.refusal(head)
	r.passBy()
	if r.opensOrEnds(head) {
		l.stack.fitBuffers()
	}
	r.dupACKs.steady(&r.pkt, head, r.vouched)
	l.acks.arrived(&r.pkt, head)
	pkt := r.take(n)
	if r.link.nic.handler != nil && r.isForeignSYN(head) {
		l.stack.foreignSYN(l.nic, pkt, &r.pkt)
	} else {
		l.deliver(pkt, r.pkt.netProto(), r.pkt.fragment)
	}
	pkt.DecRef()
}

// judge parses the packet and verifies what nobody vouches for.
func (r *reader) judge(head, tail []byte, n int) (Counter, bool) {
	drop, ok, more := r.pkt.parse(head, n)
	if more {
		// More than 150 bytes of extension headers: join and look again.
		joined := append(append(make([]byte, 0, n), head...), tail...)
		head, tail = joined, nil
		drop, ok, _ = r.pkt.parse(head, n)
	}
	if !ok {
		return drop, false
	}
	var h vnetHeader
	if r.link.vnet {
		h = parseVnetHeader(r.header[:])
		if drop, ok := h.check(&r.pkt, r.link.ether, r.link.ether+n); !ok {
			return drop, false
		}
		if h.gsoType != vnetGSONone {
			r.link.nic.counters.add(RxGSO, 1)
		}
	}
	if r.part = 0; h.gsoType == vnetGSOUDP {
		if !r.link.trains {
			return RxDropGSO, false
		}
		r.part = int(h.gsoSize)
	}
	if r.pkt.fragment {
		return 0, true
	}
	if r.vouched = h.vouches(); !r.vouched {
		return RxDropL4Checksum, r.pkt.checksumOK(head, tail)
	}
	if r.link.complete && h.flags&vnetNeedsCsum != 0 && h.gsoType == vnetGSONone {
		r.pkt.completeChecksum(r.first.AsSlice(), tail)
	}
	return 0, true
}

// shortcut hands whole UDP datagrams for foreign addresses to the gateway
// without taking them through gVisor, which would make a temporary address
// and find no socket.
func (r *reader) shortcut(head, tail []byte) bool {
	p := &r.pkt
	if p.proto != protoUDP || p.fragment || !r.toHandler(head) {
		return false
	}
	r.give(head, tail, 0, p.datagram(head))
	return true
}

// toHandler says that the headers are in head and what is behind them is the
// gateway's.
func (r *reader) toHandler(head []byte) bool {
	n := r.link.nic
	return n.handler != nil && r.pkt.payload <= len(head) && n.foreign(r.pkt.dst)
}

// give hands the bytes from begin to end of the packet's payload to the gateway.
func (r *reader) give(head, tail []byte, begin, end int) {
	r.dgram.set(r.link.nic, &r.pkt, head, tail, begin, end)
	if !r.pkt.plain() || !r.hold(&r.dgram) {
		r.flush()
		r.link.nic.handler.UDP(&r.dgram)
	}
	r.dgram.reset()
}

// plain says that the packet is what nearly all are: no IP options, no extension
// headers, and hops left for a gateway to take one.
func (p *packet) plain() bool {
	return p.ttl > 1 && (p.l4 == header.IPv4MinimumSize || p.version == 6 && p.l4 == header.IPv6MinimumSize)
}

// isForeignSYN says that the packet opens a connection to an address that is
// not ours. Such a SYN does not go through gVisor's demultiplexer: a listener
// on the unspecified address would take it.
func (r *reader) isForeignSYN(head []byte) bool {
	p := &r.pkt
	return p.proto == protoTCP && !p.fragment && p.l4+14 <= len(head) &&
		head[p.l4+13]&(tcpFlagSYN|tcpFlagACK|tcpFlagRST|tcpFlagFIN) == tcpFlagSYN &&
		r.link.nic.foreign(p.dst)
}

// opensOrEnds says that a TCP connection begins or ends with the packet.
func (r *reader) opensOrEnds(head []byte) bool {
	p := &r.pkt
	return p.proto == protoTCP && !p.fragment && p.l4+14 <= len(head) &&
		head[p.l4+13]&(tcpFlagSYN|tcpFlagFIN|tcpFlagRST) != 0
}

// take makes a packet of what was read. The views it keeps are replaced
// before the next read.
func (r *reader) take(n int) *tcpstack.PacketBuffer {
	var b buffer.Buffer
	r.first.CapLength(n)
	b.Append(r.first)
	r.first = nil
	switch rest := n - firstView; {
	case rest <= 0:
	case rest <= copyBreak:
		b.Append(buffer.NewViewWithData(r.large.AsSlice()[:rest]))
	default:
		r.large.CapLength(rest)
		b.Append(r.large)
		r.large = nil
	}
	pkt := tcpstack.NewPacketBuffer(tcpstack.PacketBufferOptions{Payload: b})
	pkt.NetworkProtocolNumber = r.pkt.netProto()
	return pkt
}

// deliver gives pkt to gVisor.
func (l *link) deliver(pkt *tcpstack.PacketBuffer, proto tcpip.NetworkProtocolNumber, fragment bool) {
	d := l.dispatcher.Load()
	if d == nil {
		return
	}
	switch {
	case fragment:
		l.fragments.Lock()
		l.unverified.Store(true)
		(*d).DeliverNetworkPacket(proto, pkt)
		l.unverified.Store(false)
		l.fragments.Unlock()
	case len(l.queues) > 1:
		l.fragments.RLock()
		(*d).DeliverNetworkPacket(proto, pkt)
		l.fragments.RUnlock()
	default:
		(*d).DeliverNetworkPacket(proto, pkt)
	}
}

// ethernet looks at the frame's header and says whether the packet is done
// with: not for us, or ARP, which is delivered here.
func (r *reader) ethernet(n int) bool {
	l := r.link
	eth := header.Ethernet(r.eth[:])
	dst := eth.DestinationAddress()
	if dst != l.LinkAddress() && !header.IsMulticastEthernetAddress(dst) && dst != header.EthernetBroadcastAddress {
		l.nic.counters.add(RxDropNotForUs, 1)
		return true
	}
	switch eth.Type() {
	case header.IPv4ProtocolNumber, header.IPv6ProtocolNumber:
		return false
	case header.ARPProtocolNumber:
		r.pkt = packet{}
		pkt := r.take(n)
		pkt.NetworkProtocolNumber = header.ARPProtocolNumber
		l.deliver(pkt, header.ARPProtocolNumber, false)
		pkt.DecRef()
		return true
	}
	l.nic.counters.add(RxDropVersion, 1)
	return true
}
