package host_test

import (
	"encoding/binary"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// echo is an echo request or reply with sequence number n.
func echo(typ byte, n uint16, text string) []byte {
	b := make([]byte, 8, 8+len(text))
	b[0] = typ
	binary.BigEndian.PutUint16(b[4:], 0xdead) // not ours to choose
	binary.BigEndian.PutUint16(b[6:], n)
	return append(b, text...)
}

// TestPing does the same on a ping socket and on the raw one that plays it.
func TestPing(t *testing.T) {
	for _, c := range []struct {
		name string
		raw  bool
	}{{"ping socket", false}, {"stand-in", true}} {
		t.Run(c.name, func(t *testing.T) {
			privateNetwork(t)
			sysctl(t, "net/ipv4/ping_group_range", "0 2147483647")
			config := host.Config{}
			if c.raw {
				config = host.RawPing()
			}
			h := newHost(t, config)
			ping(t, h, wsa.AF_INET, wsa.IPPROTO_ICMP, 8, 0)
			ping(t, h, wsa.AF_INET6, wsa.IPPROTO_ICMPV6, 128, 129)
			if !c.raw {
				return // Linux 6 lets two ping sockets have one identifier
			}
			for _, p := range [][2]int32{{wsa.AF_INET, wsa.IPPROTO_ICMP}, {wsa.AF_INET6, wsa.IPPROTO_ICMPV6}} {
				a, b := open(t, h, p[0], wsa.SOCK_DGRAM, p[1]), open(t, h, p[0], wsa.SOCK_DGRAM, p[1])
				must(t, "Bind", a.Bind(loopback(p[0], 4711)))
				equal(t, "Bind to the same", b.Bind(loopback(p[0], 4711)), wsa.EADDRINUSE)
				a.Close(false)
				must(t, "Bind to the same after Close", b.Bind(loopback(p[0], 4711)))
			}
		})
	}
}

func ping(t *testing.T, h *host.Host, af, protocol int32, request, reply byte) {
	a, other := open(t, h, af, wsa.SOCK_DGRAM, protocol), open(t, h, af, wsa.SOCK_DGRAM, protocol)
	must(t, "Bind", a.Bind(loopback(af, 0)))
	must(t, "Bind", other.Bind(loopback(af, 0)))
	id := local(t, a).Port()
	if id == 0 || id == local(t, other).Port() {
		t.Fatalf("identifiers %d and %d", id, local(t, other).Port())
	}
	for i := range uint16(3) {
		m := &provider.Msg{Buffers: [][]byte{echo(request, i, "")[:3], echo(request, i, "")[3:], []byte("hello")}, Addr: loopback(af, 0)}
		n, errno := a.Send(m)
		if n != 13 || errno != 0 {
			t.Fatalf("Send: %d, %s", n, errno.Name())
		}
	}
	for i := range uint16(3) {
		a.readable()
		equal(t, "Queued", a.Endpoint.(base.Queuer).Queued(), 13)
		buf := make([]byte, 100)
		n, from, errno := a.recv(buf)
		if errno != 0 || n != 13 || buf[0] != reply || string(buf[8:n]) != "hello" {
			t.Fatalf("received % x, %s", buf[:n], errno.Name())
		}
		equal(t, "source", from, loopback(af, 0))
		equal(t, "identifier", binary.BigEndian.Uint16(buf[4:]), id)
		equal(t, "sequence", binary.BigEndian.Uint16(buf[6:]), i)
	}
	if a.State().Readable || other.State().Readable {
		t.Fatal("what was not for it is queued")
	}
	_, errno := a.Send(&provider.Msg{Buffers: [][]byte{echo(reply, 0, "")}, Addr: loopback(af, 0)})
	equal(t, "Send of a reply", errno, wsa.EINVAL)
	_, errno = a.Send(&provider.Msg{Buffers: [][]byte{make([]byte, 7)}, Addr: loopback(af, 0)})
	equal(t, "Send of half a header", errno, wsa.EINVAL)

	// Truncated, scattered, and by an identifier that was asked for, over a peer.
	const mine = 4711
	c := open(t, h, af, wsa.SOCK_DGRAM, protocol)
	must(t, "Bind", c.Bind(loopback(af, mine)))
	equal(t, "identifier", local(t, c).Port(), mine)
	must(t, "Connect", c.Connect(loopback(af, 0)))
	if _, errno := c.Send(&provider.Msg{Buffers: [][]byte{echo(request, 7, "hello")}}); errno != 0 {
		t.Fatalf("Send to the peer: %s", errno.Name())
	}
	c.readable()
	head, tail := make([]byte, 8), make([]byte, 2)
	n, errno := c.Recv(&provider.Msg{Buffers: [][]byte{head, tail}})
	if n != 10 || errno != wsa.EMSGSIZE || binary.BigEndian.Uint16(head[4:]) != mine || string(tail) != "he" {
		t.Fatalf("truncated: %d, %s, % x % x", n, errno.Name(), head, tail)
	}
	c.Close(false)
}

// TestPingUnreachable: errors come to who asked, through either socket.
func TestPingUnreachable(t *testing.T) {
	for _, config := range []host.Config{{}, host.RawPing()} {
		twoHosts(t, func(far func(string)) {
			sysctl(t, "net/ipv4/ping_group_range", "0 2147483647")
			far("ip route add prohibit 10.8.0.0/16")
			far("ip route add unreachable 10.7.0.0/16")
			h := newHost(t, config)
			a, other := open(t, h, wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_ICMP), open(t, h, wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_ICMP)
			must(t, "Bind", a.Bind(at("0.0.0.0:0")))
			must(t, "Bind", other.Bind(at("0.0.0.0:0")))
			for _, c := range []struct {
				to   string
				want wsa.Errno
			}{{"10.8.0.1:0", wsa.EACCES}, {"10.7.0.1:0", wsa.EHOSTUNREACH}} {
				if _, errno := a.Send(&provider.Msg{Buffers: [][]byte{echo(8, 1, "")}, Addr: at(c.to)}); errno != 0 {
					t.Fatalf("Send: %s", errno.Name())
				}
				_, from, errno := a.recv(make([]byte, 100))
				if errno != c.want || from != at(c.to) {
					t.Fatalf("%s, %v; want %s from %s", errno.Name(), from, c.want.Name(), c.to)
				}
			}
			if other.State().Soft {
				t.Fatal("somebody else's error")
			}
		})
	}
}

// TestPingForbidden: neither kind of socket is allowed.
func TestPingForbidden(t *testing.T) {
	privateNetwork(t)
	dropCapabilities(t)
	h := newHost(t, host.Config{})
	for _, c := range [][3]int32{
		{wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_ICMP}, {wsa.AF_INET6, wsa.SOCK_DGRAM, wsa.IPPROTO_ICMPV6},
		{wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_ICMP}, {wsa.AF_INET6, wsa.SOCK_RAW, 99},
	} {
		_, errno := h.Open(c[0], c[1], c[2])
		equal(t, "Open", errno, wsa.EACCES)
	}
	if _, err := host.New(host.Config{Mark: 1}); err == nil {
		t.Fatal("a mark without CAP_NET_ADMIN")
	}
}

func TestRaw(t *testing.T) {
	privileged(t)
	const protocol = 253 // for experiments (RFC 3692)
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b := open(t, h, af, wsa.SOCK_RAW, protocol), open(t, h, af, wsa.SOCK_RAW, protocol)
		for _, e := range []*end{a, b} {
			must(t, "Bind", e.Bind(loopback(af, 1234))) // the port means nothing
			equal(t, "address", local(t, e), loopback(af, 0))
		}
		sendTo(t, a, loopback(af, 99), "raw")
		header := 0
		if af == wsa.AF_INET {
			header = 20 // received with it, sent without (winsock-spi 9.4)
		}
		b.readable()
		equal(t, "Queued", b.Endpoint.(base.Queuer).Queued(), header+3)
		buf := make([]byte, 100)
		n, from, errno := b.recv(buf)
		if errno != 0 || n != header+3 || string(buf[header:n]) != "raw" || from != loopback(af, 0) {
			t.Fatalf("received % x from %v, %s", buf[:n], from, errno.Name())
		}
		must(t, "Connect", a.Connect(loopback(af, 99)))
		equal(t, "peer", must2(a.PeerAddr()), loopback(af, 0))
		sendTo(t, a, provider.Addr{}, "again")
		must(t, "Disconnect", a.Disconnect())
		equal(t, "address", local(t, a), loopback(af, 0))
	})
}
