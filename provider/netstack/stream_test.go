package netstack_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack/stacktest"
)

func TestStreamEcho(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a, b := n.connection(t, fam)
		local, _ := a.LocalAddr()
		if peer, ok := b.PeerAddr(); !ok || peer.AddrPort != local.AddrPort {
			t.Errorf("b's peer is %v, a is %v", peer, local)
		}
		sent, e := a.Send(msg([]byte("one "), nil, []byte("and two")))
		a.must("send", e)
		b.await("readable", readable)
		peek := msg(make([]byte, 3))
		peek.Flags = wsa.MSG_PEEK
		if k, e := b.Recv(peek); k != 3 || e != 0 || string(peek.Buffers[0]) != "one" {
			t.Errorf("peek: %q, %s", peek.Buffers[0][:k], e.Name())
		}
		if q := b.Endpoint.(base.Queuer).Queued(); q != sent {
			t.Errorf("queued %d after a peek, sent %d", q, sent)
		}
		m := msg(make([]byte, 2), nil, make([]byte, 100))
		k, e := b.Recv(m)
		if got := string(m.Buffers[0]) + string(m.Buffers[2][:max(k-2, 0)]); k != sent || e != 0 || got != "one and two" {
			t.Errorf("recv: %d %q %s", k, got, e.Name())
		}
		if k, e = b.Recv(m); k != 0 || e != wsa.EWOULDBLOCK {
			t.Errorf("recv of nothing: %d, %s", k, e.Name())
		}
		if k, e = b.Recv(msg(nil)); k != 0 || e != wsa.EWOULDBLOCK {
			t.Errorf("recv of nothing into nothing: %d, %s", k, e.Name())
		}
		if k, e = a.Send(msg(nil)); k != 0 || e != 0 {
			t.Errorf("send of nothing: %d, %s", k, e.Name())
		}
	})
}

// TestStreamHalves sends in both directions, closes one, and goes on in the other.
func TestStreamHalves(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a, b := n.connection(t, fam)
		const size = 3 << 20
		want := pattern(size)
		a.sendAll([]byte("question"))
		a.must("shutdown", a.Shutdown())
		_, e := a.Send(text("more"))
		a.fails("send after shutdown", e, wsa.ESHUTDOWN)
		if got := b.recvAll(-1); string(got) != "question" {
			t.Fatalf("b received %q", got)
		}
		if st := b.State(); !st.PeerClosed || st.Readable || !st.Writable || st.Phase != base.Connected {
			t.Errorf("b after the end: %+v", st)
		}
		a.poll("drained", func(s base.State) bool { return s.Drained })
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.sendAll(want)
			b.must("shutdown", b.Shutdown())
		}()
		got := a.recvAll(-1)
		<-done
		if !bytes.Equal(got, want) {
			t.Fatalf("a received %d bytes, want %d; or not the same", len(got), size)
		}
		for range 2 {
			if k, e := a.Recv(msg(make([]byte, 1))); k != 0 || e != 0 {
				t.Errorf("recv after the end: %d, %s", k, e.Name())
			}
		}
		for _, s := range []*sock{a, b} {
			s.poll("over", func(s base.State) bool { return s.PeerClosed && s.Drained && !s.Readable && s.Err == 0 })
		}
	})
}

// TestStreamDataThenFin: readable and closed are told apart, at every step.
func TestStreamDataThenFin(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		for _, half := range []bool{false, true} {
			t.Run(fmt.Sprintf("own fin first %v", half), func(t *testing.T) {
				a, b := n.connection(t, fam)
				if half {
					b.must("shutdown", b.Shutdown())
					a.await("peer closed", peerClosed)
				}
				a.sendAll([]byte("last words"))
				a.must("shutdown", a.Shutdown())
				if st := b.await("peer closed", peerClosed); !st.Readable {
					t.Errorf("closed with data queued: %+v", st)
				}
				if k, e := b.Recv(msg(make([]byte, 5))); k != 5 || e != 0 {
					t.Errorf("recv: %d, %s", k, e.Name())
				}
				if st := b.State(); !st.Readable || !st.PeerClosed {
					t.Errorf("half of it read: %+v", st)
				}
				if k, e := b.Recv(msg(make([]byte, 5))); k != 5 || e != 0 {
					t.Errorf("recv: %d, %s", k, e.Name())
				}
				if st := b.State(); st.Readable || !st.PeerClosed {
					t.Errorf("all of it read: %+v", st)
				}
			})
		}
	})
}

