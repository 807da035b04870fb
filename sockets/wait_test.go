package sockets_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
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

// TestNoAllocations: neither the face nor the chain allocates on the data path,
// nor does a wait.
func TestNoAllocations(t *testing.T) {
	for _, n := range []int{0, 1, 3, 6} {
		t.Run(fmt.Sprintf("%d layers", n), func(t *testing.T) {
			waits := atomic.Bool{}
			waits.Store(true)
			s := start(t, &script{table: provider.ProcTable{
				WSPRecvFrom: func(k *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
					if waits.CompareAndSwap(true, false) {
						k.Wake(wsa.FD_READ)
						return 0, wsa.EWOULDBLOCK
					}
					waits.Store(true)
					m.Addr = peer
					return m.Len(), 0
				},
			}}, socketstest.PassThrough(n)...)
			c := dial(t, s)
			p, err := s.ListenPacket(t.Context(), "udp4", ":0")
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			u := p.(*sockets.UDPConn)
			b := make([]byte, 1024)
			for name, f := range map[string]func() error{
				"Read":                         func() error { _, err := c.Read(b); return err },
				"Write":                        func() error { _, err := c.Write(b); return err },
				"ReadFromUDPAddrPort, waiting": func() error { _, _, err := u.ReadFromUDPAddrPort(b); return err },
				"WriteToUDPAddrPort":           func() error { _, err := u.WriteToUDPAddrPort(b, peer.AddrPort); return err },
			} {
				if n := testing.AllocsPerRun(100, func() { err = f() }); n != 0 || err != nil {
					t.Errorf("%s: %v allocations, %v", name, n, err)
				}
			}
		})
	}
}

// TestPended: a retry says that it is one (law 7), and so does the rest of a
// Write of which a part was taken.
func TestPended(t *testing.T) {
	var recv, send []bool
	c := dial(t, start(t, &script{table: provider.ProcTable{
		WSPRecv: func(k *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			recv = append(recv, m.Flags&wsa.MSG_PENDED != 0)
			if len(recv)%2 == 1 {
				k.Wake(wsa.FD_READ)
				return 0, wsa.EWOULDBLOCK
			}
			return 1, 0
		},
		WSPSend: func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			send = append(send, m.Flags&wsa.MSG_PENDED != 0)
			return min(m.Len(), 3), 0
		},
	}}))
	for range 2 {
		c.Read(make([]byte, 4))
		if n, err := c.Write(make([]byte, 6)); n != 6 || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
	}
	if got := fmt.Sprint(recv, send); got != "[false true false true] [false true false true]" {
		t.Errorf("pended: %s", got)
	}
}

// TestDeadline runs on a fake clock: the moment is exact, and the operation can
// be tried again.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, start(t, &script{table: provider.ProcTable{
			WSPRecv: func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return 0, wsa.EWOULDBLOCK },
			WSPSend: func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return 0, wsa.EWOULDBLOCK },
		}}))
		begin := time.Now()
		for i, step := range []struct {
			set  func(time.Time) error
			do   func([]byte) (int, error)
			d    time.Duration
			want time.Duration
		}{
			{c.SetReadDeadline, c.Read, time.Second, time.Second},
			{c.SetReadDeadline, c.Read, 2 * time.Second, 3 * time.Second},
			{c.SetWriteDeadline, c.Write, time.Hour, time.Hour + 3*time.Second},
			{c.SetDeadline, c.Read, -1, time.Hour + 3*time.Second},
			{c.SetDeadline, c.Write, time.Millisecond, time.Hour + 3*time.Second + time.Millisecond},
		} {
			step.set(time.Now().Add(step.d))
			_, err := step.do(make([]byte, 1))
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != step.want {
				t.Errorf("step %d: %v after %v, want it after %v", i, err, time.Since(begin), step.want)
			}
		}
	})
}

