package kit_test

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// patience bounds every wait of a test; it is reached only by one that fails.
const patience = 20 * time.Second

func TestMain(m *testing.M) { providertest.Main(m) }

// wire is the endpoint of a stream in memory: what the base keeps for a socket,
// and, through its other methods, the far end. It wakes with its lock held, as
// real endpoints do.
type wire struct {
	s     *provider.Socket
	limit int // bytes on the way in each direction

	mu        sync.Mutex
	moved     *sync.Cond
	rx, tx    []byte
	rxEOF     bool
	txEOF     bool
	connected bool
	over      bool // the attempt to connect
	err       wsa.Errno
	closed    *provider.CloseMode
	sends     int // at once
	recvs     int
	linger    [4]byte
	acked     bool
}

// network is a base whose streams are wires.
type network struct {
	limit  int                           // of each wire; 0 = 4 KiB
	answer func(provider.Addr) wsa.Errno // of a connect; EWOULDBLOCK = never
	wires  chan *wire                    // each socket made
	t      testing.TB
}

func newNetwork(t testing.TB) *network {
	return &network{t: t, wires: make(chan *wire, 64)}
}

func (n *network) Entries() []provider.ProtocolInfo { return providertest.Rows() }

func (n *network) Startup(r *provider.StartupRequest) (provider.ProcTable, wsa.Errno) {
	t, e := new(providertest.Base).Startup(r)
	make := func(typ int32) (*provider.Socket, wsa.Errno) {
		w := &wire{limit: n.limit}
		if w.limit == 0 {
			w.limit = 4 << 10
		}
		w.moved = sync.NewCond(&w.mu)
		s, e := r.Upcalls.CreateSocketHandle(r.Info.CatalogEntryID, w)
		if e == 0 {
			s.Family, s.Type, s.Protocol, w.s = wsa.AF_INET, typ, r.Info.Protocol, s
			n.wires <- w
		}
		return s, e
	}
	t.WSPSocket = func(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) { return make(q.Info.SocketType) }
	t.WSPAccept = func(l *provider.Socket, _ *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
		s, e := make(l.Type)
		if e == 0 {
			of(s).connected, of(s).over = true, true
		}
		return s, e
	}
	t.WSPConnect = func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
		e := wsa.Errno(0)
		if n.answer != nil {
			e = n.answer(q.To)
		}
		if e == wsa.EACCES { // what a deciding layer below says at once
			return e
		}
		if e != wsa.EWOULDBLOCK {
			of(s).established(e)
		}
		return wsa.EWOULDBLOCK
	}
	t.WSPGetPeerName = func(s *provider.Socket) (provider.Addr, wsa.Errno) { return peerAddr, 0 }
	t.WSPRecv, t.WSPRecvFrom, t.WSPSend, t.WSPSendTo = recv, recv, send, send
	t.WSPShutdown = func(s *provider.Socket, how int) wsa.Errno { return of(s).shutdown(how) }
	t.WSPCloseSocket = func(s *provider.Socket, m provider.CloseMode) wsa.Errno { return of(s).close(n.t, m) }
	t.WSPGetSockOpt = func(s *provider.Socket, level, name int32, out []byte) (int, wsa.Errno) {
		clear(out)
		if level == wsa.SOL_SOCKET && name == wsa.SO_LINGER {
			copy(out, of(s).linger[:])
		}
		return 4, 0
	}
	t.Ready = wireReady
	return t, e
}

var (
	peerAddr  = provider.AddrFrom(netipAP("192.0.2.1:80"))
	proxyAddr = provider.AddrFrom(netipAP("192.0.2.99:1080"))
)

func of(s *provider.Socket) *wire { return s.Base.(*wire) }

func (w *wire) established(e wsa.Errno) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over, w.connected, w.err = true, e == 0, e
	w.s.Wake(wsa.FD_CONNECT | wsa.FD_WRITE)
}

func wireReady(s *provider.Socket, mask wsa.Events) provider.Readiness {
	if r, failed := s.FailedReadiness(mask); failed {
		return r
	}
	w := of(s)
	w.mu.Lock()
	defer w.mu.Unlock()
	r := provider.Readiness{Queued: len(w.rx)}
	if w.over {
		r.Events |= wsa.FD_CONNECT
		if !w.connected {
			r.Connect = w.err
		}
	}
	if w.connected {
		if len(w.rx) > 0 {
			r.Events |= wsa.FD_READ
		}
		if w.rxEOF || w.err != 0 {
			r.Events |= wsa.FD_CLOSE
			r.Close = w.err
		}
		if len(w.tx) < w.limit {
			r.Events |= wsa.FD_WRITE
		}
		if w.acked {
			r.Events |= wsa.EvDrained
		}
	}
	r.Events &= mask
	return r
}

