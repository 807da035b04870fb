package redirect_test

import (
	"fmt"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// echo is a base whose datagrams come back from where they were sent, or draw an error.
type echo struct {
	from []provider.Addr
	soft wsa.Errno
}

func (b *echo) base() *providertest.Base {
	p := new(providertest.Base)
	p.Script.WSPSendTo = func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		b.from = append(b.from, m.Addr)
		return m.Len(), 0
	}
	receive := func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		if len(b.from) == 0 {
			return 0, wsa.EWOULDBLOCK
		}
		m.Addr, b.from = b.from[0], b.from[1:]
		if b.soft != 0 {
			return 0, b.soft
		}
		return 1, 0
	}
	p.Script.WSPRecv, p.Script.WSPRecvFrom = receive, receive
	return p
}

type datagrams struct {
	t   testing.TB
	b   *echo
	tab *provider.ProcTable
	s   *provider.Socket
	m   provider.Msg
}

func newDatagrams(t testing.TB, rules ...string) *datagrams {
	b := new(echo)
	rig := providertest.Build(t, b.base(), wsa.IPPROTO_UDP, layer(t, rules...))
	d := &datagrams{t: t, b: b, tab: &rig.Chain.Table, s: rig.Socket(t), m: provider.Msg{Buffers: [][]byte{make([]byte, 1)}}}
	t.Cleanup(func() { d.tab.WSPCloseSocket(d.s, provider.CloseAbort) })
	return d
}

// send sends to, and says where that really was.
func (d *datagrams) send(to string) provider.Addr {
	d.t.Helper()
	d.m.Addr = addr(to)
	if n, e := d.tab.WSPSendTo(d.s, &d.m); n != 1 || e != 0 {
		d.t.Fatalf("send to %s: %d, %v", to, n, e)
	}
	if d.m.Addr != addr(to) {
		d.t.Errorf("the caller's message has %v in place of %v", d.m.Addr, to)
	}
	return d.b.from[len(d.b.from)-1]
}

// receive says whom the next datagram appears to come from.
func (d *datagrams) receive(want wsa.Errno) provider.Addr {
	d.t.Helper()
	d.m.Addr = provider.Addr{}
	if _, e := d.tab.WSPRecvFrom(d.s, &d.m); e != want {
		d.t.Fatalf("receive: %v, want %v", e, want)
	}
	return d.m.Addr
}

