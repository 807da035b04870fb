package learn_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/learn"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func TestConform(t *testing.T) {
	providertest.ConformLayer(t, func() provider.Layer { return learn.New() })
}

// zone is what a name service has given out, as the gateway remembers it.
type zone map[netip.Addr][]string

func (z zone) NamesOf(a netip.Addr) []string { return z[a] }

// world is a program's network with a learning layer over one that denies.
type world struct {
	t        testing.TB
	layer    *learn.Layer
	zone     zone
	tcp, udp *providertest.Rig
}

func newWorld(t testing.TB, deny ...string) *world {
	rules, err := policy.FromFlags(nil, deny)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, layer: learn.New(), zone: make(zone)}
	w.tcp = providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, w.layer, policy.Layer(rules))
	w.udp = providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, w.layer, policy.Layer(rules))
	return w
}

// lookup is answered with addrs; without any the name exists, but has none.
func (w *world) lookup(name string, addrs ...string) {
	for _, a := range addrs {
		ip := netip.MustParseAddr(a)
		w.zone[ip] = append(w.zone[ip], name)
	}
	w.tcp.Chain.Answered(provider.Facts{Origin: w.origin(), Names: []string{name}})
}

func (w *world) origin() *provider.Origin { return &provider.Origin{UID: -1, Names: w.zone} }

// connect says hello for a server, "" for none, "-" for no hello.
func (w *world) connect(to, server string) {
	s := w.open(w.tcp)
	w.tcp.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: provider.AddrFrom(netip.MustParseAddrPort(to))})
	if server != "-" {
		learned := provider.Learned{Hello: true, SNI: server}
		s.Learn(func(provider.Learned) provider.Learned { return learned })
		f := provider.FactsOf(s, provider.AddrFrom(netip.MustParseAddrPort(to)))
		s.Judge(f, provider.OpSNI)
	}
	w.tcp.Chain.Table.WSPCloseSocket(s, provider.CloseLinger)
}

func (w *world) open(rig *providertest.Rig) *provider.Socket {
	q := rig.Request()
	q.Origin = w.origin()
	s, e := rig.Chain.Table.WSPSocket(q)
	if e != 0 {
		w.t.Fatal(e)
	}
	s.Type, s.Protocol = wsa.SOCK_STREAM, wsa.IPPROTO_TCP
	if rig == w.udp {
		s.Type, s.Protocol = wsa.SOCK_DGRAM, wsa.IPPROTO_UDP
	}
	return s
}

func (w *world) send(protocol int32, to ...string) {
	s := w.open(w.udp)
	s.Protocol = protocol
	for _, a := range to {
		m := &provider.Msg{Buffers: [][]byte{{1}}, Addr: provider.AddrFrom(netip.MustParseAddrPort(a))}
		w.udp.Chain.Table.WSPSendTo(s, m)
	}
	w.udp.Chain.Table.WSPCloseSocket(s, provider.CloseLinger)
}

// join is WSPJoinLeaf or, without flags, IP_ADD_MEMBERSHIP, on port 1.
func (w *world) join(group string, flags uint32) {
	s, table := w.open(w.udp), w.udp.Chain.Table
	to := netip.MustParseAddr(group)
	if flags != 0 {
		table.WSPJoinLeaf(s, &provider.JoinRequest{To: provider.AddrFrom(netip.AddrPortFrom(to, 1)), Flags: flags})
	} else {
		table.WSPSetSockOpt(s, wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, append(to.AsSlice(), 0, 0, 0, 0))
	}
	table.WSPCloseSocket(s, provider.CloseLinger)
}

// text is the policy without its first two lines.
func (w *world) text() string {
	w.t.Helper()
	c, err := w.layer.Policy()
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimPrefix(c.Text(), "version: 1\ndefault: deny\n")
}

// exprs are the expressions of the policy, one string a rule.
func (w *world) exprs() (all []string) {
	for line := range strings.Lines(w.text()) {
		if x, ok := strings.CutPrefix(strings.TrimSpace(line), "- allow: "); ok {
			all = append(all, strings.NewReplacer(`"`, "").Replace(x))
		}
	}
	return all
}