// solo checks law 4: one data operation per direction, none beside close.
func (w *wire) solo(n *int) func() {
	w.mu.Lock()
	*n++
	if *n > 1 || w.closed != nil {
		panic("law 4 is broken")
	}
	w.mu.Unlock()
	return func() {
		w.mu.Lock()
		*n--
		w.mu.Unlock()
	}
}

func recv(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
	if e := s.Failed(); e != 0 {
		return 0, e
	}
	w := of(s)
	defer w.solo(&w.recvs)()
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, b := range m.Buffers {
		n += copy(b, w.rx[n:])
	}
	switch {
	case n > 0:
		if m.Flags&wsa.MSG_PEEK == 0 {
			w.rx = w.rx[n:]
		}
		w.moved.Broadcast()
		return n, 0
	case !w.connected:
		return 0, wsa.ENOTCONN
	case w.err != 0:
		return 0, w.err
	case w.rxEOF:
		return 0, 0
	}
	return 0, wsa.EWOULDBLOCK
}

func send(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
	if e := s.Failed(); e != 0 {
		return 0, e
	}
	w := of(s)
	defer w.solo(&w.sends)()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.connected:
		return 0, wsa.ENOTCONN
	case w.err != 0:
		return 0, w.err
	case w.txEOF:
		return 0, wsa.ESHUTDOWN
	}
	n := 0
	for _, b := range m.Buffers {
		c := min(len(b), w.limit-len(w.tx))
		w.tx = append(w.tx, b[:c]...)
		n += c
	}
	w.moved.Broadcast()
	if n == 0 {
		return 0, wsa.EWOULDBLOCK
	}
	return n, 0
}

func (w *wire) shutdown(how int) wsa.Errno {
	w.mu.Lock()
	defer w.mu.Unlock()
	if how != wsa.SD_RECEIVE {
		w.txEOF = true
	}
	w.moved.Broadcast()
	return 0
}

func (w *wire) close(t testing.TB, m provider.CloseMode) wsa.Errno {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed != nil || w.sends+w.recvs > 0 {
		t.Errorf("the base is closed twice or beside %d operations", w.sends+w.recvs)
	}
	w.closed = &m
	if m != provider.CloseAbort {
		w.txEOF = true
	}
	w.moved.Broadcast()
	return 0
}

// The far end.

func (w *wire) Read(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch {
		case w.closed != nil && *w.closed == provider.CloseAbort:
			return 0, wsa.ECONNRESET
		case len(w.tx) > 0:
			n := copy(b, w.tx)
			w.tx = w.tx[n:]
			w.s.Wake(wsa.FD_WRITE)
			return n, nil
		case w.txEOF:
			return 0, io.EOF
		}
		w.moved.Wait()
	}
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := 0; n < len(b); {
		if w.closed != nil || w.err != 0 {
			return n, wsa.ECONNRESET
		}
		c := min(len(b)-n, w.limit-len(w.rx))
		if c == 0 {
			w.moved.Wait()
			continue
		}
		w.rx = append(w.rx, b[n:n+c]...)
		n += c
		w.s.Wake(wsa.FD_READ)
	}
	return len(b), nil
}

func (w *wire) CloseWrite() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rxEOF = true
	w.s.Wake(wsa.FD_READ | wsa.FD_CLOSE)
}

func (w *wire) Reset(e wsa.Errno) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = e
	w.s.Wake(wsa.FD_READ | wsa.FD_WRITE | wsa.FD_CLOSE)
}

// Closed waits for the base's close and is its mode.
func (w *wire) Closed() provider.CloseMode {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.closed == nil {
		w.moved.Wait()
	}
	return *w.closed
}

// app is an application: a socket at the top of a chain, made to block.
type app struct {
	t       testing.TB
	table   *provider.ProcTable
	s       *provider.Socket
	w       *wire
	r, wr   chan struct{}
	m, n    provider.Msg
	maxRead int
}

func (a *app) Wake(_ *provider.Socket, hint wsa.Events) {
	for _, c := range []chan struct{}{a.r, a.wr} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

type layerFunc func(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno)

func (f layerFunc) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return f(r, next)
}

