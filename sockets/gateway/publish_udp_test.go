package gateway_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// packets is a UDP socket of a session's.
func packets(t *testing.T, s *sockets.Session, addr string) *sockets.UDPConn {
	t.Helper()
	c, err := s.ListenPacket(context.Background(), "udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c.(*sockets.UDPConn)
}

// call sends to a published port and expects that the program gets it from where want
// says, and that its answer comes from where the client has sent to.
func call(t *testing.T, client *sockets.UDPConn, to string, inner *sockets.UDPConn, want netip.AddrPort) {
	t.Helper()
	at := netip.MustParseAddrPort(to)
	if _, err := client.WriteToUDPAddrPort([]byte("ask"), at); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, from, err := inner.ReadFromUDPAddrPort(b)
	if err != nil || string(b[:n]) != "ask" || want.Port() != 0 && from != want || from.Addr() != want.Addr() {
		t.Errorf("%s: the program has %q from %v, %v; want it from %v", to, b[:n], from, err, want)
		return
	}
	if inner.RemoteAddr() != nil {
		_, err = inner.Write([]byte("answer"))
	} else {
		_, err = inner.WriteToUDPAddrPort([]byte("answer"), from)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n, from, err = client.ReadFromUDPAddrPort(b); err != nil || string(b[:n]) != "answer" || from != at {
		t.Errorf("%s: the client has %q from %v, %v", to, b[:n], from, err)
	}
}

func local(c *sockets.UDPConn) netip.AddrPort {
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

// Datagrams are led inside under the client's own address, and answers leave from the
// address that the client has asked, although the policy lets the program go nowhere.
func TestPublishUDP(t *testing.T) {
	for name, layers := range map[string][]provider.Layer{
		"bare": nil, "decides": {&decides{deny: map[provider.Op]bool{provider.OpSendTo: true}}}, "looks": {new(looks)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, gateway.Config{}, layers...)
			for _, c := range []struct{ listen, to, at, from string }{
				{host4 + ":5300", "10.1.0.2:53", host4 + ":5300", server4 + ":1000"},
				{"0.0.0.0:5301", "10.1.0.2:5301", host4 + ":5301", server4 + ":1001"},
				{host6 + ":5300", "[fd01::2]:53", host6 + ":5300", "[" + server6 + "]:1000"},
				{"[::]:5301", "[fd01::2]:5301", host6 + ":5301", "[" + server6 + "]:1001"},
			} {
				p := w.publish(t, wsa.IPPROTO_UDP, c.listen, c.to, 0)
				inner, client := packets(t, w.program, c.to), packets(t, w.server, c.from)
				for range 3 {
					call(t, client, c.at, inner, local(client))
				}
				await(t, "all are counted", func() bool { return p.DatagramsIn.Load() == 3 && p.DatagramsOut.Load() == 3 })
				if n := p.Denied.Load(); n != 0 {
					t.Errorf("%s: %d denied", c.listen, n)
				}
			}
		})
	}
}

// Two ports that lead to one of the program's: a client of both has two names inside,
// or its answers would be told apart by nothing.
func TestPublishUDPNames(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	first := w.publish(t, wsa.IPPROTO_UDP, host4+":5300", "10.1.0.2:53", 0)
	second := w.publish(t, wsa.IPPROTO_UDP, host4+":5301", "10.1.0.2:53", 0)
	inner, client := packets(t, w.program, "10.1.0.2:53"), packets(t, w.server, server4+":1000")
	call(t, client, host4+":5300", inner, local(client))
	call(t, client, host4+":5301", inner, netip.AddrPortFrom(stacktest.A4, 1000))
	call(t, client, host4+":5300", inner, local(client))
	if first.Masked.Load() != 0 || second.Masked.Load() != 1 {
		t.Errorf("%d and %d masked", first.Masked.Load(), second.Masked.Load())
	}
	// When the first is forgotten its name is free.
	first.Close()
	second.Close()
	w.publish(t, wsa.IPPROTO_UDP, host4+":5301", "10.1.0.2:53", 0)
	call(t, client, host4+":5301", inner, local(client))
}

// A client that the program has spoken to before, by itself, gets its answers from the
// port that it asks.
func TestPublishUDPAfterTheProgramsOwn(t *testing.T) {
	w := newWorld(t, gateway.Config{}, allowing{})
	inner, client := packets(t, w.program, "10.1.0.2:53"), packets(t, w.server, server4+":1000")
	inner.WriteToUDPAddrPort([]byte("hello"), local(client))
	b := make([]byte, 100)
	if _, _, err := client.ReadFromUDPAddrPort(b); err != nil {
		t.Fatal(err)
	}
	w.publish(t, wsa.IPPROTO_UDP, host4+":5300", "10.1.0.2:53", 0)
	call(t, client, host4+":5300", inner, local(client))
}

// Clients are bounded, and forgotten when they are idle.
func TestPublishUDPBounds(t *testing.T) {
	w := newWorld(t, gateway.Config{Limits: gateway.Limits{Visitors: 2}})
	p := w.publish(t, wsa.IPPROTO_UDP, host4+":5300", "10.1.0.2:53", 0)
	inner := packets(t, w.program, "10.1.0.2:53")
	for i := range 5 {
		client := packets(t, w.server, netip.AddrPortFrom(netip.MustParseAddr(server4), uint16(1000+i)).String())
		call(t, client, host4+":5300", inner, local(client))
	}
	if n := p.Evicted.Load(); n > 3 {
		t.Errorf("%d of 5 evicted, 2 may stay", n)
	}
	// Nobody answers here: a machine that stalls would have forgotten whom.
	w = newWorld(t, gateway.Config{Limits: gateway.Limits{Idle: 50 * time.Millisecond}})
	p = w.publish(t, wsa.IPPROTO_UDP, host4+":5300", "10.1.0.2:53", 0)
	inner = packets(t, w.program, "10.1.0.2:53")
	packets(t, w.server, server4+":1000").WriteToUDPAddrPort([]byte("hello"), netip.MustParseAddrPort(host4+":5300"))
	if _, _, err := inner.ReadFromUDPAddrPort(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	await(t, "idle clients are forgotten", func() bool { return p.Clients() == 0 })
}

// PROXY protocol stands before each datagram, also of a client that is masked.
func TestPublishUDPProxy(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	w.publish(t, wsa.IPPROTO_UDP, "0.0.0.0:80", "10.1.0.2:53", gateway.ProxyV2)
	inner := packets(t, w.program, "10.1.0.2:53")
	client := packets(t, w.server, server4+":258")
	want := "\r\n\r\n\x00\r\nQUIT\n\x21\x12\x00\x0c\xcb\x00\x71\x0a\x0a\x00\x00\x01\x01\x02\x00\x50ask"
	b := make([]byte, 100)
	for range 2 {
		client.WriteToUDPAddrPort([]byte("ask"), netip.MustParseAddrPort(host4+":80"))
		if n, _, err := inner.ReadFromUDPAddrPort(b); err != nil || string(b[:n]) != want {
			t.Errorf("%q, %v; want %q", b[:n], err, want)
		}
	}
}

// A client that has gone is told to the program as a network would.
func TestPublishUDPClientGone(t *testing.T) {
	w := newWorld(t, gateway.Config{})
	w.publish(t, wsa.IPPROTO_UDP, host4+":5300", "10.1.0.2:53", 0)
	client := packets(t, w.server, server4+":1000")
	d := sockets.Dialer{Session: w.program, LocalAddr: net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.1.0.2:53"))}
	inner, err := d.DialContext(t.Context(), "udp", server4+":1000") // an unconnected one is told of no error
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	inner.SetDeadline(time.Now().Add(30 * time.Second))
	call(t, client, host4+":5300", inner.(*sockets.UDPConn), local(client))
	client.Close()
	inner.Write([]byte("late"))
	if _, err := inner.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the program reads %v", err)
	}
}

// Who is denied is not led inside, and asked about once, not with every datagram.
func TestPublishUDPDenied(t *testing.T) {
	d := &decides{deny: map[provider.Op]bool{provider.OpAccept: true}}
	w := newWorld(t, gateway.Config{}, d)
	p := w.publish(t, wsa.IPPROTO_UDP, host4+":5300", "10.1.0.2:53", 0)
	client := packets(t, w.server, server4+":1000")
	for range 10 {
		client.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort(host4+":5300"))
	}
	await(t, "all are denied", func() bool { return p.Denied.Load() == 10 })
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.told) > 3 { // listen, accept, and once more should a second have passed
		t.Errorf("asked %d times", len(d.told))
	}
}
