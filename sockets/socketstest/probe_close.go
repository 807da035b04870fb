package socketstest

import (
	"io"
	"net"
	"time"
)

var closeProbes = []Probe{
	{"ReadAfterClose", func(t *T) {
		c, _ := t.connected()
		t.must(c.Close())
		_, err := c.Read(make([]byte, 1))
		t.is("read", err, net.ErrClosed)
		_, err = c.Read(nil)
		t.is("read of nothing", err, net.ErrClosed)
	}},
	{"WriteAfterClose", func(t *T) {
		c, _ := t.connected()
		t.must(c.Close())
		_, err := c.Write([]byte("x"))
		t.is("write", err, net.ErrClosed)
		t.op(err, "write", "tcp")
	}},
	{"CloseWhileReading", func(t *T) {
		c, _ := t.connected()
		err := t.during(func() error { _, err := c.Read(make([]byte, 1)); return err }, func() { t.must(c.Close()) })
		t.is("read", err, net.ErrClosed)
	}},
	{"CloseWhileWriting", func(t *T) {
		c, _ := t.connected()
		err := t.during(func() error { return fill(c) }, func() { t.must(c.Close()) })
		t.is("write", err, net.ErrClosed)
	}},
	{"CloseWhileManyRead", func(t *T) {
		c, _ := t.connected()
		const readers = 4
		errs := make(chan error, readers)
		for range readers {
			go func() { _, err := c.Read(make([]byte, 1)); errs <- err }()
		}
		t.must(c.Close())
		for range readers {
			t.is("read", <-errs, net.ErrClosed)
		}
	}},
	{"CloseTwice", func(t *T) {
		c, _ := t.connected()
		t.must(c.Close())
		err := c.Close()
		t.is("second close", err, net.ErrClosed)
		t.op(err, "close", "tcp")
	}},
	{"SetAfterClose", func(t *T) {
		c, _ := t.connected()
		t.must(c.Close())
		for what, err := range map[string]error{
			"SetDeadline":      c.SetDeadline(time.Now()),
			"SetReadDeadline":  c.SetReadDeadline(time.Now()),
			"SetWriteDeadline": c.SetWriteDeadline(time.Time{}),
			"SetNoDelay":       c.(interface{ SetNoDelay(bool) error }).SetNoDelay(true),
		} {
			t.is(what, err, net.ErrClosed)
			t.op(err, "set", "tcp")
		}
	}},
	{"PeerCloses", func(t *T) {
		c, s := t.connected()
		t.write(s, "last words")
		t.must(s.Close())
		t.expect(c, "last words")
		for range 2 {
			if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("read: %d, %v, want EOF", n, err)
			}
		}
	}},
	{"DatagramClose", func(t *T) {
		p := t.packetConn()
		err := t.during(func() error { _, _, err := p.ReadFrom(make([]byte, 1)); return err }, func() { t.must(p.Close()) })
		t.is("read", err, net.ErrClosed)
		_, err = p.WriteTo([]byte("x"), p.LocalAddr())
		t.is("write", err, net.ErrClosed)
		t.is("second close", p.Close(), net.ErrClosed)
		t.is("set", p.SetDeadline(time.Time{}), net.ErrClosed)
	}},
}

// fill writes until it cannot.
func fill(w io.Writer) error {
	b := make([]byte, 1<<20)
	for {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
}
