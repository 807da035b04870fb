package tun_test

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

func TestOpenFacts(t *testing.T) {
	const all = tun.OffloadCsum | tun.OffloadTSO4 | tun.OffloadTSO6
	const uso = tun.OffloadUSO4 | tun.OffloadUSO6 // since Linux 6.2
	for _, c := range []struct {
		cfg      tun.Config
		hdr      int
		offloads uint32
	}{
		{tun.Config{}, 10, all},
		{tun.Config{Name: "mine0"}, 10, all},
		{tun.Config{TAP: true, Queues: 2}, 10, all},
		{tun.Config{Driver: tun.DriverVNET, Queues: 4, MTU: 9000}, 10, all},
		{tun.Config{NoOffload: true}, 0, 0},
		{tun.Config{Driver: tun.DriverWater, Name: "w%d"}, 0, 0},
		{tun.Config{Driver: tun.DriverWater, TAP: true, Queues: 3}, 0, 0},
	} {
		t.Run(fmt.Sprintf("%+v", c.cfg), func(t *testing.T) {
			c.cfg.Netns = tuntest.NetNS(t)
			d := open(t, c.cfg)
			if d.HeaderLen() != c.hdr || d.Offloads()&^uso != c.offloads || d.TAP() != c.cfg.TAP || d.Queues() != max(1, c.cfg.Queues) {
				t.Errorf("header %d, offloads %#x, TAP %v, %d queues", d.HeaderLen(), d.Offloads(), d.TAP(), d.Queues())
			}
			if got := d.Offloads() & uso; got != 0 && (got != uso || c.offloads == 0) {
				t.Errorf("offloads %#x: USO for both families or none, and only with a header", d.Offloads())
			}
			if mtu := cmp.Or(c.cfg.MTU, 1500); d.MTU() != mtu {
				t.Errorf("MTU %d, want %d", d.MTU(), mtu)
			}
			if out := ip(t, c.cfg.Netns, "link", "show", d.Name()); !strings.Contains(out, fmt.Sprintf("mtu %d ", d.MTU())) {
				t.Errorf("the kernel says %s", out)
			}
		})
	}
}

// TestTxQueueLen: long by default, never shortened by it, and as one wishes.
func TestTxQueueLen(t *testing.T) {
	for _, c := range []struct {
		name   string
		before int // a persistent device of that length is there already
		cfg    tun.Config
		want   string
	}{
		{"default", 0, tun.Config{}, "qlen 10000"},
		{"TAP", 0, tun.Config{TAP: true, Queues: 2}, "qlen 10000"},
		{"plain", 0, tun.Config{NoOffload: true}, "qlen 10000"},
		{"water", 0, tun.Config{Driver: tun.DriverWater}, "qlen 500"},
		{"set", 0, tun.Config{TxQueueLen: 777}, "qlen 777"},
		{"water, set", 0, tun.Config{Driver: tun.DriverWater, TxQueueLen: 777}, "qlen 777"},
		{"longer already", 20000, tun.Config{}, "qlen 20000"},
		{"longer already, set", 20000, tun.Config{TxQueueLen: 777}, "qlen 777"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Netns, c.cfg.Name = tuntest.NetNS(t), "q0"
			if c.before != 0 {
				d := open(t, tun.Config{Netns: c.cfg.Netns, Name: "q0", Persist: true, TxQueueLen: c.before})
				must(t, d.Close())
			}
			open(t, c.cfg)
			if out := ip(t, c.cfg.Netns, "link", "show", "q0"); !strings.Contains(out, c.want) {
				t.Errorf("the kernel says %s, want %s", out, c.want)
			}
		})
	}
	if _, err := tun.Open(tun.Config{TxQueueLen: -1}); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a negative length: %v", err)
	}
}

// Persistent, so that most rounds do not pay for the unregistration of a device.
func TestOpenCloseLeavesNothing(t *testing.T) {
	ns := tuntest.NetNS(t)
	for _, c := range []struct {
		rounds int
		cfg    tun.Config
	}{
		{1000, tun.Config{Name: "keep0", Persist: true}},
		{20, tun.Config{Name: "two0", Queues: 2}},
		{50, tun.Config{Name: "water0", Persist: true, Driver: tun.DriverWater}},
		{10, tun.Config{Name: "water1", Driver: tun.DriverWater}},
	} {
		c.cfg.Netns = ns
		before := fds(t)
		for i := range c.rounds {
			d, err := tun.Open(c.cfg)
			if err != nil {
				t.Fatalf("%s, round %d: %v", c.cfg.Name, i, err)
			}
			must(t, d.Close())
		}
		if after := fds(t); after > before {
			t.Errorf("%s: %d descriptors before, %d after %d rounds", c.cfg.Name, before, after, c.rounds)
		}
		if out := ip(t, ns, "-o", "link"); strings.Contains(out, c.cfg.Name) != c.cfg.Persist {
			t.Errorf("%s, persistent %v, afterwards: %s", c.cfg.Name, c.cfg.Persist, out)
		}
	}
}

