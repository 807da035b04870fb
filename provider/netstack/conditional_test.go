package netstack_test

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// conditional is a listener on stack B that answers no SYN by itself.
func (n *net) conditional(t *testing.T, ip netip.Addr, backlog int) (*sock, provider.Addr) {
	t.Helper()
	af := wsa.AF_INET
	if ip.Is6() {
		af = wsa.AF_INET6
	}
	l := stream(t, n.b, af)
	l.must("SO_CONDITIONAL_ACCEPT", l.SetOption(wsa.SOL_SOCKET, wsa.SO_CONDITIONAL_ACCEPT, 1))
	at := l.bind(ip, 0)
	l.must("listen", l.Listen(backlog))
	if st := l.State(); st.Phase != base.Listening || st.Acceptable {
		t.Fatalf("listening: %+v", st)
	}
	return l, at
}

func acceptable(s base.State) bool { return s.Acceptable }

func (s *sock) offer() base.Attempt {
	s.t.Helper()
	s.await("acceptable", acceptable)
	a, e := s.Endpoint.(base.ConditionalListener).Offer()
	s.must("offer", e)
	return a
}

// flush waits until what stack B has sent so far has come to A.
func (n *net) flush(t *testing.T, fam family) {
	t.Helper()
	to := udp(t, n.a, fam.af)
	m := text("flush")
	m.Addr = to.bind(fam.a, 0)
	if _, e := udp(t, n.b, fam.af).Send(m); e != 0 {
		t.Fatalf("flush: %s", e.Name())
	}
	to.recv1(9)
}

// TestConditional: no SYN-ACK before Answer, RST by Refuse, and a connection like any
// other (winsock-spi 3.3, 9.1).
func TestConditional(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		for _, ip := range []netip.Addr{fam.b, unspecified(fam.b)} {
			l, at := n.conditional(t, ip, 5)
			to := addr(fam.b, at.Port())
			for _, answer := range []bool{true, false, true} {
				a := stream(t, n.a, fam.af)
				a.fails("connect", a.Connect(to), wsa.EWOULDBLOCK)
				o := l.offer()
				if own, _ := a.LocalAddr(); o.PeerAddr() != own || o.LocalAddr() != to {
					t.Errorf("offered %v to %v, want %v to %v", o.PeerAddr(), o.LocalAddr(), own, to)
				}
				n.flush(t, fam)
				if st := a.State(); st.Phase != base.Connecting {
					t.Fatalf("answered before the verdict: %s", phaseName(st.Phase))
				}
				if _, e := l.Accept(); e != wsa.EWOULDBLOCK || l.State().Acceptable {
					t.Fatalf("accept before the verdict: %s", e.Name())
				}
				if !answer {
					o.Refuse()
					a.wantDead(wsa.ECONNREFUSED)
					o.Refuse()
					l.fails("answer after refuse", o.Answer(), wsa.EACCES)
					continue
				}
				l.must("answer", o.Answer())
				l.fails("answer twice", o.Answer(), wsa.EACCES)
				a.await("connected", connected)
				b := l.accept()
				data := pattern(300 << 10)
				go a.sendAll(data)
				if got := b.recvAll(len(data)); string(got) != string(data) {
					t.Error("the data is not what was sent")
				}
				if v, _ := b.Option(wsa.IPPROTO_IP, wsa.IP_TTL); fam.af == wsa.AF_INET && v != 128 {
					t.Errorf("TTL %d", v)
				}
				b.must("shutdown", b.Shutdown())
				a.await("peer closed", peerClosed)
				b.close(false)
				a.close(false)
			}
			l.close(false)
		}
	})
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// TestConditionalDual: the wildcard of both families offers IPv4 attempts too.
func TestConditionalDual(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	l := stream(t, n.b, wsa.AF_INET6)
	l.must("v6only", l.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0))
	l.must("conditional", l.SetOption(wsa.SOL_SOCKET, wsa.SO_CONDITIONAL_ACCEPT, 1))
	at := l.bind(netip.IPv6Unspecified(), 0)
	l.must("listen", l.Listen(5))
	for _, fam := range families {
		a := stream(t, n.a, fam.af)
		a.fails("connect", a.Connect(addr(fam.b, at.Port())), wsa.EWOULDBLOCK)
		o := l.offer()
		if p := o.PeerAddr(); p.Family != wsa.AF_INET6 || p.Addr().Unmap() != fam.a {
			t.Errorf("offered %v", p)
		}
		l.must("answer", o.Answer())
		b := l.accept()
		if p, _ := b.PeerAddr(); p != o.PeerAddr() {
			t.Errorf("accepted %v, offered %v", p, o.PeerAddr())
		}
		a.await("connected", connected)
		a.sendAll([]byte("hello"))
		if got := b.recvAll(5); string(got) != "hello" {
			t.Errorf("received %q", got)
		}
	}
}

