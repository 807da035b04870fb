package tun_test

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// patience is how long what must happen may take.
const patience = 20 * time.Second

func open(t *testing.T, cfg tun.Config) *tun.Device {
	t.Helper()
	d, err := tun.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func link(t *testing.T, d *tun.Device) *tun.Link {
	t.Helper()
	l, err := d.Link()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ip runs iproute2 in the namespace.
func ip(t *testing.T, ns string, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", append([]string{"-n", filepath.Base(ns)}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// sysctl sets a value of the namespace: /proc/sys/net shows that of the thread.
func sysctl(t *testing.T, ns, name, value string) {
	t.Helper()
	must(t, tun.InNetns(ns, func() error {
		return os.WriteFile("/proc/sys/"+name, []byte(value), 0)
	}))
}

// listen opens a UDP socket in the namespace.
func listen(t *testing.T, ns, addr string) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	must(t, tun.InNetns(ns, func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		return err
	}))
	t.Cleanup(func() { c.Close() })
	return c
}

// await waits until the state of the device is as wanted.
func await(t *testing.T, d interface {
	State() (tun.State, <-chan struct{})
}, what string, ok func(tun.State) bool) tun.State {
	t.Helper()
	timeout := time.After(patience)
	for {
		s, changed := d.State()
		if ok(s) {
			return s
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%s: not seen, state is %+v", what, s)
		}
	}
}

func isUp(s tun.State) bool   { return s.Up }
func isDown(s tun.State) bool { return !s.Up }

// fds counts the descriptors of this process.
func fds(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(d)
}

// linked adds to a real device what Conform likes to do to it.
type linked struct {
	*tun.Device
	t  *testing.T
	ns string
}

func (l linked) SetUp(up bool) error {
	lk := link(l.t, l.Device)
	if up {
		return lk.SetUp()
	}
	return lk.SetDown()
}

func (l linked) Vanish() error {
	ip(l.t, l.ns, "link", "del", l.Name())
	return nil
}

var _ tuntest.Device = linked{}
