package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/kit"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// The host's own addresses in a world.
const host4, host6 = "10.0.0.1", "[fd00::1]"

// publish publishes listen as to of the program.
func (w *world) publish(t *testing.T, protocol int32, listen, to string, proxy gateway.ProxyProtocol) *gateway.Published {
	t.Helper()
	p, err := w.gateway.Publish(t.Context(), w.publication(protocol, listen, to, proxy))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func (w *world) publication(protocol int32, listen, to string, proxy gateway.ProxyProtocol) gateway.Publication {
	return gateway.Publication{
		NIC: w.pair.NA, Protocol: protocol, Proxy: proxy,
		Listen: netip.MustParseAddrPort(listen), To: netip.MustParseAddrPort(to),
	}
}

// inside is a server of the program's.
func (w *world) inside(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := w.program.Listen(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// visit is a connection from a client to a published port, both ends.
func visit(t *testing.T, client *sockets.Session, l net.Listener, addr string) (c, inner net.Conn) {
	t.Helper()
	c, err := client.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if inner, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{c, inner} {
		c.SetDeadline(time.Now().Add(30 * time.Second))
		t.Cleanup(func() { c.Close() })
	}
	return c, inner
}

// A server inside sees its client's own address, and all bytes, whatever stands in
// their path; half-closed streams stay half open.
func TestPublish(t *testing.T) {
	for name, layers := range map[string][]provider.Layer{
		"bare": nil, "decides": {allowing{}}, "looks": {new(looks)},
		"hands over": {talks(func(_ context.Context, x *kit.Exchange) error { return x.Handover() })},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, gateway.Config{}, layers...)
			for _, c := range []struct{ listen, to, at string }{
				{host4 + ":8080", "10.1.0.2:80", host4 + ":8080"},
				{"0.0.0.0:8081", "10.1.0.2:81", host4 + ":8081"},
				{host6 + ":8080", "[fd01::2]:80", host6 + ":8080"},
			} {
				p := w.publish(t, wsa.IPPROTO_TCP, c.listen, c.to, gateway.NoProxy)
				conn, inner := visit(t, w.server, w.inside(t, c.to), c.at)
				if inner.RemoteAddr().String() != conn.LocalAddr().String() || inner.LocalAddr().String() != c.to {
					t.Errorf("inside it is from %v to %v, outside from %v to %v", inner.RemoteAddr(), inner.LocalAddr(), conn.LocalAddr(), conn.RemoteAddr())
				}
				data := payload(1 << 20)
				go func() { conn.Write(data); conn.(interface{ CloseWrite() error }).CloseWrite() }()
				if got, err := io.ReadAll(inner); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes came in, %v", len(got), err)
				}
				go func() { inner.Write(data); inner.Close() }()
				if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes came out, %v", len(got), err)
				}
				if p.Connected.Load() != 1 || p.Masked.Load() != 0 {
					t.Errorf("%d connected, %d masked", p.Connected.Load(), p.Masked.Load())
				}
			}
		})
	}
}

// The address of a client that means another inside is the gateway's there; what it
// was says PROXY protocol.
func TestPublishMasks(t *testing.T) {
	w := newWorld(t, gateway.Config{Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}})
	here := socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: w.network})))
	for i, c := range []struct {
		name   string
		client *sockets.Session
		at, to string
		mask   netip.Addr
	}{
		{"loopback", here, "127.0.0.1", "10.1.0.2", stacktest.A4},
		{"loopback 6", here, "[::1]", "[fd01::2]", stacktest.A6},
		{"the link's network", w.server, host4, "10.1.0.2", stacktest.A4},
		{"other family", w.server, host6, "10.1.0.2", stacktest.A4},
		{"other family 6", w.server, host4, "[fd01::2]", stacktest.A6},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, to := fmt.Sprintf("%s:%d", c.at, 8000+i), fmt.Sprintf("%s:%d", c.to, 8000+i)
			p := w.publish(t, wsa.IPPROTO_TCP, at, to, gateway.ProxyV1)
			conn, inner := visit(t, c.client, w.inside(t, to), at)
			if got := netip.MustParseAddrPort(inner.RemoteAddr().String()).Addr(); got != c.mask || p.Masked.Load() != 1 {
				t.Errorf("inside it comes from %v, %d masked", got, p.Masked.Load())
			}
			conn.Close()
			got, err := io.ReadAll(inner)
			if err != nil {
				t.Error(err)
			}
			from, at2 := netip.MustParseAddrPort(conn.LocalAddr().String()), netip.MustParseAddrPort(conn.RemoteAddr().String())
			family := "TCP6"
			if from.Addr().Is4() {
				family = "TCP4"
			}
			if want := fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, from.Addr(), at2.Addr(), from.Port(), at2.Port()); string(got) != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// What the program does to a connection the client sees, and the other way round.
