package tun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Link configures one interface by netlink, in the namespace that it was opened in, from any goroutine. All of it needs
// CAP_NET_ADMIN there, and all of it may be repeated: what is set already is no error. Errors keep the kernel's code.
type Link struct {
	mu    sync.Mutex
	h     *netlink.Handle
	index int
	name  string
}

// OpenLink finds the interface name in the namespace at path netns, by default that of the calling thread. Close it.
func OpenLink(netns, name string) (l *Link, err error) {
	if netns == "" {
		return openLinkHere(name)
	}
	err = InNetns(netns, func() error {
		l, err = openLinkHere(name)
		return err
	})
	return l, err
}

func openLinkHere(name string) (*Link, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("tun: netlink socket: %w", err)
	}
	link, err := h.LinkByName(name)
	if err != nil {
		h.Close()
		var none netlink.LinkNotFoundError
		if errors.As(err, &none) {
			err = fmt.Errorf("%w (%w)", unix.ENODEV, err)
		}
		return nil, fmt.Errorf("tun: link %s: %w", name, err)
	}
	return &Link{h: h, index: link.Attrs().Index, name: name}, nil
}

// Name of the interface when the Link was opened.
func (l *Link) Name() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.name
}

// Index of the interface, unique in its namespace.
func (l *Link) Index() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.index
}

// Close ends the netlink socket. The Link of a Device is closed with it.
func (l *Link) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.h != nil {
		l.h.Close()
		l.h = nil
	}
	return nil
}

// replace makes l speak of what other speaks of: the device has moved.
func (l *Link) replace(other *Link) {
	l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h, l.index, l.name = other.h, other.index, other.name
}

// do names the interface and the attempt in the error of f.
func (l *Link) do(what string, f func(*netlink.Handle, netlink.Link) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.h == nil {
		return fmt.Errorf("tun: %s: %s: %w", l.name, what, ErrClosed)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Index, attrs.Name = l.index, l.name
	err := f(l.h, &netlink.GenericLink{LinkAttrs: attrs})
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("tun: %s: %s: %w: needs CAP_NET_ADMIN in the network namespace", l.name, what, err)
	}
	if err != nil {
		return fmt.Errorf("tun: %s: %s: %w", l.name, what, err)
	}
	return nil
}

// SetUp brings the interface up.
func (l *Link) SetUp() error {
	return l.do("set up", (*netlink.Handle).LinkSetUp)
}

// SetDown takes the interface down. The kernel forgets its IPv6 addresses and all routes through it.
func (l *Link) SetDown() error {
	return l.do("set down", (*netlink.Handle).LinkSetDown)
}

// SetMTU in bytes.
func (l *Link) SetMTU(mtu int) error {
	return l.do(fmt.Sprintf("set MTU %d", mtu), func(h *netlink.Handle, link netlink.Link) error {
		return h.LinkSetMTU(link, mtu)
	})
}

// SetTxQueueLen bounds, in packets, what waits in the device for ReadPacket: see Config.TxQueueLen.
func (l *Link) SetTxQueueLen(n int) error {
	return l.do(fmt.Sprintf("set txqueuelen %d", n), func(h *netlink.Handle, link netlink.Link) error {
		return h.LinkSetTxQLen(link, n)
	})
}

// lengthenQueue does what Config.TxQueueLen says. The default is a wish: the owner of a persistent device may attach to it
// without CAP_NET_ADMIN.
func (l *Link) lengthenQueue(cfg Config) error {
	switch {
	case cfg.TxQueueLen != 0:
		return l.SetTxQueueLen(cfg.TxQueueLen)
	case cfg.Driver == DriverWater:
		return nil
	}
	err := l.do("lengthen the transmit queue", func(h *netlink.Handle, link netlink.Link) error {
		found, err := h.LinkByIndex(link.Attrs().Index)
		if err != nil || found.Attrs().TxQLen >= defaultTxQueueLen {
			return err
		}
		return h.LinkSetTxQLen(link, defaultTxQueueLen)
	})
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// AddAddr gives the interface an address with the length of its subnet. IPv6 addresses skip duplicate address detection
// (IFA_F_NODAD), which would leave them unusable for a second; packets to them are still lost for the instant for which
// AwaitAddr waits.
func (l *Link) AddAddr(a netip.Prefix) error {
	if !a.IsValid() {
		return fmt.Errorf("tun: %s: add address: not valid: %w", l.Name(), os.ErrInvalid)
	}
	addr := netlink.Addr{IPNet: ipNet(a)}
	if a.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	err := l.do("add address "+a.String(), func(h *netlink.Handle, link netlink.Link) error {
		return h.AddrReplace(link, &addr)
	})
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%w: IPv6 is off there: sysctl net.ipv6.conf.%s.disable_ipv6=0", err, l.Name())
	}
	return err
}

// AwaitAddr waits until the kernel takes packets to the address a of the interface, which has to be up. The route of an IPv6
// address is added by a work queue, mostly within a millisecond of AddAddr; what comes earlier is dropped, and a SYN-ACK
// among it is back after a second. The error is os.ErrDeadlineExceeded, after 5 s.
func (l *Link) AwaitAddr(a netip.Addr) error {
	if a.Is4() {
		return nil // AddAddr returns with the route
	}
	const step, patience = 200 * time.Microsecond, 5 * time.Second
	for end := time.Now().Add(patience); ; time.Sleep(step) {
		there := false
		err := l.do("await address "+a.String(), func(h *netlink.Handle, _ netlink.Link) error {
			routes, err := h.RouteListFiltered(netlink.FAMILY_V6, &netlink.Route{Table: unix.RT_TABLE_LOCAL}, netlink.RT_FILTER_TABLE)
			for _, r := range routes {
				there = there || r.Type == unix.RTN_LOCAL && r.Dst != nil && r.Dst.IP.Equal(a.AsSlice())
			}
			return err
		})
		switch {
		case err != nil || there:
			return err
		case time.Now().After(end):
			return fmt.Errorf("tun: %s: the kernel has no route to its address %s: %w", l.Name(), a, os.ErrDeadlineExceeded)
		}
	}
}

// AddRoute adds or replaces a route through the interface, which has to be up.
func (l *Link) AddRoute(r Route) error {
	if !r.Dst.IsValid() {
		return fmt.Errorf("tun: %s: add route: no destination: %w", l.Name(), os.ErrInvalid)
	}
	return l.do("add route to "+r.Dst.String(), func(h *netlink.Handle, link netlink.Link) error {
		route := netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(r.Dst.Masked()), Priority: r.Metric}
		if r.Via.IsValid() {
			route.Gw = r.Via.AsSlice()
		} else if r.Dst.Addr().Is4() {
			route.Scope = netlink.SCOPE_LINK
		}
		if r.Src.IsValid() {
			route.Src = r.Src.AsSlice()
		}
		return h.RouteReplace(&route)
	})
}

// state asks for what State holds.
func (l *Link) state() (up bool, mtu int, err error) {
	err = l.do("get", func(h *netlink.Handle, link netlink.Link) error {
		found, err := h.LinkByIndex(link.Attrs().Index)
		if err != nil {
			return err
		}
		up, mtu = found.Attrs().RawFlags&unix.IFF_UP != 0, found.Attrs().MTU
		return nil
	})
	return up, mtu, err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
