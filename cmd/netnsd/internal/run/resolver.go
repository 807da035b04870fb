//go:build linux

package run

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// hostResolver is what the host's resolv.conf(5) says.
type hostResolver struct {
	servers []netip.AddrPort
	keep    []string // the lines search, domain and options
}

// readResolver reads the file; one that does not exist means the C library's
// default, a server on the host itself.
func readResolver(file string) (hostResolver, error) {
	var r hostResolver
	f, err := os.Open(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	if err == nil {
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			r.line(lines.Text())
		}
		if err := lines.Err(); err != nil {
			return r, err
		}
	}
	if len(r.servers) == 0 {
		r.servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53)}
	}
	return r, nil
}

func (r *hostResolver) line(s string) {
	words := strings.Fields(s)
	if len(words) < 2 {
		return
	}
	switch words[0] {
	case "nameserver":
		// One that cannot be parsed is skipped, as the C library does.
		if a, err := netip.ParseAddr(words[1]); err == nil {
			r.servers = append(r.servers, netip.AddrPortFrom(a, 53))
		}
	case "search", "domain", "options":
		r.keep = append(r.keep, strings.Join(words, " "))
	}
}

// SystemDNS are the servers of this host's resolv.conf.
func SystemDNS() ([]netip.AddrPort, error) {
	host, err := readResolver("/etc/resolv.conf")
	return host.servers, err
}

// ParseServer reads the ADDR[:PORT] of --dns.
func ParseServer(s string) (netip.AddrPort, error) {
	bare := s
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(bare)
	ap := netip.AddrPortFrom(a, 53)
	if err != nil {
		ap, err = netip.ParseAddrPort(s)
	}
	if err != nil || strings.ContainsAny(ap.Addr().Zone(), "[]%/ ") {
		return netip.AddrPort{}, fmt.Errorf("--dns %s: not an address: write 192.0.2.1, 192.0.2.1:5353, 2001:db8::1, [2001:db8::1]:5353 or off", s)
	}
	return ap, nil
}
