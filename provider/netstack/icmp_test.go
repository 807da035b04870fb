package netstack_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// icmp4 is an ICMP error about the packet in, from router to in's source, as it
// stands on the wire.
func icmp4(router netip.Addr, typ, code byte, in []byte) []byte {
	body := append([]byte{typ, code, 0, 0, 0, 0, 0, 0}, in[:min(len(in), 28)]...)
	binary.BigEndian.PutUint16(body[2:], ^checksum.Checksum(body, 0))
	from, to := router.As4(), [4]byte(in[12:16])
	ip := []byte{0x45, 0, 0, byte(20 + len(body)), 0, 1, 0, 0, 64, 1, 0, 0}
	ip = append(append(ip, from[:]...), to[:]...)
	binary.BigEndian.PutUint16(ip[10:], ^checksum.Checksum(ip, 0))
	return append(ip, body...)
}

func icmp6(router netip.Addr, typ, code byte, in []byte) []byte {
	body := append([]byte{typ, code, 0, 0, 0, 0, 0, 0}, in[:min(len(in), 48)]...)
	from, to := router.As16(), [16]byte(in[8:24])
	pseudo := append(append(append([]byte{}, from[:]...), to[:]...), 0, 0, 0, byte(len(body)), 0, 0, 0, 58)
	binary.BigEndian.PutUint16(body[2:], ^checksum.Checksum(body, checksum.Checksum(pseudo, 0)))
	ip := append([]byte{0x60, 0, 0, 0, 0, byte(len(body)), 58, 64}, from[:]...)
	return append(append(ip, to[:]...), body...)
}

// onWire is a stack whose packets the test answers.
func onWire(t *testing.T) (*netstack.Driver, *stacktest.Wire) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := stacktest.NewWire(false)
	nic, err := s.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{
		netip.PrefixFrom(stacktest.A4, 24), netip.PrefixFrom(stacktest.A6, 64)}})
	if err != nil {
		t.Fatal(err)
	}
	s.SetRoutes([]stack.Route{{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: nic}, {Dest: netip.MustParsePrefix("::/0"), NIC: nic}})
	return driver(t, s), w
}

var (
	far4 = netip.MustParseAddr("192.0.2.7")
	far6 = netip.MustParseAddr("2001:db8::7")
)

// of matches packets of a transport protocol.
func of(protocol byte) func([]byte) bool {
	return func(p []byte) bool {
		return p[0]>>4 == 4 && p[9] == protocol || p[0]>>4 == 6 && p[6] == protocol
	}
}

// TestConnectICMP: each ICMP error ends the attempt under its own cause.
func TestConnectICMP(t *testing.T) {
	for _, row := range []struct {
		name      string
		v6        bool
		typ, code byte
		want      wsa.Errno
	}{
		{"net", false, 3, 0, wsa.ENETUNREACH},
		{"host", false, 3, 1, wsa.EHOSTUNREACH},
		{"protocol", false, 3, 2, wsa.ECONNREFUSED},
		{"port", false, 3, 3, wsa.ECONNREFUSED},
		{"no route 6", true, 1, 0, wsa.ENETUNREACH},
		{"port 6", true, 1, 4, wsa.ECONNREFUSED},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, w := onWire(t)
			af, to, answer := wsa.AF_INET, far4, icmp4
			router := stacktest.B4
			if row.v6 {
				af, to, answer, router = wsa.AF_INET6, far6, icmp6, stacktest.B6
			}
			a := stream(t, d, af)
			a.fails("connect", a.Connect(addr(to, 80)), wsa.EWOULDBLOCK)
			syn := w.Expect(t, patience, "SYN", of(6))
			w.Inject(answer(router, row.typ, row.code, syn))
			a.wantDead(row.want)
		})
	}
}

// TestDatagramTTLExceeded: connected and not, ENETRESET; an error about somebody
// else's datagram is nobody's.
func TestDatagramTTLExceeded(t *testing.T) {
	for _, fam := range []struct {
		af         int32
		to, router netip.Addr
		typ        byte
		answer     func(netip.Addr, byte, byte, []byte) []byte
	}{{wsa.AF_INET, far4, stacktest.B4, 11, icmp4}, {wsa.AF_INET6, far6, stacktest.B6, 3, icmp6}} {
		for _, connected := range []bool{false, true} {
			d, w := onWire(t)
			a, other := udp(t, d, fam.af), udp(t, d, fam.af)
			m := text("how far?")
			if connected {
				a.must("connect", a.Connect(addr(fam.to, 33434)))
			} else {
				m.Addr = addr(fam.to, 33434)
			}
			other.must("connect", other.Connect(addr(fam.to, 33434)))
			a.must("ttl", func() wsa.Errno { _, e := a.Send(m); return e }())
			out := w.Expect(t, patience, "datagram", of(17))
			w.Inject(fam.answer(fam.router, fam.typ, 0, out))
			a.await("soft error", soft)
			_, from, e := a.recv1(10)
			a.fails("recv", e, wsa.ENETRESET)
			if from.AddrPort != netip.AddrPortFrom(fam.to, 33434) {
				t.Errorf("drawn by %v", from)
			}
			if soft(other.State()) {
				t.Error("somebody else got it too")
			}
		}
	}
}

