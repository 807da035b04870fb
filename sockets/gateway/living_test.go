package gateway_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway"
)

// replace publishes a catalog whose chain has the layers, and what was equal before.
func (w *world) replace(t *testing.T, layers ...provider.Layer) {
	t.Helper()
	d := w.catalog.Draft()
	if err := d.Reset(); err != nil {
		t.Fatal(err)
	}
	var ids []provider.CatalogID
	for _, l := range layers {
		id, err := d.InstallLayer("layer", l)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if _, err := d.InstallMandatoryChain("chain", ids); err != nil {
		t.Fatal(err)
	}
	if err := w.catalog.Publish(d); err != nil {
		t.Fatal(err)
	}
}

// echoTCP answers at addr.
func echoTCP(t *testing.T, w *world, addr string) {
	t.Helper()
	w.listen(t, addr, func(c net.Conn) { io.Copy(c, c) })
}

// alive exchanges a byte.
func alive(c net.Conn) error {
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// What is allowed goes on or ends as the operator says, if its chain has gone, and only
// then; what is denied is reset, or kept if the operator says that.
func TestLiving(t *testing.T) {
	allow := func() provider.Layer { return &decides{deny: make(map[provider.Op]bool)} }
	deny := &decides{deny: map[provider.Op]bool{provider.OpConnect: true}}
	first := allow()
	for _, c := range []struct {
		name   string
		l      gateway.Living
		next   provider.Layer
		want   gateway.Rejudged
		resets bool
	}{
		{"the same chain, reset", gateway.Living{Old: gateway.ResetOld}, first, gateway.Rejudged{}, false},
		{"pinned", gateway.Living{}, allow(), gateway.Rejudged{Old: 1}, false},
		{"reset", gateway.Living{Old: gateway.ResetOld}, allow(), gateway.Rejudged{Old: 1, Reset: 1}, true},
		{"drained", gateway.Living{Old: gateway.DrainOld, Drain: time.Millisecond}, allow(), gateway.Rejudged{Old: 1}, true},
		{"to be drained, until the gateway ends", gateway.Living{Old: gateway.DrainOld, Drain: time.Hour}, allow(), gateway.Rejudged{Old: 1}, false},
		{"denied", gateway.Living{}, deny, gateway.Rejudged{Denied: 1, Reset: 1}, true},
		{"denied, and kept", gateway.Living{KeepDenied: true}, deny, gateway.Rejudged{Denied: 1}, false},
		{"denied, and kept, though old ones are reset", gateway.Living{KeepDenied: true, Old: gateway.ResetOld}, deny, gateway.Rejudged{Denied: 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, gateway.Config{})
			w.replace(t, first)
			echoTCP(t, w, server4+":80")
			conn, err := w.dial(t, "tcp", server4+":80")
			if err == nil {
				err = alive(conn)
			}
			if err != nil {
				t.Fatal(err)
			}
			w.replace(t, c.next)
			if got := w.gateway.Rejudge(c.l); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			if !c.resets {
				if err := alive(conn); err != nil {
					t.Errorf("it does not go on: %v", err)
				}
			} else if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("it is not reset: %v", err)
			}
		})
	}
}

// A datagram socket whose chain has gone goes on for answers, or ends.
func TestLivingDatagrams(t *testing.T) {
	for _, old := range []gateway.Old{gateway.PinOld, gateway.ResetOld} {
		w := newWorld(t, gateway.Config{}, &decides{deny: make(map[provider.Op]bool)})
		answers := echoUDP(t, w, server4+":53000")
		p := packets(t, w.program, "10.1.0.2:4000")
		send := func() {
			if _, err := p.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort(server4+":53000")); err != nil {
				t.Fatal(err)
			}
			if _, _, err := p.ReadFromUDPAddrPort(make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
		}
		send()
		<-answers
		w.replace(t, &decides{deny: make(map[provider.Op]bool)})
		want := gateway.Rejudged{Old: 1}
		if old == gateway.ResetOld {
			want.Reset = 1
		}
		if got := w.gateway.Rejudge(gateway.Living{Old: old}); got != want {
			t.Errorf("%v: %+v, want %+v", old, got, want)
		}
		send() // on the new chain, whatever became of the old one's socket
	}
}

// Ports of a chain that has gone are left to those of the next: who has come goes on,
// who comes is served by the new one.
func TestPublishedLeave(t *testing.T) {
	w := newWorld(t, gateway.Config{}, &decides{deny: make(map[provider.Op]bool)})
	p := w.publish(t, wsa.IPPROTO_TCP, host4+":8080", "10.1.0.2:80", 0)
	l := w.inside(t, "10.1.0.2:80")
	c, inner := visit(t, w.server, l, host4+":8080")
	if p.Old() {
		t.Error("it is old from the beginning")
	}
	w.replace(t, &decides{deny: make(map[provider.Op]bool)})
	w.gateway.Rejudge(gateway.Living{})
	if !p.Old() {
		t.Error("its chain has gone, and it does not say so")
	}
	p.Leave()
	p.Close() // which has nothing left to do
	q := w.publish(t, wsa.IPPROTO_TCP, host4+":8080", "10.1.0.2:80", 0)
	if q.Old() {
		t.Error("the next is old")
	}
	var echo sync.WaitGroup
	echo.Go(func() { io.Copy(inner, inner); inner.Close() })
	if err := alive(c); err != nil {
		t.Errorf("who was there: %v", err)
	}
	c.Close()
	echo.Wait()
	visit(t, w.server, l, host4+":8080")
	await(t, "the next has a client", func() bool { return q.Connected.Load() == 1 })
	if p.Connected.Load() != 1 {
		t.Errorf("%d clients of the first", p.Connected.Load())
	}
}
