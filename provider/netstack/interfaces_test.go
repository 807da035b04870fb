package netstack_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

func TestInterfaces(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	all, e := n.a.Interfaces()
	if e != 0 || len(all) != 2 {
		t.Fatalf("%+v %s", all, e.Name())
	}
	lo, nic := all[0], all[1]
	if lo.Index != 1 || lo.Name != "lo" || lo.Flags&(wsa.IFF_UP|wsa.IFF_LOOPBACK) != wsa.IFF_UP|wsa.IFF_LOOPBACK ||
		!slices.Equal(lo.Addrs, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}) {
		t.Errorf("lo: %+v", lo)
	}
	want := base.Interface{
		Index: uint32(n.NA.ID()), Name: "a", MTU: nic.MTU, Flags: wsa.IFF_UP | wsa.IFF_POINTTOPOINT | wsa.IFF_MULTICAST,
		Addrs: []netip.Prefix{netip.PrefixFrom(stacktest.A4, 24), netip.PrefixFrom(stacktest.A6, 64)},
	}
	if nic.Index != want.Index || nic.Name != want.Name || nic.Flags != want.Flags || nic.MTU < 1280 || !slices.Equal(nic.Addrs, want.Addrs) {
		t.Errorf("%+v, want %+v", nic, want)
	}
	n.A.Close()
	if _, e := n.a.Interfaces(); e != wsa.ENETDOWN {
		t.Errorf("closed: %s", e.Name())
	}
	if _, e := n.a.Changes(func(wsa.Events) {}); e != wsa.ENETDOWN {
		t.Errorf("changes, closed: %s", e.Name())
	}
}

func TestRoute(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	mapped := netip.AddrFrom16(stacktest.B4.As16())
	for _, c := range []struct {
		to, from netip.Addr
		nic      uint32
		want     wsa.Errno
	}{
		{stacktest.B4, stacktest.A4, uint32(n.NA.ID()), 0},
		{stacktest.B6, stacktest.A6, uint32(n.NA.ID()), 0},
		{mapped, netip.AddrFrom16(stacktest.A4.As16()), uint32(n.NA.ID()), 0},
		{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.1"), 1, 0},
		{netip.IPv6Loopback(), netip.IPv6Loopback(), 1, 0},
		{netip.MustParseAddr("8.8.8.8"), netip.Addr{}, 0, wsa.ENETUNREACH},
		{netip.MustParseAddr("2001:db8::1"), netip.Addr{}, 0, wsa.ENETUNREACH},
	} {
		from, nic, e := n.a.Route(addr(c.to, 80))
		if e != c.want || nic != c.nic || e == 0 && from != addr(c.from, 0) {
			t.Errorf("%v: %v over %d, %s; want %v over %d, %s", c.to, from, nic, e.Name(), c.from, c.nic, c.want.Name())
		}
	}
	n.A.Close()
	if _, _, e := n.a.Route(addr(stacktest.B4, 80)); e != wsa.ENETDOWN {
		t.Errorf("closed: %s", e.Name())
	}
}

// TestAddressListChange goes through the whole base: what the owner of the stack
// changes shows on the socket that asked.
func TestAddressListChange(t *testing.T) {
	for _, fam := range families {
		t.Run(fam.name, func(t *testing.T) {
			p := stacktest.NewPair(t, stacktest.PairConfig{})
			s, e := newHouse(t, p.A, false).open(fam.af, wsa.SOCK_DGRAM, 0)
			if e != 0 {
				t.Fatal(e.Name())
			}
			table := &s.Chain().Table
			ioctl := func(code uint32, in []byte, pended bool, want wsa.Errno) {
				t.Helper()
				if _, e := table.WSPIoctl(s, &provider.IoctlRequest{Code: code, In: in, Pended: pended}); e != want {
					t.Fatalf("%#x: %s, want %s", code, e.Name(), want.Name())
				}
			}
			far := map[int32]string{wsa.AF_INET: "8.8.8.8:0", wsa.AF_INET6: "[2001:db8::1]:0"}[fam.af]
			to := provider.AppendSockaddr(nil, provider.AddrFrom(netip.MustParseAddrPort(far)))
			more := map[int32]string{wsa.AF_INET: "10.3.0.1/24", wsa.AF_INET6: "fd03::1/64"}[fam.af]
			ioctl(wsa.SIO_ADDRESS_LIST_CHANGE, nil, false, wsa.EWOULDBLOCK)
			ioctl(wsa.SIO_ROUTING_INTERFACE_CHANGE, to, false, wsa.EWOULDBLOCK)
			go func() {
				if err := p.NA.AddAddr(netip.MustParsePrefix(more)); err != nil {
					t.Error(err)
				}
			}()
			wait(t, s, wsa.FD_ADDRESS_LIST_CHANGE)
			ioctl(wsa.SIO_ADDRESS_LIST_CHANGE, nil, true, 0)
			ioctl(wsa.SIO_ROUTING_INTERFACE_CHANGE, to, true, wsa.EWOULDBLOCK)
			go p.A.SetRoutes([]stack.Route{
				{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: p.NA}, {Dest: netip.MustParsePrefix("::/0"), NIC: p.NA},
			})
			wait(t, s, wsa.FD_ROUTING_INTERFACE_CHANGE)
			ioctl(wsa.SIO_ROUTING_INTERFACE_CHANGE, to, true, 0)
			ioctl(wsa.SIO_ADDRESS_LIST_CHANGE, nil, false, wsa.EWOULDBLOCK)
			go p.NA.RemoveAddr(netip.MustParsePrefix(more))
			wait(t, s, wsa.FD_ADDRESS_LIST_CHANGE)
		})
	}
}

// TestUnicastInterface: what is to leave over a NIC leaves over no other.
func TestUnicastInterface(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		level, opt := wsa.IPPROTO_IP, wsa.IP_UNICAST_IF
		if fam.af == wsa.AF_INET6 {
			level, opt = wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_IF
		}
		b := udp(t, n.b, fam.af)
		at := b.bind(fam.b, 0)
		set := func(s *sock, nic int) { t.Helper(); s.must("set", s.SetOption(level, opt, nic)) }
		a := udp(t, n.a, fam.af)
		send := func() wsa.Errno {
			m := text("x")
			m.Addr = at
			_, e := a.Send(m)
			return e
		}
		a.fails("unknown", a.SetOption(level, opt, 99), wsa.EINVAL)
		set(a, 1)
		a.fails("over the loopback", send(), wsa.ENETUNREACH)
		set(a, int(n.NA.ID()))
		a.must("over the right one", send())
		if v, e := a.Option(level, opt); v != int(n.NA.ID()) || e != 0 {
			t.Errorf("reads %d, %s", v, e.Name())
		}
		set(a, 0)
		a.must("over any", send())
		for range 2 {
			if got, _, e := b.recv1(9); string(got) != "x" {
				t.Errorf("%q %s", got, e.Name())
			}
		}
		c := stream(t, n.a, fam.af)
		set(c, 1)
		c.fails("connect over the loopback", c.Connect(at), wsa.ENETUNREACH)
	})
}