func (d *datagrams) want(what string, got provider.Addr, want string) {
	d.t.Helper()
	if got != addr(want) {
		d.t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestSendTo(t *testing.T) {
	d := newDatagrams(t, "udp/*:53=127.0.0.1:5353")
	d.want("the destination", d.send("203.0.113.1:53"), "127.0.0.1:5353")
	d.want("the source", d.receive(0), "203.0.113.1:53")
	d.want("another's destination", d.send("203.0.113.1:54"), "203.0.113.1:54")
	d.want("another's source", d.receive(0), "203.0.113.1:54")

	// Several that lead to one: the last sent to.
	d.send("203.0.113.1:53")
	d.send("203.0.113.2:53")
	d.want("the source of two", d.receive(0), "203.0.113.2:53")
	d.receive(0)
	d.send("203.0.113.1:53")
	d.want("the source, after the first again", d.receive(0), "203.0.113.1:53")

	// The real one, asked for as it is, answers as it is.
	d.send("127.0.0.1:5353")
	d.want("the source", d.receive(0), "127.0.0.1:5353")
	d.send("203.0.113.1:53")
	d.want("the source", d.receive(0), "203.0.113.1:53")
}

// TestMapped: the source has the form of what was asked for.
func TestMapped(t *testing.T) {
	d := newDatagrams(t, "203.0.113.1:53=127.0.0.1:5353")
	d.want("the destination", d.send("[::ffff:203.0.113.1]:53"), "[::ffff:127.0.0.1]:5353")
	d.want("the source", d.receive(0), "[::ffff:203.0.113.1]:53")
}

// TestSoftError: the destination that drew it is the one that was asked for.
func TestSoftError(t *testing.T) {
	d := newDatagrams(t, "203.0.113.1:53=127.0.0.1:5353")
	d.b.soft = wsa.ECONNRESET
	d.send("203.0.113.1:53")
	d.want("what drew the error", d.receive(wsa.ECONNRESET), "203.0.113.1:53")
}

func TestSendToOtherFamily(t *testing.T) {
	d := newDatagrams(t, "*:53=127.0.0.1")
	d.m.Addr = addr("[2001:db8::1]:53")
	if n, e := d.tab.WSPSendTo(d.s, &d.m); n != 0 || e != wsa.ENETUNREACH || len(d.b.from) != 0 {
		t.Errorf("%d, %v, and %d datagrams sent; want WSAENETUNREACH and none", n, e, len(d.b.from))
	}
}

// TestConnectedDatagram: what a connected socket receives comes from its peer.
func TestConnectedDatagram(t *testing.T) {
	d := newDatagrams(t, "203.0.113.1=127.0.0.1:5353")
	if e := d.tab.WSPConnect(d.s, &provider.ConnectRequest{To: addr("203.0.113.1:53")}); e != 0 {
		t.Fatal(e)
	}
	d.b.from = append(d.b.from, addr("127.0.0.1:5353"), addr("127.0.0.1:5353"))
	d.want("the source", d.receive(0), "203.0.113.1:53")
	d.tab.WSPConnect(d.s, &provider.ConnectRequest{})
	d.want("the source, without a peer", d.receive(0), "127.0.0.1:5353")
}

// TestNameRunsOut: a destination that was redirected by a name stays so.
func TestNameRunsOut(t *testing.T) {
	d := newDatagrams(t, "dns.example:53=127.0.0.1")
	given := names{"203.0.113.1": {"dns.example"}}
	d.s.Origin.Names = given
	d.want("the destination", d.send("203.0.113.1:53"), "127.0.0.1:53")
	delete(given, "203.0.113.1")
	d.want("the destination, its name forgotten", d.send("203.0.113.1:53"), "127.0.0.1:53")
}

// TestTableIsBounded: of 1025 destinations the oldest is forgotten, and no other.
func TestTableIsBounded(t *testing.T) {
	d := newDatagrams(t, "10.0.0.0/8=127.0.0.1")
	const many = 1025
	asked := func(i int) string { return fmt.Sprintf("10.0.%d.%d:%d", i/250, i%250, 1000+i) }
	for i := range many {
		d.send(asked(i))
	}
	d.want("the source of the forgotten", d.receive(0), "127.0.0.1:1000")
	for i := 1; i < many; i++ {
		d.want("the source", d.receive(0), asked(i))
	}
}

func TestSendToAllocs(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, layer(t, "10.0.0.0/8=127.0.0.1"), floor{})
	tab := &rig.Chain.Table
	s := rig.Socket(t)
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 1)}}
	for what, to := range map[string]provider.Addr{"redirected": addr("10.0.0.1:53"), "not": addr("192.0.2.1:53")} {
		if n := testing.AllocsPerRun(100, func() {
			m.Addr = to
			tab.WSPSendTo(s, m)
			tab.WSPRecvFrom(s, m)
		}); n != 0 {
			t.Errorf("%s: %v allocations for a datagram", what, n)
		}
	}
}

func BenchmarkSendTo(b *testing.B) {
	for _, c := range []struct{ name, to string }{{"redirected", "10.0.0.1:53"}, {"not", "192.0.2.1:53"}} {
		b.Run(c.name, func(b *testing.B) {
			rig := providertest.Build(b, new(providertest.Base), wsa.IPPROTO_UDP, layer(b, "10.0.0.0/8=127.0.0.1"), floor{})
			s := rig.Socket(b)
			defer rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
			m := &provider.Msg{Buffers: [][]byte{make([]byte, 1)}}
			to := addr(c.to)
			b.ReportAllocs()
			for b.Loop() {
				m.Addr = to
				rig.Chain.Table.WSPSendTo(s, m)
			}
		})
	}
}
