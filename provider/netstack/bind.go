package netstack

import (
	"net/netip"
	"slices"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/ports"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// bindings decide whether an address is in use; gVisor's port manager cannot
// say it as Winsock does. There a wildcard and a specific address of one port
// get on, two equal ones do not, and a connection in TIME-WAIT is no obstacle to
// a new listener (winsock-spi 9.5). So below, ports are always reserved with
// reuse, and who may have one is decided here.
type bindings struct {
	mu  sync.Mutex
	all map[binding][]*endpoint
}

type binding struct {
	protocol int32
	addr     netip.AddrPort
}

// bind reserves a for e and binds it, as one step among all endpoints of the driver.
func (b *bindings) bind(e *endpoint, a provider.Addr, full tcpip.FullAddress) wsa.Errno {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range e.bindingsFor(a) {
		if slices.ContainsFunc(b.all[k], func(o *endpoint) bool { return !o.reuse || !e.reuse }) {
			return wsa.EADDRINUSE
		}
	}
	if err := e.bindReusably(a, full); err != nil {
		return errno(opBind, err)
	}
	if local, err := e.ep.GetLocalAddress(); err == nil {
		a.AddrPort = netip.AddrPortFrom(a.Addr(), local.Port)
	}
	e.held = e.bindingsFor(a)
	if b.all == nil {
		b.all = make(map[binding][]*endpoint)
	}
	for _, k := range e.held {
		b.all[k] = append(b.all[k], e)
	}
	return 0
}

// bindReusably binds with reuse below. A TCP port that gVisor chooses is free
// of any other all the same (ports.isAvailable, portSpecified); a UDP port it
// would share, so that one is chosen here, free of any reservation.
func (e *endpoint) bindReusably(a provider.Addr, full tcpip.FullAddress) tcpip.Error {
	if e.protocol == wsa.IPPROTO_TCP {
		return e.ep.Bind(full)
	}
	e.ep.SocketOptions().SetReuseAddress(true)
	if full.Port != 0 {
		return e.ep.Bind(full)
	}
	s := e.driver.tcpip
	r := ports.Reservation{Networks: e.networksOf(a), Transport: udp.ProtocolNumber, Addr: unmapped(full.Addr)}
	_, err := s.PickEphemeralPort(s.SecureRNG(), func(p uint16) (bool, tcpip.Error) {
		r.Port, full.Port = p, p
		if _, err := s.ReservePort(s.SecureRNG(), r, nil); err != nil {
			return false, nil
		}
		s.ReleasePort(r)
		err := e.ep.Bind(full)
		if _, taken := err.(*tcpip.ErrPortInUse); taken { // by somebody's first Send
			return false, nil
		}
		return err == nil, err
	})
	return err
}

func (e *endpoint) networksOf(a provider.Addr) []tcpip.NetworkProtocolNumber {
	all := make([]tcpip.NetworkProtocolNumber, 0, 2)
	for _, k := range e.bindingsFor(a) {
		if k.addr.Addr().Is4() {
			all = append(all, header.IPv4ProtocolNumber)
		} else {
			all = append(all, header.IPv6ProtocolNumber)
		}
	}
	return all
}

func (b *bindings) release(e *endpoint) {
	if len(e.held) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range e.held {
		b.all[k] = slices.DeleteFunc(b.all[k], func(o *endpoint) bool { return o == e })
		if len(b.all[k]) == 0 {
			delete(b.all, k)
		}
	}
	e.held = nil
}

// bindingsFor are the places that a takes: two for the wildcard of both families.
func (e *endpoint) bindingsFor(a provider.Addr) []binding {
	all := []binding{{e.protocol, netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}}
	if e.family == wsa.AF_INET6 && a.Addr() == netip.IPv6Unspecified() && !e.ep.SocketOptions().GetV6Only() {
		all = append(all, binding{e.protocol, netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port())})
	}
	return all
}
