package gateway

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// fate is how a failed connect or datagram looks on the program's wire.
type fate struct {
	reset       bool // TCP RST; for a datagram: port unreachable
	silent      bool
	unreachable stack.Unreachable
}

// fates is the one table from code to wire (design.md 3): what a real network
// would show for the same cause. A layer's denial comes by the same codes.
var fates = map[wsa.Errno]fate{
	wsa.ECONNREFUSED:  {reset: true, unreachable: stack.UnreachablePort},
	wsa.ECONNRESET:    {reset: true, unreachable: stack.UnreachablePort},
	wsa.EACCES:        {unreachable: stack.UnreachableProhibited},
	wsa.ENETUNREACH:   {unreachable: stack.UnreachableNet},
	wsa.EHOSTUNREACH:  {unreachable: stack.UnreachableHost},
	wsa.EHOSTDOWN:     {unreachable: stack.UnreachableHost},
	wsa.EADDRNOTAVAIL: {unreachable: stack.UnreachableHost},
	wsa.EAFNOSUPPORT:  {unreachable: stack.UnreachableNet}, // a host without IPv6
	wsa.ENETDOWN:      {unreachable: stack.UnreachableNet},
	wsa.ENETRESET:     {unreachable: stack.TimeExceeded}, // a datagram's hops ran out
	wsa.ETIMEDOUT:     {silent: true},
}

// fateOf is the row of e. What has none is our own trouble (no descriptors, no
// memory, a failed layer): a reset tells the program at once, and never lets
// anything through.
func fateOf(e wsa.Errno) fate {
	if f, ok := fates[e]; ok {
		return f
	}
	return fate{reset: true, unreachable: stack.UnreachableProhibited}
}

// endAs gives a flow that was not accepted the end that the network gave the attempt to
// dst.
func (g *Gateway) endAs(f *stack.Flow, dst netip.Addr, e wsa.Errno, icmp provider.ICMPError) {
	report, ok := g.report(f.Source().Addr().Unmap(), dst, f.Destination().Addr().Unmap(), icmp)
	if !ok || report.Type == 0 {
		g.end(f, e)
		return
	}
	f.UnreachableBy(report)
}

// refusalOf is the ICMP error that has ended the attempt of s, if it is known.
func refusalOf(s *provider.Socket) provider.ICMPError {
	var b [provider.ICMPErrorInfoSize]byte
	n, e := s.Chain().Table.WSPGetSockOpt(s, wsa.IPPROTO_TCP, wsa.TCP_ICMP_ERROR_INFO, b[:])
	if e != 0 {
		return provider.ICMPError{}
	}
	icmp, _ := provider.ICMPErrorFromInfo(b[:n])
	return icmp
}

// end gives a flow that was not accepted its end.
func (g *Gateway) end(f *stack.Flow, e wsa.Errno) {
	switch t := fateOf(e); {
	case t.silent:
		f.Drop()
	case t.reset:
		f.Refuse()
	default:
		f.UnreachableFrom(g.ownLike(f.Source().Addr()), t.unreachable)
	}
}
