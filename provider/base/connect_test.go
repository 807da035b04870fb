package base_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestConnectArguments is winsock-spi 3.9, less the states.
func TestConnectArguments(t *testing.T) {
	mapped := provider.Addr{AddrPort: netip.MustParseAddrPort("[::ffff:10.0.0.9]:80"), Family: wsa.AF_INET6}
	for _, c := range []struct {
		name    string
		af, typ int32
		r       provider.ConnectRequest
		want    wsa.Errno
	}{
		{"no sockaddr (12.7)", wsa.AF_INET, wsa.SOCK_STREAM, provider.ConnectRequest{}, wsa.EFAULT},
		{"zero address", wsa.AF_INET, wsa.SOCK_STREAM, provider.ConnectRequest{To: addr("0.0.0.0:80")}, wsa.EADDRNOTAVAIL},
		{"zero address v6", wsa.AF_INET6, wsa.SOCK_STREAM, provider.ConnectRequest{To: addr("[::]:80")}, wsa.EADDRNOTAVAIL},
		{"port 0", wsa.AF_INET, wsa.SOCK_STREAM, provider.ConnectRequest{To: addr("10.0.0.9:0")}, wsa.EADDRNOTAVAIL},
		{"group", wsa.AF_INET, wsa.SOCK_STREAM, provider.ConnectRequest{To: addr("224.0.0.1:80")}, wsa.EADDRNOTAVAIL},
		{"broadcast", wsa.AF_INET, wsa.SOCK_STREAM, provider.ConnectRequest{To: addr("255.255.255.255:80")}, wsa.EADDRNOTAVAIL},
		{"v6 on v4", wsa.AF_INET, wsa.SOCK_STREAM, provider.ConnectRequest{To: addr("[fd00::9]:80")}, wsa.EAFNOSUPPORT},
		{"v4 on v6", wsa.AF_INET6, wsa.SOCK_STREAM, provider.ConnectRequest{To: addr("10.0.0.9:80")}, wsa.EAFNOSUPPORT},
		{"unknown family", wsa.AF_INET, wsa.SOCK_STREAM, provider.ConnectRequest{To: provider.Addr{Family: 0xdead}}, wsa.EAFNOSUPPORT},
		{"malformed", wsa.AF_INET, wsa.SOCK_STREAM, provider.ConnectRequest{To: provider.Addr{Family: wsa.AF_INET}}, wsa.EFAULT},
		{"v4-mapped on V6ONLY (9.3)", wsa.AF_INET6, wsa.SOCK_STREAM, provider.ConnectRequest{To: mapped}, wsa.EADDRNOTAVAIL},
		{"connect data", wsa.AF_INET, wsa.SOCK_STREAM, provider.ConnectRequest{To: addr("10.0.0.9:80"), CallerData: []byte("x")}, wsa.EPROTONOSUPPORT},
		{"connect data, datagram", wsa.AF_INET, wsa.SOCK_DGRAM, provider.ConnectRequest{To: addr("10.0.0.9:80"), CallerData: []byte("x")}, wsa.EPROTONOSUPPORT},
		{"ConnectEx unbound", wsa.AF_INET, wsa.SOCK_STREAM, provider.ConnectRequest{To: addr("10.0.0.9:80"), Ex: true}, wsa.EINVAL},
		{"ConnectEx datagram", wsa.AF_INET, wsa.SOCK_DGRAM, provider.ConnectRequest{To: addr("10.0.0.9:80"), Ex: true}, wsa.EINVAL},
		{"datagram to port 0", wsa.AF_INET, wsa.SOCK_DGRAM, provider.ConnectRequest{To: addr("10.0.0.9:0")}, wsa.EADDRNOTAVAIL},
		{"datagram to 0.0.0.0:80", wsa.AF_INET, wsa.SOCK_DGRAM, provider.ConnectRequest{To: addr("0.0.0.0:80")}, wsa.EADDRNOTAVAIL},
		{"datagram to broadcast", wsa.AF_INET, wsa.SOCK_DGRAM, provider.ConnectRequest{To: addr("255.255.255.255:80")}, wsa.EACCES},
		{"disconnect without a peer", wsa.AF_INET, wsa.SOCK_DGRAM, provider.ConnectRequest{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, basetest.NewScript())
			s := r.socket(c.af, c.typ, 0)
			r.want("connect", r.table(s).WSPConnect(s, &c.r), c.want)
			if _, e := r.table(s).WSPGetSockName(s); e != wsa.EINVAL {
				t.Errorf("the socket was bound by it: %s", name(e))
			}
		})
	}
}

