package trace

import (
	"bytes"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func TestConform(t *testing.T) {
	for name, c := range map[string]Config{"all": {}, "control": {Ops: Control}, "filtered": {To: []Target{{Ports: provider.PortRange{First: 1, Last: 1}}}}, "json": {JSON: true, Data: 8}} {
		t.Run(name, func(t *testing.T) {
			providertest.ConformLayer(t, func() provider.Layer {
				c.Output = new(bytes.Buffer)
				return New(c)
			})
		})
	}
}

func addr(s string) provider.Addr { return provider.AddrFrom(netip.MustParseAddrPort(s)) }

// clock goes on by a millisecond each time that it is read.
type ticks struct {
	mu  sync.Mutex
	now time.Time
}

func newTicks() *ticks { return &ticks{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

func (c *ticks) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

// traced is a chain under trace, and what has been written when it has ended.
type traced struct {
	t   testing.TB
	rig *providertest.Rig
	tab *provider.ProcTable
	out bytes.Buffer
}

func trace(t testing.TB, base *providertest.Base, protocol int32, c Config) *traced {
	t.Helper()
	r := &traced{t: t}
	if c.Output == nil {
		c.Output = &r.out
	}
	if c.Now == nil {
		c.Now = newTicks().read
	}
	r.rig = providertest.Build(t, base, protocol, New(c))
	r.tab = &r.rig.Chain.Table
	return r
}

func (r *traced) socket() *provider.Socket {
	r.t.Helper()
	q := r.rig.Request()
	q.Origin = &provider.Origin{PID: 4711, Executable: "/usr/bin/curl"}
	s, e := r.tab.WSPSocket(q)
	if e != 0 {
		r.t.Fatal(e)
	}
	return s
}

func (r *traced) connect(s *provider.Socket, to string) wsa.Errno {
	return r.tab.WSPConnect(s, &provider.ConnectRequest{To: addr(to)})
}

// lines are those written, less time, chain's end and duration.
func (r *traced) lines() []string {
	r.t.Helper()
	providertest.End(r.t, r.rig.Chain)
	var all []string
	for line := range strings.Lines(r.out.String()) {
		_, line, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if i := strings.LastIndex(line, " <"); i > 0 {
			line = line[:i]
		}
		if !strings.Contains(line, " cleanup ") {
			all = append(all, line)
		}
	}
	return all
}

func (r *traced) want(want ...string) {
	r.t.Helper()
	got := r.lines()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		r.t.Errorf("lines:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
