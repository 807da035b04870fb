package dns

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Config is what a Resolver is made of. The zero value asks nobody.
type Config struct {
	// Upstreams are asked in this order for what is in no zone.
	Upstreams []Upstream
	Zones     []Zone
	// ResolvConf is the file that [System] stands for; default /etc/resolv.conf.
	ResolvConf string
	Hosts      []Host
	// HostsFile is read besides, such as /etc/hosts; "" is none.
	HostsFile string
	// NoIPv6 reports that nothing can be reached by IPv6; then no AAAA of a server
	// is passed on. It must not block. nil: everything can.
	NoIPv6 func() bool
	// Cache is how many bytes answers may take; 0 is 1 MiB, less keeps none.
	Cache int
	// RootCAs verify servers of tls and https; nil: the host's.
	RootCAs *x509.CertPool
	Now     func() time.Time // default time.Now
	Log     *slog.Logger     // nil: discarded
}

const defaultCache = 1 << 20

// Counters say where answers came from.
type Counters struct {
	Hosts   atomic.Uint64 // answers from hosts
	Hits    atomic.Uint64 // answers from the cache
	Shared  atomic.Uint64 // answers to the same question in flight
	Asked   atomic.Uint64 // queries to servers
	Silent  atomic.Uint64 // of these, not answered, or not usefully
	Evicted atomic.Uint64 // answers that the limit of the cache has pushed out
}

// A Resolver answers queries. Safe for concurrent use.
type Resolver struct {
	Counters

	cfg        Config
	zones      zones
	hosts      hosts
	cache      *cache
	resolvConf file
	hostsFile  file

	nameless atomic.Bool // resolvConf names no server, which was said

	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows; nothing is asked under it
	closed   bool
	running  sync.WaitGroup
	system   []Upstream
	fromFile hosts
	servers  map[Upstream]*server
	flights  map[key]*flight
	state    int // times that system has changed
}

// ErrClosed is returned by a Resolver that was closed.
var ErrClosed = errors.New("dns: the resolver is closed")

var (
	errNobody   = errors.New("dns: there is no server to ask")
	errNoAnswer = errors.New("dns: no server has answered")
)

// New makes a resolver; the files are read. An error is that of a resolv.conf that
// is needed and cannot be read, or of the host's certificates; a resolv.conf that does
// not exist means [Default].
func New(cfg Config) (*Resolver, error) {
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = "/etc/resolv.conf"
	}
	if cfg.Cache == 0 {
		cfg.Cache = defaultCache
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	// Now: later a process may be confined, and $SSL_CERT_FILE anywhere.
	if cfg.RootCAs == nil && cfg.encrypts() {
		var err error
		if cfg.RootCAs, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("dns: certificates of this host: %w", err)
		}
	}
	r := &Resolver{
		cfg: cfg, zones: newZones(cfg.Zones), hosts: newHosts(cfg.Hosts),
		resolvConf: file{path: cfg.ResolvConf}, hostsFile: file{path: cfg.HostsFile},
		servers: make(map[Upstream]*server), flights: make(map[key]*flight),
	}
	r.cache = newCache(cfg.Cache, &r.Evicted)
	if r.usesSystem() {
		text, err := r.resolvConf.changed(cfg.Now())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: name a server", err)
		}
		if r.system = systemServers(text); len(r.system) == 0 {
			r.system = []Upstream{At(Default)}
			r.nameless.Store(true)
		}
	}
	r.look(cfg.Now())
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// Close ends what is asked and waits for it; connections are closed.
func (r *Resolver) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.running.Wait()
	for _, s := range r.servers {
		s.close()
	}
	return nil
}

// CacheBytes is how much the cache holds.
func (r *Resolver) CacheBytes() int { return r.cache.bytes() }

// Resolve answers q, for [Query.Reply]. It blocks as long as servers may take, at
// most 4.5 s. An error means that there is no answer.
func (r *Resolver) Resolve(ctx context.Context, q *Query) ([]byte, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, ErrClosed
	}
	r.running.Add(1)
	r.mu.Unlock()
	defer r.running.Done()
	now := r.cfg.Now()
	r.look(now)
	if h := r.host(q); h != nil {
		r.Counters.Hosts.Add(1)
		return h.answer(q)
	}
	k := q.key()
	msg := r.cache.get(k, now)
	if msg != nil {
		r.Hits.Add(1)
	} else {
		var err error
		if msg, err = r.share(ctx, k, q.Name); err != nil {
			return nil, err
		}
	}
	if q.Type == dnsmessage.TypeAAAA && r.cfg.NoIPv6 != nil && r.cfg.NoIPv6() {
		return withoutAAAA(msg), nil
	}
	return msg, nil
}

// host is what hosts say of the name asked for.
func (r *Resolver) host(q *Query) *host {
	if q.Class != dnsmessage.ClassINET {
		return nil
	}
	r.mu.Lock()
	fromFile := r.fromFile
	r.mu.Unlock()
	return find(q.Name, r.hosts, fromFile)
}

// withoutAAAA is an answer that the name exists, if it does, and has no address.
func withoutAAAA(msg []byte) []byte {
	for rec, err := range records(msg) {
		if err != nil || rec.section > 1 {
			break
		}
		if rec.typ == dnsmessage.TypeAAAA {
			empty := bytes.Clone(msg[:skipName(msg, headerLen)+4])
			clear(empty[6:headerLen])
			return empty
		}
	}
	return msg
}
