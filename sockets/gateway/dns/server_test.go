package dns

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

// answering makes what a server sends back for a query, each in a message.
type answering func(q dnsmessage.Message, network string) []dnsmessage.Message

func (a answering) bytes(query []byte, network string) (all [][]byte) {
	var q dnsmessage.Message
	if q.Unpack(query) != nil {
		return nil
	}
	for _, m := range a(q, network) {
		if b, err := m.Pack(); err == nil {
			all = append(all, b)
		}
	}
	return all
}

// serve answers on a port of loopback, by UDP and TCP, until the test ends.
func serve(t testing.TB, a answering) netip.AddrPort {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil { // somebody has that port
			l.Close()
			continue
		}
		var wg sync.WaitGroup
		wg.Go(func() { serveUDP(pc, a) })
		wg.Go(func() { serveStreams(l, a) })
		t.Cleanup(func() { l.Close(); pc.Close(); wg.Wait() })
		return netip.MustParseAddrPort(l.Addr().String())
	}
}

func serveUDP(pc net.PacketConn, a answering) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := pc.ReadFrom(b)
		if err != nil {
			return
		}
		for _, m := range a.bytes(b[:n], "udp") {
			pc.WriteTo(m, from)
		}
	}
}

// serveStreams serves a listener and closes every connection at its end.
func serveStreams(l net.Listener, a answering) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	open := map[net.Conn]bool{}
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		mu.Lock()
		open[c] = true
		mu.Unlock()
		wg.Go(func() {
			defer c.Close()
			var size [2]byte
			for {
				if _, err := io.ReadFull(c, size[:]); err != nil {
					return
				}
				b := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				for _, m := range a.bytes(b, "tcp") {
					c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
				}
			}
		})
	}
	mu.Lock()
	for c := range open {
		c.Close()
	}
	mu.Unlock()
	wg.Wait()
}

// certified is a certificate of a CA of the test, for a name, and that CA.
func certified(t testing.TB, name string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf}}}, roots
}

func replying(ip string, ttl uint32) answering {
	return func(q dnsmessage.Message, _ string) []dnsmessage.Message {
		return []dnsmessage.Message{reply(q, ip, ttl)}
	}
}

func reply(q dnsmessage.Message, ip string, ttl uint32) dnsmessage.Message {
	m := dnsmessage.Message{Header: q.Header, Questions: q.Questions}
	m.Response = true
	h := dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: ttl}
	if a := netip.MustParseAddr(ip); a.Is4() {
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: a.As4()}}}
	} else {
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}}}
	}
	return m
}

func ask(name string, typ dnsmessage.Type) []byte {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// withEDNS adds an OPT to a query: size, DO, version, and an option nobody knows.
func withEDNS(b []byte, size int, do bool, version byte) []byte {
	b = bytes.Clone(b)
	b[11]++
	flag := byte(0)
	if do {
		flag = 0x80
	}
	return append(b, 0, 0, 41, byte(size>>8), byte(size), 0, version, flag, 0, 0, 7, 0xfd, 0xe9, 0, 3, 'a', 'b', 'c')
}

func start(t testing.TB, c Config) *Resolver {
	t.Helper()
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func upstreams(t testing.TB, all ...string) (us []Upstream) {
	t.Helper()
	for _, s := range all {
		u, err := ParseUpstream(s)
		if err != nil {
			t.Fatal(err)
		}
		us = append(us, u)
	}
	return us
}

// resolve is a whole exchange; the code is SERVFAIL if there is no answer.
func resolve(t testing.TB, r *Resolver, query []byte, udp bool) (m dnsmessage.Message) {
	t.Helper()
	q, code := ParseQuery(query)
	if code != dnsmessage.RCodeSuccess {
		t.Fatalf("the query %x: %v", query, code)
	}
	reply := q.Failure(dnsmessage.RCodeServerFailure)
	if answer, err := r.Resolve(t.Context(), q); err == nil {
		reply = q.Reply(answer, udp)
	}
	if err := m.Unpack(reply); err != nil {
		t.Fatalf("the answer %x: %v", reply, err)
	}
	if m.ID != 4711 || !m.Response {
		t.Errorf("the answer has id %d, response %v", m.ID, m.Response)
	}
	return m
}

func address(m dnsmessage.Message) string {
	if len(m.Answers) == 0 {
		return m.RCode.String()
	}
	b, err := m.Pack()
	if err != nil {
		return err.Error()
	}
	for a := range Addresses(b, canonical(m.Questions[0].Name)) {
		return a.String()
	}
	return "no address"
}

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
	var asked atomic.Int32
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
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
		w.Write(replying("192.0.2.3", 60).bytes(b, "https")[0])
	}))
	web.TLS, web.EnableHTTP2, web.Config.ErrorLog = secret, true, log.New(io.Discard, "", 0)
	web.StartTLS()
	t.Cleanup(web.Close)
	secure, https := l.Addr().String(), web.Listener.Addr().String()
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

