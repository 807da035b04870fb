package dns

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Unix(1e9, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func soa(ttl, minimum uint32) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("test."), Class: dnsmessage.ClassINET, TTL: ttl},
		Body:   &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("ns.test."), MBox: dnsmessage.MustNewName("m.test."), MinTTL: minimum},
	}
}

// How long each answer is kept.
func TestCacheLife(t *testing.T) {
	shape := map[string]func(*dnsmessage.Message){
		"kept.test.":     func(*dnsmessage.Message) {},
		"never.test.":    func(m *dnsmessage.Message) { m.Answers[0].Header.TTL = 0 },
		"negative.test.": func(m *dnsmessage.Message) { m.Answers[0].Header.TTL = 1 << 31 }, // RFC 2181, 8
		"least.test.":    func(m *dnsmessage.Message) { m.Authorities = []dnsmessage.Resource{soa(30, 1)} },
		"long.test.":     func(m *dnsmessage.Message) { m.Answers[0].Header.TTL = 1 << 30 },
		"nxdomain.test.": func(m *dnsmessage.Message) {
			m.Answers, m.RCode, m.Authorities = nil, 3, []dnsmessage.Resource{soa(60, 20)}
		},
		"nodata.test.":    func(m *dnsmessage.Message) { m.Answers, m.Authorities = nil, []dnsmessage.Resource{soa(20, 60)} },
		"nosoa.test.":     func(m *dnsmessage.Message) { m.Answers, m.RCode = nil, 3 },
		"empty.test.":     func(m *dnsmessage.Message) { m.Answers = nil },
		"servfail.test.":  func(m *dnsmessage.Message) { m.RCode = 2 },
		"truncated.test.": func(m *dnsmessage.Message) { m.Truncated = true },
	}
	up := serve(t, func(q dnsmessage.Message, _ string) []dnsmessage.Message {
		m := reply(q, "192.0.2.1", 100)
		shape[q.Questions[0].Name.String()](&m)
		return []dnsmessage.Message{m}
	})
	for name, life := range map[string]time.Duration{
		"kept.test.": 100 * time.Second, "never.test.": 0, "negative.test.": 0, "least.test.": 30 * time.Second, "long.test.": time.Hour,
		"nxdomain.test.": 20 * time.Second, "nodata.test.": 20 * time.Second, "nosoa.test.": 0, "empty.test.": 0, "servfail.test.": 0, "truncated.test.": 0,
	} {
		c := newClock()
		r := start(t, Config{Upstreams: []Upstream{At(up)}, Now: c.now})
		query := ask(name, dnsmessage.TypeA)
		first := resolve(t, r, query, true)
		if life > 0 {
			c.step(life - time.Second)
			m := resolve(t, r, query, true)
			if r.Hits.Load() != 1 {
				t.Errorf("%s: not kept for %v", name, life)
			}
			if len(m.Answers) != len(first.Answers) || m.RCode != first.RCode {
				t.Errorf("%s: kept as %v, was %v", name, m, first)
			}
			if want := uint32(100 - (life-time.Second)/time.Second); life < time.Hour && len(m.Answers) > 0 && m.Answers[0].Header.TTL != want {
				t.Errorf("%s: TTL %d, want %d", name, m.Answers[0].Header.TTL, want)
			}
			c.step(time.Second)
		}
		resolve(t, r, query, true)
		if hits := r.Hits.Load(); hits > 1 || life == 0 && hits > 0 {
			t.Errorf("%s: kept longer than %v", name, life)
		}
	}
}

