package socketstest_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestNetstack is the face over two private stacks and a wire between them.
func TestNetstack(t *testing.T) {
	for _, layers := range []int{0, 1, 3, 6} {
		for _, host := range []string{stacktest.B4.String(), stacktest.B6.String()} {
			t.Run(fmt.Sprintf("%d layers %s", layers, host), func(t *testing.T) {
				mk := func(t *testing.T) socketstest.Pair {
					p := stacktest.NewPair(t, stacktest.PairConfig{})
					session := func(s *stack.Stack) *sockets.Session {
						d := netstack.New(netstack.Config{Stack: s})
						t.Cleanup(d.Close)
						return over(t, d, layers)
					}
					return socketstest.Pair{Client: session(p.A), Server: session(p.B), Host: host}
				}
				socketstest.TestConnFace(t, mk)
				loads(t, host, layers, mk)
			})
		}
	}
}

// loads runs the loads over IPv4 alone, where most of the time goes (128 MiB
// each): IPv6 differs in nothing that the probes do not show. Under the race
// detector, which takes twenty times as long, it is one chain that they run over.
func loads(t *testing.T, host string, layers int, mk func(*testing.T) socketstest.Pair) {
	if netip.MustParseAddr(host).Is4() && (!raceEnabled || layers == 3) {
		socketstest.TestLoads(t, mk)
	}
}

// TestPing sends an echo request on a raw socket, and gets the reply without the
// IP header.
func TestPing(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	s := socketstest.Start(t, socketstest.Catalog(t, netstack.NewBase(netstack.Config{Stack: p.A, Raw: true})))
	for _, test := range []struct {
		network, local string
		to             netip.Addr
		request        icmp.Type
		reply          icmp.Type
	}{
		{"ip4:icmp", stacktest.A4.String(), stacktest.B4, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply},
		{"ip6:ipv6-icmp", stacktest.A6.String(), stacktest.B6, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply},
	} {
		t.Run(test.network, func(t *testing.T) {
			c, err := s.ListenPacket(t.Context(), test.network, test.local)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			echo := &icmp.Echo{ID: 7, Seq: 1, Data: []byte("ping")}
			var pseudo []byte // ICMPv6 has it in its checksum
			if test.to.Is6() {
				pseudo = icmp.IPv6PseudoHeader(stacktest.A6.AsSlice(), test.to.AsSlice())
			}
			b, err := (&icmp.Message{Type: test.request, Body: echo}).Marshal(pseudo)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.WriteTo(b, &net.IPAddr{IP: test.to.AsSlice()}); err != nil {
				t.Fatal(err)
			}
			for b := make([]byte, 1500); ; {
				n, from, err := c.ReadFrom(b)
				if err != nil {
					t.Fatal(err)
				}
				m, err := icmp.ParseMessage(test.request.Protocol(), b[:n])
				if err != nil {
					t.Fatal(err)
				}
				if got, ok := m.Body.(*icmp.Echo); ok && m.Type == test.reply && got.ID == 7 {
					if a, ok := from.(*net.IPAddr); !ok || a.String() != test.to.String() || string(got.Data) != "ping" {
						t.Errorf("%q from %v", got.Data, from)
					}
					return
				}
			}
		})
	}
}

// over is a session over the driver with pass-through layers between.
func over(t *testing.T, d base.Driver, layers int) *sockets.Session {
	b := base.New(base.Config{Driver: d})
	return socketstest.Start(t, socketstest.Catalog(t, b, socketstest.PassThrough(layers)...))
}
