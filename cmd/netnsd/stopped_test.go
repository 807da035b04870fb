//go:build linux

package main

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/layer/audit"
)

const (
	innerAddr    = "10.66.0.1"       // a neighbour of the host's
	metadataAddr = "169.254.169.254" // where a cloud hands out credentials
	metadata6    = "fd00:ec2::254"
	resolverAddr = "1.1.1.1"      // a known resolver
	unnamed4     = "198.51.100.7" // addresses without a name
	unnamed6     = "2001:db8:77::7"
)

// others are what a program reaches that it should not: each answers, so that
// without rules every client of the table is content.
func (l *lab) others() (dns string) {
	for _, a := range []string{innerAddr + "/32", metadataAddr + "/32", resolverAddr + "/32", unnamed4 + "/32", unnamed6 + "/128", metadata6 + "/128"} {
		sh(l.t, "ip -n "+filepath.Base(l.path)+" addr add "+a+" dev lo nodad")
	}
	for _, a := range []string{unnamed6, metadata6} {
		sh(l.t, "for i in $(seq 500); do ip -n "+filepath.Base(l.path)+" -6 route show table local | grep -q '^local "+a+" ' && break; sleep 0.01; done")
	}
	for _, a := range []string{innerAddr + ":80", metadataAddr + ":80", metadataAddr + ":81", "[" + metadata6 + "]:80", server4 + ":53", resolverAddr + ":853", unnamed4 + ":81", unnamed4 + ":82", "[" + unnamed6 + "]:82", server4 + ":82"} {
		l.serve(a, func(*net.TCPConn) {})
	}
	l.hellos(443)
	l.echo(443)
	l.dns(53)
	doh := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, _ := io.ReadAll(r.Body)
		w.Write(answerQuery(query))
	}))
	doh.Listener.Close()
	doh.Listener = l.listen(resolverAddr + ":443")
	doh.Config.ErrorLog = log.New(io.Discard, "", 0)
	doh.StartTLS()
	l.t.Cleanup(doh.Close)
	dns = net.JoinHostPort(server4, "5300")
	l.answer(dns, func(query []byte) []byte {
		if strings.Contains(string(query), "\x06rebind\x03lab\x04test") {
			return answerWith(query, netip.MustParseAddr(innerAddr))
		}
		if strings.Contains(string(query), "\x05cloud\x03lab\x04test") {
			return answerWith(query, netip.MustParseAddr(metadataAddr))
		}
		if strings.Contains(string(query), "\x03dns\x06google") {
			return answerWith(query, netip.MustParseAddr(resolverAddr))
		}
		return answerQuery(query)
	})
	return dns
}

