package host_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestConnectICMP: an attempt with TCP_FAIL_CONNECT_ON_ICMP_ERROR ends at the first
// such error and says what it was, also if it comes while connect(2) is under way, as a
// neighbour's may.
func TestConnectICMP(t *testing.T) {
	twoHosts(t, func(far func(string)) {
		far("ip route add 10.6.0.0/16 dev lo")
		far("ip route add 2001:db8:6::/48 dev v1")
		far("ip route add prohibit 10.7.0.0/16")
		far("ip route add prohibit 2001:db8:7::/48")
		h := newHost(t, host.Config{})
		near := map[int32]netip.Addr{wsa.AF_INET: netip.MustParseAddr("10.9.0.2"), wsa.AF_INET6: netip.MustParseAddr("2001:db8:9::2")}
		for _, c := range []struct {
			to     string
			ttl    int
			err    wsa.Errno
			ty, co uint8
		}{
			{"10.6.0.1:80", 1, wsa.EHOSTUNREACH, 11, 0},
			{"10.4.0.1:80", 9, wsa.ENETUNREACH, 3, 0},
			{"10.7.0.1:80", 9, wsa.EACCES, 3, 13},
			{"[2001:db8:6::1]:80", 1, wsa.EHOSTUNREACH, 3, 0},
			{"[2001:db8:4::1]:80", 9, wsa.ENETUNREACH, 1, 0},
			{"[2001:db8:7::1]:80", 9, wsa.EACCES, 1, 1},
			{"10.9.0.2:80", 9, wsa.ECONNREFUSED, 0, 0}, // by a reset
			{"[2001:db8:9::2]:80", 9, wsa.ECONNREFUSED, 0, 0},
		} {
			to := at(c.to)
			s := openTCP(t, h, to.Family)
			level, name := wsa.IPPROTO_IP, wsa.IP_TTL
			if to.Family == wsa.AF_INET6 {
				level, name = wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_HOPS
			}
			must(t, "TTL", s.SetOption(level, name, c.ttl))
			must(t, "option", s.SetOption(wsa.IPPROTO_TCP, wsa.TCP_FAIL_CONNECT_ON_ICMP_ERROR, 1))
			if errno := s.Connect(to); errno != wsa.EWOULDBLOCK {
				t.Errorf("Connect to %s: %s", c.to, errno.Name())
				continue
			}
			st := s.until("dead", func(st base.State) bool { return st.Phase == base.Dead })
			want := provider.ICMPError{Type: c.ty, Code: c.co}
			if c.ty != 0 {
				want.From = near[to.Family]
			}
			if got := s.Endpoint.(base.ICMPErrorer).ICMPError(); st.Err != c.err || got.From != want.From || got.Type != want.Type || got.Code != want.Code {
				t.Errorf("%s with TTL %d: %s, %+v; want %s, %+v", c.to, c.ttl, st.Err.Name(), got, c.err.Name(), want)
			}
		}
	})
}
