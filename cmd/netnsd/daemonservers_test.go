//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/tun"
)

// inside is a lab in a namespace that a daemon serves: what is started there knows
// nothing of it.
func (l *lab) inside(netns string) *lab {
	in := *l
	in.path = "/run/netns/" + netns
	return &in
}

// Servers that change their uid, which nothing under `netnsd run` can: nginx with its
// workers, redis and postgres as their own users. Their clients are outside, and they
// see them by their own addresses.
func TestDaemonServers(t *testing.T) {
	bin := postgresBin()
	need(t, "nginx", "curl", "redis-server", "redis-cli", "psql", bin+"/initdb", bin+"/postgres", bin+"/pgbench")
	l := newLab(t)
	out, a, dir := l.neighbour(), l.inner(), l.dir()
	sh(t, "ip -n "+a+" link set lo up")
	d := l.netnsd(fmt.Sprintf(`
attachments:
  - name: a
    netns: {name: %[1]s}
    publish:
      - {listen: "0.0.0.0:8080", to: "80"}
      - {listen: "[::]:8080", to: "80"}
      - {listen: "%[2]s:8081", to: "81", proxy_protocol: v2}
      - {listen: "[%[3]s]:8081", to: "81", proxy_protocol: v1}
      - {listen: "[%[3]s]:7000", to: "6379"}
      - {listen: "%[2]s:7001", to: "5432"}
`, a, wire4, wire6))
	for name, test := range map[string]func(*testing.T, *lab, string, string){
		"nginx": servesNginx, "redis": servesRedis, "postgres": servesPostgres,
	} {
		t.Run(name, func(t *testing.T) {
			in := l.inside(a)
			in.t = t
			test(t, in, out, filepath.Join(dir, name))
		})
	}
	d.stop()
}

func servesNginx(t *testing.T, in *lab, out, dir string) {
	body := strings.Repeat("all of it\n", 50_000)
	sh(t, "mkdir -m 0755 "+dir)
	in.write(dir, "file", body)
	in.write(dir, "nginx.conf", strings.Replace(nginxConf, "user root;", "user www-data; worker_processes 2;", 1))
	in.daemon("nginx", "-p", dir, "-c", "nginx.conf", "-g", "daemon off;")
	in.answers(out, wire4+":8080", "HEAD / HTTP/1.0\r\n\r\n")
	var want strings.Builder
	for _, c := range []struct{ url, log string }{
		{"http://" + wire4 + ":8080/file", neighbour4 + " -"},
		{"http://[" + wire6 + "]:8080/file", neighbour6 + " -"},
		{"http://" + wire4 + ":8081/file", neighbour4 + " " + neighbour4},
		{"http://[" + wire6 + "]:8081/file", neighbour6 + " " + neighbour6},
	} {
		if got := in.from(out, "curl", "-sS", "--fail", "--max-time", "60", c.url); got != body {
			t.Errorf("%s: %d bytes, want %d", c.url, len(got), len(body))
		}
		fmt.Fprintln(&want, c.log)
	}
	var got strings.Builder
	if !eventually(func() bool { // nginx writes the line when it has sent the answer
		got.Reset()
		log, _ := os.ReadFile(filepath.Join(dir, "access.log"))
		for line := range strings.Lines(string(log)) {
			if f := strings.Fields(line); len(f) > 3 && f[3] == `"GET` {
				fmt.Fprintln(&got, f[0], f[2])
			}
		}
		return got.String() == want.String()
	}) {
		t.Errorf("nginx has written\n%swant\n%s", &got, &want)
	}
}

func servesRedis(t *testing.T, in *lab, out, dir string) {
	sh(t, "install -d -o redis "+dir)
	in.daemon("setpriv", "--reuid", "redis", "--regid", "redis", "--init-groups",
		"redis-server", "--bind", "*", "-::*", "--protected-mode", "no", "--save", "", "--dir", dir)
	in.answers(out, "["+wire6+"]:7000", "PING\r\n")
	list := in.from(out, "redis-cli", "-h", wire6, "-p", "7000", "client", "list")
	if !strings.Contains(list, " addr=["+neighbour6+"]:") {
		t.Errorf("redis does not know its client: %s", list)
	}
}

// Postgres refuses to run as root, and lets in whom it knows by address.
func servesPostgres(t *testing.T, in *lab, out, dir string) {
	bin, as := postgresBin(), "setpriv --reuid postgres --regid postgres --init-groups "
	sh(t, "install -d -m 0700 -o postgres "+dir+" && "+as+bin+"/initdb --no-sync -A trust -U test -D "+dir+" >/dev/null && echo 'host all all "+neighbour4+"/32 trust' >> "+dir+"/pg_hba.conf")
	in.daemon(append(strings.Fields(as+bin+"/postgres -F -h * -D "+dir+" -k"), "")...)
	at := []string{"-h", wire4, "-p", "7001", "-U", "test"}
	in.answers(out, wire4+":7001", "\x00\x00\x00\x08\x04\xd2\x16\x2f") // SSLRequest
	if got := in.from(out, append([]string{"psql", "-At", "-c", "select inet_client_addr()", "postgres"}, at...)...); got != neighbour4+"\n" {
		t.Errorf("postgres sees %q", got)
	}
	in.from(out, append([]string{bin + "/pgbench", "-q", "-i", "-s", "1", "postgres"}, at...)...)
	if r := in.from(out, append([]string{bin + "/pgbench", "-n", "-c", "8", "-t", "25", "postgres"}, at...)...); !strings.Contains(r, "200/200") {
		t.Error(r)
	}
}

// answers waits until a server answers ask at addr, from outside.
func (l *lab) answers(out, addr, ask string) {
	l.t.Helper()
	var err error
	if !eventually(func() bool {
		err = tun.InNetns(out, func() error {
			c, err := net.DialTimeout("tcp", addr, time.Second)
			if err != nil {
				return err
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err = c.Write([]byte(ask)); err == nil {
				_, err = c.Read(make([]byte, 1))
			}
			return err
		})
		return err == nil
	}) {
		l.t.Fatalf("nobody answers at %s: %v", addr, err)
	}
}
