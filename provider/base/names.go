package base

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// getSockName is WSPGetSockName: EINVAL while unbound. The host part of a
// wildcard bind stays unspecified until the socket is connected.
func getSockName(s *provider.Socket) (provider.Addr, wsa.Errno) {
	k, e := reader(s)
	if e != 0 {
		return provider.Addr{}, e
	}
	defer k.mu.RUnlock()
	if !k.bound {
		return provider.Addr{}, wsa.EINVAL
	}
	return k.localName(), 0
}

// localName is the name of a bound socket. The network forgets that of a dead
// connection, Windows does not.
func (k *socket) localName() provider.Addr {
	if a, ok := k.link.LocalAddr(); ok {
		return a
	}
	return k.local
}

// getPeerName is WSPGetPeerName: ENOTCONN unless connected. It works after
// SD_BOTH and after the connection's death.
func getPeerName(s *provider.Socket) (provider.Addr, wsa.Errno) {
	k, e := reader(s)
	if e != 0 {
		return provider.Addr{}, e
	}
	defer k.mu.RUnlock()
	if a, ok := k.peerName(); ok {
		return a, 0
	}
	if k.session.Family != 0 {
		return k.session, 0
	}
	return provider.Addr{}, wsa.ENOTCONN
}

func (k *socket) peerName() (a provider.Addr, ok bool) {
	return k.peer, k.stream() && k.now() == connected || k.hasPeer
}

// remember notes the local address while the network knows it.
func (k *socket) remember() {
	if a, ok := k.link.LocalAddr(); ok {
		k.local = a
	}
}

// wellFormed reports whether the parts of a sockaddr fit each other.
func wellFormed(a provider.Addr) bool {
	ip := a.Addr()
	switch a.Family {
	case wsa.AF_INET:
		return ip.Is4()
	case wsa.AF_INET6:
		return ip.Is6()
	}
	return false
}

// checkRemote judges a destination (winsock-spi 3.9, 3.26): EFAULT for none or a
// malformed one, EAFNOSUPPORT for another family, EADDRNOTAVAIL for the wildcard
// host, for port 0, and for an IPv4 address on a socket that is IPv6 only.
func (k *socket) checkRemote(a provider.Addr) wsa.Errno {
	switch {
	case a.Family == 0:
		return wsa.EFAULT
	case a.Family != k.row.Family:
		return wsa.EAFNOSUPPORT
	case !wellFormed(a):
		return wsa.EFAULT
	case a.IsUnspecified(), a.Port() == 0 && k.hasPorts():
		return wsa.EADDRNOTAVAIL
	case k.foreignIPv4(a):
		return wsa.EADDRNOTAVAIL
	}
	return 0
}

// foreignIPv4 reports a v4-mapped address that the socket, being IPv6 only,
// cannot use.
func (k *socket) foreignIPv4(a provider.Addr) bool {
	return a.Addr().Is4In6() && k.value(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY) != 0
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// addressToString is WSPAddressToString (winsock-spi 12.3).
func (in *instance) addressToString(a provider.Addr, info *provider.ProtocolInfo) (string, wsa.Errno) {
	if !in.mine(info) || !in.serves(a.Family) || !wellFormed(a) {
		return "", wsa.EINVAL
	}
	return a.String(), 0
}

// stringToAddress is WSPStringToAddress. A missing port is 0; a zone must be a
// number, as a scope id is one.
func (in *instance) stringToAddress(text string, af int32, info *provider.ProtocolInfo) (provider.Addr, wsa.Errno) {
	if !in.mine(info) || af != 0 && !in.serves(af) {
		return provider.Addr{}, wsa.EINVAL
	}
	a, ok := parseAddr(text)
	if !ok || af != 0 && a.Family != af || !in.serves(a.Family) {
		return provider.Addr{}, wsa.EINVAL
	}
	return a, 0
}

func parseAddr(text string) (provider.Addr, bool) {
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		bare := text
		if strings.HasPrefix(bare, "[") && strings.HasSuffix(bare, "]") {
			bare = bare[1 : len(bare)-1]
		}
		ip, err := netip.ParseAddr(bare)
		if err != nil || bare != text && !ip.Is6() {
			return provider.Addr{}, false
		}
		ap = netip.AddrPortFrom(ip, 0)
	}
	if z := ap.Addr().Zone(); z != "" {
		if _, err := strconv.ParseUint(z, 10, 32); err != nil {
			return provider.Addr{}, false
		}
	}
	return provider.AddrFrom(ap), true
}

func (in *instance) mine(info *provider.ProtocolInfo) bool {
	return info != nil && info.CatalogEntryID == in.own.CatalogEntryID
}

func (in *instance) serves(af int32) bool {
	for i := range in.rows {
		if in.rows[i].Family == af {
			return true
		}
	}
	return false
}
