package stack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// ToAddress converts a to gVisor's form. A 4-in-6 address becomes IPv4, a zone
// is dropped (gVisor carries the interface beside the address), and the zero
// Addr becomes the zero Address.
func ToAddress(a netip.Addr) tcpip.Address {
	switch a = a.Unmap(); {
	case !a.IsValid():
		return tcpip.Address{}
	case a.Is4():
		return tcpip.AddrFrom4(a.As4())
	default:
		return tcpip.AddrFrom16(a.As16())
	}
}

// FromAddress is the inverse of ToAddress.
func FromAddress(a tcpip.Address) netip.Addr {
	switch a.Len() {
	case 4:
		return netip.AddrFrom4(a.As4())
	case 16:
		return netip.AddrFrom16(a.As16())
	}
	return netip.Addr{}
}

// toSubnet converts a masked prefix.
func toSubnet(p netip.Prefix) tcpip.Subnet {
	p = p.Masked()
	return tcpip.AddressWithPrefix{Address: ToAddress(p.Addr()), PrefixLen: p.Bits()}.Subnet()
}

// toProtocolAddress converts an interface address with its prefix length.
func toProtocolAddress(p netip.Prefix) tcpip.ProtocolAddress {
	return tcpip.ProtocolAddress{
		Protocol:          netProto(p.Addr()),
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: ToAddress(p.Addr()), PrefixLen: p.Bits()},
	}
}

// flowID is the 4-tuple of a flow as the endpoint on our side registers it:
// the program is remote, the address that it wants is local.
func flowID(src, dst netip.AddrPort) tcpstack.TransportEndpointID {
	return tcpstack.TransportEndpointID{
		LocalAddress:  ToAddress(dst.Addr()),
		LocalPort:     dst.Port(),
		RemoteAddress: ToAddress(src.Addr()),
		RemotePort:    src.Port(),
	}
}

// flowEnds is the inverse of flowID.
func flowEnds(id tcpstack.TransportEndpointID) (src, dst netip.AddrPort) {
	return netip.AddrPortFrom(FromAddress(id.RemoteAddress), id.RemotePort),
		netip.AddrPortFrom(FromAddress(id.LocalAddress), id.LocalPort)
}
