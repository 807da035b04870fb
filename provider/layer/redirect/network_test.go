package redirect_test

import (
	"context"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// TestHost: a client of HTTP over the system's own sockets, and bytes that stay whole.
func TestHost(t *testing.T) {
	h, err := host.New(host.Config{})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err) // no host base on this system
	}
	t.Cleanup(func() { h.Close() })
	body := make([]byte, 1<<20)
	for i := range body {
		body[i] = byte(i * 7 >> 3)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }))
	t.Cleanup(srv.Close)
	s := session(h, layer(t, "tcp/203.0.113.1:80="+srv.Listener.Addr().String()))
	t.Cleanup(func() { s.Close() })
	tr := &http.Transport{DialContext: s.DialContext}
	t.Cleanup(tr.CloseIdleConnections)
	resp, err := (&http.Client{Transport: tr}).Get("http://203.0.113.1/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(body) {
		t.Errorf("%d bytes of %d, %v, or others", len(got), len(body), err)
	}
}

// TestPacketConn: an unconnected socket and a connected one, both with answers from whom
// they asked.
func TestPacketConn(t *testing.T) {
	network := basetest.NewNetwork(basetest.NetworkConfig{})
	there, here := session(network), session(network, layer(t, "udp/203.0.113.0/24:53=127.0.0.1:5353"))
	t.Cleanup(func() { here.Close() })
	t.Cleanup(func() { there.Close() })
	server, err := there.ListenPacket(context.Background(), "udp", "127.0.0.1:5353")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 100)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			server.WriteTo(b[:n], from)
		}
	}()
	t.Cleanup(func() { server.Close(); <-ended })

	c, err := here.ListenPacket(context.Background(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("203.0.113.9:53"))
	if _, err := c.WriteTo([]byte("question"), to); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, from, err := c.ReadFrom(b); err != nil || string(b[:n]) != "question" || from.String() != to.String() {
		t.Errorf("%q from %v, %v; want it from %v", b[:n], from, err, to)
	}
	d, err := here.Dial("udp", "203.0.113.8:53")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Write([]byte("again")); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Read(b); err != nil || string(b[:n]) != "again" || d.RemoteAddr().String() != "203.0.113.8:53" {
		t.Errorf("%q, %v, peer %v", b[:n], err, d.RemoteAddr())
	}
}

// TestWinsock: the peer as Winsock's calls tell it (law 11), SO_BSP_STATE among them.
func TestWinsock(t *testing.T) {
	network := basetest.NewNetwork(basetest.NetworkConfig{})
	there, here := session(network), session(network, layer(t, "tcp/203.0.113.1:80=127.0.0.1:8080"))
	t.Cleanup(func() { here.Close() })
	t.Cleanup(func() { there.Close() })
	l, err := there.Listen(context.Background(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := netip.MustParseAddrPort("203.0.113.1:80")
	tab := here.ProcTable()
	s, e := tab.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
	want(t, "socket", e)
	defer tab.WSPCloseSocket(s)
	want(t, "connect", tab.WSPConnect(s, winsocktest.Name(asked.Addr(), asked.Port()), nil, nil, nil, nil))

	state := make([]byte, 128)
	k, e := here.Lookup(s)
	want(t, "lookup", e)
	n, e := k.Chain().Table.WSPGetSockOpt(k, wsa.SOL_SOCKET, wsa.SO_BSP_STATE, state)
	want(t, "SO_BSP_STATE", e)
	if peer, ok := provider.ParseSockaddr(state[n-provider.SockaddrInSize : n]); !ok || peer.AddrPort != asked {
		t.Errorf("SO_BSP_STATE has the peer %v, want %v", peer, asked)
	}
	if peer, e := k.Chain().Table.WSPGetPeerName(k); e != 0 || peer.AddrPort != asked {
		t.Errorf("the peer is %v, %v, want %v", peer, e, asked)
	}
}

func want(t *testing.T, what string, e wsa.Errno) {
	t.Helper()
	if e != 0 {
		t.Fatalf("%s: %s", what, e.Name())
	}
}
