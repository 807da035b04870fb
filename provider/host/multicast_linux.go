package host

import (
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var _ base.Grouper = (*datagram)(nil)

// ownGroupsOnly keeps groups out that other sockets of the machine have joined, as
// Windows does and Linux by default does not (ip(7), IP_MULTICAST_ALL; IPv6's came
// with 4.20). Raw sockets have a copy of all (winsock-spi 9.4).
func (d *datagram) ownGroupsOnly() {
	if d.typ == wsa.SOCK_RAW {
		return
	}
	strays := unix.SetsockoptInt(d.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0) != nil
	if d.af == wsa.AF_INET6 {
		strays = unix.SetsockoptInt(d.fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0) != nil || strays
	}
	d.strays = strays
}

// Strays is true on a kernel without IPV6_MULTICAST_ALL.
func (d *datagram) Strays() bool { return d.strays }

// Own: the kernel has dropped those that are not wanted, see hearOwn.
func (d *datagram) Own(netip.Addr) bool { return false }

// GroupInterface looks interfaces up in the network namespace of the calling thread, as
// Open does. The default is where a route to the group leads, else the first
// interface that can have groups, else the loopback.
func (d *datagram) GroupInterface(group, at netip.Addr, index uint32) (uint32, wsa.Errno) {
	all, err := net.Interfaces()
	if err != nil {
		return 0, wsa.ENOBUFS
	}
	switch {
	case at.IsValid() && !at.IsUnspecified():
		return indexOf(all, func(i *net.Interface) bool { return has(i, at) })
	case index != 0:
		return indexOf(all, func(i *net.Interface) bool { return uint32(i.Index) == index })
	case d.host.config.Interface != "":
		return indexOf(all, func(i *net.Interface) bool { return i.Name == d.host.config.Interface })
	}
	if from, ok := d.sourceFor(group); ok && from.Scope != 0 {
		return from.Scope, 0
	} else if ok {
		if i, e := indexOf(all, func(i *net.Interface) bool { return has(i, from.Addr()) }); e == 0 {
			return i, 0
		}
	}
	const up = net.FlagUp | net.FlagMulticast
	if i, e := indexOf(all, func(i *net.Interface) bool {
		return i.Flags&up == up && i.Flags&net.FlagLoopback == 0 && speaks(i, group)
	}); e == 0 {
		return i, 0
	}
	return indexOf(all, func(i *net.Interface) bool { return i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback != 0 })
}

func indexOf(all []net.Interface, is func(*net.Interface) bool) (uint32, wsa.Errno) {
	for i := range all {
		if is(&all[i]) {
			return uint32(all[i].Index), 0
		}
	}
	return 0, wsa.EADDRNOTAVAIL
}

func has(i *net.Interface, a netip.Addr) bool {
	return slices.Contains(addresses(i), a.WithZone(""))
}

// speaks reports an interface with an address of the group's family.
func speaks(i *net.Interface, group netip.Addr) bool {
	return slices.ContainsFunc(addresses(i), func(a netip.Addr) bool { return a.Is4() == group.Is4() })
}

func addresses(i *net.Interface) (all []netip.Addr) {
	prefixes, _ := i.Addrs()
	for _, p := range prefixes {
		if n, ok := p.(*net.IPNet); ok {
			if a, ok := netip.AddrFromSlice(n.IP); ok {
				all = append(all, a.Unmap())
			}
		}
	}
	return all
}

// sourceFor is the address that a datagram to the group would be sent from, which
// tells the interface: connect(2) of a socket of its own asks the routes.
func (d *datagram) sourceFor(group netip.Addr) (provider.Addr, bool) {
	af := wsa.AF_INET
	if group.Is6() {
		af = wsa.AF_INET6
	}
	fd, e := d.host.socket(af, wsa.SOCK_DGRAM, 0)
	if e != 0 {
		return provider.Addr{}, false
	}
	defer unix.Close(fd)
	m := getMessage()
	defer m.release()
	m.name.set(provider.AddrFrom(netip.AddrPortFrom(group, 9)))
	if setAddress(unix.SYS_CONNECT, fd, &m.name) != 0 || getAddress(unix.SYS_GETSOCKNAME, fd, &m.name) != 0 {
		return provider.Addr{}, false
	}
	a := m.name.get()
	return a, !a.IsUnspecified()
}

// JoinGroup joins in the kernel, any source: base does the rest by the destination and
// interface of each datagram, so the kernel is told to note them before any can come.
func (d *datagram) JoinGroup(group netip.Addr, index uint32) wsa.Errno {
	return d.membership(group, index, unix.IP_ADD_MEMBERSHIP, unix.IPV6_JOIN_GROUP)
}

// LeaveGroup leaves.
func (d *datagram) LeaveGroup(group netip.Addr, index uint32) wsa.Errno {
	return d.membership(group, index, unix.IP_DROP_MEMBERSHIP, unix.IPV6_LEAVE_GROUP)
}

func (d *datagram) membership(group netip.Addr, index uint32, option4, option6 int) wsa.Errno {
	if !d.enter() {
		return wsa.ENOTSOCK
	}
	defer d.leave()
	d.control.want(d, provider.ControlPacketInfo)
	var err error
	if group.Is4() {
		err = unix.SetsockoptIPMreqn(d.fd, unix.IPPROTO_IP, option4, &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)})
	} else {
		err = unix.SetsockoptIPv6Mreq(d.fd, unix.IPPROTO_IPV6, option6, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: index})
	}
	return translate(opMembership, errnoOf(err))
}

