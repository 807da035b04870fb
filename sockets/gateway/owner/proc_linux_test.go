package owner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
)

// tree is a /proc on a disk.
type tree struct {
	t    *testing.T
	root string
	p    *Proc
	now  time.Time
}

func newTree(t *testing.T) *tree {
	dir := t.TempDir()
	x := &tree{t: t, root: filepath.Join(dir, "proc"), now: time.Unix(1000, 0)}
	x.write("net", "")
	x.write("../othernet", "")
	x.write("self/fd/3", "") // no process
	network, err := NetworkOf(filepath.Join(x.root, "net"))
	if err != nil {
		t.Fatal(err)
	}
	x.p = NewProc(network)
	x.p.root, x.p.now = x.root, func() time.Time { return x.now }
	return x
}

func (x *tree) write(name, text string) {
	x.t.Helper()
	file := filepath.Join(x.root, name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *tree) link(name, to string) {
	x.t.Helper()
	file := filepath.Join(x.root, name)
	os.Remove(file)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.Symlink(to, file)
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

// process makes one that holds the sockets.
func (x *tree) process(pid, started int, exe, cgroup string, sockets ...int) {
	d := strconv.Itoa(pid) + "/"
	os.RemoveAll(filepath.Join(x.root, d))
	x.link(d+"ns/net", filepath.Join(x.root, "net"))
	x.write(d+"stat", fmt.Sprintf("%d (a) b) S 1 %d 0 0 0 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", pid, pid, started))
	x.write(d+"cmdline", filepath.Base(exe)+"\x00-x\x00")
	x.write(d+"cgroup", "4:cpu:/v1\n1:name=systemd:/s\n0::"+cgroup+"\n")
	x.link(d+"exe", exe)
	x.link(d+"fd/0", "/dev/null")
	x.link(d+"fd/1", "pipe:[1]")
	for i, s := range sockets {
		x.link(fmt.Sprintf("%sfd/%d", d, i+2), fmt.Sprintf("socket:[%d]", s))
	}
}

func (x *tree) ask(inode uint64) (provider.Process, error) {
	return x.p.ByInode(context.Background(), inode)
}

func TestByInode(t *testing.T) {
	x := newTree(t)
	x.process(10, 100, "/usr/bin/curl", "/a", 5, 5, 6)
	x.process(11, 110, "/usr/bin/nginx", "/b", 7)
	x.process(12, 120, "/usr/bin/nginx", "/b", 7)
	x.process(13, 130, "/usr/bin/other", "/b", 8)
	x.process(14, 140, "/usr/bin/curl", "/c", 8, 9)
	x.process(20, 200, "/usr/bin/outside", "/", 5, 10)
	x.link("20/ns/net", filepath.Join(x.root, "../othernet"))
	x.process(21, 210, "/usr/bin/ended", "/", 11)
	os.Remove(filepath.Join(x.root, "21/stat"))
	x.process(22, 220, "/usr/bin/hidden", "/", 12)
	os.RemoveAll(filepath.Join(x.root, "22/fd"))
	x.process(23, 230, "/usr/bin/nameless", "/", 13)
	os.Remove(filepath.Join(x.root, "23/exe"))
	for inode, want := range map[uint64]provider.Process{
		5:  {PID: 10, Started: 100, Executable: "/usr/bin/curl", Argv0: "curl", CGroup: "/a"},
		6:  {PID: 10, Started: 100, Executable: "/usr/bin/curl", Argv0: "curl", CGroup: "/a"},
		7:  {Executable: "/usr/bin/nginx", Argv0: "nginx", CGroup: "/b"},
		8:  {},
		9:  {PID: 14, Started: 140, Executable: "/usr/bin/curl", Argv0: "curl", CGroup: "/c"},
		13: {PID: 23, Started: 230, Argv0: "nameless", CGroup: "/"},
	} {
		if got, err := x.ask(inode); got != want || err != nil {
			t.Errorf("%d: %+v, %v, want %+v", inode, got, err, want)
		}
	}
	for _, inode := range []uint64{1, 10, 11, 12} { // a pipe's number; outside; ended; out of reach
		if got, err := x.ask(inode); !errors.Is(err, fs.ErrNotExist) || got != (provider.Process{}) {
			t.Errorf("%d: %+v, %v", inode, got, err)
		}
	}
}

// An answer is kept as long as it is about the same process and program, and not
// for long.
func TestByInodeKeeps(t *testing.T) {
	x := newTree(t)
	x.process(10, 100, "/usr/bin/curl", "/a", 5)
	ask := func(name string, want string) {
		t.Helper()
		got, err := x.ask(5)
		if got.Executable != want || (err == nil) != (want != "") {
			t.Errorf("%s: %+v, %v, want %q", name, got, err, want)
		}
	}
	ask("first", "/usr/bin/curl")
	os.Remove(filepath.Join(x.root, "10/fd/2"))
	ask("kept", "/usr/bin/curl")
	x.now = x.now.Add(keepAnswer)
	ask("too old", "")
	x.link("10/fd/2", "socket:[5]")
	ask("first again", "/usr/bin/curl")
	x.link("10/exe", "/usr/bin/wget")
	ask("another program", "/usr/bin/wget")
	x.link("10/exe", "/usr/bin/wget (deleted)")
	ask("deleted", "/usr/bin/wget")
	x.process(10, 101, "/usr/bin/python3", "/a") // the pid is another's
	ask("reused", "")
	x.process(11, 110, "/usr/bin/nc", "/a", 5)
	ask("found elsewhere", "/usr/bin/nc")
	os.RemoveAll(filepath.Join(x.root, "11"))
	ask("ended", "")
}

func TestExecutable(t *testing.T) {
	x := newTree(t)
	odd := filepath.Join(t.TempDir(), "odd (deleted)")
	if err := os.WriteFile(odd, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		link    string
		want    string
		deleted bool
	}{
		{"/usr/bin/curl", "/usr/bin/curl", false},
		{"/usr/bin/curl (deleted)", "/usr/bin/curl", true},
		{"/memfd:x (deleted)", "/memfd:x", true},
		{odd, odd, false},
		{"not a path", "", false},
	} {
		x.process(30+i, 1, c.link, "/", 40+i)
		got, err := x.ask(uint64(40 + i))
		if got.Executable != c.want || got.Deleted != c.deleted || err != nil {
			t.Errorf("%q: %+v, %v", c.link, got, err)
		}
	}
}

// More than can be looked at is no answer, not half of one.
func TestByInodeLimits(t *testing.T) {
	x := newTree(t)
	x.process(10, 1, "/usr/bin/curl", "/", 5, 6, 7)
	budget := 4
	dir, err := os.Open(x.root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := x.p.look(int(dir.Fd()), 10, map[uint64]holders{5: {}}, &budget); !errors.Is(err, errTooMany) {
		t.Errorf("descriptors: %v", err)
	}
	budget = 5
	wanted := map[uint64]holders{5: {all: make([]provider.Process, maxHolders)}}
	if err := x.p.look(int(dir.Fd()), 10, wanted, &budget); !errors.Is(err, errTooMany) {
		t.Errorf("holders: %v", err)
	}
	x.p.root = filepath.Join(x.root, "none")
	if _, err := x.ask(5); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no /proc: %v", err)
	}
}

// Many who ask at once are all answered, also where others of them give up.
func TestByInodeTogether(t *testing.T) {
	x := newTree(t)
	for i := range 20 {
		x.process(100+i, i+1, "/usr/bin/curl", "/", 1000+i)
	}
	x.p.turn <- struct{}{} // nobody can begin
	gone, cancel := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	leader := make(chan error)
	go func() {
		_, err := x.p.ByInode(gone, 1000)
		leader <- err
	}()
	x.wait(1)
	for i := range 20 {
		asking.Go(func() {
			p, err := x.ask(uint64(1000 + i))
			if p.PID != 100+i || err != nil {
				t.Errorf("%d: %+v, %v", i, p, err)
			}
		})
	}
	x.wait(20)
	cancel()
	if err := <-leader; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	<-x.p.turn
	asking.Wait()
}

// wait waits until the next reading is to find so many sockets.
func (x *tree) wait(n int) {
	x.t.Helper()
	for end := time.Now().Add(time.Minute); x.waiting() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			x.t.Fatalf("%d are waited for, not %d", x.waiting(), n)
		}
	}
}

