//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// size is what bulk tests move, in bytes: NETNSD_TEST_MIB, which .ci/run sets to 256
// where it runs real programs at full size.
func size(t *testing.T) int64 {
	mib := 32
	if s := os.Getenv("NETNSD_TEST_MIB"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		mib = n
	}
	return int64(mib) << 20
}

// asUsers runs f as root and as an unprivileged user, each in a lab of its own.
func asUsers(t *testing.T, f func(t *testing.T, l *lab, u user)) {
	for _, u := range users {
		t.Run(u.name, func(t *testing.T) { f(t, newLab(t), u) })
	}
}

func TestCurlFetchesAndUploads(t *testing.T) {
	need(t, "curl", "sha256sum")
	n := size(t)
	asUsers(t, func(t *testing.T, l *lab, u user) {
		sum := l.web(80, n)
		for _, addr := range both(80) {
			r := l.run(u, nil, "sh", "-c", "curl -sS --fail http://"+addr+"/file | sha256sum")
			if got, _, _ := strings.Cut(r.stdout, " "); r.status != 0 || got != sum {
				t.Errorf("fetch from %s: status %d, sha256 %q, want %s\n%s", addr, r.status, got, sum, r.stderr)
			}
			file := filepath.Join(l.dir(), "file")
			upload(t, file, n)
			r = l.run(u, nil, "curl", "-sS", "--fail", "-T", file, "http://"+addr+"/put")
			if r.status != 0 || r.stdout != sum {
				t.Errorf("upload to %s: status %d, sha256 %q, want %s\n%s", addr, r.status, r.stdout, sum, r.stderr)
			}
		}
	})
}

// upload writes what web serves to a file.
func upload(t *testing.T, file string, n int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
	if err == nil {
		_, err = io.Copy(f, io.LimitReader(new(pattern), n))
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestParallelFetches(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		sum := l.web(80, 100_000)
		for _, addr := range both(80) {
			if r := l.run(u, nil, "netnsd-client", "fetch", "http://"+addr+"/file", "200", sum); r.stdout != "ok\n" {
				t.Errorf("%s: %s%s", addr, r.stdout, r.stderr)
			}
		}
	})
}

// summing answers a stream that has ended with the sum of it.
func summing(c *net.TCPConn) {
	h := sha256.New()
	if _, err := io.Copy(h, c); err == nil {
		fmt.Fprintf(c, "%x", h.Sum(nil))
	}
}

func TestHalfClosedStreamsLoseNothing(t *testing.T) {
	need(t, "nc", "socat")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		for _, addr := range both(7000) {
			l.serve(addr, summing)
			for _, n := range []int{0, 1, 1 << 20, 20 << 20} {
				if r := l.run(u, nil, "netnsd-client", "halfclose", addr, strconv.Itoa(n)); r.stdout != "ok\n" {
					t.Errorf("%s, %d bytes: %s%s", addr, n, r.stdout, r.stderr)
				}
			}
			host, port, _ := net.SplitHostPort(addr)
			text := "a line\n"
			want := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
			for _, argv := range []string{"nc -N " + host + " " + port, "socat -t 30 - TCP:" + addr} {
				if r := l.run(u, nil, "sh", "-c", "printf 'a line\\n' | "+argv); r.stdout != want {
					t.Errorf("%s: %q, want %s\n%s", argv, r.stdout, want, r.stderr)
				}
			}
		}
	})
}

// What a program has sent before it ended arrives, although its network ends.
func TestNothingSentIsLostAtTheEnd(t *testing.T) {
	need(t, "bash")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		const n = 4 << 20
		got := make(chan int64, 1)
		l.serve(server4+":7001", func(c *net.TCPConn) {
			n, _ := io.Copy(io.Discard, c)
			got <- n
		})
		r := l.run(u, nil, "bash", "-c", fmt.Sprintf("head -c %d /dev/zero > /dev/tcp/%s/7001", n, server4))
		if r.status != 0 {
			t.Fatalf("status %d\n%s", r.status, r.stderr)
		}
		select {
		case arrived := <-got:
			if arrived != n {
				t.Errorf("%d of %d bytes have arrived", arrived, n)
			}
		case <-time.After(10 * time.Second):
			t.Error("the stream has not ended")
		}
	})
}

