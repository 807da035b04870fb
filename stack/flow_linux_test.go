package stack_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/tun"
)

var away = []string{"192.0.2.7", "2001:db8::7"} // nobody's (RFC 5737, RFC 3849)

// TestVerdicts shows each verdict to a kernel's connect(2).
func TestVerdicts(t *testing.T) {
	const port = "4000"
	for _, c := range []struct {
		name   string
		decide func(*stack.Flow)
		want4  error
		want6  error
	}{
		{"refuse", (*stack.Flow).Refuse, syscall.ECONNREFUSED, syscall.ECONNREFUSED},
		{"undecided", func(*stack.Flow) {}, syscall.ECONNREFUSED, syscall.ECONNREFUSED},
		{"net", func(f *stack.Flow) { f.Unreachable(stack.UnreachableNet) }, syscall.ENETUNREACH, syscall.ENETUNREACH},
		{"host", func(f *stack.Flow) { f.Unreachable(stack.UnreachableHost) }, syscall.EHOSTUNREACH, syscall.EHOSTUNREACH},
		{"port", func(f *stack.Flow) { f.Unreachable(stack.UnreachablePort) }, syscall.ECONNREFUSED, syscall.ECONNREFUSED},
		{"prohibited", func(f *stack.Flow) { f.Unreachable(stack.UnreachableProhibited) }, syscall.EHOSTUNREACH, syscall.EACCES},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			x := newTunnel(t, tun.Config{}, gateway{tcp: func(f *stack.Flow) { asked.Add(1); c.decide(f) }})
			for i, host := range append(away, gate4.String(), gate6.String()) {
				asked.Store(0)
				start := time.Now()
				conn, err := x.dial(t.Context(), "tcp", net.JoinHostPort(host, port))
				if err == nil {
					conn.Close()
				}
				want := []error{c.want4, c.want6}[i%2]
				if !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", host, err, want)
				}
				if d := time.Since(start); d > 900*time.Millisecond {
					t.Errorf("%s: took %v, so not the first SYN was answered", host, d)
				}
				if n := asked.Load(); n > 1 {
					t.Errorf("%s: the handler was asked %d times, so not the first SYN was answered", host, n)
				}
			}
		})
	}
}

