package gateway_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// lodge is a house whose chain only decides.
type lodge struct {
	house
	gateway *gateway.Gateway
}

func newLodge(t *testing.T, c tun.Config, limits gateway.Limits) *lodge {
	t.Helper()
	return newLodgeOf(t, c, gateway.Config{Limits: limits})
}

func newLodgeOf(t *testing.T, c tun.Config, cfg gateway.Config) *lodge {
	t.Helper()
	x := &lodge{house: house{netns: tuntest.NetNS(t)}}
	c.Netns = x.netns
	dev, err := tun.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	h, err := host.New(host.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	cfg.Session = socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: h}), allowing{}, allowing{}, allowing{}))
	cfg.Addrs, cfg.HostLoopback = doors, true
	x.gateway, err = gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.gateway.Close() })
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	x.nic, err = s.AddNIC(stack.NICConfig{Name: "tun", Device: dev, Forward: x.gateway})
	if err != nil {
		t.Fatal(err)
	}
	s.SetRoutes([]stack.Route{
		{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: x.nic}, {Dest: netip.MustParsePrefix("::/0"), NIC: x.nic}})
	x.furnish(t, dev)
	return x
}

// hall is a UDP socket on the host's loopback, and one of the program's to it.
func (x *lodge) hall(t *testing.T, door netip.Addr) (program, server *net.UDPConn) {
	t.Helper()
	at := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0"))
	if door.Is6() {
		at.IP = net.IPv6loopback
	}
	server, err := net.ListenUDP("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return x.program(t, netip.AddrPortFrom(door, server.LocalAddr().(*net.UDPAddr).AddrPort().Port())), server
}

func (x *lodge) program(t *testing.T, to netip.AddrPort) (c *net.UDPConn) {
	t.Helper()
	if err := tun.InNetns(x.netns, func() (err error) {
		c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// numbered is datagram i, of size bytes if they suffice.
func numbered(i, size int) []byte {
	b := bytes.Repeat([]byte{byte(i)}, max(size, 4))
	binary.BigEndian.PutUint32(b, uint32(i))
	return b[:size]
}

// TestDatagramsWhole: every size, both ways, in order, through TUN and host
// sockets; what is larger than the MTU in fragments.
func TestDatagramsWhole(t *testing.T) {
	for _, mtu := range []int{1280, 1500, 9000, 65520} {
		t.Run(fmt.Sprint("mtu ", mtu), func(t *testing.T) {
			x := newLodge(t, tun.Config{MTU: mtu}, gateway.Limits{})
			for _, door := range doors {
				program, server := x.hall(t, door)
				server.SetReadBuffer(4 << 20)
				program.SetReadBuffer(4 << 20)
				const largest = 65507
				for _, sizes := range [][]int{ // a group fits into a buffer of 208 KiB, what Linux gives by default
					{0, 1, 64, 64, 64, 0}, {1200, 1200, 1200, 1252}, {mtu - 28, mtu - 28}, {min(mtu, largest), 3000, 3000}, {16384, 16385, 5}, {largest, 7},
				} {
					for i, n := range sizes {
						if _, err := program.Write(numbered(i, n)); err != nil {
							t.Fatalf("%v, %d bytes: %v", door, n, err)
						}
					}
					from := wantNumbered(t, server, sizes)
					for i, n := range sizes {
						if _, err := server.WriteToUDPAddrPort(numbered(i, n), from); err != nil {
							t.Fatal(err)
						}
					}
					wantNumbered(t, program, sizes)
				}
			}
			if got := x.gateway.UDPFull.Load() + x.gateway.UDPDenied.Load() + x.gateway.UDPUnasked.Load(); got != 0 {
				t.Errorf("%d lost", got)
			}
		})
	}
}

func wantNumbered(t *testing.T, c *net.UDPConn, sizes []int) (from netip.AddrPort) {
	t.Helper()
	b := make([]byte, 65536)
	for i, n := range sizes {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		got, at, err := c.ReadFromUDPAddrPort(b)
		if err != nil || !bytes.Equal(b[:got], numbered(i, n)) {
			t.Fatalf("datagram %d: %d bytes, want %d: %v", i, got, n, err)
		}
		from = at
	}
	return from
}

// TestDatagramsFlood: thousands each way, in bursts that neither end's buffer
// loses, single and as trains of the program's: all arrive, once, in order.
func TestDatagramsFlood(t *testing.T) {
	const bursts, each = 100, 60 // 60 of 1200 bytes fit into a buffer of 208 KiB
	for _, size := range []int{64, 1200} {
		for _, train := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, trains %v", size, train), func(t *testing.T) {
				x := newLodge(t, tun.Config{}, gateway.Limits{})
				for _, door := range doors {
					program, server := x.hall(t, door)
					server.SetReadBuffer(4 << 20)
					program.SetReadBuffer(4 << 20)
					sizes := make([]int, each)
					for i := range sizes {
						sizes[i] = size
					}
					var from netip.AddrPort
					for range bursts {
						if err := burst(program, each, size, train); err != nil {
							t.Fatal(err)
						}
						from = wantNumbered(t, server, sizes)
					}
					for range bursts {
						for i := range each {
							if _, err := server.WriteToUDPAddrPort(numbered(i, size), from); err != nil {
								t.Fatal(err)
							}
						}
						wantNumbered(t, program, sizes)
					}
				}
				if got := x.gateway.UDPSent.Load(); got != 2*bursts*each {
					t.Errorf("%d sent are counted", got)
				}
				if got := x.gateway.UDPReceived.Load(); got != 2*bursts*each {
					t.Errorf("%d received are counted", got)
				}
			})
		}
	}
}

// burst sends n numbered datagrams, as trains if the kernel has them.
func burst(c *net.UDPConn, n, size int, train bool) error {
	if !train {
		for i := range n {
			if _, err := c.Write(numbered(i, size)); err != nil {
				return err
			}
		}
		return nil
	}
	oob := make([]byte, unix.CmsgSpace(2))
	binary.NativeEndian.PutUint64(oob, uint64(unix.CmsgLen(2)))
	binary.NativeEndian.PutUint32(oob[8:], unix.SOL_UDP)
	binary.NativeEndian.PutUint32(oob[12:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(oob[16:], uint16(size))
	for i := 0; i < n; i += 40 {
		var b []byte
		for j := i; j < min(i+40, n); j++ {
			b = append(b, numbered(j, size)...)
		}
		if _, _, err := c.WriteMsgUDP(b, oob, nil); err != nil {
			return err
		}
	}
	return nil
}

// TestDatagramsRefused: each refusal is told, by the program's own kernel as one
// of its own, and a flow that was refused goes on when somebody listens again.
func TestDatagramsRefused(t *testing.T) {
	x := newLodge(t, tun.Config{}, gateway.Limits{})
	for _, door := range doors {
		program, server := x.hall(t, door)
		at := server.LocalAddr().(*net.UDPAddr)
		program.Write([]byte("x")) // judged; the rest takes the short cut
		wantText(t, server, "x")
		server.Close()
		for i := range 5 {
			before := x.gateway.UDPErrors.Load()
			program.SetDeadline(time.Now().Add(5 * time.Second))
			if _, err := program.Write([]byte("y")); err != nil {
				t.Fatal(err)
			}
			if _, err := program.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatalf("%v, refusal %d: %v", door, i, err)
			}
			if got := x.gateway.UDPErrors.Load() - before; got != 1 {
				t.Errorf("%v, refusal %d: %d errors passed on", door, i, got)
			}
		}
		server, err := net.ListenUDP("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		program.Write([]byte("z"))
		wantText(t, server, "z")
		server.Close()
	}
}

func wantText(t *testing.T, c *net.UDPConn, want string) {
	t.Helper()
	b := make([]byte, 100)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := c.Read(b); err != nil || string(b[:n]) != want {
		t.Fatalf("%q, %v; want %q", b[:n], err, want)
	}
}

// TestDatagramsFloodEnds: in the middle of a flood that nothing bounds, gateway and
// NIC close, and nothing is left.
func TestDatagramsFloodEnds(t *testing.T) {
	x := newLodge(t, tun.Config{}, gateway.Limits{Idle: time.Minute})
	var programs []*net.UDPConn
	for range 3 {
		program, server := x.hall(t, doors[0])
		programs = append(programs, program)
		go func() { // echoes until the test ends
			b := make([]byte, 2000)
			for {
				n, from, err := server.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				server.WriteToUDPAddrPort(b[:n], from)
			}
		}()
		go func() { // floods until the test ends
			b := make([]byte, 1000)
			for {
				if _, err := program.Write(b); errors.Is(err, net.ErrClosed) {
					return
				}
			}
		}()
	}
	for end := time.Now().Add(10 * time.Second); x.gateway.UDPReceived.Load() < 1000; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d received", x.gateway.UDPReceived.Load())
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.nic.Close()
		x.gateway.Close()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Close hangs in the flood")
	}
	for _, p := range programs {
		p.Close()
	}
}
