package netstack_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack/stacktest"
)

func (s *sock) sendTo(m *provider.Msg, to provider.Addr) {
	s.t.Helper()
	m.Addr = to
	if n, e := s.Send(m); e != 0 || n != m.Len() {
		s.t.Fatalf("send to %v: %d of %d, %s", to, n, m.Len(), e.Name())
	}
}

func TestDatagram(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a, b := udp(t, n.a, fam.af), udp(t, n.b, fam.af)
		if _, ok := a.LocalAddr(); ok {
			t.Error("unbound, but with a name")
		}
		at := b.bind(fam.b, 0)
		if at.Port() < 49152 {
			t.Errorf("ephemeral port %d", at.Port())
		}
		_, e := a.Send(text("where to?"))
		a.fails("send without a destination", e, wsa.ENOTCONN)

		a.sendTo(msg([]byte("two "), nil, []byte("parts")), at)
		mine, ok := a.LocalAddr()
		if !ok || mine.Port() == 0 {
			t.Errorf("after a send: %v, %v", mine, ok)
		}
		b.await("readable", readable)
		peek := msg(make([]byte, 3))
		peek.Flags = wsa.MSG_PEEK
		if k, e := b.Recv(peek); k != 3 || e != wsa.EMSGSIZE {
			t.Errorf("peek: %d, %s", k, e.Name())
		}
		if got, from, e := b.recv1(100); string(got) != "two parts" || e != 0 || from.Addr() != fam.a || from.Port() != mine.Port() {
			t.Errorf("received %q from %v, %s", got, from, e.Name())
		}

		a.sendTo(text("cut off here"), at)
		if got, from, e := b.recv1(3); string(got) != "cut" || e != wsa.EMSGSIZE || from.Addr() != fam.a {
			t.Errorf("truncated: %q from %v, %s", got, from, e.Name())
		}
		a.sendTo(text("no room at all"), at)
		if got, from, e := b.recv1(0); len(got) != 0 || e != wsa.EMSGSIZE || from.Addr() != fam.a {
			t.Errorf("truncated to nothing: %q from %v, %s", got, from, e.Name())
		}
		a.sendTo(msg(nil), at)
		if got, from, e := b.recv1(3); len(got) != 0 || e != 0 || from.Addr() != fam.a {
			t.Errorf("empty: %q from %v, %s", got, from, e.Name())
		}
		_, e = b.Recv(msg(make([]byte, 1)))
		b.fails("recv of nothing", e, wsa.EWOULDBLOCK)

		most := 65507
		if fam.af == wsa.AF_INET6 {
			most = 65527
		}
		big := msg(make([]byte, most+1))
		big.Addr = at
		_, e = a.Send(big)
		a.fails("send too much", e, wsa.EMSGSIZE)
		if fam.af == wsa.AF_INET { // IPv6 needs an extension header for the fragments
			a.sendTo(msg(make([]byte, most)), at)
			if got, _, e := b.recv1(most + 1); len(got) != most || e != 0 {
				t.Errorf("the biggest: %d, %s", len(got), e.Name())
			}
		}
		zero := text("x")
		zero.Addr = addr(fam.b, 0)
		_, e = a.Send(zero)
		a.fails("send to port 0", e, wsa.EADDRNOTAVAIL)
	})
}

