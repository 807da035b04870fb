package socketstest_test

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// name is a sockaddr for d, by what the instruction says of it.
func (r *runner) name(d *descriptor, kind, n byte, binding bool) []byte {
	g := r.m.ground
	family := d.k.family
	if family == 0 {
		family = g.family
	}
	own, far := g.host(d.side, family), g.host(1-d.side, family)
	port := 2000 + uint16(n%4)
	if g.public {
		if port = 1; binding { // where nobody listens
			port = 0
		}
	}
	zero := provider.Any(family, 0).Addr()
	switch kind % 12 {
	default:
		return r.nameOf(r.m.at(kind / 12 % slots))
	case 5:
		return winsocktest.Name(far, port)
	case 6:
		return winsocktest.Name(own, port)
	case 7:
		return winsocktest.Name(zero, 0)
	case 8:
		return winsocktest.Name(own, 0)
	case 9:
		if family == wsa.AF_INET6 {
			return winsocktest.Name(netip.IPv6Loopback(), port)
		}
		return winsocktest.Name(netip.MustParseAddr("127.0.0.1"), port)
	case 10:
		return r.group(family, port)
	case 11:
		all := [][]byte{nil, {2}, {0xad, 0xde, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, winsocktest.Name(g.host(d.side, wsa.AF_INET), port), winsocktest.Name(g.host(d.side, wsa.AF_INET6), port), winsocktest.Name(own, 0)}
		if !g.public { // no route, and nobody
			all = append(all, winsocktest.Name(netip.MustParseAddr("198.51.100.1"), 9), winsocktest.Name(netip.MustParseAddr("10.1.0.99"), 9), winsocktest.Name(netip.MustParseAddr("255.255.255.255"), port))
		}
		return all[int(n)%len(all)]
	}
}

// groupPort is where the groups are.
const groupPort = 2000

// group is a multicast group, if it is not the machine's own network.
func (r *runner) group(family int32, port uint16) []byte {
	switch {
	case r.m.ground.public:
		return winsocktest.Name(r.m.ground.host(0, family), 1)
	case family == wsa.AF_INET6:
		return winsocktest.Name(netip.MustParseAddr("ff02::4242"), port)
	}
	return winsocktest.Name(netip.MustParseAddr("239.1.2.3"), port)
}

// nameOf is the local address of d as others reach it, of nobody if it has none.
func (r *runner) nameOf(d *descriptor) []byte {
	b, n := make([]byte, 64), int32(64)
	e := r.call("WSPGetSockName", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPGetSockName(d.h, b, &n) })
	a, ok := provider.ParseSockaddr(b[:max(n, 0)])
	if e != 0 || !ok {
		return winsocktest.Name(r.m.ground.host(d.side, r.m.ground.family), 1)
	}
	if a.Addr().IsUnspecified() {
		return winsocktest.Name(r.m.ground.host(d.side, a.Family), a.Port())
	}
	return winsocktest.Name(a.Addr(), a.Port())
}

func (r *runner) names(i instruction) {
	d := r.m.at(i.slot)
	b, n := make([]byte, 40), int32(i.c%40)
	fn := []string{"WSPGetSockName", "WSPGetPeerName"}[i.a&1]
	e := r.call(fn, d, func(t *sockets.WSPProcTable) wsa.Errno {
		if i.a&1 == 0 {
			return t.WSPGetSockName(d.h, b, &n)
		}
		return t.WSPGetPeerName(d.h, b, &n)
	})
	if e == 0 && n != provider.SockaddrInSize && n != provider.SockaddrIn6Size {
		r.m.failf("%s: an address of %d bytes", fn, n)
	}
}

func (r *runner) joinLeaf(i instruction) {
	d := r.m.at(i.slot)
	name := r.name(d, i.b, i.c, true)
	if i.b&1 == 0 {
		name = r.group(d.k.family, groupPort)
	}
	h := sockets.INVALID_SOCKET
	e := r.call("WSPJoinLeaf", d, func(t *sockets.WSPProcTable) (e wsa.Errno) {
		h, e = t.WSPJoinLeaf(d.h, name, nil, nil, nil, nil, uint32(i.a%6))
		return e
	})
	if (e == 0) != (h == d.h) {
		r.m.failf("WSPJoinLeaf on %d: %d, %s", d.h, h, e.Name())
	}
}