// TestBindArguments is winsock-spi 3.6.
func TestBindArguments(t *testing.T) {
	for _, c := range []struct {
		name   string
		af     int32
		a      provider.Addr
		driver wsa.Errno
		want   wsa.Errno
	}{
		{"no sockaddr", wsa.AF_INET, provider.Addr{}, 0, wsa.EFAULT},
		{"v6 on v4", wsa.AF_INET, addr("[::1]:1"), 0, wsa.EFAULT},
		{"v4 on v6", wsa.AF_INET6, addr("127.0.0.1:1"), 0, wsa.EFAULT},
		{"unknown family (observed)", wsa.AF_INET, provider.Addr{Family: 0xdead}, 0, wsa.EAFNOSUPPORT},
		{"broadcast", wsa.AF_INET, addr("255.255.255.255:1"), 0, wsa.EACCES},
		{"taken", wsa.AF_INET, addr("127.0.0.1:1"), wsa.EADDRINUSE, wsa.EADDRINUSE},
		{"not ours", wsa.AF_INET, addr("127.0.0.1:1"), wsa.EADDRNOTAVAIL, wsa.EADDRNOTAVAIL},
		{"exclusive", wsa.AF_INET, addr("127.0.0.1:1"), wsa.EACCES, wsa.EACCES},
		{"ports gone", wsa.AF_INET, addr("0.0.0.0:0"), wsa.ENOBUFS, wsa.ENOBUFS},
		{"wildcard", wsa.AF_INET, addr("0.0.0.0:0"), 0, 0},
		{"v6", wsa.AF_INET6, addr("[::1]:1"), 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := basetest.NewScript()
			r := newRig(t, d)
			s := r.socket(c.af, wsa.SOCK_STREAM, 0)
			d.Last().On("Bind", basetest.Result{Errno: c.driver})
			r.want("bind", r.table(s).WSPBind(s, c.a), c.want)
			again := wsa.Errno(0)
			if c.want == 0 {
				again = wsa.EINVAL
			}
			good := provider.Any(c.af, 0)
			r.want("bind again", r.table(s).WSPBind(s, good), again)
		})
	}
}

// TestReconnect: connect again after a failed attempt, on a fresh endpoint under
// the same Socket (3.9, spi-notes 1.3).
func TestReconnect(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		for _, cause := range []wsa.Errno{wsa.ECONNREFUSED, wsa.ENETUNREACH, wsa.EHOSTUNREACH, wsa.ETIMEDOUT} {
			d := basetest.NewScript()
			r := newRig(t, d, layers...)
			s := r.tcp()
			r.want("nodelay", r.set(s, wsa.IPPROTO_TCP, wsa.TCP_NODELAY, 1), 0)
			r.want("sndbuf", r.set(s, wsa.SOL_SOCKET, wsa.SO_SNDBUF, 12345), 0)
			r.want("connect", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
			first := d.Last()
			var w watched
			r.table(s).Watch(s, &w, wsa.FD_ALL_EVENTS)
			defer r.table(s).Watch(s, nil, 0)
			first.Become(dead(cause), wsa.FD_CONNECT)
			if w.take()&wsa.FD_CONNECT == 0 {
				t.Error("no wake for the failure")
			}
			for range 2 { // SO_ERROR is sticky (12.4)
				if v, e := r.get(s, wsa.SOL_SOCKET, wsa.SO_ERROR); v != int(cause) || e != 0 {
					t.Errorf("SO_ERROR %d %s, want %d", v, name(e), cause)
				}
			}
			if g := r.ready(s); g.Events&^wsa.EvDrained != wsa.FD_CONNECT || g.Connect != cause {
				t.Errorf("refused: %+v, want FD_CONNECT alone", g)
			}
			r.want("connect again", r.connect(s, "10.0.0.9:81"), wsa.EWOULDBLOCK)
			second := d.Last()
			if second == first {
				t.Fatal("the endpoint was not replaced")
			}
			if _, closed := first.Closed(); !closed {
				t.Error("the spent endpoint was not closed")
			}
			if v, _ := second.Option(wsa.IPPROTO_TCP, wsa.TCP_NODELAY); v != 1 {
				t.Error("TCP_NODELAY was not replayed")
			}
			if v, _ := second.Option(wsa.SOL_SOCKET, wsa.SO_SNDBUF); v != 12345 {
				t.Error("SO_SNDBUF was not replayed")
			}
			if len(second.Called("Bind")) != 0 {
				t.Error("an implicit bind was repeated")
			}
			if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_ERROR); v != 0 {
				t.Errorf("SO_ERROR %d in the new attempt", v)
			}
			second.Become(established, wsa.FD_CONNECT)
			if w.take()&wsa.FD_CONNECT == 0 {
				t.Error("the watcher did not survive the replacement")
			}
			if p, e := r.table(s).WSPGetPeerName(s); e != 0 || p != addr("10.0.0.9:81") {
				t.Errorf("peer %v %s", p, name(e))
			}
		}
	})
}

