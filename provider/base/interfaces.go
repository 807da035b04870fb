package base

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Interfacer is a Driver that knows the interfaces of its network. Without it the
// ioctls that ask for them are EOPNOTSUPP.
type Interfacer interface {
	// Interfaces are those of the network, by Index. Errors: ENETDOWN, ENOBUFS.
	Interfaces() ([]Interface, wsa.Errno)
	// Route is the way to a destination: the address to send from, without a port, and
	// the index of the interface. Errors: ENETUNREACH, EHOSTUNREACH, ENETDOWN.
	Route(to provider.Addr) (from provider.Addr, index uint32, e wsa.Errno)
	// Changes has f called after each change of addresses (FD_ADDRESS_LIST_CHANGE) and
	// of what decides routes (FD_ROUTING_INTERFACE_CHANGE), from any goroutine, with
	// locks of the network held: f only marks and schedules. After stop has returned f
	// is not called any more; stop must not be called from f. Errors: EOPNOTSUPP,
	// ENETDOWN, EMFILE, ENOBUFS.
	Changes(f func(hint wsa.Events)) (stop func(), e wsa.Errno)
}

// Interface is one interface of a network.
type Interface struct {
	Index uint32 // 1 or more
	Name  string
	Flags uint32 // IFF_*
	MTU   uint32 // bytes
	Addrs []netip.Prefix
}

// broadcast is the address of all hosts of a prefix, if it has one: IPv4's of /30
// and shorter (RFC 3021), on an interface that can.
func (i *Interface) broadcast(p netip.Prefix) (netip.Addr, bool) {
	if i.Flags&wsa.IFF_BROADCAST == 0 || !p.Addr().Is4() || p.Bits() > 30 {
		return netip.Addr{}, false
	}
	ip, mask := p.Addr().As4(), netmask(p)
	for n, m := range mask.AsSlice() {
		ip[n] |= ^m
	}
	return netip.AddrFrom4(ip), true
}

// netmask is the mask of a prefix as an address.
func netmask(p netip.Prefix) netip.Addr {
	b := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// hasInterface reports whether an index may be named in an option: 0 is none in
// particular, and what the driver cannot tell is left to it.
func (b *base) hasInterface(index uint32) bool {
	d, ok := b.driver.(Interfacer)
	if !ok || index == 0 {
		return true
	}
	all, e := d.Interfaces()
	if e != 0 {
		return false
	}
	for i := range all {
		if all[i].Index == index {
			return true
		}
	}
	return false
}
