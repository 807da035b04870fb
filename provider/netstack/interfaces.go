package netstack

import (
	"cmp"
	"net/netip"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

var _ base.Interfacer = (*Driver)(nil)

// Interfaces are the stack's NICs, the loopback too; an index is a NIC's number.
// ENETDOWN: the stack is closed.
func (d *Driver) Interfaces() ([]base.Interface, wsa.Errno) {
	if d.down() {
		return nil, wsa.ENETDOWN
	}
	var all []base.Interface
	for id, nic := range d.tcpip.NICInfo() {
		all = append(all, base.Interface{
			Index: uint32(id), Name: nic.Name, Flags: flagsOf(&nic), MTU: nic.MTU, Addrs: prefixes(nic.ProtocolAddresses),
		})
	}
	slices.SortFunc(all, func(a, b base.Interface) int { return cmp.Compare(a.Index, b.Index) })
	return all, 0
}

// flagsOf: a TUN has one other end, a TAP has neighbours.
func flagsOf(nic *tcpstack.NICInfo) uint32 {
	f := wsa.IFF_MULTICAST
	if nic.Flags.Running {
		f |= wsa.IFF_UP
	}
	switch {
	case nic.Flags.Loopback:
		return f | wsa.IFF_LOOPBACK
	case nic.ARPHardwareType == header.ARPHardwareEther:
		return f | wsa.IFF_BROADCAST
	}
	return f | wsa.IFF_POINTTOPOINT
}

// prefixes keeps gVisor's order within a family; IPv4 comes first.
func prefixes(addrs []tcpip.ProtocolAddress) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range addrs {
		list = append(list, netip.PrefixFrom(stack.FromAddress(a.AddressWithPrefix.Address), a.AddressWithPrefix.PrefixLen))
	}
	slices.SortStableFunc(list, func(a, b netip.Prefix) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	return list
}

// Route is gVisor's: the NIC, and the address of it that gVisor would send from.
func (d *Driver) Route(to provider.Addr) (from provider.Addr, index uint32, e wsa.Errno) {
	n := nature{driver: d, family: to.Family}
	full, ok := n.toFull(to)
	if !ok {
		return from, 0, wsa.EAFNOSUPPORT
	}
	r, e := d.route(full.NIC, tcpip.Address{}, unmapped(full.Addr))
	if e != 0 {
		return from, 0, e
	}
	defer r.Release()
	return n.fromFull(tcpip.FullAddress{Addr: r.LocalAddress(), NIC: r.NICID()}), uint32(r.NICID()), 0
}

func (d *Driver) route(nic tcpip.NICID, local, to tcpip.Address) (*tcpstack.Route, wsa.Errno) {
	net := header.IPv4ProtocolNumber
	if to.Len() == header.IPv6AddressSize {
		net = header.IPv6ProtocolNumber
	}
	r, err := d.tcpip.FindRoute(nic, local, to, net, false)
	if _, none := err.(*tcpip.ErrBadLocalAddress); none { // a NIC without an address to send from
		return nil, d.unreachable(wsa.ENETUNREACH, to)
	}
	if err != nil {
		return nil, d.unreachable(errno(opConnect, err), to)
	}
	return r, 0
}

// Changes are those that the owner of the stack makes through it: addresses and
// routes come together, so both are named.
func (d *Driver) Changes(f func(wsa.Events)) (stop func(), e wsa.Errno) {
	switch {
	case d.stack == nil:
		return nil, wsa.EOPNOTSUPP
	case d.down():
		return nil, wsa.ENETDOWN
	}
	return d.stack.OnChange(func() { f(wsa.FD_ADDRESS_LIST_CHANGE | wsa.FD_ROUTING_INTERFACE_CHANGE) }), 0
}
