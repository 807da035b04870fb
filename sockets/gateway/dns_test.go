package gateway

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

func TestMain(m *testing.M) { providertest.Main(m) }

var (
	guest   = netip.MustParseAddrPort("10.0.2.100:40000")
	service = netip.MustParseAddrPort("10.0.2.3:53")
)

// only allows lookups of names under a suffix.
type only struct{ suffix string }

func (o only) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

func (o only) Decide(f provider.Facts, op provider.Op) provider.Verdict {
	if slices.ContainsFunc(f.Names, func(n string) bool { return strings.HasSuffix(n, o.suffix) }) {
		return provider.Verdict{Action: provider.Allow}
	}
	return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}
}

func (only) OnFailure() provider.OnFailure { return provider.FailClosed }

func newTestGateway(t testing.TB, layer provider.Layer, cfg Config) *Gateway {
	t.Helper()
	cat := new(provider.Catalog)
	ids, err := cat.InstallBase("scripted", new(providertest.Base))
	if err != nil {
		t.Fatal(err)
	}
	if layer != nil {
		l, err := cat.InstallLayer("layer", layer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cat.InstallChain("chain", []provider.CatalogID{l}, ids...); err != nil {
			t.Fatal(err)
		}
	}
	cfg.Session, err = sockets.Startup(sockets.Config{Catalog: cat})
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Close()
		if err := cfg.Session.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// upstream is a name server on loopback, UDP and TCP on one port; answer gets
// the query and returns what is sent back, each in a datagram or message.
func upstream(t testing.TB, answer func(q dnsmessage.Message) []dnsmessage.Message) netip.AddrPort {
	t.Helper()
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
			for _, m := range answer(q) {
				if p, err := m.Pack(); err == nil {
					pc.WriteTo(p, from)
				}
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

func reply(q dnsmessage.Message, ip string, ttl uint32) dnsmessage.Message {
	m := dnsmessage.Message{Header: q.Header, Questions: q.Questions}
	m.Response = true
	h := dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: ttl}
	a := netip.MustParseAddr(ip)
	if a.Is4() {
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: a.As4()}}}
	} else {
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}}}
	}
	return m
}

func query(t testing.TB, name string, typ dnsmessage.Type) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unpack(t *testing.T, b []byte) (m dnsmessage.Message) {
	t.Helper()
	if err := m.Unpack(b); err != nil {
		t.Fatalf("the answer %x: %v", b, err)
	}
	return m
}

func TestDNSForwardsAndRemembers(t *testing.T) {
	up := upstream(t, func(q dnsmessage.Message) []dnsmessage.Message {
		if q.Questions[0].Type == dnsmessage.TypeAAAA {
			return []dnsmessage.Message{reply(q, "2001:db8::7", 60)}
		}
		return []dnsmessage.Message{reply(q, "192.0.2.7", 60)}
	})
	g := newTestGateway(t, only{".example.test"}, Config{DNS: DNS{Upstreams: []netip.AddrPort{up}}})
	m := unpack(t, g.dns.answer(context.Background(), query(t, "WWW.Example.Test.", dnsmessage.TypeA), "udp", guest, service))
	if m.RCode != dnsmessage.RCodeSuccess || len(m.Answers) != 1 || m.ID != 4711 {
		t.Fatalf("answer %+v", m)
	}
	if got := g.names.NamesOf(netip.MustParseAddr("192.0.2.7")); !slices.Equal(got, []string{"www.example.test"}) {
		t.Errorf("names kept: %v", got)
	}
	g.dns.answer(context.Background(), query(t, "www.example.test.", dnsmessage.TypeAAAA), "udp", guest, service)
	if got := g.names.NamesOf(netip.MustParseAddr("2001:db8::7")); !slices.Equal(got, []string{"www.example.test"}) {
		t.Errorf("names kept: %v", got)
	}
}

func TestDNSDenied(t *testing.T) {
	var asked atomic.Int32
	up := upstream(t, func(q dnsmessage.Message) []dnsmessage.Message { asked.Add(1); return nil })
	g := newTestGateway(t, only{".example.test"}, Config{DNS: DNS{Upstreams: []netip.AddrPort{up}}})
	m := unpack(t, g.dns.answer(context.Background(), query(t, "evil.test.", dnsmessage.TypeA), "udp", guest, service))
	if m.RCode != dnsmessage.RCodeNameError || len(m.Questions) != 1 {
		t.Errorf("answer %+v, want NXDOMAIN", m)
	}
	if asked.Load() != 0 || g.DNSDenied.Load() != 1 {
		t.Error("a denied name left the machine")
	}
}

