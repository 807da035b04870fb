package base

import (
	"encoding/binary"
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// In the buffers of these ioctls a pointer is 8 bytes, and it is the offset of what
// it points to from the start of the buffer: the bytes mean the same wherever they
// are, and hold no address of this process.

// interfacer is the driver, if it knows its interfaces.
func (k *socket) interfacer() (Interfacer, wsa.Errno) {
	d, ok := k.in.driver.(Interfacer)
	if !ok {
		return nil, wsa.EOPNOTSUPP
	}
	return d, 0
}

// destination reads a sockaddr: EFAULT if it is short, EINVAL for another family (the
// table of WSPIoctl, winsock-spi 3.18, has no better), for the wildcard address and
// for one that the socket cannot reach.
func (k *socket) destination(in []byte) (provider.Addr, wsa.Errno) {
	if len(in) < int(sockaddrSize(k.row.Family)) {
		return provider.Addr{}, wsa.EFAULT
	}
	a, _ := provider.ParseSockaddr(in)
	switch {
	case a.Family != k.row.Family, a.IsUnspecified(), k.foreignIPv4(a):
		return a, wsa.EINVAL
	}
	return a, 0
}

// routingInterfaceQuery is SIO_ROUTING_INTERFACE_QUERY: the address that the socket
// would send from. ENETUNREACH: there is no way.
func routingInterfaceQuery(k *socket, r *provider.IoctlRequest) (int, wsa.Errno) {
	d, e := k.interfacer()
	if e != 0 {
		return 0, e
	}
	to, e := k.destination(r.In)
	if e != 0 {
		return 0, e
	}
	size := int(sockaddrSize(k.row.Family))
	if len(r.Out) < size {
		return size, wsa.EFAULT
	}
	from, _, e := d.Route(to)
	if e != 0 {
		return 0, e
	}
	return copy(r.Out, provider.AppendSockaddr(nil, from)), 0
}

// addressList are the addresses of a family that a socket can be bound to and that
// others can reach: those of the interfaces that are up, the loopback's aside.
func addressList(d Interfacer, af int32) ([]provider.Addr, wsa.Errno) {
	all, e := d.Interfaces()
	if e != 0 {
		return nil, e
	}
	var list []provider.Addr
	for i := range all {
		if all[i].Flags&wsa.IFF_UP == 0 || all[i].Flags&wsa.IFF_LOOPBACK != 0 {
			continue
		}
		for _, p := range all[i].Addrs {
			if a := all[i].sockaddr(p.Addr()); a.Family == af {
				list = append(list, a)
			}
		}
	}
	return list, 0
}

// sockaddr is one of the interface's addresses, a link-local one with its scope.
func (i *Interface) sockaddr(ip netip.Addr) provider.Addr {
	a := provider.AddrFrom(netip.AddrPortFrom(ip.WithZone(""), 0))
	if ip.Is6() && ip.IsLinkLocalUnicast() {
		a.Scope = i.Index
	}
	return a
}

// addressListQuery is SIO_ADDRESS_LIST_QUERY: SOCKET_ADDRESS_LIST, that is, the count
// in 8 bytes, a SOCKET_ADDRESS of 16 for each, and the sockaddrs.
func addressListQuery(k *socket, r *provider.IoctlRequest) (int, wsa.Errno) {
	const header, entry = 8, 16
	d, e := k.interfacer()
	if e != 0 {
		return 0, e
	}
	list, e := addressList(d, k.row.Family)
	if e != 0 {
		return 0, e
	}
	one := int(sockaddrSize(k.row.Family))
	size := header + len(list)*(entry+one)
	if len(r.Out) < size {
		return size, wsa.EFAULT
	}
	b := binary.LittleEndian.AppendUint64(r.Out[:0], uint64(len(list)))
	for i := range list {
		b = appendSocketAddress(b, header+len(list)*entry+i*one, one)
	}
	for _, a := range list {
		b = provider.AppendSockaddr(b, a)
	}
	return len(b), 0
}

// appendSocketAddress appends a SOCKET_ADDRESS.
func appendSocketAddress(b []byte, at, size int) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	return binary.LittleEndian.AppendUint64(b, uint64(size))
}

// interfaceAddress is one row of an interface list: there is one for each address.
type interfaceAddress struct {
	flags uint32
	names [3]provider.Addr // address, broadcast address, netmask
}

func (k *socket) interfaceAddresses() ([]interfaceAddress, wsa.Errno) {
	d, e := k.interfacer()
	if e != 0 {
		return nil, e
	}
	all, e := d.Interfaces()
	if e != 0 {
		return nil, e
	}
	var list []interfaceAddress
	for i := range all {
		for _, p := range all[i].Addrs {
			a := all[i].sockaddr(p.Addr())
			if a.Family != k.row.Family {
				continue
			}
			row := interfaceAddress{all[i].Flags, [3]provider.Addr{a, provider.Any(a.Family, 0), provider.AddrFrom(netip.AddrPortFrom(netmask(p), 0))}}
			if ip, ok := all[i].broadcast(p); ok {
				row.names[1] = provider.AddrFrom(netip.AddrPortFrom(ip, 0))
			}
			list = append(list, row)
		}
	}
	return list, 0
}

// interfaceListQuery is SIO_GET_INTERFACE_LIST: INTERFACE_INFO of 76 bytes each, the
// flags and three sockaddr_gen of 24. An IPv6 address is in the old form of its
// sockaddr, which ends before the scope id.
func interfaceListQuery(k *socket, r *provider.IoctlRequest) (int, wsa.Errno) {
	const gen, entry = 24, 4 + 3*24
	list, e := k.interfaceAddresses()
	if e != 0 {
		return 0, e
	}
	if size := len(list) * entry; len(r.Out) < size {
		return size, wsa.EFAULT
	}
	b := r.Out[:0]
	for i := range list {
		b = binary.LittleEndian.AppendUint32(b, list[i].flags)
		for _, a := range list[i].names {
			var name [gen]byte
			copy(name[:], provider.AppendSockaddr(nil, a))
			b = append(b, name[:]...)
		}
	}
	return len(b), 0
}

// interfaceListExQuery is SIO_GET_INTERFACE_LIST_EX: INTERFACE_INFO_EX of 56 bytes
// each, the flags in 8 and three SOCKET_ADDRESS, and the sockaddrs behind all of
// them: the first pointer, divided by 56, is the count.
func interfaceListExQuery(k *socket, r *provider.IoctlRequest) (int, wsa.Errno) {
	const entry = 8 + 3*16
	list, e := k.interfaceAddresses()
	if e != 0 {
		return 0, e
	}
	one := int(sockaddrSize(k.row.Family))
	size := len(list) * (entry + 3*one)
	if len(r.Out) < size {
		return size, wsa.EFAULT
	}
	b, at := r.Out[:0], len(list)*entry
	for i := range list {
		b = binary.LittleEndian.AppendUint64(b, uint64(list[i].flags))
		for range list[i].names {
			b = appendSocketAddress(b, at, one)
			at += one
		}
	}
	for i := range list {
		for _, a := range list[i].names {
			b = provider.AppendSockaddr(b, a)
		}
	}
	return len(b), 0
}