// TestReconnectBound: an explicit bind is repeated, port included; if it cannot
// be, the attempt fails and the next one tries again.
func TestReconnectBound(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.tcp()
	r.bind(s, "0.0.0.0:0")
	chosen, _ := d.Last().LocalAddr()
	d.Last().SetNames(portAt("10.0.0.1", chosen), provider.Addr{}) // what routing will make of it
	r.want("connect", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
	d.Last().Become(dead(wsa.ECONNREFUSED), wsa.FD_CONNECT)

	d.OnOpen(func(e *basetest.Endpoint) { e.On("Bind", basetest.Result{Errno: wsa.EADDRINUSE}) })
	r.want("connect, address taken", r.connect(s, "10.0.0.9:80"), wsa.EADDRINUSE)
	d.FailOpen(wsa.EMFILE)
	r.want("connect, no descriptor", r.connect(s, "10.0.0.9:80"), wsa.EMFILE)
	d.OnOpen(nil)
	r.want("connect", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
	got := d.Last().Called("Bind")
	if len(got) != 1 || got[0].Addr != chosen || chosen.Port() == 0 {
		t.Errorf("rebound to %+v, want %v", got, chosen)
	}
}

func portAt(ip string, a provider.Addr) provider.Addr {
	return provider.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr(ip), a.Port()))
}

// TestListenAfterRefusal: the spent endpoint does not stand in the way of a
// listener either.
func TestListenAfterRefusal(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.tcp()
	r.bind(s, "127.0.0.1:0")
	r.want("connect", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
	d.Last().Become(dead(wsa.ECONNREFUSED), wsa.FD_CONNECT)
	r.want("listen", r.table(s).WSPListen(s, 1), 0)
	if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_ACCEPTCONN); v != 1 {
		t.Error("it does not listen")
	}
}

// TestConnectFailsAtOnce: an attempt that does not start leaves the socket as it was.
func TestConnectFailsAtOnce(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.tcp()
	ep := d.Last()
	ep.On("Connect", basetest.Result{Errno: wsa.ENETUNREACH})
	r.want("connect", r.connect(s, "10.0.0.9:80"), wsa.ENETUNREACH)
	r.want("recv", operations["recv"](r, s), wsa.EINVAL)
	if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_ERROR); v != int(wsa.ENETUNREACH) {
		t.Errorf("SO_ERROR %d", v)
	}
	r.want("connect again", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
	if d.Last() != ep {
		t.Error("a healthy endpoint was replaced")
	}
}

