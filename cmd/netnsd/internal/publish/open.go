//go:build linux

package publish

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/stack"
)

// Inside is where published ports lead.
type Inside struct {
	Gateway *gateway.Gateway
	NIC     *stack.NIC
	Addrs   []netip.Addr // the program's, at most one a family
}

// tries is how often another free port is looked for, if the one that was free for
// one family or protocol is not for the other.
const tries = 8

// Open opens all ports of s, or none and says why. The caller closes them.
func (s Spec) Open(ctx context.Context, in Inside) ([]*gateway.Published, error) {
	for try := 1; ; try++ {
		all, err := s.open(ctx, in)
		if err == nil {
			return all, nil
		}
		Close(all)
		if s.Outside.First != 0 || try == tries || !errors.Is(err, wsa.EADDRINUSE) {
			return nil, fmt.Errorf("-p %s: %w", s.Text, s.explained(err))
		}
	}
}

// Close closes them and waits for the connections on their way inside.
func Close(all []*gateway.Published) {
	for _, p := range all {
		p.Close()
	}
}

func (s Spec) open(ctx context.Context, in Inside) (all []*gateway.Published, err error) {
	port := s.Outside.First
	if s.To.IsValid() && !slices.Contains(in.Addrs, s.To) {
		return nil, fmt.Errorf("%s is not the program's: %w", s.To, wsa.EADDRNOTAVAIL)
	}
	for _, protocol := range s.Protocols() {
		for _, host := range s.Hosts() {
			p, err := in.Gateway.Publish(ctx, gateway.Publication{
				NIC: in.NIC, Protocol: protocol, Ports: length(s.Outside), Proxy: s.Proxy,
				Listen: netip.AddrPortFrom(host, port), To: netip.AddrPortFrom(in.addr(s, host), s.Inside.First),
			})
			if err != nil && !s.Host.IsValid() && host.Is6() && withoutIPv6(err) {
				continue
			}
			if err != nil {
				return all, err
			}
			all = append(all, p)
			port = p.Publication().Listen.Port()
		}
	}
	return all, nil
}

// withoutIPv6 is what a host without IPv6 says.
func withoutIPv6(err error) bool {
	return errors.Is(err, wsa.EAFNOSUPPORT) || errors.Is(err, wsa.EADDRNOTAVAIL)
}

// Protocols are wsa.IPPROTO_TCP, wsa.IPPROTO_UDP or both.
func (s Spec) Protocols() (all []int32) {
	if s.TCP {
		all = append(all, wsa.IPPROTO_TCP)
	}
	if s.UDP {
		all = append(all, wsa.IPPROTO_UDP)
	}
	return all
}

// Hosts are where this host listens: without one that was named, everywhere.
func (s Spec) Hosts() []netip.Addr {
	if s.Host.IsValid() {
		return []netip.Addr{s.Host}
	}
	return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
}

// addr is where s leads to, else the program's address of the family of host, or the
// one it has.
func (in Inside) addr(s Spec, host netip.Addr) (a netip.Addr) {
	if s.To.IsValid() {
		return s.To
	}
	for _, a = range in.Addrs {
		if a.Is4() == host.Is4() {
			break
		}
	}
	return a
}

// explained adds what to do about err.
func (s Spec) explained(err error) error {
	switch {
	case errors.Is(err, wsa.EADDRINUSE):
		return fmt.Errorf("%w: somebody on this host has it; ss -tulpn says who, or publish another port, or 0 for any", err)
	case errors.Is(err, wsa.EADDRNOTAVAIL) && s.Host.IsValid() && !s.To.IsValid():
		return fmt.Errorf("%w: this host has no address %s; ip addr lists those it has", err, s.Host)
	case errors.Is(err, wsa.EACCES) && int(s.Outside.First) < unprivileged():
		return fmt.Errorf("%w: ports below %d need CAP_NET_BIND_SERVICE; publish a higher one, or lower sysctl net.ipv4.ip_unprivileged_port_start", err, unprivileged())
	}
	return err
}

// unprivileged is the first port that everybody may listen on.
func unprivileged() int {
	const usual = 1024
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return usual
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return usual
	}
	return n
}
