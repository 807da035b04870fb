package netstack

import (
	"net/netip"

	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/raw"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// Config is what a Driver is made of.
type Config struct {
	// Stack is where endpoints live. Required. The Driver does not close it; it is
	// closed after the Driver and its endpoints, or they fail with ENETDOWN.
	Stack *stack.Stack
	// Raw is the capability to open SOCK_RAW. Default: EACCES.
	Raw bool
}

// A Driver opens endpoints on one Stack. Safe for concurrent use.
type Driver struct {
	tcpip  *tcpstack.Stack
	stack  *stack.Stack // nil over a bare one
	raw    bool
	marker tcpip.NICID // a NIC that lives as long as the stack, 0 if there was none
	bound  base.Bindings
	icmp   icmpErrors
	owns   func(netip.Addr) bool // addresses of the stack's own
}

var _ base.Driver = (*Driver)(nil)

// New makes a Driver. Close it when its endpoints are closed.
func New(c Config) *Driver {
	d := newDriver(c.Stack.TCPIP(), c.Raw)
	d.stack = c.Stack
	d.owns = c.Stack.Owns
	return d
}

func newDriver(s *tcpstack.Stack, raw bool) *Driver {
	d := &Driver{tcpip: s, raw: raw}
	for id := range s.NICInfo() {
		if d.marker == 0 || id < d.marker {
			d.marker = id
		}
	}
	d.icmp.driver = d
	return d
}

// Close lets go of what all endpoints share: the two raw ICMP endpoints that
// find the errors of unconnected datagram sockets. Endpoints that are still open
// stay usable but hear of no such error any more. Further calls do nothing.
func (d *Driver) Close() { d.icmp.close() }

// Open makes an endpoint. EACCES: SOCK_RAW without the capability.
// EAFNOSUPPORT: the stack does not speak this IP version. ENETDOWN: the stack is closed.
func (d *Driver) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	net, known := networks[af]
	switch {
	case !known || !d.tcpip.CheckNetworkProtocol(net):
		return nil, wsa.EAFNOSUPPORT
	case typ == wsa.SOCK_RAW && !d.raw:
		return nil, wsa.EACCES
	case d.down():
		return nil, wsa.ENETDOWN
	}
	n := nature{driver: d, family: af, kind: typ, protocol: protocol, queue: new(waiter.Queue)}
	var err tcpip.Error
	if typ == wsa.SOCK_RAW {
		n.ep, err = d.openRaw(net, tcpip.TransportProtocolNumber(protocol), n.queue)
	} else {
		n.ep, err = d.tcpip.NewEndpoint(tcpip.TransportProtocolNumber(protocol), net, n.queue)
	}
	switch {
	case err != nil:
		return nil, errno(opOpen, err)
	case typ == wsa.SOCK_STREAM:
		return newStream(n), 0
	}
	return newDatagram(n), 0
}

// openRaw makes a raw endpoint that also receives, if the stack knows the
// protocol; else one that sends only. 255 is for sending only, with the
// sender's own header.
func (d *Driver) openRaw(net tcpip.NetworkProtocolNumber, protocol tcpip.TransportProtocolNumber, q *waiter.Queue) (tcpip.Endpoint, tcpip.Error) {
	if d.tcpip.TransportProtocolInstance(protocol) != nil {
		return d.tcpip.NewRawEndpoint(protocol, net, q, true)
	}
	ep, err := raw.EndpointFactory{}.NewUnassociatedEndpoint(d.tcpip, net, protocol, q)
	if err == nil && protocol != tcpip.TransportProtocolNumber(wsa.IPPROTO_RAW) {
		ep.SocketOptions().SetHeaderIncluded(false)
	}
	return ep, err
}

// down reports that the stack was closed: gVisor removes every NIC then.
func (d *Driver) down() bool { return d.marker != 0 && !d.tcpip.HasNIC(d.marker) }

// unreachable turns ENETUNREACH for a destination into ENETDOWN if the reason is
// that the way there is gone: the stack, or the NIC of a route that exists.
func (d *Driver) unreachable(e wsa.Errno, to tcpip.Address) wsa.Errno {
	if e != wsa.ENETUNREACH && e != wsa.EHOSTUNREACH {
		return e
	}
	if d.down() {
		return wsa.ENETDOWN
	}
	for _, r := range d.tcpip.GetRouteTable() {
		if r.Destination.Contains(to) && !d.tcpip.CheckNIC(r.NIC) {
			return wsa.ENETDOWN
		}
	}
	return e
}
