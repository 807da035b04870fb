package base_test

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestMain(m *testing.M) { providertest.Main(m) }

// rig is a base in a catalog, with the chains that its entries need.
type rig struct {
	t      testing.TB
	host   *providertest.Host
	snap   *provider.Snapshot
	chains map[provider.CatalogID]*provider.Chain
	open   map[*provider.Socket]bool
}

// passing is a layer that replaces nothing.
type passing struct{}

func (passing) Startup(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.ProcTable{}, 0
}

// calling is a layer that replaces every data and control entry by a call of the
// one below.
type calling struct{}

func (calling) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	n := *next
	return provider.ProcTable{
		WSPSocket:   func(r *provider.SocketRequest) (*provider.Socket, wsa.Errno) { return n.WSPSocket(r) },
		WSPConnect:  func(s *provider.Socket, r *provider.ConnectRequest) wsa.Errno { return n.WSPConnect(s, r) },
		WSPRecv:     func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPRecv(s, m) },
		WSPRecvFrom: func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPRecvFrom(s, m) },
		WSPSend:     func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPSend(s, m) },
		WSPSendTo:   func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPSendTo(s, m) },
		Ready:       func(s *provider.Socket, e wsa.Events) provider.Readiness { return n.Ready(s, e) },
		Watch:       func(s *provider.Socket, w provider.Watcher, e wsa.Events) { n.Watch(s, w, e) },
	}, 0
}

// newRig installs a base over d, raw sockets allowed, under the given layers. It
// closes what the test leaves open and checks that everything ended.
func newRig(t testing.TB, d base.Driver, layers ...provider.Layer) *rig {
	t.Helper()
	return rigOf(t, base.Config{Driver: d, RawAllowed: true}, layers...)
}

func rigOf(t testing.TB, cfg base.Config, layers ...provider.Layer) *rig {
	t.Helper()
	var c provider.Catalog
	if _, err := c.InstallBase("base", base.New(cfg)); err != nil {
		t.Fatal(err)
	}
	var ids []provider.CatalogID
	for _, l := range layers {
		id, err := c.InstallLayer("layer", l)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		if _, err := c.InstallChain("chain", ids); err != nil {
			t.Fatal(err)
		}
	}
	r := &rig{
		t: t, host: &providertest.Host{}, snap: c.Snapshot(),
		chains: make(map[provider.CatalogID]*provider.Chain), open: make(map[*provider.Socket]bool),
	}
	if s, ok := cfg.Driver.(*basetest.Script); ok {
		t.Cleanup(func() {
			for i, ep := range s.Opened() {
				for _, m := range ep.Misuse() {
					t.Errorf("endpoint %d: the driver's contract was broken: %s", i, m)
				}
			}
		})
	}
	if n, ok := cfg.Driver.(*basetest.Network); ok {
		t.Cleanup(func() {
			if left := n.Endpoints(); left != 0 {
				t.Errorf("%d endpoints are left open", left)
			}
			if left := n.Self().Listeners(); left != 0 {
				t.Errorf("%d subscriptions to changes are left", left)
			}
		})
	}
	t.Cleanup(r.end) // runs before those above
	return r
}

func (r *rig) end() {
	for s := range r.open {
		r.table(s).WSPCloseSocket(s, provider.CloseAbort)
	}
	for _, c := range r.chains {
		providertest.End(r.t, c)
	}
	for _, p := range r.host.Panics() {
		r.t.Errorf("%v\n%s", p, p.Stack)
	}
}

// create is socket(): Resolve, then WSPSocket of the chain found.
func (r *rig) create(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
	r.t.Helper()
	entry, _, e := r.snap.Resolve(q)
	if e != 0 {
		return nil, e
	}
	id := entry.Info.CatalogEntryID
	c := r.chains[id]
	if c == nil {
		var err error
		if c, err = r.snap.Build(id, provider.BuildConfig{Host: r.host}); err != nil {
			r.t.Fatal(err)
		}
		r.chains[id] = c
	}
	if q.Info == nil {
		q.Info = &c.Info
	}
	s, e := c.Table.WSPSocket(q)
	if e == 0 {
		r.open[s] = true
	}
	return s, e
}

func (r *rig) socket(af, typ, protocol int32) *provider.Socket {
	r.t.Helper()
	s, e := r.create(&provider.SocketRequest{AF: af, Type: typ, Protocol: protocol})
	if e != 0 {
		r.t.Fatalf("socket(%d, %d, %d): %s", af, typ, protocol, e.Name())
	}
	return s
}

func (r *rig) tcp() *provider.Socket { return r.socket(wsa.AF_INET, wsa.SOCK_STREAM, 0) }
func (r *rig) udp() *provider.Socket { return r.socket(wsa.AF_INET, wsa.SOCK_DGRAM, 0) }

