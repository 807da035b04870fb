package stack_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	waiterpkg "gvisor.dev/gvisor/pkg/waiter"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/tun"
)

// saturation is what a process of its own does in the namespace: so many
// connections, all busy for so long, after a second in which they settle.
type saturation struct {
	Addr    string
	Flows   int
	Down    bool
	Seconds int
}

// saturated is what it saw.
type saturated struct {
	Stalled      int     // flows that moved nothing
	Gbit         float64 // per second, all flows
	Least, Most  float64 // MiB of one flow
	OpenedMillis int64
}

const saturateEnv = "NETNSD_STACK_TEST_SATURATE"

func init() {
	child = func() bool {
		var s saturation
		if json.Unmarshal([]byte(os.Getenv(saturateEnv)), &s) != nil {
			return false
		}
		r, err := s.run()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		json.NewEncoder(os.Stdout).Encode(r)
		return true
	}
}

func (s saturation) run() (r saturated, err error) {
	d := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
		return rc.Control(func(fd uintptr) {
			syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, "reno")
		})
	}}
	moved := make([]atomic.Int64, s.Flows)
	begin := time.Now()
	conns := make([]net.Conn, s.Flows)
	for i := range conns {
		if conns[i], err = d.Dial("tcp", s.Addr); err != nil {
			return r, err
		}
		defer conns[i].Close()
	}
	r.OpenedMillis = time.Since(begin).Milliseconds()
	for i, c := range conns {
		move := c.Write
		if s.Down {
			move = c.Read
		}
		go func() { // ends with the connection
			b := make([]byte, 64<<10)
			for {
				n, err := move(b)
				if err != nil {
					return
				}
				moved[i].Add(int64(n))
			}
		}()
	}
	// What has been written may wait in the kernel for long: what was acknowledged
	// has passed.
	passed := func() []uint64 {
		n := make([]uint64, s.Flows)
		for i := range n {
			if n[i] = uint64(moved[i].Load()); !s.Down {
				n[i], err = acknowledged(conns[i])
			}
		}
		return n
	}
	time.Sleep(time.Second)
	before := passed()
	begin = time.Now()
	time.Sleep(time.Duration(s.Seconds) * time.Second)
	after := passed()
	took := time.Since(begin).Seconds()
	r.Least = 1 << 60
	for i := range after {
		n := float64(after[i] - before[i])
		if n == 0 {
			r.Stalled++
		}
		r.Gbit += n * 8 / 1e9 / took
		r.Least, r.Most = min(r.Least, n/(1<<20)), max(r.Most, n/(1<<20))
	}
	return r, err
}

// acknowledged is how many bytes of what was written to c have arrived.
func acknowledged(c net.Conn) (n uint64, err error) {
	rc, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := rc.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.Bytes_acked
		}
	})
	return n, cmp.Or(err, cerr)
}

// saturate runs s in the namespace of x against a server on the stack, and
// returns what the kernel dropped before the TUN, too.
func (x *tunnel) saturate(t testing.TB, s saturation) (r saturated, dropped int) {
	t.Helper()
	a := netip.AddrPortFrom(gate4, 80)
	l := x.listenLong(t, a)
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer c.Close()
				move := c.Read
				if s.Down {
					move = c.Write
				}
				b := make([]byte, 64<<10)
				for {
					if _, err := move(b); err != nil {
						return
					}
				}
			}()
		}
	}()
	s.Addr = a.String()
	env, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nsenter", "--net="+x.netns, os.Args[0])
	cmd.Env = append(os.Environ(), saturateEnv+"="+string(env))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		t.Fatalf("client: %v: %s", err, out)
	}
	l.Close()
	stat, err := x.run("sh", "-c", "ip -s link show "+x.dev.Name()+" | tail -1")
	if err != nil {
		t.Fatalf("%v: %s", err, stat)
	}
	var bytes, packets, errors int
	fmt.Sscan(strings.TrimSpace(string(stat)), &bytes, &packets, &errors, &dropped)
	return r, dropped
}

