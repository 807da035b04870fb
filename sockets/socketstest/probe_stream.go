package socketstest

import (
	"bytes"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// streamConn is what users of *net.TCPConn use besides net.Conn.
type streamConn interface {
	net.Conn
	io.ReaderFrom
	io.WriterTo
	CloseRead() error
	CloseWrite() error
	SetNoDelay(bool) error
	SetKeepAlive(bool) error
	SetKeepAlivePeriod(time.Duration) error
	SetKeepAliveConfig(net.KeepAliveConfig) error
	SetLinger(int) error
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}

func (t *T) stream(c net.Conn) streamConn {
	t.Helper()
	s, ok := c.(streamConn)
	if !ok {
		t.Fatalf("%T lacks methods of *net.TCPConn", c)
	}
	return s
}

// reset makes s reset the connection, and waits until c has seen it.
func (t *T) reset(c, s net.Conn) {
	t.Helper()
	t.must(t.stream(s).SetLinger(0))
	t.must(s.Close())
	_, err := c.Read(make([]byte, 1))
	t.is("read after the peer's reset", err, syscall.ECONNRESET)
}

var streamProbes = []Probe{
	{"Methods", func(t *T) {
		c, _ := t.connected()
		s := t.stream(c)
		for what, err := range map[string]error{
			"SetNoDelay":         s.SetNoDelay(false),
			"SetKeepAlive":       s.SetKeepAlive(true),
			"SetKeepAlivePeriod": s.SetKeepAlivePeriod(time.Minute),
			"SetKeepAliveConfig": s.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Count: 3}),
			"SetLinger":          s.SetLinger(1),
			"SetReadBuffer":      s.SetReadBuffer(1 << 16),
			"SetWriteBuffer":     s.SetWriteBuffer(1 << 16),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}},
	{"PeerResets", func(t *T) {
		c, s := t.connected()
		t.reset(c, s)
	}},
	{"WriteAfterReset", func(t *T) {
		c, s := t.connected()
		t.reset(c, s)
		_, err := c.Write([]byte("x"))
		t.isOne("write", err, syscall.EPIPE, syscall.ECONNRESET)
	}},
	{"PeerClosesWithUnreadData", func(t *T) {
		c, s := t.connected()
		t.write(c, "nobody reads this")
		t.expect(s, "n") // the rest came in the same segment
		t.must(s.Close())
		_, err := c.Read(make([]byte, 1))
		t.is("read", err, syscall.ECONNRESET)
	}},
	{"ReadOfNothing", func(t *T) {
		c, s := t.connected()
		if n, err := c.Read(nil); n != 0 || err != nil {
			t.Errorf("read of nothing: %d, %v", n, err)
		}
		t.write(s, "x")
		t.expect(c, "x")
	}},
	{"WriteOfNothing", func(t *T) {
		c, s := t.connected()
		if n, err := c.Write(nil); n != 0 || err != nil {
			t.Errorf("write of nothing: %d, %v", n, err)
		}
		t.write(c, "x")
		t.expect(s, "x")
	}},
	{"HalfClose", func(t *T) {
		c, s := t.connected()
		t.write(c, "question")
		t.must(t.stream(c).CloseWrite())
		if b, err := io.ReadAll(s); err != nil || string(b) != "question" {
			t.Errorf("server read %q, %v", b, err)
		}
		t.write(s, "answer")
		t.must(t.stream(s).CloseWrite())
		if b, err := io.ReadAll(c); err != nil || string(b) != "answer" {
			t.Errorf("client read %q, %v", b, err)
		}
	}},
	{"WriteAfterCloseWrite", func(t *T) {
		c, _ := t.connected()
		t.must(t.stream(c).CloseWrite())
		_, err := c.Write([]byte("x"))
		t.is("write", err, syscall.EPIPE)
	}},
	{"CloseWriteWhileWriting", func(t *T) {
		c, _ := t.connected()
		err := t.during(func() error { return fill(c) }, func() { t.must(t.stream(c).CloseWrite()) })
		t.is("write", err, syscall.EPIPE)
	}},
	{"ReadAfterCloseRead", func(t *T) {
		c, s := t.connected()
		t.write(s, "queued")
		t.expect(c, "q") // the rest came in the same segment
		t.must(t.stream(c).CloseRead())
		if b, err := io.ReadAll(c); err != nil || string(b) != "ueued" {
			t.Errorf("read %q, %v, want what was queued", b, err)
		}
	}},
	{"CloseReadWhileReading", func(t *T) {
		c, _ := t.connected()
		err := t.during(func() error { _, err := c.Read(make([]byte, 1)); return err }, func() { t.must(t.stream(c).CloseRead()) })
		if err != io.EOF {
			t.Errorf("read: %v, want EOF", err)
		}
	}},
	{"WriteTakesAll", func(t *T) {
		c, s := t.connected()
		want := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
		go func() {
			if n, err := c.Write(want); err != nil || n != len(want) {
				t.Errorf("write: %d, %v", n, err)
			}
			t.stream(c).CloseWrite()
		}()
		got, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("read %d bytes of %d, %v", len(got), len(want), err)
		}
	}},
	{"WritesDoNotMix", func(t *T) {
		c, s := t.connected()
		const n, size = 4, 1 << 19
		for i := range n {
			go c.Write(bytes.Repeat([]byte{byte('a' + i)}, size))
		}
		b := make([]byte, n*size)
		_, err := io.ReadFull(s, b)
		t.must(err)
		for i := range n {
			if part := b[i*size : (i+1)*size]; bytes.Count(part, part[:1]) != size {
				t.Fatalf("part %d is of more than one Write", i)
			}
		}
	}},
	{"ReadFromWriteTo", func(t *T) {
		c, s := t.connected()
		go func() {
			if n, err := t.stream(c).ReadFrom(strings.NewReader("through")); n != 7 || err != nil {
				t.Errorf("ReadFrom: %d, %v", n, err)
			}
			c.Close()
		}()
		var b bytes.Buffer
		if n, err := t.stream(s).WriteTo(&b); n != 7 || err != nil || b.String() != "through" {
			t.Errorf("WriteTo: %d, %v, %q", n, err, &b)
		}
	}},
	{"CloseDeliversWhatWasWritten", func(t *T) {
		c, s := t.connected()
		want := bytes.Repeat([]byte("x"), 1<<16)
		_, err := c.Write(want)
		t.must(err)
		t.must(c.Close())
		if got, err := io.ReadAll(s); err != nil || len(got) != len(want) {
			t.Errorf("read %d bytes of %d, %v", len(got), len(want), err)
		}
	}},
}
