package host

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// claim binds a on the kernel unless one of the Host's own sockets stands against it
// (winsock-spi 9.5). What other processes have, the kernel knows.
func (e *endpoint) claim(a provider.Addr, bind func() wsa.Errno) wsa.Errno {
	want := base.Binding{Protocol: e.protocol, Addr: a.AddrPort, Dual: e.dual(a), Mode: e.sharing}
	held, code := e.host.bound.Bind(want, func() (uint16, wsa.Errno) {
		if code := bind(); code != 0 {
			return 0, code
		}
		local, _ := e.local()
		return local.Port(), 0
	})
	if code == 0 {
		e.held = held
	}
	return code
}

// dual reports that a is the wildcard of both families.
func (e *endpoint) dual(a provider.Addr) bool {
	if e.af != wsa.AF_INET6 || a.Addr() != netip.IPv6Unspecified() {
		return false
	}
	only, err := unix.GetsockoptInt(e.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	return err == nil && only == 0
}

// share notes which of the two options that exclude each other is on.
func (e *endpoint) share(mode base.BindMode, on bool) {
	switch {
	case on:
		e.sharing = mode
	case e.sharing == mode:
		e.sharing = base.BindDefault
	}
}
