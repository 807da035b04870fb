//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/layer/policy"
)

// A program that does a bit of everything, and says how it went.
const everything = `netnsd-client hello web.lab.test:443 web.lab.test 1000 0
netnsd-client hello 198.51.100.1:8443 192.0.2.1 1000 0
netnsd-client udp a.web.lab.test:443
netnsd-client udp 198.51.100.1:443
netnsd-client dial tcp b.web.lab.test:80
netnsd-client dial tcp b.web.lab.test:81
netnsd-client dial tcp [2001:db8:77::1]:80
netnsd-client lookup c.web.lab.test
netnsd-client lookup nowhere.lab.test
netnsd-client dial tcp 10.78.0.1:80
ping -c 1 -W 5 d.web.lab.test | grep -c ttl=`

const learnt = `version: 1
default: deny
rules:
  - allow: ["udp:a.web.lab.test:443"]
    note: "looked up"
  - allow: ["tcp:b.web.lab.test:80,81"]
    note: "looked up"
  - allow: ["icmp:c.web.lab.test"]
    note: "looked up; connected to at an address that has another name too"
  - allow: ["icmp:d.web.lab.test"]
    note: "looked up"
  - allow: ["tcp:web.lab.test:443"]
    note: "named by a ClientHello"
  - allow: ["tcp:10.78.0.1:80"]
    note: "by address: no name was looked up for it"
  - allow: ["tcp:198.51.100.1:8443"]
    note: "by address: a ClientHello named no server"
`

// What is learnt is all that the program needs, and no more.
func TestLearn(t *testing.T) {
	need(t, "ping", "sysctl")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		sh(t, "nsenter --net="+l.path+" sysctl -qw net.ipv4.ping_group_range='0 2147483647'")
		l.hellos(443)
		l.hellos(8443)
		l.echo(443)
		l.web(80, 10)
		dns := l.dns(5300)
		dir := l.dir()
		file, audit := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit")

		before := filepath.Join(dir, "before")
		first := l.run(u, []string{"--dns", dns, "--learn", file, "--audit", before}, "sh", "-c", everything)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v\n%s", err, first.stderr)
		}
		_, text, _ = cutLine(text)
		if got := string(text); got != learnt {
			t.Errorf("learnt\n%s\nwant\n%s", got, learnt)
		}
		if want := "ok\nok\nok\nok\nok\nECONNREFUSED\nok\nok\nNXDOMAIN\nEHOSTUNREACH\n1\n"; first.stdout != want {
			t.Errorf("the program saw %q, want %q\n%s", first.stdout, want, first.stderr)
		}

		// Of what the audit has, the policy denies the names that nobody has; ping asks
		// for one, too.
		open := filepath.Join(dir, "open.yaml")
		if err := os.WriteFile(open, []byte("version: 1\ndefault: allow\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		diff := l.exec(u, "netnsd", "policy", "diff", open, file, "--against", before)
		changes := 0
		for line := range strings.Lines(diff.stdout) {
			if strings.HasPrefix(line, "allow ") && !strings.Contains(line, "lookup nowhere.lab.test ") && !strings.Contains(line, ".in-addr.arpa ") {
				t.Errorf("what was learnt denies %s", line)
			}
			changes += strings.Count(line, "deny")
		}
		if diff.status != 1 || changes == 0 {
			t.Errorf("exit status %d\n%s%s", diff.status, diff.stdout, diff.stderr)
		}

		second := l.run(u, []string{"--dns", dns, "--policy", file, "--audit", audit, "--learn", file}, "sh", "-c", everything)
		if second.stdout != first.stdout {
			t.Errorf("under what was learnt the program sees %q, before it was %q\n%s", second.stdout, first.stdout, second.stderr)
		}
		again, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, again, _ := cutLine(again); string(again) != string(text) {
			t.Errorf("learnt under what was learnt:\n%s\nbefore:\n%s", again, text)
		}
		lines, err := os.ReadFile(audit)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(lines)) {
			if strings.Contains(line, `"action":"deny"`) && !strings.Contains(line, `"event":"lookup"`) {
				t.Errorf("denied: %s", line)
			}
		}
		for _, other := range []string{"dial tcp b.web.lab.test:443", "hello web.lab.test:443 a.web.lab.test 1000 0", "lookup e.web.lab.test", "udp web.lab.test:443", "dial tcp c.web.lab.test:80"} {
			r := l.run(u, []string{"--dns", dns, "--policy", file}, append([]string{"netnsd-client"}, strings.Fields(other)...)...)
			if r.stdout == "ok\n" || r.stdout == "ECONNREFUSED\n" {
				t.Errorf("%s passes: %s", other, r.stdout)
			}
		}
	})
}

func cutLine(b []byte) (line, rest []byte, ok bool) {
	before, after, ok := strings.Cut(string(b), "\n")
	return []byte(before), []byte(after), ok
}

// With rules, what they denied is not learnt.
func TestLearnUnderRules(t *testing.T) {
	l := newLab(t)
	l.hellos(443)
	l.web(80, 10)
	dns := l.dns(5300)
	file := filepath.Join(l.dir(), "policy.yaml")
	r := l.run(root, []string{"--dns", dns, "--learn", file, "--allow", "*.web.lab.test", "--deny", "b.web.lab.test:443"}, "sh", "-c", `
netnsd-client dial tcp a.web.lab.test:80
netnsd-client dial tcp b.web.lab.test:443
netnsd-client hello a.web.lab.test:443 b.web.lab.test 1000 0
netnsd-client lookup web.lab.test
netnsd-client dial tcp 198.51.100.1:80
exit 3`)
	if r.status != 3 {
		t.Errorf("exit status %d\n%s", r.status, r.stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, rule := range p.Config().Rules {
		got = append(got, rule.Expr.String())
	}
	if want := "tcp:a.web.lab.test:80 tcp:b.web.lab.test:80"; strings.Join(got, " ") != want {
		t.Errorf("learnt %q, want %s\n%s", got, want, text)
	}
}
