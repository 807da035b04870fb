package socketstest

import (
	"net"
	"net/netip"
	"syscall"
)

// packetConn is what users of *net.UDPConn use besides net.Conn and PacketConn.
type packetConn interface {
	net.Conn
	net.PacketConn
	ReadFromUDP([]byte) (int, *net.UDPAddr, error)
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	WriteToUDP([]byte, *net.UDPAddr) (int, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}

func (t *T) packets(c any) packetConn {
	t.Helper()
	p, ok := c.(packetConn)
	if !ok {
		t.Fatalf("%T lacks methods of *net.UDPConn", c)
	}
	return p
}

var datagramProbes = []Probe{
	{"DatagramEcho", func(t *T) {
		p := t.packetConn()
		c := t.dialPacket(p.LocalAddr().String())
		t.write(c, "ping")
		b := make([]byte, 16)
		n, from, err := p.ReadFrom(b)
		if err != nil || string(b[:n]) != "ping" || from.String() != c.LocalAddr().String() {
			t.Fatalf("read %q from %v, %v; want it from %v", b[:n], from, err, c.LocalAddr())
		}
		if _, ok := from.(*net.UDPAddr); !ok {
			t.Errorf("source is a %T", from)
		}
		_, err = p.WriteTo([]byte("pong"), from)
		t.must(err)
		t.expect(c, "pong")
	}},
	{"DatagramMethods", func(t *T) {
		p := t.packets(t.packetConn())
		c := t.packets(t.dialPacket(p.LocalAddr().String()))
		t.must(p.SetReadBuffer(1 << 16))
		t.must(p.SetWriteBuffer(1 << 16))
		local := c.LocalAddr().(*net.UDPAddr)
		n, _, err := c.WriteMsgUDP([]byte("one"), nil, nil)
		if n != 3 || err != nil {
			t.Errorf("WriteMsgUDP: %d, %v", n, err)
		}
		b := make([]byte, 16)
		n, _, flags, from, err := p.ReadMsgUDP(b, nil)
		if n != 3 || flags != 0 || err != nil || from.String() != local.String() {
			t.Errorf("ReadMsgUDP: %d from %v, flags %x, %v", n, from, flags, err)
		}
		_, err = p.WriteToUDPAddrPort([]byte("two"), local.AddrPort())
		t.must(err)
		t.expect(c, "two")
		_, err = p.WriteToUDP([]byte("three"), local)
		t.must(err)
		if n, ap, err := c.ReadFromUDPAddrPort(b); err != nil || n != 5 || ap.Port() != p.LocalAddr().(*net.UDPAddr).AddrPort().Port() {
			t.Errorf("ReadFromUDPAddrPort: %d from %v, %v", n, ap, err)
		}
	}},
	{"DatagramTooLong", func(t *T) {
		p := t.packetConn()
		_, err := p.WriteTo(make([]byte, 70000), p.LocalAddr())
		t.is("write", err, syscall.EMSGSIZE)
	}},
	{"DatagramRefused", func(t *T) {
		c := t.dialPacket(t.free("udp"))
		t.write(c, "anybody?")
		_, err := c.Read(make([]byte, 1))
		t.is("read", err, syscall.ECONNREFUSED)
		t.op(err, "read", "udp")
	}},
	{"DatagramDeadPeer", func(t *T) {
		p := t.packetConn()
		dead, err := net.ResolveUDPAddr("udp", t.free("udp"))
		t.must(err)
		_, err = p.WriteTo([]byte("anybody?"), dead)
		t.must(err)
		t.write(t.dialPacket(p.LocalAddr().String()), "hello")
		b := make([]byte, 16)
		if n, _, err := p.ReadFrom(b); err != nil || string(b[:n]) != "hello" {
			t.Errorf("read %q, %v: a dead peer disturbs the others", b[:n], err)
		}
	}},
	{"DatagramTruncated", func(t *T) {
		p := t.packets(t.packetConn())
		c := t.dialPacket(p.LocalAddr().String())
		b := make([]byte, 4)
		t.write(c, "truncated")
		if n, _, err := p.ReadFrom(b); n != 4 || err != nil || string(b) != "trun" {
			t.Errorf("read %d, %v, %q", n, err, b)
		}
		t.write(c, "truncated")
		if n, _, flags, _, err := p.ReadMsgUDP(b, nil); n != 4 || err != nil || flags == 0 {
			t.Errorf("read %d, flags %x, %v", n, flags, err)
		}
		t.write(c, "next")
		if n, _, err := p.ReadFrom(b); n != 4 || err != nil || string(b) != "next" {
			t.Errorf("read %d, %v, %q: the rest was not lost", n, err, b)
		}
	}},
	{"DatagramEmpty", func(t *T) {
		p := t.packetConn()
		c := t.dialPacket(p.LocalAddr().String())
		if n, err := c.Write(nil); n != 0 || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
		if n, from, err := p.ReadFrom(make([]byte, 4)); n != 0 || err != nil || from == nil {
			t.Errorf("read: %d from %v, %v", n, from, err)
		}
	}},
	{"DatagramOnlyFromPeer", func(t *T) {
		p := t.packetConn()
		c := t.dialPacket(p.LocalAddr().String())
		stranger := t.packetConn()
		_, err := stranger.WriteTo([]byte("me too"), c.LocalAddr())
		t.must(err)
		_, err = p.WriteTo([]byte("me"), c.LocalAddr())
		t.must(err)
		t.expect(c, "me")
	}},
	{"DatagramWriteToConnected", func(t *T) {
		p := t.packetConn()
		c := t.packets(t.dialPacket(p.LocalAddr().String()))
		_, err := c.WriteTo([]byte("x"), p.LocalAddr())
		t.is("write", err, net.ErrWriteToConnected)
	}},
	{"DatagramWriteWithoutPeer", func(t *T) {
		_, err := t.packets(t.packetConn()).Write([]byte("x"))
		t.is("write", err, syscall.EDESTADDRREQ)
	}},
}
