package dns

import (
	"net/netip"
	"strings"
)

// ResolvConf is what a resolv.conf(5) says.
type ResolvConf struct {
	Servers []netip.AddrPort
	Keep    []string // the lines search, domain and options
}

// Default is where the C library asks if no server is named.
var Default = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53)

// ParseResolvConf reads a resolv.conf(5). As the C library it knows no error: what
// cannot be understood is passed over.
func ParseResolvConf(text string) (r ResolvConf) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(words[1]); err == nil {
				r.Servers = append(r.Servers, netip.AddrPortFrom(a, 53))
			}
		case "search", "domain", "options":
			r.Keep = append(r.Keep, strings.Join(words, " "))
		}
	}
	return r
}