func TestPublishEnds(t *testing.T) {
	w := newWorld(t, gateway.Config{}, allowing{})
	p := w.publish(t, wsa.IPPROTO_TCP, host4+":8080", "10.1.0.2:80", gateway.NoProxy)
	c, err := w.server.Dial("tcp", host4+":8080")
	if err == nil { // the handshake was the host's own
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) || p.Refused.Load() != 1 {
		t.Errorf("nobody listens inside: %v, %d refused; want a reset", err, p.Refused.Load())
	}
	l := w.inside(t, "10.1.0.2:80")
	reset := func(c net.Conn) {
		c.(interface{ SetLinger(int) error }).SetLinger(0)
		c.Close()
	}
	a, inner := visit(t, w.server, l, host4+":8080")
	reset(inner)
	if _, err := io.ReadAll(a); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset inside: the client reads %v", err)
	}
	a, inner = visit(t, w.server, l, host4+":8080")
	reset(a)
	if _, err := io.ReadAll(inner); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset by the client: the program reads %v", err)
	}
	// Close closes the port; who is inside stays.
	a, inner = visit(t, w.server, l, host4+":8080")
	p.Close()
	if _, err := w.server.Dial("tcp", host4+":8080"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed: %v", err)
	}
	go io.Copy(inner, inner)
	pingPong(t, a)
	w.gateway.Close()
	if _, err := io.ReadAll(a); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the gateway has closed: %v", err)
	}
	if _, err := w.gateway.Publish(t.Context(), w.publication(wsa.IPPROTO_TCP, host4+":8080", "10.1.0.2:80", 0)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Connections on their way inside are bounded; those beyond wait outside, and all are
// reset when the port closes.
func TestPublishSilence(t *testing.T) {
	w := newWorld(t, gateway.Config{Limits: gateway.Limits{Inward: 2}})
	p := w.publish(t, wsa.IPPROTO_TCP, host4+":8080", "10.1.0.2:80", gateway.NoProxy)
	w.pair.NB.Close() // nobody answers
	var clients []net.Conn
	for range 4 {
		c, err := w.server.Dial("tcp", host4+":8080")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	await(t, "more wait", func() bool { return p.Waited.Load() > 0 })
	p.Close()
	for i, c := range clients {
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("client %d reads %v, want a reset", i, err)
		}
	}
	if p.Connected.Load() != 0 || p.Failed.Load() != 2 {
		t.Errorf("%d connected, %d failed", p.Connected.Load(), p.Failed.Load())
	}
}

// Clients of published ports are bounded with all other connections.
func TestPublishFlows(t *testing.T) {
	w := newWorld(t, gateway.Config{Limits: gateway.Limits{Flows: 1}})
	p := w.publish(t, wsa.IPPROTO_TCP, host4+":8080", "10.1.0.2:80", gateway.NoProxy)
	l := w.inside(t, "10.1.0.2:80")
	var servers sync.WaitGroup
	servers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			servers.Go(func() { io.Copy(c, c); c.Close() })
		}
	})
	defer servers.Wait()
	defer l.Close()
	try := func() (net.Conn, error) {
		c, err := w.server.Dial("tcp", host4+":8080")
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(30 * time.Second))
		c.Write([]byte("x"))
		_, err = c.Read(make([]byte, 1))
		return c, err
	}
	first, err := try()
	if err != nil {
		t.Fatal(err)
	}
	second, err := try()
	second.Close()
	if !errors.Is(err, syscall.ECONNRESET) || p.Failed.Load() != 1 || w.gateway.TCPLimit.Load() != 1 {
		t.Errorf("one too many reads %v, %d failed, %d beyond the limit", err, p.Failed.Load(), w.gateway.TCPLimit.Load())
	}
	pingPong(t, first)
	first.Close()
	await(t, "when the first has ended there is room", func() bool {
		c, err := try()
		c.Close()
		return err == nil
	})
}

func TestPublishGivesUp(t *testing.T) {
	w := newWorld(t, gateway.Config{Limits: gateway.Limits{Answer: time.Millisecond}})
	p := w.publish(t, wsa.IPPROTO_TCP, host4+":8080", "10.1.0.2:80", gateway.NoProxy)
	w.pair.NB.Close()
	c, err := w.server.Dial("tcp", host4+":8080")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || p.Failed.Load() != 1 {
		t.Errorf("%v, %d failed", err, p.Failed.Load())
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what + ": not within 30 s")
		}
	}
}

// decides answers ops as it is told, and remembers the facts.
type decides struct {
	deny map[provider.Op]bool
	mu   sync.Mutex
	told []string
}

func (d *decides) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

