package stack

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/raw"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// A Stack is one private TCP/IP network: gVisor's stack with NICs, addresses,
// routes and the flows of its gateway. All methods are safe for concurrent use.
type Stack struct {
	config Config
	tcpip  *tcpstack.Stack
	flows  flowTable

	buffers buffers

	// own and nics are copied on write: the receive path reads them per packet.
	own  atomic.Pointer[map[netip.Addr]*NIC]
	nics atomic.Pointer[map[tcpip.NICID]*NIC]

	synQueues atomic.Pointer[map[netip.AddrPort]*SYNQueue] // likewise

	mu     sync.Mutex // guards what follows and the writing of own and nics
	lastID tcpip.NICID
	routes []Route
	closed bool

	changed []*func() // of OnChange

	done chan struct{} // closed when Close has finished
}

// loopbackNIC carries 127.0.0.0/8 and ::1 inside the Stack.
const loopbackNIC tcpip.NICID = 1

// New makes a Stack without NICs but for the loopback. It fails only for a
// Config that contradicts itself, with syscall.EINVAL or gVisor's reason.
func New(c Config) (*Stack, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Stack{config: c, lastID: loopbackNIC, done: make(chan struct{})}
	s.own.Store(&map[netip.Addr]*NIC{})
	s.nics.Store(&map[tcpip.NICID]*NIC{})
	s.synQueues.Store(&map[netip.AddrPort]*SYNQueue{})
	s.tcpip = tcpstack.New(tcpstack.Options{
		NetworkProtocols: []tcpstack.NetworkProtocolFactory{
			ipv4.NewProtocolWithOptions(ipv4.Options{IGMP: ipv4.IGMPOptions{Enabled: c.GroupReports}}),
			ipv6.NewProtocolWithOptions(ipv6.Options{MLD: ipv6.MLDOptions{Enabled: c.GroupReports}}),
			arp.NewProtocol,
		},
		TransportProtocols: []tcpstack.TransportProtocolFactory{
			tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
		Clock:      c.Clock,
		RawFactory: raw.EndpointFactory{},
		// HandleLocal off: on a promiscuous NIC it makes gVisor take *every*
		// source address for one of ours and drop the packet (ipv4.HandlePacket,
		// AcquireAssignedAddress). Traffic to ourselves turns round at the link
		// (link.hairpin) and on the loopback NIC instead.
		HandleLocal: false,
	})
	s.flows.init(s)
	s.tcpip.SetTransportProtocolHandler(tcp.ProtocolNumber, s.handleTCP)
	s.tcpip.SetTransportProtocolHandler(udp.ProtocolNumber, s.handleUDP)
	s.tcpip.SetTransportProtocolHandler(icmp.ProtocolNumber4, s.handleICMP4)
	s.tcpip.SetTransportProtocolHandler(icmp.ProtocolNumber6, s.handleICMP6)
	if err := s.tune(); err != nil {
		s.tcpip.Destroy()
		return nil, err
	}
	if err := s.addLoopback(); err != nil {
		s.tcpip.Destroy()
		return nil, err
	}
	return s, nil
}

func (s *Stack) addLoopback() error {
	if err := s.tcpip.CreateNICWithOptions(loopbackNIC, loopback.New(), tcpstack.NICOptions{Name: "lo"}); err != nil {
		return fmt.Errorf("stack: make the loopback: %v: %w", err, errno(err))
	}
	for _, p := range loopbackPrefixes {
		if err := s.tcpip.AddProtocolAddress(loopbackNIC, toProtocolAddress(p), tcpstack.AddressProperties{}); err != nil {
			return fmt.Errorf("stack: add %v to the loopback: %v: %w", p, err, errno(err))
		}
	}
	s.applyRoutes()
	return nil
}

// TCPIP is the door to gVisor, for provider/netstack alone.
func (s *Stack) TCPIP() *tcpstack.Stack { return s.tcpip }

// Close ends the Stack: pending flows are canceled and established ones reset
// (the peers see it while their device still works), every NIC and its device
// is closed, and no goroutine of the Stack, of its flows or of gVisor is left
// when it returns. It waits for FlowHandler calls and for leases (Flow.Peek)
// to return. Closing again waits for the first Close and returns nil.
func (s *Stack) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	defer close(s.done)

	for _, q := range *s.synQueues.Load() {
		q.Close()
	}
	for _, n := range *s.nics.Load() {
		s.flows.end(n)
	}
	for _, ep := range s.tcpip.RegisteredEndpoints() {
		ep.Abort()
	}
	for _, n := range *s.nics.Load() {
		n.Close()
	}
	s.buffers.close()
	s.tcpip.Close()
	s.tcpip.Wait()
	return nil
}

// nic finds a NIC of ours, nil for the loopback and for one that is gone.
func (s *Stack) nic(id tcpip.NICID) *NIC { return (*s.nics.Load())[id] }

// Owns reports an address of the Stack's own: of one of its NICs, or the loopback.
func (s *Stack) Owns(a netip.Addr) bool { return a.IsLoopback() || s.owner(a) != nil }

// owner is the NIC that has a as its own address, or nil.
func (s *Stack) owner(a netip.Addr) *NIC { return (*s.own.Load())[a] }