// Every way in which a connection can fail looks to the program as on a real
// network: the same client sees the same without netnsd.
func TestFailuresLookReal(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		for _, addr := range both(7002) {
			l.serve(addr, func(c *net.TCPConn) {
				io.ReadFull(c, make([]byte, 1))
				c.SetLinger(0)
			})
		}
		type row struct{ name, want, addr string }
		var rows []row
		for i, addr := range []struct{ server, unreachable, silent string }{
			{server4, unreachable4, silent4}, {server6, unreachable6, silent6},
		} {
			v := []string{"4", "6"}[i]
			rows = append(rows,
				row{"refused" + v, "ECONNREFUSED", "dial tcp " + net.JoinHostPort(addr.server, "81")},
				row{"unreachable" + v, "EHOSTUNREACH", "dial tcp " + net.JoinHostPort(addr.unreachable, "80")},
				row{"silent" + v, "timeout", "dial tcp " + net.JoinHostPort(addr.silent, "80") + " 2s"},
				row{"reset" + v, "ECONNRESET", "reset " + net.JoinHostPort(addr.server, "7002")},
				row{"udprefused" + v, "ECONNREFUSED", "udp " + net.JoinHostPort(addr.server, "82")},
			)
		}
		for _, c := range rows {
			t.Run(c.name, func(t *testing.T) {
				client := append([]string{"netnsd-client"}, strings.Fields(c.addr)...)
				bare := l.exec(u, client...).stdout
				r := l.run(u, nil, client...)
				if r.stdout != c.want+"\n" || bare != c.want+"\n" {
					t.Errorf("%s: %q, without netnsd %q, want %s\n%s", c.addr, r.stdout, bare, c.want, r.stderr)
				}
			})
		}
	})
}

// A denial is ICMP "administratively prohibited", which Linux shows to a
// program as EHOSTUNREACH over IPv4 (net/ipv4/icmp.c, icmp_err_convert) and as
// EACCES over IPv6 (net/ipv6/icmp.c, tab_unreach).
// The ways out of the namespace that uid 0 has without a capability, and that
// everybody has who shares a terminal.
func TestWaysOut(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		for _, file := range []string{"/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness", "/sys/kernel/uevent_helper"} {
			if _, err := os.Stat(file); err != nil {
				continue
			}
			// What is written is what stands there, in case it can be.
			r := l.run(u, nil, "sh", "-c", `v=$(cat "$0") && printf %s "$v" > "$0"`, file)
			if r.status == 0 {
				t.Errorf("%s can be written", file)
			}
		}
		// Without the filter this is ENOTTY, as there is no terminal here.
		if r := l.run(u, nil, "netnsd-client", "type", "x"); r.stdout != "EPERM\n" {
			t.Errorf("typing into a terminal: %q, want EPERM\n%s", r.stdout, r.stderr)
		}
	})
}

func TestDenied(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		l.web(80, 10)
		web4, web6 := both(80)[0], both(80)[1]
		for _, c := range []struct {
			name  string
			flags []string
			addr  string
			want  string
		}{
			{"no rule", nil, web4, "ok"},
			{"deny", []string{"--deny", server4}, web4, "EHOSTUNREACH"},
			{"deny6", []string{"--deny", "[" + server6 + "]"}, web6, "EACCES"},
			{"deny leaves the rest", []string{"--deny", server4}, web6, "ok"},
			{"allow", []string{"--allow", server4 + ":80"}, web4, "ok"},
			{"allow denies the rest", []string{"--allow", server4 + ":81"}, web4, "EHOSTUNREACH"},
			{"deny wins", []string{"--allow", server4, "--deny", server4 + ":80"}, web4, "EHOSTUNREACH"},
		} {
			t.Run(c.name, func(t *testing.T) {
				if r := l.run(u, c.flags, "netnsd-client", "dial", "tcp", c.addr); r.stdout != c.want+"\n" {
					t.Errorf("%q, want %s\n%s", r.stdout, c.want, r.stderr)
				}
			})
		}
	})
}

func TestHostLoopback(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		for _, addr := range []string{"127.0.0.1:8080", "[::1]:8080"} {
			l.serve(addr, func(*net.TCPConn) {})
		}
		for _, c := range []struct {
			flags []string
			addr  string
			want  string
		}{
			{nil, "10.0.2.2:8080", "EHOSTUNREACH"},
			{nil, "[fd00::2]:8080", "EACCES"},
			{[]string{"--host-loopback"}, "10.0.2.2:8080", "ok"},
			{[]string{"--host-loopback"}, "[fd00::2]:8080", "ok"},
			{[]string{"--host-loopback"}, "127.0.0.1:8080", "ECONNREFUSED"}, // its own loopback
			{[]string{"--host-loopback", "--net", "10.9.0.0/16"}, "10.9.0.2:8080", "ok"},
		} {
			if r := l.run(u, c.flags, "netnsd-client", "dial", "tcp", c.addr); r.stdout != c.want+"\n" {
				t.Errorf("%v %s: %q, want %s\n%s", c.flags, c.addr, r.stdout, c.want, r.stderr)
			}
		}
	})
}