// TestDrop: the program times out, and its retransmissions are the same flow.
func TestDrop(t *testing.T) {
	var asked atomic.Int32
	x := newTunnel(t, tun.Config{}, gateway{tcp: func(f *stack.Flow) { asked.Add(1); f.Drop() }})
	silenced := func() bool { return x.nic.Counters()[stack.FlowDropSilenced] > 0 }
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() { // ends with ctx
		for !silenced() && ctx.Err() == nil { // the kernel sends its SYN again after 1 s
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := x.dial(ctx, "tcp", net.JoinHostPort(away[0], "80")); !errors.Is(err, context.Canceled) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("connect: %v, want no end", err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the handler was asked %d times, want once", n)
	}
	if !silenced() {
		t.Error("the retransmission was not counted as silenced")
	}
}

// TestSlowVerdict: retransmissions during a slow dial are the same flow, too.
func TestSlowVerdict(t *testing.T) {
	var asked atomic.Int32
	x := newTunnel(t, tun.Config{}, gateway{tcp: func(f *stack.Flow) {
		asked.Add(1)
		select {
		case <-time.After(1200 * time.Millisecond):
		case <-f.Canceled():
		}
		echoTCP(f)
	}})
	c, err := x.dial(t.Context(), "tcp", net.JoinHostPort(away[0], "80"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n := asked.Load(); n != 1 {
		t.Errorf("the handler was asked %d times, want once", n)
	}
}

// TestHalfClose: everything the program sent comes back after its FIN.
func TestHalfClose(t *testing.T) {
	x := newTunnel(t, tun.Config{}, gateway{tcp: echoTCP})
	for _, host := range append(away, gate4.String()) {
		for _, size := range []int{0, 1, 100_000, 8 << 20} {
			c, err := x.dial(t.Context(), "tcp", net.JoinHostPort(host, "7"))
			if err != nil {
				t.Fatal(err)
			}
			if err := transfer(&both{c, c}, c, noise(size)); err != nil {
				t.Errorf("%s, %d bytes: %v", host, size, err)
			}
			c.Close()
		}
	}
}

// both lets transfer send and receive on one connection.
type both struct {
	net.Conn
	c net.Conn
}

func (b *both) CloseWrite() error { return b.c.(*net.TCPConn).CloseWrite() }

// TestServerFirst: the gateway closes first and the program goes on sending.
func TestServerFirst(t *testing.T) {
	got := make(chan []byte, 1)
	x := newTunnel(t, tun.Config{}, gateway{tcp: func(f *stack.Flow) {
		if f.Accept() != nil {
			return
		}
		w := watch(f)
		defer f.Watch(nil)
		send(f, w, []byte("hello"))
		f.CloseWrite()
		if _, err := f.Fill(1, func(b []byte) (int, error) { return 1, nil }); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("fill after CloseWrite: %v, want EPIPE", err)
		}
		var b buffer
		receive(f, w, &b)
		for !f.State().Drained {
			<-w.c
		}
		f.Close()
		got <- b.b
	}})
	c, err := x.dial(t.Context(), "tcp", net.JoinHostPort(away[1], "7"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b, err := io.ReadAll(c); err != nil || string(b) != "hello" {
		t.Fatalf("read %q, %v", b, err)
	}
	c.Write(noise(1 << 20))
	c.(*net.TCPConn).CloseWrite()
	if b := <-got; len(b) != 1<<20 {
		t.Errorf("%d bytes after our FIN, want %d", len(b), 1<<20)
	}
}

// TestReset: a reset is a reset, both ways, and stays one.
func TestReset(t *testing.T) {
	seen, accepted := make(chan error, 3), make(chan error, 2)
	x := newTunnel(t, tun.Config{}, gateway{tcp: func(f *stack.Flow) {
		err := f.Accept()
		accepted <- err
		if err != nil {
			return
		}
		w := watch(f)
		defer f.Watch(nil)
		if f.Destination().Port() == 1 {
			for f.State().Readable == 0 {
				<-w.c
			}
			f.Abort()
			return
		}
		seen <- receive(f, w, io.Discard)
		_, err = f.Peek(1, func([][]byte) int { return 0 })
		seen <- err
		seen <- f.State().Err
		f.Close()
	}})
	c, err := x.dial(t.Context(), "tcp", net.JoinHostPort(away[0], "1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("x")) // only now: a reset before connect(2) woke is its error
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after Abort: %v, want ECONNRESET", err)
	}
	c.Close()
	if c, err = x.dial(t.Context(), "tcp", net.JoinHostPort(away[0], "2")); err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err != nil { // nor may ours come before Accept woke
		t.Fatal(err)
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	for i := range 3 {
		if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("look %d after the program's reset: %v, want ECONNRESET", i, err)
		}
	}
}

// TestUDP: datagrams both ways, with fragments, and refusals.
func TestUDP(t *testing.T) {
	x := newTunnel(t, tun.Config{}, gateway{udp: func(d *stack.Datagram) {
		if d.Dst.Port() == 9 {
			d.NIC.SendUnreachable(d.Quote(), stack.UnreachablePort)
			return
		}
		var b []byte
		for _, s := range d.Data {
			b = append(b, s...)
		}
		if err := d.NIC.SendDatagram(d.Dst, d.Src, b, 0); err != nil {
			t.Error(err)
		}
	}})
	for _, host := range append(away, gate4.String(), gate6.String()) {
		c, err := x.dial(t.Context(), "udp", net.JoinHostPort(host, "7"))
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 100, 165, 1472, 1473, 8000, 60000} {
			c.SetDeadline(time.Now().Add(2 * time.Second))
			data := noise(size)
			if _, err := c.Write(data); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 65536)
			n, err := c.Read(b)
			if err != nil || string(b[:n]) != string(data) {
				t.Errorf("%s, %d bytes: got %d, %v", host, size, n, err)
			}
		}
		c.Close()
		if c, err = x.dial(t.Context(), "udp", net.JoinHostPort(host, "9")); err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(2 * time.Second))
		c.Write([]byte("anybody?"))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: read after port unreachable: %v, want ECONNREFUSED", host, err)
		}
		c.Close()
	}
	if bad := x.nic.Counters()[stack.RxDropL4Checksum]; bad != 0 {
		t.Errorf("%d checksums of the kernel's were called wrong", bad)
	}
}

// TestEcho: pings to foreign addresses reach the handler, whole ones and
// fragmented ones, and are never answered by the stack itself; those to our own
// address are answered.
func TestEcho(t *testing.T) {
	var forward atomic.Bool
	var seen atomic.Int32
	x := newTunnel(t, tun.Config{}, gateway{echo: func(e *stack.Echo) {
		seen.Add(1)
		if forward.Load() {
			e.NIC.SendEchoReply(e.Dst, e.Src, e.ID, e.Seq, e.Data, 0)
		}
	}})
	for _, c := range []struct {
		host    string
		forward bool
		want    bool
	}{
		{away[0], false, false}, {away[1], false, false},
		{away[0], true, true}, {away[1], true, true},
		{gate4.String(), false, true}, {gate6.String(), false, true},
	} {
		for _, size := range []int{56, 4000} {
			forward.Store(c.forward)
			before := seen.Load()
			wait := 300 * time.Millisecond // for a reply that must not come
			if c.want {
				wait = 10 * time.Second
			}
			got := x.ping(netip.MustParseAddr(c.host), size, wait)
			if got != c.want {
				t.Errorf("%s, %d bytes, handler answers %v: answered %v, want %v", c.host, size, c.forward, got, c.want)
			}
			own := c.host == gate4.String() || c.host == gate6.String()
			if own && seen.Load() != before {
				t.Errorf("%s, %d bytes: the handler was asked", c.host, size)
			}
			if !own {
				eventually(t, "question to the handler", func() bool { return seen.Load() > before })
			}
		}
	}
}

// ping sends one echo request from the namespace and tells whether a reply
// with its content came in time.
func (x *tunnel) ping(dst netip.Addr, size int, wait time.Duration) bool {
	x.t.Helper()
	network, typ, reply := "ip4:icmp", byte(8), byte(0)
	if dst.Is6() {
		network, typ, reply = "ip6:ipv6-icmp", 128, 129
	}
	c, err := x.dial(x.t.Context(), network, dst.String())
	if err != nil {
		x.t.Fatal(err)
	}
	defer c.Close()
	msg := append([]byte{typ, 0, 0, 0, 0x12, 0x34, 0, 1}, noise(size)...)
	if dst.Is4() { // the kernel does it for IPv6
		binary.BigEndian.PutUint16(msg[2:], ^checksum.Checksum(msg, 0))
	}
	if _, err := c.Write(msg); err != nil {
		x.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(wait))
	b := make([]byte, 70000)
	for {
		n, _, err := c.(net.PacketConn).ReadFrom(b) // without the IP header
		if err != nil {
			return false
		}
		if n == len(msg) && b[0] == reply && string(b[8:n]) == string(msg[8:]) {
			return true
		}
	}
}

// TestVanish: a deleted device is told within a second, and its flows fail
// with ENETDOWN.
func TestVanish(t *testing.T) {
	failed := make(chan error, 1)
	x := newTunnel(t, tun.Config{}, gateway{tcp: func(f *stack.Flow) {
		if f.Accept() != nil {
			return
		}
		w := watch(f)
		defer f.Watch(nil)
		failed <- receive(f, w, io.Discard)
	}})
	c, err := x.dial(t.Context(), "tcp", net.JoinHostPort(away[0], "1"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if out, err := x.run("ip", "link", "del", x.dev.Name()); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	late := time.After(time.Second)
	select {
	case <-x.nic.Done():
	case <-late:
		t.Fatal("not told within a second")
	}
	if err := x.nic.Err(); !errors.Is(err, syscall.ENETDOWN) || x.nic.State() != stack.Gone {
		t.Errorf("NIC: %v, %v; want ENETDOWN, gone", err, x.nic.State())
	}
	select {
	case err := <-failed:
		if !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("flow: %v, want ENETDOWN", err)
		}
	case <-late:
		t.Error("the flow lives on")
	}
}

// TestVanishBusy: so do those that are busy, each way.
func TestVanishBusy(t *testing.T) {
	const flows = 8
	failed, busy := make(chan error, flows), make(chan struct{}, flows)
	x := newTunnel(t, tun.Config{}, gateway{tcp: func(f *stack.Flow) {
		if f.Accept() != nil {
			return
		}
		w := watch(f)
		defer f.Watch(nil)
		busy <- struct{}{}
		if f.Destination().Port() == 1 {
			failed <- receive(f, w, io.Discard)
			return
		}
		for {
			if err := send(f, w, make([]byte, 64<<10)); err != nil {
				failed <- err
				return
			}
		}
	}})
	var programs sync.WaitGroup
	defer programs.Wait() // after their Close: the kernel tells them nothing, as of any link that is pulled out
	for i := range flows {
		c, err := x.dial(t.Context(), "tcp", net.JoinHostPort(away[i%2], fmt.Sprint(1+i/2%2)))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		move := c.Write
		if i/2%2 == 1 {
			move = c.Read
		}
		programs.Go(func() {
			for b := make([]byte, 64<<10); ; {
				if _, err := move(b); err != nil {
					return
				}
			}
		})
		<-busy
	}
	moved := func() uint64 { n := x.nic.Counters(); return min(n[stack.RxBytes], n[stack.TxBytes]) }
	eventually(t, "bytes both ways", func() bool { return moved() > 1<<20 })
	if out, err := x.run("ip", "link", "del", x.dev.Name()); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for range flows {
		select {
		case err := <-failed:
			if !errors.Is(err, syscall.ENETDOWN) {
				t.Errorf("flow: %v, want ENETDOWN", err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("a flow lives on")
		}
	}
}

// TestEarlyPort reuses a port whose connection our side closed first, while
// its TIME-WAIT still stands.
func TestEarlyPort(t *testing.T) {
	x := newTunnel(t, tun.Config{}, gateway{tcp: echoNothing})
	addr := net.JoinHostPort(away[0], "80")
	connect := func() (c net.Conn, err error) {
		tun.InNetns(x.netns, func() error {
			d := net.Dialer{LocalAddr: &net.TCPAddr{Port: 45000}, Control: func(_, _ string, rc syscall.RawConn) error {
				return rc.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
			}, Timeout: 900 * time.Millisecond}
			c, err = d.Dial("tcp", addr)
			return nil
		})
		return c, err
	}
	for i := range 3 {
		var c net.Conn
		eventually(t, "end of the old connection in the kernel (LAST-ACK)", func() bool {
			var err error
			if c, err = connect(); err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) {
				t.Fatalf("connect %d from the same port: %v", i, err)
			}
			return err == nil
		})
		io.Copy(io.Discard, c) // our side closes first
		c.Close()
	}
}

func echoNothing(f *stack.Flow) {
	if f.Accept() == nil {
		f.Close()
	}
}
