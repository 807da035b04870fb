package provider

import (
	"encoding/binary"
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Sizes of the SDK's sockaddr_in and sockaddr_in6, bytes.
const (
	SockaddrInSize  = 16
	SockaddrIn6Size = 28
)

// AppendSockaddr appends a as a sockaddr_in or sockaddr_in6 (ws2def.h, ws2ipdef.h),
// as it stands in the buffers of options and ioctls: the family little-endian, port,
// address and flow information in network byte order, the scope id little-endian,
// sin_zero zero. An address of no or another family appends nothing.
func AppendSockaddr(b []byte, a Addr) []byte {
	switch {
	case a.Family == wsa.AF_INET && a.Addr().Unmap().Is4():
		b = binary.LittleEndian.AppendUint16(b, uint16(wsa.AF_INET))
		b = binary.BigEndian.AppendUint16(b, a.Port())
		b = append(b, a.Addr().Unmap().AsSlice()...)
		return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	case a.Family == wsa.AF_INET6 && a.Addr().Is6():
		b = binary.LittleEndian.AppendUint16(b, uint16(wsa.AF_INET6))
		b = binary.BigEndian.AppendUint16(b, a.Port())
		b = binary.BigEndian.AppendUint32(b, a.Flow)
		ip := a.Addr().As16()
		b = append(b, ip[:]...)
		return binary.LittleEndian.AppendUint32(b, a.Scope)
	}
	return b
}

// ParseSockaddr reads what AppendSockaddr has written. ok is false if b is too short
// for its family, and for other families; Family then says which one it claims to be.
// What follows the sockaddr in b does not matter.
func ParseSockaddr(b []byte) (a Addr, ok bool) {
	if len(b) < 2 {
		return a, false
	}
	a.Family = int32(binary.LittleEndian.Uint16(b))
	switch {
	case a.Family == wsa.AF_INET && len(b) >= SockaddrInSize:
		ip := netip.AddrFrom4([4]byte(b[4:]))
		a.AddrPort = netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2:]))
		return a, true
	case a.Family == wsa.AF_INET6 && len(b) >= SockaddrIn6Size:
		ip := netip.AddrFrom16([16]byte(b[8:]))
		a.AddrPort = netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2:]))
		a.Flow, a.Scope = binary.BigEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[24:])
		return a, true
	}
	return a, false
}
