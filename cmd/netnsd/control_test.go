//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// The commands of an operator, on a daemon with two namespaces and one that comes
// later.
func TestDaemonCommands(t *testing.T) {
	l := newLab(t)
	echo := func(c *net.TCPConn) { io.Copy(c, c) }
	l.serve(server4+":7001", echo)
	a, b, c := l.inner(), l.inner(), l.inner()
	config := threeChains + fmt.Sprintf(`
  select: [{chain: shut}]
attachments:
  - {name: a, netns: {name: %s}, chain: open}
  - {name: b, netns: {name: %s}, chain: open}
`, a, b)
	d := l.netnsd(config)
	netnsd := func(want int, args ...string) result {
		t.Helper()
		r := l.exec(root, append([]string{"env", "NETNSD_SOCKET=" + d.socket, "netnsd"}, args...)...)
		if r.status != want {
			t.Errorf("netnsd %s: status %d, want %d\n%s%s", strings.Join(args, " "), r.status, want, r.stdout, r.stderr)
		}
		return r
	}
	says := func(r result, all ...string) {
		t.Helper()
		for _, s := range all {
			if !strings.Contains(r.stdout+r.stderr, s) {
				t.Errorf("no %q in\n%s%s", s, r.stdout, r.stderr)
			}
		}
	}
	flows := func(args ...string) (all []control.Flow) {
		t.Helper()
		if err := json.Unmarshal([]byte(netnsd(0, append([]string{"ps", "-o", "json"}, args...)...).stdout), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}

	says(netnsd(0, "status"), "generation 1", "NAME", "a     up", "b     up", "10.0.2.100/24")
	says(netnsd(0, "status", "b", "-o", "json"), `"name": "b"`)
	netnsd(4, "status", "c")

	// Flows of two attachments, told apart by their IDs; the one that is killed is reset,
	// the other not.
	inA, inB := l.talk(a, server4+":7001"), l.talk(b, server4+":7001")
	says(netnsd(0, "ps"), "ID", "ATTACHMENT", server4+":7001", "open")
	both := flows()
	if len(both) != 2 || both[0].ID == both[1].ID {
		t.Fatalf("flows: %+v", both)
	}
	ofB := flows("b")
	if len(ofB) != 1 || ofB[0].Attachment != "b" || ofB[0].Source != inB.LocalAddr().String() || ofB[0].BytesIn != 5 || ofB[0].BytesOut != 5 {
		t.Fatalf("flows of b: %+v", ofB)
	}
	netnsd(4, "kill", strconv.FormatUint(ofB[0].ID, 10), "99999999")
	if _, err := inB.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error("the killed flow: ", err)
	}
	inA.say(t, "still here")
	if !eventually(func() bool { return len(flows("b")) == 0 }) {
		t.Error("killed, and there still")
	}
	netnsd(4, "ps", "c")

	says(netnsd(0, "explain", "--attachment", "a", "tcp", server4+":7001"), "allowed by pass", "netnsd.yaml:")
	says(netnsd(0, "explain", "--attachment", "a", "--name", "web.example", "tcp", server4+":7001"), "as web.example: allowed")
	netnsd(4, "explain", "--attachment", "c", "tcp", server4+":7001")

	// Another namespace comes, is reachable, and goes.
	netnsd(1, "attach", c, "--name", "a")
	netnsd(2, "attach", "no-such-namespace")
	netnsd(2, "attach", c, "--name", "c", "--chain", "none")
	netnsd(2, "attach", c, "--name", "c", "--mtu", "1")
	says(netnsd(2, "attach", a, "--name", "c", "--chain", "open"), "served as a already")
	says(netnsd(2, "attach", c, "--name", "c", "--chain", "open", "--limit", "udp_peer=1"), `unknown key "udp_peer"`)
	says(netnsd(2, "attach", c, "--name", "c", "--chain", "open", "--dns-zone", "corp.example"), "ZONE=SERVER")
	l.serve(server4+":7075", echo)
	says(netnsd(1, "attach", c, "--name", "c", "--chain", "open", "-p", server4+":7070:7071", "-p", server4+":7075"), "publish tcp/"+server4+":7075", "address already in use")
	netnsd(4, "status", "c")
	if got := links(t, c); got != "" {
		t.Errorf("what was refused left %s", got)
	}
	says(netnsd(0, "attach", c, "--name", "c", "--chain", "open", "--device", "net7", "--mtu", "9000", "--dns-zone", "corp.example=10.0.0.53", "--host", "db.example=192.0.2.1", "--limit", "tcp_flows=100", "--limit", "udp_idle=30s", "-p", server4+":7070:7071"), "c: "+c, "net7")
	says(netnsd(0, "status", "c"), "net7", "published tcp/"+server4+":7070")
	says(netnsd(0, "publish", "c", server4+":7072", "-o", "json"), `"tcp/`+server4+`:7072"`)
	says(netnsd(0, "publish", "c", server4+":7073:7071/both"), "tcp/"+server4+":7073\nudp/"+server4+":7073\n")
	netnsd(0, "unpublish", "c", "tcp/"+server4+":7073")
	netnsd(4, "unpublish", "c", "tcp/"+server4+":7073")
	netnsd(4, "publish", "d", server4+":7074")
	if s := netnsd(0, "status", "c").stdout; strings.Contains(s, "tcp/"+server4+":7073") || !strings.Contains(s, "udp/"+server4+":7073") {
		t.Error(s)
	}
	if got := links(t, c); got != "net7" {
		t.Errorf("links: %s", got)
	}
	says(netnsd(2, "attach", "/run/netns/"+b, "--name", "d", "--chain", "open", "-p", server4+":7070"), "published by c already")
	inC := l.talk(c, server4+":7001")
	says(netnsd(0, "explain", "--attachment", "c", "tcp", server4+":7001"), "allowed")
	says(netnsd(0, "__complete", "detach", ""), "a\t"+a, "c\t"+c)

	// By a descriptor of ours, which is the lab's namespace: a daemon does not serve its own.
	r := l.exec(root, "sh", "-c", `NETNSD_SOCKET="$0" exec netnsd attach fd:3 --name own --chain open 3</proc/self/ns/net`, d.socket)
	if r.status == 0 {
		t.Error("the daemon's own namespace is served: ", r.stdout)
	}

	// A program inside sees the socket's path and is root, and is not served.
	for _, netns := range []string{a, c} {
		for _, args := range [][]string{{"netnsd", "status"}, {"netnsd", "detach", "a"}, {"unshare", "-n", "netnsd", "detach", "a"}} {
			out, status := l.in(netns, append([]string{"env", "NETNSD_SOCKET=" + d.socket}, args...)...)
			if status != 5 || !strings.Contains(out, "comes from another") {
				t.Errorf("%v inside: status %d, %s", args, status, out)
			}
		}
	}

	// A reload leaves what came through the socket, and says what is wrong in a file.
	d.write(config)
	says(netnsd(0, "reload"), "generation 2; flows denied now: 0, on changed chains: 0, reset: 0")
	d.write(config + "nonsense: 1\n")
	says(netnsd(1, "reload"), "netnsd.yaml:", `unknown key "nonsense"`, "^")
	says(netnsd(0, "status"), "generation 2", "the last reload was refused", "c")
	inC.say(t, "still here")
	inA.say(t, "still here")

	netnsd(4, "detach", "c", "d")
	if _, err := inC.Read(make([]byte, 1)); err == nil {
		t.Error("a flow outlives its attachment")
	}
	if got := links(t, c); got != "" {
		t.Errorf("detached, and left: %s", got)
	}
	netnsd(4, "status", "c")
	inA.Close()
	d.stop()
	netnsd(3, "status")
	if all, err := os.ReadDir(filepath.Dir(d.socket)); err != nil || strings.Contains(fmt.Sprint(all), "sock") {
		t.Errorf("left: %v, %v", all, err)
	}
}
