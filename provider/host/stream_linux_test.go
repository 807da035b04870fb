package host_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestEcho moves 8 MiB each way, in vectors of odd sizes, at the same time.
func TestEcho(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b := pair(t, h, af)
		equal(t, "peer", must2(a.PeerAddr()), local(t, b))
		equal(t, "peer", must2(b.PeerAddr()), local(t, a))

		done := make(chan struct{})
		go func() {
			defer close(done)
			m := &provider.Msg{Buffers: [][]byte{make([]byte, 1000), nil, make([]byte, 30000)}}
			var flat []byte
			for {
				n, errno := b.Recv(m)
				switch {
				case errno == wsa.EWOULDBLOCK:
					b.until("readable", func(s base.State) bool { return s.Readable || s.PeerClosed })
					continue
				case errno != 0:
					t.Errorf("Recv: %s", errno.Name())
					return
				case n == 0:
					if e := b.Shutdown(); e != 0 {
						t.Errorf("Shutdown: %s", e.Name())
					}
					return
				}
				flat = append(append(flat[:0], m.Buffers[0]...), m.Buffers[2]...)
				b.send(flat[:n])
			}
		}()

		random := rand.NewChaCha8([32]byte{1})
		sent, got := sha256.New(), sha256.New()
		const total = 8 << 20
		go func() {
			chunk := make([]byte, 200_003)
			for left := total; left > 0; left -= len(chunk) {
				chunk = chunk[:min(left, len(chunk))]
				random.Read(chunk)
				sent.Write(chunk)
				sendVector(a, chunk)
			}
			a.Shutdown()
		}()
		n, err := io.Copy(got, reader{a})
		if err != nil || n != total {
			t.Fatalf("%d bytes came back, %v", n, err)
		}
		<-done
		if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
			t.Fatal("the bytes that came back are not those that went")
		}
	})
}

// sendVector sends b as up to 1500 slices: more than one sendmsg takes.
func sendVector(e *end, b []byte) {
	m := &provider.Msg{}
	for len(b) > 0 {
		m.Buffers = m.Buffers[:0]
		for rest := b; len(rest) > 0; {
			n := min(len(rest), 1+len(b)/1500)
			m.Buffers = append(m.Buffers, rest[:n])
			rest = rest[n:]
		}
		n, errno := e.Send(m)
		if errno == wsa.EWOULDBLOCK {
			e.until("writable", func(s base.State) bool { return s.Writable })
		} else if errno != 0 {
			e.t.Errorf("Send: %s", errno.Name())
			return
		}
		b = b[n:]
	}
}

// reader is the receiving side of a stream.
type reader struct{ *end }

func (r reader) Read(b []byte) (int, error) {
	n, _, errno := r.recv(b)
	if n == 0 && errno == 0 {
		return 0, io.EOF
	}
	return n, errno.Err()
}

func must2(a provider.Addr, ok bool) provider.Addr {
	if !ok {
		panic("no address")
	}
	return a
}

func TestRefused(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		l := listen(t, h, af)
		to := local(t, l)
		l.Close(false)
		e := openTCP(t, h, af)
		if errno := e.Connect(to); errno != wsa.EWOULDBLOCK && errno != wsa.ECONNREFUSED {
			t.Fatalf("Connect: %s", errno.Name())
		} else if errno == wsa.EWOULDBLOCK {
			equal(t, "cause", e.over(), wsa.ECONNREFUSED)
			equal(t, "cause again", e.State().Err, wsa.ECONNREFUSED)
		}
		if _, ok := e.PeerAddr(); ok {
			t.Error("a refused endpoint has a peer")
		}
	})
}

// TestReset: what came before the reset is received, then the reset for ever,
// and never a clean end.
func TestReset(t *testing.T) {
	for range 50 { // the poller, Recv and Send race for SO_ERROR
		h := newHost(t, host.Config{})
		a, b := pair(t, h, wsa.AF_INET)
		b.send([]byte("before"))
		a.readable()
		b.Close(true)
		sending := make(chan struct{})
		go func() {
			defer close(sending)
			for {
				if _, errno := a.Send(&provider.Msg{Buffers: [][]byte{{0}}}); errno != 0 && errno != wsa.EWOULDBLOCK {
					return
				}
			}
		}()
		a.want("before")
		for range 3 {
			n, _, errno := a.recv(make([]byte, 10))
			if n != 0 || errno != wsa.ECONNRESET {
				t.Fatalf("Recv after the reset: %d, %s", n, errno.Name())
			}
		}
		<-sending
		st := a.State()
		if st.Phase != base.Dead || st.Err != wsa.ECONNRESET || st.Readable || st.Writable || !st.Drained {
			t.Fatalf("state after the reset: %+v", st)
		}
		_, errno := a.Send(&provider.Msg{Buffers: [][]byte{{0}}})
		equal(t, "Send after the reset", errno, wsa.ECONNRESET)
		h.Close()
	}
}