// What does not fit a datagram is fetched by TCP, and given as the program can take it.
func TestTruncation(t *testing.T) {
	var byTCP atomic.Int32
	up := serve(t, func(q dnsmessage.Message, network string) []dnsmessage.Message {
		m := reply(q, "192.0.2.1", 60)
		if network == "udp" {
			m.Truncated, m.Answers = true, nil
			return []dnsmessage.Message{m}
		}
		byTCP.Add(1)
		for i := range 99 { // 16 bytes each
			more := m.Answers[0]
			more.Body = &dnsmessage.AResource{A: [4]byte{192, 0, 2, byte(i + 2)}}
			m.Answers = append(m.Answers, more)
		}
		return []dnsmessage.Message{m}
	})
	r := start(t, Config{Upstreams: []Upstream{At(up)}})
	query := ask("a.test.", dnsmessage.TypeA)
	for _, c := range []struct {
		name  string
		query []byte
		udp   bool
		whole bool
	}{
		{"no EDNS", query, true, false},
		{"EDNS 1232", withEDNS(query, 1232, false, 0), true, false},
		{"EDNS 4096", withEDNS(query, 4096, false, 0), true, true},
		{"EDNS 0 is 512", withEDNS(query, 0, false, 0), true, false},
		{"TCP", query, false, true},
	} {
		m := resolve(t, r, c.query, c.udp)
		if c.whole != (len(m.Answers) == 100) || c.whole == m.Truncated {
			t.Errorf("%s: %d records, TC %v", c.name, len(m.Answers), m.Truncated)
		}
		if edns := len(m.Additionals) == 1; edns != (len(c.query) > len(query)) {
			t.Errorf("%s: an OPT in the answer: %v", c.name, edns)
		}
	}
	if byTCP.Load() != 1 {
		t.Errorf("asked %d times by TCP, want 1: the answer is kept", byTCP.Load())
	}
}

// EDNS is between us and each side (RFC 6891).
func TestEDNS(t *testing.T) {
	got := make(chan dnsmessage.Message, 8)
	up := serve(t, func(q dnsmessage.Message, _ string) []dnsmessage.Message {
		got <- q
		m := reply(q, "192.0.2.1", 60)
		if q.Questions[0].Name.String() == "old.test." && len(q.Additionals) > 0 {
			m.Questions, m.Answers, m.RCode = nil, nil, dnsmessage.RCodeFormatError
		}
		return []dnsmessage.Message{m}
	})
	r := start(t, Config{Upstreams: []Upstream{At(up)}, Cache: -1})
	for _, do := range []bool{true, false} {
		m := resolve(t, r, withEDNS(ask("A.test.", dnsmessage.TypeA), 4096, do, 0), true)
		q := <-got
		if len(q.Additionals) != 1 || q.Additionals[0].Header.DNSSECAllowed() != do ||
			len(q.Additionals[0].Body.(*dnsmessage.OPTResource).Options) != 0 || q.Additionals[0].Header.Class != ourPayload {
			t.Errorf("DO %v: went out with %+v", do, q.Additionals)
		}
		if q.Questions[0].Name.String() != "a.test." || m.Questions[0].Name.String() != "A.test." {
			t.Errorf("%v went out, %v came back", q.Questions[0].Name, m.Questions[0].Name)
		}
		if len(m.Additionals) != 1 || m.Additionals[0].Header.DNSSECAllowed() != do {
			t.Errorf("DO %v: answered with %+v", do, m.Additionals)
		}
	}
	if m := resolve(t, r, ask("old.test.", dnsmessage.TypeA), true); address(m) != "192.0.2.1" {
		t.Errorf("a server without EDNS: %v", m)
	}
	q, code := ParseQuery(withEDNS(ask("a.test.", dnsmessage.TypeA), 4096, false, 1))
	var m dnsmessage.Message
	if err := m.Unpack(q.Failure(code)); code != RCodeBadVersion || err != nil || m.RCode != 0 ||
		len(m.Additionals) != 1 || m.Additionals[0].Header.ExtendedRCode(m.RCode) != RCodeBadVersion {
		t.Errorf("another version: %v, %+v, %v", code, m, err)
	}
	twice := withEDNS(withEDNS(ask("a.test.", dnsmessage.TypeA), 4096, false, 0), 4096, false, 0)
	if _, code := ParseQuery(twice); code != dnsmessage.RCodeFormatError {
		t.Errorf("two OPTs: %v", code)
	}
	if _, code := ParseQuery(ask("a.test.", 252)); code != dnsmessage.RCodeRefused {
		t.Errorf("AXFR: %v", code)
	}
}

