package netstack_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack/stacktest"
)

func TestOptions(t *testing.T) {
	const (
		tcp = 1 << iota
		udp
		raw
		only6
	)
	kinds := []struct {
		bit           int
		typ, protocol int32
	}{{tcp, wsa.SOCK_STREAM, wsa.IPPROTO_TCP}, {udp, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP}, {raw, wsa.SOCK_RAW, wsa.IPPROTO_UDP}}
	for _, row := range []struct {
		name        string
		level, opt  int32
		on          int
		def         int // -1: any
		good, wrong []int
	}{
		{"SO_REUSEADDR", wsa.SOL_SOCKET, wsa.SO_REUSEADDR, tcp | udp, 0, []int{1, 0}, nil},
		{"SO_KEEPALIVE", wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, tcp, 0, []int{1, 0}, nil},
		{"SO_BROADCAST", wsa.SOL_SOCKET, wsa.SO_BROADCAST, udp | raw, 0, []int{1, 0}, nil},
		{"SO_SNDBUF", wsa.SOL_SOCKET, wsa.SO_SNDBUF, tcp | udp | raw, -1, []int{8192, 65536}, []int{-1}},
		{"SO_RCVBUF", wsa.SOL_SOCKET, wsa.SO_RCVBUF, tcp | udp | raw, -1, []int{8192, 65536}, []int{-1}},
		{"TCP_NODELAY", wsa.IPPROTO_TCP, wsa.TCP_NODELAY, tcp, 0, []int{1, 0}, nil},
		{"TCP_KEEPIDLE", wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE, tcp, 7200, []int{1, 60}, []int{0, -1}},
		{"TCP_KEEPINTVL", wsa.IPPROTO_TCP, wsa.TCP_KEEPINTVL, tcp, 1, []int{5}, []int{0, -1}},
		{"TCP_KEEPCNT", wsa.IPPROTO_TCP, wsa.TCP_KEEPCNT, tcp, -1, []int{3, 255}, []int{0, 256}},
		{"TCP_MAXSEG", wsa.IPPROTO_TCP, wsa.TCP_MAXSEG, tcp, -1, []int{1000}, []int{0, 1}},
		{"TCP_MAXRT", wsa.IPPROTO_TCP, wsa.TCP_MAXRT, tcp, -1, []int{5, -1}, []int{-2}},
		{"TCP_MAXRTMS", wsa.IPPROTO_TCP, wsa.TCP_MAXRTMS, tcp, -1, []int{1500, -1}, []int{-2}},
		{"IP_TTL", wsa.IPPROTO_IP, wsa.IP_TTL, tcp | udp | raw, 128, []int{1, 255}, []int{0, 256}},
		{"IP_TOS", wsa.IPPROTO_IP, wsa.IP_TOS, tcp | udp | raw, 0, []int{0x20}, []int{-1, 256}},
		{"IP_MULTICAST_TTL", wsa.IPPROTO_IP, wsa.IP_MULTICAST_TTL, udp | raw, 1, []int{0, 7}, []int{-1, 256}},
		{"IP_HDRINCL", wsa.IPPROTO_IP, wsa.IP_HDRINCL, raw, 0, []int{1, 0}, nil},
		{"IP_DONTFRAGMENT", wsa.IPPROTO_IP, wsa.IP_DONTFRAGMENT, udp | raw, 0, []int{1, 0}, nil},
		{"IP_MTU_DISCOVER", wsa.IPPROTO_IP, wsa.IP_MTU_DISCOVER, tcp | udp | raw, 0, []int{1, 2, 3, 0}, []int{-1, 4}},
		{"IPV6_V6ONLY", wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, only6 | tcp | udp, 1, []int{0, 1}, nil},
		{"IPV6_UNICAST_HOPS", wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_HOPS, only6 | tcp | udp | raw, 128, []int{1, 255}, []int{-1, 256}},
		{"IPV6_TCLASS", wsa.IPPROTO_IPV6, wsa.IPV6_TCLASS, only6 | tcp | udp | raw, 0, []int{0x20}, []int{256}},
		{"IPV6_MULTICAST_HOPS", wsa.IPPROTO_IPV6, wsa.IPV6_MULTICAST_HOPS, only6 | udp | raw, 1, []int{7}, []int{256}},
		{"IPV6_DONTFRAG", wsa.IPPROTO_IPV6, wsa.IPV6_DONTFRAG, only6 | udp | raw, 0, []int{1, 0}, nil},
		{"UDP_NOCHECKSUM", wsa.IPPROTO_UDP, wsa.UDP_NOCHECKSUM, udp, 0, []int{1, 0}, nil},
		{"IPV6_CHECKSUM", wsa.IPPROTO_IPV6, wsa.IPV6_CHECKSUM, only6 | raw, -1, []int{2, -1}, []int{3, -2}},
		{"IP_UNICAST_IF", wsa.IPPROTO_IP, wsa.IP_UNICAST_IF, tcp | udp | raw, 0, []int{1, 0}, []int{99}},
		{"SO_LINGER", wsa.SOL_SOCKET, wsa.SO_LINGER, 0, 0, nil, nil},
		{"IP_ADD_MEMBERSHIP", wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, 0, 0, nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNet(t, stacktest.PairConfig{})
			for _, fam := range families {
				for _, k := range kinds {
					s := open(t, n.a, fam.af, k.typ, k.protocol)
					v, e := s.Option(row.level, row.opt)
					if row.on&k.bit == 0 || row.on&only6 != 0 && fam.af != wsa.AF_INET6 {
						if e != wsa.ENOPROTOOPT || s.SetOption(row.level, row.opt, 1) != wsa.ENOPROTOOPT {
							t.Errorf("%s/%d: %d, %s; want WSAENOPROTOOPT", fam.name, k.typ, v, e.Name())
						}
						continue
					}
					if e != 0 || row.def >= 0 && v != row.def {
						t.Errorf("%s/%d: default %d, %s; want %d", fam.name, k.typ, v, e.Name(), row.def)
					}
					for _, want := range row.good {
						s.must("set", s.SetOption(row.level, row.opt, want))
						if v, e := s.Option(row.level, row.opt); v != want || e != 0 {
							t.Errorf("%s/%d: %d, %s after setting %d", fam.name, k.typ, v, e.Name(), want)
						}
					}
					for _, bad := range row.wrong {
						s.fails("set wrong", s.SetOption(row.level, row.opt, bad), wsa.EINVAL)
					}
				}
			}
		})
	}
}

// TestBufferLimits: 0 must not stop the endpoint for good.
func TestBufferLimits(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	a, b := n.connection(t, families[0])
	for _, name := range []int32{wsa.SO_SNDBUF, wsa.SO_RCVBUF} {
		a.must("set", a.SetOption(wsa.SOL_SOCKET, name, 0))
		b.must("set", b.SetOption(wsa.SOL_SOCKET, name, 0))
	}
	want := pattern(100 << 10)
	go a.sendAll(want)
	if got := b.recvAll(len(want)); string(got) != string(want) {
		t.Error("received something else")
	}
}

// TestAcceptedDefaults: gVisor hands next to nothing on.
func TestAcceptedDefaults(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		_, b := n.connection(t, fam)
		if v, e := b.Option(wsa.IPPROTO_IP, wsa.IP_TTL); v != 128 || e != 0 {
			t.Errorf("TTL %d, %s", v, e.Name())
		}
		if v, e := b.Option(wsa.IPPROTO_TCP, wsa.TCP_NODELAY); v != 0 || e != 0 {
			t.Errorf("NODELAY %d, %s", v, e.Name())
		}
	})
}
