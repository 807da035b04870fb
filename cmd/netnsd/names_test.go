//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// hellos serves TLS on a port of both addresses and counts the ClientHellos that
// get there.
func (l *lab) hellos(port int) *atomic.Int32 {
	var n atomic.Int32
	for _, addr := range both(port) {
		s := httptest.NewUnstartedServer(nil)
		s.Listener.Close()
		s.Listener = l.listen(addr)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { n.Add(1); return nil, nil }}
		s.StartTLS()
		l.t.Cleanup(s.Close)
	}
	return &n
}

// Under rules by name a program gets to the servers of that name, and is not told
// apart from a real network there; nothing that it says instead leads to another.
func TestServerNames(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		seen := l.hellos(443)
		l.echo(443)
		dns := l.dns(5300)
		for _, c := range []struct{ name, client, want string }{
			{"the name", "hello web.lab.test:443 web.lab.test 100000 0", "ok"},
			{"in segments of a byte", "hello web.lab.test:443 web.lab.test 1 0", "ok"},
			{"in a long hello", "hello web.lab.test:443 web.lab.test 100000 4096", "ok"},
			{"both", "hello web.lab.test:443 web.lab.test 7 12000", "ok"},
			{"a lie", "hello web.lab.test:443 evil.test 100000 0", "ECONNRESET"},
			{"a lie in segments", "hello web.lab.test:443 evil.test 1 4096", "ECONNRESET"},
			{"another that is allowed", "hello web.lab.test:443 other.lab.test 100000 0", "ECONNRESET"},
			{"no name", "hello web.lab.test:443 192.0.2.1 100000 0", "ECONNRESET"},
			{"nearly too long", "hello web.lab.test:443 web.lab.test 100000 62000", "ok"},
			{"by address", "hello " + net.JoinHostPort(server4, "443") + " web.lab.test 100000 0", "EHOSTUNREACH"},
			{"not TLS", "udp web.lab.test:443", "EHOSTUNREACH"},
		} {
			before := seen.Load()
			audit := filepath.Join(l.dir(), "audit")
			if err := os.WriteFile(audit, nil, 0o666); err != nil {
				t.Fatal(err)
			}
			os.Chmod(audit, 0o666)
			r := l.run(u, []string{"--dns", dns, "--allow", "web.lab.test:443", "--allow", "other.lab.test", "--audit", audit},
				append([]string{"netnsd-client"}, strings.Fields(c.client)...)...)
			if r.stdout != c.want+"\n" {
				t.Errorf("%s: %q, want %s\n%s", c.name, r.stdout, c.want, r.stderr)
			}
			if got := seen.Load() > before; got != (c.want == "ok") {
				t.Errorf("%s: a hello got through: %v", c.name, got)
			}
			lines, err := os.ReadFile(audit)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "ECONNRESET" && !regexp.MustCompile(`"reason":"server name `).Match(lines) {
				t.Errorf("%s: the audit does not say why:\n%s", c.name, lines)
			}
			if c.want == "ok" && !strings.Contains(string(lines), `"sni":"web.lab.test"`) {
				t.Errorf("%s: the audit does not name the server:\n%s", c.name, lines)
			}
		}
	})
}

// A name that is allowed and leads to a private address is refused there, unless
// that is allowed, too.
func TestRebinding(t *testing.T) {
	asUsers(t, func(t *testing.T, l *lab, u user) {
		const inner = "10.66.0.1"
		sh(t, "ip -n "+filepath.Base(l.path)+" addr add "+inner+"/32 dev lo")
		l.serve(inner+":80", func(*net.TCPConn) {})
		server := net.JoinHostPort(server4, "5300")
		l.answer(server, func(query []byte) []byte { return answerWith(query, netip.MustParseAddr(inner)) })
		for _, c := range []struct {
			flags []string
			want  string
		}{
			{nil, "ok"},
			{[]string{"--allow", "rebind.test:80"}, "EHOSTUNREACH"},
			{[]string{"--allow", "rebind.test:80", "--allow", inner}, "ok"},
			{[]string{"--allow", "rebind.test:80", "--private-names"}, "ok"},
			{[]string{"--allow", "rebind.test:80", "--private-names", "--deny", "private"}, "EHOSTUNREACH"},
		} {
			r := l.run(u, append([]string{"--dns", server, "--audit", "-"}, c.flags...), "netnsd-client", "dial", "tcp4", "rebind.test:80")
			if r.stdout != c.want+"\n" {
				t.Errorf("%v: %q, want %s\n%s", c.flags, r.stdout, c.want, r.stderr)
			}
			if len(c.flags) == 2 && !strings.Contains(r.stderr, `"rule":"rebind: deny, to allow rebind.test:80"`) {
				t.Errorf("the audit does not say why:\n%s", r.stderr)
			}
		}
	})
}

