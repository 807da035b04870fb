package provider

import (
	"encoding/binary"
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// A Membership is what a multicast option of WSPSetSockOpt asks for (winsock-spi
// 9.3): to hear a group, or a source in it, on an interface, or no longer to.
type Membership struct {
	Op     MembershipOp
	Group  netip.Addr // as given: it need not be a group's
	Source netip.Addr // of the four operations on sources
	// The interface is At if that is an address and no wildcard, else Index if that is
	// not 0, else the default.
	At    netip.Addr
	Index uint32
}

// MembershipOp is one of the six operations of RFC 3678.
type MembershipOp uint8

// Operations of a Membership.
const (
	JoinGroup MembershipOp = iota + 1
	LeaveGroup
	JoinSource
	LeaveSource
	BlockSource
	UnblockSource
)

// Joins reports an operation after which a group may be heard that was not before:
// what deciding layers are asked about (OpJoinLeaf).
func (o MembershipOp) Joins() bool { return o == JoinGroup || o == JoinSource }

// Sizes of the structures of ws2ipdef.h, in bytes.
const (
	sizeMreq           = 8   // ip_mreq: group, interface
	sizeMreqSource     = 12  // ip_mreq_source: group, source, interface: not Linux' order
	sizeMreq6          = 20  // ipv6_mreq: group, interface number
	sizeStorage        = 128 // SOCKADDR_STORAGE, aligned to 8
	sizeGroupReq       = 8 + sizeStorage
	sizeGroupSourceReq = 8 + 2*sizeStorage
)

// form is how an option's value is laid out.
type form struct {
	op     MembershipOp
	size   int
	decode func(m *Membership, in []byte) bool
}

type formKey struct{ level, name int32 }

var forms = func() map[formKey]form {
	all := map[formKey]form{
		{wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP}:         {JoinGroup, sizeMreq, mreq},
		{wsa.IPPROTO_IP, wsa.IP_DROP_MEMBERSHIP}:        {LeaveGroup, sizeMreq, mreq},
		{wsa.IPPROTO_IP, wsa.IP_ADD_SOURCE_MEMBERSHIP}:  {JoinSource, sizeMreqSource, mreqSource},
		{wsa.IPPROTO_IP, wsa.IP_DROP_SOURCE_MEMBERSHIP}: {LeaveSource, sizeMreqSource, mreqSource},
		{wsa.IPPROTO_IP, wsa.IP_BLOCK_SOURCE}:           {BlockSource, sizeMreqSource, mreqSource},
		{wsa.IPPROTO_IP, wsa.IP_UNBLOCK_SOURCE}:         {UnblockSource, sizeMreqSource, mreqSource},
		{wsa.IPPROTO_IPV6, wsa.IPV6_ADD_MEMBERSHIP}:     {JoinGroup, sizeMreq6, mreq6},
		{wsa.IPPROTO_IPV6, wsa.IPV6_DROP_MEMBERSHIP}:    {LeaveGroup, sizeMreq6, mreq6},
	}
	for level, af := range map[int32]int32{wsa.IPPROTO_IP: wsa.AF_INET, wsa.IPPROTO_IPV6: wsa.AF_INET6} {
		group, source := groupReq(af), groupSourceReq(af)
		all[formKey{level, wsa.MCAST_JOIN_GROUP}] = form{JoinGroup, sizeGroupReq, group}
		all[formKey{level, wsa.MCAST_LEAVE_GROUP}] = form{LeaveGroup, sizeGroupReq, group}
		all[formKey{level, wsa.MCAST_JOIN_SOURCE_GROUP}] = form{JoinSource, sizeGroupSourceReq, source}
		all[formKey{level, wsa.MCAST_LEAVE_SOURCE_GROUP}] = form{LeaveSource, sizeGroupSourceReq, source}
		all[formKey{level, wsa.MCAST_BLOCK_SOURCE}] = form{BlockSource, sizeGroupSourceReq, source}
		all[formKey{level, wsa.MCAST_UNBLOCK_SOURCE}] = form{UnblockSource, sizeGroupSourceReq, source}
	}
	return all
}()

// MembershipSize is how many bytes the value of a multicast option takes; 0 if the
// option is none of those that ParseMembership knows.
func MembershipSize(level, name int32) int { return forms[formKey{level, name}].size }

// ParseMembership reads the value of a multicast option as Windows lays it out. One
// function for the base and for the layers that decide: what these were not asked
// about, the base cannot have understood. EFAULT: the value is too short.
// EADDRNOTAVAIL: an address is not of the level's family. ENOPROTOOPT: it is another
// option.
func ParseMembership(level, name int32, in []byte) (Membership, wsa.Errno) {
	f, ok := forms[formKey{level, name}]
	switch {
	case !ok:
		return Membership{}, wsa.ENOPROTOOPT
	case len(in) < f.size:
		return Membership{}, wsa.EFAULT
	}
	m := Membership{Op: f.op}
	if !f.decode(&m, in) {
		return Membership{}, wsa.EADDRNOTAVAIL
	}
	return m, 0
}

func mreq(m *Membership, in []byte) bool {
	m.Group = inAddr(in)
	m.At, m.Index = InterfaceOf([4]byte(in[4:8]))
	return true
}

func mreqSource(m *Membership, in []byte) bool {
	m.Group, m.Source = inAddr(in), inAddr(in[4:])
	m.At, m.Index = InterfaceOf([4]byte(in[8:12]))
	return true
}

func mreq6(m *Membership, in []byte) bool {
	m.Group, m.Index = netip.AddrFrom16([16]byte(in[:16])), binary.LittleEndian.Uint32(in[16:])
	return true
}

func groupReq(af int32) func(*Membership, []byte) bool {
	return func(m *Membership, in []byte) (ok bool) {
		m.Index = binary.LittleEndian.Uint32(in)
		m.Group, ok = storage(af, in[8:])
		return ok
	}
}

func groupSourceReq(af int32) func(*Membership, []byte) bool {
	return func(m *Membership, in []byte) (ok bool) {
		if !groupReq(af)(m, in) {
			return false
		}
		m.Source, ok = storage(af, in[8+sizeStorage:])
		return ok
	}
}

// InterfaceOf reads the interface of ip_mreq and of IP_MULTICAST_IF, in network
// order: an address, or, if it begins with 0, a number. All zeros is neither: the
// default.
func InterfaceOf(b [4]byte) (at netip.Addr, index uint32) {
	if b[0] == 0 {
		return netip.Addr{}, binary.BigEndian.Uint32(b[:])
	}
	return netip.AddrFrom4(b), 0
}

func inAddr(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b[:4])) }

