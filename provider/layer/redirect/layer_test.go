package redirect_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func addr(s string) provider.Addr { return provider.AddrFrom(netip.MustParseAddrPort(s)) }

// names are what a name service gave out.
type names map[string][]string

func (n names) NamesOf(a netip.Addr) []string { return n[a.String()] }

// TestConnect: which destination the base is told, and which peer the program.
func TestConnect(t *testing.T) {
	given := names{"198.51.100.1": {"www.example.com", "other.test"}, "2001:db8::5": {"www.example.com"}}
	for _, c := range []struct {
		name, rules, to, want string
		protocol              int32
		code                  wsa.Errno
	}{
		{name: "address", rules: "tcp/203.0.113.1:80=127.0.0.1:8080", to: "203.0.113.1:80", want: "127.0.0.1:8080"},
		{name: "the port stays", rules: "203.0.113.1=127.0.0.1", to: "203.0.113.1:81", want: "127.0.0.1:81"},
		{name: "port 0 is none", rules: "203.0.113.1=127.0.0.1:0", to: "203.0.113.1:81", want: "127.0.0.1:81"},
		{name: "another port", rules: "203.0.113.1:80=127.0.0.1", to: "203.0.113.1:81", want: "203.0.113.1:81"},
		{name: "the range's last", rules: "203.0.113.1:1-2,80-90=127.0.0.1", to: "203.0.113.1:90", want: "127.0.0.1:90"},
		{name: "past the range", rules: "203.0.113.1:1-2,80-90=127.0.0.1", to: "203.0.113.1:91", want: "203.0.113.1:91"},
		{name: "another protocol", rules: "udp/203.0.113.1=127.0.0.1", to: "203.0.113.1:80", want: "203.0.113.1:80"},
		{name: "udp", rules: "udp/203.0.113.1=127.0.0.1", to: "203.0.113.1:80", want: "127.0.0.1:80", protocol: wsa.IPPROTO_UDP},
		{name: "network", rules: "10.0.0.0/8=127.0.0.1", to: "10.255.0.1:1", want: "127.0.0.1:1"},
		{name: "first match", rules: "10.1.0.0/16=127.0.0.1 10.0.0.0/8=127.0.0.2 *=127.0.0.3", to: "10.1.0.1:1", want: "127.0.0.1:1"},
		{name: "second match", rules: "10.1.0.0/16=127.0.0.1 10.0.0.0/8=127.0.0.2 *=127.0.0.3", to: "10.2.0.1:1", want: "127.0.0.2:1"},
		{name: "any", rules: "10.1.0.0/16=127.0.0.1 *=127.0.0.3", to: "192.0.2.1:1", want: "127.0.0.3:1"},
		{name: "name", rules: "other.test=127.0.0.1", to: "198.51.100.1:443", want: "127.0.0.1:443"},
		{name: "below a name", rules: "*.example.com=127.0.0.1", to: "198.51.100.1:443", want: "127.0.0.1:443"},
		{name: "not the name itself", rules: "*.www.example.com=127.0.0.1", to: "198.51.100.1:443", want: "198.51.100.1:443"},
		{name: "without the name", rules: "other.test=127.0.0.1", to: "198.51.100.2:443", want: "198.51.100.2:443"},
		{name: "IPv6", rules: "[2001:db8::/32]:80=[::1]:8080", to: "[2001:db8::1]:80", want: "[::1]:8080"},
		{name: "IPv4-mapped", rules: "203.0.113.1=127.0.0.1:8080", to: "[::ffff:203.0.113.1]:80", want: "[::ffff:127.0.0.1]:8080"},
		{name: "other family", rules: "www.example.com=127.0.0.1", to: "[2001:db8::5]:80", code: wsa.ENETUNREACH},
		{name: "each family its own", rules: "www.example.com=127.0.0.1 www.example.com=[::1]", to: "[2001:db8::5]:80", want: "[::1]:80"},
		{name: "the rest of a family", rules: "*=127.0.0.1", to: "[2001:db8::5]:80", code: wsa.ENETUNREACH},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.protocol == 0 {
				c.protocol = wsa.IPPROTO_TCP
			}
			rig := providertest.Build(t, new(providertest.Base), c.protocol, layer(t, strings.Fields(c.rules)...))
			tab := &rig.Chain.Table
			q := rig.Request()
			q.Origin.Names = given
			s, e := tab.WSPSocket(q)
			if e != 0 {
				t.Fatal(e)
			}
			defer tab.WSPCloseSocket(s, provider.CloseAbort)
			asked := &provider.ConnectRequest{To: addr(c.to)}
			if e := tab.WSPConnect(s, asked); e != c.code {
				t.Fatalf("connect: %v, want %v", e, c.code)
			}
			if asked.To != addr(c.to) {
				t.Errorf("the caller's request was changed: %v", asked.To)
			}
			calls := rig.Base.Calls("WSPConnect")
			if c.code != 0 {
				if len(calls) != 0 {
					t.Errorf("refused, and yet the base was told of %v", calls)
				}
				return
			}
			if got := calls[0].Arg.(*provider.ConnectRequest).To; got != addr(c.want) {
				t.Errorf("the base is told of %v, want %v", got, c.want)
			}
			if peer, e := tab.WSPGetPeerName(s); e != 0 || peer != addr(c.to) {
				t.Errorf("the peer is %v, %v; want the one asked for, %v (law 11)", peer, e, c.to)
			}
		})
	}
}

