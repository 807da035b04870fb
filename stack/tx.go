package stack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// MaxSegment is the most that gVisor puts into one super-segment: what GSOMaxSize
// allows, less its own reserve for headers (sender.sendData). Who writes much at
// once should write a multiple of it: gVisor cuts each write by itself, and what
// is left over is a packet of its own, with an ACK of its own. One download in
// writes of MaxSegment is 1.3 to 1.7 times as fast as in writes of 64 KiB
// (go test -bench Block).
const MaxSegment = maxGSO - header.TCPTotalHeaderMaximumSize - 1

// WritePackets implements stack.LinkWriter: one WritePacket of the device for
// each packet or super-segment, no allocation.
func (l *link) WritePackets(pkts tcpstack.PacketBufferList) (int, tcpip.Error) {
	for i, pkt := range pkts.AsSlice() {
		if l.hairpin(pkt) || l.acks.holds(pkt) {
			continue
		}
		if err := l.queue(pkt.Hash).send(pkt); err != nil {
			return i, err
		}
	}
	return pkts.Len(), nil
}

func (l *link) queue(hash uint32) *txQueue {
	if len(l.queues) == 1 {
		return &l.queues[0]
	}
	return &l.queues[hash%uint32(len(l.queues))]
}

// hairpin turns a packet round that goes to one of our own addresses, on
// whichever NIC: gVisor's HandleLocal would, but cannot be had (New). The
// delivery is inline like that of gVisor's loopback; TCP queues segments, so
// no lock of the sender is taken again. (While a fragment is delivered, gVisor
// verifies what turns round, too, and may drop a segment with a partial
// checksum: TCP sends it again.)
func (l *link) hairpin(pkt *tcpstack.PacketBuffer) bool {
	if pkt.NetworkProtocolNumber == header.ARPProtocolNumber {
		return false
	}
	dst := destination(pkt)
	owner := l.stack.owner(dst)
	if owner == nil || owner.link == nil {
		return false
	}
	d := owner.link.dispatcher.Load()
	if d == nil {
		return false
	}
	l.nic.counters.add(Hairpin, 1)
	b := pkt.ToBuffer()
	b.TrimFront(int64(len(pkt.LinkHeader().Slice())))
	in := tcpstack.NewPacketBuffer(tcpstack.PacketBufferOptions{Payload: b})
	(*d).DeliverNetworkPacket(pkt.NetworkProtocolNumber, in)
	in.DecRef()
	return true
}

// destination reads the destination from the network header.
func destination(pkt *tcpstack.PacketBuffer) netip.Addr {
	h := pkt.NetworkHeader().Slice()
	switch {
	case pkt.NetworkProtocolNumber == header.IPv4ProtocolNumber && len(h) >= header.IPv4MinimumSize:
		return netip.AddrFrom4([4]byte(h[16:20]))
	case pkt.NetworkProtocolNumber == header.IPv6ProtocolNumber && len(h) >= header.IPv6MinimumSize:
		return netip.AddrFrom16([16]byte(h[24:40]))
	}
	return netip.Addr{}
}

// source reads the source likewise.
func source(pkt *tcpstack.PacketBuffer) netip.Addr {
	h := pkt.NetworkHeader().Slice()
	switch {
	case pkt.NetworkProtocolNumber == header.IPv4ProtocolNumber && len(h) >= header.IPv4MinimumSize:
		return netip.AddrFrom4([4]byte(h[12:16]))
	case pkt.NetworkProtocolNumber == header.IPv6ProtocolNumber && len(h) >= header.IPv6MinimumSize:
		return netip.AddrFrom16([16]byte(h[8:24]))
	}
	return netip.Addr{}
}

// vector gathers a packet for the device. It is pooled: slices passed through
// an interface escape.
type vector struct {
	header [vnetHeaderLen]byte
	bufs   [][]byte
	flat   []byte // what did not fit into maxVector slices
}

// maxVector is the number of slices that a Device must take. A super-segment of
// a bulk sender has 3 or 4; one made of many tiny writes has its end copied.
const maxVector = 32

// gather lays pkt out in v.
func (v *vector) gather(l *link, pkt *tcpstack.PacketBuffer) {
	v.bufs, v.flat = v.bufs[:0], v.flat[:0]
	if l.vnet {
		txHeader(pkt).put(v.header[:])
		v.bufs = append(v.bufs, v.header[:])
	}
	views, skip := pkt.AsViewList()
	for view := views.Front(); view != nil; view = view.Next() {
		b := view.AsSlice()
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		b, skip = b[skip:], 0
		if len(v.bufs) < maxVector-1 {
			v.bufs = append(v.bufs, b)
		} else {
			v.flat = append(v.flat, b...)
		}
	}
	if len(v.flat) > 0 {
		v.bufs = append(v.bufs, v.flat)
	}
}

// clear drops the references before v goes back to its pool, so that the pool
// keeps no packet memory alive.
func (v *vector) clear() { clear(v.bufs) }

// txHeader is the virtio_net_hdr for a packet that gVisor built. The sizes are
// compared as int: uint16(65536) is 0 (perf.md pitfall 1).
func txHeader(pkt *tcpstack.PacketBuffer) (h vnetHeader) {
	gso := &pkt.GSOOptions
	if gso.Type == tcpstack.GSONone || gso.Type == tcpstack.GSOGvisor {
		return h
	}
	link := len(pkt.LinkHeader().Slice())
	if gso.NeedsCsum {
		h.flags = vnetNeedsCsum
		h.csumStart = uint16(link) + gso.L3HdrLen
		h.csumOffset = gso.CsumOffset
	}
	if pkt.Data().Size() > int(gso.MSS) {
		h.gsoType = vnetGSOTCPv4
		if gso.Type == tcpstack.GSOTCPv6 {
			h.gsoType = vnetGSOTCPv6
		}
		h.hdrLen = uint16(pkt.HeaderSize())
		h.gsoSize = gso.MSS
	}
	return h
}
