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

// fallbackDelay is how long IPv6 is given before IPv4 is tried too (RFC 8305
// section 5 says 250 ms; package net says 300, and callers know that).
const fallbackDelay = 300 * time.Millisecond

// A Dialer connects through a session. It is what [net.Dialer] is for the
// kernel; the zero value of each field but Session is its default.
type Dialer struct {
	Session *Session
	// LocalAddr is bound before connecting; nil lets the provider choose.
	LocalAddr net.Addr
	// Timeout bounds a dial, all its addresses together; 0 is none.
	Timeout time.Duration
	// KeepAlive is the idle time before keep-alive probes and the time between
	// them; 0 is 15 s, negative is off.
	KeepAlive time.Duration
	// FallbackDelay is how long the first family is tried alone; 0 is 300 ms,
	// negative tries the families one after the other.
	FallbackDelay time.Duration
	// Origin says who asks, in place of the session's.
	Origin *provider.Origin
}

// DialContext connects to address as [net.Dialer.DialContext] does, on "tcp",
// "udp" (each also with 4 or 6), "ip4:icmp" and "ip6:ipv6-icmp". It returns a
// [*TCPConn] or a [*UDPConn]. The chain is resolved for each address tried, with
// the address as Origin.Destination and the name dialled as Origin.Name.
//
// Every error is a [*net.OpError]; the Errno of the provider is its Err. When
// ctx ends the attempt is closed before DialContext returns.
func (s *Session) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := Dialer{Session: s}
	return d.DialContext(ctx, network, address)
}

// Dial is DialContext without a context.
func (s *Session) Dial(network, address string) (net.Conn, error) {
	return s.DialContext(context.Background(), network, address)
}

// DialContext connects to address; see [Session.DialContext].
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	n, ok := networks[network]
	if !ok {
		return nil, &net.OpError{Op: string(opDial), Net: network, Source: d.LocalAddr, Err: net.UnknownNetworkError(network)}
	}
	t, err := d.Session.target(ctx, &n, address, false)
	if err != nil {
		return nil, opError(opDial, network, d.LocalAddr, nil, n.over(), err)
	}
	return d.dial(ctx, &n, t)
}

// dial tries the addresses of t, those of the first one's family before the
// others, and starts on the others when the first are slow (RFC 8305).
func (d *Dialer) dial(ctx context.Context, n *network, t target) (net.Conn, error) {
	first, rest := t.byFamily()
	delay := d.FallbackDelay
	if delay == 0 {
		delay = fallbackDelay
	}
	if len(rest) == 0 || delay < 0 || n.typ != wsa.SOCK_STREAM {
		return d.serial(ctx, n, t.name, append(first, rest...))
	}
	return d.race(ctx, n, t.name, first, rest, delay)
}

type dialled struct {
	c   net.Conn
	err error
}

// race tries first, and rest as soon as first has failed or delay is over. The
// loser is cancelled, and waited for.
func (d *Dialer) race(ctx context.Context, n *network, name string, first, rest []netip.AddrPort, delay time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialled, 2) // so that nobody is left behind
	try := func(to []netip.AddrPort) {
		c, err := d.serial(ctx, n, name, to)
		results <- dialled{c, err}
	}
	go try(first)
	fallback := time.NewTimer(delay)
	defer fallback.Stop()
	var winner net.Conn
	var firstErr error
	for running, started := 1, false; running > 0; {
		select {
		case <-fallback.C:
		case r := <-results:
			running--
			switch {
			case r.err == nil && winner == nil:
				winner = r.c
				cancel()
			case r.err == nil:
				r.c.Close()
			case firstErr == nil:
				firstErr = r.err
			}
		}
		if !started && winner == nil {
			started = true
			running++
			go try(rest)
		}
	}
	if winner != nil {
		return winner, nil
	}
	return nil, firstErr
}

// serial tries one address after the other; the first error is the answer. Each
// is given its share of the time that is left, but not less than 2 s of it.
func (d *Dialer) serial(ctx context.Context, n *network, name string, to []netip.AddrPort) (net.Conn, error) {
	var first error
	for i, ap := range to {
		c, err := d.share(ctx, n, name, ap, len(to)-i)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

func (d *Dialer) share(ctx context.Context, n *network, name string, to netip.AddrPort, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		whole := time.Until(deadline)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, min(whole, max(whole/time.Duration(left), 2*time.Second)))
		defer cancel()
	}
	for range 2 {
		c, err := d.one(ctx, n, name, to)
		if err != nil || !selfConnected(c) || d.LocalAddr != nil {
			return c, err
		}
		c.Close()
	}
	return d.one(ctx, n, name, to)
}

// selfConnected reports TCP's simultaneous open with itself, which a dial to a
// free port of the ephemeral range on one's own address can end in. Package net
// tries again too.
func selfConnected(c net.Conn) bool {
	t, ok := c.(*TCPConn)
	return ok && t.local != nil && t.remote != nil && t.local.String() == t.remote.String()
}

// one connects to one address.
func (d *Dialer) one(ctx context.Context, n *network, name string, to netip.AddrPort) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, opError(opDial, n.name, d.LocalAddr, n.netAddr(to), n.over(), err)
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	family := familyOf(to.Addr())
	k, err := d.Session.openSock(&provider.SocketRequest{
		AF: family, Type: n.typ, Protocol: n.protocol,
		Flags:  wsa.WSA_FLAG_OVERLAPPED,
		Origin: d.origin(name, to),
	})
	if err != nil {
		return fail(err)
	}
	if err := d.bindAndConnect(ctx, k, n, family, to); err != nil {
		k.close(provider.CloseAbort)
		return fail(err)
	}
	if n.typ == wsa.SOCK_STREAM {
		return newTCPConn(k, *n, keepAliveFor(d.KeepAlive)), nil
	}
	return newUDPConn(k, *n, family, true), nil
}

func (d *Dialer) bindAndConnect(ctx context.Context, k *sock, n *network, family int32, to netip.AddrPort) error {
	if local, ok := fromNetAddr(d.LocalAddr); ok {
		a := sockaddr(family, local)
		if a.IsZero() || local.Addr().IsUnspecified() {
			a = provider.Any(family, local.Port())
		}
		if err := k.bind(a); err != nil {
			return err
		}
	}
	if n.typ != wsa.SOCK_STREAM {
		k.setOption(wsa.SOL_SOCKET, wsa.SO_BROADCAST, 1) // as package net; a base may not have it
	}
	e, err := k.connect(ctx, sockaddr(family, to))
	if err == nil {
		err = e.Err()
	}
	return err
}

// origin is who asks, and what for.
func (d *Dialer) origin(name string, to netip.AddrPort) *provider.Origin {
	o := d.Session.origin
	if d.Origin != nil {
		o = *d.Origin
	}
	o.Destination = provider.AddrFrom(netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	o.Name = name
	return &o
}

// target is what an address of package net stands for.
type target struct {
	name  string // if it was one
	addrs []netip.AddrPort
}

// byFamily divides the addresses into those of the first one's family and others.
func (t target) byFamily() (first, rest []netip.AddrPort) {
	for _, a := range t.addrs {
		if familyOf(a.Addr()) == familyOf(t.addrs[0].Addr()) {
			first = append(first, a)
		} else {
			rest = append(rest, a)
		}
	}
	return first, rest
}

var errNoAddress = errors.New("no suitable address found")
