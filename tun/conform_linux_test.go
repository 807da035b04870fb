package tun_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// Two TUNs are joined by a kernel that forwards, two TAPs by a bridge.
func TestDeviceConforms(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  tun.Config
	}{
		{"TUN", tun.Config{}},
		{"TUN without offload", tun.Config{NoOffload: true}},
		{"TUN two queues", tun.Config{Queues: 2}},
		{"TUN water", tun.Config{Driver: tun.DriverWater}},
		{"TUN water two queues", tun.Config{Driver: tun.DriverWater, Queues: 2}},
		{"TAP", tun.Config{TAP: true}},
		{"TAP water", tun.Config{TAP: true, Driver: tun.DriverWater}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tuntest.Conform(t, func(t *testing.T) (a, b tuntest.Device) {
				ns := tuntest.NetNS(t)
				c.cfg.Netns = ns
				x, y := open(t, c.cfg), open(t, c.cfg)
				if c.cfg.TAP {
					bridge(t, ns, x, y)
				} else {
					forward(t, ns, x, y)
				}
				await(t, x, "up", isUp)
				await(t, y, "up", isUp)
				return linked{x, t, ns}, linked{y, t, ns}
			})
		})
	}
}

func forward(t *testing.T, ns string, a, b *tun.Device) {
	sysctl(t, ns, "net/ipv4/ip_forward", "1")
	for d, peer := range map[*tun.Device]netip.Addr{a: tuntest.AddrA.Addr(), b: tuntest.AddrB.Addr()} {
		must(t, link(t, d).AddAddr(netip.PrefixFrom(peer.Prev(), 24)))
		must(t, link(t, d).SetUp())
	}
}

func bridge(t *testing.T, ns string, a, b *tun.Device) {
	ip(t, ns, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	ip(t, ns, "link", "set", "br0", "up")
	for _, d := range []*tun.Device{a, b} {
		ip(t, ns, "link", "set", d.Name(), "master", "br0")
		must(t, link(t, d).SetUp())
	}
}
