package shape_test

import (
	"context"
	"math"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/shape"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func to(s string) *provider.ConnectRequest {
	return &provider.ConnectRequest{To: provider.AddrFrom(netip.MustParseAddrPort(s))}
}

// bell is a watcher.
type bell chan struct{}

func (b bell) Wake(*provider.Socket, wsa.Events) {
	select {
	case b <- struct{}{}:
	default:
	}
}

// ample is a base that takes and gives without end; sizes of at most largest.
func ample(largest int) *providertest.Base {
	b := new(providertest.Base)
	move := func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return min(m.Len(), largest), 0 }
	b.Script.WSPSend, b.Script.WSPSendTo, b.Script.WSPRecv, b.Script.WSPRecvFrom = move, move, move, move
	b.Script.Ready = func(s *provider.Socket, mask wsa.Events) provider.Readiness {
		return provider.Readiness{Events: mask & (wsa.FD_READ | wsa.FD_WRITE | wsa.FD_CONNECT), Queued: largest}
	}
	return b
}

// user moves as much as it can until ctx ends: it tries, and waits for wakes.
func user(ctx context.Context, c *provider.Chain, s *provider.Socket, op func(*provider.Socket, *provider.Msg) (int, wsa.Errno), size int) (moved *atomic.Int64, last *atomic.Uint32) {
	moved, last = new(atomic.Int64), new(atomic.Uint32)
	b := make(bell, 1)
	c.Table.Watch(s, b, wsa.FD_READ|wsa.FD_WRITE|wsa.FD_CLOSE)
	go func() {
		m := &provider.Msg{Buffers: [][]byte{make([]byte, size/2), make([]byte, size-size/2)}}
		for ctx.Err() == nil {
			m.Flags = 0
			n, e := op(s, m)
			moved.Add(int64(n))
			last.Store(uint32(e))
			switch e {
			case 0:
			case wsa.EWOULDBLOCK:
				select {
				case <-b:
				case <-ctx.Done():
				}
			default:
				return
			}
		}
	}()
	return moved, last
}

func open(t testing.TB, c *provider.Chain, dst string) *provider.Socket {
	t.Helper()
	s, e := c.Table.WSPSocket(&provider.SocketRequest{Info: &c.Info, Origin: &provider.Origin{UID: -1}})
	if e == 0 {
		e = c.Table.WSPConnect(s, to(dst))
	}
	if e != 0 {
		t.Fatal(e)
	}
	t.Cleanup(func() { c.Table.WSPCloseSocket(s, provider.CloseAbort) })
	return s
}

// near fails unless got is within 5 % of want.
func near(t *testing.T, what string, got int64, want float64) {
	t.Helper()
	if math.Abs(float64(got)-want) > 0.05*want {
		t.Errorf("%s: %d, want %.0f", what, got, want)
	}
}

// Over 10 s what moves is within 5 % of the rate, in either direction, whatever the sizes.
func TestRate(t *testing.T) {
	for _, c := range []struct {
		name, spec   string
		protocol     int32
		size, base   int
		sockets      int
		send, recvOp bool
	}{
		{"up", "up=1MiB/s", wsa.IPPROTO_TCP, 64 << 10, 1 << 20, 1, true, false},
		{"down", "down=1MiB/s", wsa.IPPROTO_TCP, 64 << 10, 1 << 20, 1, false, true},
		{"the base takes less", "up=1MiB/s", wsa.IPPROTO_TCP, 64 << 10, 1000, 1, true, false},
		{"small buffers", "up=100kB/s", wsa.IPPROTO_TCP, 10, 10, 1, true, false},
		{"shared by ten", "up=1MiB/s", wsa.IPPROTO_TCP, 64 << 10, 1 << 20, 10, true, false},
		{"shared by ten, small", "down=1MiB/s", wsa.IPPROTO_TCP, 500, 500, 10, false, true},
		{"datagrams up", "up=1MiB/s", wsa.IPPROTO_UDP, 1200, 1200, 3, true, false},
		{"datagrams down", "down=1MiB/s", wsa.IPPROTO_UDP, 2000, 1200, 3, false, true},
		{"two rules", "up=5MiB/s; tcp/80: up=1MiB/s", wsa.IPPROTO_TCP, 64 << 10, 1 << 20, 5, true, false},
		{"fast", "up=1GiB/s", wsa.IPPROTO_TCP, 1 << 20, 1 << 20, 2, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rig := providertest.Build(t, ample(c.base), c.protocol, layer(t, c.spec))
				ctx, end := context.WithCancel(t.Context())
				op := rig.Chain.Table.WSPSend
				if c.recvOp {
					op = rig.Chain.Table.WSPRecv
				}
				var each []*atomic.Int64
				for range c.sockets {
					moved, _ := user(ctx, rig.Chain, open(t, rig.Chain, "192.0.2.1:80"), op, c.size)
					each = append(each, moved)
				}
				time.Sleep(10 * time.Second)
				end()
				synctest.Wait()
				cfg, _ := shape.Parse(c.spec)
				r := cfg.Rules[len(cfg.Rules)-1]
				var all int64
				for _, m := range each {
					all += m.Load()
				}
				near(t, "moved", all, 10*float64(r.Up+r.Down))
				for i, m := range each { // nobody starves; who came first had the burst
					if m.Load() < all/int64(2*c.sockets) {
						t.Errorf("socket %d has moved %d of %d", i, m.Load(), all)
					}
				}
			})
		})
	}
}