// TestMTU is IP_MTU and IPV6_MTU: the device's, towards a peer.
func TestMTU(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		level, opt := wsa.IPPROTO_IP, wsa.IP_MTU
		if fam.af == wsa.AF_INET6 {
			level, opt = wsa.IPPROTO_IPV6, wsa.IPV6_MTU
		}
		n.NA.SetMTU(1400)
		a := udp(t, n.a, fam.af)
		_, e := a.Option(level, opt)
		a.fails("no peer", e, wsa.ENOTCONN)
		a.must("connect", a.Connect(addr(fam.b, 9)))
		if v, e := a.Option(level, opt); v != 1400 || e != 0 {
			t.Errorf("%d, %s", v, e.Name())
		}
		a.fails("set", a.SetOption(level, opt, 1300), wsa.ENOPROTOOPT)
	})
}

// TestQueuedTotal: FIONREAD takes datagrams out of gVisor's queue; they are received
// as before, with what came with them, and in their order.
func TestQueuedTotal(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a, b := udp(t, n.a, fam.af), udp(t, n.b, fam.af)
		from, at := a.bind(fam.a, 0), b.bind(fam.b, 0)
		send := func(s string) {
			t.Helper()
			m := text(s)
			m.Addr = at
			_, e := a.Send(m)
			a.must("send", e)
		}
		total := func(want int) {
			t.Helper()
			b.await("counted", func(base.State) bool { return b.Endpoint.(base.TotalQueuer).QueuedTotal() == want })
		}
		total(0)
		send("first")
		send("second one")
		send("")
		send("third")
		total(20)
		if q := b.Endpoint.(base.Queuer).Queued(); q != 5 {
			t.Errorf("the first has %d bytes", q)
		}
		if !b.State().Readable {
			t.Error("not readable")
		}
		peeked := msg(make([]byte, 3))
		peeked.Flags = wsa.MSG_PEEK
		if k, e := b.Recv(peeked); k != 3 || e != wsa.EMSGSIZE || string(peeked.Buffers[0]) != "fir" {
			t.Errorf("peek: %q %s", peeked.Buffers[0][:k], e.Name())
		}
		send("fourth")
		for i, want := range []string{"first", "second one", "", "third", "fourth"} {
			m := msg(make([]byte, 4), make([]byte, 20))
			m.Control = &provider.Control{Has: provider.ControlPacketInfo}
			b.await("readable", readable)
			k, e := b.Recv(m)
			got := string(append(m.Buffers[0], m.Buffers[1]...)[:k])
			if got != want || e != 0 || m.Addr != from || m.Control.Dst != fam.b {
				t.Errorf("%d: %q from %v to %v, %s", i, got, m.Addr, m.Control.Dst, e.Name())
			}
		}
		total(0)
		if b.State().Readable {
			t.Error("still readable")
		}
	})
}

