// Package stack is gVisor's TCP/IP stack, assembled once: IPv4, IPv6, TCP, UDP,
// ICMP, raw sockets and ARP, NICs over a small Device, and the flows of a
// gateway. It is the door to gVisor: besides it only provider/netstack imports
// gvisor.dev/gvisor (v0.0.0-20260905035102-160fafc42237), through Stack.TCPIP,
// and no type of gVisor stands in a public signature of any other package.
//
// It is not a socket layer (provider/netstack and sockets are), it opens no
// device (tun does), and it decides nothing about flows (sockets/gateway does).
//
// # The pieces
//
//		Device ── link ── gVisor ──┬─ sockets of provider/netstack (Stack.TCPIP)
//		           │               └─ FlowHandler: TCP, UDP, Echo
//		           └─ UDP and SYN for foreign addresses: straight to the FlowHandler
//
//	  - packet.go, vnet.go: reading an IP packet and its virtio_net_hdr, pure and
//	    fuzzed. link.go, rx.go, tx.go, hold.go, dupack.go, delayedack.go: the link endpoint.
//	  - flow.go, flowtable.go, syn.go, silence.go: a TCP flow up to its verdict.
//	    dial.go: one towards the program. flowdata.go, fill.go, keepalive.go: after it.
//	    datagram.go, echo.go, send.go, quote.go: UDP, ping, and the ICMP errors of a
//	    gateway. refusal.go: the program's. group.go: UDP to everybody, which ends here.
//	    batch.go, sendbatch.go, train.go: many datagrams at once, up, down, and across
//	    the border as one packet.
//	  - tune.go, rto.go, buffers.go: every setting that is not gVisor's default,
//	    with its reason and what was measured.
//
// With a FlowHandler a NIC takes packets to every unicast address. Those to a
// foreign address never meet the Stack's own sockets, not even sockets on the
// unspecified address; those to one of its own addresses go to a socket if there
// is one, and to the handler otherwise. Pings to own addresses are answered,
// others are the handler's: the stack never makes up a reply. A 4-tuple exists
// once per Stack, not per NIC, so attachments with overlapping addresses need a
// Stack each.
//
// # Checksums
//
// The link verifies what nobody vouches for: the IPv4 header always, TCP, UDP
// and ICMP when the virtio_net_hdr says neither NEEDS_CSUM nor DATA_VALID (or
// there is none). Only then does it tell gVisor that checksums are right. UDP
// without a checksum passes over IPv4 and not over IPv6. Of reassembled datagrams
// gVisor verifies the checksum. So a packet that was damaged on its way is
// counted and dropped if it carries a full checksum; one with NEEDS_CSUM cannot be
// told from a sound one, as on veth: its sender has not summed it up yet, for it
// has not left the memory of this machine.
//
// We leave TCP's checksum to a device with both TSO offloads, and finish it
// otherwise; UDP's is always finished by gVisor, and left to the device by
// SendDatagrams where it may be. Packets that come from the kernel behind a TUN
// hold partial checksums in memory, which raw TCP and UDP sockets and captures
// see, unless NICConfig.FullChecksums.
//
// # Goroutines
//
//   - one per queue reads the device and runs gVisor's input inline, FlowHandler.UDP,
//     Echo and Batch included. It ends with the device.
//   - one per NIC waits for the end of the device and fails its flows.
//   - one per queue while packets are held, parked in Device.WaitWritable.
//   - one per TCP flow: FlowHandler.TCP. Handshakes in flight are bounded.
//   - one per handshake that an Attempt of a SYNQueue was answered with.
//   - gVisor's own: a TCP processor per CPU, and short ones of timers.
//
// Stack.Close and NIC.Close wait for all of theirs. They must not be called from
// a FlowHandler or a wake.
//
// # Locks
//
// Stack.mu (NICs, addresses, routes) is taken before gVisor's locks, never on
// the data path, which reads copies. Flow.mu comes before flowTable.mu; txQueue.mu
// is a leaf. gVisor calls WritePackets, and wakes, under the endpoint's lock, so
// nothing below calls an endpoint, and a wake only marks and schedules.
//
// # Allocations
//
// Writing a packet, and reading one up to its hand-over, allocate nothing of
// ours (tests). gVisor pools packets, views and segments, but not all: a datagram
// through its sockets, a timer, a route, an endpoint are allocations. perf.md D
// measured 14.7 KiB for an idle forwarded connection with its host socket.
//
// # What plain gVisor does wrong, and what we do about it
//
//   - A short loss of the link can stall a transfer for good (RACK after a lost
//     tail). RACK is off (tune.go), packets are held while a device is down or full,
//     the newest of each connection for as long as it takes (hold.go), and the RTO
//     does not grow beyond 600 ms where all peers are a link away (rto.go). So what
//     we send resumes with the light after a blackout that the device reports, and
//     within a second after one that it does not, however long it was.
//   - A duplicate ACK whose window has grown is none, so a loss costs an RTO
//     instead of a round trip while Linux tunes its window: dupack.go.
//   - Buffers never shrink: buffers.go.
//   - An unanswered device error is silence: here NIC.Done, and ENETDOWN of flows.
//   - Link endpoints with RX checksum offload trust every packet: verified here.
//   - Echo requests to foreign IPv6 addresses are answered by a promiscuous NIC:
//     taken out of its hands (handleICMP6).
//   - A SYN on a 4-tuple in TIME-WAIT reaches a listener, but not a forwarder:
//     connectionTakes ends the TIME-WAIT.
//   - Each hard error is told once, to whoever asks first: a Flow keeps it.
//   - A Payloader that gives less than it said loses bytes: fill.go saves them.
//   - HandleLocal drops everything on a promiscuous NIC: off, see New.
//   - Not worked round, because only gVisor can: in ESTABLISHED a segment that
//     acknowledges more than was sent is accepted (RFC 9293 3.10.7.4, RFC 5961 5), so a
//     blind injector needs a sequence number only; without SACK the first segment of
//     a connection is never fast-retransmitted; with super-segments a loss costs a
//     super-segment; no Limited Transmit; room for a full SACK option is kept in
//     every segment (2.5 % at MSS 1460).
//   - For provider/netstack to mind: Listen wants backlog+1; TCP_MAXSEG, option
//     read-back, linger and urgent data are not as Winsock wants them.
package stack
