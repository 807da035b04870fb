//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// answerMore is answerQuery with a large TXT record, and an HTTPS record with ECH.
func answerMore(query []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}
	var body dnsmessage.ResourceBody
	switch q.Type {
	case dnsmessage.TypeTXT:
		body = &dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", 250), strings.Repeat("y", 250), strings.Repeat("z", 250)}}
	case dnsmessage.TypeHTTPS:
		body = &dnsmessage.HTTPSResource{SVCBResource: dnsmessage.SVCBResource{Priority: 1, Target: dnsmessage.MustNewName("."), Params: []dnsmessage.SVCParam{
			{Key: dnsmessage.SVCParamALPN, Value: []byte("\x02h3")}, {Key: dnsmessage.SVCParamECH, Value: []byte("hidden")},
		}}}
	case 65281:
		body = &dnsmessage.UnknownResource{Type: 65281, Data: []byte{1, 2, 3}}
	default:
		return answerQuery(query)
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	m.Answers = []dnsmessage.Resource{{Header: h, Body: body}}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

// streamDNS answers queries on a stream.
func streamDNS(c net.Conn, answer func([]byte) []byte) {
	var size [2]byte
	for {
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		a := answer(b)
		c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
	}
}

// nameServers are one at 5300 by UDP and TCP, one on the lab's loopback, and one by
// TLS at 853 and by HTTPS at 8443 with a certificate for example.com, in the file ca.
func (l *lab) nameServers() (plain, ca string) {
	l.t.Helper()
	plain = net.JoinHostPort(server4, "5300")
	for _, addr := range []string{plain, "127.0.0.1:5301"} {
		l.answer(addr, func(q []byte) []byte {
			if a := answerMore(q); len(a) <= 512 {
				return a
			}
			cut := bytes.Clone(q) // the query with QR and TC is an answer without records
			cut[2] |= 0x82
			return cut
		})
		l.serve(addr, func(c *net.TCPConn) { streamDNS(c, answerMore) })
	}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/dns-message")
		w.Write(answerMore(b))
	}))
	web.Listener.Close()
	web.Listener, web.EnableHTTP2 = l.listen(net.JoinHostPort(server4, "8443")), true
	web.StartTLS()
	l.t.Cleanup(web.Close)
	secret := &tls.Config{Certificates: web.TLS.Certificates}
	l.serve(net.JoinHostPort(server4, "853"), func(c *net.TCPConn) { streamDNS(tls.Server(c, secret), answerMore) })

	ca = filepath.Join(l.dir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o644); err != nil {
		l.t.Fatal(err)
	}
	return plain, ca
}

