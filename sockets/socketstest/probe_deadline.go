package socketstest

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// soon is a deadline that a probe waits for.
func soon() time.Time { return time.Now().Add(30 * time.Millisecond) }

var deadlineProbes = []Probe{
	{"ReadDeadline", func(t *T) {
		c, s := t.connected()
		t.must(c.SetReadDeadline(soon()))
		_, err := c.Read(make([]byte, 1))
		t.timedOut("read", err)
		t.must(c.SetReadDeadline(time.Now().Add(patience)))
		t.write(s, "late")
		t.expect(c, "late") // it can be tried again
	}},
	{"WriteDeadline", func(t *T) {
		c, s := t.connected()
		t.must(c.SetWriteDeadline(soon()))
		t.timedOut("write", fill(c))
		t.must(c.SetWriteDeadline(time.Now().Add(patience)))
		go io.Copy(io.Discard, s)
		_, err := c.Write(make([]byte, 1<<20))
		t.must(err)
	}},
	{"DeadlineInThePast", func(t *T) {
		c, s := t.connected()
		t.write(s, "x")
		t.must(c.SetDeadline(time.Unix(1, 0)))
		_, err := c.Read(make([]byte, 1))
		t.timedOut("read with bytes queued", err)
		_, err = c.Write([]byte("x"))
		t.timedOut("write", err)
	}},
	{"DeadlineWhileReading", func(t *T) {
		c, _ := t.connected()
		err := t.during(func() error { _, err := c.Read(make([]byte, 1)); return err }, func() { t.must(c.SetReadDeadline(time.Now())) })
		t.timedOut("read", err)
	}},
	{"DeadlineTakenAway", func(t *T) {
		c, s := t.connected()
		t.must(c.SetReadDeadline(soon()))
		t.must(c.SetReadDeadline(time.Time{}))
		time.AfterFunc(60*time.Millisecond, func() { s.Write([]byte("x")) })
		t.expect(c, "x")
	}},
	{"DeadlineMovedOn", func(t *T) {
		c, s := t.connected()
		t.must(c.SetReadDeadline(soon()))
		t.must(c.SetReadDeadline(time.Now().Add(patience)))
		time.AfterFunc(60*time.Millisecond, func() { s.Write([]byte("x")) })
		t.expect(c, "x")
	}},
	{"AcceptDeadline", func(t *T) {
		l := t.listen()
		d, ok := l.(interface{ SetDeadline(time.Time) error })
		if !ok {
			t.Fatal("the listener has no SetDeadline")
		}
		t.must(d.SetDeadline(soon()))
		_, err := l.Accept()
		t.timedOut("accept", err)
		t.op(err, "accept", "tcp")
	}},
	{"DatagramDeadline", func(t *T) {
		p := t.packetConn()
		t.must(p.SetReadDeadline(soon()))
		_, _, err := p.ReadFrom(make([]byte, 1))
		t.timedOut("read", err)
	}},
}

func (t *T) timedOut(what string, err error) {
	t.Helper()
	t.is(what, err, os.ErrDeadlineExceeded)
	if ne := net.Error(nil); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("%s: %v is no time-out", what, err)
	}
}
