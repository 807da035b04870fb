//go:build linux

package run

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/netnsd/netnsd/sockets/gateway/dns"
)

// readResolver reads the host's resolv.conf(5); one that does not exist says
// nothing.
func readResolver(file string) (dns.ResolvConf, error) {
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return dns.ResolvConf{}, err
	}
	return dns.ParseResolvConf(string(b)), nil
}

// names completes what the name service knows with what the host knows.
func (cfg *Config) names() {
	c := &cfg.DNS
	if len(c.Upstreams) == 0 {
		c.Upstreams = []dns.Upstream{dns.System}
	}
	if c.HostsFile == "" {
		c.HostsFile = "/etc/hosts"
	}
	if c.Log == nil {
		c.Log = cfg.Log
	}
}

// searching replaces the search list in lines of a resolv.conf if there is another.
func searching(keep, domains []string) []string {
	if len(domains) == 0 {
		return keep
	}
	keep = slices.DeleteFunc(slices.Clone(keep), func(line string) bool { return !strings.HasPrefix(line, "options ") })
	return append(keep, "search "+strings.Join(domains, " "))
}

// routes looks, at most once in five seconds, whether the host has a way to the
// IPv6 internet. It may come and go with a VPN. The file is opened once: later this
// process may open none in /proc (package confine).
type routes struct {
	file   *os.File // nil: there is no IPv6
	mu     sync.Mutex
	looked time.Time
	none   bool
}

const (
	ipv6Routes    = "/proc/net/ipv6_route"
	maxIPv6Routes = 4 << 20 // a router with more of them has IPv6
)

func openRoutes(name string) (*routes, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return new(routes), nil
	}
	return &routes{file: f}, err
}

func (r *routes) noIPv6() bool {
	if r.file == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looked.IsZero() || time.Since(r.looked) > 5*time.Second {
		b, err := io.ReadAll(io.NewSectionReader(r.file, 0, maxIPv6Routes))
		r.none = err == nil && nowhere(string(b))
		r.looked = time.Now()
	}
	return r.none
}

func (r *routes) Close() error {
	if r == nil || r.file == nil {
		return nil
	}
	return r.file.Close()
}

// nowhere reports that a /proc/net/ipv6_route leads to no address that DNS would
// give: nothing but loopback, link-local and multicast. A network of unique local
// addresses is somewhere, also without a default route.
func nowhere(table string) bool {
	const reject = "0200"
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) != 10 || f[9] == "lo" && f[1] != "80" || strings.HasSuffix(f[8], reject) {
			continue
		}
		link := f[0] >= "fe8" && f[0] < "fec"
		if !link && !strings.HasPrefix(f[0], "ff") && f[0] != strings.Repeat("0", 31)+"1" {
			return false
		}
	}
	return true
}

// SystemDNS are the servers of this host's resolv.conf.
func SystemDNS() ([]netip.AddrPort, error) {
	host, err := readResolver("/etc/resolv.conf")
	if len(host.Servers) == 0 {
		host.Servers = []netip.AddrPort{dns.Default}
	}
	return host.Servers, err
}

// ParseServer reads the ADDR[:PORT] of a server that a daemon asks.
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