// waiting is how many sockets the next reading is to find.
func (x *tree) waiting() int {
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	if x.p.next == nil {
		return 0
	}
	return len(x.p.next.wanted)
}

func TestStartTime(t *testing.T) {
	for stat, want := range map[string]uint64{
		"1 (sh) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1 2": 4711,
		"1 (a) 1 2 3) S 0 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 12 1 2\n": 12,
		"1 (sh) S 0 1": 0,
		"":             0,
	} {
		if got, err := startTime(stat); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v", stat, got, err)
		}
	}
}

func TestCGroup(t *testing.T) {
	for file, want := range map[string]string{
		"0::/user.slice/a:b\n":                            "/user.slice/a:b",
		"5:cpu:/x\n1:name=systemd:/system.slice\n":        "/system.slice",
		"5:cpu:/x\n4:memory:/y\n":                         "/x",
		"5:cpu:/x\n1:name=systemd:/system.slice\n0::/u\n": "/u",
		"0::/../sibling\n":                                "",
		"0::/..\n":                                        "",
		"":                                                "",
		"nonsense\n0:\n0::relative\n":                     "",
	} {
		if got := cgroup(file); got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}

func FuzzProcFiles(f *testing.F) {
	f.Add("0::/a\n")
	f.Add("1 (a) b) S 0 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 12 1 2")
	f.Add("socket:[12]")
	f.Fuzz(func(t *testing.T, s string) {
		startTime(s)
		socketInode(s)
		if c := cgroup(s); c != "" && c[0] != '/' {
			t.Errorf("%q", c)
		}
	})
}
