package netstack

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// admission is what a listener does with who wants to connect, beside gVisor.
type admission struct {
	conditional bool // SO_CONDITIONAL_ACCEPT: set before Listen
	paused      bool // SO_PAUSE_ACCEPT

	queue atomic.Pointer[stack.SYNQueue] // of a conditional listener

	mu     sync.Mutex
	closed bool
	ready  []*stream // connections that gVisor's queue does not have
}

var _ base.ConditionalListener = (*stream)(nil)

// listenConditionally makes s a listener that gVisor knows nothing of: its endpoint
// holds the port, and the SYNs, which find no endpoint, go to a queue of the Stack's.
// EADDRINUSE: another endpoint listens there, or a wildcard one would take the SYNs.
func (s *stream) listenConditionally(backlog int) wsa.Errno {
	if q := s.door.queue.Load(); q != nil {
		q.SetBacklog(backlog)
		return 0
	}
	at := s.listensAt()
	if slices.ContainsFunc(at, s.driver.listens) {
		return wsa.EADDRINUSE
	}
	q, err := s.driver.stack.QueueSYNs(at, backlog, func() { s.wake(wsa.FD_ACCEPT) })
	switch {
	case err == nil:
	case s.driver.down():
		return wsa.ENETDOWN
	default:
		return wsa.EADDRINUSE
	}
	q.Pause(s.door.paused)
	s.door.queue.Store(q)
	return 0
}

// listensAt are the addresses that s is bound to: two for the wildcard of both families.
func (s *stream) listensAt() []netip.AddrPort {
	a, _ := s.LocalAddr()
	at := netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if s.dual(a) {
		return []netip.AddrPort{at, netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port())}
	}
	return []netip.AddrPort{at}
}

// listens reports that an endpoint of gVisor's would take a SYN to a.
func (d *Driver) listens(a netip.AddrPort) bool {
	net, id := header.IPv6ProtocolNumber, tcpstack.TransportEndpointID{LocalPort: a.Port()}
	if a.Addr().Is4() {
		net = header.IPv4ProtocolNumber
	}
	if !a.Addr().IsUnspecified() {
		id.LocalAddress = stack.ToAddress(a.Addr())
	}
	ep, ok := d.tcpip.FindTransportEndpoint(net, tcp.ProtocolNumber, id, 0).(*tcp.Endpoint)
	return ok && ep.EndpointState() == tcp.StateListen
}

// Offer takes the first attempt that waits.
func (s *stream) Offer() (base.Attempt, wsa.Errno) {
	q := s.door.queue.Load()
	if q == nil {
		return nil, wsa.EWOULDBLOCK
	}
	a := q.Next()
	if a == nil {
		return nil, wsa.EWOULDBLOCK
	}
	return &attempt{s, a}, 0
}

// attempt is an unanswered SYN, as base sees it.
type attempt struct {
	listener *stream
	syn      *stack.Attempt
}

func (a *attempt) LocalAddr() provider.Addr { return a.listener.sockaddr(a.syn.Destination()) }
func (a *attempt) PeerAddr() provider.Addr  { return a.listener.sockaddr(a.syn.Source()) }

// Refuse answers with RST.
func (a *attempt) Refuse() { a.syn.Refuse() }

// Answer has the handshake completed. EACCES: the attempt was withdrawn, or the
// listener is closed.
func (a *attempt) Answer() wsa.Errno {
	s := a.listener
	err := a.syn.Answer(func(ep tcpip.Endpoint, queue *waiter.Queue, failed tcpip.Error) {
		if failed != nil {
			return // the peer was gone: nobody hears of it
		}
		if !s.door.admit(s.accepted(ep, queue, a.PeerAddr())) {
			ep.Abort()
			return
		}
		s.wake(wsa.FD_ACCEPT)
	})
	if err != nil {
		return wsa.EACCES
	}
	return 0
}

// sockaddr is how s, which may be of the other family, sees an address.
func (s *stream) sockaddr(a netip.AddrPort) provider.Addr {
	return s.fromFull(tcpip.FullAddress{Addr: stack.ToAddress(a.Addr()), Port: a.Port()})
}

// admit queues a connection; false if the listener is closed.
func (d *admission) admit(c *stream) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.ready = append(d.ready, c)
	return true
}

// next takes a connection that gVisor's queue does not have, nil if there is none.
func (d *admission) next() *stream {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ready) == 0 {
		return nil
	}
	c := d.ready[0]
	d.ready = slices.Delete(d.ready, 0, 1)
	return c
}

// acceptable reports that a connection or an attempt waits.
func (d *admission) acceptable() bool {
	d.mu.Lock()
	n := len(d.ready)
	d.mu.Unlock()
	q := d.queue.Load()
	return n > 0 || q != nil && q.Len() > 0
}

// close refuses and resets who waits.
func (d *admission) close() {
	d.mu.Lock()
	d.closed = true
	ready := d.ready
	d.ready = nil
	d.mu.Unlock()
	if q := d.queue.Load(); q != nil {
		q.Close()
	}
	for _, c := range ready {
		c.Close(true)
	}
}

// SetOption as of endpoint, with what is a listener's. ENOPROTOOPT: there is no Stack to
// queue SYNs.
func (s *stream) SetOption(level, name int32, value int) wsa.Errno {
	switch {
	case level != wsa.SOL_SOCKET:
	case name == wsa.SO_CONDITIONAL_ACCEPT && s.driver.stack == nil:
		return wsa.ENOPROTOOPT
	case name == wsa.SO_CONDITIONAL_ACCEPT:
		s.door.conditional = value != 0
		return 0
	case name == wsa.SO_PAUSE_ACCEPT:
		return s.setPaused(value != 0)
	}
	return s.endpoint.SetOption(level, name, value)
}

// queuesSYNs reports that a conditional listener has one of the addresses.
func (d *Driver) queuesSYNs(at []netip.AddrPort) bool {
	return d.stack != nil && slices.ContainsFunc(at, d.stack.QueuesSYNs)
}

// setPaused is SO_PAUSE_ACCEPT: who wants to connect is refused while it is on. What
// was established before can be accepted; handshakes that run end with a reset.
func (s *stream) setPaused(on bool) wsa.Errno {
	s.door.paused = on
	if q := s.door.queue.Load(); q != nil {
		q.Pause(on)
		return 0
	}
	if !s.tcpState().listening() {
		return 0
	}
	if !on {
		return errno(opListen, s.ep.Listen(s.backlog))
	}
	for { // gVisor's Shutdown would reset them
		c, e := s.acceptOne()
		if e == wsa.EWOULDBLOCK {
			break
		}
		if e == 0 && !s.door.admit(c) {
			c.Close(true)
		}
	}
	return errno(opShutdown, s.ep.Shutdown(tcpip.ShutdownRead))
}