func TestNames(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		l.web(80, 10)
		dns := l.dns(5300)
		for _, c := range []struct {
			flags  []string
			client string
			want   string
		}{
			{nil, "lookup web.lab.test", "ok"},
			{nil, "lookup absent.lab.test", "NXDOMAIN"},
			{nil, "dial tcp web.lab.test:80", "ok"},
			{nil, "dial tcp4 web.lab.test:80", "ok"},
			{[]string{"--allow", "web.lab.test:80"}, "dial tcp web.lab.test:80", "ok"},
			{[]string{"--allow", "*.lab.test:80"}, "dial tcp a.web.lab.test:80", "ok"},
			{[]string{"--allow", "other.lab.test:80"}, "lookup web.lab.test", "NXDOMAIN"},
			{[]string{"--allow", "web.lab.test:80"}, "dial tcp " + server4 + ":80", "EHOSTUNREACH"}, // an address without its name
		} {
			flags := append([]string{"--dns", dns}, c.flags...)
			r := l.run(u, flags, append([]string{"netnsd-client"}, strings.Fields(c.client)...)...)
			if r.stdout != c.want+"\n" {
				t.Errorf("%v %s: %q, want %s\n%s", c.flags, c.client, r.stdout, c.want, r.stderr)
			}
		}
		if r := l.run(u, []string{"--dns", "off"}, "netnsd-client", "lookup", "web.lab.test"); r.stdout == "ok\n" {
			t.Error("a name was found with --dns off")
		}
	})
}

func TestDatagrams(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		l.echo(7)
		for _, addr := range both(7) {
			if r := l.run(u, nil, "netnsd-client", "udp", addr); r.stdout != "ok\n" {
				t.Errorf("%s: %q\n%s", addr, r.stdout, r.stderr)
			}
		}
	})
}

func TestPing(t *testing.T) {
	need(t, "ping", "sysctl")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		sh(t, "nsenter --net="+l.path+" sysctl -qw net.ipv4.ping_group_range='0 2147483647'")
		for _, c := range []struct {
			addr   string
			status int
		}{{server4, 0}, {server6, 0}, {silent4, 1}} {
			if r := l.run(u, nil, "ping", "-c", "1", "-W", "2", c.addr); r.status != c.status {
				t.Errorf("ping %s: status %d, want %d\n%s%s", c.addr, r.status, c.status, r.stdout, r.stderr)
			}
		}
	})
}

func TestAuditTellsWhatHappened(t *testing.T) {
	need(t, "curl")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		l.web(80, 1000)
		file := filepath.Join(l.dir(), "audit.jsonl")
		r := l.run(u, []string{"--audit", file, "--deny", server4 + ":81"}, "sh", "-c",
			fmt.Sprintf("curl -sS http://%[1]s:80/file >/dev/null; curl -s http://%[1]s:81/; true", server4))
		if r.status != 0 {
			t.Fatal(r.stderr)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %s", line)
			}
		}
		for _, want := range []string{server4 + ":80", server4 + ":81", "deny"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("no %q in\n%s", want, b)
			}
		}
	})
}

// A program whose device is taken away is ended: it was to run with a network.
func TestDeviceDeleted(t *testing.T) {
	need(t, "nsenter", "ip")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		up := make(chan struct{})
		l.serve(server4+":7004", func(c *net.TCPConn) { close(up); io.Copy(io.Discard, c) })
		var stderr bytes.Buffer
		cmd := l.command(t.Context(), u, "netnsd", "run", "--", "bash", "-c", "exec 3<>/dev/tcp/"+server4+"/7004; exec sleep 1002")
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-up
		sh(t, fmt.Sprintf("nsenter --net=/proc/%d/ns/net ip link del tun0", l.find(t, "bash", "sleep")))
		cmd.Wait()
		if cmd.ProcessState.ExitCode() != 125 || !strings.Contains(stderr.String(), "device was deleted") {
			t.Errorf("%v\n%s", cmd.ProcessState, stderr.String())
		}
	})
}

// When netnsd is killed nothing that it started has a network any more, the
// program's children neither.
func TestKilled(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		accepted, gone := make(chan struct{}), make(chan error, 1)
		l.serve(server4+":7003", func(c *net.TCPConn) {
			close(accepted)
			_, err := io.Copy(io.Discard, c)
			gone <- err
		})
		// The grandchild is in a session of its own, as a daemon is.
		cmd := l.command(t.Context(), u, "netnsd", "run", "--", "sh", "-c",
			"setsid bash -c 'exec 3<>/dev/tcp/"+server4+"/7003; sleep 1000' & exec sleep 1001")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-accepted
		pid := l.find(t, "netnsd")
		p, _ := os.FindProcess(pid)
		p.Kill()
		cmd.Wait()
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			t.Error("the connection of a grandchild lives on")
		}
		if !eventually(func() bool { return !strings.Contains(strings.Join(l.processes(), "\n"), "sleep 1001") }) {
			t.Errorf("the program lives on: %q", l.processes())
		}
		for _, line := range l.processes() { // the grandchild, which has no network any more
			var pid int
			fmt.Sscan(line, &pid)
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
	})
}

// find waits for the lab's process that executes one of the files: in the middle
// of an execve nobody is to be found.
func (l *lab) find(t *testing.T, files ...string) (pid int) {
	t.Helper()
	if !eventually(func() bool { pid = l.look(files...); return pid != 0 }) {
		t.Fatalf("none of %v runs; there are %q", files, l.processes())
	}
	return pid
}

func (l *lab) look(files ...string) int {
	for _, line := range l.processes() {
		var pid int
		fmt.Sscan(line, &pid)
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if slices.Contains(files, filepath.Base(exe)) {
			return pid
		}
	}
	return 0
}
