package basetest_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func addr(s string) provider.Addr { return provider.AddrFrom(netip.MustParseAddrPort(s)) }

func open(t *testing.T, d base.Driver, af, typ int32) base.Endpoint {
	t.Helper()
	protocol := map[int32]int32{wsa.SOCK_STREAM: wsa.IPPROTO_TCP, wsa.SOCK_DGRAM: wsa.IPPROTO_UDP, wsa.SOCK_RAW: 1}[typ]
	ep, e := d.Open(af, typ, protocol)
	if e != 0 {
		t.Fatal(e.Name())
	}
	ep.Watch(func(wsa.Events) {})
	return ep
}

func want(t *testing.T, what string, got, want wsa.Errno) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %d, want %d", what, got, want)
	}
}

func write(ep base.Endpoint, data string) (int, wsa.Errno) {
	return ep.Send(&provider.Msg{Buffers: [][]byte{[]byte(data)}})
}

func read(ep base.Endpoint, size int) (string, wsa.Errno) {
	b := make([]byte, size)
	n, e := ep.Recv(&provider.Msg{Buffers: [][]byte{b}})
	return string(b[:n]), e
}

func listen(t *testing.T, d base.Driver, at string, backlog int) base.Endpoint {
	t.Helper()
	l := open(t, d, addr(at).Family, wsa.SOCK_STREAM)
	want(t, "bind", l.Bind(addr(at)), 0)
	want(t, "listen", l.Listen(backlog), 0)
	return l
}

func connect(t *testing.T, d base.Driver, to string) base.Endpoint {
	t.Helper()
	c := open(t, d, addr(to).Family, wsa.SOCK_STREAM)
	want(t, "connect", c.Connect(addr(to)), wsa.EWOULDBLOCK)
	return c
}

// TestDestinations: each prefix does what the documentation says.
func TestDestinations(t *testing.T) {
	for _, c := range []struct {
		to    string
		now   wsa.Errno
		phase base.Phase
		err   wsa.Errno
	}{
		{"127.0.0.1:1", wsa.EWOULDBLOCK, base.Dead, wsa.ECONNREFUSED},
		{"[::1]:1", wsa.EWOULDBLOCK, base.Dead, wsa.ECONNREFUSED},
		{netip.AddrPortFrom(basetest.Blackhole4, 1).String(), wsa.EWOULDBLOCK, base.Connecting, 0},
		{netip.AddrPortFrom(basetest.Blackhole6, 1).String(), wsa.EWOULDBLOCK, base.Connecting, 0},
		{netip.AddrPortFrom(basetest.Unreachable4, 1).String(), wsa.EWOULDBLOCK, base.Dead, wsa.EHOSTUNREACH},
		{netip.AddrPortFrom(basetest.Unreachable6, 1).String(), wsa.EWOULDBLOCK, base.Dead, wsa.EHOSTUNREACH},
		{"8.8.8.8:1", wsa.ENETUNREACH, base.Idle, 0},
		{"[2600::1]:1", wsa.ENETUNREACH, base.Idle, 0},
	} {
		n := basetest.NewNetwork(basetest.NetworkConfig{})
		ep := open(t, n, addr(c.to).Family, wsa.SOCK_STREAM)
		want(t, c.to, ep.Connect(addr(c.to)), c.now)
		if st := ep.State(); st.Phase != c.phase || st.Err != c.err {
			t.Errorf("%s: %+v", c.to, st)
		}
		ep.Close(false)
		if n.Endpoints() != 0 {
			t.Error("endpoints are left")
		}
	}
}

// TestHosts have loopbacks of their own and reach each other.
func TestHosts(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	other := n.Host(netip.MustParseAddr("10.0.0.2"))
	listen(t, n, "127.0.0.1:80", 1)
	if st := connect(t, other, "127.0.0.1:80").State(); st.Err != wsa.ECONNREFUSED {
		t.Errorf("another host's loopback: %+v", st)
	}
	l := listen(t, n, "0.0.0.0:81", 1)
	c := connect(t, other, "10.0.0.1:81")
	s, e := l.Accept()
	want(t, "accept", e, 0)
	if p, ok := s.PeerAddr(); !ok || p.Addr() != netip.MustParseAddr("10.0.0.2") {
		t.Errorf("peer %v", p)
	}
	if a, ok := c.LocalAddr(); !ok || a.Addr() != netip.MustParseAddr("10.0.0.2") || a.Port() < 49152 {
		t.Errorf("local %v", a)
	}
	if b := open(t, other, wsa.AF_INET, wsa.SOCK_STREAM).Bind(addr("10.0.0.1:1")); b != wsa.EADDRNOTAVAIL {
		t.Errorf("bind of another host's address: %d", b)
	}
}

