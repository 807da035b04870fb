package owner

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"syscall"
	"testing"
)

// scripted is a kernel that answers a question with what is written down for it;
// the packets' sequence numbers are set to the question's.
type scripted struct {
	t       *testing.T
	answers [][][]byte // of each question, packets
	asked   []query
	now     [][]byte
	broken  error
	closed  int
}

func (s *scripted) send(b []byte) error {
	if s.broken != nil {
		return s.broken
	}
	if len(s.asked) >= len(s.answers) {
		s.t.Fatalf("a question too many: % x", b)
	}
	s.asked = append(s.asked, query{family: b[16], protocol: b[17], device: order.Uint32(b[60:]), dump: order.Uint16(b[6:])&flagDump != 0})
	s.now = nil
	for _, p := range s.answers[len(s.asked)-1] {
		p = bytes.Clone(p)
		s.now = append(s.now, p)
		for at := 0; at+headerLen <= len(p); at += max(headerLen, align(int(order.Uint32(p[at:])))) {
			if order.Uint32(p[at+8:]) == 0 {
				order.PutUint32(p[at+8:], order.Uint32(b[8:]))
			}
		}
	}
	return nil
}

func (s *scripted) receive(b []byte) (int, error) {
	if len(s.now) == 0 {
		return 0, syscall.EAGAIN
	}
	n := copy(b, s.now[0])
	s.now = s.now[1:]
	return n, nil
}

func (s *scripted) Close() error { s.closed++; return nil }

func said(sockets ...[]byte) (p []byte) {
	for _, b := range sockets {
		p = append(p, message(sockDiagByFamily, 0, 0, b)...)
	}
	return p
}

var (
	done  = message(typeDone, 0, 0, make([]byte, 4))
	guest = netip.MustParseAddrPort("10.0.2.100:40000")
	far   = netip.MustParseAddrPort("192.0.2.1:443")
)

func TestTCP(t *testing.T) {
	good := Socket{Local: guest, Remote: far, UID: 1000, Inode: 7, state: 2}
	listener := Socket{Local: netip.AddrPortFrom(netip.IPv4Unspecified(), guest.Port()), Remote: netip.AddrPortFrom(netip.IPv4Unspecified(), 0), UID: 0, Inode: 8, state: stateListen}
	bound := Socket{Local: guest, Remote: far, Inode: 8, state: stateListen}
	waits := Socket{Local: guest, Remote: far, state: 6} // TCP_TIME_WAIT
	other := Socket{Local: guest, Remote: netip.MustParseAddrPort("192.0.2.2:443"), UID: 1, Inode: 9, state: 1}
	for _, c := range []struct {
		name   string
		answer [][]byte
		inode  uint32
		err    error
	}{
		{"found", [][]byte{said(good.body(false))}, 7, nil},
		{"found, IPv4 of an IPv6 socket", [][]byte{said(good.body(true))}, 7, nil},
		{"after an answer to somebody else", [][]byte{message(sockDiagByFamily, 0, 99, other.body(false)), said(good.body(false))}, 7, nil},
		{"a listener at the port", [][]byte{said(listener.body(false))}, 0, fs.ErrNotExist},
		{"a listener with a peer", [][]byte{said(bound.body(false))}, 0, fs.ErrNotExist},
		{"closed, and lingering", [][]byte{said(waits.body(false))}, 0, fs.ErrNotExist},
		{"another", [][]byte{said(other.body(false))}, 0, fs.ErrNotExist},
		{"none", [][]byte{failed(0, syscall.ENOENT)}, 0, fs.ErrNotExist},
		{"an empty answer", [][]byte{done}, 0, fs.ErrNotExist},
		{"refused", [][]byte{failed(0, syscall.EPERM)}, 0, fs.ErrPermission},
		{"silence", nil, 0, syscall.EAGAIN},
	} {
		k := &scripted{t: t, answers: [][][]byte{c.answer}}
		d := newDiag(k)
		d.Device = 3
		got, err := d.TCP(guest, far)
		if got.Inode != c.inode || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		if q := k.asked[0]; q != (query{family: familyV4, protocol: 6, device: 3}) {
			t.Errorf("%s: asked %+v", c.name, q)
		}
	}
}

