package base_test

import (
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestMulticastInterface is IP_MULTICAST_IF and IPV6_MULTICAST_IF (winsock-spi 9.3).
func TestMulticastInterface(t *testing.T) {
	const ip, ip6 = wsa.IPPROTO_IP, wsa.IPPROTO_IPV6
	for _, c := range []struct {
		name  string
		on    string
		level int32
		value []byte
		index uint32
		want  wsa.Errno
	}{
		{"an address", datagram4, ip, ip4("10.0.0.3"), 3, 0},
		{"a number, in network order", datagram4, ip, ip4("0.0.0.2"), 2, 0},
		{"the default", datagram4, ip, ip4("0.0.0.0"), 0, 0},
		{"raw", raw4, ip, ip4("10.0.0.2"), 2, 0},
		{"an address that is not ours", datagram4, ip, ip4("10.0.0.9"), 0, wsa.EADDRNOTAVAIL},
		{"a number that is not ours", datagram4, ip, ip4("0.0.0.9"), 0, wsa.EADDRNOTAVAIL},
		{"a number in host order", datagram4, ip, ip4("2.0.0.0"), 0, wsa.EADDRNOTAVAIL},
		{"IPv6: a number, in host order", datagram6, ip6, le32(2), 2, 0},
		{"IPv6: the default", datagram6, ip6, le32(0), 0, 0},
		{"IPv6: a number that is not ours", datagram6, ip6, le32(9), 0, wsa.EADDRNOTAVAIL},
		{"IPv6 on IPv4", datagram4, ip6, le32(2), 0, wsa.ENOPROTOOPT},
		{"a stream", stream4, ip, ip4("0.0.0.2"), 0, wsa.ENOPROTOOPT},
		{"short", datagram4, ip, ip4("0.0.0.2")[:3], 0, wsa.EFAULT},
	} {
		t.Run(c.name, func(t *testing.T) {
			const option = wsa.IP_MULTICAST_IF // and IPV6_MULTICAST_IF
			d := basetest.NewScript()
			r := newRig(t, d)
			s := r.of(c.on)
			r.want("set", r.member(s, c.level, option, c.value), c.want)
			calls := d.Last().Called("SendGroupsOver")
			if c.want != 0 {
				if len(calls) != 0 {
					t.Errorf("asked: %v", calls)
				}
				return
			}
			if len(calls) != 1 || calls[0].Index != c.index {
				t.Errorf("asked: %v, want %d", calls, c.index)
			}
			back := make([]byte, 4)
			n, e := r.table(s).WSPGetSockOpt(s, c.level, option, back)
			if e != 0 || n != 4 || !slices.Equal(back, c.value) {
				t.Errorf("reads %v %d %s, want %v", back, n, name(e), c.value)
			}
		})
	}
}

// TestGroupIoctls: SIO_MULTIPOINT_LOOPBACK and SIO_MULTICAST_SCOPE are other names
// of the options (winsock-spi 7.3, 9.6).
func TestGroupIoctls(t *testing.T) {
	const ip, ip6 = wsa.IPPROTO_IP, wsa.IPPROTO_IPV6
	for _, c := range []struct {
		name string
		code uint32
		in   []byte
		opt  int32 // IP_ and IPV6_ have the same number
		def  int
		want int
		err  wsa.Errno
	}{
		{"SIO_MULTIPOINT_LOOPBACK off", wsa.SIO_MULTIPOINT_LOOPBACK, le32(0), wsa.IP_MULTICAST_LOOP, 1, 0, 0},
		{"SIO_MULTIPOINT_LOOPBACK on", wsa.SIO_MULTIPOINT_LOOPBACK, le32(7), wsa.IP_MULTICAST_LOOP, 1, 1, 0},
		{"SIO_MULTIPOINT_LOOPBACK short", wsa.SIO_MULTIPOINT_LOOPBACK, []byte{0, 0, 0}, wsa.IP_MULTICAST_LOOP, 1, 1, wsa.EFAULT},
		{"SIO_MULTICAST_SCOPE", wsa.SIO_MULTICAST_SCOPE, le32(32), wsa.IP_MULTICAST_TTL, 1, 32, 0},
		{"SIO_MULTICAST_SCOPE 0", wsa.SIO_MULTICAST_SCOPE, le32(0), wsa.IP_MULTICAST_TTL, 1, 0, 0},
		{"SIO_MULTICAST_SCOPE 256", wsa.SIO_MULTICAST_SCOPE, le32(256), wsa.IP_MULTICAST_TTL, 1, 1, wsa.EINVAL},
		{"SIO_MULTICAST_SCOPE -1", wsa.SIO_MULTICAST_SCOPE, le32(-1), wsa.IP_MULTICAST_TTL, 1, 1, wsa.EINVAL},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, on := range []string{datagram4, datagram6, "dual"} {
				r := newRig(t, basetest.NewScript())
				kind, levels := on, []int32{ip}
				if on != datagram4 {
					kind, levels = datagram6, []int32{ip6}
				}
				s := r.of(kind)
				if on == "dual" {
					r.want("IPV6_V6ONLY", r.set(s, ip6, wsa.IPV6_V6ONLY, 0), 0)
					levels = []int32{ip, ip6}
				}
				check := func(what string, want int) {
					t.Helper()
					for _, l := range levels {
						if v, e := r.get(s, l, c.opt); v != want || e != 0 {
							t.Errorf("%s, %s, level %d: %d %s, want %d", on, what, l, v, name(e), want)
						}
					}
				}
				check("before", c.def)
				_, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: c.code, In: c.in})
				r.want(on, e, c.err)
				check("after", c.want)
			}
			r := newRig(t, basetest.NewScript())
			s := r.tcp()
			_, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: c.code, In: le32(1)})
			r.want("a stream", e, wsa.EINVAL)
		})
	}
}
