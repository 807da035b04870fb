//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// opener is the process id of the daemon's opener.
func (d *served) opener() int {
	d.l.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", d.pid()))
	if all := strings.Fields(string(b)); err == nil && len(all) == 1 {
		pid, err := strconv.Atoi(all[0])
		if err == nil {
			return pid
		}
	}
	// Its parent is the process, but a thread's child is listed with that thread.
	all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", d.pid()))
	for _, file := range all {
		b, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			return pid
		}
	}
	d.l.t.Fatal("the daemon has no opener")
	return 0
}

// pid is the daemon's own: what was started may be what starts it.
func (d *served) pid() int {
	var s control.Status
	d.ask("/v1/status", &s)
	return s.PID
}

func capabilities(t *testing.T, pid int) uint64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	status := string(b)
	for _, want := range []string{"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapInh:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "CapAmb:\t0000000000000000\n"} {
		if !strings.Contains(status, want) {
			t.Errorf("process %d: not %q in\n%s", pid, want, status)
		}
	}
	_, after, _ := strings.Cut(status, "CapPrm:\t")
	caps, err := strconv.ParseUint(after[:16], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return caps
}

func ended(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); !errors.Is(unix.Kill(pid, 0), unix.ESRCH); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d is there", pid)
		}
	}
}

const ruled = `
catalog:
  layers:
    - {name: rules, type: policy, file: %s}
    - {name: trail, type: audit, file: %s}
  chains: [{name: one, layers: [trail, rules]}]
  select: [{chain: one}]
attachments: [{name: a, netns: {name: %s}}]
`

// The daemon serves with hardly a right left, and its opener with few; what is read
// and written at a reload is in the folders that were named at the start.
func TestDaemonConfined(t *testing.T) {
	l := newLab(t)
	l.web(8080, 1000)
	a := l.inner()
	policies, trails, other := l.dir(), l.dir(), l.dir()
	write := func(dir, name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	const open, shut = "version: 1\ndefault: allow\n", "version: 1\ndefault: deny\n"
	first, trail := write(policies, "p.yaml", open), filepath.Join(trails, "trail")
	d := l.netnsd(fmt.Sprintf(ruled, first, trail, a))
	if caps := capabilities(t, d.pid()) &^ (1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_RAW); caps != 0 {
		t.Errorf("the daemon has capabilities %#x", caps)
	}
	const few = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_DAC_READ_SEARCH
	if caps := capabilities(t, d.opener()); caps != few {
		t.Errorf("the opener has capabilities %#x", caps)
	}
	var s control.Status
	if d.ask("/v1/status", &s); len(s.Missing) > 0 {
		t.Errorf("missing: %q", s.Missing)
	}
	fetches := func(want bool) {
		t.Helper()
		if err := fetchIn(a, server4+":8080"); (err == nil) != want {
			t.Errorf("fetched: %v, want %v", err, want)
		}
	}
	fetches(true)

	// In the same folder: replaced, and another beside it, for rules and for audits.
	write(policies, "new", shut)
	if err := os.Rename(filepath.Join(policies, "new"), first); err != nil {
		t.Fatal(err)
	}
	if line := d.reload(fmt.Sprintf(ruled, first, trail, a)); !strings.Contains(line, "reloaded") {
		t.Fatal(line)
	}
	fetches(false)
	second := filepath.Join(trails, "second")
	if line := d.reload(fmt.Sprintf(ruled, write(policies, "q.yaml", open), second, a)); !strings.Contains(line, "reloaded") {
		t.Fatal(line)
	}
	fetches(true)
	for _, file := range []string{trail, second} {
		if st, err := os.Stat(file); err != nil || st.Size() == 0 {
			t.Error(file, " is empty: ", err)
		}
	}

	// Elsewhere: refused, with what to do about it, and nothing changes.
	for _, config := range []string{
		fmt.Sprintf(ruled, write(other, "p.yaml", shut), second, a),
		fmt.Sprintf(ruled, first, filepath.Join(other, "trail"), a),
	} {
		if line := d.reload(config); !strings.Contains(line, "reload refused") || !strings.Contains(line, "permission denied") || !strings.Contains(line, "restart") {
			t.Error(line)
		}
		fetches(true)
	}
	if d.ask("/v1/status", &s); !strings.Contains(s.Problem, "restart") {
		t.Errorf("problem: %q", s.Problem)
	}
	opener := d.opener()
	d.stop()
	ended(t, opener)
}

// Either of the two that is killed is the end of the other. What does not persist is
// gone then, and what does leads nowhere.
func TestDaemonHalfKilled(t *testing.T) {
	l := newLab(t)
	l.web(8080, 1000)
	a, b := l.inner(), l.inner()
	config := fmt.Sprintf(`
attachments:
  - {name: a, netns: {name: %s}, interface: {persist: true}}
  - {name: b, netns: {name: %s}}
`, a, b)
	d := l.netnsd(config)
	for _, kill := range []string{"opener", "daemon"} {
		opener := d.opener()
		if kill == "opener" {
			if err := unix.Kill(opener, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if status := d.wait(); status != 1 {
				t.Errorf("status %d", status)
			}
			d.await(0, "the opener has ended")
			if _, err := os.Lstat(d.socket); !os.IsNotExist(err) {
				t.Error("left: ", d.socket, err)
			}
		} else {
			d.signal(syscall.SIGKILL)
			d.wait()
		}
		ended(t, opener)
		if got := links(t, a) + "|" + links(t, b); got != "tun0|" {
			t.Errorf("links after the %s was killed: %s", kill, got)
		}
		if err := fetchWithin(a, server4+":8080", 200*time.Millisecond); err == nil {
			t.Error("something gets out")
		}
		d.start()
		for _, netns := range []string{a, b} {
			if err := fetchIn(netns, server4+":8080"); err != nil {
				t.Error(err)
			}
		}
	}
	d.stop()
}