// Conditions decide on the facts that there are, and wait for those that come with
// the first bytes of a stream: without a ClientHello none of them leaves.
func TestConditions(t *testing.T) {
	l := newLab(t)
	seen := l.hellos(443)
	l.echo(443)
	var plain atomic.Int32
	l.serve(server4+":82", func(c *net.TCPConn) {
		if n, _ := c.Read(make([]byte, 1)); n > 0 {
			plain.Add(1)
		}
	})
	l.serve(server4+":83", func(*net.TCPConn) {})
	file := filepath.Join(l.dir(), "policy.yaml")
	err := os.WriteFile(file, []byte(`version: 1
rules:
  - allow: ["*:443", "*:82"]
    when: server_name == "web.lab.test"
  - allow: "*:83"
    when: |
      attachment == "run" && protocol == "tcp" &&
        names.exists(n, n.endsWith(".lab.test"))
`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	r := l.run(root, []string{"--dns", l.dns(5300), "--policy", file, "--audit", "-"}, "sh", "-c", strings.ReplaceAll(`
netnsd-client dial tcp V4:83
netnsd-client dial tcp4 web.lab.test:83
netnsd-client hello V4:443 web.lab.test 100000 0
netnsd-client hello V4:443 evil.test 1 0
netnsd-client reset V4:82
netnsd-client udp V4:443`, "V4", server4))
	if want := "EHOSTUNREACH\nok\nok\nECONNRESET\nECONNRESET\nEHOSTUNREACH\n"; r.stdout != want {
		t.Errorf("the clients see %q, want %q\n%s", r.stdout, want, r.stderr)
	}
	if seen.Load() != 1 || plain.Load() != 0 {
		t.Errorf("%d hellos and %d bytes without one got through", seen.Load(), plain.Load())
	}
	if !strings.Contains(r.stderr, `"reason":"no ClientHello: deny WSAEACCES`) {
		t.Errorf("the audit does not say why:\n%s", r.stderr)
	}
}

// A connection that was made before the rules changed asks for its server under those
// that hold then, whether it was made by a chain that reads ClientHellos or not.
func TestServerNamesAfterReload(t *testing.T) {
	l := newLab(t)
	seen := l.hellos(443)
	a := l.inner()
	config := func(rules string) string {
		return fmt.Sprintf(`
catalog:
  layers: [{name: rules, type: policy, policy: {version: 1, default: allow, rules: [%s]}}]
  chains: [{name: only, layers: [rules]}]
attachments:
  - {name: a, netns: {name: %s}}
`, rules, a)
	}
	d := l.netnsd(config("{deny: other.test}"))
	early := make(map[string]net.Conn)
	for _, name := range []string{"good.test", "evil.test"} {
		c, err := dialIn(a, server4+":443", patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		early[name] = c
	}
	if line := d.reload(config("{deny: evil.test}")); !strings.Contains(line, "reloaded") {
		t.Fatal(line)
	}
	for name, c := range early {
		before := seen.Load()
		err := tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
		if name == "good.test" && err != nil || name == "evil.test" && (!errors.Is(err, syscall.ECONNRESET) || seen.Load() != before) {
			t.Errorf("%s: %v; hellos %d, before %d", name, err, seen.Load(), before)
		}
		c.Close()
	}
	d.stop()
}
