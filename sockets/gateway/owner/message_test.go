package owner

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"
	"testing"
)

// message is one netlink message.
func message(typ, flags uint16, seq uint32, body []byte) []byte {
	b := make([]byte, align(headerLen+len(body)))
	order.PutUint32(b, uint32(headerLen+len(body)))
	order.PutUint16(b[4:], typ)
	order.PutUint16(b[6:], flags)
	order.PutUint32(b[8:], seq)
	copy(b[headerLen:], body)
	return b
}

// socket is struct inet_diag_msg. mapped makes it an AF_INET6 socket that speaks IPv4.
func (s Socket) body(mapped bool) []byte {
	b := make([]byte, answerLen)
	src, dst := s.Local, s.Remote
	b[0], b[1] = familyOf(src.Addr()), s.state
	if mapped {
		b[0] = familyV6
		src = netip.AddrPortFrom(netip.AddrFrom16(src.Addr().As16()), src.Port())
		dst = netip.AddrPortFrom(netip.AddrFrom16(dst.Addr().As16()), dst.Port())
	}
	putID(b[4:], src, dst)
	order.PutUint32(b[64:], s.UID)
	order.PutUint32(b[68:], s.Inode)
	if s.V6Only {
		b = append(b, 5, 0, 0, 0, 1, 0, 0, 0)
		order.PutUint16(b[answerLen:], 5)
		order.PutUint16(b[answerLen+2:], attributeV6Only)
	}
	return b
}

func failed(seq uint32, code syscall.Errno) []byte {
	body := make([]byte, 20)
	order.PutUint32(body, uint32(-int32(code)))
	return message(typeError, 0, seq, body)
}

// The offsets are those of linux/inet_diag.h.
func TestQuery(t *testing.T) {
	q := query{
		family: familyV4, protocol: 6, device: 7, seq: 9,
		src: netip.MustParseAddrPort("10.0.2.100:4660"), dst: netip.MustParseAddrPort("192.0.2.1:443"),
	}
	b := q.marshal()
	if len(b) != 72 || order.Uint32(b) != 72 || order.Uint16(b[4:]) != 20 || order.Uint16(b[6:]) != 1 || order.Uint32(b[8:]) != 9 {
		t.Errorf("header % x", b[:16])
	}
	if b[16] != 2 || b[17] != 6 || binary.BigEndian.Uint16(b[24:]) != 4660 || binary.BigEndian.Uint16(b[26:]) != 443 ||
		[4]byte(b[28:32]) != [4]byte{10, 0, 2, 100} || [4]byte(b[44:48]) != [4]byte{192, 0, 2, 1} || order.Uint32(b[60:]) != 7 || order.Uint64(b[64:]) != 1<<64-1 {
		t.Errorf("request % x", b[16:])
	}
	if q.dump = true; order.Uint16(q.marshal()[6:]) != 0x301 {
		t.Error("a dump does not say so")
	}
}

func TestParse(t *testing.T) {
	a := Socket{Local: netip.MustParseAddrPort("10.0.2.100:1000"), Remote: netip.MustParseAddrPort("192.0.2.1:443"), UID: 1000, Inode: 77, family: familyV4, state: 2}
	b := Socket{Local: netip.MustParseAddrPort("[fd00::64]:1000"), Remote: netip.MustParseAddrPort("[2001:db8::1]:443"), UID: 1<<32 - 2, Inode: 78, V6Only: true, family: familyV6, state: 7}
	both := append(message(sockDiagByFamily, 2, 5, a.body(false)), message(sockDiagByFamily, 2, 5, b.body(false))...)
	torn := message(sockDiagByFamily, 0, 5, a.body(false))
	for _, c := range []struct {
		name string
		in   []byte
		want []Socket
		done bool
		err  error
	}{
		{name: "nothing"},
		{name: "two", in: both, want: []Socket{a, b}},
		{name: "the end", in: append(both[:len(both):len(both)], message(typeDone, 2, 5, make([]byte, 4))...), want: []Socket{a, b}, done: true},
		{name: "of another question", in: message(sockDiagByFamily, 0, 4, a.body(false))},
		{name: "an error of another question", in: failed(4, syscall.ENOENT)},
		{name: "an error", in: failed(5, syscall.ENOENT), done: true, err: syscall.ENOENT},
		{name: "no error", in: failed(5, 0), done: true},
		{name: "interrupted", in: message(sockDiagByFamily, flagInterrupted, 5, a.body(false)), want: []Socket{a}},
		{name: "a header's half", in: both[:8], done: true, err: errMalformed},
		{name: "torn", in: torn[:len(torn)-4], done: true, err: errMalformed},
		{name: "a length of 0", in: make([]byte, 16), done: true, err: errMalformed},
		{name: "a short socket", in: message(sockDiagByFamily, 0, 5, make([]byte, answerLen-1)), done: true, err: errMalformed},
		{name: "a short error", in: message(typeError, 0, 5, nil), done: true, err: errMalformed},
		{name: "no family", in: message(sockDiagByFamily, 0, 5, make([]byte, answerLen)), done: true, err: errMalformed},
		{name: "no type", in: message(99, 0, 5, nil), done: true, err: errMalformed},
		{name: "a bad attribute", in: message(sockDiagByFamily, 0, 5, append(a.body(false), 3, 0, 0, 0)), want: nil, done: true, err: errMalformed},
	} {
		var got []Socket
		x := answer{seq: 5, each: func(s Socket) { got = append(got, s) }}
		done, err := x.parse(c.in)
		if x.interrupted != (c.name == "interrupted") || x.sockets != len(got) {
			t.Errorf("%s: %+v", c.name, x)
		}
		if done != c.done || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) || len(got) != len(c.want) {
			t.Errorf("%s: %v, done %v, %v", c.name, got, done, err)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %+v, want %+v", c.name, got[i], c.want[i])
			}
		}
	}
}

// Whatever comes, parse ends, and hands out no socket that is not whole.
func FuzzParse(f *testing.F) {
	a := Socket{Local: netip.MustParseAddrPort("[fd00::64]:1000"), Remote: netip.MustParseAddrPort("[2001:db8::1]:443"), Inode: 78, V6Only: true}
	f.Add(append(message(sockDiagByFamily, 2, 1, a.body(false)), message(typeDone, 2, 1, nil)...))
	f.Add(failed(1, syscall.EINVAL))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		x := answer{seq: 1, each: func(s Socket) {
			if n++; !s.Local.Addr().IsValid() || !s.Remote.Addr().IsValid() || s.Local.Addr().Is4In6() {
				t.Errorf("%+v", s)
			}
		}}
		x.parse(b)
		if n*(headerLen+answerLen) > len(b) {
			t.Errorf("%d sockets in %d bytes", n, len(b))
		}
	})
}