// TestConditionalClose: who waits is refused, whether taken or not; handshakes end.
func TestConditionalClose(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		l, at := n.conditional(t, fam.b, 5)
		var all [3]*sock
		for i := range all {
			all[i] = stream(t, n.a, fam.af)
			all[i].fails("connect", all[i].Connect(at), wsa.EWOULDBLOCK)
			if i == 0 {
				l.offer()
			}
		}
		l.await("acceptable", acceptable)
		n.flushTo(t, fam)
		l.close(false)
		for _, a := range all {
			a.wantDead(wsa.ECONNREFUSED)
		}
		again := stream(t, n.b, fam.af)
		again.must("bind again", again.Bind(at))
		again.must("listen again", again.Listen(1))
	})
}

// flushTo waits until what stack A has sent so far has come to B.
func (n *net) flushTo(t *testing.T, fam family) {
	t.Helper()
	to := udp(t, n.b, fam.af)
	m := text("flush")
	m.Addr = to.bind(fam.b, 0)
	if _, e := udp(t, n.a, fam.af).Send(m); e != 0 {
		t.Fatalf("flush: %s", e.Name())
	}
	to.recv1(9)
}

// TestConditionalGone: a peer that stopped waiting costs a handshake that comes to
// nothing; the listener goes on.
func TestConditionalGone(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		l, at := n.conditional(t, fam.b, 1)
		a := stream(t, n.a, fam.af)
		a.fails("connect", a.Connect(at), wsa.EWOULDBLOCK)
		o := l.offer()
		a.close(true)
		l.must("answer", o.Answer())
		b := stream(t, n.a, fam.af)
		b.fails("connect", b.Connect(at), wsa.EWOULDBLOCK)
		l.must("answer", l.offer().Answer()) // the backlog of 1 has room again
		b.await("connected", connected)
		if own, _ := b.LocalAddr(); true {
			if p, _ := l.accept().PeerAddr(); p != own {
				t.Errorf("accepted %v, want %v", p, own)
			}
		}
	})
}

// TestConditionalWithdrawn: a reset withdraws what was offered, and only one that is in
// the window (RFC 9293 3.10.7.4).
func TestConditionalWithdrawn(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	l, at := n.conditional(t, stacktest.B4, 5)
	wire := open(t, n.a, wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_RAW)
	segment := func(flags header.TCPFlags, seq uint32) {
		m := msg(tcpSegment(netip.AddrPortFrom(stacktest.A4, 4000), at.AddrPort, flags, seq))
		m.Addr = addr(stacktest.B4, 0)
		if _, e := wire.Send(m); e != 0 {
			t.Fatalf("send: %s", e.Name())
		}
		n.flushTo(t, families[0])
	}
	segment(header.TCPFlagSyn, 1000)
	o := l.offer()
	segment(header.TCPFlagSyn, 1000) // again: the same attempt
	if l.State().Acceptable {
		t.Error("a retransmission is offered again")
	}
	segment(header.TCPFlagRst, 5000)
	segment(header.TCPFlagRst, 1001)
	l.fails("answer", o.Answer(), wsa.EACCES)

	segment(header.TCPFlagSyn, 2000)
	l.await("acceptable", acceptable)
	segment(header.TCPFlagRst, 2001)
	l.await("withdrawn", func(s base.State) bool { return !s.Acceptable })
}

