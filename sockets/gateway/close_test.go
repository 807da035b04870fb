package gateway_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/sockets/gateway/dns"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// uncounted is a layer that says readable and not how much.
type uncounted struct{ asked *atomic.Int64 }

func (u uncounted) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	ready := next.Ready
	return provider.ProcTable{Watch: next.Watch, Ready: func(s *provider.Socket, m wsa.Events) provider.Readiness {
		u.asked.Add(1)
		r := ready(s, m)
		r.Queued = 0
		return r
	}}, 0
}

// Bytes that are not counted arrive all the same, and nothing spins at the end.
func TestUncountedBytes(t *testing.T) {
	u := uncounted{new(atomic.Int64)}
	w := newWorld(t, gateway.Config{}, u)
	w.listen(t, server4+":7", func(c net.Conn) { io.WriteString(c, "hello") })
	c, err := w.dial(t, "tcp", server4+":7")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); string(b) != "hello" || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	if n := u.asked.Load(); n > 1000 {
		t.Errorf("Ready was asked %d times for 5 bytes", n)
	}
}

// silentDNS takes connections and queries, and answers nothing.
func silentDNS(t *testing.T) (addr netip.AddrPort, asked <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	queries := make(chan struct{}, 64)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				b := make([]byte, 512)
				for {
					if _, err := c.Read(b); err != nil {
						return
					}
					queries <- struct{}{}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return netip.MustParseAddrPort(l.Addr().String()), queries
}

var aQuery = []byte{0, 19, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1}

// Neither the stack's Close nor the gateway's waits for an upstream's silence.
func TestCloseDuringQuery(t *testing.T) {
	for _, first := range []string{"stack", "gateway"} {
		t.Run(first, func(t *testing.T) {
			up, asked := silentDNS(t)
			tcp, err := dns.ParseUpstream("tcp://" + up.String())
			if err != nil {
				t.Fatal(err)
			}
			names, err := dns.New(dns.Config{Upstreams: []dns.Upstream{tcp, tcp}})
			if err != nil {
				t.Fatal(err)
			}
			n := basetest.NewNetwork(basetest.NetworkConfig{})
			g, err := gateway.New(gateway.Config{
				Session: socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: n}))),
				DNS:     gateway.DNS{Addrs: []netip.Addr{netip.MustParseAddr("10.1.0.3")}, Resolver: names},
			})
			if err != nil {
				t.Fatal(err)
			}
			pair := stacktest.NewPair(t, stacktest.PairConfig{AFlow: g})
			p := socketstest.Start(t, socketstest.Catalog(t, netstack.NewBase(netstack.Config{Stack: pair.B})))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			c, err := p.DialContext(ctx, "tcp", "10.1.0.3:53")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Write(aQuery)
			<-asked
			start := time.Now()
			if first == "stack" {
				pair.A.Close()
			}
			g.Close()
			if d := time.Since(start); d > time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// Connections to the name service are bounded; the rest is refused and counted.
func TestDNSConnectionsAreBounded(t *testing.T) {
	w := newWorld(t, gateway.Config{Limits: gateway.Limits{Queries: 2}, DNS: gateway.DNS{Addrs: []netip.Addr{netip.MustParseAddr("10.1.0.3")}}})
	refused := 0
	for range 10 {
		if _, err := w.dial(t, "tcp", "10.1.0.3:53"); err != nil {
			refused++
		}
	}
	if refused != 8 || w.gateway.DNSBusy.Load() != 8 {
		t.Errorf("%d of 10 refused, %d counted; 2 are allowed", refused, w.gateway.DNSBusy.Load())
	}
}
