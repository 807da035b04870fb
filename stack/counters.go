package stack

import (
	"iter"
	"sync/atomic"
)

// A Counter names one thing that a NIC counts. Every packet that the NIC loses
// is in exactly one of the Drop counters.
type Counter uint8

// The counters of a NIC. The names that All yields follow below.
const (
	RxPackets   Counter = iota // packets read from the device
	RxBytes                    // their IP bytes
	RxGSO                      // of them, super-segments
	TxPackets                  // packets written to the device
	TxBytes                    // their IP bytes
	TxGSO                      // of them, super-segments
	TxHeld                     // packets held because the device was down or full
	TxSparedACK                // acknowledgments that a later packet made superfluous
	Hairpin                    // packets from one of our addresses to another

	RxDropTruncated    // shorter than its headers or than the length in its IP header
	RxDropVersion      // neither IPv4 nor IPv6 (nor ARP on a TAP)
	RxDropIPHeader     // malformed IP header or extension header
	RxDropIPChecksum   // wrong IPv4 header checksum
	RxDropL4Header     // malformed TCP, UDP or ICMP header
	RxDropL4Checksum   // wrong TCP, UDP or ICMP checksum
	RxDropVnetHeader   // virtio_net_hdr that contradicts its packet
	RxDropGSO          // segmentation that we did not offer
	RxDropNotForUs     // TAP: Ethernet destination of somebody else
	RxDropMDNS         // UDP to a group that nobody here has joined: 224.0.0.251, ff02::fb
	RxDropSSDP         // 239.255.255.250, ff0x::c
	RxDropLLMNR        // 224.0.0.252, ff02::1:3
	RxDropMulticast    // any other group
	RxDropBroadcast    // UDP to 255.255.255.255 without a socket
	RxRetry            // read errors of a passing kind
	FlowDropLimit      // SYN beyond Config.MaxHandshakes, all sources
	FlowDropSource     // SYN beyond Config.MaxHandshakesPerSource
	FlowEvicted        // attempts older than 4 s canceled because of the two bounds
	FlowDropSilenced   // SYN retransmitted after Flow.Drop
	TxDropHeldOverflow // more than the hold bound while down or full
	TxDropHeldAge      // held for longer than the hold time
	TxDropRefused      // the device refused the packet itself (EINVAL, EMSGSIZE …)
	TxDropGone         // the device is gone

	numCounters
)

var counterNames = [numCounters]string{
	RxPackets: "rx_packets", RxBytes: "rx_bytes", RxGSO: "rx_gso",
	TxPackets: "tx_packets", TxBytes: "tx_bytes", TxGSO: "tx_gso", TxHeld: "tx_held",
	TxSparedACK: "tx_spared_ack", Hairpin: "hairpin",
	RxDropTruncated: "rx_drop_truncated", RxDropVersion: "rx_drop_version",
	RxDropIPHeader: "rx_drop_ip_header", RxDropIPChecksum: "rx_drop_ip_checksum",
	RxDropL4Header: "rx_drop_l4_header", RxDropL4Checksum: "rx_drop_l4_checksum",
	RxDropVnetHeader: "rx_drop_vnet_header", RxDropGSO: "rx_drop_gso",
	RxDropNotForUs: "rx_drop_not_for_us", RxDropMDNS: "rx_drop_mdns", RxDropSSDP: "rx_drop_ssdp",
	RxDropLLMNR: "rx_drop_llmnr", RxDropMulticast: "rx_drop_multicast", RxDropBroadcast: "rx_drop_broadcast",
	RxRetry:       "rx_retry",
	FlowDropLimit: "flow_drop_limit", FlowDropSource: "flow_drop_source", FlowEvicted: "flow_evicted",
	FlowDropSilenced:   "flow_drop_silenced",
	TxDropHeldOverflow: "tx_drop_held_overflow", TxDropHeldAge: "tx_drop_held_age",
	TxDropRefused: "tx_drop_refused", TxDropGone: "tx_drop_gone",
}

// String is the name of c as metrics show it.
func (c Counter) String() string {
	if c < numCounters {
		return counterNames[c]
	}
	return "unknown"
}

// Counters is a snapshot, indexed by Counter.
type Counters [numCounters]uint64

// All yields name and value in the order of declaration.
func (c *Counters) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, v := range c {
			if !yield(counterNames[i], v) {
				return
			}
		}
	}
}

// counterSet is the live form: one cell per counter, no lock.
type counterSet [numCounters]atomic.Uint64

func (s *counterSet) add(c Counter, n int) { s[c].Add(uint64(n)) }

func (s *counterSet) snapshot() (out Counters) {
	for i := range s {
		out[i] = s[i].Load()
	}
	return out
}
