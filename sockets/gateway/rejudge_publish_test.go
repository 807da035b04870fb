package gateway_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway"
)

// Clients of published ports are decided anew as they were when they came, and so
// are the ports.
func TestRejudgePublished(t *testing.T) {
	d := &decides{deny: make(map[provider.Op]bool)}
	set := func(op provider.Op) {
		d.mu.Lock()
		defer d.mu.Unlock()
		clear(d.deny)
		d.deny[op] = true
	}
	w := newWorld(t, gateway.Config{}, d)
	tcp := w.publish(t, wsa.IPPROTO_TCP, host4+":8080", "10.1.0.2:80", 0)
	udp := w.publish(t, wsa.IPPROTO_UDP, host4+":8080", "10.1.0.2:80", 0)
	l, inner := w.inside(t, "10.1.0.2:80"), packets(t, w.program, "10.1.0.2:80")
	c, _ := visit(t, w.server, l, host4+":8080")
	p := packets(t, w.server, server4+":0")
	call(t, p, host4+":8080", inner, local(p))
	// The program may have it a moment before the gateway knows it.
	await(t, "the connection is led inside", func() bool { return tcp.Connected.Load() == 1 })

	set(provider.OpConnect) // nobody has connected
	if n := w.gateway.Rejudge(gateway.Living{}).Reset; n != 0 {
		t.Errorf("%d are reset", n)
	}
	set(provider.OpAccept)
	if n := w.gateway.Rejudge(gateway.Living{}).Reset; n != 2 {
		t.Errorf("%d are reset, want 2", n)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error("the client goes on: ", err)
	}
	if _, err := p.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort(host4+":8080")); err != nil {
		t.Fatal(err)
	}
	await(t, "the datagram is denied", func() bool { return udp.Denied.Load() == 1 })
	set(provider.OpListen)
	if n := w.gateway.Rejudge(gateway.Living{}).Reset; n != 2 {
		t.Errorf("%d ports fail, want 2", n)
	}
	if tcp.Connected.Load() != 1 {
		t.Errorf("%d clients", tcp.Connected.Load())
	}
}
