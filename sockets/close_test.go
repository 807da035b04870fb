package sockets_test

import (
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

// TestLinger is SetLinger and Close on a fake clock: Close never waits, and the
// chain's close is graceful or not by what the peer did in time.
func TestLinger(t *testing.T) {
	for _, test := range []struct {
		name    string
		sec     int
		drains  time.Duration // when the peer has acknowledged all; 0 never
		wake    bool          // and whether anybody says so
		session time.Duration // when the session is closed; 0 when the case is over
		want    provider.CloseMode
		after   time.Duration
	}{
		{"default", -1, 0, false, 0, provider.CloseBackground, 0},
		{"reset", 0, 0, false, 0, provider.CloseAbort, 0},
		{"drained, woken", 5, 2 * time.Second, true, 0, provider.CloseBackground, 2 * time.Second},
		{"drained, silently", 5, 2 * time.Second, false, 0, provider.CloseBackground, 2 * time.Second},
		{"not drained", 5, 0, false, 0, provider.CloseAbort, 5 * time.Second},
		{"session closes", 5, 0, false, time.Second, provider.CloseAbort, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var drained, shut atomic.Bool
				var end time.Time
				b := &script{}
				b.table.Ready = func(_ *provider.Socket, mask wsa.Events) provider.Readiness {
					if !drained.Load() {
						mask &^= wsa.EvDrained
					}
					return provider.Readiness{Events: mask}
				}
				b.table.WSPShutdown = func(_ *provider.Socket, how int) wsa.Errno { shut.Store(how == wsa.SD_SEND); return 0 }
				var modes []provider.CloseMode
				b.table.WSPCloseSocket = func(_ *provider.Socket, m provider.CloseMode) wsa.Errno {
					modes, end = append(modes, m), time.Now()
					return 0
				}
				s, err := sockets.Startup(sockets.Config{Catalog: socketstest.Catalog(t, b)})
				if err != nil {
					t.Fatal(err)
				}
				c := dial(t, s)
				begin := time.Now()
				c.SetLinger(test.sec)
				if err := c.Close(); err != nil || time.Since(begin) != 0 {
					t.Errorf("close: %v after %v", err, time.Since(begin))
				}
				if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				if test.drains > 0 {
					time.Sleep(test.drains)
					drained.Store(true)
					if test.wake {
						c.Socket().Wake(wsa.EvDrained)
					}
				}
				if test.session > 0 {
					time.Sleep(test.session)
				} else {
					time.Sleep(time.Minute)
				}
				s.Close()
				if !slices.Equal(modes, []provider.CloseMode{test.want}) || end.Sub(begin).Truncate(100*time.Millisecond) != test.after {
					t.Errorf("closed %v after %v, want %v after %v", modes, end.Sub(begin), test.want, test.after)
				}
				if shut.Load() != (test.sec > 0) {
					t.Errorf("FIN sent: %v", shut.Load())
				}
			})
		})
	}
}