// dig sees what it would see at a real resolver, whoever is asked.
func TestNameService(t *testing.T) {
	need(t, "dig", "getent")
	asUsers(t, func(t *testing.T, l *lab, u user) {
		plain, ca := l.nameServers()
		large := `^"x{250}" "y{250}" "z{250}"\n$`
		for _, c := range []struct{ flags, command, want string }{
			{"", "dig +short web.lab.test", "^" + regexp.QuoteMeta(server4) + "\n$"},
			{"", "dig +short +tcp web.lab.test aaaa", "^" + server6 + "\n$"},
			{"", "dig +noedns absent.test", `status: NXDOMAIN`},
			{"", "dig +short big.test txt", large},
			{"", "dig +short +bufsize=512 big.test txt", large},
			{"", "dig +short +notcp +ignore +bufsize=4096 big.test txt", large},
			{"", "dig +notcp +ignore +bufsize=512 big.test txt", `flags: qr tc rd ra; QUERY: 1, ANSWER: 0`},
			{"", "dig +notcp +ignore +noedns big.test txt", `flags: qr tc rd ra; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 0`},
			{"", "dig +short web.lab.test type65", `^1 \. alpn="h3" ech=aGlkZGVu\n$`},
			{"", "dig +short web.lab.test type65281", `^\\# 3 010203\n$`},
			{"", "dig +dnssec +ednsopt=65001:abcd web.lab.test", `flags: do; udp: 1232\n`},
			{"", "dig +edns=1 +noednsneg web.lab.test", `status: BADVERS`},
			{"", "dig web.lab.test axfr", `Transfer failed`},
			{"--dns 127.0.0.1:5301", "dig +short web.lab.test", "^" + regexp.QuoteMeta(server4) + "\n$"}, // the host's loopback
			{"--dns 127.0.0.1:5301", "netnsd-client dial tcp 10.0.2.2:5301", "EHOSTUNREACH"},             // which stays closed
			{"--dns tcp://" + plain, "dig +short web.lab.test", "^" + regexp.QuoteMeta(server4) + "\n$"},
			{"--dns tls://" + server4 + "#example.com", "dig +short big.test txt", large},
			{"--dns tls://" + server4 + "#other.example", "dig +tries=1 web.lab.test", "status: SERVFAIL"},
			{"--dns https://" + server4 + ":8443/dns-query#example.com", "dig +short big.test txt", large},
			{"--dns 192.0.2.1 --dns-zone lab.test=" + plain, "dig +short web.lab.test", "^" + regexp.QuoteMeta(server4) + "\n$"},
			{"--host db.lab.test=192.0.2.9 --host db.lab.test=2001:db8::9", "dig +short db.lab.test a db.lab.test aaaa db.lab.test mx", "^192.0.2.9\n2001:db8::9\n$"},
			{"--host db.lab.test=192.0.2.9 --search lab.test --search other.test", "dig +search +short db", "^192.0.2.9\n$"},
			{"--search lab.test --search other.test", "cat /etc/resolv.conf", "\nsearch lab.test other.test\n"},
			{"", "dig +short localhost x.localhost", "^127.0.0.1\n127.0.0.1\n$"},
			{"--allow other.test", "dig web.lab.test https", "status: NXDOMAIN"},
		} {
			if !strings.Contains(c.flags, "--dns ") {
				c.flags += " --dns " + plain
			}
			argv := append([]string{"env", "SSL_CERT_FILE=" + ca, "netnsd", "run"}, strings.Fields(c.flags)...)
			r := l.exec(u, append(append(argv, "--"), strings.Fields(c.command)...)...)
			if !regexp.MustCompile(c.want).MatchString(r.stdout) {
				t.Errorf("%s -- %s: %q, want %s\n%s", c.flags, c.command, r.stdout, c.want, r.stderr)
			}
		}
	})
}

// The servers of the host are those that its resolv.conf names now, and what the old
// ones have said is forgotten.
func TestNameServersChange(t *testing.T) {
	need(t, "dig")
	l := newLab(t)
	for i, addr := range both(53) {
		l.answer(addr, func(q []byte) []byte { return answerWith(q, netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})) })
	}
	file := filepath.Join(l.dir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+server4+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := l.exec(root, "unshare", "--mount", "--propagation", "private", "sh", "-ec", `
		mount --bind `+file+` /etc/resolv.conf
		exec netnsd run -- sh -ec '
			dig +short a.test
			echo nameserver `+server6+` > `+file+`
			for i in $(seq 300); do
				dig +short a.test | grep 192.0.2.2 && exit
				sleep 0.1
			done'`)
	if r.stdout != "192.0.2.1\n192.0.2.2\n" {
		t.Errorf("%q\n%s", r.stdout, r.stderr)
	}
}

// A line of audit says what was asked for, and what came of it.
func TestLookupsAreAudited(t *testing.T) {
	l := newLab(t)
	r := l.run(root, []string{"--dns", l.dns(5300), "--audit", "-", "--allow", "*.lab.test"},
		"sh", "-c", "netnsd-client lookup web.lab.test; netnsd-client lookup absent.lab.test; netnsd-client lookup denied.test")
	got := map[string]string{}
	for line := range strings.Lines(r.stderr) {
		var a struct {
			Event, Query, RCode, Error string
			Names, Answers             []string
		}
		if json.Unmarshal([]byte(line), &a) == nil && a.Event == "lookup" && a.Query == "A" {
			got[a.Names[0]] = strings.Join(append(a.Answers, a.RCode, a.Error), " ")
		}
	}
	for name, want := range map[string]string{
		"web.lab.test": server4 + " NOERROR ", "absent.lab.test": "NXDOMAIN ", "denied.test": "NXDOMAIN WSAEACCES",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q\n%s", name, got[name], want, r.stderr)
		}
	}
}
