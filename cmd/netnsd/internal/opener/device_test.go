//go:build linux

package opener

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
)

func opens(t *testing.T) *Resident {
	t.Helper()
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	if os.Geteuid() != 0 || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI lacks root or a TUN: ", err)
		}
		t.Skip("needs root and a TUN: ", err)
	}
	return resides(t, StayOpen)
}

func namespace(t *testing.T) (path string) {
	t.Helper()
	name := fmt.Sprintf("netnsd-o-%d-%d", os.Getpid(), time.Now().UnixNano()%1e9)
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	return "/run/netns/" + name
}

func ip(t *testing.T, netns string, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", append([]string{"-n", filepath.Base(netns)}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func place(netns string) Place {
	return Place{
		Netns: netns, Name: "tun0", MTU: 1400,
		Addrs:    []netip.Prefix{netip.MustParsePrefix("10.0.2.100/24"), netip.MustParsePrefix("fd00::64/64")},
		Gateways: []netip.Addr{netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("fd00::2")},
		Routes:   []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
	}
}

func stateOf(t *testing.T, d *tun.Device, what string, ok func(tun.State) bool) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		s, changed := d.State()
		if ok(s) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("not %s: %+v", what, s)
		}
	}
}

// A device is made, configured, followed, configured once more when it has lost its
// routes, and let go; what is left then is what was there before.
func TestOpen(t *testing.T) {
	r := opens(t)
	for _, what := range []string{"path", "descriptor"} {
		t.Run(what, func(t *testing.T) {
			netns := namespace(t)
			p, file := place(netns), (*os.File)(nil)
			if what == "descriptor" {
				f, err := os.Open(netns)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				p.Netns, file = "", f
			}
			d, err := r.Open(p, file)
			if err != nil || d.Warning != "" || d.Owners.Diag == nil {
				t.Fatalf("%+v, %v", d, err)
			}
			if err := d.SetUp(); err != nil {
				t.Fatal(err)
			}
			configured := func() {
				t.Helper()
				if warning, err := d.Configure(); err != nil || warning != "" {
					t.Fatal(warning, err)
				}
				for _, want := range []string{"default via 10.0.2.2 dev tun0", "10.0.2.0/24 dev tun0"} {
					if got := ip(t, netns, "route"); !strings.Contains(got, want) {
						t.Errorf("no %q in %s", want, got)
					}
				}
				if got := ip(t, netns, "-6", "route"); !strings.Contains(got, "default via fd00::2 dev tun0") {
					t.Error(got)
				}
			}
			configured()
			stateOf(t, d.TUN, "up", func(s tun.State) bool { return s == tun.State{Up: true, MTU: 1400} })
			ip(t, netns, "link", "set", "tun0", "down")
			stateOf(t, d.TUN, "down", func(s tun.State) bool { return !s.Up && s.Downs == 1 })
			ip(t, netns, "link", "set", "tun0", "up", "mtu", "1300")
			stateOf(t, d.TUN, "up again", func(s tun.State) bool { return s.Up && s.MTU == 1300 })
			configured()
			if err := errors.Join(d.Owners.Diag.Close(), d.TUN.Close(), d.Close()); err != nil {
				t.Error(err)
			}
			if err := d.Close(); !errors.Is(err, unix.ENODEV) {
				t.Error("twice: ", err)
			}
			if got := ip(t, netns, "-o", "link"); strings.Contains(got, "tun0") {
				t.Error("left: ", got)
			}
		})
	}
}

