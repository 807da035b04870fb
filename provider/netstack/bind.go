package netstack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/ports"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// sharing is how an endpoint binds: what SO_REUSEADDR and SO_EXCLUSIVEADDRUSE say
// at that time.
type sharing struct{ reuse, exclusive bool }

func (s sharing) mode() base.BindMode {
	switch {
	case s.exclusive:
		return base.BindExclusive
	case s.reuse:
		return base.BindReuse
	}
	return base.BindDefault
}

// take binds a among all endpoints of the driver. gVisor's port manager cannot say
// as Winsock does who may have an address (winsock-spi 9.5), and would have a
// connection in TIME-WAIT keep a new listener away. So below, ports are always
// reserved with reuse, and base.Bindings decides.
func (e *endpoint) take(a provider.Addr, full tcpip.FullAddress) wsa.Errno {
	want := base.Binding{Protocol: e.protocol, Addr: a.AddrPort, Dual: e.dual(a), Mode: e.sharing.mode()}
	held, code := e.driver.bound.Bind(want, func() (uint16, wsa.Errno) {
		if err := e.bindReusably(a, full); err != nil {
			return 0, errno(opBind, err)
		}
		if local, err := e.ep.GetLocalAddress(); err == nil {
			return local.Port, 0
		}
		return a.Port(), 0
	})
	if code == 0 {
		e.held = held
	}
	return code
}

// dual reports that a is the wildcard of both families.
func (e *endpoint) dual(a provider.Addr) bool {
	return e.family == wsa.AF_INET6 && a.Addr() == netip.IPv6Unspecified() && !e.ep.SocketOptions().GetV6Only()
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
	switch {
	case e.dual(a):
		return []tcpip.NetworkProtocolNumber{header.IPv6ProtocolNumber, header.IPv4ProtocolNumber}
	case a.Addr().Unmap().Is4():
		return []tcpip.NetworkProtocolNumber{header.IPv4ProtocolNumber}
	}
	return []tcpip.NetworkProtocolNumber{header.IPv6ProtocolNumber}
}