// Under a default of deny nothing of this passes; the client sees it, and the audit
// says of each why, in a line of its own.
func TestStopped(t *testing.T) {
	need(t, "setsid")
	table := []struct {
		name, client string
		want         string // what the client sees
		// The audit's line: where to, or a name that was asked for; its error; the rule,
		// and a part of why.
		event, about, error, rule, why string
	}{
		{"the name", "hello web.lab.test:443 web.lab.test 100000 0", "ok",
			"close", server4 + ":443 web.lab.test", "", "allow web.lab.test:443", ""},
		{"a lie in the SNI", "hello web.lab.test:443 lie.test 100000 0", "ECONNRESET",
			"close", server4 + ":443 lie.test", "WSAEACCES", "default: deny", "no rule allows this server name"},
		{"in segments of a byte", "hello web.lab.test:443 bytes.test 1 0", "ECONNRESET",
			"close", server4 + ":443 bytes.test", "WSAEACCES", "default: deny", "no rule allows this server name"},
		{"in a hello of 4 KiB", "hello web.lab.test:443 long.test 100000 4096", "ECONNRESET",
			"close", server4 + ":443 long.test", "WSAEACCES", "default: deny", "no rule allows this server name"},
		{"by address", "dial tcp " + unnamed4 + ":82", "EHOSTUNREACH",
			"connect", unnamed4 + ":82", "WSAEACCES", "default: deny", "by address: no name was looked up"},
		{"by address, IPv6", "dial tcp [" + unnamed6 + "]:82", "EACCES",
			"connect", "[" + unnamed6 + "]:82", "WSAEACCES", "default: deny", "by address: no name was looked up"},
		{"resolves elsewhere", "query " + server4 + ":53 web.lab.test", "EHOSTUNREACH",
			"send", server4 + ":53", "WSAEACCES", "default: deny", "another name service"},
		{"resolves elsewhere, TCP", "dial tcp " + server4 + ":53", "EHOSTUNREACH",
			"connect", server4 + ":53", "WSAEACCES", "default: deny", "another name service"},
		{"DoH by address", "doh https://" + resolverAddr + "/dns-query web.lab.test", "EHOSTUNREACH",
			"connect", resolverAddr + ":443", "WSAEACCES", "doh: deny", "a known resolver"},
		{"DoH by name", "doh https://dns.google/dns-query web.lab.test", "NXDOMAIN",
			"lookup", "dns.google", "WSAEACCES", "doh: deny", "a known resolver"},
		{"DoT", "dial tcp " + resolverAddr + ":853", "EHOSTUNREACH",
			"connect", resolverAddr + ":853", "WSAEACCES", "dot: deny", "over TLS or QUIC"},
		{"QUIC", "udp web.lab.test:443", "EHOSTUNREACH",
			"send", server4 + ":443", "WSAEACCES", "quic: deny, to allow web.lab.test:443", "what QUIC asks for is encrypted"},
		{"rebinding", "dial tcp4 rebind.lab.test:80", "EHOSTUNREACH",
			"connect", innerAddr + ":80", "WSAEACCES", "rebind: deny, to allow rebind.lab.test:80", "a private address under a name"},
		{"metadata by name", "dial tcp4 cloud.lab.test:81", "EHOSTUNREACH", // a name is not kept for it
			"connect", metadataAddr + ":81", "WSAEACCES", "default: deny", "hand out credentials"},
		{"metadata", "dial tcp " + metadataAddr + ":80", "EHOSTUNREACH",
			"connect", metadataAddr + ":80", "WSAEACCES", "default: deny", "hand out credentials"},
		{"metadata, IPv6", "dial tcp [" + metadata6 + "]:80", "EACCES",
			"connect", "[" + metadata6 + "]:80", "WSAEACCES", "default: deny", "hand out credentials"},
		{"a name that is not allowed", "lookup other.web.lab.test", "NXDOMAIN",
			"lookup", "other.web.lab.test", "WSAEACCES", "default: deny", "no rule allows this name"},
		{"another port of a name", "dial tcp4 web.lab.test:82", "EHOSTUNREACH",
			"connect", server4 + ":82", "WSAEACCES", "default: deny", "with this protocol and port"},
		{"a daemonised grandchild", "daemon dial tcp " + unnamed4 + ":81", "EHOSTUNREACH",
			"connect", unnamed4 + ":81", "WSAEACCES", "default: deny", "by address: no name was looked up"},
	}
	var script strings.Builder
	for _, c := range table {
		if args, daemon := strings.CutPrefix(c.client, "daemon "); daemon {
			script.WriteString(`f=$(mktemp); setsid -f sh -c 'netnsd-client ` + args + ` >"$0"' "$f"; until [ -s "$f" ]; do sleep 0.02; done; cat "$f"; rm "$f"` + "\n")
			continue
		}
		script.WriteString("netnsd-client " + c.client + "\n")
	}
	asUsers(t, func(t *testing.T, l *lab, u user) {
		dns := l.others()
		free := l.run(u, []string{"--dns", dns}, "sh", "-c", script.String())
		if want := strings.Repeat("ok\n", len(table)); free.stdout != want {
			t.Errorf("without rules the clients see %q\n%s", free.stdout, free.stderr)
		}

		file := filepath.Join(l.dir(), "audit")
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		os.Chmod(file, 0o666)
		r := l.run(u, []string{"--dns", dns, "--audit", file, "--allow", "web.lab.test:443", "--allow", "rebind.lab.test:80", "--allow", "cloud.lab.test:81"}, "sh", "-c", script.String())
		seen := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
		if len(seen) != len(table) {
			t.Fatalf("the clients see %q\n%s", r.stdout, r.stderr)
		}
		lines, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range table {
			if seen[i] != c.want {
				t.Errorf("%s: %s, want %s", c.name, seen[i], c.want)
			}
			found, near := false, ""
			for line := range strings.Lines(string(lines)) {
				var r audit.Record
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					t.Fatal(err)
				}
				about := strings.TrimSpace(r.Dst + " " + r.SNI)
				if r.Event == "lookup" {
					about = r.Names[0]
				}
				if about == c.about && r.Event == c.event {
					near += line
				}
				found = found || r.Event == c.event && about == c.about && r.Error == c.error && r.Verdict != nil &&
					r.Verdict.Rule == c.rule && strings.Contains(r.Verdict.Reason, c.why) && (c.why == "") == (r.Verdict.Reason == "")
			}
			if !found {
				t.Errorf("%s: the audit has no %s of %s that is %s by %s (%s)\n%s", c.name, c.event, c.about, c.error, c.rule, c.why, near)
			}
		}
	})
}
