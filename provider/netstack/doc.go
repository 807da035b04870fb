// Package netstack is the base driver over a private gVisor stack: WSPSocket's
// address family, type and protocol become netstack endpoints. It opens
// STREAM/TCP, DGRAM/UDP, RAW and DGRAM/ICMP, over IPv4 and IPv6, dual stack
// where IPV6_V6ONLY is off. The Winsock state machine stands above it, in
// package base; [NewBase] puts the two together.
//
// # What gVisor does not have
//
// Such things are not claimed in the catalog, and asked for they give the error
// named here:
//
//   - urgent data: the protocols are not Expedited, MSG_OOB never arrives here.
//   - choosing the source address of one IPv4 datagram (IP_PKTINFO): EOPNOTSUPP,
//     unless it is the address the socket is bound to.
//   - taking the peer of a raw or ICMP socket away again: EOPNOTSUPP.
//   - raw sockets of a protocol that the stack does not know (all but ICMP,
//     ICMPv6, TCP and UDP) only send: netstack delivers none to them. 255 only sends by definition.
//   - memberships of a socket's own: gVisor's are the NIC's, and every socket of the
//     port hears them; package base keeps from each what it has not joined. Sources are
//     filtered there too: no report on the wire names one (IGMPv3, MLDv2), and groups
//     are reported only if stack.Config.GroupReports says so.
//   - groups on a socket that is bound to an address of an interface: it hears none;
//     on Windows that is how to choose the interface.
//   - IPV6_HDRINCL: ENOPROTOOPT.
//   - a second listener on one address, where both have SO_REUSEADDR: Windows lets it
//     take the first one's connections, here it is EADDRINUSE, in Bind if the first
//     listens by then and in Listen if not. Everything else of winsock-spi 9.5 holds.
//   - raw datagrams above the MTU: EMSGSIZE, they are not fragmented.
//   - a peer's FIN is acknowledged state, not an event, between FIN-WAIT-1 and
//     FIN-WAIT-2: no wake tells that State.Drained became true. Who waits for it asks again.
//   - datagrams without a byte do not count against SO_RCVBUF, so gVisor queues
//     them without end. This package counts them when a socket is woken or
//     asked and stops receiving at SO_RCVBUF/512 (at least 1024) queued datagrams;
//     a socket that holds a byte already and is not asked is not protected.
//   - ICMPv6 "address unreachable" does not end a connect, only "no route" and
//     "port unreachable" do: it times out.
//   - the size of any datagram but the first: FIONREAD takes the queue out of gVisor,
//     up to SO_RCVBUF bytes, and Recv gives those first. What is behind more than
//     that, but for one datagram, is not counted.
//   - a circular queue (SIO_ENABLE_CIRCULAR_QUEUEING) of raw and ICMP sockets.
//   - of TCP_INFO: bytes in flight, windows and the least round trip are 0.
//   - a path MTU that ICMP has told: IP_MTU is the interface's.
//
// # Windows' defaults
//
// An endpoint starts with TTL 128, Nagle's algorithm on, IPV6_V6ONLY on, and
// keep-alive probes 1 s apart, 10 of them, after 2 h (winsock-spi 9).
//
// # Conditional listeners
//
// With SO_CONDITIONAL_ACCEPT no SYN is answered before CF_ACCEPT: such a listener is a
// bound endpoint to gVisor, and SYNs wait in a queue of the Stack ([stack.SYNQueue]), at
// most as many as its backlog says. A peer that stops waiting without a word is found
// out by the handshake, which comes to nothing then. One that connects anew from a port
// whose last connection is in TIME-WAIT here waits until that is over. A wildcard
// listener without the option that is made later on the port takes what would go to a
// specific one with it; made before, it makes Listen EADDRINUSE. SO_PAUSE_ACCEPT works on
// every listener.
//
// # Goroutines and locks
//
// gVisor calls wakes with its own locks held, the endpoint's among them. What a
// stream's State may ask then is less than it needs: whether bytes are queued in
// front of a FIN, and why a connection died, are known under the endpoint's lock
// alone. So State, when it may be inside a wake, shows such a stream as it was
// before, and a goroutine of the endpoint wakes it again from outside; see
// [gate]. A handshake that a conditional listener answers has a goroutine of the
// SYNQueue's. Close waits for both. There is no other in this package.
//
// Endpoint methods are safe for concurrent use as base.Endpoint says: one Send,
// one Recv and control operations at a time, Close last and alone. Close must
// not be called from a wake.
package netstack
