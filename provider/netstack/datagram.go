package netstack

import (
	"net/netip"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A datagram is a UDP, raw or ICMP endpoint.
type datagram struct {
	endpoint
	flood flood
	ahead ahead

	to   tcpip.FullAddress    // of the Send that runs
	soft atomic.Pointer[soft] // waits for the next Recv
	port atomic.Uint32        // known to driver.icmp; 0 if not

	heard bool // of a raw endpoint: see associated
}

// soft is an ICMP error: what Recv returns once, and the destination that drew it.
type soft struct {
	errno wsa.Errno
	to    provider.Addr
}

var (
	_ base.Endpoint  = (*datagram)(nil)
	_ base.Queuer    = (*datagram)(nil)
	_ base.SoftNamer = (*datagram)(nil)
)

func newDatagram(n nature) *datagram {
	d := &datagram{endpoint: endpoint{nature: n}}
	d.setDefaults()
	d.receiveControl()
	if d.isUDP() {
		d.flood.watch(n.ep)
	}
	return d
}

func (d *datagram) isUDP() bool { return d.kind == wsa.SOCK_DGRAM && d.protocol == wsa.IPPROTO_UDP }

// Watch installs wake. What happened before is not reported: ask State.
func (d *datagram) Watch(wake func(wsa.Events)) { d.watch(d, wake) }

// NotifyEvent is gVisor's wake.
func (d *datagram) NotifyEvent(m waiter.EventMask) {
	d.flood.check()
	if m&waiter.ReadableEvents != 0 && d.ahead.circular.Load() {
		d.turn()
	}
	d.wake(hints(m))
}

// Bind takes a local address. A raw endpoint's port is ignored, an ICMP
// endpoint's is the identifier of its echo requests.
func (d *datagram) Bind(a provider.Addr) wsa.Errno {
	e := d.endpoint.Bind(a)
	if e == 0 {
		d.associated()
		d.listenForErrors()
	}
	return e
}

// Connect sets the peer: from then on only its datagrams are queued. What others
// sent before stays queued; package base skips it. EACCES: a broadcast address
// without SO_BROADCAST.
func (d *datagram) Connect(to provider.Addr) wsa.Errno {
	full, e := d.destination(to)
	if e != 0 {
		return e
	}
	if d.isBroadcast(full) && !d.ep.SocketOptions().GetBroadcast() {
		return wsa.EACCES
	}
	if !d.isUDP() {
		full.Port = 0
		to.AddrPort = netip.AddrPortFrom(to.Addr(), 0)
	}
	if err := d.ep.Connect(full); err != nil {
		if _, none := err.(*tcpip.ErrBadLocalAddress); none { // a datagram endpoint has no 4-tuple to clash
			return wsa.EADDRNOTAVAIL
		}
		return d.driver.unreachable(errno(opConnect, err), unmapped(full.Addr))
	}
	d.peer.Store(&to)
	d.associated()
	d.listenForErrors()
	return 0
}

// Disconnect takes the peer away; the port stays. EOPNOTSUPP: gVisor cannot do
// it for raw and ICMP endpoints.
func (d *datagram) Disconnect() wsa.Errno {
	if d.peer.Load() == nil {
		return 0
	}
	local, _ := d.ep.GetLocalAddress()
	if err := d.ep.Disconnect(); err != nil {
		return errno(opConnect, err)
	}
	d.peer.Store(nil)
	if transport.DatagramEndpointState(d.ep.State()) == transport.DatagramEndpointStateInitial {
		// gVisor gave the port back that Connect had chosen; Winsock keeps it.
		if e := d.Bind(provider.Any(d.family, local.Port)); e != 0 {
			return e
		}
	}
	d.listenForErrors()
	return 0
}

// Listen is for streams.
func (d *datagram) Listen(int) wsa.Errno { return wsa.EOPNOTSUPP }

// Accept is for streams.
func (d *datagram) Accept() (base.Endpoint, wsa.Errno) { return nil, wsa.EOPNOTSUPP }

// Shutdown makes Send fail with ESHUTDOWN. ENOTCONN: neither bound nor connected.
func (d *datagram) Shutdown() wsa.Errno {
	st := transport.DatagramEndpointState(d.ep.State())
	err := d.ep.Shutdown(tcpip.ShutdownWrite)
	if _, bound := err.(*tcpip.ErrNotConnected); bound && st == transport.DatagramEndpointStateBound {
		return 0 // gVisor does it and says this besides
	}
	return errno(opShutdown, err)
}

// Close discards what is queued.
func (d *datagram) Close(bool) {
	d.driver.icmp.forget(d)
	d.unwatch()
	d.ep.Close()
	d.held.Release()
}

// LocalAddr is the address bound or chosen. Connected, it names the interface's
// address also where the wildcard was bound.
func (d *datagram) LocalAddr() (provider.Addr, bool) {
	if transport.DatagramEndpointState(d.ep.State()) == transport.DatagramEndpointStateInitial {
		return provider.Addr{}, false
	}
	a, _ := d.endpoint.LocalAddr()
	return a, true
}

// State asks nothing that a wake holds: gVisor wakes datagram endpoints after it
// has released their locks.
func (d *datagram) State() base.State {
	d.flood.check()
	ready := d.ep.Readiness(waiter.EventIn | waiter.EventOut | waiter.EventErr)
	s := base.State{
		Readable: ready&waiter.EventIn != 0 || d.ahead.count.Load() > 0,
		Writable: ready&waiter.EventOut != 0,
		Soft:     ready&waiter.EventErr != 0 || d.soft.Load() != nil,
		Drained:  true,
	}
	if transport.DatagramEndpointState(d.ep.State()) == transport.DatagramEndpointStateConnected {
		s.Phase = base.Connected
	}
	return s
}

// Queued is the size of the first datagram; gVisor does not tell of the others.
func (d *datagram) Queued() int {
	if d.ahead.count.Load() == 0 {
		return d.first()
	}
	d.ahead.mu.Lock()
	defer d.ahead.mu.Unlock()
	if len(d.ahead.list) > 0 {
		return len(d.ahead.list[0].data)
	}
	return d.first()
}

// SoftError is what the next Recv returns for an ICMP error, 0 if none waits.
func (d *datagram) SoftError() wsa.Errno {
	if s := d.soft.Load(); s != nil {
		return s.errno
	}
	if d.ep.Readiness(waiter.EventErr)&waiter.EventErr != 0 {
		return wsa.ECONNRESET // gVisor keeps port unreachable alone
	}
	return 0
}
