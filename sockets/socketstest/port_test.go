package socketstest_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/sockets/winsocktest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// portRig is a PortServer of the stack B and a client of many connections of the
// stack A, both on completion ports.
type portRig struct {
	t      testing.TB
	pair   *stacktest.Pair
	server *winsocktest.PortServer
	end    func() // of the server, its session and its stack's sockets

	client *sockets.Session
	table  sockets.WSPProcTable
	port   *sockets.CompletionPort
	to     []byte
	conns  []*portClient
}

// portClient is one connection of the client.
type portClient struct {
	o    sockets.Overlapped
	s    sockets.SOCKET
	b    [8]byte
	sent bool
}

const (
	portWindow = 512   // operations of the client at a time
	firstPort  = 10000 // of the client: more than the ephemeral ones there are
)

func newPortRig(t testing.TB, goroutines int) *portRig {
	p := &portRig{t: t, pair: stacktest.NewPair(t, stacktest.PairConfig{}), port: sockets.CreateCompletionPort(0)}
	server, closeServer := portSession(t, p.pair.B)
	p.client, _ = portSession(t, p.pair.A)
	p.table = p.client.ProcTable()
	table := server.ProcTable()
	l, e := table.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
	p.want("WSPSocket", e)
	p.to = winsocktest.Name(stacktest.B4, 7)
	p.want("WSPBind", table.WSPBind(l, p.to))
	p.want("WSPListen", table.WSPListen(l, 4*portWindow))
	p.server, e = winsocktest.ServePort(server, goroutines, 64, l)
	p.want("ServePort", e)
	p.end = func() { closeServer(); p.server.Close() }
	t.Cleanup(p.end)
	return p
}

// portSession is a session over a stack, and what ends it.
func portSession(t testing.TB, s *stack.Stack) (*sockets.Session, func()) {
	d := netstack.New(netstack.Config{Stack: s})
	session := socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: d})))
	var ended atomic.Bool
	return session, func() {
		if ended.CompareAndSwap(false, true) {
			session.Close()
			d.Close()
		}
	}
}

func (p *portRig) want(what string, e wsa.Errno) {
	p.t.Helper()
	if e != 0 {
		p.t.Fatalf("%s: %v", what, e)
	}
}

// each runs begin for n connections from the given one, at most portWindow at a
// time, and next with each that has completed: true when it has something further.
func (p *portRig) each(from, n int, begin func(int), next func(*portClient, sockets.Completion) bool) {
	p.t.Helper()
	for begun, done := 0, 0; done < n; {
		for ; begun < n && begun-done < portWindow; begun++ {
			begin(from + begun)
		}
		r, e := p.port.Get(30 * time.Second)
		p.want("Get", e)
		p.want("operation", r.Errno)
		if !next(r.Overlapped.Context.(*portClient), r) {
			done++
		}
	}
}

// connect opens connections until there are n.
func (p *portRig) connect(n int) {
	p.t.Helper()
	p.each(len(p.conns), n-len(p.conns), func(i int) {
		c := new(portClient)
		c.o.Context = c
		p.conns = append(p.conns, c)
		var e wsa.Errno
		c.s, e = p.table.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
		p.want("WSPSocket", e)
		p.want("WSPBind", p.table.WSPBind(c.s, winsocktest.Name(stacktest.A4, uint16(firstPort+i))))
		p.want("Associate", p.client.Associate(c.s, p.port, uintptr(i)))
		if e := p.client.ConnectEx(c.s, p.to, nil, nil, &c.o); e != wsa.IO_PENDING {
			p.want("ConnectEx", e)
		}
	}, func(*portClient, sockets.Completion) bool { return false })
	p.await("connections", func() bool { return p.server.Conns() == n })
}

// echo sends eight bytes on each connection and wants them back.
func (p *portRig) echo() {
	p.t.Helper()
	p.each(0, len(p.conns), func(i int) {
		c := p.conns[i]
		copy(c.b[:], fmt.Sprintf("%08d", i))
		if e := p.table.WSPSend(c.s, [][]byte{c.b[:]}, nil, 0, &c.o, nil, nil); e != wsa.IO_PENDING {
			p.want("WSPSend", e)
		}
	}, func(c *portClient, r sockets.Completion) bool {
		if c.sent = !c.sent; c.sent {
			clear(c.b[:])
			flags := wsa.MSG_WAITALL
			if e := p.table.WSPRecv(c.s, [][]byte{c.b[:]}, nil, &flags, &c.o, nil, nil); e != wsa.IO_PENDING {
				p.want("WSPRecv", e)
			}
			return true
		}
		if want := fmt.Sprintf("%08d", int(r.Key)); string(c.b[:]) != want {
			p.t.Fatalf("echo %q, want %q", c.b[:], want)
		}
		return false
	})
}

// await waits until something is so that no call waits for.
func (p *portRig) await(what string, so func() bool) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); runtime.Gosched() {
		if time.Now().After(end) {
			p.t.Fatalf("%s: not in time", what)
		}
	}
}

// TestPortServer: how many connections there are does not show in the number of
// goroutines, of the client and of the server together.
func TestPortServer(t *testing.T) {
	few, many := 1000, 50_000
	if raceEnabled {
		few, many = 200, 2000
	}
	p := newPortRig(t, 2)
	p.connect(few)
	p.echo()
	var before int
	p.await("rest", func() bool { // what the workers had to do is done
		now := runtime.NumGoroutine()
		defer func() { before = now }()
		return now == before
	})
	begin := time.Now()
	p.connect(many)
	t.Logf("%d connections in %v", many-few, time.Since(begin))
	p.await(fmt.Sprintf("as few goroutines with %d connections as with %d: %d", many, few, before), func() bool { return runtime.NumGoroutine() <= before })
	begin = time.Now()
	p.echo()
	t.Logf("%d echoes in %v, with %d goroutines", many, time.Since(begin), before)
	if n := p.server.Conns(); n != many {
		t.Errorf("%d connections are left of %d", n, many)
	}
}

// BenchmarkIdleConnection opens connections, and tells what each costs in memory
// while it is idle: of the server, which is what closing it gives back when the
// wire is cut so that the client does not notice, and of both ends.
func BenchmarkIdleConnection(b *testing.B) {
	p := newPortRig(b, 2)
	p.connect(portWindow) // pools and maps are there
	p.echo()
	before := heap()
	n := portWindow + min(max(b.N, 2000), 50_000)
	b.ResetTimer()
	p.connect(n)
	b.StopTimer()
	p.echo() // each has had data
	all := heap()
	p.pair.Cable.Dark(true)
	p.end()
	b.ReportMetric(float64(all-heap())/float64(n), "B/conn-server")
	b.ReportMetric(float64(all-before)/float64(n-portWindow), "B/conn-both")
	runtime.KeepAlive(p)
}

// heap is what is in use, bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
