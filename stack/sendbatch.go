package stack

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// SendDatagrams sends datagrams of one flow, in order, as SendDatagram would
// with the default TTL. Those that the link carries as they are go straight to the
// device, without gVisor, which looks up a route and allocates for each; the NIC
// sends them whatever its routes say. The rest goes the way of SendDatagram: what
// has to be fragmented, what a TAP's neighbour must be found for, what goes to
// one of our own addresses, and what has to be held because the device is down or
// full. All are tried; the error is that of the first that was not taken.
func (n *NIC) SendDatagrams(src, dst netip.AddrPort, datagrams [][]byte) error {
	return n.SendMarked(src, dst, datagrams, 0)
}

// SendMarked is SendDatagrams with a type of service or traffic class.
func (n *NIC) SendMarked(src, dst netip.AddrPort, datagrams [][]byte, tos uint8) error {
	from, to, err := n.ends(src, dst, 0)
	if err != nil {
		return err
	}
	var first error
	if !n.carries(to) {
		for _, d := range datagrams {
			first = or(first, n.sendDatagram(src, dst, d, 0, tos))
		}
		return first
	}
	h := headers.Get().(*headerOut)
	defer h.release()
	h.prepare(n.link, netip.AddrPortFrom(from, src.Port()), netip.AddrPortFrom(to, dst.Port()), tos)
	q := n.link.queue(uint32(dst.Port()))
	for len(datagrams) > 0 {
		k := h.couple(datagrams)
		if k == 0 || !q.sendNow(h) {
			k = max(k, 1)
			for _, d := range datagrams[:k] {
				first = or(first, n.sendDatagram(src, dst, d, 0, tos))
			}
		}
		datagrams = datagrams[k:]
	}
	return first
}

// carries says that a packet of ours to that address needs nobody's help.
func (n *NIC) carries(to netip.Addr) bool {
	return n.handler != nil && n.link != nil && !n.link.tap && n.stack.owner(to) == nil
}

// headerOut is what stands before a datagram, or a train of them, on the device.
type headerOut struct {
	room    [vnetHeaderLen + header.IPv6MinimumSize + header.UDPMinimumSize]byte
	vnet    int // length of the virtio_net_hdr: 0 or vnetHeaderLen
	ip      int // length of the IP header
	link    *link
	sum     uint16
	partial bool // the other side completes the checksum
	trains  bool // and takes trains
	bufs    [maxVector][]byte
	used    int // of bufs
	size    int // bytes of payload in them
}

var headers = sync.Pool{New: func() any { return new(headerOut) }}

const (
	defaultTTL = 64 // ipv4.DefaultTTL
	maxTrain   = 64 // UDP_MAX_SEGMENTS of Linux before 6.9, but maxVector comes first
)

func (h *headerOut) release() {
	clear(h.bufs[:])
	h.link = nil
	headers.Put(h)
}

// prepare writes what all datagrams from src to dst have in common.
func (h *headerOut) prepare(l *link, src, dst netip.AddrPort, tos uint8) {
	clear(h.room[:])
	h.link, h.vnet, h.ip, h.partial, h.trains = l, 0, header.IPv4MinimumSize, false, false
	if src.Addr().Is6() {
		h.ip = header.IPv6MinimumSize
	}
	if l.vnet {
		h.vnet = vnetHeaderLen
		h.partial = l.dev.Offloads()&OffloadCSUM != 0
		h.trains = l.trains
	}
	b := h.room[h.vnet:]
	if h.ip == header.IPv4MinimumSize {
		b[0], b[1], b[8], b[9] = 0x45, tos, defaultTTL, protoUDP
		from, to := src.Addr().As4(), dst.Addr().As4()
		copy(b[12:], from[:])
		copy(b[16:], to[:])
		h.sum = checksum.Checksum(b[12:20], uint16(protoUDP))
	} else {
		b[0], b[1], b[6], b[7] = 0x60|tos>>4, tos<<4, protoUDP, defaultTTL
		from, to := src.Addr().As16(), dst.Addr().As16()
		copy(b[8:], from[:])
		copy(b[24:], to[:])
		h.sum = checksum.Checksum(b[8:40], uint16(protoUDP))
	}
	binary.BigEndian.PutUint16(b[h.ip:], src.Port())
	binary.BigEndian.PutUint16(b[h.ip+2:], dst.Port())
	h.bufs[0] = h.room[:h.vnet+h.ip+header.UDPMinimumSize]
}

// couple puts the first of ds behind the header, and those behind it that make a
// train with it, and says how many; 0 if the first is too long for the link.
func (h *headerOut) couple(ds [][]byte) int {
	part := len(ds[0])
	if h.ip+header.UDPMinimumSize+part > int(h.link.MTU()) {
		return 0
	}
	h.used, h.size = 1, 0
	for i, d := range ds {
		if i > 0 && (!h.trains || i == maxTrain || h.used == maxVector || len(ds[i-1]) != part || len(d) == 0 || len(d) > part ||
			h.size+len(d) > 65535-header.UDPMinimumSize-h.ip) {
			break
		}
		h.bufs[h.used] = d
		h.used++
		h.size += len(d)
	}
	h.address(part)
	return h.used - 1
}

// address completes the headers for what couple has put behind them.
func (h *headerOut) address(part int) {
	n := h.used - 1
	if h.partial {
		v := vnetHeader{flags: vnetNeedsCsum, csumStart: uint16(h.ip), csumOffset: 6}
		if n > 1 {
			v.gsoType, v.gsoSize, v.hdrLen = vnetGSOUDP, uint16(part), uint16(h.ip+header.UDPMinimumSize)
		}
		v.put(h.room[:])
	}
	b := h.bufs[0][h.vnet:]
	size := header.UDPMinimumSize + h.size
	if h.ip == header.IPv4MinimumSize {
		binary.BigEndian.PutUint16(b[2:], uint16(h.ip+size))
		binary.BigEndian.PutUint16(b[4:], uint16(h.link.nic.ids.Add(uint32(n))-uint32(n)))
		binary.BigEndian.PutUint16(b[10:], 0)
		binary.BigEndian.PutUint16(b[10:], ^checksum.Checksum(b[:h.ip], 0))
	} else {
		binary.BigEndian.PutUint16(b[4:], uint16(size))
	}
	udp := b[h.ip:]
	binary.BigEndian.PutUint16(udp[4:], uint16(size))
	sum := checksum.Combine(h.sum, uint16(size)) // of the pseudo header
	if !h.partial {
		udp[6], udp[7] = 0, 0
		if sum = ^checksum.Checksum(h.bufs[1], checksum.Checksum(udp[:header.UDPMinimumSize], sum)); sum == 0 {
			sum = 0xffff // RFC 768: zero means "none"
		}
	}
	binary.BigEndian.PutUint16(udp[6:], sum)
}

// sendNow writes what couple has put together, false if that has to go the way of
// SendDatagram: the device is down, full or gone, others are held already, or a
// train was refused.
func (q *txQueue) sendNow(h *headerOut) bool {
	if q.holding.Load() {
		return false
	}
	l, n := q.link, h.used-1
	_, err := l.dev.WritePacket(q.index, h.bufs[:h.used])
	switch t := classifyNil(err); {
	case t == written:
		l.nic.counters.add(TxPackets, 1)
		l.nic.counters.add(TxBytes, h.ip+header.UDPMinimumSize+h.size)
		if n > 1 {
			l.nic.counters.add(TxGSO, 1)
		}
	case t == refused && n == 1:
		l.nic.counters.add(TxDropRefused, 1)
	default:
		return false
	}
	return true
}
