package base_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Values of the options, laid out as Windows has them.

func ip4(s string) []byte { b := netip.MustParseAddr(s).As4(); return b[:] }

func mreq(group, iface string) []byte { return append(ip4(group), ip4(iface)...) }

func mreqSource(group, source, iface string) []byte {
	return append(append(ip4(group), ip4(source)...), ip4(iface)...)
}

func mreq6(group string, index uint32) []byte {
	b := netip.MustParseAddr(group).As16()
	return binary.LittleEndian.AppendUint32(b[:], index)
}

func storage(a string) []byte {
	b := make([]byte, 128)
	ip := netip.MustParseAddr(a)
	if ip.Is4() {
		binary.LittleEndian.PutUint16(b, uint16(wsa.AF_INET))
		copy(b[4:], ip.AsSlice())
	} else {
		binary.LittleEndian.PutUint16(b, uint16(wsa.AF_INET6))
		copy(b[8:], ip.AsSlice())
	}
	return b
}

func groupReq(index uint32, group string) []byte {
	return append(append(le32(int(index)), 0, 0, 0, 0), storage(group)...)
}

func groupSourceReq(index uint32, group, source string) []byte {
	return append(groupReq(index, group), storage(source)...)
}

func (r *rig) member(s *provider.Socket, level, name int32, in []byte) wsa.Errno {
	return r.table(s).WSPSetSockOpt(s, level, name, in)
}

