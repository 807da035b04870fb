package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func addr(s string) provider.Addr { return provider.AddrFrom(netip.MustParseAddrPort(s)) }

// clock steps a second each time it is asked.
func clock() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

// chain is a chain of layers over a scripted base.
type chain struct {
	*provider.Chain
	host *providertest.Host
	log  *logged
}

func build(t testing.TB, base *providertest.Base, protocol int32, res *provider.Resources, layers ...provider.Layer) (*chain, error) {
	t.Helper()
	var cat provider.Catalog
	cat.InstallBase("base", base)
	var ids []provider.CatalogID
	for i, l := range layers {
		id, err := cat.InstallLayer([]string{"audit", "policy"}[i], l)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	cat.InstallChain("web", ids)
	entry, _, e := cat.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Protocol: protocol})
	if e != 0 {
		t.Fatal(e)
	}
	c := &chain{host: new(providertest.Host), log: new(logged)}
	var err error
	c.Chain, err = cat.Snapshot().Build(entry.Info.CatalogEntryID, provider.BuildConfig{
		Host: c.host, Resources: res, Log: slog.New(slog.NewTextHandler(c.log, nil)),
	})
	return c, err
}

// logged is what the chain logged so far.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (c *chain) socket(t testing.TB, o *provider.Origin) *provider.Socket {
	t.Helper()
	s, e := c.Table.WSPSocket(&provider.SocketRequest{Info: &c.Info, Origin: o})
	if e != 0 {
		t.Fatal(e)
	}
	return s
}

// lines decodes a file strictly: a half line or an unknown field fails the test.
func lines(t testing.TB, data []byte) []audit.Record {
	t.Helper()
	var all []audit.Record
	if len(data) > 0 && data[len(data)-1] != '\n' {
		t.Errorf("the file ends within a line: …%q", data[max(0, len(data)-80):])
	}
	for line := range bytes.Lines(data) {
		var r audit.Record
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, r)
	}
	return all
}

// run builds a chain with the audit layer first, lets f use it, ends it, and
// returns what was written.
func run(t *testing.T, base *providertest.Base, protocol int32, f func(*chain), layers ...provider.Layer) []audit.Record {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	c, err := build(t, base, protocol, nil, append([]provider.Layer{audit.New(audit.Config{Path: path, Now: clock()})}, layers...)...)
	if err != nil {
		t.Fatal(err)
	}
	f(c)
	providertest.End(t, c.Chain)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return lines(t, data)
}

func events(all []audit.Record) string {
	var s []string
	for _, r := range all {
		s = append(s, r.Event)
	}
	return strings.Join(s, " ")
}

func denying(t *testing.T, deny ...string) provider.Layer {
	t.Helper()
	p, err := policy.FromFlags(nil, deny)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Layer(p)
}

type names map[string][]string

func (n names) NamesOf(a netip.Addr) []string { return n[a.String()] }

func TestLifeOfAConnection(t *testing.T) {
	o := &provider.Origin{
		Attachment: "build", PID: 4711, UID: 1000, Executable: "/usr/bin/curl", Source: addr("10.0.2.100:40000"),
		Names: names{"192.0.2.7": {"example.com"}},
	}
	got := run(t, new(providertest.Base), wsa.IPPROTO_TCP, func(c *chain) {
		s := c.socket(t, o)
		c.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.7:443")})
		c.Table.WSPSend(s, &provider.Msg{Buffers: [][]byte{make([]byte, 1000)}})
		providertest.Inject(s, make([]byte, 50))
		c.Table.WSPRecv(s, &provider.Msg{Buffers: [][]byte{make([]byte, 100)}})
		s.Learn(func(l provider.Learned) provider.Learned { l.SNI = "example.com"; return l })
		c.Table.WSPCloseSocket(s, provider.CloseLinger)
		for _, st := range c.Storeys() {
			if st.Name == "audit" && (st.Data() || slices.Contains(st.Replaces, "Ready")) {
				t.Errorf("the layer replaces %v", st.Replaces)
			}
		}
	}, denying(t, "metadata"))
	if events(got) != "open connect close" {
		t.Fatalf("events are %s", events(got))
	}
	line, err := json.Marshal(got[2])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-05-01T12:00:06Z","event":"close","chain":"web over [scripted [TCP/IP]]","attachment":"build","socket":1,` +
		`"pid":4711,"uid":1000,"exe":"/usr/bin/curl","family":"inet","type":"stream","protocol":"tcp","src":"10.0.2.100:40000",` +
		`"dst":"192.0.2.7:443","names":["example.com"],"sni":"example.com","verdict":{"action":"allow","layer":"policy","rule":"default: allow"},` +
		`"reason":"closed by the application","bytes_in":50,"bytes_out":1000,"packets_in":0,"packets_out":0,"duration_ms":`
	if !strings.HasPrefix(string(line), want[:20]) || stripTimes(string(line)) != stripTimes(want) {
		t.Errorf("the close line is\n%s\nwant\n%s", line, want)
	}
	if r := got[1]; r.Dst != "192.0.2.7:443" || r.Error != "" || r.Verdict == nil || r.Totals != nil {
		t.Errorf("the connect line is %+v", r)
	}
	if r := got[0]; r.Dst != "" || r.Verdict != nil {
		t.Errorf("the open line is %+v", r)
	}
}