// TestQueuedTotalBound: what is taken ahead has a bound.
func TestQueuedTotalBound(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	a, b := udp(t, n.a, wsa.AF_INET), udp(t, n.b, wsa.AF_INET)
	at := b.bind(stacktest.B4, 0)
	b.must("small", b.SetOption(wsa.SOL_SOCKET, wsa.SO_RCVBUF, 4096))
	size, _ := b.Option(wsa.SOL_SOCKET, wsa.SO_RCVBUF)
	one := make([]byte, 1000)
	for range 8 * size / len(one) {
		m := msg(one)
		m.Addr = at
		_, e := a.Send(m)
		a.must("send", e)
		if got := b.Endpoint.(base.TotalQueuer).QueuedTotal(); got > size+2*len(one) {
			t.Fatalf("%d bytes are queued, SO_RCVBUF is %d", got, size)
		}
	}
	b.await("readable", readable)
	if netstack.Bare(b.Endpoint) == nil {
		t.Error("no endpoint")
	}
}

func TestTCPInfo(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a, b := n.connection(t, fam)
		a.sendAll(pattern(100 << 10))
		b.recvAll(100 << 10)
		i := a.Endpoint.(base.TCPInformer).TCPInfo()
		if i.State != wsa.TCPSTATE_ESTABLISHED || i.MSS < 536 || i.CongestionWindow < i.MSS || i.ReceiveBuffer == 0 {
			t.Errorf("%+v", i)
		}
		b.must("shutdown", b.Shutdown())
		a.await("closed by the peer", peerClosed)
		if i := a.Endpoint.(base.TCPInformer).TCPInfo(); i.State != wsa.TCPSTATE_CLOSE_WAIT {
			t.Errorf("state %d", i.State)
		}
	})
}

// TestCircularQueue: a full queue loses its oldest datagrams, not the newest.
func TestCircularQueue(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a, b := udp(t, n.a, fam.af), udp(t, n.b, fam.af)
		at := b.bind(fam.b, 0)
		b.must("small", b.SetOption(wsa.SOL_SOCKET, wsa.SO_RCVBUF, 4096))
		if !b.Endpoint.(base.CircularQueuer).DropOldest() {
			t.Fatal("not of a UDP endpoint")
		}
		if raw := open(t, n.a, fam.af, wsa.SOCK_RAW, wsa.IPPROTO_UDP); raw.Endpoint.(base.CircularQueuer).DropOldest() {
			t.Error("of a raw endpoint")
		}
		size, _ := b.Option(wsa.SOL_SOCKET, wsa.SO_RCVBUF)
		const one, last = 1000, 200
		for i := range last + 1 {
			m := msg(make([]byte, one))
			m.Buffers[0][0], m.Addr = byte(i), at
			_, e := a.Send(m)
			a.must("send", e)
		}
		// The last to come is the last in the queue: no wake tells of one that only moved up.
		var got []byte
		for len(got) == 0 || got[len(got)-1] != last {
			m := msg(make([]byte, one))
			if _, e := b.Recv(m); e == wsa.EWOULDBLOCK {
				b.await("readable", readable)
				continue
			}
			got = append(got, m.Buffers[0][0])
		}
		for i := 1; i < len(got); i++ {
			if got[i] <= got[i-1] {
				t.Fatalf("out of order: %v", got)
			}
		}
		if total := b.Endpoint.(base.TotalQueuer).QueuedTotal(); total != 0 || size < one {
			t.Errorf("%d bytes are left", total)
		}
	})
}
