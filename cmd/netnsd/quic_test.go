//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/netnsd/netnsd/tun"
)

const quicProtocol = "netnsd-test"

// quic ADDR SERVERNAME TIMEOUT BYTES: sends them on a stream, says that it has sent all,
// and expects back the sum of what arrived. QUIC hears of no refusal, whatever ICMP says
// (RFC 9000, 14.2.1): a denial is a handshake that does not end.
func sayQUIC(args []string) error {
	os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
	timeout, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	var size int64
	if _, err := fmt.Sscan(args[3], &size); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := quic.DialAddr(ctx, args[0],
		&tls.Config{ServerName: args[1], NextProtos: []string{quicProtocol}, InsecureSkipVerify: true},
		&quic.Config{HandshakeIdleTimeout: timeout})
	if err != nil {
		return err
	}
	defer c.CloseWithError(0, "")
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(s, sum), io.LimitReader(new(pattern), size)); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	answer, err := io.ReadAll(s)
	if err == nil && string(answer) != fmt.Sprintf("%x", sum.Sum(nil)) {
		err = fmt.Errorf("the server has seen %q, sent was %x", answer, sum.Sum(nil))
	}
	return err
}

// quic answers each stream to a port of both addresses with the sum of what it
// brought, and counts the datagrams that get there.
func (l *lab) quic(port int) *atomic.Int64 {
	l.t.Helper()
	var n atomic.Int64
	s := httptest.NewTLSServer(nil)
	cert := s.TLS.Certificates[0]
	s.Close()
	for _, addr := range both(port) {
		var pc net.PacketConn
		err := tun.InNetns(l.path, func() (err error) {
			pc, err = net.ListenPacket("udp", addr)
			return err
		})
		if err != nil {
			l.t.Fatal(err)
		}
		tr := &quic.Transport{Conn: counted{pc, &n}}
		ln, err := tr.Listen(&tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{quicProtocol}}, nil)
		if err != nil {
			l.t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			for {
				c, err := ln.Accept(context.Background())
				if err != nil {
					return
				}
				go answerStreams(c) // ends with the transport
			}
		}()
		l.t.Cleanup(func() {
			tr.Close()
			pc.Close()
			<-served
		})
	}
	return &n
}

func answerStreams(c *quic.Conn) {
	for {
		s, err := c.AcceptStream(context.Background())
		if err != nil {
			return
		}
		h := sha256.New()
		if _, err := io.Copy(h, s); err != nil {
			continue
		}
		fmt.Fprintf(s, "%x", h.Sum(nil))
		s.Close()
	}
}

// counted counts what is read.
type counted struct {
	net.PacketConn
	n *atomic.Int64
}

func (c counted) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(b)
	if err == nil {
		c.n.Add(1)
	}
	return n, from, err
}

// A QUIC client gets through where a rule trusts the address, and where a rule by name
// does not say udp: no datagram of its gets there; the same rule lets it go on with TCP.
func TestQUIC(t *testing.T) {
	const (
		pass = "netnsd-client quic web.lab.test:443 web.lab.test 30s 300000"
		stop = "netnsd-client quic web.lab.test:443 web.lab.test 500ms 1"
		tcp  = "netnsd-client hello web.lab.test:443 web.lab.test 100000 0"
	)
	asUsers(t, func(t *testing.T, l *lab, u user) {
		seen := l.quic(443)
		l.hellos(443)
		dns := l.dns(5300)
		learnt := filepath.Join(l.dir(), "learnt.yaml")
		for _, c := range []struct {
			name   string
			flags  []string
			client string
			want   string
			why    string // in the audit
		}{
			{"without rules, learning", []string{"--learn", learnt}, pass, "ok", ""},
			{"under what was learnt", []string{"--policy", learnt}, pass, "ok", `"rule":"allow udp:web.lab.test`},
			{"a rule by name", []string{"--allow", "web.lab.test:443"}, stop + "; " + tcp, "timeout ok",
				`"rule":"quic: deny, to allow web.lab.test:443","pos":"--allow #1","reason":"what QUIC asks for is encrypted; a rule that says udp: trusts the address"`},
			{"a rule that says udp", []string{"--allow", "udp:web.lab.test:443"}, pass, "ok", `"rule":"allow udp:web.lab.test:443"`},
			{"for another name", []string{"--allow", "udp:other.lab.test:443", "--allow", "web.lab.test:80"}, stop, "timeout",
				`"reason":"no rule allows one of its names with this protocol and port"`},
			{"the address", []string{"--allow", server4, "--allow", "[" + server6 + "]", "--allow", "web.lab.test:80"}, pass, "ok", `"rule":"allow `},
		} {
			before := seen.Load()
			audit := filepath.Join(l.dir(), "audit")
			if err := os.WriteFile(audit, nil, 0o666); err != nil {
				t.Fatal(err)
			}
			os.Chmod(audit, 0o666)
			r := l.run(u, append([]string{"--dns", dns, "--audit", audit}, c.flags...), "sh", "-c", c.client)
			if got := strings.Join(strings.Fields(r.stdout), " "); got != c.want {
				t.Errorf("%s: %q, want %s\n%s", c.name, got, c.want, r.stderr)
			}
			if got := seen.Load() > before; got != (c.want == "ok") {
				t.Errorf("%s: datagrams got through: %v", c.name, got)
			}
			lines, err := os.ReadFile(audit)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for line := range strings.Lines(string(lines)) {
				found = found || strings.Contains(line, `"event":"send"`) && strings.Contains(line, `:443"`) && strings.Contains(line, c.why)
			}
			if !found {
				t.Errorf("%s: no send in the audit has %s\n%s", c.name, c.why, lines)
			}
		}
	})
}