// listenLong listens with room for all at once: gonet's own backlog is 10, beyond
// which a connection stands until its client's RTO.
func (x *tunnel) listenLong(t testing.TB, a netip.AddrPort) net.Listener {
	t.Helper()
	var wq waiterpkg.Queue
	ep, err := x.stack.TCPIP().NewEndpoint(tcp.ProtocolNumber, proto(a.Addr()), &wq)
	if err == nil {
		err = ep.Bind(full(a))
	}
	if err == nil {
		err = ep.Listen(4096)
	}
	if err != nil {
		t.Fatal(err)
	}
	l := gonet.NewTCPListener(x.stack.TCPIP(), &wq, ep)
	t.Cleanup(func() { l.Close() })
	return l
}

// TestSaturated: with a thousand busy flows each way none stands still, the
// kernel's queue does not overflow, and no connection holds more than its share
// (but for those that came last). Under the race detector there are 200.
func TestSaturated(t *testing.T) {
	flows := 1000
	budget := 256 << 20
	if stack.RaceEnabled {
		flows, budget = 200, 50<<20
	}
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("down %v", down), func(t *testing.T) {
			x := newTunnelWith(t, tunnelConfig{stack: stack.Config{BufferBudget: budget}})
			beyond := make(chan int, 1)
			go func() { // ends with the client, after some two seconds
				established := x.stack.TCPIP().Stats().TCP.CurrentEstablished
				for end := time.Now().Add(20 * time.Second); int(established.Value()) < flows && time.Now().Before(end); {
					time.Sleep(time.Millisecond)
				}
				beyond <- x.beyond(256 << 10)
			}()
			r, dropped := x.saturate(t, saturation{Flows: flows, Down: down, Seconds: 2})
			t.Logf("%+v, dropped %d", r, dropped)
			if r.Stalled != 0 || dropped != 0 {
				t.Errorf("%d of %d flows stood still, %d packets were dropped", r.Stalled, flows, dropped)
			}
			if n := <-beyond; n > flows/6 {
				t.Errorf("%d of %d connections have more than their share", n, flows)
			}
		})
	}
}

// beyond counts the connections with a buffer of more than share.
func (x *tunnel) beyond(share int64) (n int) {
	for _, ep := range x.stack.TCPIP().RegisteredEndpoints() {
		e, ok := ep.(*tcp.Endpoint)
		if !ok || e.EndpointState() != tcp.StateEstablished {
			continue
		}
		if o := e.SocketOptions(); o.GetReceiveBufferSize() > share || o.GetSendBufferSize() > share {
			n++
		}
	}
	return n
}

// BenchmarkSaturated prints what the tables of Config.TxQueueLen in package tun
// and of tune.go say about many flows: the length of the transmit queue, the
// budget of the buffers, and queues.
func BenchmarkSaturated(b *testing.B) {
	for _, c := range []struct {
		name string
		tun.Config
		budget int
	}{
		{name: "length 500", Config: tun.Config{TxQueueLen: 500}},
		{name: "length 1000", Config: tun.Config{TxQueueLen: 1000}},
		{name: "length 4000", Config: tun.Config{TxQueueLen: 4000}},
		{name: "default"},
		{name: "no budget", budget: 1 << 40},
		{name: "budget 64 MiB", budget: 64 << 20},
		{name: "two queues", Config: tun.Config{Queues: 2}},
	} {
		for _, down := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/down %v", c.name, down), func(b *testing.B) {
				for range b.N {
					x := newTunnelWith(b, tunnelConfig{Config: c.Config, stack: stack.Config{BufferBudget: c.budget}})
					r, dropped := x.saturate(b, saturation{Flows: 1000, Down: down, Seconds: 2})
					ts := x.stack.TCPIP().Stats().TCP
					b.ReportMetric(r.Gbit, "Gbit/s")
					b.ReportMetric(float64(r.Stalled), "stalled")
					b.ReportMetric(float64(dropped), "dropped")
					b.ReportMetric(r.Least, "MiB-least")
					b.ReportMetric(r.Most, "MiB-most")
					b.ReportMetric(float64(ts.Retransmits.Value()), "rexmits")
					b.ReportMetric(float64(resident()), "MiB-RSS")
					b.ReportMetric(0, "ns/op")
					x.stack.Close()
				}
			})
		}
	}
}

// resident is the memory of this process in MiB.
func resident() int {
	b, _ := os.ReadFile("/proc/self/statm")
	var size, pages int
	fmt.Sscan(string(b), &size, &pages)
	return pages * os.Getpagesize() >> 20
}