// membershipRows are the rows of winsock-spi 9.3 that name a group: what comes first
// so that the option is legal, and what it asks of the network.
var membershipRows = []struct {
	name   string
	option int32
	level  int32
	on     string
	before func(r *rig, s *provider.Socket)
	value  []byte
	method string
	group  string
	index  uint32
}{
	{"IP_ADD_MEMBERSHIP", wsa.IP_ADD_MEMBERSHIP, wsa.IPPROTO_IP, datagram4, nil, mreq("239.1.1.1", "10.0.0.2"), "JoinGroup", "239.1.1.1", 2},
	{"IP_ADD_MEMBERSHIP, default", wsa.IP_ADD_MEMBERSHIP, wsa.IPPROTO_IP, datagram4, nil, mreq("239.1.1.1", "0.0.0.0"), "JoinGroup", "239.1.1.1", 1},
	{"IP_ADD_MEMBERSHIP, number", wsa.IP_ADD_MEMBERSHIP, wsa.IPPROTO_IP, datagram4, nil, mreq("239.1.1.1", "0.0.0.3"), "JoinGroup", "239.1.1.1", 3},
	{"IP_ADD_MEMBERSHIP, raw", wsa.IP_ADD_MEMBERSHIP, wsa.IPPROTO_IP, raw4, nil, mreq("239.1.1.1", "10.0.0.2"), "JoinGroup", "239.1.1.1", 2},
	{"IP_DROP_MEMBERSHIP", wsa.IP_DROP_MEMBERSHIP, wsa.IPPROTO_IP, datagram4, joined4, mreq("239.1.1.1", "10.0.0.2"), "LeaveGroup", "239.1.1.1", 2},
	{"IP_ADD_SOURCE_MEMBERSHIP", wsa.IP_ADD_SOURCE_MEMBERSHIP, wsa.IPPROTO_IP, datagram4, nil, mreqSource("239.1.1.1", "10.9.9.9", "10.0.0.2"), "JoinGroup", "239.1.1.1", 2},
	{"IP_DROP_SOURCE_MEMBERSHIP", wsa.IP_DROP_SOURCE_MEMBERSHIP, wsa.IPPROTO_IP, datagram4, sourced4, mreqSource("239.1.1.1", "10.9.9.9", "10.0.0.2"), "LeaveGroup", "239.1.1.1", 2},
	{"IP_BLOCK_SOURCE", wsa.IP_BLOCK_SOURCE, wsa.IPPROTO_IP, datagram4, joined4, mreqSource("239.1.1.1", "10.9.9.9", "10.0.0.2"), "", "", 0},
	{"IP_UNBLOCK_SOURCE", wsa.IP_UNBLOCK_SOURCE, wsa.IPPROTO_IP, datagram4, blocked4, mreqSource("239.1.1.1", "10.9.9.9", "10.0.0.2"), "", "", 0},
	{"IPV6_ADD_MEMBERSHIP", wsa.IPV6_ADD_MEMBERSHIP, wsa.IPPROTO_IPV6, datagram6, nil, mreq6("ff05::7", 2), "JoinGroup", "ff05::7", 2},
	{"IPV6_JOIN_GROUP, default", wsa.IPV6_JOIN_GROUP, wsa.IPPROTO_IPV6, datagram6, nil, mreq6("ff05::7", 0), "JoinGroup", "ff05::7", 1},
	{"IPV6_DROP_MEMBERSHIP", wsa.IPV6_DROP_MEMBERSHIP, wsa.IPPROTO_IPV6, datagram6, joined6, mreq6("ff05::7", 2), "LeaveGroup", "ff05::7", 2},
	{"IPV6_LEAVE_GROUP", wsa.IPV6_LEAVE_GROUP, wsa.IPPROTO_IPV6, datagram6, joined6, mreq6("ff05::7", 2), "LeaveGroup", "ff05::7", 2},
	{"MCAST_JOIN_GROUP, IPv4", wsa.MCAST_JOIN_GROUP, wsa.IPPROTO_IP, datagram4, nil, groupReq(2, "239.1.1.1"), "JoinGroup", "239.1.1.1", 2},
	{"MCAST_JOIN_GROUP, IPv6", wsa.MCAST_JOIN_GROUP, wsa.IPPROTO_IPV6, datagram6, nil, groupReq(2, "ff05::7"), "JoinGroup", "ff05::7", 2},
	{"MCAST_LEAVE_GROUP, IPv4", wsa.MCAST_LEAVE_GROUP, wsa.IPPROTO_IP, datagram4, joined4, groupReq(2, "239.1.1.1"), "LeaveGroup", "239.1.1.1", 2},
	{"MCAST_LEAVE_GROUP, IPv6", wsa.MCAST_LEAVE_GROUP, wsa.IPPROTO_IPV6, datagram6, joined6, groupReq(2, "ff05::7"), "LeaveGroup", "ff05::7", 2},
	{"MCAST_BLOCK_SOURCE, IPv4", wsa.MCAST_BLOCK_SOURCE, wsa.IPPROTO_IP, datagram4, joined4, groupSourceReq(2, "239.1.1.1", "10.9.9.9"), "", "", 0},
	{"MCAST_BLOCK_SOURCE, IPv6", wsa.MCAST_BLOCK_SOURCE, wsa.IPPROTO_IPV6, datagram6, joined6, groupSourceReq(2, "ff05::7", "fd00::9"), "", "", 0},
	{"MCAST_UNBLOCK_SOURCE, IPv4", wsa.MCAST_UNBLOCK_SOURCE, wsa.IPPROTO_IP, datagram4, blocked4, groupSourceReq(2, "239.1.1.1", "10.9.9.9"), "", "", 0},
	{"MCAST_UNBLOCK_SOURCE, IPv6", wsa.MCAST_UNBLOCK_SOURCE, wsa.IPPROTO_IPV6, datagram6, blocked6, groupSourceReq(2, "ff05::7", "fd00::9"), "", "", 0},
	{"MCAST_JOIN_SOURCE_GROUP, IPv4", wsa.MCAST_JOIN_SOURCE_GROUP, wsa.IPPROTO_IP, datagram4, nil, groupSourceReq(2, "239.1.1.1", "10.9.9.9"), "JoinGroup", "239.1.1.1", 2},
	{"MCAST_JOIN_SOURCE_GROUP, IPv6", wsa.MCAST_JOIN_SOURCE_GROUP, wsa.IPPROTO_IPV6, datagram6, nil, groupSourceReq(2, "ff05::7", "fd00::9"), "JoinGroup", "ff05::7", 2},
	{"MCAST_LEAVE_SOURCE_GROUP, IPv4", wsa.MCAST_LEAVE_SOURCE_GROUP, wsa.IPPROTO_IP, datagram4, sourced4, groupSourceReq(2, "239.1.1.1", "10.9.9.9"), "LeaveGroup", "239.1.1.1", 2},
	{"MCAST_LEAVE_SOURCE_GROUP, IPv6", wsa.MCAST_LEAVE_SOURCE_GROUP, wsa.IPPROTO_IPV6, datagram6, sourced6, groupSourceReq(2, "ff05::7", "fd00::9"), "LeaveGroup", "ff05::7", 2},
}