func TestCloseOnExec(t *testing.T) {
	for _, driver := range []string{tun.DriverVNET, tun.DriverWater} {
		t.Run(driver, func(t *testing.T) {
			open(t, tun.Config{Netns: tuntest.NetNS(t), Driver: driver, Queues: 2})
			out, err := exec.Command("ls", "-l", "/proc/self/fd").CombinedOutput()
			must(t, err)
			for _, what := range []string{"net/tun", "socket:", "inotify", "net:"} {
				if strings.Contains(string(out), what) {
					t.Errorf("a child inherits %s:\n%s", what, out)
				}
			}
			own, err := os.ReadDir("/proc/self/fd")
			must(t, err)
			n := 0
			for _, fd := range own { // one that is closed meanwhile has no target
				if what, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.Contains(what, "net/tun") {
					n++
				}
			}
			if n != 2 {
				t.Errorf("this process has %d TUN descriptors, want 2: the test sees nothing", n)
			}
		})
	}
}

func TestPersistence(t *testing.T) {
	for _, driver := range []string{tun.DriverVNET, tun.DriverWater} {
		t.Run(driver, func(t *testing.T) {
			ns := tuntest.NetNS(t)
			cfg := tun.Config{Name: "keep0", Netns: ns, Persist: true, Queues: 2, Driver: driver}
			d := open(t, cfg)
			setUp(t, d)
			must(t, d.Close())
			if out := ip(t, ns, "addr", "show", "keep0"); !strings.Contains(out, "NO-CARRIER") || !strings.Contains(out, "10.9.0.1/24") {
				t.Errorf("after Close: %s", out)
			}
			d = open(t, cfg)
			await(t, d, "up", isUp)
			pingPong(t, ns, d)
			if driver == tun.DriverVNET {
				must(t, d.Close())
				cfg.Persist = false // leaves it as it is
				must(t, open(t, cfg).Close())
				if out := ip(t, ns, "-o", "link"); !strings.Contains(out, "keep0") {
					t.Fatalf("opened without Persist, after Close: %s", out)
				}
				d = open(t, cfg)
				must(t, d.SetPersist(false))
			} else {
				must(t, d.Close())
				cfg.Persist = false // clears it
				d = open(t, cfg)
			}
			must(t, d.Close())
			if out := ip(t, ns, "-o", "link"); strings.Contains(out, "keep0") {
				t.Errorf("no longer persistent, after Close: %s", out)
			}
		})
	}
}

// A persistent device remembers the offloads of its former owner; one that opens it without a header must not get their
// segments.
func TestOffloadsAreForgotten(t *testing.T) {
	ns := tuntest.NetNS(t)
	cfg := tun.Config{Name: "keep0", Netns: ns, Persist: true}
	must(t, open(t, cfg).Close())
	for _, c := range []tun.Config{{NoOffload: true}, {Driver: tun.DriverWater}} {
		c.Name, c.Netns, c.Persist = cfg.Name, cfg.Netns, true
		d := open(t, c)
		setUp(t, d)
		if d.HeaderLen() != 0 {
			t.Errorf("HeaderLen %d", d.HeaderLen())
		}
		pingPong(t, ns, d) // checks that the checksum is finished
		must(t, d.Close())
	}
}

