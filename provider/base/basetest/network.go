package basetest

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// NetworkConfig bounds a Network. The zero value is the default.
type NetworkConfig struct {
	Buffer    int // bytes that a stream endpoint receives before its peer's sends stop; default 65536
	Datagrams int // datagrams that an endpoint queues before further ones are lost; default 64
}

// Network is a network in memory. It is itself a base.Driver: a host with the
// addresses 10.0.0.1 and fd00::1; Host adds others. Every host has 127.0.0.0/8
// and ::1 of its own.
//
// A destination that is no host's address does, by its prefix:
//
//	192.0.2.0/24    2001:db8:dead::/48  never answer ([Blackhole4], [Blackhole6])
//	198.51.100.0/24 2001:db8:beef::/48  host unreachable, told later ([Unreachable4], [Unreachable6])
//	all others                          ENETUNREACH at once
//
// A group is heard by the hosts that are members of it, on their one interface.
//
// Bytes and datagrams arrive at once and are acknowledged by arriving; a
// connection attempt is over, and its wake has run, when Connect returns, but
// for those that a full backlog or a black hole keeps waiting. Raw endpoints
// take what is sent and receive nothing. A closed port is free at once.
type Network struct {
	cfg  NetworkConfig
	self *Host

	mu       sync.Mutex // held while wakes run
	hosts    []*Host
	ports    map[portKey][]*endpoint
	nextPort uint16
	open     map[*endpoint]struct{}
	down     bool
}

// Addresses by which tests name what does not answer.
var (
	Blackhole4   = netip.MustParseAddr("192.0.2.1")
	Blackhole6   = netip.MustParseAddr("2001:db8:dead::1")
	Unreachable4 = netip.MustParseAddr("198.51.100.1")
	Unreachable6 = netip.MustParseAddr("2001:db8:beef::1")

	blackholes  = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:dead::/48")}
	unreachable = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:beef::/48")}
)

// NewNetwork makes a network with one host.
func NewNetwork(cfg NetworkConfig) *Network {
	if cfg.Buffer <= 0 {
		cfg.Buffer = 65536
	}
	if cfg.Datagrams <= 0 {
		cfg.Datagrams = 64
	}
	n := &Network{cfg: cfg, ports: make(map[portKey][]*endpoint), open: make(map[*endpoint]struct{}), nextPort: 49152}
	n.self = n.Host(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1"))
	return n
}

// Host is one host of a Network: a base.Driver.
type Host struct {
	n     *Network
	addrs []netip.Addr
	told  []*func(wsa.Events) // of Changes
	bound base.Bindings
}

// Host adds a host with these addresses.
func (n *Network) Host(addrs ...netip.Addr) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &Host{n: n, addrs: addrs}
	n.hosts = append(n.hosts, h)
	return h
}

// Protocols are [Rows].
func (n *Network) Protocols() []base.Protocol { return Rows() }

// Open opens an endpoint of the network's own host.
func (n *Network) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	return n.self.Open(af, typ, protocol)
}

// Protocols are [Rows].
func (h *Host) Protocols() []base.Protocol { return Rows() }

// Open is ENETDOWN while the network is down.
func (h *Host) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if h.n.down {
		return nil, wsa.ENETDOWN
	}
	return h.endpoint(af, typ, protocol), 0
}

func (h *Host) endpoint(af, typ, protocol int32) *endpoint {
	e := &endpoint{n: h.n, h: h, af: af, typ: typ, protocol: protocol, v6only: af == wsa.AF_INET6}
	h.n.open[e] = struct{}{}
	e.publish()
	return e
}

// Endpoints is how many endpoints are open: 0 after a test that closed all.
func (n *Network) Endpoints() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.open)
}

// SetDown takes the network away or brings it back. Connections die of it with
// ENETDOWN; Open, Connect and datagram sends fail while it lasts.
func (n *Network) SetDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
	if !down {
		return
	}
	for e := range n.open {
		if e.typ == wsa.SOCK_STREAM && (e.phase == base.Connected || e.phase == base.Connecting) {
			e.die(wsa.ENETDOWN)
		}
	}
}

