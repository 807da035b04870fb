package provider

import (
	"net/netip"
	"strconv"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Addr is a sockaddr by value: comparable, and without the zone string of
// netip.Addr, which would have to be interned for each datagram.
type Addr struct {
	netip.AddrPort        // ::ffff:a.b.c.d stays 4in6; raw sockets: port 0
	Family         int32  // AF_*; 0 = no sockaddr; an unknown family survives to earn EAFNOSUPPORT
	Scope          uint32 // sin6_scope_id
	Flow           uint32 // sin6_flowinfo
}

// AddrFrom is ap as a sockaddr of its own family. A zone must be numeric or is lost.
func AddrFrom(ap netip.AddrPort) Addr {
	a := Addr{AddrPort: ap, Family: wsa.AF_INET6}
	switch {
	case !ap.Addr().IsValid():
		return Addr{}
	case ap.Addr().Is4():
		a.Family = wsa.AF_INET
	case ap.Addr().Zone() != "":
		n, _ := strconv.ParseUint(ap.Addr().Zone(), 10, 32)
		a.Scope = uint32(n)
		a.AddrPort = netip.AddrPortFrom(ap.Addr().WithZone(""), ap.Port())
	}
	return a
}

// Any is the wildcard address of family af with the given port.
func Any(af int32, port uint16) Addr {
	ip := netip.IPv4Unspecified()
	if af == wsa.AF_INET6 {
		ip = netip.IPv6Unspecified()
	}
	return Addr{AddrPort: netip.AddrPortFrom(ip, port), Family: af}
}

// IsZero reports that there is no address at all (a nil sockaddr).
func (a Addr) IsZero() bool { return a.Family == 0 && !a.AddrPort.IsValid() }

// IsUnspecified reports a wildcard host part.
func (a Addr) IsUnspecified() bool { return a.Addr().Unmap().IsUnspecified() }

// String is the numeric text form of WSPAddressToString.
func (a Addr) String() string {
	if !a.Addr().IsValid() {
		return ""
	}
	ip := a.Addr()
	if a.Scope != 0 {
		ip = ip.WithZone(strconv.FormatUint(uint64(a.Scope), 10))
	}
	switch {
	case a.Port() == 0:
		return ip.String()
	default:
		return netip.AddrPortFrom(ip, a.Port()).String()
	}
}
