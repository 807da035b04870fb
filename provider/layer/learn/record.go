package learn

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/wsa"
)

// most is how many destinations and names are kept. No policy that a person
// reads has a hundredth of it.
const most = 1 << 16

// record is what was seen, without what it was seen of.
type record struct {
	hosts map[host]*visit
	names map[string]*lookup // that were answered
	order uint64             // of answers
	kept  int                // services and names
	lost  int                // that were not kept any more
}

func newRecord() record {
	return record{hosts: make(map[host]*visit), names: make(map[string]*lookup)}
}

// host is a name or, without one, an address.
type host struct {
	name string
	addr netip.Addr
}

// service is what was asked of a host. Port 0 is none.
type service struct {
	protocol string // as in a rule; "" is none that rules know
	port     uint16
}

// visit is what is known of the visits to a host.
type visit struct {
	services map[service]bool
	hello    bool   // one began with a ClientHello
	asked    string // by address: the server name that it asked for
	private  string // by address: the name that leads to one of the host's own networks
}

// lookup is what is known of a name.
type lookup struct {
	last   uint64           // place in the order of answers
	beside map[service]bool // what was asked of its addresses under other names
}

// answered notes that the name service knows name.
func (r *record) answered(name string) {
	name = canonical(name)
	if !writable(name) {
		return
	}
	r.order++
	if l := r.names[name]; l != nil {
		l.last = r.order
	} else if r.room() {
		r.names[name] = &lookup{last: r.order, beside: make(map[service]bool)}
	}
}

func (r *record) room() bool {
	if r.kept >= most {
		r.lost++
		return false
	}
	r.kept++
	return true
}

// meant is the name by which the program found f's destination, "" if there is
// none that can stand in a rule.
func (r *record) meant(f provider.Facts) (name string) {
	last := uint64(0)
	for _, n := range f.Names {
		n = canonical(n)
		if !writable(n) {
			continue
		}
		if n == canonical(f.Origin.Name) {
			return n
		}
		if l := r.names[n]; l == nil && last == 0 {
			name = n // the newest of those that nobody has looked up
		} else if l != nil && l.last > last {
			name, last = n, l.last
		}
	}
	return name
}

// went notes where a was.
func (r *record) went(a attempt) {
	h := host{addr: a.facts.Remote.Addr().WithZone("").Unmap()}
	s := service{protocolOf(a.facts), a.facts.Remote.Port()}
	switch {
	case !h.addr.IsValid():
		return
	case s.protocol == "icmp" || s.protocol == "":
		s.port = 0
	case s.port == 0 && !h.addr.IsMulticast(): // no rule can be about it, nor does it lead anywhere
		return
	}
	late, private := a.facts.Late, ""
	if h.name = a.name; late.Hello {
		h.name = agreed(a.facts.Names, late.SNI)
	}
	switch {
	case h.name == "":
	case policy.Inner(h.addr): // where no rule by name leads
		private, h.name = h.name, ""
	default:
		h.addr = netip.Addr{}
		if !late.Hello {
			r.share(a.facts.Names, h.name, s)
		}
	}
	v := r.visit(h, s)
	if v == nil {
		return
	}
	if v.private == "" || private != "" && private < v.private {
		v.private = private
	}
	if !late.Hello {
		return
	}
	if h.name == "" && (!v.hello || late.SNI < v.asked) { // one of them, whatever came first
		v.asked = late.SNI
	}
	v.hello = true
}

func (r *record) visit(h host, s service) *visit {
	v := r.hosts[h]
	if v != nil && v.services[s] {
		return v
	}
	if !r.room() {
		return nil
	}
	if v == nil {
		v = &visit{services: make(map[service]bool)}
		r.hosts[h] = v
	}
	v.services[s] = true
	return v
}

// share notes s for the other names of an address, as any of them may be meant.
func (r *record) share(names []string, but string, s service) {
	for _, n := range names {
		if n = canonical(n); n == but {
			continue
		}
		if l := r.names[n]; l != nil && !l.beside[s] && r.room() {
			l.beside[s] = true
		}
	}
}

// agreed is the server name if it is one of names.
func agreed(names []string, server string) string {
	server = canonical(server)
	if writable(server) && slices.ContainsFunc(names, func(n string) bool { return canonical(n) == server }) {
		return server
	}
	return ""
}

// protocolOf is the protocol as rules know it, by the same test.
func protocolOf(f provider.Facts) string {
	switch {
	case f.Protocol == wsa.IPPROTO_ICMP, f.Protocol == wsa.IPPROTO_ICMPV6:
		return "icmp"
	case f.Type == wsa.SOCK_STREAM && f.Protocol == wsa.IPPROTO_TCP:
		return "tcp"
	case f.Type == wsa.SOCK_DGRAM && f.Protocol == wsa.IPPROTO_UDP:
		return "udp"
	}
	return ""
}

// canonical is a name as rules write it.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// writable reports whether name can stand in a rule, as that name and nothing
// else. DNS carries any byte: a program that looks up * or 10.0.0.0/8 is not to
// be allowed everything, or a network.
func writable(name string) bool {
	if strings.ContainsFunc(name, odd) {
		return false
	}
	_, err := policy.ParseExpr(name + ".")
	return err == nil
}

func odd(c rune) bool {
	return !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.')
}
