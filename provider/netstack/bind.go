package netstack

import (
	"net/netip"
	"slices"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// bindings decide whether an address is in use; gVisor's port manager cannot
// say it as Winsock does. There a wildcard and a specific address of one port
// get on, two equal ones do not, and a connection in TIME-WAIT is no obstacle to
// a new listener (winsock-spi 9.5). So below, ports are always reserved with
// reuse, and who may have one is decided here. Ports that gVisor chooses it
// chooses free of any other (ports.isAvailable, portSpecified).
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
	if e.kind == wsa.SOCK_DGRAM {
		// Only for a port that was named: gVisor would share one that it chooses.
		e.ep.SocketOptions().SetReuseAddress(a.Port() != 0)
	}
	if err := e.ep.Bind(full); err != nil {
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
