//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Veth joins two namespaces by a pair of that name, one address each.
func Veth(a, b *Netns, name string, mtu int, addrA, addrB netip.Prefix) error {
	err := a.Do(func() error {
		h, err := netns.GetFromPath(b.Path)
		if err != nil {
			return err
		}
		defer h.Close()
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = name, mtu
		v := &netlink.Veth{LinkAttrs: attrs, PeerName: name, PeerMTU: uint32(mtu), PeerNamespace: netlink.NsFd(h)}
		if err := netlink.LinkAdd(v); err != nil {
			return err
		}
		return up(name, addrA)
	})
	if err == nil {
		err = b.Do(func() error { return up(name, addrB) })
	}
	if err != nil {
		return fmt.Errorf("bench: make the veth pair %s: %w", name, err)
	}
	return nil
}

// Uplink gives a namespace what a machine has: an interface with an address and
// a default route. Nobody answers behind it.
func Uplink(n *Netns, addr netip.Prefix, via netip.Addr) error {
	err := n.Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "up0"
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "up1"}); err != nil {
			return err
		}
		return errors.Join(up("up1", netip.Prefix{}), up("up0", addr), defaultRoute("up0", via))
	})
	if err != nil {
		return fmt.Errorf("bench: make the uplink: %w", err)
	}
	return nil
}

// AddAddr gives the loopback of n an address.
func AddAddr(n *Netns, addr netip.Prefix) error {
	return n.Do(func() error { return up("lo", addr) })
}

// DefaultRoute leads out of the interface.
func DefaultRoute(n *Netns, link string, via netip.Addr) error {
	return n.Do(func() error { return defaultRoute(link, via) })
}

func up(name string, addr netip.Prefix) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if addr.IsValid() {
		a, err := netlink.ParseAddr(addr.String())
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(l, a); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(l)
}

func defaultRoute(name string, via netip.Addr) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	r := &netlink.Route{LinkIndex: l.Attrs().Index}
	if via.IsValid() {
		r.Gw = via.AsSlice()
	} else {
		r.Scope = netlink.SCOPE_LINK
		r.Dst = netlink.NewIPNet(make([]byte, 4))
		r.Dst.Mask = make([]byte, 4)
	}
	return netlink.RouteAdd(r)
}

// Move takes an interface from one namespace to another and brings it up there.
// Who holds its descriptor keeps it.
func Move(from, to *Netns, name string, addr netip.Prefix) error {
	err := from.Do(func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		h, err := netns.GetFromPath(to.Path)
		if err != nil {
			return err
		}
		defer h.Close()
		return netlink.LinkSetNsFd(l, int(h))
	})
	if err == nil {
		err = to.Do(func() error { return up(name, addr) })
	}
	if err != nil {
		return fmt.Errorf("bench: move %s to %s: %w", name, to.Path, err)
	}
	return nil
}

// Await returns when ready says so in the namespace, which is looked at every
// few milliseconds: other people's programs do not tell.
func Await(ctx context.Context, n *Netns, what string, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		ok := false
		if err := n.Do(func() error { ok = ready(); return nil }); err != nil || ok {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("bench: waiting for %s: %w", what, context.Cause(ctx))
		}
	}
}

// HasLink is true when the calling thread's namespace has the interface.
func HasLink(name string) bool {
	_, err := netlink.LinkByName(name)
	return err == nil
}

// HasDefaultRoute is true when it has an IPv4 route to everywhere.
func HasDefaultRoute() bool {
	routes, err := netlink.RouteGet([]byte{192, 0, 2, 1})
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_UNICAST
}

// Listening is true when a TCP socket of the calling thread's namespace listens
// at the port, over IPv4.
func Listening(port uint16) bool {
	b, _ := os.ReadFile("/proc/thread-self/net/tcp")
	const listen = "0A" // TCP_LISTEN
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 3 && f[3] == listen && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			return true
		}
	}
	return false
}
