package netstack

import (
	"net/netip"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var _ base.Grouper = (*datagram)(nil)

// GroupInterface names NICs by their NICID. The default is that of the route to the
// group; package stack makes one over every NIC.
func (d *datagram) GroupInterface(group, at netip.Addr, index uint32) (uint32, wsa.Errno) {
	s := d.driver.tcpip
	switch {
	case at.IsValid() && !at.IsUnspecified():
		for id, info := range s.NICInfo() {
			if slices.ContainsFunc(info.ProtocolAddresses, func(a tcpip.ProtocolAddress) bool {
				return a.AddressWithPrefix.Address == toAddress(at)
			}) {
				return uint32(id), 0
			}
		}
		return 0, wsa.EADDRNOTAVAIL
	case index != 0:
		if !s.CheckNIC(tcpip.NICID(index)) {
			return 0, wsa.EADDRNOTAVAIL
		}
		return index, 0
	}
	r, err := s.FindRoute(0, tcpip.Address{}, toAddress(group), protocolOf(group), false)
	if err != nil {
		return 0, wsa.EADDRNOTAVAIL
	}
	defer r.Release()
	return uint32(r.NICID()), 0
}

// JoinGroup makes the NIC a member of the group, with reports if the stack sends any
// (stack.Config.GroupReports). gVisor's membership is the NIC's: see Strays.
func (d *datagram) JoinGroup(group netip.Addr, index uint32) wsa.Errno {
	o := tcpip.AddMembershipOption{NIC: tcpip.NICID(index), MulticastAddr: toAddress(group)}
	return errno(opOption, d.ep.SetSockOpt(&o))
}

// LeaveGroup takes the socket's part in the NIC's membership back.
func (d *datagram) LeaveGroup(group netip.Addr, index uint32) wsa.Errno {
	o := tcpip.RemoveMembershipOption{NIC: tcpip.NICID(index), MulticastAddr: toAddress(group)}
	return errno(opOption, d.ep.SetSockOpt(&o))
}

// SendGroupsOver sets the NIC. The source address is one of its own.
func (d *datagram) SendGroupsOver(af int32, index uint32) wsa.Errno {
	if af == wsa.AF_INET6 {
		return errno(opOption, d.ep.SetSockOptInt(tcpip.IPv6MulticastInterfaceOption, int(index)))
	}
	return errno(opOption, d.ep.SetSockOpt(&tcpip.MulticastInterfaceOption{NIC: tcpip.NICID(index)}))
}

// Strays: every endpoint that is bound to the port hears what the NIC is a member of.
func (d *datagram) Strays() bool { return true }

// Own is asked of what gVisor has looped back: it always does.
func (d *datagram) Own(from netip.Addr) bool { return d.driver.owns(from) }

func toAddress(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}