// TestBacklog: a full queue lets attempts wait, and admits them in order.
func TestBacklog(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	l := listen(t, n, "127.0.0.1:80", 1)
	a, b, c := connect(t, n, "127.0.0.1:80"), connect(t, n, "127.0.0.1:80"), connect(t, n, "127.0.0.1:80")
	phases := func(want ...base.Phase) {
		t.Helper()
		for i, ep := range []base.Endpoint{a, b, c} {
			if got := ep.State().Phase; got != want[i] {
				t.Errorf("client %d is in phase %d, want %d", i, got, want[i])
			}
		}
	}
	phases(base.Connected, base.Connecting, base.Connecting)
	_, e := l.Accept()
	want(t, "accept", e, 0)
	phases(base.Connected, base.Connected, base.Connecting)
	b.Close(true)
	_, e = l.Accept()
	want(t, "accept of one that is gone", e, wsa.ECONNRESET)
	phases(base.Connected, base.Connected, base.Connected)
	l.Close(false)
	if st := c.State(); st.Err != wsa.ECONNRESET {
		t.Errorf("not accepted when the listener closed: %+v", st)
	}
	if st := a.State(); st.Phase != base.Connected {
		t.Errorf("accepted before: %+v", st)
	}
}

// TestEndings: FIN, reset, unread data, and what the other side sees.
func TestEndings(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(c, s base.Endpoint)
		data  string
		then  wsa.Errno
		phase base.Phase
	}{
		{"close", func(c, _ base.Endpoint) { write(c, "bye"); c.Close(false) }, "bye", 0, base.Connected},
		{"shutdown", func(c, _ base.Endpoint) { write(c, "bye"); c.Shutdown() }, "bye", 0, base.Connected},
		{"abort", func(c, _ base.Endpoint) { write(c, "bye"); c.Close(true) }, "bye", wsa.ECONNRESET, base.Dead},
		{"close with unread data", func(c, s base.Endpoint) { write(s, "unread"); c.Close(false) }, "", wsa.ECONNRESET, base.Dead},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := basetest.NewNetwork(basetest.NetworkConfig{})
			l := listen(t, n, "127.0.0.1:80", 1)
			client := connect(t, n, "127.0.0.1:80")
			s, _ := l.Accept()
			c.do(client, s)
			if st := s.State(); st.Phase != c.phase || st.PeerClosed != (c.then == 0) || st.Readable != (c.data != "") {
				t.Errorf("%+v", st)
			}
			if c.data != "" {
				if data, e := read(s, 99); data != c.data || e != 0 {
					t.Errorf("%q %d", data, e)
				}
			}
			for range 2 {
				if data, e := read(s, 99); data != "" || e != c.then {
					t.Errorf("%q %d, want %d", data, e, c.then)
				}
			}
		})
	}
}

// TestWriteToTheClosed: taken, and answered with a reset.
func TestWriteToTheClosed(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	l := listen(t, n, "127.0.0.1:80", 1)
	c := connect(t, n, "127.0.0.1:80")
	s, _ := l.Accept()
	s.Close(false)
	if m, e := write(c, "abc"); m != 3 || e != 0 {
		t.Errorf("first: %d %d", m, e)
	}
	if _, e := write(c, "abc"); e != wsa.ECONNRESET {
		t.Errorf("second: %d", e)
	}
}

