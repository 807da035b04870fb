package socketstest

import (
	"net"
	"strconv"
	"syscall"
)

var listenProbes = []Probe{
	{"AcceptAfterClose", func(t *T) {
		l := t.listen()
		addr := l.Addr().String()
		t.must(l.Close())
		_, err := l.Accept()
		t.is("accept", err, net.ErrClosed)
		t.op(err, "accept", "tcp")
		t.is("second close", l.Close(), net.ErrClosed)
		if l.Addr().String() != addr {
			t.Errorf("address %v after Close, %s before", l.Addr(), addr)
		}
	}},
	{"AcceptWhileClose", func(t *T) {
		l := t.listen()
		err := t.during(func() error { _, err := l.Accept(); return err }, func() { t.must(l.Close()) })
		t.is("accept", err, net.ErrClosed)
	}},
	{"AddressInUse", func(t *T) {
		l := t.listen()
		_, err := t.Server.Listen(t.Context(), "tcp", l.Addr().String())
		t.is("listen", err, syscall.EADDRINUSE)
		if o := t.op(err, "listen", "tcp"); o.Addr == nil || o.Addr.String() != l.Addr().String() {
			t.Errorf("error names %v", o.Addr)
		}
	}},
	{"AddressOfSomebodyElse", func(t *T) {
		host := "192.0.2.1" // TEST-NET-1, RFC 5737
		if t.family("tcp") == "tcp6" {
			host = "2001:db8::1"
		}
		_, err := t.Server.Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
		t.is("listen", err, syscall.EADDRNOTAVAIL)
	}},
	{"PortAgainAfterClose", func(t *T) {
		l := t.listen()
		c, err := t.Client.DialContext(t.Context(), "tcp", l.Addr().String())
		t.must(err)
		s, err := l.Accept()
		t.must(err)
		s.Close() // its end is the one in TIME-WAIT
		c.Close()
		l.Close()
		l, err = t.Server.Listen(t.Context(), "tcp", l.Addr().String())
		t.must(err)
		l.Close()
	}},
	{"Wildcard", func(t *T) {
		l, err := t.Server.Listen(t.Context(), "tcp", ":0")
		t.must(err)
		defer l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		c, err := t.Client.DialContext(t.Context(), "tcp", net.JoinHostPort(t.Host, strconv.Itoa(port)))
		t.must(err)
		defer c.Close()
		s, err := l.Accept()
		t.must(err)
		defer s.Close()
		if got := s.LocalAddr().(*net.TCPAddr); !got.IP.Equal(net.ParseIP(t.Host)) || got.Port != port {
			t.Errorf("accepted on %v", got)
		}
	}},
	{"WildcardDatagram", func(t *T) {
		p, err := t.Server.ListenPacket(t.Context(), "udp", ":0")
		t.must(err)
		defer p.Close()
		c := t.dialPacket(net.JoinHostPort(t.Host, strconv.Itoa(p.LocalAddr().(*net.UDPAddr).Port)))
		t.write(c, "ping")
		b := make([]byte, 16)
		n, from, err := p.ReadFrom(b)
		t.must(err)
		_, err = p.WriteTo(b[:n], from)
		t.must(err)
		t.expect(c, "ping")
	}},
	{"ListenUnknownNetwork", func(t *T) {
		_, err := t.Server.Listen(t.Context(), "udp", t.join(0))
		t.op(err, "listen", "udp")
		_, err = t.Server.ListenPacket(t.Context(), "tcp", t.join(0))
		t.op(err, "listen", "tcp")
	}},
}
