package netstack

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// nature is what an endpoint is made of. It does not change.
type nature struct {
	driver *Driver
	ep     tcpip.Endpoint
	queue  *waiter.Queue

	family, kind, protocol int32 // AF_*, SOCK_*, IPPROTO_*
}

// endpoint is what streams and datagram endpoints have in common.
type endpoint struct {
	nature

	entry waiter.Entry // registered once, by Watch
	wake  func(wsa.Events)

	unicast4, unicast6 atomic.Uint32 // IP_UNICAST_IF, IPV6_UNICAST_IF: a NIC

	sharing sharing
	held    *base.Bound // what Bind took
	probe   keepAlive

	peer atomic.Pointer[provider.Addr] // kept by us: gVisor forgets it when a stream ends, and a raw endpoint never tells it

	src source // of the Send that runs
	dst sink   // of the Recv that runs
}

// every is what gVisor tells of. EventErr is a soft error of UDP.
const every = waiter.ReadableEvents | waiter.WritableEvents | waiter.EventHUp | waiter.EventErr | waiter.EventRdHUp

// watch registers l, which calls wake. EventUnregister waits for l, so that no
// wake runs after unwatch.
func (e *endpoint) watch(l waiter.EventListener, wake func(wsa.Events)) {
	e.wake = wake
	e.entry.Init(l, every)
	e.queue.EventRegister(&e.entry)
}

func (e *endpoint) unwatch() {
	if e.wake != nil {
		e.queue.EventUnregister(&e.entry)
	}
}

// hints says what may have changed; State says what has.
func hints(m waiter.EventMask) wsa.Events {
	var h wsa.Events
	if m&waiter.ReadableEvents != 0 {
		h |= wsa.FD_READ | wsa.FD_ACCEPT | wsa.FD_CLOSE
	}
	if m&waiter.WritableEvents != 0 {
		h |= wsa.FD_WRITE | wsa.FD_CONNECT
	}
	if m&(waiter.EventHUp|waiter.EventErr|waiter.EventRdHUp) != 0 {
		h |= wsa.FD_CONNECT | wsa.FD_CLOSE | wsa.EvDrained | wsa.EvError
	}
	return h
}

const anyChange = wsa.FD_READ | wsa.FD_WRITE | wsa.FD_ACCEPT | wsa.FD_CONNECT | wsa.FD_CLOSE | wsa.EvDrained | wsa.EvError

// Bind takes a local address. EAFNOSUPPORT: it is of another family.
func (e *endpoint) Bind(a provider.Addr) wsa.Errno {
	full, ok := e.toFull(a)
	if !ok {
		return wsa.EAFNOSUPPORT
	}
	if e.kind == wsa.SOCK_RAW || e.protocol != wsa.IPPROTO_TCP && e.protocol != wsa.IPPROTO_UDP {
		if e.kind == wsa.SOCK_RAW {
			full.Port = 0
		}
		return errno(opBind, e.ep.Bind(full))
	}
	return e.take(a, full)
}

// destination checks where a connect or a datagram goes.
func (e *endpoint) destination(a provider.Addr) (tcpip.FullAddress, wsa.Errno) {
	full, ok := e.toFull(a)
	switch {
	case !ok:
		return full, wsa.EAFNOSUPPORT
	case a.IsUnspecified(): // gVisor would take it for the loopback, Winsock does not
		return full, wsa.EADDRNOTAVAIL
	case a.Addr().Is4In6() && e.ep.SocketOptions().GetV6Only():
		return full, wsa.EADDRNOTAVAIL
	}
	if full.NIC == 0 {
		full.NIC = e.unicastNIC(full.Addr)
	}
	return full, 0
}

// isBroadcast reports the limited broadcast address or that of a subnet of ours.
func (e *endpoint) isBroadcast(to tcpip.FullAddress) bool {
	a := unmapped(to.Addr)
	return a == header.IPv4Broadcast || a.Len() == 4 && e.driver.tcpip.IsSubnetBroadcast(to.NIC, header.IPv4ProtocolNumber, a)
}

// LocalAddr is the address bound or chosen; ok is false before there is one.
func (e *endpoint) LocalAddr() (provider.Addr, bool) {
	full, err := e.ep.GetLocalAddress()
	if err != nil {
		return provider.Addr{}, false
	}
	if e.kind == wsa.SOCK_RAW {
		full.Port = 0 // the protocol stands there
	}
	return e.fromFull(full), full.Port != 0 || full.Addr.Len() != 0
}

// PeerAddr is the peer of a connection, also after its end, or the one that
// Connect set.
func (e *endpoint) PeerAddr() (provider.Addr, bool) {
	if p := e.peer.Load(); p != nil {
		return *p, true
	}
	return provider.Addr{}, false
}
