package base

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// joinLeaf is WSPJoinLeaf (winsock-spi 7.3) for what all rows of a base are, planes
// without a root: s is a c_leaf and d_leaf, and is itself what is returned. The join is
// over when it returns: package sockets tells of it by FD_CONNECT. JL_RECEIVER_ONLY and
// JL_BOTH make s a member on the default multicast interface, or the one that a
// link-local group's scope names; with JL_SENDER_ONLY and JL_BOTH the group is where
// sends go that name nobody, but unlike after a WSPConnect everybody is heard.
//
//	EOPNOTSUPP     not a multipoint socket; the network knows no groups
//	EINVAL         not exactly one of the JL_ flags
//	EISCONN        a leaf already, or a member of the group
//	EFAULT, EAFNOSUPPORT, EADDRNOTAVAIL  no address; of another family; of no group, or port 0
//	EADDRINUSE, ENOBUFS                  of the implicit bind and the join
//
// EALREADY cannot be, as nothing is ever pending. The flow specifications and the
// caller data of the SDK's function do not come down here.
func joinLeaf(s *provider.Socket, r *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
	k, e := writer(s)
	if e != 0 {
		return nil, e
	}
	defer k.mu.Unlock()
	if e := k.joinLeaf(r); e != 0 {
		return nil, e
	}
	return s, 0
}

func (k *socket) joinLeaf(r *provider.JoinRequest) wsa.Errno {
	g, e := k.grouper()
	if e != 0 || !k.multipoint {
		return wsa.EOPNOTSUPP
	}
	switch r.Flags {
	case wsa.JL_SENDER_ONLY, wsa.JL_RECEIVER_ONLY, wsa.JL_BOTH:
	default:
		return wsa.EINVAL
	}
	if k.leaf {
		return wsa.EISCONN
	}
	if e := k.checkRemote(r.To); e != 0 {
		return e
	}
	group := r.To.Addr().Unmap()
	if !group.IsMulticast() {
		return wsa.EADDRNOTAVAIL
	}
	if !k.bound {
		if e := k.bind(provider.Any(k.row.Family, 0), false); e != 0 {
			return e
		}
	}
	if r.Flags != wsa.JL_SENDER_ONLY {
		index, e := g.GroupInterface(group, netip.Addr{}, r.To.Scope)
		switch {
		case e != 0:
			return e
		case k.groups.find(group, index) >= 0:
			return wsa.EISCONN
		}
		if e := k.member(g, provider.JoinGroup, group, index, netip.Addr{}); e != 0 {
			return e
		}
	}
	k.leaf = true
	if r.Flags != wsa.JL_RECEIVER_ONLY {
		k.session = r.To
	}
	return 0
}

// addressed is where a datagram goes that names nobody: to the group of a leaf that
// sends, if the socket was not connected since.
func (k *socket) addressed(to provider.Addr) provider.Addr {
	if to.Family == 0 && !k.hasPeer {
		return k.session
	}
	return to
}
