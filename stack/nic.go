package stack

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// A NIC is an interface of a Stack, on a Device. All methods are safe for
// concurrent use.
type NIC struct {
	stack     *Stack
	id        tcpip.NICID
	name      string
	link      *link                 // nil over a foreign endpoint
	endpoint  tcpstack.LinkEndpoint // link, or NICConfig.Endpoint
	handler   FlowHandler
	forwarder *tcp.Forwarder
	counters  counterSet
	handlers  sync.WaitGroup // FlowHandler.TCP calls
	ids       atomic.Uint32  // of IPv4 datagrams that we make ourselves

	addrs  []netip.Prefix // guarded by stack.mu
	ending bool           // no new flows; guarded by flowTable.mu

	pending                     attempts // guarded by flowTable.mu
	maxHandshakes, maxPerSource int      // of a Limiter

	doneOnce  sync.Once
	done      chan struct{}
	err       error // written before done is closed
	closeOnce sync.Once
	closed    chan struct{} // closed when Close has finished
}

// State says what a NIC's device is doing.
type State uint8

// The states of a NIC.
const (
	Up     State = iota // packets flow, as far as we know
	Down                // the device refuses packets for now; they are held
	Gone                // the device vanished; see NIC.Err
	Closed              // NIC.Close or Stack.Close
)

// String names the state.
func (s State) String() string {
	return [...]string{"up", "down", "gone", "closed"}[min(s, Closed)]
}

// AddNIC puts an interface on c.Device and starts reading from it. Errors:
// EINVAL for a configuration that cannot be, EEXIST for a name in use,
// net.ErrClosed after Close. On error the device is closed.
func (s *Stack) AddNIC(c NICConfig) (*NIC, error) {
	n, err := s.addNIC(c)
	if err != nil && c.Device != nil {
		c.Device.Close() // nothing was read or written yet
	}
	return n, err
}

func (s *Stack) addNIC(c NICConfig) (*NIC, error) {
	if (c.Device == nil) == (c.Endpoint == nil) {
		return nil, fmt.Errorf("stack: NIC %q needs a device: %w", c.Name, syscall.EINVAL)
	}
	n := &NIC{stack: s, name: c.Name, handler: c.Forward, endpoint: c.Endpoint, done: make(chan struct{}), closed: make(chan struct{})}
	n.maxHandshakes, n.maxPerSource = s.config.MaxHandshakes, s.config.MaxHandshakesPerSource
	if l, ok := c.Forward.(Limiter); ok {
		n.maxHandshakes, n.maxPerSource = l.Handshakes()
	}
	if c.Device != nil {
		l, err := newLink(n, c)
		if err != nil {
			return nil, err
		}
		n.link, n.endpoint = l, l
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("stack: add NIC %q: %w", c.Name, net.ErrClosed)
	}
	s.lastID++
	n.id = s.lastID
	// Disabled until addresses and handler are in place: no packet is seen
	// before, and Attach below starts no reader.
	if err := s.tcpip.CreateNICWithOptions(n.id, n.endpoint, tcpstack.NICOptions{Name: c.Name, Disabled: true}); err != nil {
		return nil, fmt.Errorf("stack: add NIC %q: %w", c.Name, syscall.EEXIST)
	}
	if err := n.configure(c); err != nil {
		s.tcpip.RemoveNIC(n.id)
		return nil, err
	}
	nics := maps.Clone(*s.nics.Load())
	nics[n.id] = n
	s.nics.Store(&nics)
	s.publish()
	if n.link != nil {
		n.link.start()
	}
	return n, nil
}

// configure runs with stack.mu held.
func (n *NIC) configure(c NICConfig) error {
	ts := n.stack.tcpip
	if n.handler != nil {
		n.forwarder = tcp.NewForwarder(ts, n.stack.config.ReceiveBuffer.Default, unboundedForwarder, n.runFlow)
		if err := errors.Join(toError(ts.SetPromiscuousMode(n.id, true)), toError(ts.SetSpoofing(n.id, true))); err != nil {
			return fmt.Errorf("stack: make NIC %q a gateway: %w", n.name, err)
		}
	}
	for _, p := range c.Addrs {
		if err := n.addAddr(p); err != nil {
			return err
		}
	}
	if err := ts.EnableNIC(n.id); err != nil {
		return fmt.Errorf("stack: enable NIC %q: %w", n.name, errno(err))
	}
	return nil
}

// toError keeps a nil tcpip.Error nil.
func toError(err tcpip.Error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%v: %w", err, errno(err))
}

// Name is what NICConfig said.
func (n *NIC) Name() string { return n.name }

// ID is gVisor's number for the NIC, for provider/netstack.
func (n *NIC) ID() tcpip.NICID { return n.id }