func (r *rig) table(s *provider.Socket) *provider.ProcTable { return &s.Chain().Table }

// must fails the test unless the code is the one wanted.
func (r *rig) want(what string, got, want wsa.Errno) {
	r.t.Helper()
	if got != want {
		r.t.Fatalf("%s: %s, want %s", what, name(got), name(want))
	}
}

func name(e wsa.Errno) string {
	if e == 0 {
		return "success"
	}
	return e.Name()
}

func addr(s string) provider.Addr { return provider.AddrFrom(netip.MustParseAddrPort(s)) }

func (r *rig) bind(s *provider.Socket, at string) {
	r.t.Helper()
	r.want("bind "+at, r.table(s).WSPBind(s, addr(at)), 0)
}

func (r *rig) connect(s *provider.Socket, to string) wsa.Errno {
	return r.table(s).WSPConnect(s, &provider.ConnectRequest{To: addr(to)})
}

func (r *rig) close(s *provider.Socket, m provider.CloseMode) wsa.Errno {
	e := r.table(s).WSPCloseSocket(s, m)
	if e == 0 {
		delete(r.open, s)
	}
	return e
}

func (r *rig) accept(s *provider.Socket, q provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
	n, e := r.table(s).WSPAccept(s, &q)
	if e == 0 {
		r.open[n] = true
	}
	return n, e
}

func (r *rig) send(s *provider.Socket, data string) (int, wsa.Errno) {
	return r.table(s).WSPSend(s, &provider.Msg{Buffers: [][]byte{[]byte(data)}})
}

func (r *rig) sendTo(s *provider.Socket, to, data string) (int, wsa.Errno) {
	m := &provider.Msg{Buffers: [][]byte{[]byte(data)}}
	if to != "" {
		m.Addr = addr(to)
	}
	return r.table(s).WSPSendTo(s, m)
}

func (r *rig) recv(s *provider.Socket, size int, flags wsa.MsgFlags) (string, wsa.Errno) {
	b := make([]byte, size)
	n, e := r.table(s).WSPRecv(s, &provider.Msg{Buffers: [][]byte{b}, Flags: flags})
	return string(b[:n]), e
}

func (r *rig) recvFrom(s *provider.Socket, size int) (string, provider.Addr, wsa.Errno) {
	b := make([]byte, size)
	m := &provider.Msg{Buffers: [][]byte{b}}
	n, e := r.table(s).WSPRecvFrom(s, m)
	return string(b[:n]), m.Addr, e
}

func (r *rig) ready(s *provider.Socket) provider.Readiness {
	return r.table(s).Ready(s, wsa.FD_ALL_EVENTS|wsa.EvDrained|wsa.EvError)
}

func (r *rig) set(s *provider.Socket, level, name int32, v int) wsa.Errno {
	return r.table(s).WSPSetSockOpt(s, level, name, le32(v))
}

func (r *rig) get(s *provider.Socket, level, name int32) (int, wsa.Errno) {
	var b [4]byte
	_, e := r.table(s).WSPGetSockOpt(s, level, name, b[:])
	return int(int32(binary.LittleEndian.Uint32(b[:]))), e
}

func le32(v ...int) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

// watched collects wakes.
type watched struct {
	mu    sync.Mutex
	hints wsa.Events
	n     int
}

func (w *watched) Wake(_ *provider.Socket, hint wsa.Events) {
	w.mu.Lock()
	w.hints |= hint
	w.n++
	w.mu.Unlock()
}

func (w *watched) take() wsa.Events {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hints
	w.hints = 0
	return h
}

// pair is a connected pair over a network.
func (r *rig) pair(at string) (listener, client, server *provider.Socket) {
	r.t.Helper()
	af := wsa.AF_INET
	if addr(at).Addr().Is6() {
		af = wsa.AF_INET6
	}
	listener = r.socket(af, wsa.SOCK_STREAM, 0)
	r.bind(listener, at)
	r.want("listen", r.table(listener).WSPListen(listener, 5), 0)
	client = r.socket(af, wsa.SOCK_STREAM, 0)
	r.want("connect", r.connect(client, at), wsa.EWOULDBLOCK)
	server, e := r.accept(listener, provider.AcceptRequest{})
	r.want("accept", e, 0)
	return listener, client, server
}

// everywhere runs a test bare, below a layer that passes and below three that call.
func everywhere(t *testing.T, f func(t *testing.T, layers ...provider.Layer)) {
	t.Run("0 layers", func(t *testing.T) { f(t) })
	t.Run("1 passing", func(t *testing.T) { f(t, passing{}) })
	t.Run("3 calling", func(t *testing.T) { f(t, calling{}, calling{}, calling{}) })
}
