package tun_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// park starts a reader on queue 0 and returns what it ends with.
func park(d *tun.Device) <-chan error {
	ended := make(chan error, 1)
	go func() { // ends with the device
		buf := [][]byte{make([]byte, 70000)}
		for {
			if _, err := d.ReadPacket(0, buf); err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

func within(t *testing.T, what string, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %v", what, patience)
		return nil
	}
}

func TestDeleted(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: ns})
	setUp(t, d)
	ended := park(d)
	ip(t, ns, "link", "del", d.Name())
	start := time.Now()
	if err := within(t, "parked reader", ended); !errors.Is(err, unix.EBADFD) {
		t.Errorf("parked reader: %v, want EBADFD", err)
	}
	s := await(t, d, "end", func(s tun.State) bool { return s.Err != nil })
	if !errors.Is(s.Err, tun.ErrGone) || s.Up {
		t.Errorf("state %+v, want ErrGone", s)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("noticed after %v", took)
	}
	must(t, d.Close())
	if s, _ := d.State(); !errors.Is(s.Err, tun.ErrClosed) {
		t.Errorf("state after Close %+v", s)
	}
}

// With nobody reading, netlink is what notices.
func TestDeletedUnread(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: ns})
	ip(t, ns, "link", "del", d.Name())
	await(t, d, "end", func(s tun.State) bool { return s.Err == tun.ErrGone })
}

func TestLinkDownAndUp(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: ns})
	setUp(t, d)
	ended := park(d)
	packet := [][]byte{make([]byte, d.HeaderLen()), tuntest.UDPPacket(netip.MustParseAddrPort("10.9.0.2:1"), netip.MustParseAddrPort("10.9.0.1:1"), nil)}
	for round := range 3 {
		ip(t, ns, "link", "set", d.Name(), "down")
		await(t, d, "down", isDown)
		if _, err := d.WritePacket(0, packet); !errors.Is(err, syscall.EIO) {
			t.Errorf("write while down: %v, want EIO", err)
		}
		writable := make(chan error, 1)
		go func() { writable <- d.WaitWritable(0, time.Time{}) }()
		ip(t, ns, "link", "set", d.Name(), "up")
		must(t, within(t, "WaitWritable", writable))
		if _, err := d.WritePacket(0, packet); err != nil {
			t.Errorf("write, up again: %v", err)
		}
		s := await(t, d, "up", isUp)
		if s.Downs != uint64(round+1) {
			t.Errorf("round %d: %d downs", round, s.Downs)
		}
	}
	select {
	case err := <-ended:
		t.Errorf("the reader ended: %v", err)
	default:
	}
}

// A flap that nobody looked at in between is still counted.
func TestFlapIsCounted(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: ns})
	setUp(t, d)
	for range 5 {
		must(t, link(t, d).SetDown())
		must(t, link(t, d).SetUp())
	}
	await(t, d, "5 downs", func(s tun.State) bool { return s.Up && s.Downs == 5 })
}

// Waiting for a link that is down costs next to no processor time.
func TestWaitingDoesNotSpin(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: ns})
	const span = 300 * time.Millisecond
	least := span
	for range 3 { // a collection of garbage may fall into one
		before := cpu(t)
		if err := d.WaitWritable(0, time.Now().Add(span)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("WaitWritable while down: %v", err)
		}
		least = min(least, cpu(t)-before)
	}
	if least > span/10 {
		t.Errorf("%v of processor time in %v", least, span)
	}
}

func cpu(t *testing.T) time.Duration {
	var u unix.Rusage
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestMTUIsFollowed(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: ns, MTU: 1400})
	if d.MTU() != 1400 {
		t.Errorf("MTU %d, want 1400", d.MTU())
	}
	ip(t, ns, "link", "set", d.Name(), "mtu", "576")
	await(t, d, "MTU 576", func(s tun.State) bool { return s.MTU == 576 })
	if d.MTU() != 576 {
		t.Errorf("MTU %d, want 576", d.MTU())
	}
	must(t, link(t, d).SetMTU(65520))
	await(t, d, "MTU 65520", func(s tun.State) bool { return s.MTU == 65520 })
}

