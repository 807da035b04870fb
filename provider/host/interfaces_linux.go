package host

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var _ base.Interfacer = (*Host)(nil)

// Interfaces are the machine's, in the network namespace of the thread that calls.
func (h *Host) Interfaces() ([]base.Interface, wsa.Errno) {
	if h.poller.ended() {
		return nil, wsa.ENETDOWN
	}
	cards, err := net.Interfaces()
	if err != nil {
		return nil, wsa.ENOBUFS // of a netlink dump
	}
	var all []base.Interface
	for i := range cards {
		card := base.Interface{
			Index: uint32(cards[i].Index), Name: cards[i].Name, Flags: flagsOf(cards[i].Flags), MTU: uint32(max(cards[i].MTU, 0)),
		}
		addrs, err := cards[i].Addrs()
		if err != nil {
			continue // it went while we looked
		}
		for _, a := range addrs {
			if p, ok := prefixOf(a); ok {
				card.Addrs = append(card.Addrs, p)
			}
		}
		all = append(all, card)
	}
	return all, 0
}

func flagsOf(f net.Flags) (flags uint32) {
	for bit, ours := range map[net.Flags]uint32{
		net.FlagUp: wsa.IFF_UP, net.FlagBroadcast: wsa.IFF_BROADCAST, net.FlagLoopback: wsa.IFF_LOOPBACK,
		net.FlagPointToPoint: wsa.IFF_POINTTOPOINT, net.FlagMulticast: wsa.IFF_MULTICAST,
	} {
		if f&bit != 0 {
			flags |= ours
		}
	}
	return flags
}

func prefixOf(a net.Addr) (netip.Prefix, bool) {
	n, ok := a.(*net.IPNet)
	if !ok {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if ip.Is4In6() && size == 32 {
		ip = ip.Unmap()
	}
	return netip.PrefixFrom(ip, bits), ok
}

// Route asks the kernel, with the mark and the interface of the Config: a socket is
// connected, which sends nothing, and has an address then. The index is that of the
// first interface with the address, 0 if none has it (127.9.9.9).
func (h *Host) Route(to provider.Addr) (from provider.Addr, index uint32, e wsa.Errno) {
	if h.poller.ended() {
		return from, 0, wsa.ENETDOWN
	}
	dest, mapped := to, to.Addr().Is4In6()
	if mapped {
		dest = provider.AddrFrom(netip.AddrPortFrom(to.Addr().Unmap(), 0))
	}
	if from, e = h.sourceFor(withPort(dest, discard)); e != 0 {
		return provider.Addr{}, 0, e
	}
	all, e := h.Interfaces()
	if e != 0 {
		return provider.Addr{}, 0, e
	}
	for i := range all {
		for _, p := range all[i].Addrs {
			if index == 0 && p.Addr() == from.Addr() {
				index = all[i].Index
			}
		}
	}
	if mapped {
		from = provider.AddrFrom(netip.AddrPortFrom(netip.AddrFrom16(from.Addr().As16()), 0))
	}
	return from, index, 0
}

// discard is a port that connect(2) takes (RFC 863); it is not reached.
const discard = 9

func (h *Host) sourceFor(to provider.Addr) (provider.Addr, wsa.Errno) {
	fd, e := h.socket(to.Family, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
	if e != 0 {
		return provider.Addr{}, e
	}
	defer unix.Close(fd)
	if to.Family == wsa.AF_INET {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1) // a broadcast address has a route too
	}
	m := getMessage()
	defer m.release()
	m.name.set(to)
	switch errno := setAddress(unix.SYS_CONNECT, fd, &m.name); errno {
	case 0:
	case syscall.EINVAL: // a link-local address without its scope
		return provider.Addr{}, wsa.ENETUNREACH
	default:
		return provider.Addr{}, translate(opConnect, errno)
	}
	if errno := getAddress(unix.SYS_GETSOCKNAME, fd, &m.name); errno != 0 {
		return provider.Addr{}, translate(opGetOption, errno)
	}
	return withPort(m.name.get(), 0), 0
}
