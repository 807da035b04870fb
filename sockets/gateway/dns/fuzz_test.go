package dns

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Whatever a server sends: what is taken is whole, is for the question that was
// asked, and can be kept, counted down and sent to the program.
func FuzzAnswer(f *testing.F) {
	query := ask("a.test.", dnsmessage.TypeA)
	q, _ := ParseQuery(withEDNS(query, 1232, true, 0))
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		f.Fatal(err)
	}
	a := reply(m, "192.0.2.1", 60)
	a.Authorities = []dnsmessage.Resource{soa(60, 60)}
	packed, err := a.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(withEDNS(packed, 4096, true, 0))
	f.Add(packed[:len(packed)-1])
	f.Add(q.Failure(dnsmessage.RCodeFormatError))
	out := q.key().packed(4711, true)
	f.Fuzz(func(t *testing.T, b []byte) {
		msg, _, _, err := plain(bytes.Clone(b), out)
		if err != nil || word(msg, 4) == 0 {
			return
		}
		for r, err := range records(msg) {
			if err != nil || r.typ == dnsmessage.TypeOPT && r.section == 3 {
				t.Fatalf("%x: %v, type %v", msg, err, r.typ)
			}
		}
		if life := lifeOf(msg, q.key()); life < 0 || life > 1<<31*time.Second {
			t.Errorf("life %v", life)
		}
		for range Addresses(msg, q.Name) {
		}
		n := len(msg)
		age(msg, 30)
		if len(withoutAAAA(msg)) > n {
			t.Error("it has grown")
		}
		for _, udp := range []bool{true, false} {
			reply := q.Reply(msg, udp)
			if udp && len(reply) > q.payload {
				t.Errorf("%d bytes by UDP", len(reply))
			}
			if word(reply, 0) != 4711 || !bytes.HasPrefix(reply[headerLen:], q.question) {
				t.Errorf("%x answers %x", reply, q.question)
			}
			last := record{}
			for r, err := range records(reply) {
				if err != nil {
					t.Fatalf("%x: %v", reply, err)
				}
				last = r
			}
			if last.typ != dnsmessage.TypeOPT || last.end != len(reply) {
				t.Errorf("%x: does not end with an OPT", reply)
			}
		}
	})
}

func FuzzParseUpstream(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "[2001:db8::1]:5353", "tls://192.0.2.1#dns.example", "https://dns.example/dns-query", "system", "off", "fe80::1%lo"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseUpstream(s)
		if err != nil {
			return
		}
		if again, err := ParseUpstream(u.String()); err != nil || again != u {
			t.Errorf("%q is %v, again %v, %v", s, u, again, err)
		}
	})
}

func FuzzHosts(f *testing.F) {
	f.Add("127.0.0.1 localhost\n192.0.2.1 a.test b # c\n", "nameserver 192.0.2.1\nsearch a\n")
	f.Fuzz(func(t *testing.T, hosts, resolv string) {
		for name, h := range parseHosts(hosts) {
			if len(h.addrs) == 0 && len(h.names) == 0 {
				t.Errorf("%q has nothing", name)
			}
			typ := dnsmessage.TypeA
			q, code := ParseQuery(ask(name+".", typ))
			if code != dnsmessage.RCodeSuccess {
				t.Fatalf("%q cannot be asked for: %v", name, code)
			}
			b, err := h.answer(q)
			if err != nil {
				t.Fatal(err)
			}
			var got []netip.Addr
			for a := range Addresses(b, name) {
				got = append(got, a)
			}
			if want := slices.DeleteFunc(slices.Clone(h.addrs), netip.Addr.Is6); !slices.Equal(got, want) {
				t.Errorf("%q: %v, want %v", name, got, want)
			}
		}
		for _, s := range ParseResolvConf(resolv).Servers {
			if u := At(s); u.String() == "" || u == System {
				t.Errorf("%v", s)
			}
		}
	})
}
