//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/tun"
)

// The wire between the lab and a neighbour, of addresses that are nobody's.
const (
	wire4, wire6           = "192.0.2.1", "2001:db8:9::1"
	neighbour4, neighbour6 = "192.0.2.2", "2001:db8:9::2"
)

// neighbour is another machine, on a wire to the lab's: its namespace.
func (l *lab) neighbour() (path string) {
	l.t.Helper()
	lab := filepath.Base(l.path)
	name := lab + "-b"
	sh(l.t, "ip netns add "+name)
	l.t.Cleanup(func() { sh(l.t, "ip -n "+lab+" link del wire; ip netns del "+name) })
	sh(l.t, fmt.Sprintf(`ip -n %[1]s link add wire type veth peer name wire netns %[2]s
for a in %[3]s/24 %[4]s/64; do ip -n %[1]s addr add $a dev wire nodad; done
for a in %[5]s/24 %[6]s/64; do ip -n %[2]s addr add $a dev wire nodad; done
ip -n %[2]s link set lo up
ip -n %[1]s link set wire up
ip -n %[2]s link set wire up
for n in %[1]s %[2]s; do
	for i in $(seq 500); do ip -n $n -6 route show table local dev wire | grep -q '^local 2001' && break; sleep 0.01; done
done`, lab, name, wire4, wire6, neighbour4, neighbour6))
	return filepath.Join(filepath.Dir(l.path), name)
}

// In another namespace: a connection, and a program's output.

func dialFrom(path, network, addr string) (c net.Conn, err error) {
	err = tun.InNetns(path, func() (err error) {
		c, err = (&net.Dialer{Timeout: 20 * time.Second}).Dial(network, addr)
		return err
	})
	return c, err
}

func (l *lab) from(path string, argv ...string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + path}, argv...)...)
	cmd.Env = append(os.Environ(), "no_proxy=*", "HOME="+l.tmp)
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

// A service is a server in `netnsd run`, that runs until the test ends.
type service struct {
	l      *lab
	cmd    *exec.Cmd
	mu     sync.Mutex
	stderr bytes.Buffer
}

func (s *service) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stderr.Write(b)
}

func (s *service) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stderr.String()
}

func (l *lab) service(u user, flags []string, argv ...string) *service {
	l.t.Helper()
	s := &service{l: l}
	s.cmd = l.command(context.Background(), u, append(append([]string{"netnsd", "run"}, flags...), append([]string{"--"}, argv...)...)...)
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(s.stop)
	return s
}

