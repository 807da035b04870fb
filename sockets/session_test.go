package sockets_test

import (
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

func startup(t *testing.T, cfg sockets.Config) *sockets.Session {
	t.Helper()
	s, err := sockets.Startup(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStartupWithoutCatalog(t *testing.T) {
	if _, err := sockets.Startup(sockets.Config{}); !errors.Is(err, wsa.EINVAL) {
		t.Error(err)
	}
}

func TestMaxSockets(t *testing.T) {
	s := startup(t, sockets.Config{Catalog: socketstest.Catalog(t, new(script)), MaxSockets: 2})
	c := dial(t, s)
	dial(t, s)
	_, err := s.DialContext(t.Context(), "tcp", "192.0.2.9:9")
	if !errors.Is(err, syscall.EMFILE) {
		t.Fatalf("third socket: %v", err)
	}
	if ne := net.Error(nil); !errors.As(err, &ne) {
		t.Errorf("%T", err)
	}
	handle := c.Socket().Handle()
	c.Close()
	if d := dial(t, s); d.Socket().Handle() == handle {
		t.Error("a handle was given out twice")
	}
	if n := len(slices.Collect(s.Sockets())); n != 2 {
		t.Errorf("%d sockets are listed", n)
	}
}

func TestSessionClose(t *testing.T) {
	b := &script{table: provider.ProcTable{
		WSPRecv: func(k *provider.Socket, _ *provider.Msg) (int, wsa.Errno) {
			return 0, cmpOr(k.Failed(), wsa.EWOULDBLOCK)
		},
	}}
	s := startup(t, sockets.Config{Catalog: socketstest.Catalog(t, b, socketstest.PassThrough(1)...)})
	c := dial(t, s)
	l, err := s.Listen(t.Context(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 2)
	go func() { _, err := c.Read(make([]byte, 1)); errs <- err }()
	go func() { _, err := l.Accept(); errs <- err }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-errs; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
	if got := b.closed(); !slices.Equal(got, []provider.CloseMode{provider.CloseAbort, provider.CloseAbort}) {
		t.Errorf("closed %v", got)
	}
	if b.starts.Load() != b.cleanups.Load() {
		t.Errorf("%d startups, %d cleanups", b.starts.Load(), b.cleanups.Load())
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := s.DialContext(t.Context(), "tcp", "192.0.2.9:9"); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := s.Socket(tcp4); !errors.Is(err, wsa.NOTINITIALISED) {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

var tcp4 = &provider.SocketRequest{AF: wsa.AF_INET, Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP}

// TestSessionCloseWaits for sockets that are not the Go face's: their owner is
// told by the failure and closes them.
func TestSessionCloseWaits(t *testing.T) {
	s := startup(t, sockets.Config{Catalog: socketstest.Catalog(t, new(script))})
	k, err := s.Socket(tcp4)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(watch, 1)
	k.Chain().Table.Watch(k, failed, wsa.FD_CLOSE)
	done := make(chan error)
	go func() { done <- s.Close() }()
	<-failed
	if k.Failed() != wsa.ENETDOWN {
		t.Error(k.Failed())
	}
	select {
	case <-done:
		t.Error("Close did not wait")
	default:
	}
	k.Chain().Table.WSPCloseSocket(k, provider.CloseAbort)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type watch chan struct{}

func (w watch) Wake(*provider.Socket, wsa.Events) {
	select {
	case w <- struct{}{}:
	default:
	}
}

func cmpOr(a, b wsa.Errno) wsa.Errno {
	if a != 0 {
		return a
	}
	return b
}

func TestOriginOfSocket(t *testing.T) {
	s := startup(t, sockets.Config{Catalog: socketstest.Catalog(t, new(script)), Origin: &provider.Origin{Attachment: "a", UID: 7}})
	k, err := s.Socket(tcp4)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Chain().Table.WSPCloseSocket(k, provider.CloseAbort)
	if k.Origin.Attachment != "a" || k.Origin.UID != 7 || tcp4.Origin != nil {
		t.Errorf("%+v", k.Origin)
	}
}

// panics is a layer of which one entry panics.
type panics struct{}

func (panics) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	boom := func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { panic("boom") }
	return provider.ProcTable{WSPRecv: boom, WSPRecvFrom: boom}, 0
}

func TestPanicInLayer(t *testing.T) {
	var told []*provider.Report
	s := startup(t, sockets.Config{
		Catalog:  socketstest.Catalog(t, new(script), panics{}),
		OnReport: func(p *provider.Report) { told = append(told, p) },
	})
	c, other := dial(t, s), dial(t, s)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	if s.Panics() != 1 || len(told) != 1 || told[0].Layer != "layer" {
		t.Errorf("%d panics, told %v", s.Panics(), told)
	}
	if n, err := other.Write([]byte("x")); n != 1 || err != nil {
		t.Errorf("the other socket: %d, %v", n, err)
	}
}

func TestChainsAreBuiltOnce(t *testing.T) {
	b := new(script)
	catalog := socketstest.Catalog(t, b, new(starts))
	s := startup(t, sockets.Config{Catalog: catalog})
	if b.starts.Load() != 0 {
		t.Error("a chain was built before it was needed")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { dial(t, s).Close() })
	}
	wg.Wait()
	if b.starts.Load() != 1 {
		t.Errorf("%d startups for one entry", b.starts.Load())
	}
	c := dial(t, s)
	old := c.Socket().Chain()
	if _, err := catalog.InstallLayer("more", panics{}); err != nil {
		t.Fatal(err)
	}
	same := dial(t, s)
	if same.Socket().Chain() != old {
		t.Error("another chain is used for an entry that is as it was")
	}
	same.Close()
	if err := catalog.Publish(draft(t, catalog, new(starts))); err != nil {
		t.Fatal(err)
	}
	if d := dial(t, s); d.Socket().Chain() == old {
		t.Error("a new generation of the catalog uses the old chain")
	}
	select {
	case <-old.Done():
		t.Error("the old chain ended under its socket")
	default:
	}
	if n, err := c.Write([]byte("x")); n != 1 || err != nil {
		t.Errorf("socket of the old chain: %d, %v", n, err)
	}
	c.Close()
	<-old.Done()
}

// TestBuildFails: the failure is the answer, with its code; no other entry is
// tried, and the next socket tries again.
func TestBuildFails(t *testing.T) {
	fails := true
	bad := &script{families: []int32{wsa.AF_INET}, startup: func() wsa.Errno {
		if fails {
			return wsa.EPROVIDERFAILEDINIT
		}
		return 0
	}}
	good := new(script)
	catalog := socketstest.Catalog(t, bad)
	if _, err := catalog.InstallBase("good", good); err != nil {
		t.Fatal(err)
	}
	s := startup(t, sockets.Config{Catalog: catalog})
	_, err := s.DialContext(t.Context(), "tcp", "192.0.2.9:9")
	if b := (*provider.BuildError)(nil); !errors.Is(err, wsa.EPROVIDERFAILEDINIT) || !errors.As(err, &b) {
		t.Errorf("%v", err)
	}
	if good.starts.Load() != 0 {
		t.Error("selection fell through")
	}
	fails = false
	dial(t, s)
}

// TestTrafficWhileOpening: what the sockets have moved can be asked while others are
// being made.
func TestTrafficWhileOpening(t *testing.T) {
	s := startup(t, sockets.Config{Catalog: socketstest.Catalog(t, new(script))})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				s.Traffic()
			}
		}
	}()
	for range 200 {
		dial(t, s).Close()
	}
	close(stop)
	<-stopped
}