// A namespace that is deleted is told of, that of a process, too; so are many devices.
func TestOpenGone(t *testing.T) {
	r := opens(t)
	sleeper := exec.Command("unshare", "-n", "sleep", "1000")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sleeper.Process.Kill(); sleeper.Wait() })
	process := fmt.Sprintf("/proc/%d/ns/net", sleeper.Process.Pid)
	for end := time.Now().Add(time.Minute); r.Look(process) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(r.Look(process))
		}
	}
	named := namespace(t)
	var all sync.WaitGroup
	for path, del := range map[string]func(){
		process: func() { sleeper.Process.Kill() },
		named:   func() { exec.Command("ip", "netns", "del", filepath.Base(named)).Run() },
	} {
		all.Go(func() {
			d, err := r.Open(place(path), nil)
			if err != nil {
				t.Error(err)
				return
			}
			select {
			case <-d.Gone():
				t.Error(path, " is gone already")
			default:
			}
			del()
			select {
			case <-d.Gone():
			case <-time.After(time.Minute):
				t.Error(path, " is not gone")
			}
			if err := errors.Join(d.Owners.Diag.Close(), d.TUN.Close(), d.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// What is no namespace, or our own, is refused with a reason, and not waited for.
func TestOpenRefused(t *testing.T) {
	r := opens(t)
	dir := t.TempDir()
	fifo, missing := filepath.Join(dir, "fifo"), filepath.Join(dir, "missing")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{fifo: unix.EINVAL, missing: fs.ErrNotExist, "/etc/passwd": unix.EINVAL, "/proc/self/ns/mnt": unix.EINVAL, "relative": unix.EINVAL} {
		if _, err := r.Open(place(path), nil); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	for _, path := range []string{fifo, missing, "/etc/passwd", "/proc/self/ns/mnt"} {
		if err := r.Look(path); err == nil {
			t.Errorf("%s is a namespace", path)
		}
	}
	const own = "network namespace of the daemon itself"
	if _, err := r.Open(place("/proc/self/ns/net"), nil); err == nil || !strings.Contains(err.Error(), own) {
		t.Error("own: ", err)
	}
	if err := r.Look("/proc/self/ns/net"); err == nil || !strings.Contains(err.Error(), own) {
		t.Error("own: ", err)
	}
	for _, path := range []string{"/proc/self/ns/net", "/etc/passwd", "/proc/self/ns/mnt"} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Open(place(""), f); err == nil {
			t.Error("passed: ", path)
		}
		f.Close()
	}
	bad := place(namespace(t))
	bad.Name = "a/b"
	if _, err := r.Open(bad, nil); !errors.Is(err, unix.EINVAL) {
		t.Error(err)
	}
	busy := place(namespace(t))
	d, err := r.Open(busy, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(busy, nil); !errors.Is(err, unix.EBUSY) {
		t.Error("twice: ", err)
	}
	if err := errors.Join(d.Owners.Diag.Close(), d.TUN.Close(), d.Close()); err != nil {
		t.Error(err)
	}
}

// Neither side is left with descriptors; more at once than there are turns all get one.
func TestOpenLeavesNothing(t *testing.T) {
	r := opens(t)
	all := make([]Place, maxAsked/2+8)
	for i := range all {
		all[i] = place(namespace(t))
	}
	count := func() [2]int {
		t.Helper()
		var n [2]int
		for i, pid := range []int{os.Getpid(), r.process.Process.Pid} {
			all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
			if err != nil {
				t.Fatal(err)
			}
			n[i] = len(all)
		}
		return n
	}
	round := func() {
		var each sync.WaitGroup
		for _, p := range all {
			each.Go(func() {
				d, err := r.Open(p, nil)
				if err == nil {
					err = errors.Join(d.SetUp(), d.Owners.Diag.Close(), d.TUN.Close(), d.Close())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		each.Wait()
	}
	round() // what the runtimes keep is there
	before := count()
	round()
	if after := count(); after != before {
		t.Errorf("%v descriptors, %v before", after, before)
	}
}

// Its end closes nothing of ours but fails what is asked of it.
func TestOpenerEnds(t *testing.T) {
	r := opens(t)
	netns := namespace(t)
	d, err := r.Open(place(netns), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.Ended()
	if err := d.SetUp(); err == nil {
		t.Error("it is up")
	}
	if _, err := r.Open(place(netns), nil); err == nil {
		t.Error("opened")
	}
	if names := strings.Fields(ip(t, netns, "-o", "link")); !slices.Contains(names, "tun0:") {
		t.Error(names)
	}
	if err := errors.Join(d.Owners.Diag.Close(), d.TUN.Close()); err != nil {
		t.Error(err)
	}
}
