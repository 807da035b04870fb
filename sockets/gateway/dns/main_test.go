package dns

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

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