func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*world)
		want string // rules, by spaces
	}{
		{"nothing", func(*world) {}, ""},
		{"by name", func(w *world) {
			w.lookup("a.example", "192.0.2.1", "2001:db8::1")
			w.connect("192.0.2.1:80", "-")
			w.connect("[2001:db8::1]:443", "-")
			w.connect("192.0.2.1:80", "-")
		}, "[tcp:a.example:80,443]"},
		{"by address", func(w *world) {
			w.connect("192.0.2.1:80", "-")
			w.connect("[2001:db8::1]:80", "-")
			w.connect("[::ffff:192.0.2.1]:81", "-")
		}, "[tcp:192.0.2.1:80,81] [tcp:[2001:db8::1]:80]"},
		{"all protocols", func(w *world) {
			w.lookup("a.example", "192.0.2.1")
			w.send(wsa.IPPROTO_ICMP, "192.0.2.1:0")
			w.send(wsa.IPPROTO_UDP, "192.0.2.1:443", "192.0.2.1:53", "192.0.2.2:53")
			w.connect("192.0.2.1:443", "a.example")
		}, "[tcp:a.example:443, udp:a.example:53,443, icmp:a.example] [udp:192.0.2.2:53]"},
		{"groups", func(w *world) {
			w.join("239.1.1.1", wsa.JL_BOTH)
			w.join("239.1.1.2", 0)
			w.join("239.9.9.9", 0) // denied
		}, "[udp:239.1.1.1:1] [udp:239.1.1.2:1]"},
		{"the name looked up last", func(w *world) {
			w.lookup("a.example", "192.0.2.1")
			w.lookup("b.example", "192.0.2.1")
			w.lookup("a.example")
			w.connect("192.0.2.1:80", "-")
		}, "[tcp:a.example:80] [tcp:b.example:80]"},
		{"the server name rather", func(w *world) {
			w.lookup("a.example", "192.0.2.1")
			w.lookup("b.example", "192.0.2.1")
			w.connect("192.0.2.1:443", "A.example")
		}, "[tcp:a.example:443] [icmp:b.example]"},
		{"a server name that is not the address's", func(w *world) {
			w.lookup("a.example", "192.0.2.1")
			w.connect("192.0.2.1:443", "evil.example")
		}, "[icmp:a.example] [tcp:192.0.2.1:443]"},
		{"a hello without name", func(w *world) {
			w.lookup("a.example", "192.0.2.1")
			w.connect("192.0.2.1:443", "")
		}, "[icmp:a.example] [tcp:192.0.2.1:443]"},
		{"looked up only", func(w *world) { w.lookup("a.example", "192.0.2.1") }, "[icmp:a.example]"},
		{"names that mean more than a name", func(w *world) {
			for _, n := range []string{"*", "*.example", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.1", "a:1-65535", "udp:a", "[::1]", "a,b", "a b", "a\n- b", "", "é.example", strings.Repeat("a.", 200)} {
				w.lookup(n, "192.0.2.1")
			}
			w.connect("192.0.2.1:80", "-")
			w.connect("192.0.2.1:443", "*")
		}, "[tcp:192.0.2.1:80,443]"},
		{"names that are words", func(w *world) {
			w.lookup("private", "192.0.2.1")
			w.connect("192.0.2.1:80", "-")
			w.lookup("udp", "192.0.2.2")
			w.connect("192.0.2.2:80", "-")
		}, "[tcp:private.:80] [tcp:udp.:80]"},
		{"denied", func(w *world) {
			w.lookup("bad.example", "192.0.2.66")
			w.connect("192.0.2.66:80", "-")
			w.connect("198.51.100.1:80", "-")
			w.send(wsa.IPPROTO_UDP, "198.51.100.1:53", "192.0.2.7:53")
			w.lookup("a.example", "192.0.2.1")
			w.connect("192.0.2.1:443", "bad.example")
		}, "[icmp:a.example] [icmp:bad.example] [udp:192.0.2.7:53]"},
		{"a private address", func(w *world) {
			w.lookup("in.example", "10.0.0.1", "192.0.2.1")
			w.lookup("other.example", "10.0.0.1")
			w.connect("10.0.0.1:80", "-")
			w.connect("10.0.0.1:443", "in.example")
		}, "[icmp:in.example] [icmp:other.example] [tcp:10.0.0.1:80,443]"},
		{"a private address behind a translator", func(w *world) {
			w.lookup("in.example", "64:ff9b::a00:1")
			w.lookup("out.example", "64:ff9b::c000:201")
			w.connect("[64:ff9b::a00:1]:80", "-")
			w.connect("[64:ff9b::a00:1]:443", "in.example")
			w.connect("[64:ff9b::c000:201]:80", "-")
		}, "[icmp:in.example] [tcp:out.example:80] [tcp:[64:ff9b::a00:1]:80,443]"},
		{"a name that has ended", func(w *world) {
			w.lookup("a.example", "192.0.2.1")
			clear(w.zone)
			w.connect("192.0.2.1:443", "a.example")
			w.connect("192.0.2.1:80", "-")
		}, "[icmp:a.example] [tcp:192.0.2.1:80,443]"},
		{"port 853 stands alone", func(w *world) {
			for p := 850; p < 857; p++ {
				w.connect(fmt.Sprintf("192.0.2.1:%d", p), "-")
			}
		}, "[tcp:192.0.2.1:850-852,853,854-856]"},
		{"the host", func(w *world) { w.connect("127.0.0.1:80", "-") }, "[tcp:127.0.0.1:80]"},
		{"port 0", func(w *world) { w.connect("192.0.2.1:0", "-") }, ""},
		{"ports in a row", func(w *world) {
			for _, p := range []int{9, 7, 8, 1, 2, 65535, 65534, 65533, 20, 22} {
				w.connect(fmt.Sprintf("192.0.2.1:%d", p), "-")
			}
		}, "[tcp:192.0.2.1:1,2,7-9,20,22,65533-65535]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "bad.example:80", "tcp:bad.example:443", "198.51.100.0/24", "239.9.9.9")
			c.do(w)
			got := strings.Join(w.exprs(), " ")
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTextOfAPolicy(t *testing.T) {
	w := newWorld(t)
	w.lookup("web.example", "192.0.2.1")
	w.connect("192.0.2.1:443", "web.example")
	w.connect("192.0.2.9:443", "cdn.example")
	w.lookup("mail.example")
	w.connect("127.0.0.1:80", "-")
	want := `rules:
  - allow: ["icmp:mail.example"]
    note: "looked up and not connected to; icmp: is the least that lets a name be looked up"
  - allow: ["tcp:web.example:443"]
    note: "named by a ClientHello"
  - allow: ["tcp:127.0.0.1:80"]
    note: "this host; needs --host-loopback"
  - allow: ["tcp:192.0.2.9:443"]
    note: "by address: a ClientHello named cdn.example, which was not looked up for it"
`
	if got := w.text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A connection that still stands when the policy is asked for is in it, and the
// name of its hello too.
func TestLiveSockets(t *testing.T) {
	w := newWorld(t)
	w.lookup("a.example", "192.0.2.1")
	w.lookup("b.example", "192.0.2.1")
	s := w.open(w.tcp)
	w.tcp.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: provider.AddrFrom(netip.MustParseAddrPort("192.0.2.1:443"))})
	s.Learn(func(provider.Learned) provider.Learned { return provider.Learned{Hello: true, SNI: "a.example"} })
	if got := strings.Join(w.exprs(), " "); got != "[tcp:a.example:443] [icmp:b.example]" {
		t.Error(got)
	}
	w.tcp.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
}

func TestTooMuch(t *testing.T) {
	w := newWorld(t)
	for i := range 70_000 {
		w.lookup(fmt.Sprintf("n%d.example", i))
		if i == 20_000 { // kept, but more than a file may have
			if _, err := w.layer.Policy(); !errors.Is(err, learn.ErrTooMuch) {
				t.Error(err)
			}
		}
	}
	if _, err := w.layer.Policy(); !errors.Is(err, learn.ErrTooMuch) {
		t.Error(err)
	}
}

// The short cut of datagrams stays open.
func TestStandsAside(t *testing.T) {
	w := newWorld(t)
	for _, rig := range []*providertest.Rig{w.tcp, w.udp} {
		s := w.open(rig)
		if s.Direct() == nil {
			t.Error("the layer stands in the path of the bytes")
		}
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	}
}
