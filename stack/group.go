package stack

import "net/netip"

// UDP to a group or to everybody ends at a gateway, as at a router: no connection
// of ours stands for a group. What is dropped is counted by what it was for.

var discoveries = map[netip.Addr]Counter{
	netip.MustParseAddr("224.0.0.251"):     RxDropMDNS, // RFC 6762, 3
	netip.MustParseAddr("ff02::fb"):        RxDropMDNS,
	netip.MustParseAddr("239.255.255.250"): RxDropSSDP, // UPnP Device Architecture 2.0, 1.1
	netip.MustParseAddr("ff02::c"):         RxDropSSDP,
	netip.MustParseAddr("ff05::c"):         RxDropSSDP,
	netip.MustParseAddr("224.0.0.252"):     RxDropLLMNR, // RFC 4795, 2
	netip.MustParseAddr("ff02::1:3"):       RxDropLLMNR,
}

// groupDrop is what counts a datagram to a group.
func groupDrop(a netip.Addr) Counter {
	if c, ok := discoveries[a]; ok {
		return c
	}
	if a == broadcast4 {
		return RxDropBroadcast
	}
	return RxDropMulticast
}

// strayGroup drops UDP to a group that no socket of the Stack has joined.
func (r *reader) strayGroup() bool {
	p, n := &r.pkt, r.link.nic
	if p.proto != protoUDP || !p.dst.IsMulticast() || n.handler == nil {
		return false
	}
	joined, err := n.stack.tcpip.IsInGroup(n.id, ToAddress(p.dst))
	if err == nil && joined {
		return false
	}
	n.counters.add(groupDrop(p.dst), 1)
	return true
}