// Fail ends, with code, every stream endpoint whose local or remote address is
// at, attempts included, and returns how many: a time-out towards a black hole,
// a connection whose peer fell silent. The peers are not told.
func (n *Network) Fail(at netip.AddrPort, code wsa.Errno) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for e := range n.open {
		alive := e.phase == base.Connected || e.phase == base.Connecting
		if e.typ == wsa.SOCK_STREAM && alive && (e.local == at || e.remote == at) {
			e.die(code)
			count++
		}
	}
	return count
}

type portKey struct {
	h        *Host
	protocol int32
	at       netip.AddrPort
}

func (h *Host) owns(a netip.Addr) bool { return a.IsLoopback() || slices.Contains(h.addrs, a) }

// route finds the host that a destination is on. Otherwise the code says what
// becomes of what is sent there: EWOULDBLOCK silence, EHOSTUNREACH told later,
// ENETUNREACH told at once.
func (h *Host) route(to netip.Addr) (*Host, wsa.Errno) {
	if h.n.down {
		return nil, wsa.ENETDOWN
	}
	if to.IsLoopback() {
		return h, 0
	}
	for _, o := range h.n.hosts {
		if o.owns(to) {
			return o, 0
		}
	}
	within := func(p netip.Prefix) bool { return p.Contains(to) }
	switch {
	case slices.ContainsFunc(blackholes, within):
		return nil, wsa.EWOULDBLOCK
	case slices.ContainsFunc(unreachable, within):
		return nil, wsa.EHOSTUNREACH
	}
	return nil, wsa.ENETUNREACH
}

// source is the address that h sends from to a destination.
func (h *Host) source(to netip.Addr) netip.Addr {
	if h.owns(to) {
		return to
	}
	for _, a := range h.addrs {
		if a.Is4() == to.Is4() {
			return a
		}
	}
	if to.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// hearing are the endpoints that hear address a on h, the more specific first.
func (h *Host) hearing(protocol int32, a netip.AddrPort, yield func(*endpoint) bool) {
	wild := netip.IPv6Unspecified()
	keys := [3]netip.Addr{a.Addr(), wild, wild}
	if a.Addr().Is4() {
		keys[1] = netip.IPv4Unspecified()
	}
	for i, ip := range keys {
		for _, e := range h.n.ports[portKey{h, protocol, netip.AddrPortFrom(ip, a.Port())}] {
			if i == 2 && (e.v6only || !a.Addr().Is4()) {
				continue
			}
			if !yield(e) {
				return
			}
		}
	}
}

// take gives e the address a, or says why not, by the rules of Windows (winsock-spi
// 9.5). Port 0 is chosen from 49152 up.
func (h *Host) take(e *endpoint, a netip.AddrPort) wsa.Errno {
	if a.Port() != 0 {
		return h.register(e, a)
	}
	for range 65536 - 49152 {
		p := netip.AddrPortFrom(a.Addr(), h.n.nextPort)
		if h.n.nextPort++; h.n.nextPort == 0 {
			h.n.nextPort = 49152
		}
		if h.register(e, p) == 0 {
			return 0
		}
	}
	return wsa.EADDRINUSE
}

func (h *Host) register(e *endpoint, a netip.AddrPort) wsa.Errno {
	dual := e.af == wsa.AF_INET6 && a.Addr() == netip.IPv6Unspecified() && !e.v6only
	want := base.Binding{Protocol: e.protocol, Addr: a, Dual: dual, Mode: e.sharing()}
	held, code := h.bound.Bind(want, func() (uint16, wsa.Errno) { return a.Port(), 0 })
	if code != 0 {
		return code
	}
	k := portKey{h, e.protocol, a}
	e.key, e.local, e.held = k, a, held
	h.n.ports[k] = append(h.n.ports[k], e)
	return 0
}

func (h *Host) unregister(e *endpoint) {
	if !e.key.at.IsValid() {
		return
	}
	rest := slices.DeleteFunc(h.n.ports[e.key], func(o *endpoint) bool { return o == e })
	if len(rest) == 0 {
		delete(h.n.ports, e.key)
	} else {
		h.n.ports[e.key] = rest
	}
	e.held.Release()
	e.key, e.held = portKey{}, nil
}

// plain is a sockaddr's address with IPv4 in its own form.
func plain(a provider.Addr) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// sockaddr is how a socket of family af sees an address.
func sockaddr(af int32, a netip.AddrPort) provider.Addr {
	if af == wsa.AF_INET6 && a.Addr().Is4() {
		a = netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
	}
	return provider.AddrFrom(a)
}
