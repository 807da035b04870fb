package trace

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider"
)

// A Target is a set of destinations. The zero value is any.
type Target struct {
	Prefix netip.Prefix       // IPv4-mapped is IPv4; the zero value is any address
	Ports  provider.PortRange // the zero value is all
}

// ParseTarget reads a destination: an address or network, or * for any, with a port or
// a range behind a colon. IPv6 stands in brackets.
//
//	10.0.0.0/8    192.0.2.1:443    *:8000-8999    [2001:db8::]/32:80
func ParseTarget(text string) (t Target, err error) {
	fail := func(format string, args ...any) (Target, error) {
		return Target{}, fmt.Errorf("trace: %q: %s", text, fmt.Sprintf(format, args...))
	}
	host, ports, hasPorts := text, "", false
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		host, ports, hasPorts = text[:i], text[i+1:], true
	}
	switch inner, bits, isNet := strings.Cut(host, "/"); {
	case host == "*":
	case strings.HasPrefix(inner, "[") != strings.HasSuffix(inner, "]"):
		return fail("the bracket is not closed")
	default:
		bare := strings.TrimSuffix(strings.TrimPrefix(inner, "["), "]")
		a, err := netip.ParseAddr(bare)
		if err != nil || a.Zone() != "" || a.Is4In6() || a.Is4() != (bare == inner) {
			return fail("%q is not an address or network; IPv6 stands in brackets; any is *", host)
		}
		n := a.BitLen()
		if isNet {
			if n, err = strconv.Atoi(bits); err != nil || n < 0 || n > a.BitLen() {
				return fail("/bits must be 0 to %d", a.BitLen())
			}
		}
		if t.Prefix = netip.PrefixFrom(a, n); t.Prefix != t.Prefix.Masked() {
			return fail("bits are set beyond the network; write %s", t.Prefix.Masked())
		}
	}
	if !hasPorts {
		return t, nil
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	low, err1 := strconv.ParseUint(first, 10, 16)
	high, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || low == 0 || low > high {
		return fail("%q is not a port or range; ports are 1 to 65535", ports)
	}
	t.Ports = provider.PortRange{First: uint16(low), Last: uint16(high)}
	return t, nil
}

func (t *Target) has(a provider.Addr) bool {
	if t.Prefix.IsValid() && !t.Prefix.Contains(a.Addr().Unmap()) {
		return false
	}
	return a.Addr().IsValid() && (t.Ports == provider.PortRange{} || t.Ports.First <= a.Port() && a.Port() <= t.Ports.Last)
}