// TestReconnect: the peer is that of the last attempt, and a refused attempt of a
// datagram socket leaves the peer that it has.
func TestReconnect(t *testing.T) {
	var refuse wsa.Errno
	b := new(providertest.Base)
	b.Script.WSPConnect = func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno { return refuse }
	peer := addr("127.0.0.1:1")
	b.Script.WSPGetPeerName = func(*provider.Socket) (provider.Addr, wsa.Errno) { return peer, 0 }
	rig := providertest.Build(t, b, wsa.IPPROTO_UDP, layer(t, "203.0.113.1=127.0.0.1", "203.0.113.2=127.0.0.2"))
	tab := &rig.Chain.Table
	s := rig.Socket(t)
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	for i, c := range []struct {
		to     string
		refuse wsa.Errno
		peer   string // what the base has then
		want   string
	}{
		{"203.0.113.1:1", 0, "127.0.0.1:1", "203.0.113.1:1"},
		{"203.0.113.2:1", wsa.EHOSTUNREACH, "127.0.0.1:1", "203.0.113.1:1"},
		{"203.0.113.2:1", wsa.EWOULDBLOCK, "127.0.0.2:1", "203.0.113.2:1"},
		{"127.0.0.2:1", 0, "127.0.0.2:1", "127.0.0.2:1"}, // asked for as it is
	} {
		refuse, peer = c.refuse, addr(c.peer)
		if e := tab.WSPConnect(s, &provider.ConnectRequest{To: addr(c.to)}); e != c.refuse {
			t.Fatalf("%d: connect: %v", i, e)
		}
		if got, e := tab.WSPGetPeerName(s); e != 0 || got != addr(c.want) {
			t.Errorf("%d: the peer is %v, %v; want %v", i, got, e, c.want)
		}
	}
}

// TestDataEntries: where bytes pass the layer, and where they do not.
func TestDataEntries(t *testing.T) {
	for _, c := range []struct {
		rule     string
		protocol int32
		direct   bool
		replaces bool
	}{
		{"tcp/*=127.0.0.1", wsa.IPPROTO_TCP, true, true},
		{"tcp/*=127.0.0.1", wsa.IPPROTO_UDP, true, false},
		{"udp/*=127.0.0.1", wsa.IPPROTO_TCP, true, false},
		{"udp/*=127.0.0.1", wsa.IPPROTO_UDP, false, true},
		{"*=127.0.0.1", wsa.IPPROTO_UDP, false, true},
	} {
		rig := providertest.Build(t, new(providertest.Base), c.protocol, layer(t, c.rule))
		s := rig.Socket(t)
		if direct := s.Direct() != nil; direct != c.direct {
			t.Errorf("%s on %s: direct is %v", c.rule, wsa.ProtocolName(c.protocol), direct)
		}
		replaces := slices.Contains(rig.Chain.Storeys()[0].Replaces, "WSPConnect")
		if replaces != c.replaces {
			t.Errorf("%s on %s: replaces %v", c.rule, wsa.ProtocolName(c.protocol), rig.Chain.Storeys()[0].Replaces)
		}
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	}
}

// TestBelowPolicy: policy judges what the program asked for, so redirect stands below.
func TestBelowPolicy(t *testing.T) {
	p, err := policy.FromFlags([]string{"203.0.113.1:80"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, policy.Layer(p), layer(t, "203.0.113.0/24=127.0.0.1"))
	tab := &rig.Chain.Table
	for to, want := range map[string]wsa.Errno{"203.0.113.1:80": 0, "203.0.113.2:80": wsa.EACCES, "127.0.0.1:80": wsa.EACCES} {
		s := rig.Socket(t)
		if e := tab.WSPConnect(s, &provider.ConnectRequest{To: addr(to)}); e != want {
			t.Errorf("connect to %s: %v, want %v", to, e, want)
		}
		tab.WSPCloseSocket(s, provider.CloseAbort)
	}
}

func BenchmarkConnect(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var rules []string
			for i := range n {
				rules = append(rules, fmt.Sprintf("tcp/198.51.100.%d:80=127.0.0.1:8080", i+1))
			}
			base := new(providertest.Base)
			rig := providertest.Build(b, base, wsa.IPPROTO_TCP, layer(b, rules...), floor{})
			s := rig.Socket(b)
			defer rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
			q := &provider.ConnectRequest{To: addr(fmt.Sprintf("198.51.100.%d:80", n))}
			b.ReportAllocs()
			for b.Loop() {
				rig.Chain.Table.WSPConnect(s, q)
			}
		})
	}
}

// floor ends what is measured: the recording of the base below it is not.
type floor struct{}

func (floor) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	end := func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return m.Len(), 0 }
	return provider.ProcTable{
		WSPConnect: func(*provider.Socket, *provider.ConnectRequest) wsa.Errno { return 0 },
		WSPRecv:    end, WSPRecvFrom: end, WSPSend: end, WSPSendTo: end,
	}, 0
}
