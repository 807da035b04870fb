//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// A console is a terminal with a program on it, seen from the keyboard's side.
type console struct {
	t   *testing.T
	tty *os.File
	cmd *exec.Cmd

	mu   sync.Mutex
	cond *sync.Cond
	seen bytes.Buffer
	from int // what expect has consumed
	eof  bool
}

// console starts argv as the leader of a session on a new terminal.
func (l *lab) console(u user, argv ...string) *console {
	l.t.Helper()
	c := &console{t: l.t, cmd: l.command(l.t.Context(), u, argv...)}
	c.cond = sync.NewCond(&c.mu)
	c.cmd.Env = append(c.cmd.Env, "PS1=$ ", "TERM=dumb", "HISTFILE=", "INPUTRC=/dev/null")
	tty, err := pty.Start(c.cmd)
	if err != nil {
		l.t.Fatal(err)
	}
	c.tty = tty
	go c.read()
	l.t.Cleanup(func() { tty.Close() })
	return c
}

func (c *console) read() {
	buf := make([]byte, 4096)
	for {
		n, err := c.tty.Read(buf)
		c.mu.Lock()
		c.seen.Write(buf[:n])
		c.eof = err != nil // EIO when the last process has closed the terminal
		c.cond.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// expect waits until text is written, after what was expected before.
func (c *console) expect(text string) {
	c.t.Helper()
	late := time.AfterFunc(20*time.Second, func() {
		c.mu.Lock()
		c.eof = true
		c.cond.Broadcast()
		c.mu.Unlock()
	})
	defer late.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		rest := c.seen.Bytes()[c.from:]
		if i := bytes.Index(rest, []byte(text)); i >= 0 {
			c.from += i + len(text)
			return
		}
		if c.eof {
			c.t.Fatalf("no %q on the terminal; there is\n%s", text, c.seen.String())
		}
		c.cond.Wait()
	}
}

func (c *console) typed(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.tty, text); err != nil {
		c.t.Fatal(err)
	}
}

// The quotes keep the terminal's echo of a typed line from being taken for the
// program's answer.

func TestTerminalIsTheProgramsOwn(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		c := l.console(u, "netnsd", "run", "--", "sh", "-c", "tty; stty size; exit 3")
		c.expect("/dev/pts/")
		c.expect("0 0")
		if c.cmd.Wait(); c.cmd.ProcessState.ExitCode() != 3 {
			t.Errorf("%v", c.cmd.ProcessState)
		}
	})
}

func TestInterruptKey(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		c := l.console(u, "netnsd", "run", "--", "sh", "-c", "echo up''; exec sleep 1000")
		c.expect("up")
		c.typed("\x03")
		if c.cmd.Wait(); c.cmd.ProcessState.ExitCode() != 130 {
			t.Errorf("%v, want exit status 130", c.cmd.ProcessState)
		}
		c = l.console(u, "netnsd", "run", "--", "sh", "-c", `n=0; trap 'n=$((n+1)); echo got $n' INT; echo up''; while [ $n -lt 2 ]; do sleep 0.01; done; exit 4`)
		c.expect("up")
		c.typed("\x03")
		c.expect("got 1") // once: the kernel has told it, and we did not repeat it
		c.typed("\x03")
		c.expect("got 2")
		if c.cmd.Wait(); c.cmd.ProcessState.ExitCode() != 4 {
			t.Errorf("%v, want exit status 4", c.cmd.ProcessState)
		}
	})
}

// A shell inside has its own jobs.
func TestShellInside(t *testing.T) {
	need(t, "bash")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		c := l.console(u, "netnsd", "run", "--", "bash", "--norc", "-i")
		c.expect("$ ")
		c.typed("sleep 1000\n")
		c.expect("\n")
		c.waitForeground("sleep")
		c.typed("\x1a")
		c.expect("Stopped")
		c.typed("bg; jobs; echo job''s\n")
		c.expect("jobs\r\n")
		c.typed("fg\n")
		c.expect("sleep 1000\r\n")
		c.waitForeground("sleep")
		c.typed("\x03")
		c.expect("$ ")
		c.typed("exit 5\n")
		if c.cmd.Wait(); c.cmd.ProcessState.ExitCode() != 5 {
			t.Errorf("%v, want exit status 5", c.cmd.ProcessState)
		}
	})
}

// netnsd is a job of the shell outside: ^Z stops both, fg continues both.
func TestJobOfShellOutside(t *testing.T) {
	need(t, "bash")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		c := l.console(u, "bash", "--norc", "-i")
		c.expect("$ ")
		c.typed("netnsd run -- sleep 1000\n")
		c.expect("\n")
		c.waitForeground("sleep")
		c.typed("\x1a")
		c.expect("Stopped")
		c.typed("fg\n")
		c.expect("netnsd run -- sleep 1000\r\n")
		c.waitForeground("sleep")
		c.typed("\x03")
		c.expect("$ ")
		c.typed("echo status=$?; exit\n")
		c.expect("status=130")
		c.cmd.Wait()
	})
}

// A program that stops itself alone stops netnsd too, or the shell would wait.
func TestProgramThatStopsItself(t *testing.T) {
	need(t, "bash")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		c := l.console(u, "bash", "--norc", "-i")
		c.expect("$ ")
		c.typed("netnsd run -- sh -c 'kill -STOP $$; exit 6'\n")
		c.expect("Stopped")
		c.typed("fg; echo status=$?\n")
		c.expect("status=6")
		c.typed("exit\n")
		c.cmd.Wait()
	})
}

// A program that dies with the terminal in another mode does not leave it so.
func TestTerminalIsGivenBack(t *testing.T) {
	need(t, "bash", "stty")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		c := l.console(u, "sh", "-c", `netnsd run -- sh -c 'stty raw -echo; kill -KILL $$'; echo status=$?; stty -a`)
		c.expect("status=137")
		c.expect(" icanon")
		c.expect(" echo ")
		c.cmd.Wait()
	})
}

// waitForeground waits until a process called name is in the terminal's
// foreground process group.
func (c *console) waitForeground(name string) {
	c.t.Helper()
	if eventually(func() bool {
		group, err := c.group()
		return err == nil && inGroup(group, name)
	}) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t.Fatalf("%s does not come to the foreground; the terminal shows\n%s", name, c.seen.String())
}

// group is the foreground process group, asked without Fd, which would make
// the terminal's reader block in the kernel.
func (c *console) group() (group int, err error) {
	raw, err := c.tty.SyscallConn()
	if err != nil {
		return 0, err
	}
	refused := raw.Control(func(fd uintptr) { group, err = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP) })
	return group, errors.Join(refused, err)
}

// inGroup looks in /proc for a process of the group, not stopped, by name.
func inGroup(group int, name string) bool {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (comm) state ppid pgrp ...
		comm, rest, ok := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if ok && strings.HasSuffix(comm, "("+name) && len(f) > 2 && f[2] == strconv.Itoa(group) && f[0] != "T" {
			return true
		}
	}
	return false
}