// SendGroupsOver is IP_MULTICAST_IF or IPV6_MULTICAST_IF.
func (d *datagram) SendGroupsOver(af int32, index uint32) wsa.Errno {
	if af == wsa.AF_INET6 {
		return d.endpoint.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_MULTICAST_IF, int(index))
	}
	if !d.enter() {
		return wsa.ENOTSOCK
	}
	defer d.leave()
	return translate(opMembership, errnoOf(unix.SetsockoptIPMreqn(d.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)})))
}

// SetOption as of endpoint, with IP_MULTICAST_LOOP where Windows has it: at the
// receiver. The kernel's option of that name, the sender's, stays on.
func (d *datagram) SetOption(level, name int32, value int) wsa.Errno {
	const loop = wsa.IP_MULTICAST_LOOP // and IPV6_MULTICAST_LOOP
	if name != loop || level != wsa.IPPROTO_IP && level != wsa.IPPROTO_IPV6 {
		return d.endpoint.SetOption(level, name, value)
	}
	if d.isPing() {
		return wsa.ENOPROTOOPT // its filter is taken, or it hears answers alone
	}
	if !d.enter() {
		return wsa.ENOTSOCK
	}
	defer d.leave()
	bit := deaf4
	if level == wsa.IPPROTO_IPV6 {
		bit = deaf6
	}
	if d.deaf &^= bit; value == 0 {
		d.deaf |= bit
	}
	return d.hearOwn()
}

// hearOwn has the kernel drop what it looped back (PACKET_LOOPBACK) or sent over the
// loopback interface, if it went to a group of a family that is deaf to those. A
// filter costs nothing where none is wanted, and needs no list of this machine's
// addresses, which change.
func (d *datagram) hearOwn() wsa.Errno {
	if d.deaf == 0 {
		err := unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err == unix.ENOENT {
			err = nil
		}
		return translate(opSetOption, errnoOf(err))
	}
	const (
		byteAt = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
		wordAt = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		shift  = unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K

		// linux/filter.h: SKF_NET_OFF, where the IP header is, and SKF_AD_OFF.
		network, extra      = 1<<32 - 0x100000, 1<<32 - 0x1000
		packetType, devType = extra + 4, extra + 28
	)
	to := func(bit, judged uint8) uint8 { // past the tests, for a family that hears all
		if d.deaf&bit == 0 {
			return 9
		}
		return judged
	}
	program := []unix.SockFilter{
		{Code: byteAt, K: network},
		{Code: shift, K: 4},
		{Code: equal, K: 6, Jt: to(deaf6, 3), Jf: to(deaf4, 0)},
		{Code: byteAt, K: network + 16}, // IPv4's destination
		{Code: shift, K: 4},
		{Code: equal, K: 0xe, Jt: 2, Jf: 6},
		{Code: byteAt, K: network + 24}, // IPv6's
		{Code: equal, K: 0xff, Jf: 4},
		{Code: wordAt, K: packetType},
		{Code: equal, K: unix.PACKET_LOOPBACK, Jt: 3},
		{Code: wordAt, K: devType},
		{Code: equal, K: unix.ARPHRD_LOOPBACK, Jt: 1},
		{Code: answer, K: 1 << 18},
		{Code: answer, K: 0},
	}
	f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return translate(opSetOption, errnoOf(unix.SetsockoptSockFprog(d.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f)))
}

// Families whose own groups' datagrams are not heard.
const (
	deaf4 uint8 = 1 << iota
	deaf6
)