// The cache is bounded in bytes, the least lately used goes, and can be none.
func TestCacheBounds(t *testing.T) {
	up := serve(t, replying("192.0.2.1", 60))
	const limit = 20 << 10
	r := start(t, Config{Upstreams: []Upstream{At(up)}, Cache: limit})
	query := func(i int) []byte { return ask(fmt.Sprintf("name-%d.test.", i), dnsmessage.TypeA) }
	for i := range 200 {
		resolve(t, r, query(i), true)
		resolve(t, r, query(0), true) // always in use
		if n := r.CacheBytes(); n > limit {
			t.Fatalf("%d bytes, limit %d", n, limit)
		}
	}
	if r.Hits.Load() != 200 || r.Evicted.Load() == 0 || r.CacheBytes() < limit/2 {
		t.Errorf("%d hits, %d evicted, %d bytes", r.Hits.Load(), r.Evicted.Load(), r.CacheBytes())
	}
	off := start(t, Config{Upstreams: []Upstream{At(up)}, Cache: -1})
	for range 3 {
		resolve(t, off, query(0), true)
	}
	if off.Hits.Load() != 0 || off.Asked.Load() != 3 {
		t.Errorf("without a cache: %d hits, %d asked", off.Hits.Load(), off.Asked.Load())
	}
}

// What is kept takes about what it is said to take, however it has come: a cache of
// 1 MiB of answers, each in a buffer of 64 KiB, took 200 MiB.
func TestCacheMemory(t *testing.T) {
	const names, atMost = 1000, 8 << 20
	junk := dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("."), Class: dnsmessage.ClassINET},
		Body:   &dnsmessage.UnknownResource{Type: 65281, Data: make([]byte, 60<<10)},
	}
	up := serve(t, func(q dnsmessage.Message, network string) []dnsmessage.Message {
		m := reply(q, "192.0.2.1", 60)
		if network == "tcp" { // behind an OPT, where nothing is passed on
			m.Additionals = append(q.Additionals, junk)
		}
		return []dnsmessage.Message{m}
	}).String()
	for _, server := range []string{up, "tcp://" + up} {
		r := start(t, Config{Upstreams: upstreams(t, server)})
		before := heap()
		for i := range names {
			if got := address(resolve(t, r, ask(fmt.Sprintf("n%d.test.", i), dnsmessage.TypeA), true)); got != "192.0.2.1" {
				t.Fatal(got)
			}
		}
		if grown := heap() - before; grown > atMost || r.CacheBytes() < names*entryCost {
			t.Errorf("%s: %d answers that are said to take %d bytes take %d", server, names, r.CacheBytes(), grown)
		}
	}
}

