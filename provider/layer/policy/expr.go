package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// maxExpr is longer than any expression that means something: a name has at
// most 253 characters.
const maxExpr = 1024

// An Expr says which destinations a rule is about. The zero value matches
// nothing. Get one from [ParseExpr].
type Expr struct {
	proto proto
	host  host
	ports []provider.PortRange // none = all
}

// proto is a protocol as rules know it.
type proto uint8

const (
	unknown proto = iota // in an expression: any
	tcp
	udp
	icmp
)

var protoNames = [...]string{"", "tcp", "udp", "icmp"}

func protoNamed(s string) proto {
	for p := tcp; p <= icmp; p++ {
		if strings.EqualFold(s, protoNames[p]) {
			return p
		}
	}
	return unknown
}

// protoOf is unknown for raw sockets of other protocols: what such a socket
// sends is not what a rule about tcp means.
func protoOf(f *provider.Facts) proto {
	switch {
	case f.Protocol == wsa.IPPROTO_ICMP, f.Protocol == wsa.IPPROTO_ICMPV6:
		return icmp
	case f.Type == wsa.SOCK_STREAM && f.Protocol == wsa.IPPROTO_TCP:
		return tcp
	case f.Type == wsa.SOCK_DGRAM && f.Protocol == wsa.IPPROTO_UDP:
		return udp
	}
	return unknown
}

// SyntaxError says what is wrong with an expression, where, and what to write.
type SyntaxError struct {
	Text   string
	Line   int // of a condition, from 1; 0 is the first, too
	Column int // of the character, from 1
	Reason string
}

func (e *SyntaxError) Error() string {
	if e.Line > 1 {
		return fmt.Sprintf("policy: %q, line %d, column %d: %s", e.Text, e.Line, e.Column, e.Reason)
	}
	return fmt.Sprintf("policy: %q, column %d: %s", e.Text, e.Column, e.Reason)
}

// ParseExpr reads an expression. The error is a [*SyntaxError].
func ParseExpr(text string) (Expr, error) {
	p := scanner{text: text}
	x, ok := p.expr()
	if !ok {
		return Expr{}, &SyntaxError{Text: text, Column: p.at + 1, Reason: p.reason}
	}
	return x, nil
}

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

func (p *scanner) expr() (x Expr, ok bool) {
	if !p.characters() {
		return x, false
	}
	rest := p.text
	if word, after, found := strings.Cut(rest, ":"); protoNamed(word) != unknown {
		if !found {
			return x, p.fail(0, "%s is a protocol; for all of it write %s:*", word, word)
		}
		x.proto, rest = protoNamed(word), after
	}
	start := len(p.text) - len(rest)
	host, ports, ok := p.split(rest, start)
	if !ok {
		return x, false
	}
	if x.host, ok = p.host(host, start); !ok {
		return x, false
	}
	at := len(p.text) - len(ports)
	switch {
	case strings.HasSuffix(p.text, ":"):
		return x, p.fail(len(p.text), "ports are missing after the colon; leave the colon out for all ports")
	case ports != "" && x.proto == icmp:
		return x, p.fail(at, "icmp has no ports")
	case ports != "":
		x.ports, ok = p.ports(ports, at)
	}
	return x, ok
}

// characters refuses what cannot stand anywhere.
func (p *scanner) characters() bool {
	if p.text == "" {
		return p.fail(0, "an expression is missing, such as example.com:443")
	}
	if len(p.text) > maxExpr {
		return p.fail(maxExpr, "longer than %d characters", maxExpr)
	}
	if i := strings.Index(p.text, "://"); i >= 0 {
		return p.fail(i, "a URL is not an expression; write the host and its port, such as example.com:443")
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
		if a, err := netip.ParseAddr(rest); err == nil {
			return "", "", p.fail(start, "write IPv6 addresses in brackets: [%s]", a)
		}
		if word, _, _ := strings.Cut(rest, ":"); start == 0 {
			return "", "", p.fail(0, "%q is not a protocol; known are tcp, udp and icmp; IPv6 addresses stand in brackets", word)
		}
		return "", "", p.fail(start, "too many colons; IPv6 addresses stand in brackets")
	}
	if i := strings.IndexByte(rest[from:], ':'); i >= 0 {
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
		if r.First, ok = p.port(first, at); !ok {
			return nil, false
		}
		if r.Last, ok = p.port(last, at+len(part)-len(last)); !ok {
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

func (p *scanner) port(s string, at int) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '+' || s[0] == '0' {
		return 0, p.fail(at, "%q is not a port; ports are 1 to 65535", s)
	}
	return uint16(n), true
}

// String is the expression in its one canonical form.
func (x Expr) String() string {
	var b strings.Builder
	if x.proto != unknown {
		b.WriteString(protoNames[x.proto] + ":")
	}
	b.WriteString(x.host.String())
	for i, r := range x.ports {
		b.WriteByte(":,"[min(i, 1)])
		b.WriteString(strconv.Itoa(int(r.First)))
		if r.Last != r.First {
			b.WriteString("-" + strconv.Itoa(int(r.Last)))
		}
	}
	return b.String()
}
