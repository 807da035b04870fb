package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// world is a program on a stack of its own, a wire, a gateway on the other
// stack, and a network in memory that the gateway's chain stands on.
type world struct {
	program *sockets.Session // the program's kernel
	server  *sockets.Session // somewhere in the network
	network *basetest.Network
	gateway *gateway.Gateway
	pair    *stacktest.Pair   // A is the gateway's, B the program's
	catalog *provider.Catalog // the gateway's
}

const (
	server4 = "203.0.113.10"
	server6 = "2001:db8:cafe::10"
)

func newWorld(t *testing.T, cfg gateway.Config, layers ...provider.Layer) *world {
	t.Helper()
	return worldOver(t, cfg, func(d base.Driver) base.Driver { return d }, layers...)
}

// worldOver has wrap between the gateway's base and its driver.
func worldOver(t *testing.T, cfg gateway.Config, wrap func(base.Driver) base.Driver, layers ...provider.Layer) *world {
	t.Helper()
	w := &world{network: basetest.NewNetwork(basetest.NetworkConfig{})}
	far := w.network.Host(netip.MustParseAddr(server4), netip.MustParseAddr(server6))
	w.server = socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: far})))
	w.catalog = socketstest.Catalog(t, base.New(base.Config{Driver: wrap(w.network)}), layers...)
	cfg.Session = socketstest.Start(t, w.catalog)
	cfg.Attachment = "test"
	cfg.Addrs = []netip.Addr{stacktest.A4, stacktest.A6}
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.gateway = g
	t.Cleanup(func() { g.Close() })
	pair := stacktest.NewPair(t, stacktest.PairConfig{Cable: stacktest.CableConfig{Offloads: true}, AFlow: g})
	w.pair = pair
	nb := netstack.NewBase(netstack.Config{Stack: pair.B})
	if c, ok := nb.(io.Closer); ok {
		t.Cleanup(func() { c.Close() })
	}
	w.program = socketstest.Start(t, socketstest.Catalog(t, nb))
	// The flows end before the sessions do: the gateway closes its sockets.
	t.Cleanup(func() { g.Close() })
	return w
}

func (w *world) listen(t *testing.T, addr string, serve func(net.Conn)) {
	t.Helper()
	l, err := w.server.Listen(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
}

func (w *world) dial(t *testing.T, network, addr string) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := w.program.DialContext(ctx, network, addr)
	if err == nil {
		c.SetDeadline(time.Now().Add(20 * time.Second))
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func payload(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

// A half-closed stream loses nothing: all goes up, then FIN, then all comes back.
func TestTCPHalfClose(t *testing.T) {
	for _, layers := range []int{0, 1, 3} {
		w := newWorld(t, gateway.Config{}, socketstest.PassThrough(layers)...)
		for _, addr := range []string{server4 + ":7", "[" + server6 + "]:7"} {
			w.listen(t, addr, func(c net.Conn) {
				all, _ := io.ReadAll(c)
				sum := sha256.Sum256(all)
				c.Write(sum[:])
				c.Write(all)
			})
			data := payload(3 << 20)
			c, err := w.dial(t, "tcp", addr)
			if err != nil {
				t.Fatalf("%s: %v", addr, err)
			}
			if _, err := c.Write(data); err != nil {
				t.Fatal(err)
			}
			c.(interface{ CloseWrite() error }).CloseWrite()
			back, err := io.ReadAll(c)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(data)
			if !bytes.Equal(back, append(sum[:], data...)) {
				t.Errorf("%s: %d bytes came back, and not those that went", addr, len(back))
			}
		}
	}
}

// The other way: the server closes first and still hears the program out.
func TestTCPHalfCloseByServer(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	heard := make(chan []byte, 1)
	w.listen(t, server4+":7", func(c net.Conn) {
		c.Write([]byte("bye"))
		c.(interface{ CloseWrite() error }).CloseWrite()
		all, _ := io.ReadAll(c)
		heard <- all
	})
	c, err := w.dial(t, "tcp", server4+":7")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); string(b) != "bye" || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	data := payload(1 << 20)
	c.Write(data)
	c.Close()
	if got := <-heard; !bytes.Equal(got, data) {
		t.Errorf("the server heard %d bytes of %d", len(got), len(data))
	}
}

// denying denies everything with one code.
type denying struct{ errno wsa.Errno }

func (d denying) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}
func (d denying) Decide(provider.Facts, provider.Op) provider.Verdict {
	return provider.Verdict{Action: provider.Deny, Errno: d.errno}
}
func (denying) OnFailure() provider.OnFailure { return provider.FailClosed }

// Refused, unreachable, denied each way: what the program is told.
func TestTCPFates(t *testing.T) {
	plain := newWorld(t, gateway.Config{})
	plain.listen(t, server4+":80", func(net.Conn) {})
	for _, c := range []struct {
		name string
		w    *world
		addr string
		want syscall.Errno
	}{
		{"refused", plain, server4 + ":81", syscall.ECONNREFUSED},
		{"refused v6", plain, "[" + server6 + "]:81", syscall.ECONNREFUSED},
		{"unreachable", plain, basetest.Unreachable4.String() + ":80", syscall.EHOSTUNREACH},
		// Not over IPv6: the program's stack here is gVisor's, which takes no ICMPv6
		// "address unreachable" for TCP. Linux does (stack's and cmd/netnsd's tests).
		{"no route", plain, "8.8.8.8:80", syscall.ENETUNREACH},
		{"our own address", plain, stacktest.A4.String() + ":80", syscall.EHOSTUNREACH}, // ICMP prohibited
		{"denied: reset", newWorld(t, gateway.Config{}, denying{wsa.ECONNREFUSED}), server4 + ":80", syscall.ECONNREFUSED},
		{"denied: prohibited", newWorld(t, gateway.Config{}, denying{wsa.EACCES}), server4 + ":80", syscall.EHOSTUNREACH},
		{"denied: unreachable", newWorld(t, gateway.Config{}, denying{wsa.ENETUNREACH}), server4 + ":80", syscall.ENETUNREACH},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			_, err := c.w.dial(t, "tcp", c.addr)
			if !errors.Is(err, c.want) {
				t.Errorf("dial %s: %v, want %v", c.addr, err, c.want)
			}
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// Timed out and dropped look alike: silence, until the program gives up.
func TestTCPSilence(t *testing.T) {
	for name, w := range map[string]*world{
		"black hole": newWorld(t, gateway.Config{}),
		"denied":     newWorld(t, gateway.Config{}, denying{wsa.ETIMEDOUT}),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			if _, err := w.program.DialContext(ctx, "tcp", basetest.Blackhole4.String()+":80"); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want silence to the deadline", err)
			}
		})
	}
}