// heap is what is in use.
func heap() int {
	runtime.GC()
	runtime.GC() // what a sync.Pool had
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// write replaces a file as most programs do.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// The system's servers are those of the file as it is; a broken one changes nothing
// and is logged once.
func TestSystemServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	c := newClock()
	var log strings.Builder
	write(t, path, "nameserver 192.0.2.1\n")
	r := start(t, Config{Upstreams: []Upstream{System}, ResolvConf: path, Now: c.now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	look := func() string {
		c.step(lookEvery)
		r.look(c.now())
		return fmt.Sprint(r.system)
	}
	if got := look(); got != "[192.0.2.1:53]" {
		t.Errorf("at first: %s", got)
	}
	q, _ := ParseQuery(ask("a.test.", dnsmessage.TypeA))
	var packed dnsmessage.Message
	packed.Unpack(ask("a.test.", dnsmessage.TypeA))
	m := reply(packed, "192.0.2.7", 60)
	kept, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	r.remember(q.key(), kept, 0)
	for _, broken := range []string{"", "nameserver\n", "search a.test\n"} {
		write(t, path, broken)
		if got := look(); got != "[192.0.2.1:53]" {
			t.Errorf("%q: %s", broken, got)
		}
	}
	os.Remove(path)
	for range 3 {
		if got := look(); got != "[192.0.2.1:53]" {
			t.Errorf("removed: %s", got)
		}
	}
	if n := strings.Count(log.String(), "stay as they were"); n != 2 {
		t.Errorf("%d lines were logged, want one for no server and one for no file:\n%s", n, &log)
	}
	if r.CacheBytes() == 0 {
		t.Error("what was known is forgotten although nothing has changed")
	}
	write(t, path, "nameserver 192.0.2.2\nnameserver 2001:db8::2\n")
	if got := look(); got != "[192.0.2.2:53 [2001:db8::2]:53]" {
		t.Errorf("changed: %s", got)
	}
	if r.CacheBytes() != 0 {
		t.Error("what other servers said is still known")
	}
	r.remember(q.key(), kept, 0)
	if r.CacheBytes() != 0 {
		t.Error("an answer of the old servers came late, and is kept")
	}
	// In the same second nothing is looked at.
	write(t, path, "nameserver 192.0.2.3\n")
	r.look(c.now())
	if got := fmt.Sprint(r.system); got != "[192.0.2.2:53 [2001:db8::2]:53]" {
		t.Errorf("looked at twice in a second: %s", got)
	}
}

func TestSystemServersAtFirst(t *testing.T) {
	r := start(t, Config{Upstreams: []Upstream{System}, ResolvConf: filepath.Join(t.TempDir(), "none")})
	if got := fmt.Sprint(r.system); got != "[127.0.0.1:53]" {
		t.Errorf("no file: %s", got)
	}
	if _, err := New(Config{Upstreams: []Upstream{System}, ResolvConf: t.TempDir()}); err == nil {
		t.Error("a folder is no error")
	}
	if r, err := New(Config{ResolvConf: t.TempDir()}); err != nil {
		t.Errorf("one that is not needed: %v", err)
	} else {
		r.Close()
	}
}

// Hosts are answered here, and nobody is asked for anything of theirs.
func TestHosts(t *testing.T) {
	var asked atomic.Int32
	up := serve(t, func(q dnsmessage.Message, _ string) []dnsmessage.Message {
		asked.Add(1)
		return []dnsmessage.Message{reply(q, "192.0.2.99", 60)}
	})
	path := filepath.Join(t.TempDir(), "hosts")
	write(t, path, "127.0.0.1 localhost\n127.0.1.1 me.test me # this host\n192.0.2.1 a.test A-Alias.test\n2001:db8::1 a.test\n0.0.0.0 ads.test\nnonsense x.test\n192.0.2.2 given.test\nfe80::1%lo scoped.test\n")
	given, err := ParseHost("Given.test.=192.0.2.3")
	if err != nil {
		t.Fatal(err)
	}
	c := newClock()
	r := start(t, Config{Upstreams: []Upstream{At(up)}, Hosts: []Host{given}, HostsFile: path, Now: c.now, Cache: -1})
	for _, h := range []struct {
		name string
		typ  dnsmessage.Type
		want string
	}{
		{"A.test.", dnsmessage.TypeA, "192.0.2.1"},
		{"a.test.", dnsmessage.TypeAAAA, "2001:db8::1"},
		{"a-alias.test.", dnsmessage.TypeA, "192.0.2.1"},
		{"a-alias.test.", dnsmessage.TypeAAAA, "RCodeSuccess"}, // there is none of that family
		{"a.test.", dnsmessage.TypeHTTPS, "RCodeSuccess"},
		{"given.test.", dnsmessage.TypeA, "192.0.2.3"},
		{"me.", dnsmessage.TypeA, "127.0.1.1"}, // the program's own loopback
		{"ads.test.", dnsmessage.TypeA, "0.0.0.0"},
		{"x.localhost.", dnsmessage.TypeA, "127.0.0.1"},
		{"x.localhost.", dnsmessage.TypeAAAA, "::1"},
		{"1.2.0.192.in-addr.arpa.", dnsmessage.TypePTR, "no address"},
		{"x.test.", dnsmessage.TypeA, "192.0.2.99"},
		{"scoped.test.", dnsmessage.TypeA, "192.0.2.99"},
	} {
		before := asked.Load()
		m := resolve(t, r, ask(h.name, h.typ), true)
		if got := address(m); got != h.want {
			t.Errorf("%s %v: %s, want %s", h.name, h.typ, got, h.want)
		}
		if (asked.Load() > before) != (h.want == "192.0.2.99") {
			t.Errorf("%s %v: the server was asked %d times", h.name, h.typ, asked.Load()-before)
		}
		if p, ok := append(m.Answers, dnsmessage.Resource{})[0].Body.(*dnsmessage.PTRResource); h.typ == dnsmessage.TypePTR && (!ok || p.PTR.String() != "a.test.") {
			t.Errorf("PTR: %v", m.Answers)
		}
	}
	write(t, path, "192.0.2.5 a.test\n")
	c.step(lookEvery)
	if got := address(resolve(t, r, ask("a.test.", dnsmessage.TypeA), true)); got != "192.0.2.5" {
		t.Errorf("changed: %s", got)
	}
}

func TestParseUpstream(t *testing.T) {
	for s, want := range map[string]string{
		"192.0.2.1": "192.0.2.1:53", "udp://192.0.2.1:5353": "192.0.2.1:5353", "2001:db8::1": "[2001:db8::1]:53",
		"[2001:db8::1]": "[2001:db8::1]:53", "[fe80::1%lo]:5353": "[fe80::1%lo]:5353", "tcp://192.0.2.1": "tcp://192.0.2.1:53", "system": "system",
		"tls://192.0.2.1": "tls://192.0.2.1:853", "TLS://192.0.2.1#Dns.example.": "tls://192.0.2.1:853#dns.example",
		"tls://dns.example:8853": "tls://dns.example:8853", "https://dns.example/dns-query": "https://dns.example:443/dns-query",
		"https://[2001:db8::1]:8443/q#dns.example": "https://[2001:db8::1]:8443/q#dns.example", "https://dns.example": "https://dns.example:443/",
		"::ffff:192.0.2.1": "192.0.2.1:53",
	} {
		u, err := ParseUpstream(s)
		if err != nil || u.String() != want {
			t.Errorf("%s: %s, %v; want %s", s, u, err, want)
		}
	}
	for _, s := range []string{
		"", "dns.example", "udp://dns.example", "tcp://", "ftp://192.0.2.1", "://192.0.2.1", "192.0.2.1:0", "192.0.2.1:65536", "tls://", "tls://a..b", "tls://a:b",
		"tls://192.0.2.1#a b", "https://dns.example/a b", "https://dns.example/?q#x/y", "192.0.2.1#name", "[fe80::1%a]b]:53", "tls://a:", "https://user@dns.example/", "off",
	} {
		if u, err := ParseUpstream(s); err == nil {
			t.Errorf("%s: is %s", s, u)
		} else if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: the error does not say so: %v", s, err)
		}
	}
	for _, s := range []string{"a.test", "=192.0.2.1", "a b=192.0.2.1", "a.test=x.test"} {
		if _, err := ParseZone(s); err == nil {
			t.Errorf("the zone %s", s)
		}
		if _, err := ParseHost(s); err == nil {
			t.Errorf("the host %s", s)
		}
	}
}

func TestParseResolvConf(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{"nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch a.test  b.test\noptions ndots:2\n",
			"[192.0.2.1:53 [2001:db8::1]:53] [search a.test b.test options ndots:2]"},
		{"# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nnameserver\nnameserver nonsense\n", "[] []"},
		{"nameserver fe80::1%lo", "[[fe80::1%lo]:53] []"},
		{"", "[] []"},
	} {
		r := ParseResolvConf(c.content)
		if got := fmt.Sprint(r.Servers, r.Keep); got != c.want {
			t.Errorf("%q: %s; want %s", c.content, got, c.want)
		}
	}
}

// Unicode has letters that fold to ASCII ones; DNS has not.
func TestNamesFoldASCIIOnly(t *testing.T) {
	if got := canonical(dnsmessage.MustNewName("\u212Aernel.Org.")); got != "\u212Aernel.org" {
		t.Errorf("canonical: %q", got)
	}
}
