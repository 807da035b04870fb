package host_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// sockets are a chain that is a base over a Host alone, and its sockets.
type sockets struct {
	t testing.TB
	*provider.Chain
}

func newSockets(t testing.TB, protocol int32) *sockets {
	t.Helper()
	h := newHost(t, host.Config{})
	var catalog provider.Catalog
	ids, err := catalog.InstallBase("host", base.New(base.Config{Driver: h}))
	if err != nil {
		t.Fatal(err)
	}
	snapshot := catalog.Snapshot()
	for _, id := range ids {
		if e, _ := snapshot.Entry(id); e.Info.Protocol == protocol && e.Info.AddressFamily == wsa.AF_INET {
			if e.Info.ServiceFlags1&wsa.XP1_IFS_HANDLES == 0 {
				t.Fatal("not marked as IFS")
			}
			chain, err := snapshot.Build(id, provider.BuildConfig{Host: new(providertest.Host)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { providertest.End(t, chain) })
			return &sockets{t, chain}
		}
	}
	t.Fatalf("no entry for protocol %d", protocol)
	return nil
}

// sock is a Socket whose wakes can be waited for.
type sock struct {
	*sockets
	*provider.Socket
	woken chan struct{}
}

func (s *sock) Wake(*provider.Socket, wsa.Events) {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (c *sockets) adopt(s *provider.Socket, errno wsa.Errno) *sock {
	c.t.Helper()
	must(c.t, "socket", errno)
	w := &sock{c, s, make(chan struct{}, 1)}
	c.Table.Watch(s, w, ^wsa.Events(0))
	c.t.Cleanup(func() { c.Table.WSPCloseSocket(s, provider.CloseAbort) })
	return w
}

func (c *sockets) open() *sock {
	c.t.Helper()
	return c.adopt(c.Table.WSPSocket(&provider.SocketRequest{Info: &c.Info, Origin: &provider.Origin{UID: -1}}))
}

func (s *sock) until(events wsa.Events) provider.Readiness {
	s.t.Helper()
	late := time.After(patience)
	for {
		if r := s.Table.Ready(s.Socket, events); r.Events != 0 {
			return r
		}
		select {
		case <-s.woken:
		case <-late:
			s.t.Fatalf("no %#x after %v: %+v", events, patience, s.Table.Ready(s.Socket, ^wsa.Events(0)))
		}
	}
}

func (s *sock) name() provider.Addr {
	a, errno := s.Table.WSPGetSockName(s.Socket)
	must(s.t, "WSPGetSockName", errno)
	return a
}

func (c *sockets) listener() *sock {
	c.t.Helper()
	l := c.open()
	must(c.t, "WSPBind", c.Table.WSPBind(l.Socket, loopback(wsa.AF_INET, 0)))
	must(c.t, "WSPListen", c.Table.WSPListen(l.Socket, 10))
	return l
}

func (c *sockets) connection() (dialled, accepted *sock) {
	c.t.Helper()
	l := c.listener()
	dialled = c.open()
	equal(c.t, "WSPConnect", c.Table.WSPConnect(dialled.Socket, &provider.ConnectRequest{To: l.name()}), wsa.EWOULDBLOCK)
	l.until(wsa.FD_ACCEPT)
	accepted = c.adopt(c.Table.WSPAccept(l.Socket, &provider.AcceptRequest{}))
	if r := dialled.until(wsa.FD_CONNECT); r.Connect != 0 {
		c.t.Fatalf("connect: %s", r.Connect.Name())
	}
	return dialled, accepted
}

func (s *sock) recv(n int) (string, wsa.Errno) {
	s.t.Helper()
	b := make([]byte, n)
	got, errno := s.Table.WSPRecv(s.Socket, &provider.Msg{Buffers: [][]byte{b}})
	return string(b[:got]), errno
}

func (s *sock) sendText(text string) {
	s.t.Helper()
	n, errno := s.Table.WSPSend(s.Socket, &provider.Msg{Buffers: [][]byte{[]byte(text)}})
	if n != len(text) || errno != 0 {
		s.t.Fatalf("WSPSend: %d, %s", n, errno.Name())
	}
}

func TestBaseStream(t *testing.T) {
	c := newSockets(t, wsa.IPPROTO_TCP)
	a, b := c.connection()
	a.sendText("question")
	equal(t, "queued", b.until(wsa.FD_READ).Queued, 8)
	text, errno := b.recv(100)
	equal(t, "received "+errno.Name(), text, "question")

	must(t, "WSPShutdown", c.Table.WSPShutdown(a.Socket, wsa.SD_SEND))
	a.until(wsa.EvDrained)
	r := b.until(wsa.FD_CLOSE)
	equal(t, "cause of the close", r.Close, 0)
	text, errno = b.recv(100)
	equal(t, "end "+errno.Name(), text, "")
	b.sendText("answer")
	a.until(wsa.FD_READ)
	text, _ = a.recv(100)
	equal(t, "received", text, "answer")

	out := make([]byte, 8)
	_, errno = c.Table.WSPIoctl(b.Socket, &provider.IoctlRequest{Code: wsa.SIO_BASE_HANDLE, Out: out})
	must(t, "SIO_BASE_HANDLE", errno)
	if fd := binary.LittleEndian.Uint64(out); fd < 3 || fd > 1<<20 || fd == b.Handle() {
		t.Errorf("base handle %d", fd)
	}
}

func TestBaseReset(t *testing.T) {
	c := newSockets(t, wsa.IPPROTO_TCP)
	a, b := c.connection()
	b.sendText("before")
	a.until(wsa.FD_READ)
	must(t, "WSPCloseSocket", c.Table.WSPCloseSocket(b.Socket, provider.CloseAbort))
	a.until(wsa.FD_CLOSE)
	text, _ := a.recv(100)
	equal(t, "before the reset", text, "before")
	for range 2 {
		_, errno := a.recv(100)
		equal(t, "after the reset", errno, wsa.ECONNRESET)
	}
	if e := a.until(wsa.FD_CLOSE).Close; e == 0 {
		t.Error("a reset that looks like an end")
	}
}

// TestBaseRefused: the same Socket connects again, over a fresh descriptor.
func TestBaseRefused(t *testing.T) {
	c := newSockets(t, wsa.IPPROTO_TCP)
	gone := c.listener()
	to := gone.name()
	c.Table.WSPCloseSocket(gone.Socket, provider.CloseAbort)
	s := c.open()
	for range 2 {
		equal(t, "WSPConnect", c.Table.WSPConnect(s.Socket, &provider.ConnectRequest{To: to}), wsa.EWOULDBLOCK)
		equal(t, "cause", s.until(wsa.FD_CONNECT).Connect, wsa.ECONNREFUSED)
	}
	l := c.listener()
	equal(t, "WSPConnect", c.Table.WSPConnect(s.Socket, &provider.ConnectRequest{To: l.name()}), wsa.EWOULDBLOCK)
	equal(t, "cause", s.until(wsa.FD_CONNECT).Connect, 0)
}

func TestBaseDatagram(t *testing.T) {
	c := newSockets(t, wsa.IPPROTO_UDP)
	a, b, gone := c.open(), c.open(), c.open()
	for _, s := range []*sock{a, b, gone} {
		must(t, "WSPBind", c.Table.WSPBind(s.Socket, loopback(wsa.AF_INET, 0)))
	}
	dead := gone.name()
	c.Table.WSPCloseSocket(gone.Socket, provider.CloseAbort)
	for _, to := range []provider.Addr{dead, b.name()} {
		if _, errno := c.Table.WSPSendTo(a.Socket, &provider.Msg{Buffers: [][]byte{[]byte("x")}, Addr: to}); errno != 0 {
			t.Fatalf("WSPSendTo %v: %s", to, errno.Name())
		}
	}
	b.until(wsa.FD_READ)
	equal(t, "soft error", a.until(wsa.EvError).Soft, wsa.ECONNRESET)
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 10)}}
	_, errno := c.Table.WSPRecvFrom(a.Socket, m)
	equal(t, "WSPRecvFrom", errno, wsa.ECONNRESET)
	equal(t, "destination", m.Addr, dead)
}

// TestBaseNoAllocations: the whole way down and back.
func TestBaseNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	c := newSockets(t, wsa.IPPROTO_TCP)
	a, b := c.connection()
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 100)}}
	n := testing.AllocsPerRun(1000, func() {
		c.Table.WSPSend(a.Socket, m)
		for c.Table.Ready(b.Socket, wsa.FD_READ).Queued < 100 {
			<-b.woken
		}
		c.Table.WSPRecv(b.Socket, m)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
