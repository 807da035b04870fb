package dns

import (
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

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