// TestResetAfterFin: the peer closed, we sent on, it reset.
func TestResetAfterFin(t *testing.T) {
	h := newHost(t, host.Config{})
	a, b := pair(t, h, wsa.AF_INET)
	b.Close(false)
	a.until("told of the FIN", func(s base.State) bool { return s.PeerClosed })
	if st := a.State(); st.Readable || st.Phase != base.Connected {
		t.Fatalf("after the FIN: %+v", st)
	}
	a.send([]byte("x"))
	equal(t, "cause", a.over(), wsa.ECONNABORTED)
}

// TestCloseWithUnreadData documents the kernel's reset (RFC 2525, 2.17).
func TestCloseWithUnreadData(t *testing.T) {
	h := newHost(t, host.Config{})
	a, b := pair(t, h, wsa.AF_INET)
	a.send([]byte("never read"))
	b.readable()
	b.Close(false)
	equal(t, "cause", a.over(), wsa.ECONNRESET)
}

func TestHalfClose(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b := pair(t, h, af)
		if a.State().Drained {
			t.Fatal("drained before anything was finished")
		}
		a.send([]byte("question"))
		must(t, "Shutdown", a.Shutdown())
		a.until("drained", func(s base.State) bool { return s.Drained }) // FIN-WAIT-1 to 2: a wake, no timer
		_, errno := a.Send(&provider.Msg{Buffers: [][]byte{{0}}})
		equal(t, "Send after Shutdown", errno, wsa.ESHUTDOWN)

		// The FIN is there, the data still comes first.
		st := b.until("told of the FIN", func(s base.State) bool { return s.PeerClosed })
		if !st.Readable || !st.Writable || st.Phase != base.Connected {
			t.Fatalf("data and FIN: %+v", st)
		}
		equal(t, "Queued", b.Endpoint.(base.Queuer).Queued(), len("question"))
		b.want("question")
		if b.State().Readable {
			t.Fatal("the FIN counts as data")
		}
		for range 2 {
			n, _, errno := b.recv(make([]byte, 10))
			if n != 0 || errno != 0 {
				t.Fatalf("end of stream: %d, %s", n, errno.Name())
			}
		}
		b.send([]byte("answer"))
		a.want("answer")
		must(t, "Shutdown", b.Shutdown())
		n, _, errno := a.recv(make([]byte, 10))
		if n != 0 || errno != 0 {
			t.Fatalf("end of stream: %d, %s", n, errno.Name())
		}
		b.until("drained", func(s base.State) bool { return s.Drained })
		for _, e := range []*end{a, b} {
			if st := e.State(); st.Phase != base.Connected || st.Err != 0 || !st.PeerClosed {
				t.Fatalf("after both have finished: %+v", st)
			}
		}
	})
}

func TestPeekAndQueued(t *testing.T) {
	h := newHost(t, host.Config{})
	a, b := pair(t, h, wsa.AF_INET)
	a.send([]byte("0123456789"))
	b.readable()
	buf := make([]byte, 4)
	m := &provider.Msg{Buffers: [][]byte{buf}, Flags: wsa.MSG_PEEK}
	for range 2 {
		n, errno := b.Recv(m)
		if n != 4 || errno != 0 || string(buf) != "0123" {
			t.Fatalf("peek: %d, %s, %q", n, errno.Name(), buf)
		}
	}
	equal(t, "Queued", b.Endpoint.(base.Queuer).Queued(), 10)
	for _, want := range []string{"0123", "4567", "89"} {
		if !b.State().Readable {
			t.Fatalf("not readable before %q", want)
		}
		n, _, _ := b.recv(buf)
		equal(t, "Recv", string(buf[:n]), want)
	}
	if b.State().Readable {
		t.Fatal("readable, but empty")
	}
	equal(t, "Queued", b.Endpoint.(base.Queuer).Queued(), 0)
	n, errno := b.Recv(&provider.Msg{Buffers: [][]byte{{}}})
	if n != 0 || errno != 0 {
		t.Fatalf("Recv into nothing: %d, %s", n, errno.Name())
	}
}

