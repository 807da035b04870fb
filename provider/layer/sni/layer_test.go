package sni_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/layer/sni"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

func TestMain(m *testing.M) { providertest.Main(m) }

// names are those that a name service has given for every address.
type names []string

func (n names) NamesOf(netip.Addr) []string { return n }

// session has policy and sni over the host.
func session(t *testing.T, c sni.Config, allow ...string) *sockets.Session {
	t.Helper()
	return under(t, c, allowing(t, allow...))
}

// allowing are rules that allow these.
func allowing(t *testing.T, allow ...string) *policy.Policy {
	t.Helper()
	rules, err := policy.FromFlags(allow, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := rules.Config()
	own.Rebind = provider.Allow // the servers are on the loopback
	if rules, err = policy.New(own); err != nil {
		t.Fatal(err)
	}
	return rules
}

// under is session with any rules.
func under(t *testing.T, c sni.Config, rules *policy.Policy, more ...provider.Layer) *sockets.Session {
	t.Helper()
	h, err := host.New(host.Config{})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err) // no host base on this system
	}
	t.Cleanup(func() { h.Close() })
	cat := new(provider.Catalog)
	bases, err := cat.InstallBase("host", base.New(base.Config{Driver: h, Name: "host"}))
	if err != nil {
		t.Fatal(err)
	}
	var ids []provider.CatalogID
	for name, l := range map[string]provider.Layer{"policy": policy.Layer(rules), "sni": sni.Layer(c)} {
		id, err := cat.InstallLayer(name, l)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for i, l := range more {
		id, err := cat.InstallLayer(fmt.Sprint("more ", i), l)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if _, err := cat.InstallMandatoryChain("chain", ids, bases...); err != nil {
		t.Fatal(err)
	}
	s, err := sockets.Startup(sockets.Config{Catalog: cat, Origin: &provider.Origin{UID: -1, Names: names{"good.example", "also.example"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func server(t *testing.T) (addr string, hellos *atomic.Int32) { return serverOf(t, new(tls.Config)) }

// serverOf is server with a configuration.
func serverOf(t *testing.T, c *tls.Config) (addr string, hellos *atomic.Int32) {
	s := httptest.NewUnstartedServer(nil)
	hellos = new(atomic.Int32)
	s.TLS = c
	s.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { hellos.Add(1); return nil, nil }
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), hellos
}

// piecewise sends n bytes at a time.
type piecewise struct {
	net.Conn
	n int
}

func (p piecewise) Write(b []byte) (done int, err error) {
	for done < len(b) && err == nil {
		var m int
		m, err = p.Conn.Write(b[done:min(done+p.n, len(b))])
		done += m
	}
	return done, err
}

func TestLayer(t *testing.T) {
	addr, hellos := server(t)
	s := session(t, sni.Config{}, "good.example", "other.example")
	for _, c := range []struct {
		name  string
		piece int
		ok    bool
	}{
		{"good.example", 1 << 20, true}, {"good.example", 1, true}, {"GOOD.example", 100, true},
		{"other.example", 1 << 20, false}, // allowed, but not the name of this address
		{"also.example", 1 << 20, false},  // the name of this address, but not allowed
		{"evil.example", 1, false}, {"", 1 << 20, false},
	} {
		before := hellos.Load()
		conn, err := s.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		err = tls.Client(piecewise{conn, c.piece}, &tls.Config{ServerName: c.name, InsecureSkipVerify: true}).HandshakeContext(t.Context())
		if c.ok && err != nil || !c.ok && !errors.Is(err, syscall.EACCES) {
			t.Errorf("%q in pieces of %d: %v", c.name, c.piece, err)
		}
		if got := hellos.Load() > before; got != c.ok {
			t.Errorf("%q: the server has seen a hello: %v", c.name, got)
		}
		conn.Close()
	}
}

// What crypto/tls takes for TLS, though it does not look like it, is judged too.
func TestDisguised(t *testing.T) {
	addr, hellos := server(t)
	s := session(t, sni.Config{}, "good.example")
	evil := named(t, "evil.example")
	old := append([]byte{22, 0, 9}, evil[3:]...)
	for _, hello := range [][]byte{evil, old, append([]byte{21, 3, 1, 0, 2, 1, 90}, evil...), append([]byte{21, 0, 0, 0, 2, 1, 90}, old...)} {
		for judged, dial := range map[bool]func(ctx context.Context, network, addr string) (net.Conn, error){false: new(net.Dialer).DialContext, true: s.DialContext} {
			before := hellos.Load()
			conn, err := dial(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err = conn.Write(hello); err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			got := hellos.Load() > before
			if got == judged || got != (err == nil) || judged && !errors.Is(err, syscall.EACCES) {
				t.Errorf("%x, judged: %v, the server has seen a hello: %v; %v", hello[:8], judged, got, err)
			}
			conn.Close()
		}
	}
}

// failing fails each connection when it is known what it begins with.
type failing struct{}

func (failing) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.ProcTable{WSPConnect: func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
		s.OnLearn(func() { s.Fail(wsa.EACCES, "the rules have changed") })
		return next.WSPConnect(s, q)
	}}, 0
}

// A socket that is failed by who is told of what it begins with sends nothing of it,
// whatever the chain's own layers say.
func TestFailedWhenKnown(t *testing.T) {
	for _, says := range []string{string(named(t, "good.example")), "GET / HTTP/1.0\r\n\r\n"} {
		addr, heard := recorder(t)
		conn, err := under(t, sni.Config{}, allowing(t, "good.example"), failing{}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(conn, says)
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.EACCES) {
			t.Errorf("%.5q: %v", says, err)
		}
		conn.Close()
		if got := <-heard; len(got) > 0 {
			t.Errorf("the server has seen %q", got)
		}
	}
}

// What is no ClientHello passes, in both directions, whoever begins.
func TestNotTLS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, "welcome\n")
				io.Copy(c, c)
			}()
		}
	}()
	s := session(t, sni.Config{}, "good.example")
	for _, say := range []string{"", "\x16", "\x16\x02x", "GET / HTTP/1.1\r\n", strings.Repeat("x", 1<<20)} {
		conn, err := s.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		welcome := make([]byte, 8)
		if _, err := io.ReadFull(conn, welcome); err != nil {
			t.Fatal(err)
		}
		go func() {
			io.WriteString(conn, say)
			conn.(interface{ CloseWrite() error }).CloseWrite()
		}()
		got, err := io.ReadAll(conn)
		if say == "\x16" { // the beginning of one, and never the rest
			if !errors.Is(err, syscall.EACCES) {
				t.Errorf("a ClientHello of one byte: %q, %v", got, err)
			}
		} else if err != nil || string(got) != say {
			t.Errorf("%d bytes said, %d back, %v", len(say), len(got), err)
		}
		conn.Close()
	}
}

