package stack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// RTORange bounds the time after which TCP sends again what was not
// acknowledged. It doubles from Min to Max while nothing comes back. Zero fields
// take the defaults below.
type RTORange struct{ Min, Max time.Duration }

// A stack is near when everybody whom it can reach is at the other end of a
// link: the programs behind a gateway's TUN, and the on-link prefixes of a host.
// A route of SetRoutes over a host's NIC makes it far.
var (
	// Near. Max: after a blackout that nobody announced, what we send resumes
	// within Max of the light; a second is asked for. RFC 6298 (2.5) asks for 60 s at least, against
	// the collapse of networks; one kernel a TUN away is none. Linux 6.15 lets
	// its user go down to 1 s (net.ipv4.tcp_rto_max_ms).
	// Min stays 200 ms. 60 ms (a kernel delays an ACK for 40 ms) would make 1 %
	// loss cost 0.4 of it, but a TUN loses nothing, and with 1000 saturated
	// downloads an ACK is late by that much: 3 to 30 times the retransmissions,
	// all of them for nothing.
	nearRTO = RTORange{Min: tcp.MinRTO, Max: 600 * time.Millisecond}

	// Far: gVisor's own, which is RFC 6298's and Linux'.
	farRTO = RTORange{Min: tcp.MinRTO, Max: tcp.MaxRTO}
)

// giveUp is how long a connection tries before ETIMEDOUT: what Linux' 15
// doublings from 200 ms take (tcp_retries2). gVisor counts tries, not time.
const giveUp = 924 * time.Second

func (r RTORange) or(d RTORange) RTORange {
	return RTORange{Min: or(r.Min, d.Min), Max: or(r.Max, d.Max)}
}

// retries is the number of tries that take giveUp.
func (r RTORange) retries() uint64 {
	n, spent := uint64(0), time.Duration(0)
	for rto := r.Min; spent < giveUp; rto = min(2*rto, r.Max) {
		spent += rto
		n++
	}
	return n - 1
}

// far says that a host's NIC leads beyond its link. Called with mu held.
func (s *Stack) far() bool {
	nics := *s.nics.Load()
	for _, r := range s.routes {
		if n := r.NIC; n != nil && nics[n.id] == n && n.handler == nil && !n.onLink(r) {
			return true
		}
	}
	return false
}

// onLink says that all of r's destination is in a prefix of the NIC.
func (n *NIC) onLink(r Route) bool {
	for _, p := range n.addrs {
		if p.Bits() <= r.Dest.Bits() && p.Contains(r.Dest.Addr()) {
			return true
		}
	}
	return false
}

// setRTO follows the routes; connections take it when they are established.
// Called with mu held.
func (s *Stack) setRTO() error {
	r := nearRTO
	if s.far() {
		r = farRTO
	}
	want := s.config.RTO
	if r = want.or(r); want.Max == 0 {
		r.Max = max(r.Max, r.Min)
	} else {
		r.Min = min(r.Min, r.Max)
	}
	lower, upper := tcpip.TCPMinRTOOption(r.Min), tcpip.TCPMaxRTOOption(r.Max)
	retries := tcpip.TCPMaxRetriesOption(r.retries())
	// gVisor wants min <= max at any time, and so do connections in between.
	order := []tcpip.SettableTransportProtocolOption{&lower, &upper, &retries}
	var now tcpip.TCPMaxRTOOption
	s.tcpip.TransportProtocolOption(tcp.ProtocolNumber, &now)
	if lower > tcpip.TCPMinRTOOption(now) {
		order[0], order[1] = &upper, &lower
	}
	return s.setTCP(order...)
}