// tcpSegment is an IPv4 packet with a TCP header.
func tcpSegment(src, dst netip.AddrPort, flags header.TCPFlags, seq uint32) []byte {
	b := make([]byte, header.IPv4MinimumSize+header.TCPMinimumSize)
	from, to := stack.ToAddress(src.Addr()), stack.ToAddress(dst.Addr())
	header.IPv4(b).Encode(&header.IPv4Fields{
		TotalLength: uint16(len(b)), TTL: 64, Protocol: uint8(header.TCPProtocolNumber), SrcAddr: from, DstAddr: to,
	})
	header.IPv4(b).SetChecksum(^header.IPv4(b).CalculateChecksum())
	h := header.TCP(b[header.IPv4MinimumSize:])
	h.Encode(&header.TCPFields{SrcPort: src.Port(), DstPort: dst.Port(), SeqNum: seq, DataOffset: header.TCPMinimumSize, Flags: flags, WindowSize: 65535})
	h.SetChecksum(^h.CalculateChecksum(header.PseudoHeaderChecksum(header.TCPProtocolNumber, from, to, uint16(len(h)))))
	return b
}

// TestConditionalBacklog: SYNs beyond it are dropped, not refused.
func TestConditionalBacklog(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	l, at := n.conditional(t, stacktest.B4, 2)
	for range 3 {
		a := stream(t, n.a, wsa.AF_INET)
		a.fails("connect", a.Connect(at), wsa.EWOULDBLOCK)
	}
	n.flushTo(t, families[0])
	for range 2 {
		l.offer()
	}
	if l.State().Acceptable {
		t.Error("a third attempt")
	}
	l.must("a larger backlog", l.Listen(3))
}

// TestConditionalListeners: one listener to an address, and no wildcard that would take
// the SYNs of a specific one.
func TestConditionalListeners(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	for _, row := range []struct {
		name          string
		first, second netip.Addr
		c1, c2        bool
		want          wsa.Errno
	}{
		{"both conditional", stacktest.B4, stacktest.B4, true, true, wsa.EADDRINUSE},
		{"the first", stacktest.B4, stacktest.B4, true, false, wsa.EADDRINUSE},
		{"the second", stacktest.B4, stacktest.B4, false, true, wsa.EADDRINUSE},
		{"beside a wildcard", netip.IPv4Unspecified(), stacktest.B4, false, true, wsa.EADDRINUSE},
		{"a wildcard beside", stacktest.B4, netip.IPv4Unspecified(), false, true, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			port := uint16(0)
			var both [2]*sock
			for i, ip := range []netip.Addr{row.first, row.second} {
				s := stream(t, n.b, wsa.AF_INET)
				both[i] = s
				s.must("reuse", s.SetOption(wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1))
				if i == 0 && row.c1 || i == 1 && row.c2 {
					s.must("conditional", s.SetOption(wsa.SOL_SOCKET, wsa.SO_CONDITIONAL_ACCEPT, 1))
				}
				port = s.bind(ip, port).Port()
			}
			both[0].must("listen", both[0].Listen(1))
			both[1].fails("listen", both[1].Listen(1), row.want)
		})
	}
}

// TestPauseAccept: a paused listener refuses; what was established before can be
// accepted, and the pause can end (9.1).
func TestPauseAccept(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		for _, conditional := range []int{0, 1} {
			l := stream(t, n.b, fam.af)
			l.must("conditional", l.SetOption(wsa.SOL_SOCKET, wsa.SO_CONDITIONAL_ACCEPT, conditional))
			at := l.bind(fam.b, 0)
			l.must("pause before listen", l.SetOption(wsa.SOL_SOCKET, wsa.SO_PAUSE_ACCEPT, 1))
			l.must("listen", l.Listen(5))
			refused := func() {
				t.Helper()
				a := stream(t, n.a, fam.af)
				a.fails("connect", a.Connect(at), wsa.EWOULDBLOCK)
				a.wantDead(wsa.ECONNREFUSED)
			}
			refused()
			l.must("go on", l.SetOption(wsa.SOL_SOCKET, wsa.SO_PAUSE_ACCEPT, 0))
			a := stream(t, n.a, fam.af)
			a.fails("connect", a.Connect(at), wsa.EWOULDBLOCK)
			if conditional == 1 {
				l.must("answer", l.offer().Answer())
			}
			a.await("connected", connected)
			l.await("acceptable", acceptable)
			l.must("pause", l.SetOption(wsa.SOL_SOCKET, wsa.SO_PAUSE_ACCEPT, 1))
			refused()
			b := l.accept()
			a.sendAll([]byte("still there"))
			if got := b.recvAll(11); string(got) != "still there" {
				t.Errorf("received %q", got)
			}
			l.must("go on", l.SetOption(wsa.SOL_SOCKET, wsa.SO_PAUSE_ACCEPT, 0))
			if conditional == 0 {
				stream(t, n.a, fam.af).dial(at)
				l.accept()
			}
		}
	})
}