func TestDatagramPeer(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a, b, stranger := udp(t, n.a, fam.af), udp(t, n.b, fam.af), udp(t, n.b, fam.af)
		to := b.bind(fam.b, 0)
		a.must("connect", a.Connect(to))
		if st := a.State(); st.Phase != base.Connected {
			t.Errorf("phase %s", phaseName(st.Phase))
		}
		mine, _ := a.LocalAddr()
		if mine.Addr() != fam.a {
			t.Errorf("connected, bound to %v", mine)
		}
		if p, ok := a.PeerAddr(); !ok || p != to {
			t.Errorf("peer %v, %v", p, ok)
		}
		stranger.sendTo(text("psst"), mine)
		b.sendTo(text("hello"), mine)
		if got, from, e := a.recv1(100); string(got) != "hello" || from.AddrPort != to.AddrPort || e != 0 {
			t.Errorf("received %q from %v, %s", got, from, e.Name())
		}
		if k, e := a.Send(text("hello too")); k != 9 || e != 0 {
			t.Errorf("send: %d, %s", k, e.Name())
		}
		b.recv1(100)

		a.must("disconnect", a.Disconnect())
		a.must("disconnect again", a.Disconnect())
		if now, _ := a.LocalAddr(); now.Port() != mine.Port() {
			t.Errorf("port %d after disconnect, %d before", now.Port(), mine.Port())
		}
		stranger.sendTo(text("psst"), mine)
		if got, _, _ := a.recv1(100); string(got) != "psst" {
			t.Errorf("received %q", got)
		}
		b.must("shutdown", b.Shutdown())
		m := text("x")
		m.Addr = mine
		_, e := b.Send(m)
		b.fails("send after shutdown", e, wsa.ESHUTDOWN)
	})
}

// TestDatagramPortUnreachable: connected or not, the error is returned once, by
// a receive, with the destination that drew it.
func TestDatagramPortUnreachable(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		closed := addr(fam.b, 9)
		for _, connected := range []bool{true, false} {
			a := udp(t, n.a, fam.af)
			m := text("anybody?")
			if connected {
				a.must("connect", a.Connect(closed))
			} else {
				m.Addr = closed
			}
			if _, e := a.Send(m); e != 0 {
				t.Fatalf("send: %s", e.Name())
			}
			a.await("soft error", soft)
			if e := a.Endpoint.(base.SoftNamer).SoftError(); e != wsa.ECONNRESET {
				t.Errorf("soft error %s", e.Name())
			}
			if k, e := a.Send(m); e != 0 || k != m.Len() {
				t.Errorf("connected %v: a send met the error: %s", connected, e.Name())
			}
			a.await("soft error", soft)
			_, from, e := a.recv1(100)
			a.fails("recv", e, wsa.ECONNRESET)
			if from.AddrPort != closed.AddrPort {
				t.Errorf("drawn by %v, want %v", from, closed)
			}
			a.close(false)
		}
	})
}

func TestDatagramPortUnreachableOnce(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a, other := udp(t, n.a, fam.af), udp(t, n.a, fam.af)
		a.bind(fam.a, 0)
		other.bind(fam.a, 0)
		a.sendTo(text("anybody?"), addr(fam.b, 9))
		_, _, e := a.recv1(100)
		a.fails("recv", e, wsa.ECONNRESET)
		_, e = a.Recv(msg(make([]byte, 1)))
		a.fails("recv again", e, wsa.EWOULDBLOCK)
		if soft(a.State()) || soft(other.State()) {
			t.Error("an error is left, or went to another endpoint")
		}
	})
}

// TestDatagramEmptyFlood: datagrams without a byte are bounded too, and what
// comes after they were read is received again.
func TestDatagramEmptyFlood(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	a, b := udp(t, n.a, wsa.AF_INET), udp(t, n.b, wsa.AF_INET)
	at := b.bind(stacktest.B4, 0)
	b.must("rcvbuf", b.SetOption(wsa.SOL_SOCKET, wsa.SO_RCVBUF, 64<<10))
	const most, sent = 1024, 3000
	a.sendTo(msg(nil), at)
	b.await("readable", readable)
	stats := n.B.TCPIP().Stats().UDP
	for i := range uint64(sent) {
		a.sendTo(msg(nil), at)
		for stats.PacketsReceived.Value() < i+2 {
			time.Sleep(time.Microsecond)
		}
	}
	got := 0
	for {
		_, e := b.Recv(msg(make([]byte, 1)))
		if e != 0 {
			break
		}
		got++
	}
	if got < most || got > most+100 {
		t.Errorf("%d datagrams were queued", got)
	}
	a.sendTo(text("again"), at)
	if d, _, _ := b.recv1(10); string(d) != "again" {
		t.Errorf("received %q after the flood", d)
	}
	if v, e := b.Option(wsa.SOL_SOCKET, wsa.SO_RCVBUF); v != 64<<10 || e != 0 {
		t.Errorf("SO_RCVBUF is %d, %s", v, e.Name())
	}
}

