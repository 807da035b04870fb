//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// With 64 descriptors a connection for which there is none is refused, those that are
// there live, and when some have ended others can begin.
func TestDaemonFewDescriptors(t *testing.T) {
	l := newLab(t)
	echo, open := l.counting(7001)
	a := l.inner()
	d := l.netnsdIn([]string{"sh", "-c", `ulimit -n 64; exec "$@"`, "sh"}, "drain: 0s", fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", a))
	var all []talk
	for {
		c, err := dialIn(a, echo, patience)
		if err != nil {
			if !errors.Is(err, syscall.ECONNREFUSED) {
				t.Error(err)
			}
			break
		}
		t.Cleanup(func() { c.Close() })
		if all = append(all, talk{c}); len(all) > 64 {
			t.Fatal("more connections than descriptors")
		}
	}
	t.Logf("%d connections", len(all))
	if len(all) < 20 {
		t.Fatal("fewer than can be")
	}
	for _, c := range all {
		c.say(t, "still")
	}
	for _, c := range all[:5] {
		c.Close()
	}
	if !eventually(func() bool { return open.Load() == int64(len(all)-5) }) {
		t.Errorf("%d are open", open.Load())
	}
	l.talk(a, echo).say(t, "again")
	d.stop()
}

// The same of `netnsd run`, whose program has no more descriptors either.
func TestRunFewDescriptors(t *testing.T) {
	l := newLab(t)
	echo, _ := l.counting(7001)
	x := l.exec(root, "sh", "-c", `ulimit -n 64; exec "$@"`, "sh", "netnsd", "run", "--", "netnsd-client", "crowd", echo)
	var n int
	var outcome string
	if _, err := fmt.Sscan(x.stdout, &n, &outcome); err != nil || n < 20 || outcome != "ECONNREFUSED" {
		t.Errorf("%q, %v\n%s", x.stdout, err, x.stderr)
	}
}

// In 64 MiB there is room for 2000 connections that are idle and 50 that are not.
func TestDaemonLittleMemory(t *testing.T) {
	limit := 64 << 20
	if raceEnabled {
		limit *= 16
	}
	l := newLab(t)
	l.web(8080, 8<<20)
	echo, open := l.counting(7001)
	a, group := l.inner(), memoryGroup(t, limit)
	d := l.netnsdIn([]string{"sh", "-c", `echo $$ >"$0/cgroup.procs"; exec "$@"`, group}, "drain: 0s", fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", a))
	l.holding(a, echo, 2000)
	w := fetching(a, server4+":8080", 50, patience)
	w.fetched(t, 150)
	w.end(t)
	if open.Load() != 2000 {
		t.Errorf("%d of 2000 live", open.Load())
	}
	t.Logf("%d MiB resident", d.resident()>>20)
	d.stop()
}

// memoryGroup is a control group whose processes get no more than so many bytes.
func memoryGroup(t *testing.T, limit int) (dir string) {
	t.Helper()
	name := fmt.Sprint("netnsd-", os.Getpid())
	for _, group := range []struct{ root, file string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"},
	} {
		dir = filepath.Join(group.root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		err := os.WriteFile(filepath.Join(dir, group.file), []byte(strconv.Itoa(limit)), 0)
		if err == nil {
			t.Cleanup(func() {
				if !eventually(func() bool { err := os.Remove(dir); return err == nil || errors.Is(err, fs.ErrNotExist) }) {
					t.Error("left: ", dir)
				}
			})
			return dir
		}
		os.Remove(dir)
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no memory controller")
	}
	t.Skip("there is no memory controller (cgroups(7)) that we may use")
	return ""
}
