//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server that answers with a megabyte once the program has closed its side, as nc -N
// and socat do: all of it arrives, byte for byte.
func TestAnswerAfterHalfClose(t *testing.T) {
	need(t, "nc", "socat", "sha256sum")
	l := newLab(t)
	answer := make([]byte, 1<<20)
	io.ReadFull(new(pattern), answer)
	want := fmt.Sprintf("%x  -\n", sha256.Sum256(answer))
	for _, addr := range both(7008) {
		l.serve(addr, func(c *net.TCPConn) {
			if _, err := io.Copy(io.Discard, c); err == nil {
				c.Write(answer)
			}
		})
		host, port, _ := net.SplitHostPort(addr)
		r := l.run(root, nil, "sh", "-c", fmt.Sprintf(`echo a line | nc -N %s %s | sha256sum
			echo a line | socat -t 60 - TCP:%s | sha256sum`, host, port, addr))
		if r.stdout != want+want {
			t.Errorf("%s: %q, want twice %q\n%s", addr, r.stdout, want, r.stderr)
		}
	}
}

// netnsd stands still for a while, as under a debugger or on a machine that was
// suspended: a stream in the middle goes on, an idle one lives, nothing is lost.
// NETNSD_TEST_LONG=1 makes the while half a minute.
func TestSuspended(t *testing.T) {
	need(t, "bash")
	pause := 300 * time.Millisecond
	if os.Getenv("NETNSD_TEST_LONG") == "1" {
		pause = 30 * time.Second
	}
	l := newLab(t)
	const n = 256 << 20
	idle, stream := net.JoinHostPort(server4, "7009"), net.JoinHostPort(server4, "7010")
	l.serve(idle, func(c *net.TCPConn) { io.Copy(c, c) })
	middle, goOn := make(chan struct{}), make(chan struct{})
	l.serve(stream, func(c *net.TCPConn) {
		p := &progress{at: n / 4, middle: middle}
		io.CopyN(io.MultiWriter(c, p), zeros{}, n/2)
		<-goOn
		io.CopyN(c, zeros{}, n/2)
	})
	done := make(chan result, 1)
	go func() {
		done <- l.run(root, nil, "bash", "-c", fmt.Sprintf(`exec 3<>/dev/tcp/%[1]s/7009; cat < /dev/tcp/%[1]s/7010 | wc -c
			echo still there >&3; head -n 1 <&3`, server4))
	}()
	<-middle
	stopped := l.all("netnsd")
	for _, pid := range stopped {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	for _, pid := range stopped {
		if !eventually(func() bool { return state(pid) == "T" }) {
			t.Errorf("process %d is not stopped but %q", pid, state(pid))
		}
	}
	close(goOn)
	time.Sleep(pause)
	for _, pid := range stopped {
		syscall.Kill(pid, syscall.SIGCONT)
	}
	if r := <-done; len(stopped) == 0 || r.status != 0 || r.stdout != fmt.Sprintf("%d\nstill there\n", n) {
		t.Errorf("%d processes stopped; status %d, %q\n%s", len(stopped), r.status, r.stdout, r.stderr)
	}
}

// all are the lab's processes that execute file.
func (l *lab) all(file string) (pids []int) {
	for _, line := range l.processes() {
		var pid int
		fmt.Sscan(line, &pid)
		if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); filepath.Base(exe) == file {
			pids = append(pids, pid)
		}
	}
	return pids
}

// state is the letter of proc(5), none for a process that has ended.
func state(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := bytes.Cut(stat, []byte(") "))
	letter, _, _ := strings.Cut(string(after), " ")
	return letter
}