func TestDatagramControl(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		a, b := udp(t, n.a, fam.af), udp(t, n.b, fam.af)
		at := b.bind(provider.Any(fam.af, 0).Addr(), 0)
		to := addr(fam.b, at.Port())
		m := text("x")
		m.Control = &provider.Control{Has: provider.ControlTTL | provider.ControlTOS, TTL: 7, TOS: 0xb8}
		a.sendTo(m, to)
		b.await("readable", readable)
		in := msg(make([]byte, 10))
		in.Control = &provider.Control{Has: provider.ControlPacketInfo | provider.ControlTTL | provider.ControlTOS}
		if _, e := b.Recv(in); e != 0 {
			t.Fatalf("recv: %s", e.Name())
		}
		c := in.Control
		if c.Has != provider.ControlPacketInfo|provider.ControlTTL|provider.ControlTOS || c.TTL != 7 || c.TOS != 0xb8 || c.Dst != fam.b || c.IfIndex == 0 {
			t.Errorf("control %+v", c)
		}
		a.sendTo(text("y"), to) // the class was that one's alone
		b.await("readable", readable)
		in.Control = &provider.Control{Has: provider.ControlTTL | provider.ControlTOS}
		b.Recv(in)
		if in.Control.TOS != 0 || in.Control.TTL != 128 {
			t.Errorf("the next datagram: %+v", in.Control)
		}

		m = text("from")
		m.Addr, m.Control = to, &provider.Control{Has: provider.ControlPacketInfo, Dst: fam.a}
		_, e := a.Send(m)
		want := wsa.Errno(0)
		if fam.af == wsa.AF_INET {
			want = wsa.EOPNOTSUPP
		}
		a.fails("send from an address", e, want)
		bound := udp(t, n.a, fam.af)
		bound.bind(fam.a, 0)
		if _, e := bound.Send(m); e != 0 {
			t.Errorf("send from the bound address: %s", e.Name())
		}
	})
}

func TestBroadcast(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	subnet := netip.MustParseAddr("10.1.0.255")
	for _, to := range []netip.Addr{subnet, netip.MustParseAddr("255.255.255.255")} {
		a := udp(t, n.a, wsa.AF_INET)
		a.bind(stacktest.A4, 0)
		m := text("all")
		m.Addr = addr(to, 9)
		_, e := a.Send(m)
		a.fails("send", e, wsa.EACCES)
		a.fails("connect", a.Connect(m.Addr), wsa.EACCES)
		a.must("broadcast", a.SetOption(wsa.SOL_SOCKET, wsa.SO_BROADCAST, 1))
		_, e = a.Send(m)
		a.fails("send with SO_BROADCAST", e, 0)
		if to == subnet { // the limited one has no route of its own
			a.must("connect with SO_BROADCAST", a.Connect(m.Addr))
		}
		s := stream(t, n.a, wsa.AF_INET)
		s.fails("connect a stream", s.Connect(m.Addr), wsa.EACCES)
	}
	b := udp(t, n.b, wsa.AF_INET)
	at := b.bind(netip.IPv4Unspecified(), 0)
	a := udp(t, n.a, wsa.AF_INET)
	a.must("broadcast", a.SetOption(wsa.SOL_SOCKET, wsa.SO_BROADCAST, 1))
	a.sendTo(text("all"), addr(subnet, at.Port()))
	if got, _, e := b.recv1(10); string(got) != "all" || e != 0 {
		t.Errorf("received %q, %s", got, e.Name())
	}
}

func echo(fam family, id, seq byte) []byte {
	if fam.af == wsa.AF_INET6 {
		return []byte{128, 0, 0, 0, 0, id, 0, seq, 'p', 'i', 'n', 'g'} // the stack fills the checksum in
	}
	b := []byte{8, 0, 0, 0, 0, id, 0, seq, 'p', 'i', 'n', 'g'}
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	sum = ^(sum>>16 + sum&0xffff)
	b[2], b[3] = byte(sum>>8), byte(sum)
	return b
}

func (fam family) icmp() int32 {
	if fam.af == wsa.AF_INET6 {
		return wsa.IPPROTO_ICMPV6
	}
	return wsa.IPPROTO_ICMP
}

