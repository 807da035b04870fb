//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Under --shadow a program sees what it would see without rules, but for what is
// denied without any; the audit and a line at the end say what the rules say.
func TestShadow(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		l.hellos(443)
		l.web(80, 10)
		l.echo(443)
		dns := l.dns(5300)
		audit := filepath.Join(l.dir(), "audit")
		const program = `netnsd-client hello web.lab.test:443 web.lab.test 1000 0
netnsd-client hello web.lab.test:443 a.web.lab.test 1000 0
netnsd-client dial tcp a.web.lab.test:80
netnsd-client udp 198.51.100.1:443
netnsd-client dial tcp 10.0.2.2:80
netnsd-client dial tcp 127.0.0.1:80`
		flags := []string{"--dns", dns, "--allow", "web.lab.test:443", "--allow", "10.78.0.1"}
		r := l.run(u, append([]string{"--shadow", "--audit", audit}, flags...), "sh", "-c", program)
		if want := "ok\nok\nok\nok\nEHOSTUNREACH\nECONNREFUSED\n"; r.stdout != want {
			t.Errorf("the program sees %q, want %q", r.stdout, want)
		}
		// Two hellos, one connection; a name that is asked for twice, as A and AAAA.
		if want := "netnsd: --shadow: 4 would have been denied: connections 2, destinations of datagrams 1, names looked up 1\n"; r.stderr != want {
			t.Errorf("stderr is %q, want %q", r.stderr, want)
		}
		lines, err := os.ReadFile(audit)
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range []string{"lookup", "connect", "send", "close"} {
			found := false
			for line := range strings.Lines(string(lines)) {
				found = found || strings.Contains(line, `"event":"`+event+`"`) && strings.Contains(line, `"action":"deny"`) && strings.Contains(line, `"shadow":true`)
			}
			if !found {
				t.Errorf("no %s line has a shadow:\n%s", event, lines)
			}
		}
		r = l.run(u, flags, "sh", "-c", program)
		if want := "ok\nECONNRESET\nNXDOMAIN\nEHOSTUNREACH\nEHOSTUNREACH\nECONNREFUSED\n"; r.stdout != want || r.stderr != "" {
			t.Errorf("without --shadow the program sees %q, want %q\n%s", r.stdout, want, r.stderr)
		}
	})
}