// TestDeadlineOfManyReaders: those that queue behind the one that waits are
// told too.
func TestDeadlineOfManyReaders(t *testing.T) {
	c := dial(t, start(t, &script{table: provider.ProcTable{
		WSPRecv: func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return 0, wsa.EWOULDBLOCK },
	}}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	wg.Wait()
}

// law4 is a base that reports what must not run at the same time.
type law4 struct {
	t                *testing.T
	recv, send, ctl  atomic.Int32
	closed           atomic.Bool
	reads, writes, n atomic.Int32
}

func (l *law4) table() provider.ProcTable {
	enter := func(what string, c *atomic.Int32, limit int32) func() {
		if c.Add(1) > limit {
			l.t.Errorf("two operations at a time: %s", what)
		}
		if l.closed.Load() {
			l.t.Errorf("%s after close", what)
		}
		return func() { c.Add(-1) }
	}
	return provider.ProcTable{
		WSPRecv: func(k *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			defer enter("receive", &l.recv, 1)()
			if l.reads.Add(1)%3 == 0 {
				go k.Wake(wsa.FD_READ)
				return 0, wsa.EWOULDBLOCK
			}
			return m.Len(), 0
		},
		WSPSend: func(k *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			defer enter("send", &l.send, 1)()
			if l.writes.Add(1)%3 == 0 {
				go k.Wake(wsa.FD_WRITE)
				return 0, wsa.EWOULDBLOCK
			}
			return m.Len(), 0
		},
		WSPSetSockOpt: func(*provider.Socket, int32, int32, []byte) wsa.Errno {
			defer enter("control", &l.ctl, 1000)()
			return 0
		},
		WSPCloseSocket: func(*provider.Socket, provider.CloseMode) wsa.Errno {
			if l.recv.Load()+l.send.Load()+l.ctl.Load() != 0 {
				l.t.Error("close beside other operations")
			}
			if l.closed.Swap(true) {
				l.t.Error("closed twice")
			}
			l.n.Add(1)
			return 0
		},
	}
}

func TestLaw4(t *testing.T) {
	for range 50 {
		l := &law4{t: t}
		c := dial(t, start(t, &script{table: l.table()}))
		var wg sync.WaitGroup
		loop := func(f func() error) {
			for range 4 {
				wg.Go(func() {
					for {
						if err := f(); err != nil {
							if !errors.Is(err, net.ErrClosed) {
								t.Error(err)
							}
							return
						}
					}
				})
			}
		}
		loop(func() error { _, err := c.Read(make([]byte, 4)); return err })
		loop(func() error { _, err := c.Write(make([]byte, 4)); return err })
		loop(func() error { return c.SetNoDelay(true) })
		for range 3 {
			wg.Go(func() {
				for l.writes.Load() < 20 {
					c.SetDeadline(time.Now().Add(time.Hour))
				}
				c.Close()
			})
		}
		wg.Wait()
		if l.n.Load() != 1 {
			t.Errorf("closed %d times", l.n.Load())
		}
	}
}

// TestGarbage: a layer that counts wrong fails its socket, not the program.
func TestGarbage(t *testing.T) {
	for _, n := range []int{-1, 5} {
		c := dial(t, start(t, &script{table: provider.ProcTable{
			WSPRecv: func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return n, 0 },
			WSPSend: func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return 0, 0 },
		}}))
		if n, err := c.Write(make([]byte, 4)); n != 0 || err == nil {
			t.Errorf("write: %d, %v", n, err)
		}
		if n, err := c.Read(make([]byte, 4)); n != 0 || !errors.Is(err, wsa.SYSCALLFAILURE) {
			t.Errorf("read: %d, %v", n, err)
		}
		if c.Socket().Failed() != wsa.SYSCALLFAILURE {
			t.Error("the socket was not failed")
		}
	}
}

// TestKilled: a socket failed from outside ends what waits on it.
func TestKilled(t *testing.T) {
	c := dial(t, start(t, &script{table: provider.ProcTable{
		WSPRecv: func(k *provider.Socket, _ *provider.Msg) (int, wsa.Errno) {
			if e := k.Failed(); e != 0 {
				return 0, e
			}
			return 0, wsa.EWOULDBLOCK
		},
	}}))
	time.AfterFunc(10*time.Millisecond, func() { c.Socket().Fail(wsa.ECONNABORTED, "killed") })
	_, err := c.Read(make([]byte, 1))
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

// TestLateTimer: a timer that was stopped too late expires nothing.
func TestLateTimer(t *testing.T) {
	c := dial(t, start(t, new(script)))
	for _, d := range []time.Time{{}, time.Now().Add(time.Hour)} {
		c.SetReadDeadline(time.Now().Add(time.Hour)) // so that there is a timer
		c.SetReadDeadline(d)
		c.ExpireRead()
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("deadline %v: %v", d, err)
		}
	}
}

// TestWakes: each event that can end a wait does.
func TestWakes(t *testing.T) {
	for _, hint := range []wsa.Events{wsa.FD_READ, wsa.FD_CLOSE, wsa.EvError} {
		asked := false
		c := dial(t, start(t, &script{table: provider.ProcTable{
			WSPRecv: func(k *provider.Socket, _ *provider.Msg) (int, wsa.Errno) {
				if asked = !asked; asked {
					k.Wake(hint)
					return 0, wsa.EWOULDBLOCK
				}
				return 1, 0
			},
			WSPSend: func(k *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
				if m.Flags&wsa.MSG_PENDED == 0 {
					k.Wake(wsa.FD_WRITE)
					return 0, wsa.EWOULDBLOCK
				}
				return m.Len(), 0
			},
		}}))
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("read, woken by %x: %v", hint, err)
		}
		if _, err := c.Write(make([]byte, 1)); err != nil {
			t.Errorf("write: %v", err)
		}
	}
}

// TestCloseWriteEndsWrite also over a base that lets a pended send go on.
func TestCloseWriteEndsWrite(t *testing.T) {
	tried := make(chan struct{}, 1)
	c := dial(t, start(t, &script{table: provider.ProcTable{
		WSPSend: func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
			select {
			case tried <- struct{}{}:
			default:
			}
			return 0, wsa.EWOULDBLOCK
		},
	}}))
	c.SetDeadline(time.Now().Add(10 * time.Second))
	wrote := make(chan error)
	go func() { _, err := c.Write([]byte("x")); wrote <- err }()
	<-tried
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; !errors.Is(err, syscall.EPIPE) {
		t.Error(err)
	}
}
