package dns

import (
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
