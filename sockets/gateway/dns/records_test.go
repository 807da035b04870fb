package dns

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

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

// What an answer gives for a name is what the Internet class says of it, or of what its
// CNAMEs lead to, in their order; a TTL with the top bit is none (RFC 2181, 8).
func TestAddresses(t *testing.T) {
	h := func(name string, class dnsmessage.Class, ttl uint32) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: class, TTL: ttl}
	}
	a := func(last byte) *dnsmessage.AResource { return &dnsmessage.AResource{A: [4]byte{192, 0, 2, last}} }
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{Response: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
		Answers: []dnsmessage.Resource{
			{Header: h("b.test.", dnsmessage.ClassINET, 60), Body: a(1)}, // before what leads to it
			{Header: h("A.test.", dnsmessage.ClassINET, 60), Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("B.test.")}},
			{Header: h("b.test.", dnsmessage.ClassINET, 1<<31), Body: a(2)},
			{Header: h("a.test.", dnsmessage.ClassCHAOS, 60), Body: a(3)},
			{Header: h("other.test.", dnsmessage.ClassINET, 60), Body: a(4)},
			{Header: h("b.test.", dnsmessage.ClassINET, 60), Body: a(5)},
		},
		Additionals: []dnsmessage.Resource{{Header: h("a.test.", dnsmessage.ClassINET, 60), Body: a(6)}},
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for ip, ttl := range Addresses(b, "a.test") {
		got += fmt.Sprintf("%v %v;", ip, ttl)
	}
	if want := "192.0.2.2 0s;192.0.2.5 1m0s;"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