// TestStreamFinAlone: end of stream is not data.
func TestStreamFinAlone(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a, b := n.connection(t, fam)
		a.must("shutdown", a.Shutdown())
		if st := b.await("peer closed", peerClosed); st.Readable {
			t.Errorf("readable without data: %+v", st)
		}
	})
}

func TestStreamResetForEver(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		t.Run("idle", func(t *testing.T) {
			a, b := n.connection(t, fam)
			b.close(true)
			a.wantDead(wsa.ECONNRESET)
			if p, ok := a.PeerAddr(); !ok || p.Addr() != fam.b {
				t.Errorf("peer of a dead stream: %v, %v", p, ok)
			}
			a.fails("shutdown", a.Shutdown(), wsa.ECONNRESET)
		})
		t.Run("data first", func(t *testing.T) {
			a, b := n.connection(t, fam)
			b.sendAll([]byte("before"))
			a.await("readable", readable)
			b.close(true)
			if st := a.await("dead", dead); !st.Readable {
				t.Errorf("data before the reset: %+v", st)
			}
			if k, e := a.Recv(msg(make([]byte, 10))); k != 6 || e != 0 {
				t.Errorf("recv: %d, %s", k, e.Name())
			}
			a.wantDead(wsa.ECONNRESET)
		})
		t.Run("after fin", func(t *testing.T) {
			a, b := n.connection(t, fam)
			b.must("shutdown", b.Shutdown())
			a.await("peer closed", peerClosed)
			b.poll("drained", func(s base.State) bool { return s.Drained })
			b.close(true)
			a.wantDead(wsa.ECONNRESET)
		})
		t.Run("unread data", func(t *testing.T) {
			a, b := n.connection(t, fam)
			a.sendAll([]byte("nobody reads this"))
			b.await("readable", readable)
			b.close(false)
			a.wantDead(wsa.ECONNRESET)
		})
	})
}

func TestConnectRefused(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a := stream(t, n.a, fam.af)
		a.fails("connect", a.Connect(addr(fam.b, 9)), wsa.EWOULDBLOCK)
		a.wantDead(wsa.ECONNREFUSED)
	})
}

func TestConnectRefusedBySelf(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a := stream(t, n.a, fam.af)
		a.fails("connect", a.Connect(addr(fam.a, 9)), wsa.EWOULDBLOCK)
		a.wantDead(wsa.ECONNREFUSED)
	})
}

func TestConnectUnreachable(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	for _, to := range []string{"192.0.2.1", "2001:db8::1"} {
		ip := netip.MustParseAddr(to)
		af := wsa.AF_INET
		if ip.Is6() {
			af = wsa.AF_INET6
		}
		a := stream(t, n.a, af)
		a.fails("connect to "+to, a.Connect(addr(ip, 80)), wsa.ENETUNREACH)
		if st := a.State(); st.Phase != base.Idle {
			t.Errorf("after a connect that did not start: %s", phaseName(st.Phase))
		}
		u := udp(t, n.a, af)
		u.fails("udp connect to "+to, u.Connect(addr(ip, 80)), wsa.ENETUNREACH)
		m := text("x")
		m.Addr = addr(ip, 80)
		_, e := u.Send(m)
		u.fails("udp send to "+to, e, wsa.ENETUNREACH)
	}
	a := stream(t, n.a, wsa.AF_INET)
	a.fails("connect to any", a.Connect(addr(netip.IPv4Unspecified(), 80)), wsa.EADDRNOTAVAIL)
	a.fails("connect to inet6", a.Connect(addr(stacktest.B6, 80)), wsa.EAFNOSUPPORT)
}

func TestConnectTimeout(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{Fake: true})
	n.Cable.Dark(true)
	a := stream(t, n.a, wsa.AF_INET)
	a.fails("connect", a.Connect(addr(stacktest.B4, 80)), wsa.EWOULDBLOCK)
	if !n.advance(5*time.Minute, func() bool { return dead(a.State()) }) {
		t.Fatalf("still %+v", a.State())
	}
	a.wantDead(wsa.ETIMEDOUT)
}