func TestHostLoopback(t *testing.T) {
	w := newWorld(t, gateway.Config{HostLoopback: true})
	local := socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: w.network})))
	l, err := local.Listen(context.Background(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := w.dial(t, "tcp", stacktest.A4.String()+":8080")
	if err != nil {
		t.Fatalf("the gateway's address stands for the host's loopback: %v", err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s.Write([]byte("hello"))
	s.Close()
	if b, _ := io.ReadAll(c); string(b) != "hello" {
		t.Errorf("%q", b)
	}
}

// A reset on one side is a reset on the other, never a clean end.
func TestTCPResets(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	got := make(chan error, 1)
	w.listen(t, server4+":1", func(c net.Conn) {
		c.Write([]byte("x"))
		c.(interface{ SetLinger(int) error }).SetLinger(0)
	})
	w.listen(t, server4+":2", func(c net.Conn) {
		c.SetDeadline(time.Now().Add(10 * time.Second))
		c.Write([]byte("x"))
		_, err := io.ReadAll(c)
		got <- err
	})
	c, err := w.dial(t, "tcp", server4+":1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("upstream reset: the program reads %v, want ECONNRESET", err)
	}
	c, err = w.dial(t, "tcp", server4+":2")
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(c, make([]byte, 1))
	c.(interface{ SetLinger(int) error }).SetLinger(0)
	c.Close()
	if err := <-got; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the program reset: upstream reads %v, want ECONNRESET", err)
	}
}

func TestParallelFlows(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	w.listen(t, server4+":7", func(c net.Conn) { io.Copy(c, c) })
	data := payload(64 << 10)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			c, err := w.program.DialContext(ctx, "tcp", server4+":7")
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(30 * time.Second))
			go func() {
				c.Write(data)
				c.(interface{ CloseWrite() error }).CloseWrite()
			}()
			if back, err := io.ReadAll(c); err != nil || !bytes.Equal(back, data) {
				t.Errorf("%d bytes of %d came back: %v", len(back), len(data), err)
			}
		})
	}
	wg.Wait()
	if n := w.gateway.TCPConnected.Load(); n != 200 {
		t.Errorf("%d flows were connected", n)
	}
}

// Close resets the flows that live, and leaves nothing (TestMain looks).
func TestCloseWithFlows(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	release := make(chan struct{})
	w.listen(t, server4+":7", func(net.Conn) { <-release })
	c, err := w.dial(t, "tcp", server4+":7")
	if err != nil {
		t.Fatal(err)
	}
	u, err := w.dial(t, "udp", server4+":7")
	if err != nil {
		t.Fatal(err)
	}
	u.Write([]byte("x"))
	w.gateway.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after the gateway's end: %v, want ECONNRESET", err)
	}
	close(release)
}

