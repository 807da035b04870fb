package socketstest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// The program of the README, over a TUN: a private stack, a policy in the
// chain, and on the other side of the device a kernel.
func TestEmbeddedOverTUN(t *testing.T) {
	ns := tuntest.NetNS(t)
	kernel := netip.MustParsePrefix("10.66.0.2/24")
	own := netip.MustParsePrefix("10.66.0.1/24")
	session := embedded(t, ns, kernel, own)
	inKernel := dialIn(ns)

	// A server here, a kernel's client there: HTTP/1.1, TLS and HTTP/2.
	for _, h2 := range []bool{false, true} {
		url, pool := serveOn(t, session, own.Addr(), h2)
		tr := &http.Transport{DialContext: inKernel, TLSClientConfig: &tls.Config{RootCAs: pool.RootCAs, ServerName: "example.com"}, ForceAttemptHTTP2: h2}
		get(t, tr, url, map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[h2])
	}
	// The other way round, through the policy.
	l := listenIn(t, ns, netip.AddrPortFrom(kernel.Addr(), 8080))
	srv := &http.Server{Handler: http.HandlerFunc(hello)}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	get(t, &http.Transport{DialContext: session.DialContext}, "http://"+l.Addr().String(), "HTTP/1.1")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := session.DialContext(ctx, "tcp", netip.AddrPortFrom(kernel.Addr(), 9090).String())
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("port 9090, which is not allowed: %v, want permission denied", err)
	}
}

func embedded(t *testing.T, ns string, kernel, own netip.Prefix) *sockets.Session {
	t.Helper()
	d, err := tun.Open(tun.Config{Name: "embed0", Netns: ns, MTU: 1500})
	if err != nil {
		t.Fatal(err)
	}
	link, err := d.Link()
	if err == nil {
		err = errors.Join(link.AddAddr(kernel), link.SetUp())
	}
	if err != nil {
		d.Close()
		t.Fatal(err)
	}
	st, err := stack.New(stack.Config{})
	if err != nil {
		d.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if _, err := st.AddNIC(stack.NICConfig{Device: d, Addrs: []netip.Prefix{own}}); err != nil {
		t.Fatal(err)
	}
	catalog := new(provider.Catalog)
	base, err := catalog.InstallBase("netstack", netstack.NewBase(netstack.Config{Stack: st}))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.FromFlags([]string{"10.66.0.2:8080"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	layer, err := catalog.InstallLayer("policy", policy.Layer(rules))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.InstallChain("default", []provider.CatalogID{layer}, base...); err != nil {
		t.Fatal(err)
	}
	return socketstest.Start(t, catalog)
}

func dialIn(ns string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		err = tun.InNetns(ns, func() (err error) {
			c, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return c, err
	}
}

func listenIn(t *testing.T, ns string, at netip.AddrPort) (l net.Listener) {
	t.Helper()
	if err := tun.InNetns(ns, func() (err error) {
		l, err = net.Listen("tcp", at.String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return l
}

// serveOn runs an HTTPS server on the session; HTTP/2 if h2.
func serveOn(t *testing.T, s *sockets.Session, at netip.Addr, h2 bool) (url string, client *tls.Config) {
	t.Helper()
	l, err := s.Listen(t.Context(), "tcp", netip.AddrPortFrom(at, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	srv.Listener.Close()
	srv.Listener, srv.EnableHTTP2 = l, h2
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return "https://" + l.Addr().String(), srv.Client().Transport.(*http.Transport).TLSClientConfig
}

func hello(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello over %s", r.Proto) }

func get(t *testing.T, tr *http.Transport, url, proto string) {
	t.Helper()
	defer tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatalf("get %s: %v", url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "hello over "+proto {
		t.Errorf("get %s: %q, %v; want %s", url, body, err, proto)
	}
}
