package dns

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Each kind of server, and those that are not what they should be.
func TestKindsOfServers(t *testing.T) {
	var connections atomic.Int32
	plain := serve(t, replying("192.0.2.1", 60)).String()
	secret, roots := certified(t, "dns.test")
	l, err := tls.Listen("tcp", "127.0.0.1:0", secret)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serveStreams(counted{l, &connections}, replying("192.0.2.2", 60))
	}()
	t.Cleanup(func() { l.Close(); <-done })
	secure, https := l.Addr().String(), serveHTTPS(t, secret, replying("192.0.2.3", 60))
	for _, c := range []struct{ server, want string }{
		{plain, "192.0.2.1"},
		{"udp://" + plain, "192.0.2.1"},
		{"tcp://" + plain, "192.0.2.1"},
		{"tls://" + secure + "#dns.test", "192.0.2.2"},
		{"tls://" + secure + "#other.test", "RCodeServerFailure"},
		{"tls://" + secure, "RCodeServerFailure"}, // the certificate is not for the address
		{"https://" + https + "/dns-query#dns.test", "192.0.2.3"},
		{"https://" + https + "/dns-query#other.test", "RCodeServerFailure"},
		{"https://" + https + "/elsewhere#dns.test", "RCodeServerFailure"},
	} {
		r := start(t, Config{Upstreams: upstreams(t, c.server), RootCAs: roots, Cache: -1})
		before := connections.Load()
		for range 3 {
			m := resolve(t, r, ask("a.test.", dnsmessage.TypeA), true)
			if got := address(m); got != c.want {
				t.Errorf("%s: %s, want %s", c.server, got, c.want)
			}
			if c.want == "192.0.2.3" && len(m.Answers) == 1 && m.Answers[0].Header.TTL != 40 {
				t.Errorf("%s: TTL %d of an answer that is 20 s old, want 40", c.server, m.Answers[0].Header.TTL)
			}
			if c.want[0] == 'R' {
				break
			}
		}
		if n := connections.Load() - before; c.want == "192.0.2.2" && n != 1 {
			t.Errorf("%s: %d connections for 3 queries in turn", c.server, n)
		}
	}
}

// serveHTTPS answers at /dns-query, of what is 20 s old, and sends who asks elsewhere
// there.
func serveHTTPS(t testing.TB, secret *tls.Config, a answering) (addr string) {
	t.Helper()
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/elsewhere":
			http.Redirect(w, r, "/dns-query", http.StatusTemporaryRedirect)
			return
		case r.URL.Path != "/dns-query" || r.Host == "" || r.Header.Get("Content-Type") != dnsMessage || word(b, 0) != 0:
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", dnsMessage)
		w.Header().Set("Age", "20")
		w.Write(a.bytes(b, "https")[0])
	}))
	web.TLS, web.EnableHTTP2, web.Config.ErrorLog = secret, true, log.New(io.Discard, "", 0)
	web.StartTLS()
	t.Cleanup(web.Close)
	return web.Listener.Addr().String()
}

type counted struct {
	net.Listener
	n *atomic.Int32
}

func (c counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return conn, err
}

// A connection that the server has closed meanwhile costs nothing but another.
func TestServerClosesIdle(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{}, 8)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 512)
			n, _ := c.Read(b)
			if m := replying("192.0.2.1", 60).bytes(b[2:max(n, 2)], "tcp"); len(m) > 0 {
				c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m[0]))), m[0]...))
			}
			c.Close()
			closed <- struct{}{}
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	r := start(t, Config{Upstreams: upstreams(t, "tcp://"+l.Addr().String()), Cache: -1})
	for range 3 {
		if got := address(resolve(t, r, ask("a.test.", dnsmessage.TypeA), false)); got != "192.0.2.1" {
			t.Fatal(got)
		}
		<-closed
	}
}

// One that does not answer is asked after the others until it has rested, and one
// that fails leaves it to the next.
func TestServersInTurn(t *testing.T) {
	var broken, good atomic.Int32
	dead, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := dead.LocalAddr().String()
	dead.Close() // refused at once
	a := serve(t, func(q dnsmessage.Message, _ string) []dnsmessage.Message {
		broken.Add(1)
		m := reply(q, "192.0.2.1", 60)
		m.RCode, m.Answers = dnsmessage.RCodeServerFailure, nil
		return []dnsmessage.Message{m}
	})
	b := serve(t, func(q dnsmessage.Message, _ string) []dnsmessage.Message {
		good.Add(1)
		return []dnsmessage.Message{reply(q, "192.0.2.2", 60)}
	})
	c := newClock()
	r := start(t, Config{Upstreams: upstreams(t, gone, a.String(), b.String()), Cache: -1, Now: c.now})
	query := ask("a.test.", dnsmessage.TypeA)
	for range 3 {
		if got := address(resolve(t, r, query, true)); got != "192.0.2.2" {
			t.Fatal(got)
		}
	}
	if r.Silent.Load() != 1 || broken.Load() != 3 || good.Load() != 3 {
		t.Errorf("the dead one was asked %d times, the broken one %d, the good one %d", r.Silent.Load(), broken.Load(), good.Load())
	}
	c.step(firstRest)
	resolve(t, r, query, true)
	if r.Silent.Load() != 2 {
		t.Errorf("after its rest the dead one was asked %d times, want 2", r.Silent.Load())
	}
	c.step(firstRest) // it rests twice as long now
	resolve(t, r, query, true)
	if r.Silent.Load() != 2 {
		t.Error("its second rest is as short as the first")
	}
	only := start(t, Config{Upstreams: upstreams(t, a.String(), a.String())})
	if m := resolve(t, only, query, true); m.RCode != dnsmessage.RCodeServerFailure {
		t.Errorf("all fail: %v", m.RCode)
	}
	if none := start(t, Config{}); resolve(t, none, query, true).RCode != dnsmessage.RCodeServerFailure {
		t.Error("without servers there is an answer")
	}
}

// The longest zone counts, label by label.
func TestZones(t *testing.T) {
	at := func(ip string) string { return serve(t, replying(ip, 60)).String() }
	var zones []Zone
	for _, s := range []string{"corp.test=" + at("192.0.2.2"), "Deep.Corp.test.=" + at("192.0.2.3")} {
		z, err := ParseZone(s)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, z)
	}
	r := start(t, Config{Upstreams: upstreams(t, at("192.0.2.1")), Zones: zones})
	for name, want := range map[string]string{
		"a.test.": "192.0.2.1", "corp.test.": "192.0.2.2", "x.y.CORP.test.": "192.0.2.2",
		"deep.corp.test.": "192.0.2.3", "a.deep.corp.test.": "192.0.2.3", "notcorp.test.": "192.0.2.1",
	} {
		if got := address(resolve(t, r, ask(name, dnsmessage.TypeA), true)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
