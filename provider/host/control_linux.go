package host

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// ancillary is what the kernel has been told to hand over with each datagram.
type ancillary struct{ on atomic.Uint32 }

// receiveOptions are the switches of each piece, by family. An IPv6 socket
// needs IPv4's too, for mapped peers; raw ones refuse them, which is no loss.
var receiveOptions = [...]struct {
	bit              provider.ControlBits
	option4, option6 int
}{
	{provider.ControlPacketInfo, unix.IP_PKTINFO, unix.IPV6_RECVPKTINFO},
	{provider.ControlTTL, unix.IP_RECVTTL, unix.IPV6_RECVHOPLIMIT},
	{provider.ControlTOS, unix.IP_RECVTOS, unix.IPV6_RECVTCLASS},
}

// want turns on what is missing. A datagram that was queued before may come
// without.
func (a *ancillary) want(d *datagram, bits provider.ControlBits) {
	missing := bits &^ provider.ControlBits(a.on.Load())
	if missing == 0 {
		return
	}
	for _, o := range receiveOptions {
		if missing&o.bit == 0 {
			continue
		}
		unix.SetsockoptInt(d.fd, unix.IPPROTO_IP, o.option4, 1)
		if d.af == wsa.AF_INET6 {
			unix.SetsockoptInt(d.fd, unix.IPPROTO_IPV6, o.option6, 1)
		}
	}
	a.on.Or(uint32(missing))
}

// getControl decodes what came. Has says what of it is present.
func getControl(b []byte, out *provider.Control) {
	*out = provider.Control{}
	for c, ok := nextControl(&b); ok; c, ok = nextControl(&b) {
		switch {
		case c.level == unix.IPPROTO_IP && c.kind == unix.IP_PKTINFO && len(c.data) >= unix.SizeofInet4Pktinfo:
			out.Has |= provider.ControlPacketInfo
			out.IfIndex = binary.NativeEndian.Uint32(c.data)
			out.Dst = netip.AddrFrom4([4]byte(c.data[8:12])) // ipi_addr: as in the header, multicast too
		case c.level == unix.IPPROTO_IPV6 && c.kind == unix.IPV6_PKTINFO && len(c.data) >= unix.SizeofInet6Pktinfo:
			out.Has |= provider.ControlPacketInfo
			out.Dst = netip.AddrFrom16([16]byte(c.data[:16]))
			out.IfIndex = binary.NativeEndian.Uint32(c.data[16:])
		case c.level == unix.IPPROTO_IP && c.kind == unix.IP_TTL, c.level == unix.IPPROTO_IPV6 && c.kind == unix.IPV6_HOPLIMIT:
			out.Has |= provider.ControlTTL
			out.TTL = uint8(intOf(c.data))
		case c.level == unix.IPPROTO_IP && c.kind == unix.IP_TOS, c.level == unix.IPPROTO_IPV6 && c.kind == unix.IPV6_TCLASS:
			out.Has |= provider.ControlTOS
			out.TOS = uint8(intOf(c.data))
		}
	}
}

// putControl encodes what is given and returns its size. For an IPv4-mapped
// destination the kernel reads IPv4's messages, but packet info in IPv6's form
// (ip_cmsg_send).
func putControl(b []byte, mapped bool, af int32, c *provider.Control) int {
	w := controlWriter{rest: b}
	v6 := af == wsa.AF_INET6
	if c.Has&provider.ControlPacketInfo != 0 {
		if v6 {
			data := w.message(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
			if c.Dst.IsValid() {
				src := c.Dst.As16()
				copy(data, src[:])
			}
			binary.NativeEndian.PutUint32(data[16:], c.IfIndex)
		} else {
			data := w.message(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
			binary.NativeEndian.PutUint32(data, c.IfIndex)
			if c.Dst.Unmap().Is4() {
				src := c.Dst.Unmap().As4()
				copy(data[4:], src[:]) // ipi_spec_dst
			}
		}
	}
	level, ttl, tos := int32(unix.IPPROTO_IP), int32(unix.IP_TTL), int32(unix.IP_TOS)
	if v6 && !mapped {
		level, ttl, tos = unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, unix.IPV6_TCLASS
	}
	if c.Has&provider.ControlTTL != 0 {
		binary.NativeEndian.PutUint32(w.message(level, ttl, 4), uint32(c.TTL))
	}
	if c.Has&provider.ControlTOS != 0 {
		binary.NativeEndian.PutUint32(w.message(level, tos, 4), uint32(c.TOS))
	}
	return len(b) - len(w.rest)
}

type controlWriter struct{ rest []byte }

// tos appends the type of service, or the traffic class.
func (w *controlWriter) tos(v6 bool, tos uint8) {
	level, kind := int32(unix.IPPROTO_IP), int32(unix.IP_TOS)
	if v6 {
		level, kind = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	binary.NativeEndian.PutUint32(w.message(level, kind, 4), uint32(tos))
}

// putTOS encodes a type of service alone and returns its size.
func putTOS(b []byte, v6 bool, tos uint8) int {
	w := controlWriter{rest: b}
	w.tos(v6, tos)
	return len(b) - len(w.rest)
}

// message appends a control message and returns its data, zeroed.
func (w *controlWriter) message(level, kind int32, size int) []byte {
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(w.rest)))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	data := w.rest[unix.CmsgLen(0):unix.CmsgLen(size)]
	clear(data)
	w.rest = w.rest[unix.CmsgSpace(size):]
	return data
}
