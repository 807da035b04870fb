package host_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

func sendTo(t testing.TB, e *end, to provider.Addr, text string) {
	t.Helper()
	n, errno := e.Send(&provider.Msg{Buffers: [][]byte{[]byte(text)}, Addr: to})
	if n != len(text) || errno != 0 {
		t.Fatalf("Send to %v: %d, %s", to, n, errno.Name())
	}
}

func wantFrom(t testing.TB, e *end, from provider.Addr, text string) {
	t.Helper()
	buf := make([]byte, 100)
	n, addr, errno := e.recv(buf)
	if string(buf[:n]) != text || addr != from || errno != 0 {
		t.Fatalf("received %q from %v, %s; want %q from %v", buf[:n], addr, errno.Name(), text, from)
	}
}

func TestDatagrams(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b := openUDP(t, h, af), openUDP(t, h, af)
		if st := a.State(); st.Readable || !st.Writable || st.Soft || st.Phase != base.Idle {
			t.Fatalf("fresh: %+v", st)
		}
		q := b.Endpoint.(base.Queuer)
		for _, text := range []string{"one", "", "three"} { // an empty one is one
			sendTo(t, a, local(t, b), text)
		}
		b.readable()
		equal(t, "Queued", q.Queued(), 3)
		wantFrom(t, b, local(t, a), "one")
		equal(t, "Queued", q.Queued(), 0)
		if !b.State().Readable {
			t.Fatal("a datagram of no bytes does not make it readable")
		}
		wantFrom(t, b, local(t, a), "")
		equal(t, "Queued", q.Queued(), 5)

		buf := make([]byte, 2)
		m := &provider.Msg{Buffers: [][]byte{buf}, Flags: wsa.MSG_PEEK}
		for _, flags := range []wsa.MsgFlags{wsa.MSG_PEEK, 0} {
			m.Flags = flags
			n, errno := b.Recv(m)
			if n != 2 || errno != wsa.EMSGSIZE || string(buf) != "th" || m.Addr != local(t, a) || m.Flags&wsa.MSG_TRUNC == 0 {
				t.Fatalf("truncated: %d, %s, %q, %v, %#x", n, errno.Name(), buf, m.Addr, m.Flags)
			}
		}
		if b.State().Readable {
			t.Fatal("the rest of a truncated datagram is still there")
		}
		_, errno := b.Recv(m)
		equal(t, "Recv of nothing", errno, wsa.EWOULDBLOCK)

		// Gathered from and scattered over many slices.
		sent := &provider.Msg{Addr: local(t, b)}
		for _, c := range strings.Repeat("0123456789", 20) {
			sent.Buffers = append(sent.Buffers, []byte{byte(c)}, nil)
		}
		n, errno := a.Send(sent)
		if n != 200 || errno != 0 {
			t.Fatalf("gathered: %d, %s", n, errno.Name())
		}
		b.readable()
		first, second := make([]byte, 150), make([]byte, 150)
		n, errno = b.Recv(&provider.Msg{Buffers: [][]byte{first, second}})
		if n != 200 || errno != 0 || string(first[:10])+string(second[40:50]) != "01234567890123456789" {
			t.Fatalf("scattered: %d, %s, %q, %q", n, errno.Name(), first, second)
		}
		_, errno = a.Send(&provider.Msg{Buffers: [][]byte{make([]byte, 65536)}, Addr: local(t, b)})
		equal(t, "Send of too much", errno, wsa.EMSGSIZE)
		_, errno = a.Send(&provider.Msg{Buffers: [][]byte{nil}})
		equal(t, "Send to nobody", errno, wsa.ENOTCONN)
	})
}

func TestConnectedDatagrams(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b, stranger := openUDP(t, h, af), openUDP(t, h, af), openUDP(t, h, af)
		c := open(t, h, af, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP) // the kernel chooses its port
		must(t, "Connect", c.Connect(local(t, a)))
		here := local(t, c)
		equal(t, "phase", c.State().Phase, base.Connected)
		equal(t, "peer", must2(c.PeerAddr()), local(t, a))
		sendTo(t, c, provider.Addr{}, "to the peer")
		wantFrom(t, a, here, "to the peer")
		sendTo(t, c, local(t, b), "to another")
		wantFrom(t, b, here, "to another")
		sendTo(t, stranger, here, "not heard")
		sendTo(t, a, here, "heard")
		wantFrom(t, c, local(t, a), "heard")

		must(t, "Connect", c.Connect(local(t, b)))
		equal(t, "port after a second Connect", local(t, c).Port(), here.Port())
		must(t, "Disconnect", c.Disconnect())
		equal(t, "phase", c.State().Phase, base.Idle)
		if _, ok := c.PeerAddr(); ok {
			t.Error("a peer after Disconnect")
		}
		equal(t, "port after Disconnect", local(t, c).Port(), here.Port())
		sendTo(t, stranger, here, "heard now")
		wantFrom(t, c, local(t, stranger), "heard now")
	})
}