// Ids and ports are not to be guessed, and answers to something else not believed.
func TestForgery(t *testing.T) {
	var mu sync.Mutex
	ids, ports := map[uint16]bool{}, map[string]bool{}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			var q dnsmessage.Message
			if q.Unpack(b[:n]) != nil {
				continue
			}
			mu.Lock()
			ids[q.ID], ports[from.String()] = true, true
			mu.Unlock()
			id, name, typ, query, op := reply(q, "192.0.2.1", 60), reply(q, "192.0.2.2", 60), reply(q, "192.0.2.3", 60), reply(q, "192.0.2.4", 60), reply(q, "192.0.2.5", 60)
			id.ID++
			name.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("b.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
			typ.Questions = []dnsmessage.Question{{Name: q.Questions[0].Name, Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET}}
			query.Response = false
			op.OpCode = 5
			for _, m := range []dnsmessage.Message{id, name, typ, query, op, reply(q, "192.0.2.6", 60)} {
				p, _ := m.Pack()
				pc.WriteTo(p, from)
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	r := start(t, Config{Upstreams: upstreams(t, pc.LocalAddr().String()), Cache: -1})
	const n = 50
	for range n {
		if got := address(resolve(t, r, ask("a.test.", dnsmessage.TypeA), true)); got != "192.0.2.6" {
			t.Fatal(got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	// 50 of 65536: a collision or two are rare, ten do not happen.
	if len(ids) < n-10 || len(ports) < n/2 || ids[4711] && len(ids) == 1 {
		t.Errorf("%d ids and %d ports of %d queries", len(ids), len(ports), n)
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

// The program's patience ends a query, and so does Close.
func TestSilence(t *testing.T) {
	asked := make(chan struct{}, 8)
	up := serve(t, func(dnsmessage.Message, string) []dnsmessage.Message { asked <- struct{}{}; return nil })
	r := start(t, Config{Upstreams: []Upstream{At(up)}})
	q, _ := ParseQuery(ask("a.test.", dnsmessage.TypeA))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { _, err := r.Resolve(ctx, q); done <- err }()
	<-asked
	// A second who asks the same waits for the first, and asks when that has gone.
	other := make(chan error, 1)
	go func() { _, err := r.Resolve(t.Context(), q); other <- err }()
	for r.Shared.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("an answer from nobody")
	}
	<-asked
	r.Close()
	if err := <-other; err == nil {
		t.Error("an answer after Close")
	}
	if _, err := r.Resolve(t.Context(), q); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
	if r.Silent.Load() == 0 {
		t.Error("silence was not counted")
	}
}

// The same question in flight is asked once.
func TestSharing(t *testing.T) {
	release := make(chan struct{})
	var asked atomic.Int32
	up := serve(t, func(q dnsmessage.Message, _ string) []dnsmessage.Message {
		asked.Add(1)
		<-release
		return []dnsmessage.Message{reply(q, "192.0.2.1", 0)}
	})
	r := start(t, Config{Upstreams: []Upstream{At(up)}})
	var wg sync.WaitGroup
	const n = 20
	for i := range n {
		wg.Go(func() {
			name := []string{"a.test.", "A.TEST."}[i%2]
			if m := resolve(t, r, ask(name, dnsmessage.TypeA), true); len(m.Answers) != 1 || m.Questions[0].Name.String() != name {
				t.Errorf("%s: %v", name, m)
			}
		})
	}
	for r.Shared.Load() != n-1 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	wg.Wait()
	if asked.Load() != 1 {
		t.Errorf("%d queries went out for one question", asked.Load())
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

// Records of every type pass as they are, HTTPS with ECH and one that nobody knows.
func TestEveryType(t *testing.T) {
	ech := &dnsmessage.HTTPSResource{SVCBResource: dnsmessage.SVCBResource{Priority: 1, Target: dnsmessage.MustNewName("."), Params: []dnsmessage.SVCParam{
		{Key: dnsmessage.SVCParamALPN, Value: []byte("\x02h2")}, {Key: dnsmessage.SVCParamIPv4Hint, Value: []byte{192, 0, 2, 9}}, {Key: dnsmessage.SVCParamECH, Value: []byte("secret")},
	}}}
	bodies := map[dnsmessage.Type]dnsmessage.ResourceBody{
		dnsmessage.TypeHTTPS: ech,
		65281:                &dnsmessage.UnknownResource{Type: 65281, Data: []byte{0xc0, 0x0c, 0xff}},
		dnsmessage.TypeTXT:   &dnsmessage.TXTResource{TXT: []string{"a", "b"}},
	}
	up := serve(t, func(q dnsmessage.Message, _ string) []dnsmessage.Message {
		m := reply(q, "192.0.2.1", 60)
		m.Answers[0].Body = bodies[q.Questions[0].Type]
		return []dnsmessage.Message{m}
	})
	r := start(t, Config{Upstreams: []Upstream{At(up)}})
	for typ, body := range bodies {
		for range 2 { // from the server, from the cache
			m := resolve(t, r, ask("a.test.", typ), true)
			if len(m.Answers) != 1 || m.Answers[0].Header.Type != typ || m.Answers[0].Body.GoString() != body.GoString() {
				t.Errorf("%v: %+v", typ, m.Answers)
			}
		}
	}
	if got := address(resolve(t, r, ask("a.test.", dnsmessage.TypeHTTPS), true)); got != "192.0.2.9" {
		t.Errorf("the hint: %s", got)
	}
	names := []string{TypeName(dnsmessage.TypeHTTPS), TypeName(65281), TypeName(dnsmessage.TypeAAAA)}
	if !slices.Equal(names, []string{"HTTPS", "TYPE65281", "AAAA"}) {
		t.Errorf("called %q", names)
	}
}

// Where IPv6 leads nowhere a name has no IPv6 address, but exists if it does.
func TestNoIPv6(t *testing.T) {
	up := serve(t, func(q dnsmessage.Message, _ string) []dnsmessage.Message {
		m := reply(q, "2001:db8::1", 60)
		if q.Questions[0].Name.String() == "none.test." {
			m.Answers, m.RCode = nil, dnsmessage.RCodeNameError
		}
		return []dnsmessage.Message{m}
	})
	var none atomic.Bool
	r := start(t, Config{Upstreams: []Upstream{At(up)}, NoIPv6: none.Load})
	for _, c := range []struct {
		none bool
		name string
		want string
	}{
		{false, "a.test.", "2001:db8::1"}, {true, "a.test.", "RCodeSuccess"}, {false, "a.test.", "2001:db8::1"},
		{true, "none.test.", "RCodeNameError"}, {true, "localhost.", "::1"},
	} {
		none.Store(c.none)
		if got := address(resolve(t, r, ask(c.name, dnsmessage.TypeAAAA), true)); got != c.want {
			t.Errorf("%s, no IPv6 %v: %s, want %s", c.name, c.none, got, c.want)
		}
	}
}