// advance moves the fake clock a second at a time.
func (n *net) advance(limit time.Duration, done func() bool) bool {
	for range int(limit / time.Second) {
		if done() {
			return true
		}
		n.Clock.Advance(time.Second)
		time.Sleep(50 * time.Microsecond) // real: gVisor's goroutines take their turn
	}
	return done()
}

func fakeConnection(t *testing.T) (n *net, a, b *sock) {
	n = newNet(t, stacktest.PairConfig{Fake: true})
	l, at := listener(t, n.b, stacktest.B4, 1)
	a = stream(t, n.a, wsa.AF_INET)
	a.fails("connect", a.Connect(at), wsa.EWOULDBLOCK)
	// A handshake needs no clock.
	a.await("connected", connected)
	l.await("acceptable", func(s base.State) bool { return s.Acceptable })
	return n, a, l.accept()
}

func TestRetransmissionTimeout(t *testing.T) {
	n, a, _ := fakeConnection(t)
	n.Cable.Dark(true)
	a.sendAll([]byte("into the dark"))
	if !n.advance(time.Hour, func() bool { return dead(a.State()) }) {
		t.Fatalf("still %+v", a.State())
	}
	a.wantDead(wsa.ETIMEDOUT)
}

func TestKeepAliveTimeout(t *testing.T) {
	n, a, _ := fakeConnection(t)
	a.must("idle", a.SetOption(wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE, 10))
	a.must("keepalive", a.SetOption(wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, 1))
	n.Cable.Dark(true)
	start := n.Clock.NowMonotonic()
	if !n.advance(time.Hour, func() bool { return dead(a.State()) }) {
		t.Fatalf("still %+v", a.State())
	}
	// 10 s idle, then 10 probes a second apart: Windows' defaults.
	if took := n.Clock.NowMonotonic().Sub(start); took < 15*time.Second || took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	a.wantDead(wsa.ETIMEDOUT)
}

// TestConnectAndClose gives up an attempt that nobody answers.
func TestConnectAndClose(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		n.Cable.Dark(true)
		for _, abort := range []bool{false, true} {
			a := stream(t, n.a, fam.af)
			a.fails("connect", a.Connect(addr(fam.b, 80)), wsa.EWOULDBLOCK)
			if st := a.State(); st.Phase != base.Connecting {
				t.Errorf("phase %s", phaseName(st.Phase))
			}
			_, e := a.Send(text("x"))
			a.fails("send while connecting", e, wsa.EWOULDBLOCK)
			a.close(abort)
		}
		n.noEndpoints(t)
	})
}

// noEndpoints waits until neither stack knows an endpoint.
func (n *net) noEndpoints(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		left := len(n.A.TCPIP().RegisteredEndpoints()) + len(n.B.TCPIP().RegisteredEndpoints())
		if left == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d endpoints are left", left)
		}
	}
	if n.a.Bindings()+n.b.Bindings()+n.a.Known()+n.b.Known() != 0 {
		t.Errorf("bindings %d and %d, ports known %d and %d are left", n.a.Bindings(), n.b.Bindings(), n.a.Known(), n.b.Known())
	}
}

func TestAcceptOfReset(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		l, at := listener(t, n.b, fam.b, 5)
		a := stream(t, n.a, fam.af).dial(at)
		l.await("acceptable", func(s base.State) bool { return s.Acceptable })
		a.close(true)
		for end := time.Now().Add(patience); n.B.TCPIP().Stats().TCP.CurrentConnected.Value() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the reset does not arrive")
			}
		}
		_, e := l.Accept()
		l.fails("accept", e, wsa.ECONNRESET)
		_, e = l.Accept()
		l.fails("accept", e, wsa.EWOULDBLOCK)
	})
}

