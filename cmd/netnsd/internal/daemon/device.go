//go:build linux

package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/tun"
)

// Hosts of an attachment's network, as run has them.
const (
	hostGateway = 2
	hostDNS     = 3
)

// link is what a device inside is given: our own addresses are not on it, all that
// leaves it is ours.
type link struct {
	addrs   []netip.Prefix // the program's
	gateway []netip.Addr   // one for each of addrs
	dns     []netip.Addr   // likewise
	routes  []netip.Prefix
}

func layout(n config.Network) (l link) {
	for _, p := range []netip.Prefix{n.IPv4.Prefix, n.IPv6.Prefix} {
		if !p.IsValid() {
			continue
		}
		l.addrs = append(l.addrs, p)
		l.gateway = append(l.gateway, hostOf(p, hostGateway))
		l.dns = append(l.dns, hostOf(p, hostDNS))
	}
	for _, r := range n.Routes {
		l.routes = append(l.routes, r.Prefix)
	}
	return l
}

// hostOf is host i of p's network.
func hostOf(p netip.Prefix, i byte) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	b[len(b)-1] |= i
	a, _ := netip.AddrFromSlice(b)
	return a
}

// open makes the device in the namespace at path, or takes over the one that is
// there; what it makes is still down. All that needs a right in the namespace is
// here and in configure.
func open(path string, i config.Interface) (*tun.Device, error) {
	device, err := tun.Open(tun.Config{Name: i.Name, Netns: path, TAP: i.Mode == config.ModeTAP, MTU: i.MTU, Persist: i.Persist})
	if err != nil {
		return nil, err
	}
	if err := device.SetPersist(i.Persist); err != nil { // it may be of a time when the file said otherwise
		return nil, errors.Join(err, device.Close())
	}
	return device, nil
}

// loopback brings lo up, which `ip netns add` leaves down.
func loopback(path string) error {
	lo, err := tun.OpenLink(path, "lo")
	if err != nil {
		return err
	}
	return errors.Join(lo.SetUp(), lo.Close())
}

// configure gives an interface that is up all that it lacks. A kernel without
// IPv6 is a warning: IPv4 is served.
func (l link) configure(i *tun.Link, log *slog.Logger) error {
	six := true
	for _, a := range l.addrs {
		err := i.AddAddr(a)
		switch {
		case err == nil:
		case a.Addr().Is6() && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EOPNOTSUPP)):
			six = false
			log.Warn("no IPv6 inside", "why", err)
			continue
		default:
			return err
		}
		if err := i.AwaitAddr(a.Addr()); err != nil {
			return err
		}
	}
	for _, r := range l.routes {
		if r.Addr().Is6() && !six {
			continue
		}
		if err := i.AddRoute(tun.Route{Dst: r, Via: l.via(r)}); err != nil {
			return fmt.Errorf("route %s: %w", r, err)
		}
	}
	return nil
}

// via is the gateway of r's family; a TAP has a neighbour to be asked for.
func (l link) via(r netip.Prefix) netip.Addr {
	for _, g := range l.gateway {
		if g.Is4() == r.Addr().Is4() {
			return g
		}
	}
	return netip.Addr{}
}