// TestEstablishedThenReset: a connection that came and went between two looks was
// connected: FD_CONNECT without an error, then FD_CLOSE.
func TestEstablishedThenReset(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := connectingTo(r, d)
	d.Last().Set(dead(wsa.ECONNRESET))
	if g := r.ready(s); g.Events&(wsa.FD_CONNECT|wsa.FD_CLOSE) != wsa.FD_CONNECT|wsa.FD_CLOSE || g.Connect != 0 || g.Close != wsa.ECONNABORTED {
		t.Errorf("ready %+v", g)
	}
	r.want("recv", operations["recv"](r, s), wsa.ECONNRESET)
}

// TestImmediateConnect: a driver that connects at once is not asked to wait.
func TestImmediateConnect(t *testing.T) {
	r := newRig(t, basetest.Null{})
	s := r.tcp()
	r.want("connect", r.connect(s, "10.0.0.9:80"), 0)
	if n, e := r.send(s, "abc"); n != 3 || e != 0 {
		t.Errorf("send %d %s", n, name(e))
	}
}

// TestListenBacklog is winsock-spi 3.20 and 12.9.
func TestListenBacklog(t *testing.T) {
	for _, backlog := range []int{-2, 0, 1, 5, wsa.SOMAXCONN} {
		d := basetest.NewScript()
		r := newRig(t, d)
		s := r.tcp()
		r.want("unbound", r.table(s).WSPListen(s, backlog), wsa.EINVAL)
		r.bind(s, "127.0.0.1:0")
		if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_ACCEPTCONN); v != 0 {
			t.Error("SO_ACCEPTCONN before listen")
		}
		r.want("listen", r.table(s).WSPListen(s, backlog), 0)
		r.want("listen again", r.table(s).WSPListen(s, 1), 0)
		if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_ACCEPTCONN); v != 1 {
			t.Error("no SO_ACCEPTCONN after listen")
		}
		c := d.Last().Called("Listen")
		if len(c) != 2 || c[0].Value < 1 || c[0].Value > 4096 || c[1].Value != 1 {
			t.Errorf("backlog %d: the driver saw %+v", backlog, c)
		}
	}
}

// TestOverNetwork: the real thing in memory, refused and blackholed too.
func TestOverNetwork(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		for _, at := range []string{"127.0.0.1:80", "10.0.0.1:80", "[::1]:80", "[fd00::1]:80"} {
			n := basetest.NewNetwork(basetest.NetworkConfig{})
			r := newRig(t, n, layers...)
			l, c, s := r.pair(at)
			for _, x := range []struct{ from, to *provider.Socket }{{c, s}, {s, c}} {
				if m, e := r.send(x.from, "hello"); m != 5 || e != 0 {
					t.Fatalf("send %d %s", m, name(e))
				}
				if data, e := r.recv(x.to, 99, 0); data != "hello" || e != 0 {
					t.Fatalf("recv %q %s", data, name(e))
				}
			}
			peer, _ := r.table(c).WSPGetPeerName(c)
			local, _ := r.table(s).WSPGetSockName(s)
			if peer != addr(at) || local != addr(at) {
				t.Errorf("names %v %v, want %s", peer, local, at)
			}
			r.want("close", r.close(l, provider.CloseLinger), 0)
			late := r.socket(c.Family, wsa.SOCK_STREAM, 0)
			r.want("connect", r.connect(late, at), wsa.EWOULDBLOCK)
			if g := r.ready(late); g.Connect != wsa.ECONNREFUSED {
				t.Errorf("refused: %+v", g)
			}
			hole := r.socket(wsa.AF_INET, wsa.SOCK_STREAM, 0)
			to := netip.AddrPortFrom(basetest.Blackhole4, 80)
			r.want("connect", r.connect(hole, to.String()), wsa.EWOULDBLOCK)
			if g := r.ready(hole); g.Events&wsa.FD_CONNECT != 0 {
				t.Errorf("a black hole answered: %+v", g)
			}
			if n.Fail(to, wsa.ETIMEDOUT) != 1 {
				t.Error("the attempt is not there")
			}
			if g := r.ready(hole); g.Connect != wsa.ETIMEDOUT {
				t.Errorf("timed out: %+v", g)
			}
		}
	})
}

var _ base.Driver = (*basetest.Network)(nil)
