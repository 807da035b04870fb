package winsocktest

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// group is the n-th multicast group of the case's family.
func (w *Case) group(n byte) netip.Addr {
	if w.Family() == wsa.AF_INET {
		return netip.AddrFrom4([4]byte{239, 77, 1, n})
	}
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x05, 14: 77, 15: n})
}

// groupOp is an operation of 7.4, in the two forms that it has.
type groupOp struct {
	name   string
	mcast  int32 // MCAST_*, of both families
	deer   int32 // IP_*, with ip_mreq or ip_mreq_source
	source bool
}

var (
	addGroup      = groupOp{"ADD_MEMBERSHIP", wsa.MCAST_JOIN_GROUP, wsa.IP_ADD_MEMBERSHIP, false}
	dropGroup     = groupOp{"DROP_MEMBERSHIP", wsa.MCAST_LEAVE_GROUP, wsa.IP_DROP_MEMBERSHIP, false}
	addSource     = groupOp{"ADD_SOURCE", wsa.MCAST_JOIN_SOURCE_GROUP, wsa.IP_ADD_SOURCE_MEMBERSHIP, true}
	dropSource    = groupOp{"DROP_SOURCE", wsa.MCAST_LEAVE_SOURCE_GROUP, wsa.IP_DROP_SOURCE_MEMBERSHIP, true}
	blockSource   = groupOp{"BLOCK_SOURCE", wsa.MCAST_BLOCK_SOURCE, wsa.IP_BLOCK_SOURCE, true}
	unblockSource = groupOp{"UNBLOCK_SOURCE", wsa.MCAST_UNBLOCK_SOURCE, wsa.IP_UNBLOCK_SOURCE, true}
)

// set does it on the default interface, by the MCAST_ option or by IPv4's own.
func (o groupOp) set(e *End, s sockets.SOCKET, group, source netip.Addr, deering bool) wsa.Errno {
	if deering {
		in := group.AsSlice()
		if o.source {
			in = append(in, source.AsSlice()...)
		}
		return e.WSPSetSockOpt(s, ip4, o.deer, append(in, 0, 0, 0, 0))
	}
	in := append(make([]byte, 8), storage(group)...)
	if o.source {
		in = append(in, storage(source)...)
	}
	return e.WSPSetSockOpt(s, e.w.level(), o.mcast, in)
}

// storage is a SOCKADDR_STORAGE.
func storage(a netip.Addr) []byte {
	return slices.Concat(Name(a, 0), make([]byte, 128-len(Name(a, 0))))
}

// receiver is a datagram socket at the wildcard and a port, 0 for one that is chosen,
// which it may share; it returns its port.
func (e *End) receiver(port uint16, flags uint32) (sockets.SOCKET, uint16) {
	e.w.Helper()
	s := e.OpenWith(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, flags|wsa.WSA_FLAG_OVERLAPPED)
	e.w.Want("SO_REUSEADDR", e.SetOption(s, sol, wsa.SO_REUSEADDR, 1), 0)
	name := e.w.Any()
	binary.BigEndian.PutUint16(name[2:], port)
	e.w.Want("WSPBind", e.WSPBind(s, name), 0)
	return s, binary.BigEndian.Uint16(e.SockName(s)[2:])
}

// hears wants these datagrams to be what comes next, and no others in between.
func (e *End) hears(s sockets.SOCKET, want ...string) {
	e.w.Helper()
	for _, text := range want {
		e.Await(s, wsa.FD_READ)
		got, errno := e.Recv(s, 64, 0)
		e.w.Want("WSPRecv of "+text, errno, 0)
		if got != text {
			e.w.Fatalf("heard %q, want %q", got, text)
		}
	}
}

// joins does an operation that is to succeed.
func (e *End) joins(o groupOp, s sockets.SOCKET, group, source netip.Addr) {
	e.w.Helper()
	e.w.Want(o.name, o.set(e, s, group, source, false), 0)
}

// says sends text to a group from a socket of the client's.
func (w *Case) says(c sockets.SOCKET, group netip.Addr, port uint16, text string) {
	w.Helper()
	w.C.sendTo(c, text, Name(group, port))
}

// seen is the client's address as a receiver in a group sees it.
func (w *Case) seen(c, s sockets.SOCKET, port uint16) netip.Addr {
	w.Helper()
	w.S.joins(addGroup, s, w.group(200), netip.Addr{})
	w.says(c, w.group(200), port, "who am I")
	w.S.Await(s, wsa.FD_READ)
	from, n := make([]byte, 64), int32(64)
	var size uint32
	var flags wsa.MsgFlags
	w.Want("WSPRecvFrom", w.S.WSPRecvFrom(s, [][]byte{make([]byte, 64)}, &size, &flags, from, &n, nil, nil, nil), 0)
	a, ok := netip.AddrFromSlice(from[4:8])
	if w.Family() == wsa.AF_INET6 {
		a, ok = netip.AddrFromSlice(from[8:24])
	}
	equal(w, "an address", ok, true)
	return a
}