// TestConditionalStackClosed: the stack ends while attempts wait and one is answered.
func TestConditionalStackClosed(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	l, at := n.conditional(t, stacktest.B4, 5)
	for range 2 {
		a := stream(t, n.a, wsa.AF_INET)
		a.fails("connect", a.Connect(at), wsa.EWOULDBLOCK)
	}
	o := l.offer()
	n.B.Close()
	l.fails("answer", o.Answer(), wsa.EACCES)
	o.Refuse()
}

// TestChainConditional is 3.3 through the provider interface: EWOULDBLOCK until the
// handshake that CF_ACCEPT has begun is over, and the condition function is asked once.
func TestChainConditional(t *testing.T) {
	for _, fam := range families {
		t.Run(fam.name, func(t *testing.T) {
			p := stacktest.NewPair(t, stacktest.PairConfig{})
			ha, hb := newHouse(t, p.A, false), newHouse(t, p.B, false)
			must := func(what string, e wsa.Errno) {
				t.Helper()
				if e != 0 {
					t.Fatalf("%s: %s", what, e.Name())
				}
			}
			l, e := hb.open(fam.af, wsa.SOCK_STREAM, 0)
			must("socket", e)
			tb := &l.Chain().Table
			must("option", tb.WSPSetSockOpt(l, wsa.SOL_SOCKET, wsa.SO_CONDITIONAL_ACCEPT, []byte{1, 0, 0, 0}))
			must("bind", tb.WSPBind(l, addr(fam.b, 0)))
			must("listen", tb.WSPListen(l, 5))
			at, _ := tb.WSPGetSockName(l)
			dial := func() *provider.Socket {
				a, e := ha.open(fam.af, wsa.SOCK_STREAM, 0)
				must("socket", e)
				if e := a.Chain().Table.WSPConnect(a, &provider.ConnectRequest{To: at}); e != wsa.EWOULDBLOCK {
					t.Fatalf("connect: %s", e.Name())
				}
				wait(t, l, wsa.FD_ACCEPT)
				return a
			}
			asked := 0
			say := func(v provider.CondResult) *provider.AcceptRequest {
				return &provider.AcceptRequest{Cond: func(*provider.Indication) provider.CondResult { asked++; return v }}
			}

			a := dial()
			if _, e := tb.WSPAccept(l, say(provider.CF_REJECT)); e != wsa.ECONNREFUSED {
				t.Fatalf("CF_REJECT: %s", e.Name())
			}
			if r := wait(t, a, wsa.FD_CONNECT); r.Connect != wsa.ECONNREFUSED {
				t.Errorf("refused: %s", r.Connect.Name())
			}
			a = dial()
			if _, e := tb.WSPAccept(l, say(provider.CF_DEFER)); e != wsa.TRY_AGAIN {
				t.Fatalf("CF_DEFER: %s", e.Name())
			}
			if asked = 0; tb.Ready(l, wsa.FD_ACCEPT).Events == 0 {
				t.Error("what was deferred does not show")
			}
			b, e := tb.WSPAccept(l, say(provider.CF_ACCEPT))
			for e == wsa.EWOULDBLOCK {
				wait(t, l, wsa.FD_ACCEPT)
				b, e = tb.WSPAccept(l, say(provider.CF_ACCEPT))
			}
			must("accept", e)
			if r := wait(t, a, wsa.FD_CONNECT); r.Connect != 0 || asked != 1 {
				t.Errorf("connected: %s, asked %d times", r.Connect.Name(), asked)
			}
			must("close", tb.WSPCloseSocket(b, provider.CloseLinger))
			wait(t, a, wsa.FD_CLOSE)
		})
	}
}