func TestNamespaceDeleted(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: ns})
	setUp(t, d)
	must(t, tuntest.DeleteNetNS(ns))
	s := await(t, d, "namespace gone", func(s tun.State) bool { return s.NetnsGone })
	if s.Err != nil || !s.Up {
		t.Errorf("state %+v: the device itself should live on", s)
	}
}

func TestWatchNetns(t *testing.T) {
	gone := func(t *testing.T, w *tun.NetnsWatch) bool {
		t.Helper()
		select {
		case <-w.Gone():
			return true
		case <-time.After(patience):
			return false
		}
	}
	watch := func(t *testing.T, path string) *tun.NetnsWatch {
		t.Helper()
		w, err := tun.WatchNetns(path)
		must(t, err)
		t.Cleanup(func() { w.Close() })
		select {
		case <-w.Gone():
			t.Fatal("gone from the start")
		default:
		}
		return w
	}
	t.Run("name deleted", func(t *testing.T) {
		ns := tuntest.NetNS(t)
		w := watch(t, ns)
		must(t, tuntest.DeleteNetNS(ns))
		if !gone(t, w) {
			t.Error("not noticed")
		}
	})
	t.Run("renamed", func(t *testing.T) {
		// A plain file stands for the bind mount, which cannot be renamed.
		path := filepath.Join(t.TempDir(), "ns")
		must(t, os.WriteFile(path, nil, 0o600))
		w := watch(t, path)
		must(t, os.Rename(path, path+"2"))
		if !gone(t, w) {
			t.Error("not noticed")
		}
	})
	t.Run("unmounted, name left", func(t *testing.T) {
		ns := tuntest.NetNS(t)
		w := watch(t, ns)
		must(t, unix.Unmount(ns, unix.MNT_DETACH))
		if !gone(t, w) {
			t.Error("not noticed")
		}
	})
	t.Run("by symbolic link", func(t *testing.T) {
		ns := tuntest.NetNS(t)
		path := filepath.Join(t.TempDir(), "link")
		must(t, os.Symlink(ns, path))
		w := watch(t, path)
		must(t, tuntest.DeleteNetNS(ns))
		if !gone(t, w) {
			t.Error("not noticed")
		}
	})
	t.Run("process ended", func(t *testing.T) {
		tuntest.RequireRoot(t)
		cmd := exec.Command("sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		must(t, cmd.Start())
		t.Cleanup(func() { cmd.Process.Kill() })
		path := fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)
		w := watch(t, path)
		d := open(t, tun.Config{Netns: path})
		must(t, cmd.Process.Kill())
		if !gone(t, w) {
			t.Error("not noticed")
		}
		await(t, d, "namespace gone", func(s tun.State) bool { return s.NetnsGone })
		cmd.Wait()
	})
	t.Run("closed", func(t *testing.T) {
		w := watch(t, tuntest.NetNS(t))
		must(t, w.Close())
		select {
		case <-w.Gone():
			t.Error("Gone after Close")
		default:
		}
	})
	t.Run("none", func(t *testing.T) {
		if _, err := tun.WatchNetns("/run/netns/none"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v, want ErrNotExist", err)
		}
	})
}

// A device goes on working, and being followed, in the namespace it is moved to.
func TestMoved(t *testing.T) {
	from, to := tuntest.NetNS(t), tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: from})
	setUp(t, d)
	ip(t, from, "link", "set", d.Name(), "netns", filepath.Base(to))
	await(t, d, "down by the move", isDown)
	ip(t, to, "link", "set", d.Name(), "up")
	await(t, d, "up in the new namespace", isUp)
	setUp(t, d)
	pingPong(t, to, d)
	want, err := tun.NamespaceAt(to)
	must(t, err)
	if got, err := tun.NamespaceOf(dup(t, d)); err != nil || got != want {
		t.Errorf("NamespaceOf: %v, %v, want %v", got, err, want)
	}
	ip(t, to, "link", "del", d.Name())
	await(t, d, "end", func(s tun.State) bool { return s.Err == tun.ErrGone })
}