func TestUDP(t *testing.T) {
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	at := func(a netip.Addr, inode uint32) Socket {
		return Socket{Local: netip.AddrPortFrom(a, guest.Port()), Remote: netip.AddrPortFrom(a, 0), Inode: inode, state: 7}
	}
	only := at(any6, 3)
	only.V6Only = true
	elsewhere := Socket{Local: netip.AddrPortFrom(any4, 1), Remote: netip.AddrPortFrom(any4, 0), Inode: 9}
	many := make([][]byte, maxShared+1)
	for i := range many {
		many[i] = at(any4, uint32(i+1)).body(false)
	}
	for _, c := range []struct {
		name    string
		from    string
		answers [][][]byte
		inodes  []uint32
		err     error
	}{
		{"one", "10.0.2.100:40000", [][][]byte{{said(at(any4, 1).body(false)), done}, {done}}, []uint32{1}, nil},
		{"one of IPv6", "10.0.2.100:40000", [][][]byte{{done}, {said(at(any6, 2).body(false)), done}}, []uint32{2}, nil},
		{"each family, one of them IPv6 alone", "10.0.2.100:40000", [][][]byte{{said(at(any4, 1).body(false)), done}, {said(only.body(false), at(any6, 2).body(false)), done}}, []uint32{1, 2}, nil},
		{"IPv6 asks IPv6 alone", "[fd00::64]:40000", [][][]byte{{said(only.body(false)), done}}, []uint32{3}, nil},
		{"a kernel that does not look at the port", "10.0.2.100:40000", [][][]byte{{said(elsewhere.body(false), at(any4, 1).body(false)), done}, {done}}, []uint32{1}, nil},
		{"none", "10.0.2.100:40000", [][][]byte{{done}, {done}}, nil, fs.ErrNotExist},
		{"too many", "10.0.2.100:40000", [][][]byte{{said(many...), done}}, nil, ErrAmbiguous},
		{"a table that changes once", "10.0.2.100:40000", [][][]byte{
			{said(at(any4, 1).body(false)), message(typeDone, flagInterrupted, 0, make([]byte, 4))}, {said(at(any4, 1).body(false)), done}, {done},
		}, []uint32{1}, nil},
		{"no such module", "10.0.2.100:40000", [][][]byte{{failed(0, syscall.ENOENT)}}, nil, errors.ErrUnsupported},
		{"no end", "10.0.2.100:40000", [][][]byte{{said(at(any4, 1).body(false))}}, nil, syscall.EAGAIN},
	} {
		k := &scripted{t: t, answers: c.answers}
		got, err := newDiag(k).UDP(netip.MustParseAddrPort(c.from))
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) || len(got) != len(c.inodes) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
			continue
		}
		for i := range got {
			if got[i].Inode != c.inodes[i] {
				t.Errorf("%s: %+v, want inode %d", c.name, got[i], c.inodes[i])
			}
		}
		if len(k.asked) != len(c.answers) {
			t.Errorf("%s: asked %+v", c.name, k.asked)
		}
	}
}

// A table that never holds still is given up, not read for ever.
func TestUDPGivesUp(t *testing.T) {
	k := &scripted{t: t}
	for range maxDumps {
		k.answers = append(k.answers, [][]byte{message(typeDone, flagInterrupted, 0, make([]byte, 4))})
	}
	if got, err := newDiag(k).UDP(guest); !errors.Is(err, errInterrupted) || len(k.asked) != maxDumps {
		t.Errorf("%v, %v, %d questions", got, err, len(k.asked))
	}
}

func TestClosedDiag(t *testing.T) {
	k := &scripted{t: t}
	d := newDiag(k)
	if err := errors.Join(d.Close(), d.Close()); err != nil || k.closed != 1 {
		t.Errorf("closed %d times: %v", k.closed, err)
	}
	if _, err := d.TCP(guest, far); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := d.UDP(guest); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("%v", err)
	}
}