// rig is a chain over a network.
type rig struct {
	t     testing.TB
	net   *network
	host  *providertest.Host
	chain *provider.Chain
}

func build(t testing.TB, n *network, layers ...provider.Layer) *rig {
	t.Helper()
	cat := new(provider.Catalog)
	if _, err := cat.InstallBase("network", n); err != nil {
		t.Fatal(err)
	}
	var ids []provider.CatalogID
	for i, l := range layers {
		id, err := cat.InstallLayer(string(rune('a'+i)), l)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		if _, err := cat.InstallChain("chain", ids); err != nil {
			t.Fatal(err)
		}
	}
	entry, _, e := cat.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Protocol: wsa.IPPROTO_TCP})
	if e != 0 {
		t.Fatal(e)
	}
	host := new(providertest.Host)
	chain, err := cat.Snapshot().Build(entry.Info.CatalogEntryID, provider.BuildConfig{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { providertest.End(t, chain) })
	return &rig{t, n, host, chain}
}

func (r *rig) socket() *app {
	r.t.Helper()
	s, e := r.chain.Table.WSPSocket(&provider.SocketRequest{Info: &r.chain.Info, Origin: &provider.Origin{UID: -1}})
	if e != 0 {
		r.t.Fatalf("WSPSocket: %v", e)
	}
	return r.adopt(s)
}

func (r *rig) adopt(s *provider.Socket) *app {
	a := &app{t: r.t, table: &r.chain.Table, s: s, w: <-r.net.wires, r: make(chan struct{}, 1), wr: make(chan struct{}, 1)}
	r.chain.Table.Watch(s, a, wsa.FD_ALL_EVENTS|wsa.EvDrained)
	return a
}

// dial connects and waits for the outcome.
func (r *rig) dial() (*app, wsa.Errno) {
	a := r.socket()
	return a, a.connect(peerAddr)
}

func (a *app) connect(to provider.Addr) wsa.Errno {
	e := a.table.WSPConnect(a.s, &provider.ConnectRequest{To: to})
	if e != wsa.EWOULDBLOCK {
		return e
	}
	var ready provider.Readiness
	a.until(a.wr, func() bool {
		ready = a.table.Ready(a.s, wsa.FD_CONNECT)
		return ready.Events&wsa.FD_CONNECT != 0
	})
	return ready.Connect
}

func (r *rig) open() *app {
	r.t.Helper()
	a, e := r.dial()
	if e != 0 {
		r.t.Fatalf("connect: %v", e)
	}
	return a
}

// until waits for wakes until done says so.
func (a *app) until(c chan struct{}, done func() bool) {
	a.t.Helper()
	end := time.After(patience)
	for !done() {
		select {
		case <-c:
		case <-end:
			a.t.Fatalf("nothing has happened for %v", patience)
		}
	}
}

func (a *app) Read(b []byte) (n int, err error) {
	if a.maxRead > 0 {
		b = b[:min(len(b), a.maxRead)]
	}
	a.m.Buffers = [][]byte{b}
	var e wsa.Errno
	a.until(a.r, func() bool {
		a.m.Flags = 0
		n, e = a.table.WSPRecv(a.s, &a.m)
		return e != wsa.EWOULDBLOCK
	})
	if n == 0 && e == 0 {
		return 0, io.EOF
	}
	return n, e.Err()
}

func (a *app) Write(b []byte) (n int, err error) {
	for n < len(b) {
		a.n.Buffers = [][]byte{b[n:]}
		var c int
		var e wsa.Errno
		a.until(a.wr, func() bool {
			c, e = a.table.WSPSend(a.s, &a.n)
			return e != wsa.EWOULDBLOCK
		})
		n += c
		if e != 0 {
			return n, e
		}
	}
	return n, nil
}

func (a *app) close(m provider.CloseMode) {
	a.t.Helper()
	if e := a.table.WSPCloseSocket(a.s, m); e != 0 {
		a.t.Errorf("WSPCloseSocket: %v", e)
	}
}

func (a *app) must(e wsa.Errno) {
	a.t.Helper()
	if e != 0 {
		a.t.Fatal(e)
	}
}

// within runs f and fails the test if it takes longer than patience.
func within(t testing.TB, what string, f func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() {
		defer cancel()
		f()
	}()
	<-ctx.Done()
	if ctx.Err() == context.DeadlineExceeded {
		t.Fatalf("%s takes longer than %v", what, patience)
	}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + i*7%26)
	}
	return b
}

func upper(b []byte) []byte { return bytes.ToUpper(b) }
