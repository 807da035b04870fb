package netstack

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// icmpErrors finds the UDP endpoint that an ICMP error is about. gVisor tells
// connected ones of port unreachable and nobody else of anything; Winsock tells
// unconnected ones too (SIO_UDP_CONNRESET), and both of an expired TTL. A raw
// ICMP endpoint for each family, made with the first UDP port, reads the quoted
// headers. They are shared by all endpoints of the driver.
type icmpErrors struct {
	driver *Driver

	mu     sync.Mutex
	taps   []*tap
	closed bool
	byPort map[uint16][]*datagram
}

// tap is a raw ICMP endpoint, read where gVisor delivers: in its wake, which
// raw endpoints give with no lock held.
type tap struct {
	errors *icmpErrors
	net    tcpip.NetworkProtocolNumber
	ep     tcpip.Endpoint
	queue  waiter.Queue
	entry  waiter.Entry

	mu  sync.Mutex // wakes run side by side
	dst sink
	buf [maxQuoted]byte
	all [1][]byte
}

// maxQuoted holds an ICMP error: it is to fit the least MTU of IPv6 (RFC 4443
// 2.4), or 576 bytes over IPv4 (RFC 1812 4.3.2.3). Of a longer one the start is enough.
const maxQuoted = 1280

// listenForErrors makes d known under its port, once it has one.
func (d *datagram) listenForErrors() {
	if !d.isUDP() || d.port.Load() != 0 {
		return
	}
	local, err := d.ep.GetLocalAddress()
	if err != nil || local.Port == 0 {
		return
	}
	d.driver.icmp.add(d, local.Port)
}

func (i *icmpErrors) add(d *datagram, port uint16) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed || !d.port.CompareAndSwap(0, uint32(port)) {
		return
	}
	if i.byPort == nil {
		i.byPort = make(map[uint16][]*datagram)
		i.open()
	}
	i.byPort[port] = append(i.byPort[port], d)
}

func (i *icmpErrors) forget(d *datagram) {
	i.mu.Lock()
	defer i.mu.Unlock()
	port := uint16(d.port.Swap(0))
	if port == 0 {
		return
	}
	i.byPort[port] = slices.DeleteFunc(i.byPort[port], func(o *datagram) bool { return o == d })
	if len(i.byPort[port]) == 0 {
		delete(i.byPort, port)
	}
}

// open runs with mu held. A stack without raw endpoints has no such errors.
func (i *icmpErrors) open() {
	for _, net := range []tcpip.NetworkProtocolNumber{header.IPv4ProtocolNumber, header.IPv6ProtocolNumber} {
		t := &tap{errors: i, net: net}
		if t.open(i.driver) {
			i.taps = append(i.taps, t)
		}
	}
}

// open registers before there is an endpoint: gVisor wakes only for the first
// packet of an empty queue, so that one queued before would silence it for ever.
func (t *tap) open(d *Driver) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all[0] = t.buf[:]
	t.entry.Init(t, waiter.ReadableEvents)
	t.queue.EventRegister(&t.entry)
	protocol := header.ICMPv4ProtocolNumber
	if t.net == header.IPv6ProtocolNumber {
		protocol = header.ICMPv6ProtocolNumber
	}
	ep, err := d.tcpip.NewRawEndpoint(protocol, t.net, &t.queue, true)
	if err != nil {
		return false
	}
	if t.net == header.IPv6ProtocolNumber {
		ep.SetSockOpt(onlyErrors6())
	}
	t.ep = ep
	return true
}

// onlyErrors6 keeps all but the two messages from being copied to the tap.
// gVisor has no such filter for IPv4.
func onlyErrors6() *tcpip.ICMPv6Filter {
	f := new(tcpip.ICMPv6Filter)
	for j := range f.DenyType {
		f.DenyType[j] = ^uint32(0)
	}
	f.DenyType[0] &^= 1<<header.ICMPv6DstUnreachable | 1<<header.ICMPv6TimeExceeded
	return f
}

func (i *icmpErrors) close() {
	i.mu.Lock()
	taps := i.taps
	i.taps, i.closed = nil, true
	i.mu.Unlock()
	for _, t := range taps { // without mu: a wake may wait for it
		t.queue.EventUnregister(&t.entry)
		t.ep.Close()
	}
}

// NotifyEvent drains the tap.
func (t *tap) NotifyEvent(waiter.EventMask) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		t.dst.reset(t.all[:])
		res, err := t.ep.Read(&t.dst, tcpip.ReadOptions{})
		if err != nil {
			return
		}
		if q, ok := quote(t.net == header.IPv6ProtocolNumber, t.buf[:res.Count], res.Count == res.Total); ok {
			t.errors.report(q)
		}
	}
}