func TestLink(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: ns, Name: "conf0"})
	lo, err := tun.OpenLink(ns, "lo")
	must(t, err)
	defer lo.Close()
	must(t, lo.SetUp())
	l := link(t, d)
	for range 2 { // repeating is no error
		setUp(t, d)
		must(t, l.SetMTU(1400))
		for _, r := range []tun.Route{
			{Dst: netip.MustParsePrefix("0.0.0.0/0")},
			{Dst: netip.MustParsePrefix("::/0")},
			{Dst: netip.MustParsePrefix("192.0.2.0/24"), Via: netip.MustParseAddr("10.9.0.2"), Metric: 7},
			{Dst: netip.MustParsePrefix("2001:db8::/32"), Via: netip.MustParseAddr("fd09::2"), Src: netip.MustParseAddr("fd09::1")},
		} {
			must(t, l.AddRoute(r))
		}
	}
	for _, c := range []struct {
		cmd  string
		want []string
	}{
		{"link show conf0", []string{"mtu 1400", "qlen 10000", "UP"}},
		{"link show lo", []string{"LOOPBACK,UP"}},
		{"addr show conf0", []string{"inet 10.9.0.1/24", "inet6 fd09::1/64 scope global nodad"}},
		{"-4 route", []string{"default dev conf0 scope link", "192.0.2.0/24 via 10.9.0.2 dev conf0 metric 7"}},
		{"-6 route", []string{"default dev conf0 metric 1024", "2001:db8::/32 via fd09::2 dev conf0 src fd09::1"}},
	} {
		out := ip(t, ns, strings.Fields(c.cmd)...)
		for _, w := range c.want {
			if !strings.Contains(out, w) {
				t.Errorf("ip %s: no %q in\n%s", c.cmd, w, out)
			}
		}
	}
	if _, err := tun.OpenLink(ns, "none0"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("OpenLink of no interface: %v, want ENODEV", err)
	}
	for what, err := range map[string]error{"AddAddr": l.AddAddr(netip.Prefix{}), "AddRoute": l.AddRoute(tun.Route{})} {
		if !errors.Is(err, os.ErrInvalid) {
			t.Errorf("%s of nothing: %v", what, err)
		}
	}
	sysctl(t, ns, "net/ipv6/conf/conf0/disable_ipv6", "1")
	if err := l.AddAddr(netip.MustParsePrefix("fd09::3/64")); err == nil || !strings.Contains(err.Error(), "disable_ipv6") {
		t.Errorf("AddAddr without IPv6: %v", err)
	}
	must(t, d.Close())
	if err := l.SetUp(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("SetUp after Close: %v", err)
	}
}

// When more happens than a netlink socket holds, the kernel says ENOBUFS and the present state is asked for.
func TestLostMessages(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: ns})
	setUp(t, d)
	heard := make(chan error, 1)
	go func() { // ends with the device
		heard <- d.HearLate(ns, func() {
			for i := range 100 {
				link(t, d).SetMTU(1000 + i)
			}
			await(t, d, "last change", func(s tun.State) bool { return s.MTU == 1099 })
		})
	}()
	await(t, d, "wrong state", func(s tun.State) bool { return s.MTU == 1 || s.Up && s.Downs > 0 })
	await(t, d, "right state", func(s tun.State) bool { return s.Up && s.MTU == 1099 })
	// Nothing older may come after it.
	must(t, link(t, d).SetMTU(2000))
	await(t, d, "next change", func(s tun.State) bool { return s.MTU == 2000 })
	must(t, d.Close())
	must(t, within(t, "end", heard))
}

// What the kernel has to say of the set-up comes no later than Open: the MTU of before is never seen.
func TestMTUStaysAfterOpen(t *testing.T) {
	ns := tuntest.NetNS(t)
	for range 50 {
		d := open(t, tun.Config{Netns: ns, MTU: 1400})
		s, changed := d.State()
		if s.MTU != 1400 || d.MTU() != 1400 {
			t.Fatalf("MTU %d and %d, want 1400", s.MTU, d.MTU())
		}
		must(t, link(t, d).SetMTU(1300))
		<-changed
		if s, _ := d.State(); s.MTU != 1300 {
			t.Fatalf("MTU %d after 1400, want 1300 and nothing in between", s.MTU)
		}
		must(t, d.Close())
	}
}
