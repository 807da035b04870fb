package stack

import (
	"net/netip"
	"testing"
)

// refusals are ICMP messages of the program's kernel, with what they say.
func refusals() (all [][]byte, want []string) {
	v4 := []byte{
		0x45, 0, 0, 56, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 2, 100, 192, 0, 2, 1,
		3, 3, 0, 0, 0, 0, 0, 0,
		0x45, 0, 0, 36, 0, 0, 0, 0, 63, 17, 0, 0, 192, 0, 2, 1, 10, 0, 2, 100,
		0, 53, 0x30, 0x39, 0, 16, 0, 0,
	}
	v6 := make([]byte, 40+8+40+8)
	guest, server := netip.MustParseAddr("fd00::64").As16(), netip.MustParseAddr("2001:db8::1").As16()
	v6[0], v6[5], v6[6], v6[7] = 0x60, 56, 58, 64
	copy(v6[8:], guest[:])
	copy(v6[24:], server[:])
	v6[40], v6[41] = 1, 4
	q := v6[48:]
	q[0], q[5], q[6], q[7] = 0x60, 8, 17, 63
	copy(q[8:], server[:])
	copy(q[24:], guest[:])
	copy(q[40:], []byte{0, 53, 0x30, 0x39})
	change := func(b []byte, at int, to byte) []byte {
		c := append([]byte(nil), b...)
		c[at] = to
		return c
	}
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{v4, "192.0.2.1:53 10.0.2.100:12345"},
		{v6, "[2001:db8::1]:53 [fd00::64]:12345"},
		{change(v4, 21, 1), ""}, // host unreachable
		{change(v4, 20, 8), ""}, // a ping
		{change(v4, 37, 6), ""}, // about TCP
		{change(v4, 28, 0x65), ""},
		{change(v6, 41, 3), ""},
		{change(v6, 40, 128), ""},
		{change(v6, 54, 6), ""},
		{change(v6, 48, 0x45), ""},
		{v4[:50], ""}, // ends before the ports
		{v4[:27], ""},
		{v6[:90], ""},
	} {
		all, want = append(all, c.b), append(want, c.want)
	}
	return all, want
}

func readRefusal(b []byte) string {
	var p packet
	if p.version = b[0] >> 4; p.version == 4 {
		p.l4 = 20
	} else {
		p.version, p.l4 = 6, 40
	}
	p.end = len(b)
	src, dst, ok := refusedDatagram(&p, b)
	if !ok {
		return ""
	}
	return src.String() + " " + dst.String()
}

func TestRefusedDatagram(t *testing.T) {
	all, want := refusals()
	for i, b := range all {
		if got := readRefusal(b); got != want[i] {
			t.Errorf("%x: %q, want %q", b, got, want[i])
		}
	}
}

func FuzzRefusedDatagram(f *testing.F) {
	all, _ := refusals()
	for _, b := range all {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 0 {
			readRefusal(b[:min(len(b), firstView)])
		}
	})
}

// TestQuoteWithSeq: only a ping has a sequence number.
func TestQuoteWithSeq(t *testing.T) {
	all, _ := refusals()
	udp4, udp6 := makeQuote(all[0][28:]), makeQuote(all[1][48:])
	for _, q := range []Quote{udp4, udp6, {}, makeQuote([]byte{0x45, 0})} {
		if q.WithSeq(7) != q {
			t.Errorf("%x was changed", q.b[:q.n])
		}
	}
	for _, c := range []struct {
		q         Quote
		proto, at int
	}{{udp4, 9, 26}, {udp6, 6, 46}} {
		q := c.q
		q.b[c.proto] = map[int]byte{9: protoICMP, 6: protoICMPv6}[c.proto]
		want := q
		want.b[c.at], want.b[c.at+1] = 1, 2
		if got := q.WithSeq(0x102); got != want {
			t.Errorf("%x, want %x", got.b[:got.n], want.b[:want.n])
		}
	}
}

// TestSendICMPError: what is not an error about a packet is not sent.
func TestICMPErrorTypes(t *testing.T) {
	for typ := range 256 {
		e := ICMPError{Type: uint8(typ)}
		if got, want := e.aboutPacket(true), typ == 3 || typ == 11 || typ == 12; got != want {
			t.Errorf("IPv4 type %d: %v", typ, got)
		}
		if got, want := e.aboutPacket(false), typ >= 1 && typ <= 4; got != want {
			t.Errorf("IPv6 type %d: %v", typ, got)
		}
	}
}