func earlier(level, name int32, value []byte, first ...func(*rig, *provider.Socket)) func(*rig, *provider.Socket) {
	return func(r *rig, s *provider.Socket) {
		for _, f := range first {
			f(r, s)
		}
		r.want("what comes first", r.member(s, level, name, value), 0)
	}
}

var (
	joined4  = earlier(wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "10.0.0.2"))
	sourced4 = earlier(wsa.IPPROTO_IP, wsa.IP_ADD_SOURCE_MEMBERSHIP, mreqSource("239.1.1.1", "10.9.9.9", "10.0.0.2"))
	blocked4 = earlier(wsa.IPPROTO_IP, wsa.IP_BLOCK_SOURCE, mreqSource("239.1.1.1", "10.9.9.9", "10.0.0.2"), joined4)
	joined6  = earlier(wsa.IPPROTO_IPV6, wsa.IPV6_ADD_MEMBERSHIP, mreq6("ff05::7", 2))
	sourced6 = earlier(wsa.IPPROTO_IPV6, wsa.MCAST_JOIN_SOURCE_GROUP, groupSourceReq(2, "ff05::7", "fd00::9"))
	blocked6 = earlier(wsa.IPPROTO_IPV6, wsa.MCAST_BLOCK_SOURCE, groupSourceReq(2, "ff05::7", "fd00::9"), joined6)
)

// TestMembershipOptions is winsock-spi 9.3, the membership rows: the layout of each,
// that it goes down, its length, and that it cannot be read.
func TestMembershipOptions(t *testing.T) {
	for _, c := range membershipRows {
		t.Run(c.name, func(t *testing.T) {
			d := basetest.NewScript()
			r := newRig(t, d)
			s := r.of(c.on)
			if c.before != nil {
				c.before(r, s)
			}
			ep := d.Last()
			before := len(ep.Calls())
			r.want("one byte short", r.member(s, c.level, c.option, c.value[:len(c.value)-1]), wsa.EFAULT)
			r.want("no value", r.member(s, c.level, c.option, nil), wsa.EFAULT)
			if n := len(ep.Calls()); n != before {
				t.Errorf("the network was asked: %v", ep.Calls()[before:])
			}
			r.want("set, with a byte to spare", r.member(s, c.level, c.option, append(slices.Clone(c.value), 0xff)), 0)
			calls := ep.Calls()[before:]
			if c.method == "" {
				if len(calls) != 0 {
					t.Errorf("the network was asked: %v", calls)
				}
			} else if len(calls) != 1 || calls[0].Method != c.method || calls[0].Group != netip.MustParseAddr(c.group) || calls[0].Index != c.index {
				t.Errorf("%v, want %s of %s on %d", calls, c.method, c.group, c.index)
			}
			_, e := r.table(s).WSPGetSockOpt(s, c.level, c.option, make([]byte, 300))
			r.want("get", e, wsa.ENOPROTOOPT)
			r.want("on a stream", r.member(r.of("tcp"+c.on[3:]), c.level, c.option, c.value), wsa.ENOPROTOOPT)
		})
	}
}

