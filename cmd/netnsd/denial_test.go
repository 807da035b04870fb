//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// denialClients are clients of every kind; the first waits are for what the kernel
// tells a program at once, the last for UDP.
const denialClients = `
netnsd-client lookup no.web.lab.test
netnsd-client dial tcp V4:80 WAITs
netnsd-client dial tcp [V6]:80 WAITs
netnsd-client udp V4:443 UDPs
netnsd-client udp [V6]:443 UDPs
echo $(ping -n -c 1 -W WAIT V4)
echo $(ping -n -c 1 -W WAIT V6)`

// A denial looks as its rule says, to every kind of client; to a lookup it is
// always that there is no such name.
func TestDenialForms(t *testing.T) {
	need(t, "ping", "sysctl")
	l := newLab(t)
	sh(t, "nsenter --net="+l.path+" sysctl -qw net.ipv4.ping_group_range='0 2147483647'")
	l.web(80, 10)
	l.echo(443)
	dns := l.dns(5300)
	const (
		never = "0.3" // for what nothing else ends
		long  = "60"  // for what ends by itself
	)
	clients := func(wait, udp string, flags ...string) []string {
		script := strings.NewReplacer("V4", server4, "V6", server6, "WAIT", wait, "UDP", udp).Replace(denialClients)
		r := l.run(root, append([]string{"--dns", dns}, flags...), "sh", "-c", script)
		lines := strings.Split(r.stdout, "\n")
		if len(lines) != 8 {
			t.Fatalf("the clients see\n%s%s", r.stdout, r.stderr)
		}
		return lines
	}
	for i, got := range clients(long, long)[:7] {
		if got != "ok" && !strings.Contains(got, " 0% packet loss") {
			t.Errorf("without rules client %d sees %s", i, got)
		}
	}
	file := filepath.Join(l.dir(), "policy.yaml")
	for _, c := range []struct {
		with, wait, udp string
		want            [7]string // in the order of the clients; of ping a part
	}{
		{"prohibited", long, long, [7]string{"NXDOMAIN", "EHOSTUNREACH", "EACCES", "EHOSTUNREACH", "EACCES", "Packet filtered", "Administratively prohibited"}},
		{"reset", long, long, [7]string{"NXDOMAIN", "ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED", "Destination Port Unreachable", "Port unreachable"}},
		// Linux keeps an unreachable host from UDP sockets that do not ask for it
		// (IP_RECVERR): it may be back soon.
		{"unreachable", long, never, [7]string{"NXDOMAIN", "EHOSTUNREACH", "EHOSTUNREACH", "timeout", "timeout", "Destination Host Unreachable", "Address unreachable"}},
		{"drop", never, never, [7]string{"NXDOMAIN", "timeout", "timeout", "timeout", "timeout", "", ""}},
	} {
		text := fmt.Sprintf("version: 1\ndefault: allow\nrules:\n  - deny: [%q, \"[%s]\", no.web.lab.test]\n    with: %s\n", server4, server6, c.with)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got := clients(c.wait, c.udp, "--policy", file)
		for i, want := range c.want[:5] {
			if got[i] != want {
				t.Errorf("%s: client %d sees %s, want %s", c.with, i, got[i], want)
			}
		}
		for i, want := range c.want[5:] {
			if ping := got[5+i]; !strings.Contains(ping, "100% packet loss") || !strings.Contains(ping, want) || want == "" && strings.Contains(ping, "From ") {
				t.Errorf("%s: ping sees %q, want %q", c.with, ping, want)
			}
		}
	}
}
