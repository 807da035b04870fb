package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// abandon aborts the connections from n's own addresses: what they send leads nowhere
// any more, and would be tried for giveUp. provider/netstack says ENETDOWN of them.
// Listeners and unconnected sockets stay, as another NIC may bring them something.
func (s *Stack) abandon(n *NIC) {
	own := map[tcpip.Address]bool{}
	for _, p := range n.Addrs() {
		own[ToAddress(p.Addr())] = true
	}
	for _, ep := range s.tcpip.RegisteredEndpoints() {
		e, ok := ep.(*tcp.Endpoint)
		if !ok {
			continue
		}
		switch e.EndpointState() {
		case tcp.StateEstablished, tcp.StateCloseWait, tcp.StateFinWait1, tcp.StateFinWait2, tcp.StateClosing, tcp.StateLastAck:
			if info, ok := e.Info().(*tcpstack.TransportEndpointInfo); ok && own[info.ID.LocalAddress] {
				e.Abort()
			}
		}
	}
}