// TestListenOfOne: with a backlog of 1 a connection is a full one, not that of a
// SYN cookie, and a burst does no harm.
func TestListenOfOne(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		l, at := listener(t, n.b, fam.b, 1)
		a := stream(t, n.a, fam.af).dial(at)
		if c := n.B.TCPIP().Stats().TCP.ListenOverflowSynCookieSent.Value(); c != 0 {
			t.Errorf("%d SYN cookies for the first connection", c)
		}
		burst := map[*sock]bool{a: false}
		for range 4 {
			s := stream(t, n.a, fam.af)
			s.fails("connect", s.Connect(at), wsa.EWOULDBLOCK)
			burst[s] = false
		}
		// Who speaks is heard: what was dropped, SYN or ACK, comes again. SYNs that
		// are dropped together come again together, after 1, 3, 7, 15 s, and each
		// time at least one is taken.
		for got, end := 0, time.Now().Add(2*patience); got < len(burst); time.Sleep(time.Millisecond) {
			for s, sent := range burst {
				if !sent && connected(s.State()) {
					s.sendAll([]byte("x"))
					burst[s] = true
				}
			}
			if l.State().Acceptable {
				if b := l.accept().recvAll(1); string(b) != "x" {
					t.Fatalf("received %q", b)
				}
				got++
			}
			if time.Now().After(end) {
				t.Fatalf("%d of %d accepted", got, len(burst))
			}
		}
		l.must("listen again, with less", l.Listen(1))
	})
}

func TestDualStack(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	only := stream(t, n.b, wsa.AF_INET6)
	at := only.bind(netip.IPv6Unspecified(), 0)
	only.must("listen", only.Listen(1))
	a := stream(t, n.a, wsa.AF_INET)
	a.fails("connect", a.Connect(addr(stacktest.B4, at.Port())), wsa.EWOULDBLOCK)
	a.wantDead(wsa.ECONNREFUSED)

	both := stream(t, n.b, wsa.AF_INET6)
	both.must("v6only", both.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0))
	at = both.bind(netip.IPv6Unspecified(), 0)
	both.must("listen", both.Listen(5))
	stream(t, n.a, wsa.AF_INET).dial(addr(stacktest.B4, at.Port()))
	c := both.accept()
	peer, _ := c.PeerAddr()
	local, _ := c.LocalAddr()
	mapped := func(ip netip.Addr) netip.Addr { return netip.AddrFrom16(ip.As16()) }
	if peer.Addr() != mapped(stacktest.A4) || local.Addr() != mapped(stacktest.B4) || peer.Family != wsa.AF_INET6 {
		t.Errorf("names: peer %v, local %v", peer, local)
	}
	stream(t, n.a, wsa.AF_INET6).dial(addr(stacktest.B6, at.Port()))
	c = both.accept()
	if peer, _ := c.PeerAddr(); peer.Addr() != stacktest.A6 {
		t.Errorf("peer %v", peer)
	}
	four := stream(t, n.b, wsa.AF_INET)
	four.fails("bind IPv4 beside dual stack", four.Bind(addr(netip.IPv4Unspecified(), at.Port())), wsa.EADDRINUSE)

	// And from a dual-stack socket to IPv4.
	l4, at4 := listener(t, n.b, stacktest.B4, 5)
	d := stream(t, n.a, wsa.AF_INET6)
	d.fails("connect to a mapped address, v6only", d.Connect(addr(mapped(stacktest.B4), at4.Port())), wsa.EADDRNOTAVAIL)
	d.must("v6only", d.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0))
	d.dial(addr(mapped(stacktest.B4), at4.Port()))
	if got, _ := d.LocalAddr(); got.Addr() != mapped(stacktest.A4) {
		t.Errorf("local %v", got)
	}
	l4.accept()
}

func TestThousandEndpoints(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	fam := families[0]
	l, at := listener(t, n.b, fam.b, 200)
	for range 5 {
		var all []*sock
		for range 100 {
			s := stream(t, n.a, fam.af)
			s.fails("connect", s.Connect(at), wsa.EWOULDBLOCK)
			u := udp(t, n.a, fam.af)
			u.bind(fam.a, 0)
			all = append(all, s, u)
		}
		for range 100 {
			all = append(all, l.accept())
		}
		for _, s := range all {
			s.close(true)
		}
	}
	l.close(false)
	n.noEndpoints(t)
}