// stripTimes keeps what lies between the time and the duration.
func stripTimes(line string) string {
	_, line, _ = strings.Cut(line, `Z",`)
	line, _, _ = strings.Cut(line, `"duration_ms"`)
	return line
}

func TestWhy(t *testing.T) {
	ready := func(r provider.Readiness) *providertest.Base {
		return &providertest.Base{Script: provider.ProcTable{
			Ready: func(s *provider.Socket, mask wsa.Events) provider.Readiness {
				if r, failed := s.FailedReadiness(mask); failed {
					return r
				}
				return r
			},
			WSPConnect: func(*provider.Socket, *provider.ConnectRequest) wsa.Errno { return wsa.EWOULDBLOCK },
		}}
	}
	open := provider.Readiness{Events: wsa.FD_CONNECT | wsa.FD_WRITE}
	for _, c := range []struct {
		name          string
		base          *providertest.Base
		do            func(*provider.Socket)
		mode          provider.CloseMode
		error, reason string
	}{
		{"closed", ready(open), nil, provider.CloseLinger, "", "closed by the application"},
		{"reset", ready(open), nil, provider.CloseAbort, "", "reset by the application"},
		{"peer", ready(provider.Readiness{Events: wsa.FD_CONNECT | wsa.FD_CLOSE}), nil, 0, "", "closed by the peer"},
		{"refused", ready(provider.Readiness{Events: wsa.FD_CONNECT, Connect: wsa.ECONNREFUSED}), nil, 0, "WSAECONNREFUSED", "connect failed"},
		{"broken", ready(provider.Readiness{Events: wsa.FD_CONNECT | wsa.FD_CLOSE, Close: wsa.ECONNABORTED}), nil, 0, "WSAECONNABORTED", "connection broken"},
		{"killed", ready(open), func(s *provider.Socket) { s.Fail(wsa.ENETDOWN, "session closed") }, provider.CloseAbort, "WSAENETDOWN", "session closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := run(t, c.base, wsa.IPPROTO_TCP, func(ch *chain) {
				s := ch.socket(t, nil)
				ch.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.7:443")})
				if c.do != nil {
					c.do(s)
				}
				ch.Table.WSPCloseSocket(s, c.mode)
			})
			if last := got[len(got)-1]; last.Error != c.error || last.Reason != c.reason {
				t.Errorf("the close line has error %q, reason %q", last.Error, last.Reason)
			}
		})
	}
}

func TestDenied(t *testing.T) {
	got := run(t, new(providertest.Base), wsa.IPPROTO_TCP, func(c *chain) {
		s := c.socket(t, nil)
		if e := c.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("169.254.169.254:80")}); e != wsa.EACCES {
			t.Errorf("connect: %v", e)
		}
		c.Table.WSPCloseSocket(s, provider.CloseLinger)
	}, denying(t, "metadata"))
	want := audit.Verdict{Action: "deny", Errno: "WSAEACCES", Layer: "policy", Rule: "deny metadata", Pos: "--deny #1"}
	if r := got[1]; r.Event != "connect" || r.Error != "WSAEACCES" || r.Verdict == nil || *r.Verdict != want {
		t.Errorf("the connect line is %+v, %+v", r, r.Verdict)
	}
	if r := got[2]; r.Reason != "denied" || r.Error != "WSAEACCES" {
		t.Errorf("the close line is %+v", r)
	}
}