// quoted is what an ICMP error says of a datagram of ours.
type quoted struct {
	from, to netip.AddrPort
	errno    wsa.Errno
}

func (i *icmpErrors) report(q quoted) {
	i.mu.Lock() // also while d is woken: no wake runs after forget
	defer i.mu.Unlock()
	for _, d := range i.byPort[q.from.Port()] {
		d.report(q)
	}
}

// report takes the error if the datagram was sent by d. What gVisor reports
// itself is left to it. The first error waits for Recv; others are dropped.
func (d *datagram) report(q quoted) {
	local, ok := d.endpoint.LocalAddr()
	if !ok || !local.IsUnspecified() && local.Addr().Unmap() != q.from.Addr() {
		return
	}
	s := &soft{errno: q.errno}
	if p := d.peer.Load(); p != nil {
		if q.errno == wsa.ECONNRESET || p.Addr().Unmap() != q.to.Addr() || p.Port() != q.to.Port() {
			return
		}
		s.to = *p
	} else {
		a := q.to.Addr()
		if d.family == wsa.AF_INET6 && a.Is4() {
			a = netip.AddrFrom16(a.As16())
		}
		if a.Is4() != (d.family == wsa.AF_INET) {
			return
		}
		s.to = provider.Addr{AddrPort: netip.AddrPortFrom(a, q.to.Port()), Family: d.family}
	}
	if d.soft.CompareAndSwap(nil, s) && d.wake != nil {
		d.wake(wsa.EvError | wsa.FD_READ)
	}
}

// quote reads an ICMP error about a UDP datagram: port unreachable or TTL
// exceeded. pkt is what a raw endpoint delivers: with the IP header for IPv4,
// without it, and with the checksum verified, for IPv6. whole says that nothing
// was cut off.
func quote(v6 bool, pkt []byte, whole bool) (quoted, bool) {
	if v6 {
		return quote6(pkt)
	}
	ip := header.IPv4(pkt)
	if len(pkt) < header.IPv4MinimumSize || !headerFits(ip) {
		return quoted{}, false
	}
	icmp := pkt[ip.HeaderLength():]
	if len(icmp) < header.ICMPv4MinimumSize || whole && checksum.Checksum(icmp, 0) != 0xffff {
		return quoted{}, false
	}
	var q quoted
	switch h := header.ICMPv4(icmp); {
	case h.Type() == header.ICMPv4DstUnreachable && h.Code() == header.ICMPv4PortUnreachable:
		q.errno = wsa.ECONNRESET
	case h.Type() == header.ICMPv4TimeExceeded && h.Code() == header.ICMPv4TTLExceeded:
		q.errno = wsa.ENETRESET
	default:
		return quoted{}, false
	}
	in := header.IPv4(icmp[header.ICMPv4MinimumSize:])
	if len(in) < header.IPv4MinimumSize || !headerFits(in) || in.Protocol() != uint8(header.UDPProtocolNumber) || in.FragmentOffset() != 0 {
		return quoted{}, false
	}
	return q.ports(netip.AddrFrom4(in.SourceAddress().As4()), netip.AddrFrom4(in.DestinationAddress().As4()), in[in.HeaderLength():])
}

func headerFits(ip header.IPv4) bool {
	n := int(ip.HeaderLength())
	return ip[0]>>4 == 4 && n >= header.IPv4MinimumSize && n <= len(ip)
}

func quote6(icmp []byte) (quoted, bool) {
	if len(icmp) < header.ICMPv6ErrorHeaderSize+header.IPv6MinimumSize {
		return quoted{}, false
	}
	var q quoted
	switch h := header.ICMPv6(icmp); {
	case h.Type() == header.ICMPv6DstUnreachable && h.Code() == header.ICMPv6PortUnreachable:
		q.errno = wsa.ECONNRESET
	case h.Type() == header.ICMPv6TimeExceeded && h.Code() == header.ICMPv6HopLimitExceeded:
		q.errno = wsa.ENETRESET
	default:
		return quoted{}, false
	}
	in := header.IPv6(icmp[header.ICMPv6ErrorHeaderSize:])
	if in[0]>>4 != 6 || in.NextHeader() != uint8(header.UDPProtocolNumber) {
		return quoted{}, false
	}
	return q.ports(netip.AddrFrom16(in.SourceAddress().As16()), netip.AddrFrom16(in.DestinationAddress().As16()), in[header.IPv6MinimumSize:])
}

func (q quoted) ports(from, to netip.Addr, udp []byte) (quoted, bool) {
	if len(udp) < 4 {
		return quoted{}, false
	}
	q.from = netip.AddrPortFrom(from, binary.BigEndian.Uint16(udp))
	q.to = netip.AddrPortFrom(to, binary.BigEndian.Uint16(udp[2:]))
	return q, true
}
