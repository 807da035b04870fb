package netstack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// toFull is a as gVisor takes it; false if a is not of the endpoint's family. A
// wildcard has no address there. A 4-in-6 address stays one: gVisor takes it
// for IPv4 and knows by it that the socket is IPv6. The scope names the NIC only
// for link-local addresses: for others it would forbid routing.
func (e *nature) toFull(a provider.Addr) (tcpip.FullAddress, bool) {
	ip := a.Addr()
	if !ip.IsValid() || ip.Is4() != (e.family == wsa.AF_INET) {
		return tcpip.FullAddress{}, false
	}
	full := tcpip.FullAddress{Port: a.Port()}
	if ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() {
		full.NIC = tcpip.NICID(a.Scope)
	}
	switch {
	case ip.Is4() && ip.IsUnspecified(), ip.Is6() && ip.IsUnspecified():
	case ip.Is4():
		full.Addr = tcpip.AddrFrom4(ip.As4())
	default:
		full.Addr = tcpip.AddrFrom16(ip.As16())
	}
	return full, true
}

// fromFull is the inverse: IPv4 addresses of an IPv6 endpoint become 4-in-6.
func (e *nature) fromFull(full tcpip.FullAddress) provider.Addr {
	ip := e.fromAddress(full.Addr)
	if !ip.IsValid() {
		return provider.Any(e.family, full.Port)
	}
	a := provider.Addr{AddrPort: netip.AddrPortFrom(ip, full.Port), Family: e.family}
	if ip.Is6() && (ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast()) {
		a.Scope = uint32(full.NIC)
	}
	return a
}

func (e *nature) fromAddress(a tcpip.Address) netip.Addr {
	switch a.Len() {
	case 4:
		ip := netip.AddrFrom4(a.As4())
		if e.family == wsa.AF_INET6 {
			ip = netip.AddrFrom16(ip.As16())
		}
		return ip
	case 16:
		return netip.AddrFrom16(a.As16())
	}
	return netip.Addr{}
}

// unmapped is the address as routes know it.
func unmapped(a tcpip.Address) tcpip.Address {
	if a.Len() == 16 {
		if ip := netip.AddrFrom16(a.As16()); ip.Is4In6() {
			return tcpip.AddrFrom4(ip.Unmap().As4())
		}
	}
	return a
}
