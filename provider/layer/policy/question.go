package policy

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
)

// question is what a decision is about, in the form that expressions take.
type question struct {
	lookup bool
	proto  proto
	port   uint16
	addr   netip.Addr // unmapped, no zone
	nat64  netip.Addr // the IPv4 address within addr, if it is one of NAT64
	names  []string
	hello  bool   // a ClientHello is asked about
	sni    string // its server name
	plain  bool   // a stream is asked about that begins with something else
}

// Prefixes of NAT64 that anybody knows: RFC 6052, 2.1, and RFC 8215, of which a network
// takes its /96.
var wellKnownNAT64, localNAT64 = netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48")

func ask(f *provider.Facts, op provider.Op) question {
	q := question{lookup: op == provider.OpLookup, names: f.Names}
	if q.lookup {
		return q
	}
	q.proto, q.port = protoOf(f), f.Remote.Port()
	q.addr = f.Remote.Addr().WithZone("").Unmap()
	q.nat64 = inNAT64(q.addr)
	if op == provider.OpSNI {
		q.plain = f.Late.Plain
		q.hello, q.sni = !q.plain, f.Late.SNI
	}
	return q
}

// inNAT64 is the IPv4 address within a, if it is one of NAT64.
func inNAT64(a netip.Addr) (v4 netip.Addr) {
	if !wellKnownNAT64.Contains(a) && !localNAT64.Contains(a) {
		return v4
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

// named reports whether one of the names is one of h's.
func (q *question) named(h *host) bool {
	for _, n := range q.names {
		if h.names(n) {
			return true
		}
	}
	return false
}

// agreed is named, and so is the server name, if there is a ClientHello: an
// address that was given for one name must not lead to another.
func (q *question) agreed(h *host) bool {
	return q.named(h) && (!q.hello || q.sni != "" && h.names(q.sni))
}

// quic: datagrams to port 443, whose server name is encrypted (RFC 9001, 5.2) and
// not looked at.
func (q *question) quic() bool { return q.proto == udp && q.port == 443 }

// allows: a lookup by any rule that allows the name, with whatever port.
func (x *Expr) allows(q *question) bool {
	if q.lookup {
		return q.named(&x.host)
	}
	return x.service(q) && x.host.has(q.addr)
}

// allowsByName is allows by what the address is called.
func (x *Expr) allowsByName(q *question) bool {
	return !q.lookup && x.service(q) && q.agreed(&x.host)
}

// denies: a lookup only by a rule that leaves nothing of the name.
func (x *Expr) denies(q *question) bool {
	if q.lookup {
		return x.proto == unknown && len(x.ports) == 0 && q.named(&x.host)
	}
	return x.service(q) && (x.host.has(q.addr) || q.nat64.IsValid() && x.host.has(q.nat64) || q.named(&x.host) ||
		q.sni != "" && x.host.names(q.sni))
}

// service reports that protocol and port match.
func (x *Expr) service(q *question) bool {
	if x.proto != unknown && x.proto != q.proto {
		return false
	}
	if len(x.ports) == 0 {
		return true
	}
	if q.proto != tcp && q.proto != udp {
		return false
	}
	for _, r := range x.ports {
		if r.First <= q.port && q.port <= r.Last {
			return true
		}
	}
	return false
}
