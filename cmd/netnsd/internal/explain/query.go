//go:build linux

package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Query is a connection that could be made.
type Query struct {
	Protocol string // tcp, udp, icmp
	Name     string // or
	Addr     netip.Addr
	Port     uint16
	Given    *Given // nil is nothing
}

// Protocols are those of a Query.
var Protocols = []string{"tcp", "udp", "icmp"}

// Parse reads PROTO DST[:PORT]. Errors say what to write instead.
func Parse(protocol, target string) (Query, error) {
	q := Query{Protocol: strings.ToLower(protocol)}
	if !slices.Contains(Protocols, q.Protocol) {
		return q, fmt.Errorf("%s: not a protocol: there are %s", protocol, strings.Join(Protocols, ", "))
	}
	host, port, err := split(target)
	if err != nil {
		return q, err
	}
	switch {
	case q.Protocol == "icmp" && port != "":
		return q, fmt.Errorf("icmp %s: icmp has no ports", target)
	case q.Protocol != "icmp" && port == "":
		return q, fmt.Errorf("%s %s: which port? write %s", q.Protocol, target, join(host, "443"))
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return q, fmt.Errorf("%s: port %s is not 1 to 65535", target, port)
		}
		q.Port = uint16(n)
	}
	if q.Addr, err = netip.ParseAddr(host); err == nil {
		q.Addr = q.Addr.Unmap()
		return q, nil
	}
	if !isName(host) {
		return q, fmt.Errorf("%s: neither an address nor a name", target)
	}
	q.Name = strings.ToLower(strings.TrimSuffix(host, "."))
	return q, nil
}

// split takes the port off; an IPv6 address has one only behind brackets.
func split(s string) (host, port string, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, rest, ok = strings.Cut(rest, "]")
		if !ok {
			return "", "", fmt.Errorf("%s: no ] after [", s)
		}
		port, ok = strings.CutPrefix(rest, ":")
		if rest != "" && !ok {
			return "", "", fmt.Errorf("%s: %q after ]", s, rest)
		}
		return host, port, nil
	}
	if strings.Count(s, ":") > 1 {
		return s, "", nil
	}
	host, port, _ = strings.Cut(s, ":")
	return host, port, nil
}

func join(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

// isName accepts what a resolver would be asked for (RFC 1035, 2.3.1, with the
// underscore of service names).
func isName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	last := s[strings.LastIndexByte(s, '.')+1:]
	if len(s) > 253 || strings.Trim(last, "0123456789") == "" { // RFC 1123, 2.1: such a thing is an address
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.IndexFunc(label, odd) >= 0 {
			return false
		}
	}
	return true
}

func odd(r rune) bool {
	return !(r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
}

// String is the query as a user writes it, and what was given beside.
func (q Query) String() string { return q.target() + q.said() }

func (q Query) target() string {
	host := q.Name
	if host == "" {
		host = q.Addr.String()
	}
	if q.Port == 0 {
		return q.Protocol + " " + host
	}
	return q.Protocol + " " + join(host, strconv.Itoa(int(q.Port)))
}

// triple is what the gateway asks a socket of, and the operation that decides.
func (q Query) triple() (af, typ, protocol int32, op provider.Op) {
	af = wsa.AF_INET
	if q.Addr.Is6() {
		af = wsa.AF_INET6
	}
	switch {
	case q.Protocol == "tcp":
		return af, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, provider.OpConnect
	case q.Protocol == "udp":
		return af, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, provider.OpSendTo
	case af == wsa.AF_INET6:
		return af, wsa.SOCK_DGRAM, wsa.IPPROTO_ICMPV6, provider.OpSendTo
	}
	return af, wsa.SOCK_DGRAM, wsa.IPPROTO_ICMP, provider.OpSendTo
}
