package base

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// socket is WSPSocket (winsock-spi 3.29).
//
// The triple is resolved against the ProtocolInfo: 0 and FROM_PROTOCOL_INFO take
// the field from it, any other value overrides it. Then, in this order:
//
//	EINVAL           a token of WSPDuplicateSocket that is not known or was used
//	EAFNOSUPPORT     the family is not served
//	ESOCKTNOSUPPORT  the type is not served in this family
//	EPROTOTYPE       type and protocol of the info contradict each other
//	EPROTONOSUPPORT  the protocol is not served with this type
//	EINVAL           the group is not 0; the flags are illegal
//	EOPNOTSUPP       a flag that cannot be honoured
//	EACCES           SOCK_RAW without the capability
//	ENETDOWN, EAFNOSUPPORT, EMFILE, ENOBUFS, EACCES  from the driver
//	EMFILE, ENOBUFS  from the session's quota
//
// EINPROGRESS never comes from a base; a layer may use it to decline.
func (in *instance) socket(r *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
	info := r.Info
	if info == nil {
		info = in.own
	}
	if info.ProviderReserved != 0 {
		return in.redeem(info.ProviderReserved)
	}
	row, protocol, e := in.resolve(r, info)
	if e != 0 {
		return nil, e
	}
	if r.Group != 0 {
		return nil, wsa.EINVAL
	}
	if e := checkFlags(row.serviceFlags(), r.Flags); e != 0 {
		return nil, e
	}
	if row.Type == wsa.SOCK_RAW && !in.rawAllowed {
		return nil, wsa.EACCES
	}
	return in.open(row, protocol, r.Flags&multipointMask != 0)
}

// resolve is the part of WSPSocket that finds what is to be opened.
func (in *instance) resolve(r *provider.SocketRequest, info *provider.ProtocolInfo) (*Protocol, int32, wsa.Errno) {
	af, _ := fromInfo(r.AF, info.AddressFamily)
	typ, typeTaken := fromInfo(r.Type, info.SocketType)
	protocol, protocolTaken := fromInfo(r.Protocol, info.Protocol)
	miss := wsa.EAFNOSUPPORT
	elsewhere := false // the protocol is one of another type
	for i := range in.rows {
		row := &in.rows[i]
		switch {
		case row.Family != af:
		case row.Type != typ:
			if miss == wsa.EAFNOSUPPORT {
				miss = wsa.ESOCKTNOSUPPORT
			}
			elsewhere = elsewhere || row.MaxOffset == 0 && row.covers(protocol)
		case protocol == 0 && row.Type != wsa.SOCK_RAW && !row.NoZero:
			return row, row.Protocol, 0
		case protocol != 0 && row.covers(protocol):
			return row, protocol, 0
		default:
			miss = wsa.EPROTONOSUPPORT
		}
	}
	if miss == wsa.EPROTONOSUPPORT && elsewhere && typeTaken && protocolTaken {
		miss = wsa.EPROTOTYPE
	}
	return nil, 0, miss
}

func fromInfo(given, info int32) (v int32, taken bool) {
	if given == 0 || given == wsa.FROM_PROTOCOL_INFO {
		return info, true
	}
	return given, false
}

const multipointMask = wsa.WSA_FLAG_MULTIPOINT_C_ROOT | wsa.WSA_FLAG_MULTIPOINT_C_LEAF |
	wsa.WSA_FLAG_MULTIPOINT_D_ROOT | wsa.WSA_FLAG_MULTIPOINT_D_LEAF

// checkFlags judges dwFlags (winsock-spi 3.29 item 2). The overlapped attribute
// and the inheritance of handles mean nothing to a base.
func checkFlags(service, flags uint32) wsa.Errno {
	const ignored = wsa.WSA_FLAG_OVERLAPPED | wsa.WSA_FLAG_NO_HANDLE_INHERIT
	const refused = wsa.WSA_FLAG_REGISTERED_IO | wsa.WSA_FLAG_ACCESS_SYSTEM_SECURITY
	if flags&^(ignored|refused|multipointMask) != 0 {
		return wsa.EINVAL
	}
	if e := MultipointFlags(service, flags); e != 0 {
		return e
	}
	if flags&refused != 0 {
		return wsa.EOPNOTSUPP
	}
	return 0
}

// MultipointFlags judges the multipoint bits of WSPSocket's dwFlags against the
// XP1_* bits of the entry: 0 or EINVAL (winsock-spi 7.2). None of the four is an
// ordinary socket. Otherwise the protocol must be a multipoint one, exactly one
// bit of each plane must be given, and a root needs a rooted plane.
func MultipointFlags(service, flags uint32) wsa.Errno {
	m := flags & multipointMask
	if m == 0 {
		return 0
	}
	control := m & (wsa.WSA_FLAG_MULTIPOINT_C_ROOT | wsa.WSA_FLAG_MULTIPOINT_C_LEAF)
	data := m & (wsa.WSA_FLAG_MULTIPOINT_D_ROOT | wsa.WSA_FLAG_MULTIPOINT_D_LEAF)
	one := func(v uint32) bool { return v != 0 && v&(v-1) == 0 }
	switch {
	case service&wsa.XP1_SUPPORT_MULTIPOINT == 0, !one(control), !one(data):
		return wsa.EINVAL
	case control == wsa.WSA_FLAG_MULTIPOINT_C_ROOT && service&wsa.XP1_MULTIPOINT_CONTROL_PLANE == 0:
		return wsa.EINVAL
	case data == wsa.WSA_FLAG_MULTIPOINT_D_ROOT && service&wsa.XP1_MULTIPOINT_DATA_PLANE == 0:
		return wsa.EINVAL
	}
	return 0
}

// open makes the endpoint and then the Socket; the handle comes last, so that
// nothing that others can see has to be undone (winsock-spi 4.1).
func (in *instance) open(row *Protocol, protocol int32, multipoint bool) (*provider.Socket, wsa.Errno) {
	ep, e := in.driver.Open(row.Family, row.Type, protocol)
	if e != 0 {
		return nil, e
	}
	k := &socket{in: in, row: row, protocol: protocol, multipoint: multipoint}
	k.link = newLink(ep, k)
	k.prepare(k.link, false)
	k.sift.adjust(k)
	s, e := in.register(k)
	if e != 0 {
		k.link.drop()
		return nil, e
	}
	return s, 0
}

// register gives k its handle (WPUCreateSocketHandle). From here on others may
// reach k.
func (in *instance) register(k *socket) (*provider.Socket, wsa.Errno) {
	s, e := in.up.CreateSocketHandle(in.own.CatalogEntryID, k)
	if e != 0 {
		return nil, e
	}
	s.Family, s.Type, s.Protocol = k.row.Family, k.row.Type, k.protocol
	k.self.Store(s)
	return s, 0
}