func TestDatagrams(t *testing.T) {
	got := run(t, new(providertest.Base), wsa.IPPROTO_UDP, func(c *chain) {
		s := c.socket(t, nil)
		send := func(to string, flags wsa.MsgFlags) {
			c.Table.WSPSendTo(s, &provider.Msg{Buffers: [][]byte{{1}}, Addr: addr(to), Flags: flags})
		}
		send("192.0.2.1:53", 0)
		send("192.0.2.1:53", 0)
		send("192.0.2.2:53", 0)
		send("169.254.169.254:53", 0)
		send("169.254.169.254:53", 0)
		send("192.0.2.9:53", wsa.MSG_PENDED) // a retry is not counted
		c.Table.WSPCloseSocket(s, provider.CloseLinger)
	}, denying(t, "metadata"))
	var dst []string
	for _, r := range got {
		if r.Event == "send" {
			dst = append(dst, r.Dst+" "+r.Verdict.Action+" "+r.Error)
		}
	}
	want := []string{"192.0.2.1:53 allow ", "192.0.2.2:53 allow ", "169.254.169.254:53 deny WSAEACCES"}
	if !slices.Equal(dst, want) {
		t.Errorf("sends are %q, want %q", dst, want)
	}
}

func TestJoins(t *testing.T) {
	got := run(t, new(providertest.Base), wsa.IPPROTO_UDP, func(c *chain) {
		s := c.socket(t, nil)
		c.Table.WSPJoinLeaf(s, &provider.JoinRequest{To: addr("239.1.1.1:7"), Flags: wsa.JL_BOTH})
		for _, group := range []byte{2, 3} {
			c.Table.WSPSetSockOpt(s, wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, []byte{239, 1, 1, group, 0, 0, 0, 0})
		}
		c.Table.WSPSetSockOpt(s, wsa.IPPROTO_IP, wsa.IP_DROP_MEMBERSHIP, []byte{239, 1, 1, 2, 0, 0, 0, 0})
		c.Table.WSPCloseSocket(s, provider.CloseLinger)
	}, denying(t, "239.1.1.3"))
	var dst []string
	for _, r := range got {
		if r.Event == "join" {
			dst = append(dst, r.Dst+" "+r.Error)
		}
	}
	want := []string{"239.1.1.1:7 ", "239.1.1.2:1 ", "239.1.1.3:1 WSAEACCES"} // 1: the base's port
	if !slices.Equal(dst, want) {
		t.Errorf("joins are %q, want %q", dst, want)
	}
}

func TestDestinationsAreBounded(t *testing.T) {
	got := run(t, new(providertest.Base), wsa.IPPROTO_UDP, func(c *chain) {
		s := c.socket(t, nil)
		for round := range 2 {
			for i := range 1024 + round {
				to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 53)
				c.Table.WSPSendTo(s, &provider.Msg{Buffers: [][]byte{{1}}, Addr: provider.AddrFrom(to)})
			}
		}
		c.Table.WSPSendTo(s, &provider.Msg{Buffers: [][]byte{{1}}, Addr: addr("10.0.0.0:53")})
		c.Table.WSPCloseSocket(s, provider.CloseLinger)
	})
	if n := len(got) - 2; n != 1024+1+1 { // the 1025th makes it forget
		t.Errorf("%d send lines", n)
	}
}

func TestListenAndAccept(t *testing.T) {
	got := run(t, new(providertest.Base), wsa.IPPROTO_TCP, func(c *chain) {
		l := c.socket(t, nil)
		c.Table.WSPListen(l, 1)
		s, e := c.Table.WSPAccept(l, &provider.AcceptRequest{})
		if e != 0 {
			t.Fatal(e)
		}
		c.Table.WSPCloseSocket(s, provider.CloseLinger)
		c.Table.WSPCloseSocket(l, provider.CloseLinger)
	})
	if events(got) != "open listen accept close close" || got[2].Socket == got[0].Socket {
		t.Errorf("events are %s", events(got))
	}
}