// Stack is where the NIC lives.
func (n *NIC) Stack() *Stack { return n.stack }

// Counters is a snapshot of what the NIC counted since AddNIC.
func (n *NIC) Counters() Counters { return n.counters.snapshot() }

// Addrs are the NIC's own addresses.
func (n *NIC) Addrs() []netip.Prefix {
	n.stack.mu.Lock()
	defer n.stack.mu.Unlock()
	return slices.Clone(n.addrs)
}

// AddAddr gives the NIC an address of its own, with the route to its prefix.
// EEXIST: it has it already; EINVAL: not a unicast address.
func (n *NIC) AddAddr(p netip.Prefix) error {
	n.stack.mu.Lock()
	defer n.stack.mu.Unlock()
	if err := n.addAddr(p); err != nil {
		return err
	}
	n.stack.publish()
	return nil
}

func (n *NIC) addAddr(p netip.Prefix) error {
	a := p.Addr()
	if !p.IsValid() || a.IsUnspecified() || a.IsMulticast() {
		return fmt.Errorf("stack: NIC %q: %v is not an interface address: %w", n.name, p, syscall.EINVAL)
	}
	if a.Is4In6() {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if slices.ContainsFunc(n.addrs, func(q netip.Prefix) bool { return q.Addr() == p.Addr() }) {
		return fmt.Errorf("stack: NIC %q has %v already: %w", n.name, p.Addr(), syscall.EEXIST)
	}
	if err := n.stack.tcpip.AddProtocolAddress(n.id, toProtocolAddress(p), tcpstack.AddressProperties{}); err != nil {
		return fmt.Errorf("stack: NIC %q: add %v: %v: %w", n.name, p, err, syscall.EEXIST)
	}
	n.addrs = append(n.addrs, p)
	return nil
}

// RemoveAddr takes an address away; connections from it fail when they next
// send. EADDRNOTAVAIL: the NIC does not have it.
func (n *NIC) RemoveAddr(p netip.Prefix) error {
	s := n.stack
	s.mu.Lock()
	defer s.mu.Unlock()
	a := p.Addr().Unmap()
	i := slices.IndexFunc(n.addrs, func(q netip.Prefix) bool { return q.Addr() == a })
	if i < 0 {
		return fmt.Errorf("stack: NIC %q does not have %v: %w", n.name, p.Addr(), syscall.EADDRNOTAVAIL)
	}
	if err := s.tcpip.RemoveAddress(n.id, ToAddress(a)); err != nil {
		return fmt.Errorf("stack: NIC %q: remove %v: %v: %w", n.name, p, err, syscall.EADDRNOTAVAIL)
	}
	n.addrs = slices.Delete(n.addrs, i, i+1)
	s.publish()
	return nil
}

// publish rebuilds what hangs on NICs and addresses. Called with mu held.
func (s *Stack) publish() {
	own := map[netip.Addr]*NIC{}
	for _, n := range *s.nics.Load() {
		for _, p := range n.addrs {
			own[p.Addr()] = n
		}
	}
	s.own.Store(&own)
	s.applyRoutes()
}

// SetMTU overrides the device's MTU, which the NIC follows otherwise; 0 undoes
// it.
func (n *NIC) SetMTU(mtu int) { n.endpoint.SetMTU(uint32(mtu)) }

// State says what the device is doing.
func (n *NIC) State() State {
	if n.link != nil {
		return n.link.state()
	}
	if n.Err() != nil {
		return Closed
	}
	return Up
}

// Done is closed when the device is gone or the NIC is closed.
func (n *NIC) Done() <-chan struct{} { return n.done }

// Err is nil before Done, net.ErrClosed after Close, and otherwise wraps
// ENETDOWN and the device's error.
func (n *NIC) Err() error {
	select {
	case <-n.done:
		return n.err
	default:
		return nil
	}
}

func (n *NIC) finish(err error) {
	n.doneOnce.Do(func() {
		n.err = err
		close(n.done)
	})
}

// Close takes the NIC out of the Stack: its flows are reset, its device is
// closed, its goroutines are gone when it returns. Closing again waits for
// the first Close and returns nil. It must not be called from a FlowHandler.
func (n *NIC) Close() error {
	n.closeOnce.Do(n.close)
	<-n.closed
	return nil
}

func (n *NIC) close() {
	defer close(n.closed)
	s := n.stack
	n.finish(fmt.Errorf("stack: NIC %q: %w", n.name, net.ErrClosed))
	s.flows.end(n) // while the device still carries their RST
	if n.link != nil {
		n.link.stop()
	} else {
		n.endpoint.Close()
		n.endpoint.Wait()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	nics := maps.Clone(*s.nics.Load())
	delete(nics, n.id)
	s.nics.Store(&nics)
	s.tcpip.RemoveNIC(n.id)
	s.publish()
}