// storage is the address in a SOCKADDR_STORAGE; its port means nothing here.
func storage(af int32, b []byte) (netip.Addr, bool) {
	switch {
	case int32(binary.LittleEndian.Uint16(b)) != af:
		return netip.Addr{}, false
	case af == wsa.AF_INET:
		return inAddr(b[4:]), true
	}
	return netip.AddrFrom16([16]byte(b[8:24])), true
}

// JoinedGroup tells whether an option of WSPSetSockOpt on s joins a group, and which:
// at the port that s is bound to, as local says it, as that is where datagrams to the
// group arrive; 0 if it is bound to none yet. The errors are ParseMembership's, but
// that another option is none.
func JoinedGroup(s *Socket, local func(*Socket) (Addr, wsa.Errno), level, name int32, in []byte) (to Addr, joins bool, e wsa.Errno) {
	m, e := ParseMembership(level, name, in)
	switch {
	case e == wsa.ENOPROTOOPT:
		return Addr{}, false, 0
	case e != 0 || !m.Op.Joins():
		return Addr{}, false, e
	}
	at, _ := local(s)
	to = AddrFrom(netip.AddrPortFrom(m.Group, at.Port()))
	if m.Group.IsLinkLocalMulticast() && m.Group.Is6() {
		to.Scope = m.Index
	}
	return to, true, 0
}