func TestPing(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		for name, typ := range map[string]int32{"raw": wsa.SOCK_RAW, "dgram": wsa.SOCK_DGRAM} {
			t.Run(name, func(t *testing.T) {
				a := open(t, n.a, fam.af, typ, fam.icmp())
				a.must("bind", a.Bind(addr(fam.a, 0)))
				a.sendTo(msg(echo(fam, 1, 2)), addr(fam.b, 0))
				for {
					got, from, e := a.recv1(1500)
					if e != 0 || from.Addr() != fam.b || from.Port() != 0 {
						if from.Addr() != fam.b && e == 0 { // neighbour discovery of our own
							continue
						}
						t.Fatalf("received %q from %v, %s", got, from, e.Name())
					}
					if typ == wsa.SOCK_RAW && fam.af == wsa.AF_INET {
						got = got[int(got[0]&15)*4:] // the IP header comes along
					}
					if len(got) == 12 && (got[0] == 0 || got[0] == 129) && string(got[8:]) == "ping" {
						return
					}
				}
			})
		}
	})
}

func TestRaw(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	r := open(t, n.a, wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_UDP)
	r.must("connect", r.Connect(addr(stacktest.B4, 77)))
	if p, ok := r.PeerAddr(); !ok || p.Addr() != stacktest.B4 || p.Port() != 0 {
		t.Errorf("peer %v, %v", p, ok)
	}
	if l, ok := r.LocalAddr(); !ok || l.Addr() != stacktest.A4 || l.Port() != 0 {
		t.Errorf("local %v, %v", l, ok)
	}
	r.fails("disconnect", r.Disconnect(), wsa.EOPNOTSUPP)
	_, e := r.Send(msg(make([]byte, 3000)))
	r.fails("send above the MTU", e, wsa.EMSGSIZE)
	b := udp(t, n.b, wsa.AF_INET)
	at := b.bind(stacktest.B4, 0)
	if _, e := r.Send(msg([]byte{0, 9, byte(at.Port() >> 8), byte(at.Port()), 0, 9, 0, 0, 'x'})); e != 0 {
		t.Fatalf("send: %s", e.Name())
	}
	if got, from, e := b.recv1(10); string(got) != "x" || from.Port() != 9 || e != 0 {
		t.Errorf("received %q from %v, %s", got, from, e.Name())
	}
	for _, protocol := range []int32{wsa.IPPROTO_RAW, 89} {
		s := open(t, n.a, wsa.AF_INET, wsa.SOCK_RAW, protocol)
		own, e := s.Option(wsa.IPPROTO_IP, wsa.IP_HDRINCL)
		if want := map[int32]int{wsa.IPPROTO_RAW: 1}[protocol]; own != want || e != 0 {
			t.Errorf("protocol %d: HDRINCL %d, %s", protocol, own, e.Name())
		}
	}
	s := open(t, n.a, wsa.AF_INET, wsa.SOCK_RAW, 89)
	s.sendTo(text("hello, ospf"), addr(stacktest.B4, 0))
}

func TestDatagramDualStack(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	b := udp(t, n.b, wsa.AF_INET6)
	b.must("v6only", b.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0))
	at := b.bind(netip.IPv6Unspecified(), 0)
	a := udp(t, n.a, wsa.AF_INET)
	a.sendTo(text("four"), addr(stacktest.B4, at.Port()))
	got, from, e := b.recv1(10)
	if string(got) != "four" || !from.Addr().Is4In6() || e != 0 {
		t.Fatalf("received %q from %v, %s", got, from, e.Name())
	}
	b.sendTo(text("back"), from)
	if got, from, _ := a.recv1(10); string(got) != "back" || from.Addr() != stacktest.B4 {
		t.Errorf("received %q from %v", got, from)
	}
	b.sendTo(text("nobody"), provider.Addr{AddrPort: netip.AddrPortFrom(from.Addr(), 9), Family: wsa.AF_INET6})
	_, drew, e := b.recv1(10)
	if e != wsa.ECONNRESET || drew.Addr() != from.Addr() {
		t.Errorf("soft error %s of %v", e.Name(), drew)
	}
}