func (d *decides) Decide(f provider.Facts, op provider.Op) provider.Verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, fmt.Sprintf("%s %s of %s by %v", op, f.Local, f.Origin.Source, f.Remote.Addr()))
	if d.deny[op] {
		return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES, Rule: "test"}
	}
	return provider.Verdict{Action: provider.Allow}
}

func (d *decides) OnFailure() provider.OnFailure { return provider.FailClosed }

func (d *decides) heard(t *testing.T, want string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.told {
		if s == want {
			return
		}
	}
	t.Errorf("not asked: %q; asked %q", want, d.told)
}

// The chain's layers are asked whether a port may be opened and who may come, of
// both protocols; what they deny is not led inside.
func TestPublishIsDecided(t *testing.T) {
	for _, protocol := range []int32{wsa.IPPROTO_TCP, wsa.IPPROTO_UDP} {
		d := &decides{deny: map[provider.Op]bool{provider.OpListen: true}}
		w := newWorld(t, gateway.Config{}, d)
		_, err := w.gateway.Publish(t.Context(), w.publication(protocol, host4+":8080", "10.1.0.2:80", 0))
		if !errors.Is(err, wsa.EACCES) || !strings.Contains(err.Error(), "test") {
			t.Errorf("listen is denied: %v", err)
		}
		d.heard(t, "listen "+host4+":8080 of 10.1.0.2:80 by invalid IP")

		d = &decides{deny: map[provider.Op]bool{provider.OpAccept: true}}
		w = newWorld(t, gateway.Config{}, d)
		p := w.publish(t, protocol, host4+":8080", "10.1.0.2:80", 0)
		c, err := w.server.Dial(map[int32]string{wsa.IPPROTO_TCP: "tcp", wsa.IPPROTO_UDP: "udp"}[protocol], host4+":8080")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if protocol == wsa.IPPROTO_TCP {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("accept is denied: the client reads %v", err)
			}
		} else {
			c.Write([]byte("x"))
		}
		await(t, "denied", func() bool { return p.Denied.Load() == 1 })
		if p.Connected.Load()+p.DatagramsIn.Load() != 0 {
			t.Error("it was led inside")
		}
		d.heard(t, "accept "+host4+":8080 of 10.1.0.2:80 by "+server4)
	}
}

// Rules that come later hold for clients that come later, on ports that stand.
func TestPublishFollowsTheCatalog(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		d := new(decides)
		w := newWorld(t, gateway.Config{}, d)
		protocol := map[string]int32{"tcp": wsa.IPPROTO_TCP, "udp": wsa.IPPROTO_UDP}[network]
		p := w.publish(t, protocol, host4+":8080", "10.1.0.2:80", 0)
		w.deny(t)
		c, err := w.server.Dial(network, host4+":8080")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte("x"))
		await(t, network+" denied", func() bool { return p.Denied.Load() == 1 })
	}
}

