package base

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// BindMode is how a socket has its address with others.
type BindMode uint8

// The three modes of winsock-spi 9.5.
const (
	BindDefault   BindMode = iota
	BindReuse              // SO_REUSEADDR
	BindExclusive          // SO_EXCLUSIVEADDRUSE
)

// A Binding is an address that a socket has, or asks for.
type Binding struct {
	Protocol int32          // IPPROTO_TCP or IPPROTO_UDP: each has its own ports
	Addr     netip.AddrPort // IPv4-mapped is the same as IPv4
	Dual     bool           // the IPv6 wildcard, and the IPv4 one with it (IPV6_V6ONLY off)
	Mode     BindMode
}

// BindConflict is what a bind to second gives beside a socket that has first: 0,
// EADDRINUSE or EACCES, as Windows says since Server 2003 to sockets of one user
// (winsock-spi 9.5; SDK, "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE"). It is about
// the port alone: two listeners, or two streams of one 4-tuple, are not its matter.
// The dual wildcard must pass in both families, the IPv6 one first.
func BindConflict(first, second Binding) wsa.Errno {
	if first.Protocol != second.Protocol || first.Addr.Port() != second.Addr.Port() {
		return 0
	}
	for _, a := range first.places() {
		for _, b := range second.places() {
			if e := conflict(a, b, first.Mode, second.Mode); e != 0 {
				return e
			}
		}
	}
	return 0
}

// places are the addresses of a binding, one in each family that it takes.
func (b *Binding) places() []netip.Addr {
	a := b.Addr.Addr().Unmap()
	if b.Dual && a == netip.IPv6Unspecified() {
		return dualWildcard[:]
	}
	return []netip.Addr{a}
}

var dualWildcard = [...]netip.Addr{netip.IPv6Unspecified(), netip.IPv4Unspecified()}

func conflict(first, second netip.Addr, held, asked BindMode) wsa.Errno {
	switch {
	case first.Is4() != second.Is4():
		return 0
	case first == second && asked != BindReuse:
		return wsa.EADDRINUSE
	case first == second && held != BindReuse:
		return wsa.EACCES // to share takes both
	case first == second:
		return 0
	case first.IsUnspecified() && held == BindExclusive:
		return wsa.EACCES
	case second.IsUnspecified() && asked == BindExclusive:
		return wsa.EADDRINUSE
	}
	return 0
}