func TestUrgent(t *testing.T) {
	h := newHost(t, host.Config{})
	a, b := pair(t, h, wsa.AF_INET)
	urgent := func() (byte, wsa.Errno) {
		buf := make([]byte, 1)
		_, errno := b.Recv(&provider.Msg{Buffers: [][]byte{buf}, Flags: wsa.MSG_OOB})
		return buf[0], errno
	}
	_, errno := urgent()
	equal(t, "MSG_OOB of nothing", errno, wsa.EWOULDBLOCK)

	a.send([]byte("ab"))
	if n, errno := a.Send(&provider.Msg{Buffers: [][]byte{[]byte("!")}, Flags: wsa.MSG_OOB}); n != 1 || errno != 0 {
		t.Fatalf("Send of urgent data: %d, %s", n, errno.Name())
	}
	a.send([]byte("cd"))
	type urgentEnd interface{ Urgent() (waits, atMark bool) }
	b.until("urgent", func(base.State) bool { waits, _ := b.Endpoint.(urgentEnd).Urgent(); return waits })

	// A receive stops at the mark, and what is behind it is still announced.
	buf := make([]byte, 10)
	n, _, _ := b.recv(buf)
	equal(t, "before the mark", string(buf[:n]), "ab")
	c, errno := urgent()
	equal(t, "urgent byte", c, '!')
	must(t, "MSG_OOB", errno)
	_, errno = urgent()
	equal(t, "MSG_OOB twice", errno, wsa.EWOULDBLOCK)
	b.readable()
	b.want("cd")

	must(t, "SO_OOBINLINE", b.SetOption(wsa.SOL_SOCKET, wsa.SO_OOBINLINE, 1))
	_, errno = urgent()
	equal(t, "MSG_OOB in line", errno, wsa.EINVAL)
}

// TestAccept: one edge may stand for many connections.
func TestAccept(t *testing.T) {
	h := newHost(t, host.Config{})
	l := listen(t, h, wsa.AF_INET)
	_, errno := l.Accept()
	equal(t, "Accept of nothing", errno, wsa.EWOULDBLOCK)
	const many = 20
	for range many {
		c := openTCP(t, h, wsa.AF_INET)
		c.Connect(local(t, l))
		c.until("connected", func(s base.State) bool { return s.Phase == base.Connected })
	}
	for range many {
		accept(t, l)
	}
	if l.State().Acceptable {
		t.Fatal("acceptable, but empty")
	}
}

// TestAcceptOfReset: the peer is gone before it was accepted.
func TestAcceptOfReset(t *testing.T) {
	h := newHost(t, host.Config{})
	l := listen(t, h, wsa.AF_INET)
	c := openTCP(t, h, wsa.AF_INET)
	c.Connect(local(t, l))
	c.until("connected", func(s base.State) bool { return s.Phase == base.Connected })
	l.until("acceptable", func(s base.State) bool { return s.Acceptable })
	c.Close(true)
	_, errno := l.Accept()
	equal(t, "Accept", errno, wsa.ECONNRESET)
	_, errno = l.Accept()
	equal(t, "Accept again", errno, wsa.EWOULDBLOCK)
}

// TestRebind: TIME-WAIT is no obstacle, a listener is.
func TestRebind(t *testing.T) {
	for _, chosen := range []bool{false, true} {
		h := newHost(t, host.Config{})
		l := openTCP(t, h, wsa.AF_INET)
		must(t, "Bind", l.Bind(loopback(wsa.AF_INET, 0)))
		at := local(t, l)
		if chosen {
			l.Close(false)
			l = openTCP(t, h, wsa.AF_INET)
			must(t, "Bind", l.Bind(at))
		}
		must(t, "Listen", l.Listen(1))

		second := openTCP(t, h, wsa.AF_INET)
		errno := second.Bind(at)
		if errno == 0 {
			errno = second.Listen(1)
		}
		equal(t, "second listener", errno, wsa.EADDRINUSE)

		c := openTCP(t, h, wsa.AF_INET)
		c.Connect(at)
		s := accept(t, l)
		s.Close(false) // the one who closes first keeps TIME-WAIT
		c.until("told of the FIN", func(s base.State) bool { return s.PeerClosed })
		c.Close(false)
		l.Close(false)

		again := openTCP(t, h, wsa.AF_INET)
		must(t, "Bind over TIME-WAIT", again.Bind(at))
		must(t, "Listen over TIME-WAIT", again.Listen(1))
	}
}

func TestLocalAddr(t *testing.T) {
	h := newHost(t, host.Config{})
	for _, p := range h.Protocols() {
		if p.Type == wsa.SOCK_RAW || p.NoZero && os.Geteuid() != 0 {
			continue // raw ones and ping sockets may be forbidden
		}
		e := open(t, h, p.Family, p.Type, p.Protocol)
		if a, ok := e.LocalAddr(); ok {
			t.Errorf("%s: unbound, but at %v", p.Name, a)
		}
		must(t, "Bind", e.Bind(loopback(p.Family, 0)))
		if a := local(t, e); a.Port() == 0 || a.Addr() != loopback(p.Family, 0).Addr() || a.Family != p.Family {
			t.Errorf("%s: bound to %v", p.Name, a)
		}
		if a, ok := e.PeerAddr(); ok {
			t.Errorf("%s: unconnected, but to %v", p.Name, a)
		}
	}
}
