package providertest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Log is a list of calls, safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	calls []Call
}

func (l *Log) add(c Call) {
	l.mu.Lock()
	l.calls = append(l.calls, c)
	l.mu.Unlock()
}

// Calls is what was noted so far.
func (l *Log) Calls() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

// Ops are the names of Calls.
func (l *Log) Ops() []string {
	var ops []string
	for _, c := range l.Calls() {
		ops = append(ops, c.Op)
	}
	return ops
}

// Host is a provider.Host that counts handles and keeps what is reported.
type Host struct {
	Limit int // sockets at once; 0 = no limit. Beyond: EMFILE

	mu      sync.Mutex
	next    uint64
	open    map[*provider.Socket]bool
	reports []*provider.Report
}

// CreateHandle implements provider.Host.
func (h *Host) CreateHandle(s *provider.Socket) (uint64, wsa.Errno) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Limit > 0 && len(h.open) >= h.Limit {
		return 0, wsa.EMFILE
	}
	if h.open == nil {
		h.open = make(map[*provider.Socket]bool)
	}
	h.next++
	h.open[s] = true
	return h.next, 0
}

// CloseHandle implements provider.Host.
func (h *Host) CloseHandle(s *provider.Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.open[s] {
		panic(fmt.Sprintf("providertest: handle %d closed twice", s.Handle()))
	}
	delete(h.open, s)
}

// Reported implements provider.Host.
func (h *Host) Reported(r *provider.Report) {
	h.mu.Lock()
	h.reports = append(h.reports, r)
	h.mu.Unlock()
}

// Reports are those so far.
func (h *Host) Reports() []*provider.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.reports)
}

// Panics are the reports of panics so far.
func (h *Host) Panics() []*provider.Report {
	return slices.DeleteFunc(h.Reports(), func(r *provider.Report) bool { return r.Kind != provider.Panicked })
}

// Open is the number of open sockets.
func (h *Host) Open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open)
}

// Sockets are those that are open.
func (h *Host) Sockets() []*provider.Socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.open))
}

// Rig is a chain of layers over a scripted base, with what a test looks at.
type Rig struct {
	Base    *Base
	Host    *Host
	Catalog *provider.Catalog
	Chain   *provider.Chain
	BaseIDs []provider.CatalogID
}

// Build raises layers, the first nearest the application, over base's protocol
// with the given number (wsa.IPPROTO_TCP or UDP), and ends the chain with the
// test: one that does not end within 10 s fails it.
func Build(t testing.TB, base *Base, protocol int32, layers ...provider.Layer) *Rig {
	t.Helper()
	r, err := TryBuild(base, protocol, layers...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { End(t, r.Chain) })
	return r
}

// TryBuild is Build for a test that expects failure.
func TryBuild(base *Base, protocol int32, layers ...provider.Layer) (*Rig, error) {
	return TryConfigured(provider.BuildConfig{}, base, protocol, layers...)
}

// TryConfigured is TryBuild with a configuration, of which the rig sets the Host.
func TryConfigured(cfg provider.BuildConfig, base *Base, protocol int32, layers ...provider.Layer) (*Rig, error) {
	r := &Rig{Base: base, Host: &Host{}, Catalog: new(provider.Catalog)}
	var err error
	if r.BaseIDs, err = r.Catalog.InstallBase("scripted", base); err != nil {
		return nil, err
	}
	var ids []provider.CatalogID
	for i, l := range layers {
		id, err := r.Catalog.InstallLayer(fmt.Sprintf("layer%d", i), l)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		if _, err := r.Catalog.InstallChain("chain", ids); err != nil {
			return nil, err
		}
	}
	snap := r.Catalog.Snapshot()
	entry, _, e := snap.Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Protocol: protocol})
	if e != 0 {
		return nil, e
	}
	cfg.Host = r.Host
	r.Chain, err = snap.Build(entry.Info.CatalogEntryID, cfg)
	return r, err
}

// Socket opens a socket at the top of the rig's chain.
func (r *Rig) Socket(t testing.TB) *provider.Socket {
	t.Helper()
	s, e := r.Chain.Table.WSPSocket(r.Request())
	if e != 0 {
		t.Fatalf("WSPSocket: %v", e)
	}
	return s
}

// Request is what Socket asks with.
func (r *Rig) Request() *provider.SocketRequest {
	return &provider.SocketRequest{Info: &r.Chain.Info, Origin: &provider.Origin{UID: -1}}
}

// End retires c and waits until it has ended.
func End(t testing.TB, c *provider.Chain) {
	t.Helper()
	c.Retire()
	select {
	case <-c.Done():
		if err := c.Err(); err != nil {
			t.Errorf("the chain ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("the chain has not ended after 10 s; %d sockets are open", c.Sockets())
	}
}

func addrPort(s string) provider.Addr { return provider.AddrFrom(netip.MustParseAddrPort(s)) }
