// Package gateway carries the flows of a program behind a TUN into sockets of a
// chain. Its [Gateway] is what a stack.NIC forwards to:
//
//	program ──connect()──▶ its kernel ──TUN──▶ netstack: a SYN = stack.Flow
//	    gateway: facts ▶ Resolve ▶ WSPSocket ▶ WSPConnect through every layer
//	        connected    complete the handshake towards the program, then splice
//	        refused      RST             denied       as the verdict's code says
//	        unreachable  ICMP            timed out    silence
//	        upstream reset ▶ a reset, never a clean end
//
// # TCP
//
// Dial before accept, always: the program's connect ends as the real one did.
// Bytes then move both ways without a copy in user space: towards the host
// netstack's queue is peeked under a lease and handed to WSPSend; towards the
// program WSPRecv fills netstack's own chunk. A half-close passes each way by
// itself.
//
// A flow is a task of a few shared loops, as many as may run at once, if no layer
// stands in the path of its bytes (provider.Socket.Direct): none replaced a data
// entry, or all that did have stepped aside. An idle one then has no goroutine. A
// flow with a layer in its path has one of its own, so that a layer's call which
// does not return costs that flow alone; and so has every flow while it is being
// connected, ends, or fails, where layers have a say.
//
// The host's socket has the DSCP of the SYN, and its TTL, less one, if somebody chose
// it; ECN is each connection's own. Both sides are asked whether they are there
// ([Limits].KeepAlive), as a program's own keep-alive and TCP_USER_TIMEOUT end at us:
// a side that is gone is a reset of the other. What a router says of our SYN reaches
// the program as the code that connect ended with, from our address; if somebody chose
// the TTL (nmap, a TCP traceroute) it is told as the router said it
// (TCP_FAIL_CONNECT_ON_ICMP_ERROR, TCP_ICMP_ERROR_INFO).
//
// # UDP and ping
//
// All datagrams of one guest source whose destinations resolve to the same
// chain share one unconnected socket: the mapping is endpoint-independent
// within a chain (RFC 4787, 4.1), and each destination is decided by the
// chain's WSPSendTo. What comes from an address that no allowed send has named
// is dropped and counted (address-dependent filtering, RFC 4787, 5). With
// Config.UDPPerFlow each destination has a socket of its own.
// Ping works the same over DGRAM/ICMP sockets: replies are real, never forged. Where
// the host has none for us it is unanswered and counted (PingUnsupported). Our own
// addresses we answer for.
//
// We are a hop. A TTL that somebody chose goes on less one, none left is our own
// time exceeded; TOS goes on both ways, DSCP and ECN. A datagram that may not be
// fragmented (DF; IPv6) is not: the socket's IP_DONTFRAGMENT follows the program's
// packets. ICMP errors that the host receives go to the program with type, code, MTU
// and the address of who found them, about a packet of its own, of a ping with the
// sequence number: so traceroute and mtr see the routers, and the program's kernel
// knows the path MTU. An ICMP port unreachable of the program's closes our port, as
// that is all that a socket can say (UDPRefused). Groups and broadcast go nowhere:
// UDPBroadcast, and stack.RxDropMDNS and those behind it.
//
// The socket of a chain that only decides is received from on the shared loops; an
// idle source then has no goroutine, 4096 of them have none. Any other has one.
//
// # The short cut
//
// A datagram that a chain which only decides has allowed opens a short cut for
// those of its flow that follow: for a second they pass table and layers by, are
// gathered, and leave many in one call of the base (provider.Path.SendBatch). What
// is gathered is sent before the reader of the NIC waits, so nobody waits for it.
// After the second one is judged anew: names expire, and audit hears of it. A short
// cut is shut when its association ends or a send of it fails, and not taken once
// the catalog has changed: what was gathered before is then judged anew. What is
// counted, limited, remembered of peers and told by ICMP is the same on both ways.
// Fragments, IP options, a TTL other than Linux' 64, a change of DF, our own addresses,
// our name service and chains with a layer in the path of the bytes go the ordinary way.
// Answers to clients of a published port are gathered too, for as long as the client is
// remembered; on a port of all addresses, where each has to say from which it comes,
// they go one by one.
//
// Each reader gathers for itself and flow by flow, without a lock for each
// datagram, so that two flows in turn still make a run each. Gathered are copies:
// 64 datagrams in 96 KiB; beyond 16 KiB one is not worth it. BenchmarkUp has what it
// saves here, a tenth remains of 0.5 us; most of what a datagram cost were system
// calls, see package host.
//
// # Published ports
//
// [Gateway.Publish] is the other direction: a socket of the chain listens on this
// host, the layers are asked whether it may (OpListen) and about each client
// (OpAccept), and who is accepted is led to the program's own server under its own
// address (stack.NIC.DialFlow), over the same splice:
//
//	client ──▶ this host: WSPAccept through every layer ▶ DialFlow(client, program)
//	    denied                       reset; of UDP silence
//	    the program refuses, or      reset: the kernel of this host has answered the
//	    does not answer in time      client's SYN before anybody inside was asked
//	    the program resets ▶ a reset, and the other way round
//
// What the program sends back belongs to the client's coming: no rule about where
// the program may go is asked. A port lives across changes of the catalog; then each
// client is judged by the chain as it is now, its bytes go through the layers of the
// old one. Who wants the new ones publishes anew.
//
// A client's address is the gateway's inside if it would mean somebody else there:
// loopback, an address of the link's networks or of the gateway, link-local IPv6, the
// other family than the server's, or a 4-tuple that the program uses itself. PROXY
// protocol tells who it was. The server has to listen on the program's address of
// the link or on all: its loopback cannot be reached through a device.
//
// UDP is led inside per client: answers leave from the address and port that the
// client has asked, also where the port is bound to all addresses. An ICMP error that
// an answer draws reaches the program; one of the program's does not reach the
// client, as no socket can send it.
//
// All ports of a publication share one goroutine; a connection on its way inside has
// one of its own, then it is a flow as any.
//
// # DNS
//
// At the DNS addresses, port 53, UDP and TCP: queries are put to the chain's
// deciding layers as OpLookup, answered by package dns, and the answers' names are
// kept for this attachment while they live, so that a rule on a name holds for the
// connect that follows. Where package dns asks it does so by sockets of the host,
// which no chain sees: a resolver on the host's loopback is asked like any other,
// although that loopback is closed to the program. The chain asked is that of a
// stream without a destination, so a selection by destination does not choose who
// judges a lookup. Its witnesses are told when the answer is known. A query holds no
// flow: it is over with its answer; one to another server's port 53 is a flow of
// datagrams, short after an answer (Limits.IdleDNS).
//
// # When rules change
//
// What begins after a change of the catalog takes the new chains; one whose entry is
// the same in both is the same chain. What lives stays on the chain that made it;
// [Gateway.Rejudge] ends what the new ones deny, and does with others whose chain has
// gone as [Living] says. A [Published] stays on the old one until it is left for another. What a stream
// begins with is judged by those of the time at which it is known; one that was made by
// a chain without a layer that reads ClientHellos, under rules that need one, counts as
// one without a server name.
//
// # Whose a flow is
//
// Config.Owners is asked when a layer wants to know who has begun a flow, about the
// addresses and ports that the program's kernel has. A connection is asked about
// once. The socket that serves a port's datagrams is asked about again after a second,
// like the short cut, so another process that takes the port over is judged as
// itself at most two seconds later. Who cannot be found is unknown, see
// provider.Origin.
//
// # Our own addresses
//
// The link's own addresses stand for the host's loopback if HostLoopback says
// so, and are refused else; so are 127/8, ::1, the unspecified addresses, which
// the kernel takes for loopback too, their NAT64 forms, and multicast and
// broadcast, which would be the host's. What a layer sees is where the connection
// really goes: 127.0.0.1, not the gateway's address.
//
// # Bounds
//
// Each limit is a field of [Limits]. When it is reached:
//
//	Handshakes, HandshakesPerClient  the SYN is dropped, its kernel repeats it  stack.FlowDropLimit, FlowDropSource
//	                                 and finds room: attempts of 4 s and more
//	                                 make some                                  stack.FlowEvicted
//	Flows                            reset                                      TCPLimit
//	Datagram                         the least lately used goes, 4 a            UDPEvicted
//	                                 millisecond; others are dropped            UDPLimit
//	Peers                            the least lately used goes
//	Queries                          dropped, reset                             DNSBusy
//
// Memory follows: an idle connection is 7 KiB (netnsd bench), so 32768 are 230 MiB;
// what all their buffers hold is stack.Config.BufferBudget each way, what waits for
// reassembly 4 MiB a family (gVisor), what waits for the device 1 MiB a queue
// (stack.Config.HoldBytes). The kernel's own part is bounded by its sysctls tcp_mem
// and udp_mem; when descriptors are used up a flow is reset and those there are live on.
package gateway