// A socket that does not use its turn keeps nobody waiting.
func TestIdleWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := providertest.Build(t, ample(1<<20), wsa.IPPROTO_TCP, layer(t, "up=1MiB/s"))
		ctx, end := context.WithCancel(t.Context())
		moved, _ := user(ctx, rig.Chain, open(t, rig.Chain, "192.0.2.1:80"), rig.Chain.Table.WSPSend, 1<<16)
		synctest.Wait()
		for range 50 {
			rig.Chain.Table.Ready(open(t, rig.Chain, "192.0.2.1:80"), wsa.FD_WRITE)
		}
		time.Sleep(10 * time.Second)
		end()
		synctest.Wait()
		near(t, "moved", moved.Load(), 10<<20)
	})
}

// A burst goes at once, and is all that does.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := providertest.Build(t, ample(1<<20), wsa.IPPROTO_TCP, layer(t, "up=10kB/s,burst=3000"))
		s := open(t, rig.Chain, "192.0.2.1:80")
		m := &provider.Msg{Buffers: [][]byte{make([]byte, 9000)}}
		for _, want := range []int{3000, 0} {
			if n, e := rig.Chain.Table.WSPSend(s, m); n != want || (e == 0) != (want > 0) {
				t.Errorf("%d, %v, want %d", n, e, want)
			}
		}
		time.Sleep(time.Hour)
		if n, e := rig.Chain.Table.WSPSend(s, m); n != 3000 || e != 0 {
			t.Errorf("after an hour %d, %v", n, e)
		}
	})
}

// What did not move is not paid for: refused by the base, tried again (law 7), looked at.
func TestNotMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := new(providertest.Base)
		full := true
		base.Script.WSPSend = func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			if full {
				return 0, wsa.EWOULDBLOCK
			}
			return m.Len(), 0
		}
		rig := providertest.Build(t, base, wsa.IPPROTO_TCP, layer(t, "up=10kB/s,down=10kB/s,burst=1000,total=3000"))
		s, tab := open(t, rig.Chain, "192.0.2.1:80"), &rig.Chain.Table
		m := &provider.Msg{Buffers: [][]byte{make([]byte, 1000)}}
		for range 10 {
			if n, e := tab.WSPSend(s, m); n != 0 || e != wsa.EWOULDBLOCK {
				t.Fatal(n, e)
			}
			m.Flags = wsa.MSG_PENDED
		}
		full = false
		if n, e := tab.WSPSend(s, m); n != 1000 || e != 0 {
			t.Errorf("sent %d, %v", n, e)
		}
		providertest.Inject(s, make([]byte, 1500))
		for range 5 {
			m.Flags = wsa.MSG_PEEK
			if n, e := tab.WSPRecv(s, m); n != 1000 || e != 0 {
				t.Errorf("seen %d, %v", n, e)
			}
		}
		m.Flags = 0
		if r := tab.Ready(s, wsa.FD_READ); r.Queued != 1000 {
			t.Errorf("ready: %+v", r)
		}
		if n, e := tab.WSPRecv(s, m); n != 1000 || e != 0 {
			t.Errorf("received %d, %v", n, e)
		}
	})
}

// FIN and errors wait behind bytes that are held (law 5), and cost nothing themselves.
func TestHeldEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, layer(t, "down=1kB/s,burst=100"))
		s, tab := open(t, rig.Chain, "192.0.2.1:80"), &rig.Chain.Table
		b := make(bell, 1)
		tab.Watch(s, b, wsa.FD_READ|wsa.FD_CLOSE)
		providertest.Inject(s, make([]byte, 150))
		providertest.InjectEOF(s)
		m := &provider.Msg{Buffers: [][]byte{make([]byte, 1000)}}
		if n, e := tab.WSPRecv(s, m); n != 100 || e != 0 {
			t.Fatal(n, e)
		}
		select { // of the injection
		case <-b:
		default:
		}
		if r := tab.Ready(s, wsa.FD_READ|wsa.FD_CLOSE); r.Events != 0 || r.Queued != 0 {
			t.Errorf("held, and ready %+v", r)
		}
		var size [4]byte
		if n, e := tab.WSPIoctl(s, &provider.IoctlRequest{Code: wsa.FIONREAD, Out: size[:]}); n != 4 || e != 0 || size[0] != 0 {
			t.Errorf("FIONREAD: %v, %v", size, e)
		}
		if n, e := tab.WSPRecv(s, m); n != 0 || e != wsa.EWOULDBLOCK {
			t.Errorf("held, and received %d, %v", n, e)
		}
		for got := 0; got < 50; {
			n, e := tab.WSPRecv(s, m)
			switch got += n; e {
			case 0:
			case wsa.EWOULDBLOCK:
				<-b
			default:
				t.Fatal(e)
			}
		}
		if n, e := tab.WSPRecv(s, m); n != 0 || e != 0 {
			t.Errorf("the end: %d, %v", n, e)
		}
		if r := tab.Ready(s, wsa.FD_READ|wsa.FD_CLOSE); r.Events != wsa.FD_CLOSE {
			t.Errorf("at the end ready %+v", r)
		}
	})
}
