package sockets

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A ListenConfig listens through a session. It is what [net.ListenConfig] is
// for the kernel; the zero value of each field but Session is its default.
type ListenConfig struct {
	Session *Session
	// KeepAlive of accepted connections: 0 is 15 s, negative is off.
	KeepAlive time.Duration
	// Backlog is how many connections may wait; 0 is the provider's maximum.
	Backlog int
	// Origin says who asks, in place of the session's.
	Origin *provider.Origin
}

// Listen listens on "tcp", "tcp4" or "tcp6" and returns a [*Listener]. As in
// package net, "tcp" without a host or with a wildcard serves IPv4 and IPv6 by
// one socket, where the chain has IPv6.
func (s *Session) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l := ListenConfig{Session: s}
	return l.Listen(ctx, network, address)
}

// ListenPacket opens a datagram socket without a peer on "udp", "udp4", "udp6",
// "ip4:icmp" or "ip6:ipv6-icmp" and returns a [*UDPConn]. Errors that earlier
// datagrams drew from the network are not reported (SIO_UDP_CONNRESET is off), as
// one dead peer must not disturb a server.
func (s *Session) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	l := ListenConfig{Session: s}
	return l.ListenPacket(ctx, network, address)
}

// Listen listens on address; see [Session.Listen].
func (l *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	n, ok := networks[network]
	if !ok || n.typ != wsa.SOCK_STREAM {
		return nil, &net.OpError{Op: string(opListen), Net: network, Err: net.UnknownNetworkError(network)}
	}
	k, _, err := l.bound(ctx, &n, address)
	if err != nil {
		return nil, err
	}
	backlog := l.Backlog
	if backlog <= 0 {
		backlog = wsa.SOMAXCONN
	}
	if err := k.control(func() wsa.Errno { return k.table.WSPListen(k.s, backlog) }); err != nil {
		k.close(provider.CloseAbort)
		return nil, opError(opListen, network, nil, newConn(k, n).local, n.over(), err)
	}
	return &Listener{conn: newConn(k, n), keepAlive: keepAliveFor(l.KeepAlive)}, nil
}

// ListenPacket opens a datagram socket; see [Session.ListenPacket].
func (l *ListenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	n, ok := networks[network]
	if !ok || n.typ == wsa.SOCK_STREAM {
		return nil, &net.OpError{Op: string(opListen), Net: network, Err: net.UnknownNetworkError(network)}
	}
	k, family, err := l.bound(ctx, &n, address)
	if err != nil {
		return nil, err
	}
	if n.typ == wsa.SOCK_DGRAM {
		k.ioctl(wsa.SIO_UDP_CONNRESET, 0) // a base without it has nothing to report either
	}
	return newUDPConn(k, n, family, false), nil
}

// bound opens a socket bound to address. A wildcard of a network of both
// families is bound on a dual-stack socket or, if IPv6 is not to be had, by IPv4.
func (l *ListenConfig) bound(ctx context.Context, n *network, address string) (*sock, int32, error) {
	t, err := l.Session.target(ctx, n, address, true)
	if err != nil {
		return nil, 0, opError(opListen, n.name, nil, nil, n.over(), err)
	}
	ap := t.addrs[0]
	for _, a := range t.addrs { // a name listens on one address: IPv4 if it has one, as package net
		if a.Addr().Is4() {
			ap = a
			break
		}
	}
	family := l.family(n, ap.Addr())
	k, err := l.bind(n, family, ap)
	if err != nil && family == wsa.AF_INET6 && n.family == 0 && wildcard(ap.Addr()) && noIPv6(err) {
		family = wsa.AF_INET
		k, err = l.bind(n, family, ap)
	}
	if err != nil {
		return nil, 0, opError(opListen, n.name, nil, n.netAddr(shown(family, ap)), n.over(), err)
	}
	return k, family, nil
}

func wildcard(ip netip.Addr) bool { return !ip.IsValid() || ip.IsUnspecified() }

// shown is ap as an error tells it: a wildcard that was not written out is.
func shown(family int32, ap netip.AddrPort) netip.AddrPort {
	if ap.Addr().IsValid() {
		return ap
	}
	return provider.Any(family, ap.Port()).AddrPort
}

func (l *ListenConfig) family(n *network, ip netip.Addr) int32 {
	switch {
	case n.family != 0:
		return n.family
	case wildcard(ip):
		return wsa.AF_INET6
	}
	return familyOf(ip)
}

// noIPv6 reports the errors of a base or host without IPv6.
func noIPv6(err error) bool {
	return errors.Is(err, wsa.EAFNOSUPPORT) || errors.Is(err, wsa.EADDRNOTAVAIL)
}

func (l *ListenConfig) bind(n *network, family int32, ap netip.AddrPort) (*sock, error) {
	o := l.Session.origin
	if l.Origin != nil {
		o = *l.Origin
	}
	k, err := l.Session.openSock(&provider.SocketRequest{
		AF: family, Type: n.typ, Protocol: n.protocol,
		Flags:  wsa.WSA_FLAG_OVERLAPPED,
		Origin: &o,
	})
	if err != nil {
		return nil, err
	}
	if family == wsa.AF_INET6 && n.typ != wsa.SOCK_RAW {
		k.setOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, truth(n.family == wsa.AF_INET6))
	}
	if n.typ == wsa.SOCK_DGRAM {
		k.setOption(wsa.SOL_SOCKET, wsa.SO_BROADCAST, 1)
	}
	local := provider.Any(family, ap.Port())
	if !wildcard(ap.Addr()) {
		local = sockaddr(family, ap)
	}
	if err := k.bind(local); err != nil {
		k.close(provider.CloseAbort)
		return nil, err
	}
	return k, nil
}

func (k *sock) bind(a provider.Addr) error {
	return k.control(func() wsa.Errno { return k.table.WSPBind(k.s, a) })
}