// TestAcceptPassesOver connections that came to nothing, but not a listener that did.
func TestAcceptPassesOver(t *testing.T) {
	codes := []wsa.Errno{wsa.ECONNRESET, wsa.EWOULDBLOCK, wsa.ECONNABORTED, wsa.ECONNREFUSED, wsa.EMFILE}
	b := &script{}
	b.table.WSPAccept = func(k *provider.Socket, _ *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
		if e := k.Failed(); e != 0 {
			return nil, e
		}
		e := codes[0]
		codes = codes[1:]
		k.Wake(wsa.FD_ACCEPT)
		return nil, e
	}
	l, err := start(t, b).Listen(t.Context(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = l.Accept()
	if !errors.Is(err, syscall.EMFILE) || len(codes) != 0 {
		t.Errorf("%v, %v left", err, codes)
	}
	if ne, ok := err.(net.Error); !ok || !ne.Temporary() { // what http.Server asks before it gives up
		t.Errorf("%v is not temporary", err)
	}
	l.(*sockets.Listener).Socket().Fail(wsa.ECONNREFUSED, "killed")
	if _, err := l.Accept(); !errors.Is(err, wsa.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
}

// TestWildcardWithoutIPv6 listens by IPv4.
func TestWildcardWithoutIPv6(t *testing.T) {
	for name, b := range map[string]*script{
		"no entry":   {families: []int32{wsa.AF_INET}},
		"no address": {table: provider.ProcTable{WSPBind: refuse6}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, b)
			l, err := s.Listen(t.Context(), "tcp", ":0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if l.Addr().String() != "0.0.0.0:7" {
				t.Error(l.Addr())
			}
			if _, err := s.Listen(t.Context(), "tcp6", ":0"); err == nil {
				t.Error("tcp6 without IPv6")
			}
		})
	}
}

func refuse6(k *provider.Socket, _ provider.Addr) wsa.Errno {
	if k.Family == wsa.AF_INET6 {
		return wsa.EADDRNOTAVAIL
	}
	return 0
}

// TestSettings are the options that the face sets, and that SO_REUSEADDR is none of them.
func TestSettings(t *testing.T) {
	got := map[[2]int32]byte{}
	var ioctls []uint32
	b := &script{}
	b.table.WSPSetSockOpt = func(_ *provider.Socket, level, name int32, in []byte) wsa.Errno {
		if len(in) != 4 {
			t.Errorf("option %d: %d bytes", name, len(in))
		}
		got[[2]int32{level, name}] = in[0]
		return 0
	}
	b.table.WSPIoctl = func(_ *provider.Socket, q *provider.IoctlRequest) (int, wsa.Errno) {
		ioctls = append(ioctls, q.Code)
		return 0, 0
	}
	s := start(t, b)
	for _, step := range []struct {
		what string
		do   func() (interface{ Close() error }, error)
		want map[[2]int32]byte
	}{
		{"dial tcp", func() (interface{ Close() error }, error) { return s.DialContext(t.Context(), "tcp", "192.0.2.9:9") }, map[[2]int32]byte{
			{wsa.IPPROTO_TCP, wsa.TCP_NODELAY}: 1, {wsa.SOL_SOCKET, wsa.SO_KEEPALIVE}: 1,
			{wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE}: 15, {wsa.IPPROTO_TCP, wsa.TCP_KEEPINTVL}: 15, {wsa.IPPROTO_TCP, wsa.TCP_KEEPCNT}: 9}},
		{"listen tcp", func() (interface{ Close() error }, error) { return s.Listen(t.Context(), "tcp", ":0") }, map[[2]int32]byte{
			{wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY}: 0}},
		{"listen tcp6", func() (interface{ Close() error }, error) { return s.Listen(t.Context(), "tcp6", ":0") }, map[[2]int32]byte{
			{wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY}: 1}},
		{"dial udp", func() (interface{ Close() error }, error) { return s.DialContext(t.Context(), "udp", "192.0.2.9:9") }, map[[2]int32]byte{
			{wsa.SOL_SOCKET, wsa.SO_BROADCAST}: 1}},
		{"listen udp4", func() (interface{ Close() error }, error) { return s.ListenPacket(t.Context(), "udp4", ":0") }, map[[2]int32]byte{
			{wsa.SOL_SOCKET, wsa.SO_BROADCAST}: 1}},
	} {
		clear(got)
		c, err := step.do()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if len(got) != len(step.want) {
			t.Errorf("%s: %v, want %v", step.what, got, step.want)
		}
		for k, v := range step.want {
			if g, ok := got[k]; !ok || g != v {
				t.Errorf("%s: option %v is %v, want %v", step.what, k, g, v)
			}
		}
	}
	if !slices.Equal(ioctls, []uint32{wsa.SIO_UDP_CONNRESET}) {
		t.Errorf("ioctls %x", ioctls)
	}
}

// FuzzPayload: whatever a raw socket receives, what is left is its end.
func FuzzPayload(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x45})
	f.Add(append([]byte{0x46}, make([]byte, 30)...))
	f.Add(append([]byte{0x4f}, make([]byte, 30)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := sockets.Payload(b)
		if cut := len(b) - len(p); cut != 0 && (cut < 20 || cut != int(b[0]&15)*4) {
			t.Errorf("%d bytes cut of %x", cut, b)
		}
	})
}