// TestBounds: buffers and queues are as large as said, and Queued is exact.
func TestBounds(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{Buffer: 10, Datagrams: 2})
	l := listen(t, n, "127.0.0.1:80", 1)
	c := connect(t, n, "127.0.0.1:80")
	s, _ := l.Accept()
	if m, e := write(c, "0123456789ab"); m != 10 || e != 0 {
		t.Errorf("short send: %d %d", m, e)
	}
	if _, e := write(c, "ab"); e != wsa.EWOULDBLOCK || c.State().Writable {
		t.Errorf("full: %d", e)
	}
	if q := s.(base.Queuer).Queued(); q != 10 {
		t.Errorf("queued %d", q)
	}
	read(s, 3)
	if m, _ := write(c, "abcdef"); m != 3 || s.(base.Queuer).Queued() != 10 {
		t.Errorf("after a read: %d", m)
	}
	if data, _ := read(s, 99); data != "3456789abc" {
		t.Errorf("%q", data)
	}

	u, v := open(t, n, wsa.AF_INET, wsa.SOCK_DGRAM), open(t, n, wsa.AF_INET, wsa.SOCK_DGRAM)
	want(t, "bind", u.Bind(addr("127.0.0.1:53")), 0)
	for _, data := range []string{"one", "four", "lost"} {
		m := &provider.Msg{Buffers: [][]byte{[]byte(data)}, Addr: addr("127.0.0.1:53")}
		if _, e := v.Send(m); e != 0 {
			t.Errorf("send %d", e)
		}
	}
	if q := u.(base.Queuer).Queued(); q != 7 {
		t.Errorf("queued %d", q)
	}
}

// TestPorts: what clashes and what does not (winsock-spi 9.5, its default rows).
func TestPorts(t *testing.T) {
	for _, c := range []struct {
		first, second string
		dual          bool // the first is an IPv6 socket that takes IPv4
		want          wsa.Errno
	}{
		{"127.0.0.1:80", "127.0.0.1:80", false, wsa.EADDRINUSE},
		{"0.0.0.0:80", "0.0.0.0:80", false, wsa.EADDRINUSE},
		{"0.0.0.0:80", "127.0.0.1:80", false, 0},
		{"127.0.0.1:80", "0.0.0.0:80", false, 0},
		{"127.0.0.1:80", "10.0.0.1:80", false, 0},
		{"127.0.0.1:80", "127.0.0.1:81", false, 0},
		{"[::]:80", "0.0.0.0:80", false, 0},
		{"[::]:80", "0.0.0.0:80", true, wsa.EADDRINUSE},
	} {
		n := basetest.NewNetwork(basetest.NetworkConfig{})
		a := open(t, n, addr(c.first).Family, wsa.SOCK_STREAM)
		if c.dual {
			a.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0)
		}
		want(t, c.first, a.Bind(addr(c.first)), 0)
		b := open(t, n, addr(c.second).Family, wsa.SOCK_STREAM)
		want(t, c.first+" then "+c.second, b.Bind(addr(c.second)), c.want)
		a.Close(false)
		if c.want != 0 {
			want(t, "free at once", b.Bind(addr(c.second)), 0)
		}
	}
}

// TestDatagramDemux: a connected endpoint before others, the specific before the
// wildcard, and nobody is port unreachable.
func TestDatagramDemux(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	udp := func(at string) base.Endpoint {
		ep := open(t, n, wsa.AF_INET, wsa.SOCK_DGRAM)
		ep.SetOption(wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1)
		if at != "" {
			want(t, at, ep.Bind(addr(at)), 0)
		}
		return ep
	}
	wild, specific, mine := udp("0.0.0.0:53"), udp("127.0.0.1:53"), udp("127.0.0.1:53")
	client, stranger := udp("127.0.0.1:1000"), udp("127.0.0.1:2000")
	want(t, "connect", mine.Connect(addr("127.0.0.1:1000")), 0)
	send := func(from base.Endpoint, to, data string) {
		from.Send(&provider.Msg{Buffers: [][]byte{[]byte(data)}, Addr: addr(to)})
	}
	send(client, "127.0.0.1:53", "to the connected")
	send(stranger, "127.0.0.1:53", "to the specific")
	send(stranger, "10.0.0.1:53", "to the wildcard")
	for _, c := range []struct {
		ep   base.Endpoint
		data string
	}{{mine, "to the connected"}, {specific, "to the specific"}, {wild, "to the wildcard"}} {
		if data, e := read(c.ep, 99); data != c.data || e != 0 {
			t.Errorf("%q %d, want %q", data, e, c.data)
		}
		if _, e := read(c.ep, 99); e != wsa.EWOULDBLOCK {
			t.Errorf("more than %q", c.data)
		}
	}
	send(client, "127.0.0.1:9", "x")
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 9)}}
	if _, e := client.Recv(m); e != wsa.ECONNRESET || m.Addr != addr("127.0.0.1:9") || client.State().Soft {
		t.Errorf("%d from %v", e, m.Addr)
	}
	send(client, "255.255.255.255:53", "to all")
	for _, ep := range []base.Endpoint{wild} {
		if data, e := read(ep, 99); data != "to all" {
			t.Errorf("broadcast: %q %d", data, e)
		}
	}
}

