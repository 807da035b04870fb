package socketstest

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"testing"
	"time"
)

// A Probe is one thing that users of package net rely on.
type Probe struct {
	Name string
	Run  func(*T)
}

// Probes are all of them.
func Probes() []Probe {
	var all []Probe
	for _, group := range [][]Probe{dialProbes, closeProbes, deadlineProbes, streamProbes, datagramProbes, listenProbes} {
		all = append(all, group...)
	}
	return all
}

// T is a probe's test with its pair, and what probes do all the time.
type T struct {
	*testing.T
	Pair
}

func (t *T) join(port int) string { return net.JoinHostPort(t.Host, strconv.Itoa(port)) }

// family is the network with the digit of Host's IP version.
func (t *T) family(network string) string {
	if net.ParseIP(t.Host).To4() != nil {
		return network + "4"
	}
	return network + "6"
}

func (t *T) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is fails the probe unless err is each of the targets.
func (t *T) is(what string, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("%s: %v (%T), want %v", what, err, err, target)
		}
	}
}

// isOne fails the probe unless err is one of the targets.
func (t *T) isOne(what string, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if errors.Is(err, target) {
			return
		}
	}
	t.Errorf("%s: %v (%T), want one of %v", what, err, err, targets)
}

// op fails the probe unless err is a net.OpError of the operation and network.
func (t *T) op(err error, op, network string) *net.OpError {
	t.Helper()
	o, ok := err.(*net.OpError)
	if !ok {
		t.Fatalf("%v is a %T, not a *net.OpError", err, err)
	}
	if o.Op != op || o.Net != network {
		t.Errorf("%v: operation %q on %q, want %q on %q", err, o.Op, o.Net, op, network)
	}
	return o
}

func (t *T) listen() net.Listener {
	t.Helper()
	l, err := t.Server.Listen(t.Context(), "tcp", t.join(0))
	t.must(err)
	t.Cleanup(func() { l.Close() })
	return l
}

// connected is a connection: the client's end and the server's.
func (t *T) connected() (c, s net.Conn) {
	t.Helper()
	l := t.listen()
	accepted := make(chan net.Conn, 1)
	go func() {
		s, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- s
	}()
	c, err := t.Client.DialContext(t.Context(), "tcp", l.Addr().String())
	t.must(err)
	s = <-accepted
	l.Close()
	t.Cleanup(func() { c.Close(); s.Close() })
	for _, e := range []net.Conn{c, s} {
		t.must(e.SetDeadline(time.Now().Add(patience)))
	}
	return c, s
}

func (t *T) packetConn() net.PacketConn {
	t.Helper()
	p, err := t.Server.ListenPacket(t.Context(), "udp", t.join(0))
	t.must(err)
	t.Cleanup(func() { p.Close() })
	t.must(p.SetDeadline(time.Now().Add(patience)))
	return p
}

// dialPacket is a datagram connection to address.
func (t *T) dialPacket(address string) net.Conn {
	t.Helper()
	c, err := t.Client.DialContext(t.Context(), "udp", address)
	t.must(err)
	t.Cleanup(func() { c.Close() })
	t.must(c.SetDeadline(time.Now().Add(patience)))
	return c
}

// free is an address where nobody listens any more.
func (t *T) free(network string) string {
	t.Helper()
	if network == "udp" {
		p, err := t.Server.ListenPacket(t.Context(), network, t.join(0))
		t.must(err)
		defer p.Close()
		return p.LocalAddr().String()
	}
	l, err := t.Server.Listen(t.Context(), network, t.join(0))
	t.must(err)
	defer l.Close()
	return l.Addr().String()
}

func (t *T) write(c io.Writer, s string) {
	t.Helper()
	if n, err := io.WriteString(c, s); err != nil || n != len(s) {
		t.Fatalf("write %q: %d, %v", s, n, err)
	}
}

func (t *T) expect(c io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b, err, want)
	}
}

// during starts f, which is to block, gives it a moment to do so, runs then, and
// returns f's error. That f has come as far as blocking cannot be seen from
// outside: if it has not, the probe sees an easier case, not a false failure.
func (t *T) during(f func() error, then func()) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		t.Errorf("returned %v before it should", err)
		then()
		return err
	case <-time.After(20 * time.Millisecond):
	}
	then()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("still blocked")
		return nil
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
