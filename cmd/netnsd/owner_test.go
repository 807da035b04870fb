//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/layer/audit"
)

// ownerScript opens a socket in each way, each to a port of its own. $1 and $2 are
// the servers, $3 a directory.
const ownerScript = `
exec 3<>/dev/tcp/$1/7001; exec 3<&-
exec 3<>/dev/tcp/$2/7002; exec 3<&-

# One whose executable has been replaced since it began.
cp "$BASH" $3/shell
$3/shell -c "rm $3/shell; echo another >$3/shell; exec 3<>/dev/tcp/$1/7003"

# A grandchild in a session of its own, whose parent has ended.
mkfifo $3/end
bash -c 'setsid bash -c "while [ -d /proc/$$ ]; do sleep 0.01; done; exec 3<>/dev/tcp/$1/7004; echo >$2" &' _ $1 $3/end
read <$3/end

# Datagrams of a connected socket, and of sockets that others hold, too.
say() { echo x >&3; read -N 1 -u 3; }
exec 3<>/dev/udp/$1/7005; say
exec 3<>/dev/udp/$2/7006; say
mkfifo $3/never
exec 3<>/dev/udp/$1/7007
(read <$3/never) & fork=$!
say; kill $fork
exec 3<>/dev/udp/$1/7008
sleep 1000 & other=$!
while [ "$(cat /proc/$other/comm)" != sleep ]; do sleep 0.01; done
say; kill $other
exec 3<&-

# Gone before anybody can look, perhaps.
for i in 1 2 3 4 5 6 7 8 9 10; do echo x >/dev/udp/$1/7009; done

ping -c 1 -W 2 $1
getent hosts web.lab.test
`

// TestOwners has the audit name who was behind each socket, where that can be told.
func TestOwners(t *testing.T) {
	need(t, "bash", "setsid", "ping")
	bash := executableOf(t, "bash")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		sh(t, "nsenter --net="+l.path+" sysctl -qw net.ipv4.ping_group_range='0 2147483647'")
		for port := 7001; port <= 7004; port++ {
			l.listen(fmt.Sprintf("%s:%d", server4, port))
		}
		l.listen(fmt.Sprintf("[%s]:7002", server6))
		for port := 7005; port <= 7009; port++ {
			l.echo(port)
		}
		dir := l.dir()
		uid := 0
		if u.name == nobody.name {
			uid = 65534
		}
		r := l.run(u, []string{"--audit", "-", "--dns", l.dns(53)}, "bash", "-c", ownerScript, "_", server4, server6, dir)
		if r.status != 0 {
			t.Fatalf("status %d\n%s%s", r.status, r.stdout, r.stderr)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(r.stderr) {
			var a audit.Record
			if json.Unmarshal([]byte(line), &a) != nil {
				continue
			}
			what := a.Event
			if a.Protocol == "icmp" {
				what = "ping"
			} else if i := strings.LastIndexByte(a.Dst, ':'); i >= 0 {
				what = a.Dst[i+1:]
			}
			seen[what] = true
			exe, deleted, pid, known := bash, false, true, true
			switch what {
			case "7001", "7002", "7004", "7005", "7006":
			case "7003":
				exe, deleted = dir+"/shell", true
			case "7007":
				pid = false
			case "7008":
				exe, pid = "", false
			case "7009":
				if a.UID == nil { // it was gone; otherwise it is told right
					exe, pid, known = "", false, false
				} else if a.Exe == "" {
					exe, pid = "", false
				}
			case "ping":
				exe, pid, known = "", false, false
			default:
				if a.Event == "lookup" {
					if filepath.Base(a.Exe) != "getent" || a.PID == 0 || a.UID == nil || *a.UID != uid {
						t.Errorf("a lookup: %s", line)
					}
				}
				continue
			}
			if a.Exe != exe || a.Deleted != deleted || (a.PID > 0) != pid || (a.UID != nil) != known || known && *a.UID != uid {
				t.Errorf("%s: want exe %q (deleted %v), a pid %v, a uid %v (%d): %s", what, exe, deleted, pid, known, uid, line)
			}
		}
		for _, what := range []string{"7001", "7002", "7003", "7004", "7005", "7006", "7007", "7008", "7009", "ping", "lookup"} {
			if !seen[what] {
				t.Errorf("%s is missing in\n%s", what, r.stderr)
			}
		}
		if u.name == root.name { // doctor says whether all that can be had here
			if r := l.exec(u, "netnsd", "doctor"); !strings.Contains(r.stdout, "ok    owners") {
				t.Errorf("%s%s", r.stdout, r.stderr)
			}
		}
		os.Remove(filepath.Join(dir, "shell"))
	})
}

// TestProcessRules has rules about processes decide, where the process is known and
// where it is not.
func TestProcessRules(t *testing.T) {
	need(t, "bash", "ping")
	bash := executableOf(t, "bash")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		sh(t, "nsenter --net="+l.path+" sysctl -qw net.ipv4.ping_group_range='0 2147483647'")
		l.listen(server4 + ":7001")
		l.listen(fmt.Sprintf("[%s]:7001", server6))
		l.echo(7002)
		uid := 0
		if u.name == nobody.name {
			uid = 65534
		}
		const connect = `(exec 3<>/dev/tcp/$1/7001) 2>/dev/null && echo yes || echo no`
		const datagram = `exec 3<>/dev/udp/$1/7002; echo x >&3; read -t 60 -N 1 -u 3 2>/dev/null && echo yes || echo no`
		const ping = `ping -c 1 -w 20 $1 >/dev/null && echo yes || echo no`
		for _, c := range []struct {
			rule, script, addr, want string
		}{
			{fmt.Sprintf("default: deny\nrules: [{allow: ['*'], exe: %s}]", bash), connect, server4, "yes"},
			{fmt.Sprintf("default: deny\nrules: [{allow: ['*'], exe: %s}]", bash), datagram, server4, "yes"},
			{"default: deny\nrules: [{allow: ['*'], exe: /usr/bin/curl}]", connect, server4, "no"},
			{fmt.Sprintf("default: deny\nrules: [{allow: ['*'], uid: %d}]", uid), connect, server6, "yes"},
			{fmt.Sprintf("default: deny\nrules: [{allow: ['*'], uid: %d}]", uid+1), connect, server6, "no"},
			{fmt.Sprintf("default: allow\nrules: [{deny: ['*'], exe: %s}]", bash), connect, server4, "no"},
			// Whose a ping is, nobody knows: no rule that allows matches, every one that denies does.
			{"default: deny\nrules: [{allow: ['icmp:*']}]", ping, server4, "yes"},
			{fmt.Sprintf("default: deny\nrules: [{allow: ['icmp:*'], uid: %d}]", uid), ping, server4, "no"},
			{"default: allow\nrules: [{deny: ['icmp:*'], exe: /usr/bin/curl}]", ping, server4, "no"},
		} {
			policy := filepath.Join(l.dir(), "policy.yaml")
			if err := os.WriteFile(policy, []byte("version: 1\n"+c.rule+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if r := l.run(u, []string{"--policy", policy}, "bash", "-c", c.script, "_", c.addr); strings.TrimSpace(r.stdout) != c.want {
				t.Errorf("%s\n%s %s: %q, want %q\n%s", c.rule, c.script, c.addr, r.stdout, c.want, r.stderr)
			}
		}
	})
}

// executableOf is the path that a process of the program executes.
func executableOf(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
