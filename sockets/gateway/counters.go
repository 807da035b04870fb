package gateway

import "sync/atomic"

// Counters say what became of flows and datagrams. Each drop has a name.
type Counters struct {
	TCPFlows        atomic.Uint64 // flows that came
	TCPConnected    atomic.Uint64
	TCPDenied       atomic.Uint64 // by a layer, or the loopback rule
	TCPFailed       atomic.Uint64 // refused, unreachable, timed out
	TCPCanceled     atomic.Uint64 // the program gave up first
	TCPReset        atomic.Uint64 // ended by a reset, from either side
	TCPLimit        atomic.Uint64 // Limits.Flows reached; of handshakes the NIC counts (stack.FlowDropLimit)
	Expired         atomic.Uint64 // packets whose hops ended here: time exceeded
	UDPSent         atomic.Uint64
	UDPReceived     atomic.Uint64
	UDPDenied       atomic.Uint64
	UDPUnasked      atomic.Uint64 // from an address that no allowed send has named
	UDPFull         atomic.Uint64 // the host's socket took no more
	UDPEvicted      atomic.Uint64 // Limits.Datagram reached
	UDPLimit        atomic.Uint64 // and too many evicted in this millisecond
	UDPErrors       atomic.Uint64 // ICMP errors passed on
	UDPTooLong      atomic.Uint64 // for the path, and not to be fragmented
	UDPBroadcast    atomic.Uint64 // to a broadcast address of the link; groups: stack.RxDropMDNS and so on
	UDPRefused      atomic.Uint64 // answers to a port that the program has closed: ours is closed too
	Pings           atomic.Uint64
	PingReplies     atomic.Uint64
	PingUnsupported atomic.Uint64 // the base has no ICMP socket for us
	DNSQueries      atomic.Uint64
	DNSDenied       atomic.Uint64
	DNSFailed       atomic.Uint64 // no upstream answered
	DNSBusy         atomic.Uint64 // Limits.Queries reached
	DNSRefused      atomic.Uint64 // not a plain query: another opcode, several questions
	DNSMalformed    atomic.Uint64
}