// deny puts a chain that denies all before the one of the catalog.
func (w *world) deny(t *testing.T) {
	t.Helper()
	d := &decides{deny: map[provider.Op]bool{provider.OpAccept: true}}
	id, err := w.catalog.InstallLayer("deny", d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.catalog.InstallMandatoryChain("later", []provider.CatalogID{id}); err != nil {
		t.Fatal(err)
	}
}

// A publication that cannot be is refused whole, with its reason.
func TestPublishRefuses(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	w.publish(t, wsa.IPPROTO_TCP, host4+":9003", "10.1.0.2:80", 0)
	good := w.publication(wsa.IPPROTO_TCP, host4+":9000", "10.1.0.2:80", 0)
	for name, c := range map[string]struct {
		spoil func(*gateway.Publication)
		want  error
	}{
		"no NIC":           {func(p *gateway.Publication) { p.NIC = nil }, wsa.EINVAL},
		"protocol":         {func(p *gateway.Publication) { p.Protocol = wsa.IPPROTO_ICMP }, wsa.EPROTONOSUPPORT},
		"nowhere":          {func(p *gateway.Publication) { p.To = netip.AddrPort{} }, wsa.EINVAL},
		"no port inside":   {func(p *gateway.Publication) { p.To = netip.MustParseAddrPort("10.1.0.2:0") }, wsa.EINVAL},
		"loopback inside":  {func(p *gateway.Publication) { p.To = netip.MustParseAddrPort("127.0.0.1:80") }, wsa.EINVAL},
		"past the end":     {func(p *gateway.Publication) { p.Ports = 60000 }, wsa.EINVAL},
		"any of a range":   {func(p *gateway.Publication) { p.Listen = netip.MustParseAddrPort(host4 + ":0"); p.Ports = 2 }, wsa.EINVAL},
		"PROXY v1, UDP":    {func(p *gateway.Publication) { p.Protocol, p.Proxy = wsa.IPPROTO_UDP, gateway.ProxyV1 }, wsa.EINVAL},
		"not our address":  {func(p *gateway.Publication) { p.Listen = netip.MustParseAddrPort("10.9.9.9:9000") }, wsa.EADDRNOTAVAIL},
		"in use, the last": {func(p *gateway.Publication) { p.Ports = 4 }, wsa.EADDRINUSE},
	} {
		pub := good
		c.spoil(&pub)
		if p, err := w.gateway.Publish(t.Context(), pub); !errors.Is(err, c.want) || p != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	w.publish(t, wsa.IPPROTO_TCP, host4+":9000", "10.1.0.2:80", 0) // nothing was kept
	if n := len(w.gateway.Published()); n != 2 {
		t.Errorf("%d are published, want 2", n)
	}
}

// Each port of a range leads to its own; any free port is told.
func TestPublishRange(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	pub := w.publication(wsa.IPPROTO_TCP, host4+":9000", "10.1.0.2:80", 0)
	pub.Ports = 300
	if _, err := w.gateway.Publish(t.Context(), pub); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 1, 299} {
		c, inner := visit(t, w.server, w.inside(t, fmt.Sprintf("10.1.0.2:%d", 80+i)), fmt.Sprintf("%s:%d", host4, 9000+i))
		go io.Copy(inner, inner)
		pingPong(t, c)
	}
	p := w.publish(t, wsa.IPPROTO_TCP, host4+":0", "10.1.0.2:600", 0)
	at := p.Publication().Listen
	if at.Port() == 0 {
		t.Fatal("the port that was chosen is not told")
	}
	visit(t, w.server, w.inside(t, "10.1.0.2:600"), at.String())
}

// nettest.TestConn over a published port: the client is one end, the program the other.
func TestPublishedConn(t *testing.T) {
	w := newWorld(t, gateway.Config{}, allowing{})
	l := w.inside(t, "10.1.0.2:80")
	w.publish(t, wsa.IPPROTO_TCP, host4+":8080", "10.1.0.2:80", 0)
	nettest.TestConn(t, func() (c, inner net.Conn, stop func(), err error) {
		if c, err = w.server.Dial("tcp", host4+":8080"); err != nil {
			return nil, nil, nil, err
		}
		if inner, err = l.Accept(); err != nil {
			c.Close()
			return nil, nil, nil, err
		}
		return c, inner, func() { c.Close(); inner.Close() }, nil
	})
}

// full has no descriptor for a connection while it is told so.
type full struct{ now atomic.Bool }

func (f *full) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.ProcTable{WSPAccept: func(s *provider.Socket, r *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
		if f.now.Load() {
			return nil, wsa.EMFILE
		}
		return next.WSPAccept(s, r)
	}}, 0
}

// Without descriptors clients wait, and the port does not turn in circles.
func TestPublishWithoutDescriptors(t *testing.T) {
	f := new(full)
	w := newWorld(t, gateway.Config{}, f)
	f.now.Store(true)
	p := w.publish(t, wsa.IPPROTO_TCP, host4+":8080", "10.1.0.2:80", 0)
	l := w.inside(t, "10.1.0.2:80")
	c, err := w.server.Dial("tcp", host4+":8080")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	await(t, "it waits", func() bool { return p.Waited.Load() > 0 })
	f.now.Store(false)
	inner, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	inner.Close()
	if n := p.Waited.Load(); n > 300 { // 10 a second
		t.Errorf("it has waited %d times", n)
	}
}

// Ports come and go under clients; nobody hangs, and nothing is left (TestMain).
func TestPublishStorm(t *testing.T) {
	w := newWorld(t, gateway.Config{}, allowing{})
	l := w.inside(t, "10.1.0.2:80")
	var wg, servers sync.WaitGroup
	servers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			servers.Go(func() { defer c.Close(); io.Copy(c, c) })
		}
	})
	done := make(chan struct{})
	for i := range 4 {
		network := []string{"tcp", "udp"}[i%2]
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if c, err := w.server.Dial(network, host4+":8080"); err == nil {
					c.SetDeadline(time.Now().Add(30 * time.Second))
					c.Write([]byte("x"))
					if network == "tcp" {
						c.Read(make([]byte, 1))
					}
					c.Close()
				}
			}
		})
	}
	for range 50 {
		for _, protocol := range []int32{wsa.IPPROTO_TCP, wsa.IPPROTO_UDP} {
			p, err := w.gateway.Publish(t.Context(), w.publication(protocol, host4+":8080", "10.1.0.2:80", 0))
			if err != nil {
				t.Fatal(err)
			}
			var closing sync.WaitGroup
			closing.Go(func() { p.Close() })
			p.Close()
			closing.Wait()
		}
	}
	close(done)
	wg.Wait()
	l.Close()
	servers.Wait()
}
