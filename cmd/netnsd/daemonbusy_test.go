//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// wrk, with sixteen connections that live all the time, hears nothing of eight
// reloads, two of which are refused.
func TestDaemonReloadUnderWrk(t *testing.T) {
	need(t, "wrk", "nginx", "openssl")
	l := newLab(t)
	dir := l.dir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l.nginx(dir)
	l.write(dir, "small", "small\n")
	a := l.inner()
	config := func(rule string) string {
		return fmt.Sprintf(`
catalog:
  layers: [{name: rules, type: policy, policy: {version: 1, default: allow, rules: [{deny: ["%s"], with: reset}]}}]
  chains: [{name: only, layers: [rules]}]
attachments: [{name: a, netns: {name: %s}}]
`, rule, a)
	}
	d := l.netnsd(config("tcp:*:1"))
	cmd := exec.CommandContext(t.Context(), "ip", "netns", "exec", a, "wrk", "-t", "2", "-c", "16", "-d", "2s", "--timeout", "60s", "http://"+server4+"/small")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool {
		var s control.Status
		d.ask("/v1/status", &s)
		return s.Attachments[0].Flows >= 16
	}) {
		t.Fatal("wrk does not connect")
	}
	reloads := 0
	for i := range 8 {
		want, text := "reloaded", config(fmt.Sprintf("tcp:*:%d", 10+i))
		if i%4 == 3 {
			want, text = "refused", "nonsense: 1\n"
		}
		if line := d.reload(text); !strings.Contains(line, want) {
			t.Error(line)
		}
		reloads++
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	printed := out.String()
	requests := regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(printed)
	if requests == nil || requests[1] == "0" || strings.Contains(printed, "Socket errors") || strings.Contains(printed, "Non-2xx") {
		t.Errorf("after %d reloads wrk says\n%s", reloads, printed)
	} else {
		t.Logf("%s requests during %d reloads", requests[1], reloads)
	}
	d.stop()
}

// holding runs a program inside that has n connections to addr, and returns it when it
// has them all.
func (l *lab) holding(netns, addr string, n int) *exec.Cmd {
	l.t.Helper()
	cmd := l.inside(netns).command(l.t.Context(), root, "netnsd-client", "hold", addr, fmt.Sprint(n))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ok\n" {
		l.t.Fatalf("%q, %v", line, err)
	}
	return cmd
}

// counting is a server that counts the connections that it has.
func (l *lab) counting(port int) (addr string, open *atomic.Int64) {
	addr, open = fmt.Sprintf("%s:%d", server4, port), new(atomic.Int64)
	l.serve(addr, func(c *net.TCPConn) {
		open.Add(1)
		defer open.Add(-1)
		io.Copy(c, c)
	})
	return addr, open
}

func (d *served) descriptors() int {
	d.l.t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	if err != nil {
		d.l.t.Fatal(err)
	}
	return len(all)
}

// A program with a thousand connections is killed: within five seconds the servers
// know, and the daemon has its descriptors back.
func TestDaemonProgramKilled(t *testing.T) {
	const flows, most = 1000, 5 * time.Second
	l := newLab(t)
	addr, open := l.counting(7001)
	a := l.inner()
	d := l.netnsd(fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", a))
	before := d.descriptors()
	program := l.holding(a, addr, flows)
	if during := d.descriptors(); open.Load() != flows || during < before+flows {
		t.Errorf("%d connections, %d descriptors, %d before", open.Load(), during, before)
	}
	program.Process.Signal(syscall.SIGKILL)
	killed := time.Now()
	if !eventually(func() bool { return open.Load() == 0 && d.descriptors() <= before+5 }) {
		t.Errorf("%d connections are left, %d descriptors, %d before", open.Load(), d.descriptors(), before)
	}
	if took := time.Since(killed); took > most {
		t.Errorf("it took %v", took)
	} else {
		t.Logf("gone after %v", took.Round(time.Millisecond))
	}
	d.stop()
}

// SIGTERM with a hundred connections that nobody ends: they are reset when the time
// is up, and nothing is left.
func TestDaemonDrainEnds(t *testing.T) {
	const flows = 100
	l := newLab(t)
	addr, open := l.counting(7001)
	a := l.inner()
	d := l.netnsdWith("drain: 1s", fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", a))
	program := l.holding(a, addr, flows)
	mark := d.mark()
	d.signal(syscall.SIGTERM)
	if line, _ := d.await(mark, "connections are reset"); !strings.Contains(line, fmt.Sprintf(`"open":%d`, flows)) {
		t.Error(line)
	}
	if status := d.wait(); status != 0 {
		t.Errorf("status %d\n%s", status, d.log())
	}
	if got := links(t, a); got != "" {
		t.Error("left: ", got)
	}
	if !eventually(func() bool { return open.Load() == 0 }) {
		t.Errorf("%d connections are left at the server", open.Load())
	}
	program.Process.Kill()
}