// TestMembershipValues: what is no group, no source or no interface.
func TestMembershipValues(t *testing.T) {
	const ip, ip6 = wsa.IPPROTO_IP, wsa.IPPROTO_IPV6
	for _, c := range []struct {
		name          string
		on            string
		level, option int32
		value         []byte
		want          wsa.Errno
	}{
		{"a host", datagram4, ip, wsa.IP_ADD_MEMBERSHIP, mreq("10.0.0.9", "0.0.0.0"), wsa.EADDRNOTAVAIL},
		{"ADDR_ANY", datagram4, ip, wsa.IP_ADD_MEMBERSHIP, mreq("0.0.0.0", "0.0.0.0"), wsa.EADDRNOTAVAIL},
		{"no address of ours", datagram4, ip, wsa.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "10.0.0.77"), wsa.EADDRNOTAVAIL},
		{"no number of ours", datagram4, ip, wsa.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "0.0.0.77"), wsa.EADDRNOTAVAIL},
		{"the number's order", datagram4, ip, wsa.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "0.2.0.0"), wsa.EADDRNOTAVAIL},
		{"source: a group", datagram4, ip, wsa.IP_ADD_SOURCE_MEMBERSHIP, mreqSource("239.1.1.1", "239.1.1.2", "0.0.0.0"), wsa.EADDRNOTAVAIL},
		{"source: everybody", datagram4, ip, wsa.IP_ADD_SOURCE_MEMBERSHIP, mreqSource("239.1.1.1", "255.255.255.255", "0.0.0.0"), wsa.EADDRNOTAVAIL},
		{"source: nobody", datagram4, ip, wsa.IP_ADD_SOURCE_MEMBERSHIP, mreqSource("239.1.1.1", "0.0.0.0", "0.0.0.0"), wsa.EADDRNOTAVAIL},
		{"Linux' order of ip_mreq_source", datagram4, ip, wsa.IP_ADD_SOURCE_MEMBERSHIP, mreqSource("239.1.1.1", "0.0.0.0", "10.9.9.9"), wsa.EADDRNOTAVAIL},
		{"IPv6: a host", datagram6, ip6, wsa.IPV6_ADD_MEMBERSHIP, mreq6("fd00::9", 0), wsa.EADDRNOTAVAIL},
		{"IPv6: no number of ours", datagram6, ip6, wsa.IPV6_ADD_MEMBERSHIP, mreq6("ff05::7", 77), wsa.EADDRNOTAVAIL},
		{"a group of IPv4, 4-in-6", datagram6, ip6, wsa.IPV6_ADD_MEMBERSHIP, mreq6("::ffff:239.1.1.1", 0), wsa.EADDRNOTAVAIL},
		{"the other level's family", datagram6, ip6, wsa.MCAST_JOIN_GROUP, groupReq(0, "239.1.1.1"), wsa.EADDRNOTAVAIL},
		{"the other level's family", datagram4, ip, wsa.MCAST_JOIN_GROUP, groupReq(0, "ff05::7"), wsa.EADDRNOTAVAIL},
		{"a source of the other family", datagram4, ip, wsa.MCAST_JOIN_SOURCE_GROUP, groupSourceReq(0, "239.1.1.1", "fd00::9"), wsa.EADDRNOTAVAIL},
		{"IPv6 on IPv4", datagram4, ip6, wsa.IPV6_ADD_MEMBERSHIP, mreq6("ff05::7", 0), wsa.ENOPROTOOPT},
		{"IPv4 on IPv6 only", datagram6, ip, wsa.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "0.0.0.0"), wsa.EINVAL},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := basetest.NewScript()
			r := newRig(t, d)
			s := r.of(c.on)
			r.want("set", r.member(s, c.level, c.option, c.value), c.want)
			if calls := d.Last().Called("JoinGroup"); len(calls) != 0 {
				t.Errorf("joined: %v", calls)
			}
		})
	}
}

// TestMembershipRefused: what the network refuses leaves the table as it was.
func TestMembershipRefused(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.udp()
	join := func() wsa.Errno {
		return r.member(s, wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "0.0.0.0"))
	}
	leave := func() wsa.Errno {
		return r.member(s, wsa.IPPROTO_IP, wsa.IP_DROP_MEMBERSHIP, mreq("239.1.1.1", "0.0.0.0"))
	}
	d.Last().On("JoinGroup", basetest.Result{Errno: wsa.ENOBUFS})
	r.want("join, refused", join(), wsa.ENOBUFS)
	r.want("leave what was not joined", leave(), wsa.EINVAL)
	r.want("join", join(), 0)
	d.Last().On("LeaveGroup", basetest.Result{Errno: wsa.ENETDOWN})
	r.want("leave, refused", leave(), wsa.ENETDOWN)
	r.want("join again", join(), wsa.EADDRNOTAVAIL)
	r.want("leave", leave(), 0)
}

// TestDualStackMembership: with IPV6_V6ONLY off both families' groups can be joined.
func TestDualStackMembership(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.of(datagram6)
	r.want("IPV6_V6ONLY", r.set(s, wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0), 0)
	r.want("IPv4", r.member(s, wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "0.0.0.0")), 0)
	r.want("IPv6", r.member(s, wsa.IPPROTO_IPV6, wsa.IPV6_ADD_MEMBERSHIP, mreq6("ff05::7", 0)), 0)
	r.want("IPv4 again", r.member(s, wsa.IPPROTO_IP, wsa.MCAST_JOIN_GROUP, groupReq(1, "239.1.1.1")), wsa.EADDRNOTAVAIL)
}