func TestUDP(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	for _, host := range []string{server4, "[" + server6 + "]"} {
		first, second := echoUDP(t, w, host+":7"), echoUDP(t, w, host+":8")
		u, err := w.program.ListenPacket(context.Background(), "udp", map[bool]string{true: "10.1.0.2:0", false: "[fd01::2]:0"}[host == server4])
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		u.SetDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 2000)
		for _, to := range []string{host + ":7", host + ":8"} {
			addr := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))
			for _, data := range [][]byte{[]byte("ping"), payload(1200), {}} {
				u.WriteTo(data, addr)
				n, from, err := u.ReadFrom(b)
				if err != nil || !bytes.Equal(b[:n], data) || from.String() != addr.String() {
					t.Fatalf("%s: %d bytes from %v: %v", to, n, from, err)
				}
			}
		}
		// Endpoint-independent mapping: both servers saw one source.
		if a, b := <-first, <-second; a != b {
			t.Errorf("the mapping depends on the destination: %v and %v", a, b)
		}
	}
}

// echoUDP answers at addr, and tells the first source it saw.
func echoUDP(t *testing.T, w *world, addr string) <-chan string {
	t.Helper()
	p, err := w.server.ListenPacket(context.Background(), "udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 65536)
		for {
			n, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			select {
			case seen <- from.String():
			default:
			}
			p.WriteTo(b[:n], from)
		}
	}()
	t.Cleanup(func() { p.Close(); <-done })
	return seen
}

// A refused UDP port is an ICMP error, and so an error of the program's socket.
func TestUDPRefused(t *testing.T) {
	for name, w := range map[string]*world{
		"closed port": newWorld(t, gateway.Config{}),
		"denied":      newWorld(t, gateway.Config{}, denying{wsa.ECONNREFUSED}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, addr := range []string{server4 + ":9", "[" + server6 + "]:9"} {
				c, err := w.dial(t, "udp", addr)
				if err != nil {
					t.Fatal(err)
				}
				c.SetDeadline(time.Now().Add(5 * time.Second))
				c.Write([]byte("x"))
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("%s: %v, want ECONNREFUSED", addr, err)
				}
			}
		})
	}
}

// What comes from an address that no allowed send has named is dropped.
func TestUDPUnasked(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	seen := echoUDP(t, w, server4+":7")
	c, err := w.dial(t, "udp", server4+":7")
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("x"))
	io.ReadAtLeast(c, make([]byte, 1), 1)
	mapped := <-seen
	other := w.network.Host(netip.MustParseAddr("203.0.113.99"))
	stranger := socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: other})))
	s, err := stranger.ListenPacket(context.Background(), "udp", "203.0.113.99:7")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.WriteTo([]byte("forged"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(mapped)))
	for deadline := time.Now().Add(5 * time.Second); w.gateway.UDPUnasked.Load() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("not counted")
		}
		time.Sleep(time.Millisecond)
	}
}

// Names: a lookup through the service, and a rule on the name for the connect.
func TestDNSService(t *testing.T) {
	up := gateway.Upstream(t, func(q dnsmessage.Message) []dnsmessage.Message { // our upstream sockets are the host's own
		if q.Questions[0].Type == dnsmessage.TypeA {
			return []dnsmessage.Message{gateway.Reply(q, server4, 60)}
		}
		q.Response, q.Additionals = true, nil
		return []dnsmessage.Message{q}
	})
	service := netip.MustParseAddr("10.1.0.3")
	w := newWorld(t, gateway.Config{DNS: gateway.DNS{
		Addrs:     []netip.Addr{service},
		Upstreams: []netip.AddrPort{up},
	}}, named{"good.test"})
	w.listen(t, server4+":80", func(c net.Conn) { io.WriteString(c, "found") })

	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return w.program.DialContext(ctx, network, netip.AddrPortFrom(service, 53).String())
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := w.dial(t, "tcp", server4+":80"); err == nil {
		t.Error("an address without a name matched a rule on a name")
	}
	if _, err := r.LookupHost(ctx, "bad.test"); err == nil {
		t.Error("bad.test was found")
	} else if e := new(net.DNSError); !errors.As(err, &e) || !e.IsNotFound {
		t.Errorf("bad.test: %v, want no such host", err)
	}
	addrs, err := r.LookupHost(ctx, "good.test")
	if err != nil || len(addrs) != 1 || addrs[0] != server4 {
		t.Fatalf("good.test: %v, %v", addrs, err)
	}
	c, err := w.dial(t, "tcp", server4+":80")
	if err != nil {
		t.Fatalf("after the lookup: %v", err)
	}
	if b, _ := io.ReadAll(c); string(b) != "found" {
		t.Errorf("%q", b)
	}
}

// named allows what has one name.
type named struct{ name string }

func (d named) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}
func (d named) Decide(f provider.Facts, _ provider.Op) provider.Verdict {
	for _, n := range f.Names {
		if n == d.name {
			return provider.Verdict{Action: provider.Allow}
		}
	}
	return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}
}
func (named) OnFailure() provider.OnFailure { return provider.FailClosed }
