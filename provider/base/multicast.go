package base

import (
	"encoding/binary"
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Grouper is an Endpoint of datagrams that can hear multicast groups. It only joins
// and leaves them: sources, and what this machine itself sends, are judged here, by
// what [provider.ControlPacketInfo] tells of each datagram (destination and interface,
// which must be those of the Join). Groups are plain addresses of IPv4 or IPv6, never
// 4-in-6, interfaces their numbers as SIO_GET_INTERFACE_LIST and IPV6_MULTICAST_IF
// have them. An endpoint of a driver without it is a member of nothing: ENOPROTOOPT.
type Grouper interface {
	// GroupInterface resolves the interface of an option: the one with the number
	// index, or with the address at, or if neither is given the one on which the
	// network hears groups of this one's family by default. EADDRNOTAVAIL: there is none.
	GroupInterface(group, at netip.Addr, index uint32) (uint32, wsa.Errno)
	// JoinGroup and LeaveGroup: what was joined is left by Close too. EADDRNOTAVAIL,
	// ENOBUFS.
	JoinGroup(group netip.Addr, index uint32) wsa.Errno
	LeaveGroup(group netip.Addr, index uint32) wsa.Errno
	// SendGroupsOver says on which interface datagrams to groups of family af leave, if
	// their destination does not name one; 0 leaves it to the network.
	SendGroupsOver(af int32, index uint32) wsa.Errno
	// Strays reports that datagrams to groups which this endpoint has not joined may
	// arrive at it.
	Strays() bool
	// Own reports that a datagram to a group, from this source, was sent by this machine.
	// A driver that drops those where IP_MULTICAST_LOOP is off (SetOption) says false.
	Own(from netip.Addr) bool
}

func (k *socket) grouper() (Grouper, wsa.Errno) {
	g, ok := k.link.Endpoint.(Grouper)
	if !ok {
		return nil, wsa.ENOPROTOOPT
	}
	return g, 0
}

// multicastOptions are rows of the table in options.go.
var multicastOptions = func() []option {
	rows := []option{
		{level: wsa.IPPROTO_IP, name: wsa.IP_MULTICAST_IF, on: onMessage | onFamily, write: sendOver4},
		{level: wsa.IPPROTO_IP, name: wsa.IP_MULTICAST_TTL, on: onMessage | onFamily, def: 1, max: 255, down: needed},
		{level: wsa.IPPROTO_IP, name: wsa.IP_MULTICAST_LOOP, on: onMessage | onFamily, def: 1, boolean: true, down: told, write: hearOwn(wsa.AF_INET)},
		{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_MULTICAST_IF, on: onMessage | onIPv6, write: sendOver6},
		{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_MULTICAST_HOPS, on: onMessage | onIPv6, def: 1, max: 255, down: needed},
		{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_MULTICAST_LOOP, on: onMessage | onIPv6, def: 1, boolean: true, down: told, write: hearOwn(wsa.AF_INET6)},
	}
	member := func(level int32, on kinds, names ...int32) {
		for _, n := range names {
			rows = append(rows, option{level: level, name: n, on: on, only: setOnly, put: setMembership(level, n)})
		}
	}
	member(wsa.IPPROTO_IP, onMessage|onFamily, wsa.IP_ADD_MEMBERSHIP, wsa.IP_DROP_MEMBERSHIP, wsa.IP_ADD_SOURCE_MEMBERSHIP,
		wsa.IP_DROP_SOURCE_MEMBERSHIP, wsa.IP_BLOCK_SOURCE, wsa.IP_UNBLOCK_SOURCE)
	member(wsa.IPPROTO_IPV6, onMessage|onIPv6, wsa.IPV6_ADD_MEMBERSHIP, wsa.IPV6_DROP_MEMBERSHIP)
	for level, on := range map[int32]kinds{wsa.IPPROTO_IP: onMessage | onFamily, wsa.IPPROTO_IPV6: onMessage | onIPv6} {
		member(level, on, wsa.MCAST_JOIN_GROUP, wsa.MCAST_LEAVE_GROUP, wsa.MCAST_BLOCK_SOURCE, wsa.MCAST_UNBLOCK_SOURCE,
			wsa.MCAST_JOIN_SOURCE_GROUP, wsa.MCAST_LEAVE_SOURCE_GROUP)
	}
	return rows
}()

// setMembership is a row of ip_mreq and its like: EFAULT for a short value,
// EADDRNOTAVAIL for what is no group, no source or no interface, and the table of
// winsock-spi 7.4.
func setMembership(level, name int32) func(*socket, *option, []byte) wsa.Errno {
	return func(k *socket, _ *option, in []byte) wsa.Errno {
		g, e := k.grouper()
		if e != 0 {
			return e
		}
		m, e := provider.ParseMembership(level, name, in)
		if e != 0 {
			return e
		}
		if !m.Group.IsMulticast() || m.Group.Is4In6() || m.Source.IsValid() && !isHost(m.Source) {
			return wsa.EADDRNOTAVAIL
		}
		index, e := g.GroupInterface(m.Group, m.At, m.Index)
		if e != 0 {
			return e
		}
		return k.member(g, m.Op, m.Group, index, m.Source)
	}
}

// isHost reports an address that a datagram can come from.
func isHost(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && !a.Is4In6() && a != limitedBroadcast
}

// member does one step of the table and what it means to the network. k.mu is held
// for writing.
func (k *socket) member(g Grouper, op provider.MembershipOp, group netip.Addr, index uint32, from netip.Addr) wsa.Errno {
	after, todo, e := k.groups.step(op, group, index, from)
	if e != 0 {
		return e
	}
	k.relook()
	before := k.groups
	k.groups = after // first: what arrives when the network has joined is judged by it
	k.sift.adjust(k)
	switch todo {
	case joining:
		e = g.JoinGroup(group, index)
	case leaving:
		e = g.LeaveGroup(group, index)
	}
	if e != 0 {
		k.groups = before
		k.sift.adjust(k)
	}
	return e
}

// sendOver4 is IP_MULTICAST_IF: an address, 0.x.y.z for the number x.y.z, or zeros
// for the default, in network order. It reads back as it was set.
func sendOver4(k *socket, v int) wsa.Errno {
	u := uint32(v)
	at, index := provider.InterfaceOf([4]byte{byte(u), byte(u >> 8), byte(u >> 16), byte(u >> 24)})
	return k.sendOver(wsa.AF_INET, netip.AddrFrom4([4]byte{224}), at, index)
}

// sendOver6 is IPV6_MULTICAST_IF: a number in host order.
func sendOver6(k *socket, v int) wsa.Errno {
	return k.sendOver(wsa.AF_INET6, netip.IPv6LinkLocalAllNodes(), netip.Addr{}, uint32(v))
}

func (k *socket) sendOver(af int32, group, at netip.Addr, index uint32) wsa.Errno {
	g, e := k.grouper()
	if e != 0 {
		return e
	}
	if at.IsValid() || index != 0 {
		if index, e = g.GroupInterface(group, at, index); e != 0 {
			return e
		}
	}
	return g.SendGroupsOver(af, index)
}

// hearOwn is IP_MULTICAST_LOOP as Windows has it: it acts where datagrams arrive, not
// where they are sent (winsock-spi 7.4).
func hearOwn(af int32) func(*socket, int) wsa.Errno {
	return func(k *socket, v int) wsa.Errno {
		if _, e := k.grouper(); e != 0 {
			return e
		}
		k.relook()
		if af == wsa.AF_INET {
			k.sift.deaf4 = v == 0
		} else {
			k.sift.deaf6 = v == 0
		}
		k.sift.adjust(k)
		return 0
	}
}

// multipointLoopback is SIO_MULTIPOINT_LOOPBACK, multicastScope SIO_MULTICAST_SCOPE:
// the options of the socket's family by other names (winsock-spi 7.3).
func multipointLoopback(k *socket, in, _ []byte) wsa.Errno {
	return k.setOf(wsa.IP_MULTICAST_LOOP, wsa.IPV6_MULTICAST_LOOP, in)
}

func multicastScope(k *socket, in, _ []byte) wsa.Errno {
	return k.setOf(wsa.IP_MULTICAST_TTL, wsa.IPV6_MULTICAST_HOPS, in)
}

// setOf sets the option of the socket's family, or of both if it speaks both.
func (k *socket) setOf(name4, name6 int32, in []byte) wsa.Errno {
	v := int(int32(binary.LittleEndian.Uint32(in)))
	if k.row.Family == wsa.AF_INET6 {
		e := k.set(k.in.options[optionKey{wsa.IPPROTO_IPV6, name6}], v)
		if e != 0 || k.value(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY) != 0 {
			return e
		}
	}
	return k.set(k.in.options[optionKey{wsa.IPPROTO_IP, name4}], v)
}