// TestPortUnreachable: the error names the destination that drew it, and sends
// to others are not failed by it.
func TestPortUnreachable(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b, gone := openUDP(t, h, af), openUDP(t, h, af), openUDP(t, h, af)
		dead := local(t, gone)
		gone.Close(false)
		const rounds = 10
		for range rounds {
			sendTo(t, a, dead, "x")
			sendTo(t, a, local(t, b), "y") // the kernel would fail this one
		}
		for range rounds {
			wantFrom(t, b, local(t, a), "y")
			a.until("soft", func(s base.State) bool { return s.Soft })
			equal(t, "SoftError", a.Endpoint.(base.SoftNamer).SoftError(), wsa.ECONNRESET)
			n, from, errno := a.recv(make([]byte, 1))
			if n != 0 || from != dead || errno != wsa.ECONNRESET {
				t.Fatalf("Recv: %d, %v, %s; want ECONNRESET from %v", n, from, errno.Name(), dead)
			}
		}
		if st := a.State(); st.Soft || st.Readable {
			t.Fatalf("after all errors: %+v", st)
		}
		_, errno := a.Recv(&provider.Msg{Buffers: [][]byte{make([]byte, 1)}})
		equal(t, "Recv of nothing", errno, wsa.EWOULDBLOCK)

		for range 1000 { // bounded
			sendTo(t, a, dead, "x")
		}
		kept := 0
		for {
			_, errno := a.Recv(&provider.Msg{Buffers: [][]byte{make([]byte, 1)}})
			if errno == wsa.EWOULDBLOCK {
				break
			}
			kept++
		}
		if kept > 1000 {
			t.Fatalf("%d errors for 1000 datagrams", kept)
		}
		sendTo(t, a, local(t, b), "still")
		wantFrom(t, b, local(t, a), "still")
	})
}

// TestControl sends and receives with all ancillary data there is.
func TestControl(t *testing.T) {
	const all = provider.ControlPacketInfo | provider.ControlTTL | provider.ControlTOS
	for _, c := range []struct {
		name     string
		af       int32
		dual     bool
		src, dst string
		index    uint32
	}{
		{name: "inet", af: wsa.AF_INET, src: "127.0.0.2", dst: "127.0.0.3"},
		{name: "inet6", af: wsa.AF_INET6, src: "::1", dst: "::1"},
		{name: "mapped", af: wsa.AF_INET6, dual: true, src: "::ffff:127.0.0.2", dst: "::ffff:127.0.0.3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, host.Config{})
			a := open(t, h, c.af, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
			b := open(t, h, c.af, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
			for _, e := range []*end{a, b} {
				if c.dual {
					must(t, "IPV6_V6ONLY", e.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0))
				}
				must(t, "Bind", e.Bind(provider.Any(c.af, 0)))
			}
			got := &provider.Msg{Buffers: [][]byte{make([]byte, 10)}, Control: &provider.Control{Has: all}}
			_, errno := b.Recv(got) // asks for it, so that the first datagram has it
			equal(t, "Recv of nothing", errno, wsa.EWOULDBLOCK)

			to := provider.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr(c.dst), local(t, b).Port()))
			sent := provider.Control{Has: all, Dst: netip.MustParseAddr(c.src), TTL: 7, TOS: 0x20}
			if n, errno := a.Send(&provider.Msg{Buffers: [][]byte{[]byte("x")}, Addr: to, Control: &sent}); n != 1 || errno != 0 {
				t.Fatalf("Send: %d, %s", n, errno.Name())
			}
			b.readable()
			got.Control.Has = all
			_, errno = b.Recv(got)
			must(t, "Recv", errno)
			equal(t, "source", got.Addr.Addr(), netip.MustParseAddr(c.src))
			in := got.Control
			if in.Has != all || in.TTL != 7 || in.TOS != 0x20 || in.Dst.Unmap() != netip.MustParseAddr(c.dst).Unmap() || in.IfIndex == 0 {
				t.Fatalf("received with %+v", *in)
			}
		})
	}
}

// TestMapped: an IPv6 endpoint that is not IPv6-only hears IPv4's errors too.
func TestMapped(t *testing.T) {
	h := newHost(t, host.Config{})
	a := open(t, h, wsa.AF_INET6, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
	must(t, "IPV6_V6ONLY", a.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0))
	must(t, "Bind", a.Bind(provider.Any(wsa.AF_INET6, 0)))
	b := openUDP(t, h, wsa.AF_INET)
	port := local(t, b).Port()
	to := provider.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr("::ffff:127.0.0.1"), port))
	sendTo(t, a, to, "mapped")
	wantFrom(t, b, loopback(wsa.AF_INET, local(t, a).Port()), "mapped")
	b.Close(false)
	sendTo(t, a, to, "x")
	_, from, errno := a.recv(make([]byte, 1))
	if from != to || errno != wsa.ECONNRESET {
		t.Fatalf("%v, %s; want ECONNRESET from %v", from, errno.Name(), to)
	}
	only := openUDP(t, h, wsa.AF_INET6)
	_, errno = only.Send(&provider.Msg{Buffers: [][]byte{nil}, Addr: to})
	if errno == 0 {
		t.Fatal("an IPv6-only endpoint sent to a mapped address")
	}
}

// TestFullBuffer: EWOULDBLOCK of a datagram endpoint, and the wake that ends it.
func TestFullBuffer(t *testing.T) {
	privateNetwork(t, append(blackhole, "tc qdisc add dev d0 root tbf rate 1mbit burst 5kb latency 10s")...)
	h := newHost(t, host.Config{})
	e := open(t, h, wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
	must(t, "SO_SNDBUF", e.SetOption(wsa.SOL_SOCKET, wsa.SO_SNDBUF, 8192))
	must(t, "Bind", e.Bind(at("10.9.0.1:0")))
	blocked := 0
	for range 100 {
		begin := time.Now()
		_, errno := e.Send(&provider.Msg{Buffers: [][]byte{make([]byte, 1000)}, Addr: at("10.9.0.2:9")})
		switch errno {
		case wsa.EWOULDBLOCK:
			blocked++
			if e.State().Writable && time.Since(begin) < 10*time.Millisecond { // half a buffer takes 30
				t.Fatal("writable right after EWOULDBLOCK")
			}
			e.until("writable", func(s base.State) bool { return s.Writable })
		case 0:
		default:
			t.Fatalf("Send: %s", errno.Name())
		}
	}
	if blocked == 0 {
		t.Fatal("8 KiB took 100 kB")
	}
}
