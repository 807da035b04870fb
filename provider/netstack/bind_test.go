package netstack_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack/stacktest"
)

var transports = map[string][2]int32{
	"tcp": {wsa.SOCK_STREAM, wsa.IPPROTO_TCP},
	"udp": {wsa.SOCK_DGRAM, wsa.IPPROTO_UDP},
}

// TestBind is what binds look like without options; bindmatrix_test.go has the whole
// table of winsock-spi 9.5.
func TestBind(t *testing.T) {
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	for _, row := range []struct {
		name          string
		first, second netip.Addr
		reuse, dual   bool
		want          wsa.Errno
	}{
		{"wildcard twice", any4, any4, false, false, wsa.EADDRINUSE},
		{"specific twice", stacktest.A4, stacktest.A4, false, false, wsa.EADDRINUSE},
		{"specific after wildcard", any4, stacktest.A4, false, false, 0},
		{"wildcard after specific", stacktest.A4, any4, false, false, 0},
		{"loopback beside specific", stacktest.A4, netip.MustParseAddr("127.0.0.1"), false, false, 0},
		{"both reuse", any4, any4, true, false, 0},
		{"inet6 wildcard twice", any6, any6, false, false, wsa.EADDRINUSE},
		{"inet beside inet6 only", any6, any4, false, false, 0},
		{"inet after dual stack", any6, any4, false, true, wsa.EADDRINUSE},
		{"dual stack after inet", any4, any6, false, true, wsa.EADDRINUSE},
	} {
		for name, tr := range transports {
			t.Run(row.name+"/"+name, func(t *testing.T) {
				n := newNet(t, stacktest.PairConfig{})
				mk := func(ip netip.Addr) *sock {
					af := wsa.AF_INET
					if ip.Is6() {
						af = wsa.AF_INET6
					}
					s := open(t, n.a, af, tr[0], tr[1])
					if row.reuse {
						s.must("reuse", s.SetOption(wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1))
					}
					if row.dual && ip.Is6() {
						s.must("v6only", s.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0))
					}
					return s
				}
				first, second := mk(row.first), mk(row.second)
				at := first.bind(row.first, 0)
				second.fails("bind", second.Bind(addr(row.second, at.Port())), row.want)
				if row.want != 0 {
					first.close(false)
					second.must("bind after close", second.Bind(addr(row.second, at.Port())))
				}
			})
		}
	}
}

func TestBindErrors(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	for name, tr := range transports {
		s := open(t, n.a, wsa.AF_INET, tr[0], tr[1])
		s.fails(name+" bind elsewhere", s.Bind(addr(stacktest.B4, 0)), wsa.EADDRNOTAVAIL)
		s.fails(name+" bind inet6", s.Bind(addr(stacktest.A6, 0)), wsa.EAFNOSUPPORT)
		s.bind(stacktest.A4, 0)
		s.fails(name+" bind twice", s.Bind(addr(stacktest.A4, 0)), wsa.EINVAL)
	}
}

// TestTwoListeners: sharing a port by SO_REUSEADDR does not let two listen.
func TestTwoListeners(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	var all [2]*sock
	port := uint16(0)
	for i := range all {
		all[i] = stream(t, n.a, wsa.AF_INET)
		all[i].must("reuse", all[i].SetOption(wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1))
		port = all[i].bind(stacktest.A4, port).Port()
	}
	all[0].must("listen", all[0].Listen(1))
	all[1].fails("listen", all[1].Listen(1), wsa.EADDRINUSE)
}

// TestTimeWait: a connection in TIME-WAIT keeps nobody from listening again, but
// its own 4-tuple is taken.
func TestTimeWait(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		l, at := listener(t, n.b, fam.b, 5)
		a := stream(t, n.a, fam.af)
		mine := a.bind(fam.a, 0)
		a.dial(at)
		b := l.accept()
		b.must("shutdown", b.Shutdown()) // first: TIME-WAIT is b's
		a.await("peer closed", peerClosed)
		a.must("shutdown", a.Shutdown())
		b.await("peer closed", peerClosed)
		for _, s := range []*sock{a, b, l} {
			s.close(false)
		}
		again := stream(t, n.b, fam.af)
		again.must("bind", again.Bind(at))
		again.must("listen", again.Listen(5))
		other := stream(t, n.a, fam.af)
		other.bind(fam.a, mine.Port()+1)
		other.dial(at)
	})
}

func TestConnectClash(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		_, at := listener(t, n.b, fam.b, 5)
		var all [2]*sock
		port := uint16(0)
		for i := range all {
			all[i] = stream(t, n.a, fam.af)
			all[i].must("reuse", all[i].SetOption(wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1))
			port = all[i].bind(fam.a, port).Port()
		}
		all[0].dial(at)
		all[1].fails("connect from the same port", all[1].Connect(at), wsa.EADDRINUSE)
	})
}