// TestControl: ancillary data as far as it is asked for.
func TestControl(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	s, c := open(t, n, wsa.AF_INET, wsa.SOCK_DGRAM), open(t, n, wsa.AF_INET, wsa.SOCK_DGRAM)
	want(t, "bind", s.Bind(addr("0.0.0.0:53")), 0)
	c.Send(&provider.Msg{Buffers: [][]byte{{1}}, Addr: addr("10.0.0.1:53")})
	ctl := &provider.Control{Has: provider.ControlPacketInfo | provider.ControlTTL}
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 9)}, Control: ctl}
	if _, e := s.Recv(m); e != 0 || ctl.Dst != netip.MustParseAddr("10.0.0.1") || ctl.TTL != 128 {
		t.Errorf("%d %+v", e, ctl)
	}
	m.Control = &provider.Control{Has: provider.ControlPacketInfo, Dst: netip.MustParseAddr("127.0.0.1")}
	s.Send(&provider.Msg{Buffers: [][]byte{{1}}, Addr: m.Addr, Control: m.Control})
	r := &provider.Msg{Buffers: [][]byte{make([]byte, 9)}}
	if _, e := c.Recv(r); e != 0 || r.Addr != addr("127.0.0.1:53") {
		t.Errorf("%d from %v", e, r.Addr)
	}
}

// TestDown: the network goes away and comes back.
func TestDown(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	l := listen(t, n, "127.0.0.1:80", 1)
	c := connect(t, n, "127.0.0.1:80")
	s, _ := l.Accept()
	n.SetDown(true)
	for _, ep := range []base.Endpoint{c, s} {
		if st := ep.State(); st.Phase != base.Dead || st.Err != wsa.ENETDOWN {
			t.Errorf("%+v", st)
		}
	}
	if _, e := n.Open(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP); e != wsa.ENETDOWN {
		t.Errorf("open: %d", e)
	}
	n.SetDown(false)
	if st := connect(t, n, "127.0.0.1:80").State(); st.Phase != base.Connected {
		t.Errorf("%+v", st)
	}
}

// TestStateFromAWake: State may be asked where nothing else may.
func TestStateFromAWake(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	l := listen(t, n, "127.0.0.1:80", 1)
	c, _ := n.Open(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	var seen []base.Phase
	c.Watch(func(wsa.Events) { seen = append(seen, c.State().Phase) })
	c.Connect(addr("127.0.0.1:80"))
	s, _ := l.Accept()
	s.Close(true)
	if len(seen) != 2 || seen[0] != base.Connected || seen[1] != base.Dead {
		t.Errorf("phases seen from wakes: %v", seen)
	}
	c.Close(false)
	before := len(seen)
	n.SetDown(true)
	if len(seen) != before {
		t.Error("a wake after Close")
	}
}

// TestScriptNoticesMisuse: the scripted endpoint can fail a test.
func TestScriptNoticesMisuse(t *testing.T) {
	ep := basetest.NewEndpoint(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	ep.Bind(addr("127.0.0.1:1"))
	ep.Watch(func(wsa.Events) {})
	ep.Watch(func(wsa.Events) {})
	ep.Listen(0)
	ep.Shutdown()
	ep.Shutdown()
	ep.Close(false)
	ep.Recv(&provider.Msg{})
	if got := ep.Misuse(); len(got) != 5 {
		t.Errorf("%d faults noticed, want 5: %q", len(got), got)
	}
}