// A name that a CNAME leads over is not kept: who answers for one name could
// lend an address of theirs the name of somebody a rule allows.
func TestDNSKeepsOnlyTheNameAsked(t *testing.T) {
	up := upstream(t, func(q dnsmessage.Message) []dnsmessage.Message {
		m := reply(q, "192.0.2.66", 60)
		m.Answers[0].Header.Name = dnsmessage.MustNewName("bank.test.")
		m.Answers = append([]dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("bank.test.")},
		}}, m.Answers...)
		return []dnsmessage.Message{m}
	})
	g := newTestGateway(t, nil, Config{DNS: DNS{Upstreams: []netip.AddrPort{up}}})
	g.dns.answer(context.Background(), query(t, "evil.test.", dnsmessage.TypeA), "udp", guest, service)
	if got := g.names.NamesOf(netip.MustParseAddr("192.0.2.66")); !slices.Equal(got, []string{"evil.test"}) {
		t.Errorf("names kept: %v", got)
	}
}

// Nothing goes out that was not looked at.
func TestDNSOnlyTheQuestionGoesOut(t *testing.T) {
	got := make(chan dnsmessage.Message, 8)
	up := upstream(t, func(q dnsmessage.Message) []dnsmessage.Message {
		got <- q
		return []dnsmessage.Message{reply(q, "192.0.2.7", 60)}
	})
	g := newTestGateway(t, only{".example.test"}, Config{DNS: DNS{Upstreams: []netip.AddrPort{up}}})
	two := dnsmessage.Message{Header: dnsmessage.Header{ID: 1}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName("a.example.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
		{Name: dnsmessage.MustNewName("secret.evil.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
	}}
	update := dnsmessage.Message{Header: dnsmessage.Header{ID: 1, OpCode: 5}, Questions: two.Questions[:1]}
	for want, m := range map[dnsmessage.RCode]dnsmessage.Message{dnsmessage.RCodeFormatError: two, dnsmessage.RCodeNotImplemented: update} {
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if a := unpack(t, g.dns.answer(context.Background(), b, "udp", guest, service)); a.RCode != want {
			t.Errorf("answered with %v, want %v", a.RCode, want)
		}
	}
	if len(got) != 0 {
		t.Fatalf("%+v went out", <-got)
	}
	// Bytes behind the message, and other records than EDNS, stay here.
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 2}, Questions: two.Questions[:1], Additionals: []dnsmessage.Resource{
		{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("."), Class: 4096}, Body: &dnsmessage.OPTResource{}},
		{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("x."), Class: dnsmessage.ClassINET}, Body: &dnsmessage.TXTResource{TXT: []string{"secret"}}},
	}}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	g.dns.answer(context.Background(), append(b, "secret"...), "udp", guest, service)
	if q := <-got; len(q.Questions) != 1 || len(q.Additionals) != 1 || q.Additionals[0].Header.Type != dnsmessage.TypeOPT {
		t.Errorf("%+v went out", q)
	}
}

// A name that its owner points at the host's own addresses opens none of them.
func TestDNSRebinding(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "0.0.0.0", "::1", "10.0.2.2", "169.254.169.254", "64:ff9b::7f00:1"} {
		up := upstream(t, func(q dnsmessage.Message) []dnsmessage.Message { return []dnsmessage.Message{reply(q, ip, 60)} })
		g := newTestGateway(t, only{".example.test"}, Config{HostLoopback: true, Addrs: []netip.Addr{netip.MustParseAddr("10.0.2.2")}, DNS: DNS{Upstreams: []netip.AddrPort{up}}})
		typ := dnsmessage.TypeA
		if netip.MustParseAddr(ip).Is6() {
			typ = dnsmessage.TypeAAAA
		}
		g.dns.answer(context.Background(), query(t, "evil.example.test.", typ), "udp", guest, service)
		if got := g.names.NamesOf(netip.MustParseAddr(ip)); got != nil {
			t.Errorf("%s was given the names %v", ip, got)
		}
	}
}

