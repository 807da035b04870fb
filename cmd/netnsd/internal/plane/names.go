//go:build linux

package plane

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/netnsd/netnsd/sockets/gateway/dns"
)

// Names is c completed with what the host knows: its servers where none is named,
// its /etc/hosts, and whether it has a way to the IPv6 internet.
func Names(c dns.Config, log *slog.Logger) dns.Config {
	if len(c.Upstreams) == 0 {
		c.Upstreams = []dns.Upstream{dns.System}
	}
	if c.HostsFile == "" {
		c.HostsFile = "/etc/hosts"
	}
	if c.NoIPv6 == nil {
		c.NoIPv6 = new(Routes).NoIPv6
	}
	if c.Log == nil {
		c.Log = log
	}
	return c
}

// Routes looks, at most once in five seconds, whether the host has a way to the
// IPv6 internet. It may come and go with a VPN. The zero value opens the kernel's
// table each time.
type Routes struct {
	file   *os.File
	mu     sync.Mutex
	looked time.Time
	none   bool
}

const (
	ipv6Routes    = "/proc/net/ipv6_route"
	maxIPv6Routes = 4 << 20 // who has more has IPv6
)

// OpenRoutes opens the table once, for a process that may open no file in /proc
// later (package confine). Close closes it.
func OpenRoutes() (*Routes, error) { return openRoutes(ipv6Routes) }

func openRoutes(name string) (*Routes, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &Routes{none: true, looked: time.Now().AddDate(100, 0, 0)}, nil // for good
	}
	return &Routes{file: f}, err
}

// NoIPv6 reports that there is none.
func (r *Routes) NoIPv6() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looked.IsZero() || time.Since(r.looked) > 5*time.Second {
		b, err := r.read()
		r.none = (err == nil || errors.Is(err, fs.ErrNotExist)) && nowhere(string(b))
		r.looked = time.Now()
	}
	return r.none
}

func (r *Routes) read() ([]byte, error) {
	if r.file == nil {
		return os.ReadFile(ipv6Routes)
	}
	return io.ReadAll(io.NewSectionReader(r.file, 0, maxIPv6Routes))
}

// Close closes the table. A nil one has none.
func (r *Routes) Close() error {
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