func TestOpenErrors(t *testing.T) {
	ns := tuntest.NetNS(t)
	open(t, tun.Config{Name: "busy0", Netns: ns})
	open(t, tun.Config{Name: "multi0", Netns: ns, Queues: 2})
	fifo := filepath.Join(t.TempDir(), "fifo")
	must(t, unix.Mkfifo(fifo, 0o600))
	for _, c := range []struct {
		name string
		cfg  tun.Config
		code error
		say  string
	}{
		{"name too long", tun.Config{Name: "0123456789abcdef"}, os.ErrInvalid, "15 bytes"},
		{"queues", tun.Config{Queues: 257}, os.ErrInvalid, "256"},
		{"MTU", tun.Config{MTU: 67}, os.ErrInvalid, "68"},
		{"driver", tun.Config{Driver: "wintun"}, os.ErrInvalid, `"water"`},
		{"no namespace", tun.Config{Netns: "/run/netns/none"}, fs.ErrNotExist, "ip netns add"},
		{"a FIFO", tun.Config{Netns: fifo}, unix.EINVAL, "not a network namespace"},
		{"not a namespace", tun.Config{Netns: "/etc/passwd"}, unix.EINVAL, "not a network namespace"},
		{"in use", tun.Config{Name: "busy0"}, unix.EBUSY, "another name"},
		{"in use, water", tun.Config{Name: "busy0", Driver: tun.DriverWater}, unix.EBUSY, "another name"},
		{"queues do not match", tun.Config{Name: "busy0", Queues: 2}, unix.EINVAL, "several queues"},
		{"queues do not match", tun.Config{Name: "multi0"}, unix.EINVAL, "one queue"},
		{"kind does not match", tun.Config{Name: "multi0", Queues: 2, TAP: true}, unix.EINVAL, "not a TAP"},
		{"kind does not match, water", tun.Config{Name: "multi0", Queues: 2, TAP: true, Driver: tun.DriverWater}, unix.EINVAL, "not a TAP"},
		{"not a TUN", tun.Config{Name: "lo"}, unix.EINVAL, "not a TUN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.cfg.Netns == "" {
				c.cfg.Netns = ns
			}
			before := fds(t)
			d, err := tun.Open(c.cfg)
			if err == nil {
				d.Close()
				t.Fatal("no error")
			}
			if !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v\nwant %v, and that it says %q", err, c.code, c.say)
			}
			if after := fds(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
}

func TestAdoptErrors(t *testing.T) {
	ns := tuntest.NetNS(t)
	a, b := open(t, tun.Config{Netns: ns}), open(t, tun.Config{Netns: ns})
	raw, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(raw)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(null)
	fdA, fdB := dup(t, a), dup(t, b)
	for _, c := range []struct {
		name string
		fds  []int
		code error
		say  string
	}{
		{"none", nil, os.ErrInvalid, "no descriptor"},
		{"not attached", []int{raw}, unix.EBADFD, "TUNSETIFF"},
		{"not a TUN", []int{null}, unix.ENOTTY, "not a descriptor of /dev/net/tun"},
		{"second not a TUN", []int{fdA, null}, unix.ENOTTY, "not a descriptor of /dev/net/tun"},
		{"two devices", []int{fdA, fdB}, os.ErrInvalid, "one interface"},
		{"closed", []int{9999}, syscall.EBADF, "9999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := fds(t)
			_, err := tun.Adopt(c.fds, tun.Config{})
			if !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v\nwant %v, and that it says %q", err, c.code, c.say)
			}
			if after := fds(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
}

// dup returns a descriptor of queue 0, closed at the end unless it was adopted.
func dup(t *testing.T, d *tun.Device) (fd int) {
	t.Helper()
	var err error
	must(t, d.SyscallConn(0).Control(func(p uintptr) { fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0) }))
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func TestNamespaceOf(t *testing.T) {
	ns := tuntest.NetNS(t)
	want, err := tun.NamespaceAt(ns)
	must(t, err)
	d := open(t, tun.Config{Netns: ns})
	if got, err := tun.NamespaceOf(dup(t, d)); err != nil || got != want {
		t.Errorf("of the TUN: %v, %v, want %v", got, err, want)
	}
	rc, err := listen(t, ns, "0.0.0.0:0").SyscallConn()
	must(t, err)
	must(t, rc.Control(func(fd uintptr) {
		if got, err := tun.NamespaceOf(int(fd)); err != nil || got != want {
			t.Errorf("of a socket: %v, %v, want %v", got, err, want)
		}
	}))
	if own, err := tun.NamespaceAt("/proc/self/ns/net"); err != nil || own == want {
		t.Errorf("own namespace %v, %v", own, err)
	}
	if _, err := tun.NamespaceOf(0); err == nil {
		t.Error("of standard input: no error")
	}
}

// No thread of the process that others see or use ends up in another namespace, the main one included.
func TestInNetnsSpoilsNothing(t *testing.T) {
	ns := tuntest.NetNS(t)
	before, err := tun.NamespaceAt("/proc/self/ns/net")
	must(t, err)
	want, err := tun.NamespaceAt(ns)
	must(t, err)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			err := tun.InNetns(ns, func() error {
				if got, err := tun.NamespaceAt("/proc/thread-self/ns/net"); err != nil || got != want {
					t.Errorf("inside: %v, %v, want %v", got, err, want)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if after, err := tun.NamespaceAt("/proc/self/ns/net"); err != nil || after != before {
		t.Errorf("the process is in %v, %v, was in %v", after, err, before)
	}
}
