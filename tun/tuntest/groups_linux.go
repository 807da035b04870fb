package tuntest

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
)

// GroupPeer is a kernel at the other end of a link, with multicast: programs in the
// namespace at NetNS that send and hear on one interface.
type GroupPeer struct{ NetNS, Interface string }

// Say sends one datagram to a group or an address. A kernel has no copy of it.
func (p GroupPeer) Say(t *testing.T, to netip.AddrPort, text string) {
	t.Helper()
	err := p.in(func(i *net.Interface) error {
		c, err := net.ListenUDP(network(to), nil)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := sendOver(c, i, to.Addr().Is6()); err != nil {
			return err
		}
		_, err = c.WriteToUDPAddrPort([]byte(text), to)
		return err
	})
	if err != nil {
		t.Fatalf("send to %v from %s: %v", to, p.Interface, err)
	}
}

// Listen joins the group until the test ends. next waits for a datagram.
func (p GroupPeer) Listen(t *testing.T, group netip.AddrPort) (next func() (text string, from netip.Addr)) {
	t.Helper()
	var c *net.UDPConn
	err := p.in(func(i *net.Interface) (err error) {
		c, err = net.ListenMulticastUDP(network(group), i, net.UDPAddrFromAddrPort(group))
		return err
	})
	if err != nil {
		t.Fatalf("join %v on %s: %v", group, p.Interface, err)
	}
	t.Cleanup(func() { c.Close() })
	return func() (string, netip.Addr) {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		b := make([]byte, 1500)
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatalf("hear %v on %s: %v", group, p.Interface, err)
		}
		return string(b[:n]), from.Addr().Unmap()
	}
}

func (p GroupPeer) in(f func(*net.Interface) error) error {
	return tun.InNetns(p.NetNS, func() error {
		i, err := net.InterfaceByName(p.Interface)
		if err != nil {
			return err
		}
		return f(i)
	})
}

func network(a netip.AddrPort) string {
	if a.Addr().Is4() {
		return "udp4"
	}
	return "udp6"
}

func sendOver(c syscall.Conn, i *net.Interface, six bool) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		if six {
			set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, i.Index)
		} else {
			set = unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(i.Index)})
		}
	})
	if err == nil {
		err = set
	}
	return err
}