// TestDatagramBadICMP: an error whose checksum is wrong, or about another port, is ignored.
func TestDatagramBadICMP(t *testing.T) {
	d, w := onWire(t)
	a := udp(t, d, wsa.AF_INET)
	a.sendTo(text("x"), addr(far4, 9))
	out := w.Expect(t, patience, "datagram", of(17))
	bad := icmp4(stacktest.B4, 3, 3, out)
	bad[len(bad)-1] ^= 1
	w.Inject(bad)
	other := append([]byte(nil), out...)
	other[21]++ // another source port
	w.Inject(icmp4(stacktest.B4, 3, 3, other))
	w.Inject(icmp4(stacktest.B4, 11, 0, out)) // a good one behind them
	_, _, e := a.recv1(10)
	a.fails("recv", e, wsa.ENETRESET)
}

// TestTapAfterClose: endpoints live on without the taps.
func TestTapAfterClose(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	a := udp(t, n.a, wsa.AF_INET)
	a.bind(stacktest.A4, 0)
	n.a.Close()
	n.a.Close()
	late := udp(t, n.a, wsa.AF_INET)
	late.bind(stacktest.A4, 0)
	for _, s := range []*sock{a, late} {
		s.sendTo(text("anybody?"), addr(stacktest.B4, 9))
	}
	n.waitFor(t, "port unreachables", func() bool {
		return n.A.TCPIP().Stats().ICMP.V4.PacketsReceived.DstUnreachable.Value() >= 2
	})
	if soft(a.State()) || soft(late.State()) {
		t.Error("an error was found without taps")
	}
}

func (n *net) waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

func FuzzQuote(f *testing.F) {
	udp4 := append([]byte{0x45, 0, 0, 29, 0, 0, 0, 0, 1, 17, 0, 0, 10, 1, 0, 1, 192, 0, 2, 7}, 0xc0, 0, 0x82, 0x9a, 0, 9, 0, 0)
	udp6 := append(append([]byte{0x60, 0, 0, 0, 0, 9, 17, 1}, make([]byte, 32)...), 0xc0, 0, 0x82, 0x9a, 0, 9, 0, 0)
	f.Add(false, icmp4(stacktest.B4, 3, 3, udp4), true)
	f.Add(false, icmp4(stacktest.B4, 11, 0, udp4), true)
	f.Add(false, []byte{0x4f}, false)
	f.Add(true, icmp6(stacktest.B6, 1, 4, udp6)[40:], true)
	f.Add(true, icmp6(stacktest.B6, 3, 0, udp6)[40:], true)
	f.Fuzz(func(t *testing.T, v6 bool, pkt []byte, whole bool) {
		from, to, e, ok := netstack.Quote(v6, pkt, whole)
		if !ok {
			return
		}
		if e != wsa.ECONNRESET && e != wsa.ENETRESET {
			t.Errorf("code %s", e.Name())
		}
		if from.Addr().Is6() != v6 || to.Addr().Is6() != v6 {
			t.Errorf("families of %v and %v", from, to)
		}
	})
}

func TestQuote(t *testing.T) {
	udp4 := append([]byte{0x45, 0, 0, 29, 0, 0, 0, 0, 1, 17, 0, 0, 10, 1, 0, 1, 192, 0, 2, 7}, 0xc0, 0, 0x82, 0x9a, 0, 9, 0, 0)
	good := icmp4(stacktest.B4, 3, 3, udp4)
	from, to, e, ok := netstack.Quote(false, good, true)
	if !ok || e != wsa.ECONNRESET || from.String() != "10.1.0.1:49152" || to.String() != "192.0.2.7:33434" {
		t.Errorf("%v %v %s %v", from, to, e.Name(), ok)
	}
	bad := append([]byte(nil), good...)
	bad[len(bad)-1] ^= 1
	if _, _, _, ok := netstack.Quote(false, bad, true); ok {
		t.Error("wrong checksum: taken")
	}
	for name, change := range map[string]func(p []byte) []byte{
		"tcp quoted":      func(p []byte) []byte { p[28+9] = 6; return p },
		"later fragment":  func(p []byte) []byte { p[28+7] = 1; return p },
		"host, not port":  func(p []byte) []byte { p[21] = 1; return p },
		"echo reply":      func(p []byte) []byte { p[20] = 0; return p },
		"short":           func(p []byte) []byte { return p[:len(p)-5] },
		"header too long": func(p []byte) []byte { p[28] = 0x4f; return p },
		"not IPv4":        func(p []byte) []byte { p[28] = 0x65; return p },
		"nothing":         func(p []byte) []byte { return nil },
	} {
		if _, _, _, ok := netstack.Quote(false, change(append([]byte(nil), good...)), false); ok {
			t.Errorf("%s: taken", name)
		}
	}
}