func TestLingeringCloseIsOneLine(t *testing.T) {
	tries := 0
	base := &providertest.Base{Script: provider.ProcTable{WSPCloseSocket: func(*provider.Socket, provider.CloseMode) wsa.Errno {
		if tries++; tries < 3 {
			return wsa.EWOULDBLOCK
		}
		return 0
	}}}
	got := run(t, base, wsa.IPPROTO_TCP, func(c *chain) {
		s := c.socket(t, nil)
		for range 3 {
			c.Table.WSPCloseSocket(s, provider.CloseLinger)
		}
	})
	if events(got) != "open close" {
		t.Errorf("events are %s", events(got))
	}
}

func TestWitness(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	l := audit.New(audit.Config{Path: path})
	v := provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES, Layer: "policy", Rule: "default: deny"}
	f := provider.Facts{Origin: &provider.Origin{UID: -1, Attachment: "build"}, Names: []string{"evil.example"}}
	l.Witness(f, provider.OpLookup, v)
	if l.Dropped() != 1 {
		t.Error("a line without a file did not count as dropped")
	}
	c, err := build(t, new(providertest.Base), wsa.IPPROTO_TCP, nil, l)
	if err != nil {
		t.Fatal(err)
	}
	l.Witness(f, provider.OpLookup, v)
	providertest.End(t, c.Chain)
	data, _ := os.ReadFile(path)
	got := lines(t, data)
	if len(got) != 1 || got[0].Event != "lookup" || got[0].Names[0] != "evil.example" || got[0].Verdict.Rule != "default: deny" || got[0].Dst != "" || got[0].Type != "" {
		t.Errorf("the file has %s", data)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v", info.Mode())
	}
}

// TestShared: chains and versions that name one file have one queue.
func TestShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	res := new(provider.Resources)
	var chains []*chain
	for range 3 {
		c, err := build(t, new(providertest.Base), wsa.IPPROTO_TCP, res, audit.New(audit.Config{Path: path}))
		if err != nil {
			t.Fatal(err)
		}
		chains = append(chains, c)
	}
	if n := len(res.Names()); n != 1 {
		t.Errorf("resources are %v", res.Names())
	}
	var wg sync.WaitGroup
	for _, c := range chains {
		wg.Go(func() {
			for range 200 {
				c.Table.WSPCloseSocket(c.socket(t, nil), provider.CloseLinger)
			}
		})
	}
	wg.Wait()
	for _, c := range chains {
		providertest.End(t, c.Chain)
	}
	data, _ := os.ReadFile(path)
	if n := len(lines(t, data)); n != 3*200*2 {
		t.Errorf("%d lines", n)
	}
	if len(res.Names()) != 0 {
		t.Errorf("resources are left: %v", res.Names())
	}
}

func TestFileCannotBeOpened(t *testing.T) {
	l := audit.New(audit.Config{Path: filepath.Join(t.TempDir(), "no", "such", "folder")})
	if err := l.Check(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Check: %v", err)
	}
	c, err := build(t, new(providertest.Base), wsa.IPPROTO_TCP, nil, l)
	if !errors.Is(err, wsa.EPROVIDERFAILEDINIT) || !strings.Contains(c.log.String(), "no such file") {
		t.Errorf("the chain was built, or nobody was told why: %v; %s", err, c.log)
	}
}

// broken takes a few bytes a write, then none, until it is repaired.
type broken struct {
	mu   sync.Mutex
	left int
	data bytes.Buffer
}

func (b *broken) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(b.left, len(p))
	b.left -= n
	b.data.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left")
	}
	return n, nil
}

func (b *broken) repair() {
	b.mu.Lock()
	b.left = 1 << 30
	b.mu.Unlock()
}