func TestBounds(t *testing.T) {
	addr, hellos := server(t)
	whole := named(t, "good.example")
	for what, c := range map[string]struct {
		cfg  sni.Config
		send []byte
	}{
		"too long": {sni.Config{Limit: 100}, whole},
		"too slow": {sni.Config{Patience: 50 * time.Millisecond}, whole[:100]},
		"garbage":  {sni.Config{}, []byte{22, 3, 1, 0, 0}},
	} {
		t.Run(what, func(t *testing.T) {
			conn, err := session(t, c.cfg, "good.example").DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			conn.Write(c.send)
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.EACCES) {
				t.Errorf("%v, want EACCES", err)
			}
		})
	}
	if n := hellos.Load(); n != 0 {
		t.Errorf("the server has seen %d of them", n)
	}
}

// As a shadow the layer refuses nothing: what it cannot read is judged without a
// name and goes on whole, be it too long, broken off or no ClientHello after all.
func TestShadow(t *testing.T) {
	addr, hellos := server(t)
	for _, shadow := range []bool{false, true} {
		s := session(t, sni.Config{Limit: 100, Shadow: shadow}, "127.0.0.1")
		conn, err := s.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		before := hellos.Load()
		err = tls.Client(conn, &tls.Config{ServerName: "good.example", InsecureSkipVerify: true}).HandshakeContext(t.Context())
		if shadow && err != nil || !shadow && !errors.Is(err, syscall.EACCES) || shadow != (hellos.Load() > before) {
			t.Errorf("shadow %v, a long hello: %v", shadow, err)
		}
		conn.Close()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := make(chan string)
	accept := func() { // ends with the listener, at the latest
		c, err := ln.Accept()
		if err != nil {
			got <- err.Error()
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		got <- string(b)
	}
	for _, text := range []string{"\x16\x03\x01\x00\x00and more", "\x16\x03"} {
		go accept()
		s := session(t, sni.Config{Shadow: true}, "127.0.0.1")
		conn, err := s.DialContext(t.Context(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if b := <-got; b != text {
			t.Errorf("of %q arrived %q", text, b)
		}
		conn.Close()
	}
}

// A policy that wants a server name of a stream is asked about one that has none,
// before any of its bytes is sent.
func TestPlain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := make(chan string, 1)
	for _, c := range []struct {
		when string
		ok   bool
	}{{"server_name == 'good.example'", false}, {"server_name == ''", true}, {"port > 0", true}} {
		go func() { // ends with the listener, at the latest
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			b, _ := io.ReadAll(c)
			got <- string(b)
		}()
		p, err := policy.Parse("p", []byte("version: 1\nrules: [{allow: 127.0.0.1, when: \""+c.when+"\"}]"))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := under(t, sni.Config{}, p).DialContext(t.Context(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(conn, "GET / HTTP/1.1\r\n")
		conn.(interface{ CloseWrite() error }).CloseWrite()
		_, err = io.ReadAll(conn)
		if c.ok && err != nil || !c.ok && !errors.Is(err, syscall.EACCES) {
			t.Errorf("%s: %v", c.when, err)
		}
		conn.Close()
		if b := <-got; (b != "") != c.ok {
			t.Errorf("%s: the server has seen %q", c.when, b)
		}
	}
}
