package host_test

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestMain(m *testing.M) { providertest.Main(m) }

const patience = 20 * time.Second

// end is an endpoint whose wakes can be waited for.
type end struct {
	base.Endpoint
	t     testing.TB
	woken chan struct{}
}

func watch(t testing.TB, ep base.Endpoint) *end {
	e := &end{ep, t, make(chan struct{}, 1)}
	ep.Watch(func(wsa.Events) {
		select {
		case e.woken <- struct{}{}:
		default:
		}
	})
	return e
}

// until waits for wakes until the state is as wanted. It never polls: a wake
// that is lost fails the test.
func (e *end) until(what string, ok func(base.State) bool) base.State {
	e.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		st := e.State()
		if ok(st) {
			return st
		}
		select {
		case <-e.woken:
		case <-late.C:
			e.t.Fatalf("not %s after %v: %+v, really %+v", what, patience, st, e.State())
		}
	}
}

func (e *end) readable() {
	e.t.Helper()
	e.until("readable", func(s base.State) bool { return s.Readable })
}

func (e *end) over() wsa.Errno {
	e.t.Helper()
	return e.until("dead", func(s base.State) bool { return s.Phase == base.Dead }).Err
}

// send sends all of b.
func (e *end) send(b []byte) {
	e.t.Helper()
	m := &provider.Msg{Buffers: [][]byte{b}}
	for len(m.Buffers[0]) > 0 {
		n, errno := e.Send(m)
		switch {
		case errno == wsa.EWOULDBLOCK:
			e.until("writable", func(s base.State) bool { return s.Writable })
		case errno != 0:
			e.t.Fatalf("Send: %s", errno.Name())
		}
		m.Buffers[0] = m.Buffers[0][n:]
	}
}

// recv receives once, waiting for something to come.
func (e *end) recv(b []byte) (int, provider.Addr, wsa.Errno) {
	e.t.Helper()
	m := &provider.Msg{Buffers: [][]byte{b}}
	for {
		n, errno := e.Recv(m)
		if errno != wsa.EWOULDBLOCK {
			return n, m.Addr, errno
		}
		e.until("readable", func(s base.State) bool {
			return s.Readable || s.Soft || s.PeerClosed || s.Phase == base.Dead
		})
	}
}

func (e *end) want(text string) {
	e.t.Helper()
	b := make([]byte, 100)
	n := 0
	for n < len(text) {
		got, _, errno := e.recv(b[n:])
		if errno != 0 || got == 0 {
			e.t.Fatalf("Recv after %q: %d, %s; want %q", b[:n], got, errno.Name(), text)
		}
		n += got
	}
	if string(b[:n]) != text {
		e.t.Fatalf("received %q, want %q", b[:n], text)
	}
}

func newHost(t testing.TB, c host.Config) *host.Host {
	t.Helper()
	h, err := host.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return h
}

func open(t testing.TB, h *host.Host, af, typ, protocol int32) *end {
	t.Helper()
	ep, errno := h.Open(af, typ, protocol)
	if errno != 0 {
		t.Fatalf("Open(%s, %s, %s): %s", wsa.FamilyName(af), wsa.TypeName(typ), wsa.ProtocolName(protocol), errno.Name())
	}
	t.Cleanup(func() { ep.Close(true) })
	return watch(t, ep)
}

func openTCP(t testing.TB, h *host.Host, af int32) *end {
	t.Helper()
	return open(t, h, af, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
}

func openUDP(t testing.TB, h *host.Host, af int32) *end {
	t.Helper()
	e := open(t, h, af, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
	must(t, "Bind", e.Bind(loopback(af, 0)))
	return e
}

func must(t testing.TB, what string, errno wsa.Errno) {
	t.Helper()
	if errno != 0 {
		t.Fatalf("%s: %s", what, errno.Name())
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func loopback(af int32, port uint16) provider.Addr {
	ip := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if af == wsa.AF_INET6 {
		ip = netip.IPv6Loopback()
	}
	return provider.AddrFrom(netip.AddrPortFrom(ip, port))
}

func at(text string) provider.Addr { return provider.AddrFrom(netip.MustParseAddrPort(text)) }

func local(t testing.TB, e base.Endpoint) provider.Addr {
	t.Helper()
	a, ok := e.LocalAddr()
	if !ok {
		t.Fatal("no local address")
	}
	return a
}

// listen makes a listener on the loopback.
func listen(t testing.TB, h *host.Host, af int32) *end {
	t.Helper()
	l := openTCP(t, h, af)
	must(t, "Bind", l.Bind(loopback(af, 0)))
	must(t, "Listen", l.Listen(128))
	equal(t, "phase", l.State().Phase, base.Listening)
	return l
}

func accept(t testing.TB, l *end) *end {
	t.Helper()
	l.until("acceptable", func(s base.State) bool { return s.Acceptable })
	ep, errno := l.Accept()
	must(t, "Accept", errno)
	t.Cleanup(func() { ep.Close(true) })
	return watch(t, ep)
}

// pair is a connection: who dialled, who accepted.
func pair(t testing.TB, h *host.Host, af int32) (dialled, accepted *end) {
	t.Helper()
	l := listen(t, h, af)
	dialled = openTCP(t, h, af)
	equal(t, "Connect", dialled.Connect(local(t, l)), wsa.EWOULDBLOCK)
	accepted = accept(t, l)
	dialled.until("connected", func(s base.State) bool { return s.Phase == base.Connected })
	l.Close(false)
	return dialled, accepted
}

// bothFamilies runs f for each.
func bothFamilies(t *testing.T, f func(t *testing.T, af int32)) {
	for _, af := range []int32{wsa.AF_INET, wsa.AF_INET6} {
		t.Run(wsa.FamilyName(af), func(t *testing.T) { f(t, af) })
	}
}

// privileged skips a test that needs root where there is none.
func privileged(t testing.TB) {
	t.Helper()
	needs(t, "root", os.Geteuid() == 0)
}

// needs skips a test where something is missing that CI must have.
func needs(t testing.TB, what string, there bool) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("CI") == "true":
		t.Fatalf("needs %s, and CI must have it", what)
	default:
		t.Skip("needs " + what)
	}
}

func hasTool(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// privateNetwork puts the test's goroutine into a network namespace of its own,
// which ends with it: the thread is never used again.
func privateNetwork(t *testing.T, commands ...string) {
	t.Helper()
	privileged(t)
	needs(t, "ip and tc (iproute2)", hasTool("ip") && hasTool("tc"))
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("unshare: %v", err)
	}
	for _, c := range append([]string{"ip link set lo up"}, commands...) {
		words := strings.Fields(c)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", c, err, out)
		}
	}
}

// sysctl sets a value of the namespace that the thread is in.
func sysctl(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil {
		t.Fatal(err)
	}
}
