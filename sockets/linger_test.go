package sockets_test

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

// lingering is a base whose connection has drained when it is told to.
type lingering struct {
	script
	drained atomic.Bool
	shut    atomic.Int32
	value   [4]byte // SO_LINGER
}

func newLingering(on, seconds uint16) *lingering {
	b := &lingering{}
	binary.LittleEndian.PutUint16(b.value[:], on)
	binary.LittleEndian.PutUint16(b.value[2:], seconds)
	b.table.WSPGetSockOpt = func(_ *provider.Socket, level, name int32, out []byte) (int, wsa.Errno) {
		if level != wsa.SOL_SOCKET || name != wsa.SO_LINGER {
			return 0, wsa.ENOPROTOOPT
		}
		return copy(out, b.value[:]), 0
	}
	b.table.Ready = func(_ *provider.Socket, mask wsa.Events) provider.Readiness {
		if !b.drained.Load() {
			mask &^= wsa.EvDrained
		}
		return provider.Readiness{Events: mask}
	}
	b.table.WSPShutdown = func(_ *provider.Socket, how int) wsa.Errno {
		if how == wsa.SD_SEND {
			b.shut.Add(1)
		}
		return 0
	}
	return b
}

// TestLingerTable is winsock-spi 8.3 on a fake clock: whether WSPCloseSocket waits,
// how long, and how it closes.
func TestLingerTable(t *testing.T) {
	const never = time.Hour
	for _, row := range []struct {
		name        string
		on, seconds uint16
		nonblocking bool
		drains      time.Duration // when the peer has acknowledged all; 0: before the close
		wake        bool          // and whether anybody says so
		cancel      time.Duration // WSPCancelBlockingCall
		want        wsa.Errno
		after       time.Duration // when WSPCloseSocket returns
		mode        provider.CloseMode
		shut        bool // SD_SEND by the close itself
	}{
		{name: "SO_DONTLINGER: no wait", drains: never, mode: provider.CloseLinger},
		{name: "SO_DONTLINGER with seconds left in the option: no wait", seconds: 5, drains: never, mode: provider.CloseLinger},
		{name: "SO_DONTLINGER, non-blocking", nonblocking: true, drains: never, mode: provider.CloseLinger},
		{name: "SO_LINGER 0: no wait, the base resets", on: 1, drains: never, mode: provider.CloseLinger},
		{name: "SO_LINGER 0, non-blocking", on: 1, nonblocking: true, drains: never, mode: provider.CloseLinger},
		{name: "SO_LINGER 5, drained", on: 1, seconds: 5, mode: provider.CloseBackground, shut: true},
		{name: "SO_LINGER 5, drains in 2 s, woken", on: 1, seconds: 5, drains: 2 * time.Second, wake: true, after: 2 * time.Second, mode: provider.CloseBackground, shut: true},
		{name: "SO_LINGER 5, drains in 2 s, silently", on: 1, seconds: 5, drains: 2 * time.Second, after: 2 * time.Second, mode: provider.CloseBackground, shut: true},
		{name: "SO_LINGER 5, does not drain: reset", on: 1, seconds: 5, drains: never, after: 5 * time.Second, mode: provider.CloseAbort, shut: true},
		{name: "SO_LINGER 65535: unsigned", on: 0xffff, seconds: 0xffff, drains: 2 * time.Second, after: 2 * time.Second, mode: provider.CloseBackground, shut: true},
		{name: "SO_LINGER 5, cancelled: reset", on: 1, seconds: 5, drains: never, cancel: time.Second, after: time.Second, mode: provider.CloseAbort, shut: true},
		{name: "SO_LINGER 5, non-blocking, drained", on: 1, seconds: 5, nonblocking: true, mode: provider.CloseBackground, shut: true},
		{name: "SO_LINGER 5, non-blocking, not drained: WSAEWOULDBLOCK", on: 1, seconds: 5, nonblocking: true, drains: never, want: wsa.EWOULDBLOCK},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newLingering(row.on, row.seconds)
				s, err := sockets.Startup(sockets.Config{Catalog: socketstest.Catalog(t, b)})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				thread := sockets.OpenThread()
				table := s.ThreadProcTable(thread)
				h, e := table.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
				if e != 0 {
					t.Fatal(e)
				}
				if row.nonblocking {
					table.WSPIoctl(h, wsa.FIONBIO, []byte{1, 0, 0, 0}, nil, new(uint32), nil, nil, nil)
				}
				k, _ := s.Lookup(h)
				b.drained.Store(row.drains == 0)
				drain := time.AfterFunc(row.drains, func() {
					b.drained.Store(true)
					if row.wake {
						k.Wake(wsa.EvDrained)
					}
				})
				defer drain.Stop()
				if row.cancel > 0 {
					time.AfterFunc(row.cancel, func() { thread.CancelBlockingCall() })
				}
				begin := time.Now()
				e = table.WSPCloseSocket(h)
				if took := time.Since(begin).Truncate(100 * time.Millisecond); e != row.want || took != row.after {
					t.Errorf("%v after %v, want %v after %v", e, took, row.want, row.after)
				}
				if got := b.shut.Load() == 1; got != row.shut {
					t.Errorf("FIN sent by the close: %v", got)
				}
				if row.want != 0 {
					stillOpen(t, b, table, h)
				} else if !slices.Equal(b.closed(), []provider.CloseMode{row.mode}) {
					t.Errorf("closed %v, want %v", b.closed(), row.mode)
				}
			})
		})
	}
}

// stillOpen: nothing was closed nor begun, and it can be closed when it has drained.
func stillOpen(t *testing.T, b *lingering, table sockets.WSPProcTable, h sockets.SOCKET) {
	t.Helper()
	var n uint32
	if e := table.WSPSend(h, [][]byte{[]byte("x")}, &n, 0, nil, nil, nil); e != 0 || n != 1 || len(b.closed()) != 0 {
		t.Errorf("%d, %v; closed %v", n, e, b.closed())
	}
	b.drained.Store(true)
	if e := table.WSPCloseSocket(h); e != 0 || len(b.closed()) != 1 {
		t.Errorf("%v; closed %v", e, b.closed())
	}
}

// TestLingerKeepsTheDescriptor: while WSPCloseSocket lingers nobody else can use the
// socket, nor close it a second time.
func TestLingerKeepsTheDescriptor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLingering(1, 5)
		s, err := sockets.Startup(sockets.Config{Catalog: socketstest.Catalog(t, b)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		table := s.ProcTable()
		h, _ := table.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
		done := make(chan wsa.Errno)
		go func() { done <- table.WSPCloseSocket(h) }()
		synctest.Wait()
		if e := table.WSPCloseSocket(h); e != wsa.ENOTSOCK {
			t.Errorf("close: %v", e)
		}
		if e := table.WSPSend(h, [][]byte{[]byte("x")}, new(uint32), 0, nil, nil, nil); e != wsa.ENOTSOCK {
			t.Errorf("send: %v", e)
		}
		if len(b.closed()) != 0 {
			t.Error("closed already")
		}
		if e := <-done; e != 0 || !slices.Equal(b.closed(), []provider.CloseMode{provider.CloseAbort}) {
			t.Errorf("%v; closed %v", e, b.closed())
		}
	})
}
