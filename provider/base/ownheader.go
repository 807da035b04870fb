package base

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// ownHeader is the check of a packet that brings its IP header (IP_HDRINCL, IPV6_HDRINCL,
// and protocol 255): it must go where WSPSendTo or WSPConnect says that it goes, as that
// is what the layers above have judged. Other than on Windows, where it goes where its
// header says, it is EINVAL otherwise.
func (k *socket) ownHeader(m *provider.Msg, to bool) wsa.Errno {
	if k.row.Type != wsa.SOCK_RAW || !k.bringsHeader() {
		return 0
	}
	said := k.peer
	if to && m.Addr.Family != 0 {
		said = m.Addr
	} else if !k.hasPeer {
		said = k.session
	}
	if said.Addr().Unmap() != destinationOf(m.Buffers) {
		return wsa.EINVAL
	}
	return 0
}

func (k *socket) bringsHeader() bool {
	return k.protocol == wsa.IPPROTO_RAW || k.value(wsa.IPPROTO_IP, wsa.IP_HDRINCL) != 0 ||
		k.row.Family == wsa.AF_INET6 && k.value(wsa.IPPROTO_IPV6, wsa.IPV6_HDRINCL) != 0
}

// destinationOf is the destination in an IP header (RFC 791 3.1, RFC 8200 3); invalid for
// one that is none.
func destinationOf(buffers [][]byte) netip.Addr {
	var head [40]byte
	n := 0
	for _, b := range buffers {
		n += copy(head[n:], b)
	}
	switch {
	case n >= 20 && head[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(head[16:20]))
	case n == 40 && head[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(head[24:40])).Unmap()
	}
	return netip.Addr{}
}