// stop ends the server, once.
func (s *service) stop() {
	if s.cmd.ProcessState != nil {
		return
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(30*time.Second, func() {
		s.l.t.Errorf("SIGTERM has not ended it: %s", s.said())
		s.cmd.Process.Kill()
	})
	defer kill.Stop()
	s.cmd.Wait()
}

// ready waits until the server answers ask; one that greets is asked nothing. Before
// it listens, a connection is reset.
func (s *service) ready(path, addr, ask string) {
	s.l.t.Helper()
	ok := eventually(func() bool {
		c, err := dialFrom(path, "tcp", addr)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(c, ask)
		_, err = c.Read(make([]byte, 1))
		return err == nil
	})
	if !ok {
		s.l.t.Fatalf("nobody answers at %s: %s", addr, s.said())
	}
}

const nginxConf = `user root;
pid nginx.pid;
error_log stderr;
events {}
http {
	log_format who '$remote_addr $remote_port $proxy_protocol_addr "$request" $status';
	access_log access.log who;
	client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
	server { listen 80; listen [::]:80; root .; }
	server { listen 81 proxy_protocol; listen [::]:81 proxy_protocol; root .; }
}
`

// nginx sees its clients' own addresses, from outside and with PROXY protocol also
// those that it cannot see.
func TestPublishedNginx(t *testing.T) {
	need(t, "nginx", "curl")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		out := l.neighbour()
		dir := l.dir()
		body := strings.Repeat("all of it\n", 50_000)
		for name, text := range map[string]string{"nginx.conf": nginxConf, "file": body} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s := l.service(u, []string{
			"--deny", "*", "--audit", filepath.Join(dir, "audit"),
			"-p", "8080:80", "-p", "8081:81,proxy=v2", "-p", "8082:81,proxy=v1", "-p", "127.0.0.1:8083:80",
		}, "nginx", "-p", dir, "-c", "nginx.conf", "-g", "daemon off; master_process off;")
		s.ready(out, wire4+":8080", "HEAD / HTTP/1.0\r\n\r\n")
		var want []string
		for _, c := range []struct{ from, url, log string }{
			{out, "http://" + wire4 + ":8080/file", neighbour4 + " PORT -"},
			{out, "http://[" + wire6 + "]:8080/file", neighbour6 + " PORT -"},
			{out, "http://" + wire4 + ":8081/file", neighbour4 + " PORT " + neighbour4},
			{out, "http://[" + wire6 + "]:8082/file", neighbour6 + " PORT " + neighbour6},
			{l.path, "http://" + server4 + ":8080/file", server4 + " PORT -"},
			{l.path, "http://127.0.0.1:8083/file", "10.0.2.2 PORT -"},
			{l.path, "http://127.0.0.1:8081/file", "10.0.2.2 PORT 127.0.0.1"},
			{l.path, "http://[::1]:8082/file", "fd00::2 PORT ::1"},
		} {
			if got := l.from(c.from, "curl", "-sS", "--fail", "--max-time", "60", c.url); got != body {
				t.Errorf("%s: %d bytes, want %d", c.url, len(got), len(body))
			}
			want = append(want, c.log+` "GET /file HTTP/1.1" 200`)
		}
		s.stop()
		log, err := os.ReadFile(filepath.Join(dir, "access.log"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(string(log)) {
			f := strings.Fields(line)
			if len(f) > 3 && strings.Contains(line, "GET") {
				f[1] = "PORT"
				got = append(got, strings.Join(f, " "))
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("nginx has written\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), s.said())
		}
		audited(t, filepath.Join(dir, "audit"), neighbour4, wire4+":8080")
	})
}

// audited looks for the line of a client that was accepted.
func audited(t *testing.T, file, client, port string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var r struct{ Event, Src, Dst string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Event == "accept" && strings.HasPrefix(r.Src, client+":") && r.Dst == port {
			return
		}
	}
	t.Errorf("no client %s of %s in the audit:\n%s", client, port, b)
}

func TestPublishedRedis(t *testing.T) {
	need(t, "redis-server", "redis-cli", "redis-benchmark")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		out := l.neighbour()
		s := l.service(u, []string{"-p", wire4 + ":7000:6379", "-p", "[" + wire6 + "]:7000:6379"},
			"redis-server", "--bind", "*", "-::*", "--protected-mode", "no", "--save", "", "--daemonize", "no", "--dir", l.dir())
		s.ready(out, wire4+":7000", "PING\r\n")
		for _, host := range []string{wire4, wire6} {
			l.from(out, "redis-cli", "-h", host, "-p", "7000", "set", "key", host)
			if got := l.from(out, "redis-cli", "-h", host, "-p", "7000", "get", "key"); got != host+"\n" {
				t.Errorf("%s: %q", host, got)
			}
			list := l.from(out, "redis-cli", "-h", host, "-p", "7000", "client", "list")
			from := map[string]string{wire4: neighbour4 + ":", wire6: "[" + neighbour6 + "]:"}[host]
			if !strings.Contains(list, " addr="+from) {
				t.Errorf("redis does not know %s: %s", from, list)
			}
		}
		r := l.from(out, "redis-benchmark", "-h", wire4, "-p", "7000", "-q", "-n", "5000", "-c", "50", "-P", "4", "-t", "set,get")
		if !strings.Contains(r, "GET:") || strings.Contains(strings.ToLower(r), "error") {
			t.Error(r)
		}
	})
}

// Postgres lets in whom it knows by address.
func TestPublishedPostgres(t *testing.T) {
	bin := postgresBin()
	need(t, "psql", bin+"/initdb", bin+"/postgres", bin+"/pgbench")
	l := newLab(t)
	out, data := l.neighbour(), filepath.Join(l.dir(), "data")
	if r := l.exec(nobody, filepath.Join(bin, "initdb"), "-D", data, "-U", "test", "-A", "trust", "--no-sync"); r.status != 0 {
		t.Fatal(r.stdout, r.stderr)
	}
	f, err := os.OpenFile(filepath.Join(data, "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "host all all %s/32 trust\n", neighbour4) // nobody else, the gateway included
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s := l.service(nobody, []string{"-p", wire4 + ":7001:5432"}, filepath.Join(bin, "postgres"), "-D", data, "-k", "", "-h", "*", "-F")
	s.ready(out, wire4+":7001", "\x00\x00\x00\x08\x04\xd2\x16\x2f") // SSLRequest
	at := []string{"-h", wire4, "-p", "7001", "-U", "test"}
	if got := l.from(out, append([]string{"psql", "-At", "-c", "select inet_client_addr()", "postgres"}, at...)...); got != neighbour4+"\n" {
		t.Errorf("postgres sees %q", got)
	}
	l.from(out, append([]string{filepath.Join(bin, "pgbench"), "-q", "-i", "-s", "1", "postgres"}, at...)...)
	if r := l.from(out, append([]string{filepath.Join(bin, "pgbench"), "-n", "-c", "8", "-t", "25", "postgres"}, at...)...); !strings.Contains(r, "200/200") {
		t.Error(r)
	}
}

// iperf3 both ways and by UDP, whose port answers from the address that was asked,
// although it is bound to all.
func TestPublishedIperf(t *testing.T) {
	need(t, "iperf3")
	l := newLab(t)
	out := l.neighbour()
	s := l.service(nobody, []string{"-p", "5201/both"}, "iperf3", "-s", "--forceflush")
	nth := 0
	for _, host := range []string{wire4, wire6} {
		for _, flags := range []string{"-n 32M", "-n 32M -R", "-u -b 80M -n 2M -l 1200", "-u -b 80M -n 2M -l 1200 -R"} {
			nth++
			r := s.iperfTo(nth, out, append([]string{"-c", host}, strings.Fields(flags)...))
			if r.End.SumReceived.Bytes+r.End.Sum.Bytes < 1<<20 {
				t.Errorf("%s %s: %+v", host, flags, r.End)
			}
		}
	}
}

type iperfResult struct {
	Error string
	End   struct {
		SumReceived struct{ Bytes float64 } `json:"sum_received"`
		Sum         struct{ Bytes float64 } `json:"sum"`
	}
}

// iperfTo runs the nth client, when the server has done with the one before: between
// two of them it does not listen for a moment.
func (s *service) iperfTo(nth int, from string, flags []string) (r iperfResult) {
	s.l.t.Helper()
	if !eventually(func() bool { return strings.Count(s.said(), "Server listening") == nth }) {
		s.l.t.Fatalf("the server is not ready: %s", s.said())
	}
	out := s.l.from(from, append([]string{"iperf3", "-J"}, flags...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Error != "" {
		s.l.t.Fatalf("%q: %v %s\n%s", flags, err, r.Error, s.said())
	}
	return r
}

// A range: each port leads to its own inside, of both protocols, and there are many.
func TestPublishedRange(t *testing.T) {
	need(t, "socat")
	l := newLab(t)
	out := l.neighbour()
	s := l.service(nobody, []string{"-p", wire4 + ":20000-20999:30000-30999/both"}, "sh", "-c", `
socat UDP-RECVFROM:30999,fork SYSTEM:'echo $SOCAT_PEERADDR' & udp=$!
socat TCP-LISTEN:30500,fork,reuseaddr SYSTEM:'echo $SOCAT_PEERADDR' & tcp=$!
trap "kill $udp $tcp" TERM
wait`)
	s.ready(out, wire4+":20500", "")
	c, err := dialFrom(out, "tcp", wire4+":20500")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b, err := io.ReadAll(c); err != nil || string(b) != neighbour4+"\n" {
		t.Errorf("%q, %v", b, err)
	}
	u, err := dialFrom(out, "udp", wire4+":20999")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	b := make([]byte, 100)
	if !eventually(func() bool { // socat may not listen yet
		u.Write([]byte("who am I?"))
		u.SetReadDeadline(time.Now().Add(time.Second))
		n, err := u.Read(b)
		return err == nil && string(b[:n]) == neighbour4+"\n"
	}) {
		t.Error("the last UDP port does not answer")
	}
	if _, err := dialFrom(out, "tcp", wire4+":21000"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("behind the range: %v", err)
	}
}

// Any free port is told, one for both families and protocols.
func TestPublishedAnyPort(t *testing.T) {
	need(t, "socat")
	l := newLab(t)
	out := l.neighbour()
	s := l.service(nobody, []string{"-p", "0:80/both"}, "socat", "TCP6-LISTEN:80,fork,ipv6only=0", "SYSTEM:echo hello")
	var ports []uint16
	if !eventually(func() bool { ports = told(s.said()); return len(ports) == 4 }) {
		t.Fatal(s.said())
	}
	for _, p := range ports {
		if p != ports[0] || p == 0 {
			t.Fatalf("the ports are %v", ports)
		}
	}
	for _, host := range []string{wire4, wire6} {
		s.ready(out, net.JoinHostPort(host, fmt.Sprint(ports[0])), "")
	}
}

// told are the ports in lines such as "netnsd: published tcp 0.0.0.0:40001 to 10.0.2.100:80".
func told(stderr string) (ports []uint16) {
	for line := range strings.Lines(stderr) {
		if f := strings.Fields(line); len(f) == 6 && f[1] == "published" {
			if at, err := netip.ParseAddrPort(f[3]); err == nil {
				ports = append(ports, at.Port())
			}
		}
	}
	return ports
}

// A port that cannot be had is told before the program runs.
func TestPublishFails(t *testing.T) {
	need(t)
	l := newLab(t)
	l.listen(server4 + ":8080")
	policy := filepath.Join(l.dir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte("version: 1\ndefault: allow\nlisten: deny\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"-p", server4 + ":8080"}, "somebody on this host has it"},
		{[]string{"-p", "9000", "-p", server4 + ":8079-8081"}, "port 8080: "},
		{[]string{"-p", server4 + ":80"}, "ports below 1024"},
		{[]string{"-p", "192.0.2.99:8080"}, "this host has no address 192.0.2.99"},
		{[]string{"-p", "8081", "--policy", policy}, "listen: deny"},
		{[]string{"-p", "8081/udp", "--policy", policy}, "listen: deny"},
	} {
		r := l.run(nobody, c.flags, "echo", "it runs")
		if r.status != 125 || r.stdout != "" || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%q: status %d, %q, %s; want %q", c.flags, r.status, r.stdout, r.stderr, c.want)
		}
	}
	if r := l.run(nobody, []string{"-p", "8080:"}, "true"); r.status != 125 || !strings.Contains(r.stderr, "not a port") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
	// The port is free again when the program has ended.
	for range 2 {
		if r := l.run(nobody, []string{"-p", "9000"}, "true"); r.status != 0 {
			t.Error(r.stderr)
		}
	}
}
