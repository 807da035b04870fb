package host

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// sockaddr is room for a kernel address of either family: those of package unix
// are interfaces and would be allocated for each datagram.
type sockaddr struct {
	raw    unix.RawSockaddrInet6
	length uint32
}

func (s *sockaddr) room() { s.length = unix.SizeofSockaddrInet6 }

// set makes the kernel's form of a. An address of another family than AF_INET
// and AF_INET6 is left out: base does not let one come so far.
func (s *sockaddr) set(a provider.Addr) {
	switch {
	case a.Family == wsa.AF_INET6:
		s.raw = unix.RawSockaddrInet6{
			Family: unix.AF_INET6, Port: network16(a.Port()), Flowinfo: network32(a.Flow),
			Addr: a.Addr().As16(), Scope_id: a.Scope,
		}
		s.length = unix.SizeofSockaddrInet6
	case a.Family == wsa.AF_INET && a.Addr().Unmap().Is4():
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.raw))
		*v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: network16(a.Port()), Addr: a.Addr().Unmap().As4()}
		s.length = unix.SizeofSockaddrInet4
	default:
		s.length = 0
	}
}

// unspecified is what connect(2) takes to forget the peer.
func (s *sockaddr) unspecified() {
	s.raw = unix.RawSockaddrInet6{Family: unix.AF_UNSPEC}
	s.length = unix.SizeofSockaddrInet4
}

// get is the address that the kernel wrote; no family if it wrote none.
func (s *sockaddr) get() provider.Addr {
	switch {
	case s.length >= unix.SizeofSockaddrInet4 && s.raw.Family == unix.AF_INET:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.raw))
		return provider.Addr{AddrPort: netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), network16(v4.Port)), Family: wsa.AF_INET}
	case s.length >= unix.SizeofSockaddrInet6-4 && s.raw.Family == unix.AF_INET6:
		return provider.Addr{
			AddrPort: netip.AddrPortFrom(netip.AddrFrom16(s.raw.Addr), network16(s.raw.Port)),
			Family:   wsa.AF_INET6, Scope: s.raw.Scope_id, Flow: network32(s.raw.Flowinfo),
		}
	}
	return provider.Addr{}
}

// network16 turns v into network byte order and back.
func network16(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

func network32(v uint32) uint32 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v)
	return binary.NativeEndian.Uint32(b[:])
}

// withPort is a with another port.
func withPort(a provider.Addr, port uint16) provider.Addr {
	a.AddrPort = netip.AddrPortFrom(a.Addr(), port)
	return a
}