// TestWritesFail: traffic goes on, nothing waits, no line is torn, the gap is
// noted, and the log says it once.
func TestWritesFail(t *testing.T) {
	w := &broken{left: 1000}
	l := audit.New(audit.Config{Output: w, Buffer: 4000})
	c, err := build(t, new(providertest.Base), wsa.IPPROTO_TCP, nil, l)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; l.Dropped() == 0 || !strings.Contains(c.log.String(), "cannot write"); n++ {
		s := c.socket(t, nil)
		if k, e := c.Table.WSPSend(s, &provider.Msg{Buffers: [][]byte{[]byte("x")}}); k != 1 || e != 0 {
			t.Fatalf("send: %d, %v", k, e)
		}
		c.Table.WSPCloseSocket(s, provider.CloseLinger)
	}
	w.repair()
	c.Table.WSPCloseSocket(c.socket(t, nil), provider.CloseLinger)
	providertest.End(t, c.Chain)
	got := lines(t, w.data.Bytes())
	var dropped uint64
	for _, r := range got {
		dropped += r.Dropped
	}
	if dropped != l.Dropped() || uint64(len(got)-strings.Count(events(got), "dropped"))+dropped != uint64(2*n+2) {
		t.Errorf("%d lines, %d noted as dropped, %d counted", len(got), dropped, l.Dropped())
	}
	if k := strings.Count(c.log.String(), "cannot write"); k != 1 {
		t.Errorf("the failure was logged %d times: %s", k, c.log)
	}
}

func TestWritesFailForGood(t *testing.T) {
	w := &broken{left: 100}
	l := audit.New(audit.Config{Output: w})
	c, err := build(t, new(providertest.Base), wsa.IPPROTO_TCP, nil, l)
	if err != nil {
		t.Fatal(err)
	}
	c.Table.WSPCloseSocket(c.socket(t, nil), provider.CloseLinger)
	c.Retire()
	<-c.Done()
	if c.Err() == nil || l.Dropped() != 2 {
		t.Errorf("the chain ended with %v, %d dropped", c.Err(), l.Dropped())
	}
}

func BenchmarkSocket(b *testing.B) {
	c, err := build(b, new(providertest.Base), wsa.IPPROTO_TCP, nil, audit.New(audit.Config{Output: io.Discard}))
	if err != nil {
		b.Fatal(err)
	}
	defer providertest.End(b, c.Chain)
	b.ReportAllocs()
	for b.Loop() {
		s := c.socket(b, nil)
		c.Table.WSPConnect(s, &provider.ConnectRequest{To: provider.Any(wsa.AF_INET, 1)})
		c.Table.WSPCloseSocket(s, provider.CloseLinger)
	}
}

// BenchmarkSendTo is what a datagram to a known destination costs.
func BenchmarkSendTo(b *testing.B) {
	base := &providertest.Base{}
	c, err := build(b, base, wsa.IPPROTO_UDP, nil, audit.New(audit.Config{Output: io.Discard}))
	if err != nil {
		b.Fatal(err)
	}
	defer providertest.End(b, c.Chain)
	s := c.socket(b, nil)
	defer c.Table.WSPCloseSocket(s, provider.CloseLinger)
	m := &provider.Msg{Buffers: [][]byte{nil}, Addr: addr("192.0.2.1:53")}
	b.ReportAllocs()
	for b.Loop() {
		c.Table.WSPSendTo(s, m)
	}
}

func Example() {
	var out bytes.Buffer
	l := audit.New(audit.Config{Output: &out, Now: func() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }})
	var cat provider.Catalog
	cat.InstallBase("base", new(providertest.Base))
	id, _ := cat.InstallLayer("audit", l)
	cat.InstallChain("web", []provider.CatalogID{id})
	entry, _, _ := cat.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Type: wsa.SOCK_STREAM})
	chain, err := cat.Snapshot().Build(entry.Info.CatalogEntryID, provider.BuildConfig{Host: new(providertest.Host)})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, _ := chain.Table.WSPSocket(&provider.SocketRequest{Info: &chain.Info})
	chain.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.7:443")})
	chain.Table.WSPCloseSocket(s, provider.CloseLinger)
	chain.Retire()
	<-chain.Done()
	for line := range bytes.Lines(out.Bytes()) {
		var r audit.Record
		json.Unmarshal(line, &r)
		fmt.Println(strings.TrimSpace(fmt.Sprint(r.Event, " ", r.Protocol, " ", r.Dst, " ", r.Reason)))
	}
	// Output:
	// open tcp
	// connect tcp 192.0.2.7:443
	// close tcp 192.0.2.7:443 closed by the application
}
