package redirect

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider"
)

// scanner holds where parsing stopped and why.
type scanner struct {
	text   string
	at     int
	reason string
}

func (p *scanner) fail(at int, format string, args ...any) bool {
	p.at, p.reason = at, fmt.Sprintf(format, args...)
	return false
}

func (p *scanner) rule() (r Rule, ok bool) {
	if !p.characters() {
		return r, false
	}
	asked, to, found := strings.Cut(p.text, "=")
	if !found {
		return r, p.fail(len(p.text), "the new address is missing, such as =127.0.0.1:8080")
	}
	rest := asked
	if word, after, found := strings.Cut(asked, "/"); found && !strings.ContainsAny(word, ".:[*") {
		if r.proto, ok = protoNamed(word); !ok {
			return r, p.fail(0, "%q is not a protocol; known are tcp, udp and any", word)
		}
		rest = after
	}
	start := len(asked) - len(rest)
	name, ports, ok := p.split(rest, start)
	if !ok {
		return r, false
	}
	if r.host, ok = p.host(name, start); !ok {
		return r, false
	}
	if strings.HasSuffix(asked, ":") {
		return r, p.fail(len(asked), "ports are missing after the colon; leave the colon out for all ports")
	}
	if ports != "" {
		if r.ports, ok = p.ports(ports, len(asked)-len(ports)); !ok {
			return r, false
		}
	}
	if r.to, ok = p.target(to, len(asked)+1); !ok {
		return r, false
	}
	if n := r.host.prefix; r.host.kind == network && n.Addr().Is4() != r.to.Addr().Is4() {
		return r, p.fail(len(asked)+1, "%s is of the other address family than %s", r.to.Addr(), n.Addr())
	}
	return r, true
}

// characters refuses what cannot stand anywhere.
func (p *scanner) characters() bool {
	if p.text == "" {
		return p.fail(0, "a rule is missing, such as tcp/203.0.113.1:80=127.0.0.1:8080")
	}
	if len(p.text) > maxRule {
		return p.fail(maxRule, "longer than %d characters", maxRule)
	}
	if i := strings.Index(p.text, "://"); i >= 0 {
		return p.fail(i, "a URL is not part of a rule; write the host and its port, such as example.com:443")
	}
	for i, c := range []byte(p.text) {
		switch {
		case c >= 0x80:
			return p.fail(i, "write international names in their ASCII form (xn--…)")
		case c <= ' ' || c == 0x7f:
			return p.fail(i, "a space or control character cannot stand here")
		}
	}
	return true
}

// split parts rest, which begins at column start, into host and ports.
func (p *scanner) split(rest string, start int) (host, ports string, ok bool) {
	from := 0 // where the colon before the ports may stand
	switch {
	case strings.HasPrefix(rest, "["):
		if from = strings.IndexByte(rest, ']'); from < 0 {
			return "", "", p.fail(start, "the bracket is not closed")
		}
	case strings.Contains(rest, "/"):
		from = strings.IndexByte(rest, '/')
	case strings.Count(rest, ":") > 1:
		return "", "", p.fail(start, "too many colons; IPv6 addresses stand in brackets")
	}
	if i := strings.IndexByte(rest[from:], ':'); i >= 0 {
		if word := rest[:from+i]; word == "tcp" || word == "udp" {
			return "", "", p.fail(start+from+i, "after the protocol comes a slash: %s/", word)
		}
		return rest[:from+i], rest[from+i+1:], true
	}
	return rest, "", true
}

func (p *scanner) ports(list string, at int) (all []provider.PortRange, ok bool) {
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		r := provider.PortRange{}
		if r.First, ok = p.port(first, at, 1); !ok {
			return nil, false
		}
		if r.Last, ok = p.port(last, at+len(part)-len(last), 1); !ok {
			return nil, false
		}
		if r.First > r.Last {
			return nil, p.fail(at, "the range is upside down; write %d-%d", r.Last, r.First)
		}
		all = append(all, r)
		at += len(part) + 1
	}
	return all, true
}

func (p *scanner) port(s string, at int, least uint64) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n < least || s[0] == '+' || s[0] == '0' && s != "0" {
		return 0, p.fail(at, "%q is not a port; ports are %d to 65535", s, least)
	}
	return uint16(n), true
}

// target reads what comes after the equals sign.
func (p *scanner) target(s string, at int) (to netip.AddrPort, ok bool) {
	if s == "" {
		return to, p.fail(at, "the new address is missing, such as 127.0.0.1:8080")
	}
	address, port, hasPort := s, "", false
	if inner, bracketed := strings.CutPrefix(s, "["); bracketed {
		text, after, closed := strings.Cut(inner, "]")
		if !closed {
			return to, p.fail(at, "the bracket is not closed")
		}
		if address = text; after != "" && after[0] != ':' {
			return to, p.fail(at+len(s)-len(after), "after the bracket can come :port")
		}
		port, hasPort = strings.CutPrefix(after, ":")
	} else if strings.Count(s, ":") < 2 {
		address, port, hasPort = strings.Cut(s, ":")
	}
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return to, p.fail(at, "%q is not an IP address; a destination is led to an address, not to a name or a network", address)
	case a.Zone() != "":
		return to, p.fail(at, "zones are not part of a rule; leave it out")
	case s[0] != '[' && !a.Is4():
		return to, p.fail(at, "write IPv6 addresses in brackets: [%s]", a)
	case s[0] == '[' && a.Is4():
		return to, p.fail(at, "IPv4 addresses stand without brackets")
	}
	if a = a.Unmap(); a.IsUnspecified() || a.IsMulticast() {
		return to, p.fail(at, "%s is nobody's address", a)
	}
	n := uint16(0)
	if hasPort {
		if n, ok = p.port(port, at+len(s)-len(port), 0); !ok {
			return to, false
		}
	}
	return netip.AddrPortFrom(a, n), true
}
