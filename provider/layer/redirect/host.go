package redirect

import (
	"net/netip"
	"slices"
	"strings"
)

// host is which hosts a rule means, in the words of package policy.
type host struct {
	kind   kind
	name   string       // exact, below: lower case, no dot at the end
	prefix netip.Prefix // network: masked; IPv4-mapped made IPv4
}

type kind uint8

const (
	nobody kind = iota
	anybody
	exact
	below
	network
)

// groups are words that mean networks in policy, so they must not mean names here.
var groups = []string{"private", "loopback", "linklocal", "multicast", "metadata"}

func (p *scanner) host(s string, at int) (h host, ok bool) {
	switch {
	case s == "":
		return h, p.fail(at, "the host is missing; write * for any")
	case s == "*":
		return host{kind: anybody}, true
	case slices.Contains(groups, strings.ToLower(s)):
		return h, p.fail(at, "%s is a group of the policy's; write its networks, or %s. for the name", s, s)
	case s[0] == '[' || strings.ContainsAny(s, "/:") || isNumber(lastLabel(s)):
		h.kind = network
		h.prefix, ok = p.network(s, at)
		return h, ok
	case strings.HasPrefix(s, "*."):
		h.kind, s, at = below, s[2:], at+2
	default:
		h.kind = exact
	}
	h.name = strings.ToLower(strings.TrimSuffix(s, "."))
	return h, p.name(h.name, at)
}

// network reads an address or network: 10.0.0.0/8, [::1], [2001:db8::/32],
// [2001:db8::]/32 or 2001:db8::/32.
func (p *scanner) network(s string, at int) (netip.Prefix, bool) {
	text := s
	if s[0] == '[' {
		inner, after, _ := strings.Cut(s[1:], "]")
		if text = inner + after; after != "" && after[0] != '/' {
			return netip.Prefix{}, p.fail(at+len(s)-len(after), "after the bracket can come /bits or :ports")
		}
		at++
	}
	address, _, isNet := strings.Cut(text, "/")
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return netip.Prefix{}, p.fail(at, "%q is neither an IP address nor a name", address)
	case a.Zone() != "":
		return netip.Prefix{}, p.fail(at+strings.IndexByte(address, '%'), "zones are not part of a rule; leave it out")
	case s[0] == '[' && a.Is4():
		return netip.Prefix{}, p.fail(at-1, "IPv4 addresses stand without brackets")
	case !isNet:
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	n, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, p.fail(at+len(address)+1, "/bits must be 0 to %d", a.BitLen())
	}
	if a.Is4In6() {
		if n.Bits() < 96 {
			return netip.Prefix{}, p.fail(at+len(address)+1, "a network of IPv4-mapped addresses is written as IPv4")
		}
		n = netip.PrefixFrom(a.Unmap(), n.Bits()-96)
	}
	if n.Masked() != n {
		return netip.Prefix{}, p.fail(at, "%s has bits set beyond the network; write %s", text, n.Masked())
	}
	return n, true
}

func lastLabel(s string) string {
	s = strings.TrimSuffix(s, ".")
	return s[strings.LastIndexByte(s, '.')+1:]
}

// isNumber is true of what cannot end a host name, as programs take it for an
// IPv4 address (WHATWG URL, "ends in a number").
func isNumber(label string) bool {
	digits := strings.TrimLeft(label, "0123456789") == ""
	return label != "" && digits || len(label) > 1 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X')
}

// name checks a host name (RFC 1123, and underscores, which services use).
func (p *scanner) name(s string, at int) bool {
	if s == "" {
		return p.fail(at, "a name is missing")
	}
	if len(s) > 253 {
		return p.fail(at, "a name has at most 253 characters")
	}
	for label := range strings.SplitSeq(s, ".") {
		switch {
		case label == "":
			return p.fail(at, "two dots in a row, or one at the beginning")
		case len(label) > 63:
			return p.fail(at, "a part of a name has at most 63 characters")
		}
		for i, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-' && i > 0 && i < len(label)-1, c == '_':
			case c == '*':
				return p.fail(at+i, "* stands alone or before the first dot: *.example.com")
			default:
				return p.fail(at+i, "%q cannot stand here in a host name", c)
			}
		}
		at += len(label) + 1
	}
	return true
}

// named reports whether the host is known by name, and anybody is not.
func (h *host) named() bool { return h.kind == exact || h.kind == below }

// hasName reports whether name is one of the host's. It does not allocate.
func (h *host) hasName(name string) bool {
	name = strings.TrimSuffix(name, ".")
	switch h.kind {
	case exact: // some characters beyond ASCII fold to a letter, and are longer
		return len(name) == len(h.name) && strings.EqualFold(name, h.name)
	case below:
		i := len(name) - len(h.name)
		return i > 1 && name[i-1] == '.' && strings.EqualFold(name[i:], h.name)
	}
	return false
}

// has reports whether a, unmapped and without zone, is an address of the host.
func (h *host) has(a netip.Addr) bool {
	return h.kind == anybody || h.kind == network && h.prefix.Contains(a)
}

func (h host) String() string {
	switch h.kind {
	case anybody:
		return "*"
	case below:
		return "*." + h.name
	case network:
		a, bits := h.prefix.Addr(), ""
		if !h.prefix.IsSingleIP() {
			bits = "/" + strings.TrimPrefix(h.prefix.String(), a.String()+"/")
		}
		if a.Is6() {
			return "[" + a.String() + "]" + bits
		}
		return a.String() + bits
	}
	if slices.Contains(append(groups, "tcp", "udp", "icmp"), h.name) {
		return h.name + "." // else it would be read as the group or protocol
	}
	return h.name
}
