package socketstest

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

var dialProbes = []Probe{
	{"DialRefused", func(t *T) {
		addr := t.free("tcp")
		_, err := t.Client.DialContext(t.Context(), "tcp", addr)
		t.is("dial", err, syscall.ECONNREFUSED)
		if o := t.op(err, "dial", "tcp"); o.Addr == nil || o.Addr.String() != addr {
			t.Errorf("error names %v, want %s", o.Addr, addr)
		}
	}},
	{"DialCancelled", func(t *T) {
		_, err := t.Client.DialContext(cancelled(), "tcp", t.listen().Addr().String())
		t.is("dial", err, context.Canceled)
		t.op(err, "dial", "tcp")
	}},
	{"DialTooLate", func(t *T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, err := t.Client.DialContext(ctx, "tcp", t.listen().Addr().String())
		t.is("dial", err, context.DeadlineExceeded)
		if o := t.op(err, "dial", "tcp"); !o.Timeout() {
			t.Errorf("%v is no time-out", err)
		}
	}},
	{"DialUnknownNetwork", func(t *T) {
		_, err := t.Client.DialContext(t.Context(), "tcp5", t.join(1))
		t.op(err, "dial", "tcp5")
		if u := net.UnknownNetworkError(""); !errors.As(err, &u) {
			t.Errorf("%v is no UnknownNetworkError", err)
		}
	}},
	{"DialBadAddress", func(t *T) {
		for _, a := range []string{"", t.Host, "1.2.3.4:99999", "[::1:80"} {
			_, err := t.Client.DialContext(t.Context(), "tcp", a)
			t.op(err, "dial", "tcp")
		}
	}},
	{"DialOtherFamily", func(t *T) {
		network, other := "tcp4", "[::1]:1"
		if t.family("tcp") == "tcp6" {
			network, other = "tcp6", "127.0.0.1:1"
		}
		_, err := t.Client.DialContext(t.Context(), network, other)
		t.op(err, "dial", network)
		if a := (*net.AddrError)(nil); !errors.As(err, &a) {
			t.Errorf("%v is no AddrError", err)
		}
	}},
	{"DialFamily", func(t *T) {
		l := t.listen()
		c, err := t.Client.DialContext(t.Context(), t.family("tcp"), l.Addr().String())
		t.must(err)
		c.Close()
	}},
	{"AddressTypes", func(t *T) {
		c, s := t.connected()
		for _, a := range []net.Addr{c.LocalAddr(), c.RemoteAddr(), s.LocalAddr(), s.RemoteAddr()} {
			if tcp, ok := a.(*net.TCPAddr); !ok || tcp.Port == 0 || a.Network() != "tcp" {
				t.Errorf("%v is a %T", a, a)
			}
		}
		if c.LocalAddr().String() != s.RemoteAddr().String() || c.RemoteAddr().String() != s.LocalAddr().String() {
			t.Errorf("%v-%v at one end, %v-%v at the other", c.LocalAddr(), c.RemoteAddr(), s.LocalAddr(), s.RemoteAddr())
		}
	}},
	{"AddressesAfterClose", func(t *T) {
		c, _ := t.connected()
		local, remote := c.LocalAddr().String(), c.RemoteAddr().String()
		c.Close()
		if c.LocalAddr().String() != local || c.RemoteAddr().String() != remote {
			t.Errorf("%v-%v after Close, %s-%s before", c.LocalAddr(), c.RemoteAddr(), local, remote)
		}
	}},
	{"ErrorAddresses", func(t *T) {
		c, _ := t.connected()
		c.Close()
		_, err := c.Read(make([]byte, 1))
		o := t.op(err, "read", "tcp")
		if o.Source == nil || o.Source.String() != c.LocalAddr().String() || o.Addr == nil || o.Addr.String() != c.RemoteAddr().String() {
			t.Errorf("error names %v and %v, want %v and %v", o.Source, o.Addr, c.LocalAddr(), c.RemoteAddr())
		}
	}},
}
