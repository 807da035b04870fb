//go:build linux

package opener

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/netnsd/netnsd/tun"
)

// txQueueLen is how many packets wait in the device for the data plane: 1000
// saturated flows overflow the kernel's 500 (perf.md, section F).
const txQueueLen = 10000

// link makes the device and the interface's configuration. The device is
// persistent: unregistering one on the last close costs 16 to 53 ms of RCU
// grace periods (ecosystem.md 2.b), while a persistent one ends with the
// namespace, unseen. What outlives the program finds its carrier gone.
func (r *Request) link(s *Setup) (*tun.Device, error) {
	lo, err := tun.OpenLink("", "lo")
	if err != nil {
		return nil, failure("loopback", err)
	}
	err = lo.SetUp()
	if err = errors.Join(err, lo.Close()); err != nil {
		return nil, failure("loopback", err)
	}
	device, err := tun.Open(tun.Config{Name: r.Device, MTU: r.MTU, Persist: true})
	if err != nil {
		return nil, failure("device", err)
	}
	if err := r.configure(device, s); err != nil {
		return nil, errors.Join(failure("device", err), device.Close())
	}
	return device, nil
}

func (r *Request) configure(device *tun.Device, s *Setup) error {
	link, err := device.Link()
	if err != nil {
		return err
	}
	s.Device = uint32(link.Index())
	if err := link.SetTxQueueLen(txQueueLen); err != nil {
		return err
	}
	if err := link.SetUp(); err != nil {
		return err
	}
	for i, a := range r.Addrs {
		err := r.address(link, a, r.Gateways[i])
		if err != nil && a.Addr().Is6() { // ipv6.disable=1 on the kernel's command line
			s.Warnings = append(s.Warnings, "no IPv6 inside: "+err.Error())
			continue
		}
		if err != nil {
			return err
		}
		s.Addrs = append(s.Addrs, a)
	}
	for _, a := range s.Addrs {
		if err := link.AwaitAddr(a.Addr()); err != nil {
			s.Warnings = append(s.Warnings, err.Error())
		}
	}
	return nil
}

func (r *Request) address(link *tun.Link, a netip.Prefix, gateway netip.Addr) error {
	if err := link.AddAddr(a); err != nil {
		return err
	}
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if a.Addr().Is6() {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return link.AddRoute(tun.Route{Dst: all, Via: gateway})
}

// sysctls lets a program without capabilities ping and bind every port, as it
// is alone in its network. Both are of the network namespace.
func (r *Request) sysctls(s *Setup) {
	groups := "0 2147483647"
	if r.UserNS { // only one group exists there
		groups = fmt.Sprintf("%d %d", os.Getegid(), os.Getegid())
	}
	for _, c := range []struct{ file, value, without string }{
		{"/proc/sys/net/ipv4/ping_group_range", groups, "ping does not work inside"},
		{"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", "ports below 1024 cannot be bound inside"},
	} {
		if err := os.WriteFile(c.file, []byte(c.value), 0); err != nil {
			s.Warnings = append(s.Warnings, fmt.Sprintf("%s: %v", c.without, err))
		}
	}
}
