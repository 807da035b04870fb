package sockets_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

// stalls is a layer of which the next receive, once it is armed, does not return until hang.
type stalls struct {
	armed    *atomic.Bool
	in, hang chan struct{}
}

func (l stalls) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	recv := next.WSPRecv
	receive := func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		if l.armed.CompareAndSwap(true, false) {
			close(l.in)
			<-l.hang
		}
		return recv(s, m)
	}
	return provider.ProcTable{WSPRecv: receive, WSPRecvFrom: receive}, 0
}

// A layer that does not return keeps the caller that it was called for. That socket can
// be closed, others and new ones do not notice, and the session ends (law 14).
func TestStallInLayer(t *testing.T) {
	for name, ends := range map[string]func(c *sockets.TCPConn, s *sockets.Session){
		"close, when it stalls":       func(c *sockets.TCPConn, _ *sockets.Session) { <-c.Socket().Stalled(); c.Close() },
		"close, before that is known": func(c *sockets.TCPConn, _ *sockets.Session) { c.Close() },
		"the session ends":            func(_ *sockets.TCPConn, s *sockets.Session) { s.Close() },
		"the session ends, later":     func(c *sockets.TCPConn, s *sockets.Session) { <-c.Socket().Stalled(); s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := stalls{new(atomic.Bool), make(chan struct{}), make(chan struct{})}
			b := &script{table: provider.ProcTable{
				WSPRecv: func(k *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return received(k.Failed(), m.Len()) },
			}}
			s := startup(t, sockets.Config{Catalog: socketstest.Catalog(t, b, l), Budget: time.Second})
			c, other := dial(t, s), dial(t, s)
			l.armed.Store(true)
			read := make(chan error)
			go func() {
				_, err := c.Read(make([]byte, 1))
				read <- err
			}()
			<-l.in
			for range 3 {
				if _, err := other.Read(make([]byte, 1)); err != nil {
					t.Errorf("the other: %v", err)
				}
				dial(t, s).Close()
			}
			ends(c, s)
			select {
			case err := <-read:
				t.Errorf("the read returned %v", err)
			default:
			}
			close(l.hang)
			if err := <-read; err == nil {
				t.Error("the read succeeded, on a socket that is closed")
			}
		})
	}
}

// received is what a base returns for a receive of n bytes.
func received(e wsa.Errno, n int) (int, wsa.Errno) {
	if e != 0 {
		return 0, e
	}
	return n, 0
}
