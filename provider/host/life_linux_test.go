package host_test

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestManySockets opens and closes 10 000, in all states; providertest.Watch
// counts descriptors.
func TestManySockets(t *testing.T) {
	leaks := providertest.Watch()
	h, err := host.New(host.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("all", func(t *testing.T) {
		l := listen(t, h, wsa.AF_INET)
		to := local(t, l)
		for i := range 2500 {
			idle, _ := h.Open(wsa.AF_INET6, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
			idle.Close(false)
			d, _ := h.Open(wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
			d.Bind(loopback(wsa.AF_INET, 0))
			d.Close(true)
			c, errno := h.Open(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
			must(t, "Open", errno)
			c.Connect(to)
			l.until("acceptable", func(s base.State) bool { return s.Acceptable })
			s, errno := l.Accept()
			must(t, "Accept", errno)
			c.Close(i%2 == 0)
			s.Close(true)
			s.Close(true) // again: nothing
		}
	})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if left := leaks(); left != "" {
		t.Fatal(left)
	}
}

// TestDescriptorLimit: EMFILE, and a connection that found no descriptor waits.
func TestDescriptorLimit(t *testing.T) {
	h := newHost(t, host.Config{})
	l := listen(t, h, wsa.AF_INET)
	c := openTCP(t, h, wsa.AF_INET)
	c.Connect(local(t, l))
	l.until("acceptable", func(s base.State) bool { return s.Acceptable })
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	_, opened := h.Open(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	_, accepted := l.Accept()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	equal(t, "Open", opened, wsa.EMFILE)
	equal(t, "Accept", accepted, wsa.EMFILE)
	accept(t, l)
}

// TestNoWakeAfterClose closes endpoints while events pour in. Run with -race.
func TestNoWakeAfterClose(t *testing.T) {
	h := newHost(t, host.Config{})
	for range 40 {
		for _, udp := range []bool{false, true} {
			var a, b *end
			if udp {
				a, b = openUDP(t, h, wsa.AF_INET), openUDP(t, h, wsa.AF_INET)
				must(t, "Connect", b.Connect(local(t, a)))
			} else {
				a, b = pair(t, h, wsa.AF_INET)
			}
			var closed, late atomic.Bool
			woken := make(chan struct{}, 1)
			a.Watch(func(wsa.Events) {
				if closed.Load() {
					late.Store(true)
				}
				a.State() // may be asked from a wake
				select {
				case woken <- struct{}{}:
				default:
				}
			})
			stop := make(chan struct{})
			var wg sync.WaitGroup
			wg.Add(2)
			go func() {
				defer wg.Done()
				for {
					b.Send(&provider.Msg{Buffers: [][]byte{{1}}})
					select {
					case <-stop:
						return
					default:
					}
				}
			}()
			go func() { // State runs beside Close
				defer wg.Done()
				for {
					a.State()
					select {
					case <-stop:
						return
					default:
					}
				}
			}()
			<-woken
			a.Close(true)
			closed.Store(true)
			close(stop)
			wg.Wait()
			b.Close(true)
			if late.Load() {
				t.Fatal("woken after Close")
			}
			if st := a.State(); st.Readable {
				t.Fatalf("closed, but %+v", st)
			}
			_, errno := a.Recv(&provider.Msg{Buffers: [][]byte{{0}}})
			equal(t, "Recv after Close", errno, wsa.ENOTSOCK)
		}
	}
}

// TestLostWakeups: the receiver sleeps after each byte and must be woken for the
// next, for streams, datagrams and accepts at once.
func TestLostWakeups(t *testing.T) {
	const rounds = 5000
	h := newHost(t, host.Config{})
	var wg sync.WaitGroup
	pingPong := func(name string, a, b *end) {
		wg.Add(2)
		for i, e := range []*end{a, b} {
			go func() {
				defer wg.Done()
				buf := make([]byte, 1)
				for n := range rounds {
					if n > 0 || i == 1 {
						if _, _, errno := e.recv(buf); errno != 0 || buf[0] != byte(n-1+i) {
							t.Errorf("%s: round %d: %d, %s", name, n, buf[0], errno.Name())
							return
						}
					}
					e.send([]byte{byte(n)})
				}
			}()
		}
	}
	for range 2 {
		a, b := pair(t, h, wsa.AF_INET)
		pingPong("stream", a, b)
		a, b = openUDP(t, h, wsa.AF_INET), openUDP(t, h, wsa.AF_INET)
		must(t, "Connect", a.Connect(local(t, b)))
		must(t, "Connect", b.Connect(local(t, a)))
		pingPong("datagram", a, b)
	}
	wg.Wait()

	// A full pipe, a few bytes at a time from either end.
	a, b := pair(t, h, wsa.AF_INET)
	a.SetOption(wsa.SOL_SOCKET, wsa.SO_SNDBUF, 4096)
	b.SetOption(wsa.SOL_SOCKET, wsa.SO_RCVBUF, 4096)
	const total = 128 << 10 // the kernel makes each stop 40 ms long (delayed ACK)
	wg.Add(1)
	go func() {
		defer wg.Done()
		chunk := make([]byte, 3001)
		for left := total; left > 0; left -= len(chunk) {
			chunk = chunk[:min(left, len(chunk))]
			a.send(chunk)
		}
	}()
	buf := make([]byte, 1777)
	for got := 0; got < total; {
		n, _, errno := b.recv(buf)
		if n == 0 || errno != 0 {
			t.Fatalf("after %d bytes: %d, %s", got, n, errno.Name())
		}
		got += n
	}
	wg.Wait()
}

// TestHostClose: endpoints die of ENETDOWN and their owners hear of it.
func TestHostClose(t *testing.T) {
	h := newHost(t, host.Config{})
	a, b := pair(t, h, wsa.AF_INET)
	l, d := listen(t, h, wsa.AF_INET), openUDP(t, h, wsa.AF_INET)
	idle := openTCP(t, h, wsa.AF_INET)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, e := range []*end{a, b, l} {
		equal(t, "cause", e.over(), wsa.ENETDOWN)
		_, errno := e.Recv(&provider.Msg{Buffers: [][]byte{{0}}})
		if e != l {
			equal(t, "Recv", errno, wsa.ENETDOWN)
		}
	}
	_, errno := l.Accept()
	equal(t, "Accept", errno, wsa.ENETDOWN)
	d.until("soft", func(s base.State) bool { return s.Soft })
	for range 2 {
		_, errno = d.Recv(&provider.Msg{Buffers: [][]byte{{0}}})
		equal(t, "Recv", errno, wsa.ENETDOWN)
		_, errno = d.Send(&provider.Msg{Buffers: [][]byte{{0}}, Addr: loopback(wsa.AF_INET, 9)})
		equal(t, "Send", errno, wsa.ENETDOWN)
	}
	equal(t, "Connect", idle.Connect(loopback(wsa.AF_INET, 9)), wsa.ENETDOWN)
	for _, p := range h.Protocols() {
		if p.Type == wsa.SOCK_RAW && os.Geteuid() != 0 {
			continue
		}
		_, errno := h.Open(p.Family, p.Type, max(p.Protocol, 1))
		if p.Protocol == 0 || errno != wsa.EACCES {
			equal(t, "Open of "+p.Name, errno, wsa.ENETDOWN)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatalf("Close again: %v", err)
	}
}

// TestSysHandle: the descriptor is not inherited and does not block.
func TestSysHandle(t *testing.T) {
	h := newHost(t, host.Config{})
	a, b := pair(t, h, wsa.AF_INET)
	for _, e := range []*end{a, b, openUDP(t, h, wsa.AF_INET6)} {
		fd, ok := e.Endpoint.(base.Handler).SysHandle()
		if !ok {
			t.Fatal("no handle")
		}
		flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor flags %#x, %v", flags, err)
		}
		flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("file flags %#x, %v", flags, err)
		}
	}
	a.Close(false)
	if _, ok := a.Endpoint.(base.Handler).SysHandle(); ok {
		t.Error("a handle after Close")
	}
}

func TestOpenErrors(t *testing.T) {
	h := newHost(t, host.Config{})
	for _, c := range []struct {
		af, typ, protocol int32
		want              wsa.Errno
	}{
		{wsa.AF_UNIX, wsa.SOCK_STREAM, 0, wsa.EAFNOSUPPORT},
		{wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_UDP, wsa.EPROTONOSUPPORT},
		{wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_TCP, wsa.EPROTONOSUPPORT},
		{wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_ICMPV6, wsa.EPROTONOSUPPORT},
		{wsa.AF_INET6, wsa.SOCK_DGRAM, wsa.IPPROTO_ICMP, wsa.EPROTONOSUPPORT},
		{wsa.AF_INET, wsa.SOCK_RDM, 0, wsa.ESOCKTNOSUPPORT},
	} {
		_, errno := h.Open(c.af, c.typ, c.protocol)
		equal(t, "Open", errno, c.want)
	}
	e := openUDP(t, h, wsa.AF_INET)
	equal(t, "Listen", e.Listen(1), wsa.EOPNOTSUPP)
	_, errno := e.Accept()
	equal(t, "Accept", errno, wsa.EOPNOTSUPP)
	equal(t, "Shutdown", e.Shutdown(), wsa.EOPNOTSUPP)
	equal(t, "Disconnect", openTCP(t, h, wsa.AF_INET).Disconnect(), wsa.EOPNOTSUPP)
}
