//go:build linux

package control_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// ask is a child of TestPeers: it says how a request ends.
func ask(path string) {
	_, err := control.Client{Path: path}.Status(context.Background())
	p, isProblem := errors.AsType[*control.Problem](err)
	switch {
	case err == nil:
		fmt.Println("served")
	case isProblem:
		fmt.Println(p.Status, p.Detail)
	default:
		fmt.Println(err)
	}
}

// hold is a child of TestRefusedConnections: it has many connections and says nothing
// on them, until its stdin ends.
func hold(path string) {
	var all []net.Conn // alive until the end
	for range 200 {
		if c, err := net.Dial("unix", path); err == nil {
			all = append(all, c)
		}
	}
	fmt.Println("holds", len(all))
	io.Copy(io.Discard, os.Stdin)
	for _, c := range all {
		c.Close()
	}
}

// Peers that are not served cannot keep others from being served.
func TestRefusedConnections(t *testing.T) {
	needRoot(t)
	_, path := serve(t, (*control.Server).Patient)
	cmd := exec.CommandContext(t.Context(), program(t), "hold", path)
	cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}, "/"
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "holds 200\n" {
		t.Errorf("%q, %v", line, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := (control.Client{Path: path}).Status(ctx); err != nil {
		t.Error(err)
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("this test needs root, which CI has to be")
	default:
		t.Skip("needs root, to be others")
	}
}

// program is this test where every user can execute it.
func program(t *testing.T) string {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(folder(t), "program")
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// Who may use the socket: by user, by group, and only from the daemon's own network
// namespace, whatever the user.
func TestPeers(t *testing.T) {
	needRoot(t)
	const nobody, group = 65534, 23456
	path := filepath.Join(folder(t), "netnsd.sock")
	s, err := control.Listen(control.Config{Path: path, Group: fmt.Sprint(group)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Serve(new(daemon))
	exe := program(t)
	none := &syscall.Credential{Uid: nobody, Gid: nobody}
	for _, c := range []struct {
		name string
		mode os.FileMode // of the socket; 0 = as it was made
		attr syscall.SysProcAttr
		want string
	}{
		{"root", 0, syscall.SysProcAttr{}, "served"},
		{"another user", 0, syscall.SysProcAttr{Credential: none}, "not permitted"},
		{"another user, if the mode let him", 0o666, syscall.SysProcAttr{Credential: none}, "403 user 65534"},
		{"a user whose group it is", 0, syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: group}}, "served"},
		{"a member of the group", 0, syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: manyGroups(group)}}, "served"},
		{"a member of others", 0o666, syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: manyGroups(group + 1)}}, "403 user 65534"},
		{"root of a user namespace", 0o666, syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: nobody, Size: 1}}, GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: nobody, Size: 1}},
			Credential: &syscall.Credential{NoSetGroups: true},
		}, "403 user 65534"},
		{"root inside a namespace", 0, syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}, "403 the control socket serves its own network namespace"},
		{"root inside, with a name space of mounts", 0, syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}, "403 the control socket serves its own network namespace"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.mode == 0 {
				c.mode = 0o660
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), exe, "ask", path)
			cmd.SysProcAttr, cmd.Dir = &c.attr, "/"
			cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if !strings.Contains(string(out), c.want) {
				t.Errorf("%s, want %s", out, c.want)
			}
		})
	}
}

// manyGroups are more than fit the buffer that is tried first, the last of them g.
func manyGroups(g uint32) (all []uint32) {
	for i := range uint32(100) {
		all = append(all, 30000+i)
	}
	return append(all, g)
}

// A network namespace can be named by a descriptor that comes with the request.
func TestDescriptor(t *testing.T) {
	d, path := serve(t)
	c := control.Client{Path: path}
	own, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	request := map[string]any{"name": "db", "netns": map[string]any{"fd": 3}}
	if _, err := c.Attach(t.Context(), request, own); err != nil {
		t.Error(err)
	}
	if got := d.changes(); len(got) != 1 || got[0] != "attach db by descriptor, own true" {
		t.Errorf("changed: %q", got)
	}
	for _, file := range []string{"/proc/self/ns/mnt", "/dev/null"} {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Attach(t.Context(), request, f); !errors.Is(err, control.ErrInvalid) || !strings.Contains(err.Error(), "not a network namespace") {
			t.Errorf("%s: %v", file, err)
		}
		f.Close()
	}
	if got := d.changes(); len(got) != 1 {
		t.Errorf("changed: %q", got)
	}
}