// Answers that do not fit the query are read over (RFC 5452, 9.1).
func TestDNSForgedAnswers(t *testing.T) {
	up := upstream(t, func(q dnsmessage.Message) []dnsmessage.Message {
		wrongID, wrongName, notAnswer := reply(q, "192.0.2.1", 60), reply(q, "192.0.2.2", 60), reply(q, "192.0.2.3", 60)
		wrongID.ID++
		wrongName.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("other.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
		notAnswer.Response = false
		return []dnsmessage.Message{wrongID, wrongName, notAnswer, reply(q, "192.0.2.4", 60)}
	})
	g := newTestGateway(t, nil, Config{DNS: DNS{Upstreams: []netip.AddrPort{up}}})
	m := unpack(t, g.dns.answer(context.Background(), query(t, "a.test.", dnsmessage.TypeA), "udp", guest, service))
	if a, ok := m.Answers[0].Body.(*dnsmessage.AResource); !ok || a.A != [4]byte{192, 0, 2, 4} {
		t.Errorf("answer %+v", m.Answers)
	}
}

func TestDNSNoUpstream(t *testing.T) {
	dead, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(dead.LocalAddr().String())
	dead.Close() // connected UDP: refused at once, no time-out
	g := newTestGateway(t, nil, Config{DNS: DNS{Upstreams: []netip.AddrPort{addr}}})
	m := unpack(t, g.dns.answer(context.Background(), query(t, "a.test.", dnsmessage.TypeA), "udp", guest, service))
	if m.RCode != dnsmessage.RCodeServerFailure || g.DNSFailed.Load() != 1 {
		t.Errorf("answer %+v, want SERVFAIL", m)
	}
}

func TestDNSMalformed(t *testing.T) {
	g := newTestGateway(t, nil, Config{})
	for _, q := range [][]byte{nil, {1}, make([]byte, 11), {0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0}} {
		if a := g.dns.answer(context.Background(), q, "udp", guest, service); a != nil {
			t.Errorf("%x was answered with %x", q, a)
		}
	}
	// A header that promises a question that is not there: FORMERR, as RFC 1035 has it.
	m := unpack(t, g.dns.answer(context.Background(), []byte{0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, "udp", guest, service))
	if m.RCode != dnsmessage.RCodeFormatError || m.ID != 9 {
		t.Errorf("answer %+v, want FORMERR", m)
	}
}

func TestCloseEndsQueries(t *testing.T) {
	up := upstream(t, func(dnsmessage.Message) []dnsmessage.Message { return nil }) // never answers
	g := newTestGateway(t, nil, Config{DNS: DNS{Upstreams: []netip.AddrPort{up}}})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	began := make(chan struct{})
	go func() {
		close(began)
		g.dns.answer(context.Background(), query(t, "a.test.", dnsmessage.TypeA), "udp", guest, service)
		cancel()
	}()
	<-began
	g.Close()
	<-ctx.Done()
	if ctx.Err() == context.DeadlineExceeded {
		t.Error("a query outlived Close")
	}
}

func FuzzDNS(f *testing.F) {
	f.Add(query(f, "www.example.test.", dnsmessage.TypeA))
	f.Add(query(f, "a.test.", dnsmessage.TypeAAAA))
	f.Add([]byte{0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	m := reply(dnsmessage.Message{Header: dnsmessage.Header{ID: 1}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}, "192.0.2.1", 1)
	packed, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	g := newTestGateway(f, only{".example.test"}, Config{})
	f.Fuzz(func(t *testing.T, b []byte) {
		// As a query: an answer is a response with the query's id, or nothing.
		if a := g.dns.answer(context.Background(), b, "udp", guest, service); a != nil {
			if len(a) < 12 || a[0] != b[0] || a[1] != b[1] || a[2]&0x80 == 0 {
				t.Errorf("query %x was answered with %x", b, a)
			}
		}
		// As an answer: nothing but what was asked for is learnt, within bounds.
		g.dns.learn(b, "asked.test")
		for ip, all := range g.names.byAddr {
			for _, n := range all.list {
				if n != "asked.test" {
					t.Errorf("%v was given the name %q", ip, n)
				}
			}
			if closed(ip) {
				t.Errorf("%v, the host's own, was given a name", ip)
			}
		}
		if len(g.names.ends) > g.cfg.Limits.Names {
			t.Error("more names are kept than Limits.Names")
		}
	})
}
