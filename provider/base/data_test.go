package base_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestSendToArguments is winsock-spi 3.26 and 3.25.
func TestSendToArguments(t *testing.T) {
	mapped := provider.Addr{AddrPort: netip.MustParseAddrPort("[::ffff:10.0.0.9]:80"), Family: wsa.AF_INET6}
	for _, c := range []struct {
		name  string
		af    int32
		to    provider.Addr
		size  int
		flags wsa.MsgFlags
		want  wsa.Errno
	}{
		{"ordinary", wsa.AF_INET, addr("10.0.0.9:80"), 1, 0, 0},
		{"empty datagram", wsa.AF_INET, addr("10.0.0.9:80"), 0, 0, 0},
		{"no destination", wsa.AF_INET, provider.Addr{}, 1, 0, wsa.EDESTADDRREQ},
		{"ADDR_ANY", wsa.AF_INET, addr("0.0.0.0:80"), 1, 0, wsa.EADDRNOTAVAIL},
		{"port 0", wsa.AF_INET, addr("10.0.0.9:0"), 1, 0, wsa.EADDRNOTAVAIL},
		{"other family", wsa.AF_INET, addr("[fd00::1]:80"), 1, 0, wsa.EAFNOSUPPORT},
		{"malformed", wsa.AF_INET, provider.Addr{Family: wsa.AF_INET}, 1, 0, wsa.EFAULT},
		{"broadcast without SO_BROADCAST", wsa.AF_INET, addr("255.255.255.255:80"), 1, 0, wsa.EACCES},
		{"v4-mapped on V6ONLY", wsa.AF_INET6, mapped, 1, 0, wsa.EADDRNOTAVAIL},
		{"largest", wsa.AF_INET, addr("10.0.0.9:80"), 65507, 0, 0},
		{"too large", wsa.AF_INET, addr("10.0.0.9:80"), 65508, 0, wsa.EMSGSIZE},
		{"largest v6", wsa.AF_INET6, addr("[fd00::9]:80"), 65527, 0, 0},
		{"too large v6", wsa.AF_INET6, addr("[fd00::9]:80"), 65528, 0, wsa.EMSGSIZE},
		{"MSG_OOB", wsa.AF_INET, addr("10.0.0.9:80"), 1, wsa.MSG_OOB, wsa.EOPNOTSUPP},
		{"MSG_PARTIAL", wsa.AF_INET, addr("10.0.0.9:80"), 1, wsa.MSG_PARTIAL, wsa.EOPNOTSUPP},
		{"MSG_DONTROUTE is ignored", wsa.AF_INET, addr("10.0.0.9:80"), 1, wsa.MSG_DONTROUTE, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := basetest.NewScript()
			r := newRig(t, d)
			s := r.socket(c.af, wsa.SOCK_DGRAM, 0)
			m := &provider.Msg{Buffers: [][]byte{make([]byte, c.size)}, Addr: c.to, Flags: c.flags}
			n, e := r.table(s).WSPSendTo(s, m)
			r.want("sendto", e, c.want)
			if e == 0 && n != c.size || e != 0 && n != 0 {
				t.Errorf("%d bytes", n)
			}
			if m.Addr != c.to || m.Flags != c.flags {
				t.Errorf("the message was changed: %+v", m)
			}
			if _, e := r.table(s).WSPGetSockName(s); (e == 0) != (c.want == 0) {
				t.Errorf("implicit bind: %s", name(e))
			}
			if b, p := s.Traffic.BytesOut.Load(), s.Traffic.PacketsOut.Load(); c.want != 0 && b+p != 0 || c.want == 0 && (b != uint64(c.size) || p != 1) {
				t.Errorf("counted %d bytes, %d packets", b, p)
			}
		})
	}
}

func TestBroadcastAllowed(t *testing.T) {
	r := newRig(t, basetest.NewScript())
	s := r.udp()
	r.want("SO_BROADCAST", r.set(s, wsa.SOL_SOCKET, wsa.SO_BROADCAST, 1), 0)
	_, e := r.sendTo(s, "255.255.255.255:80", "x")
	r.want("sendto", e, 0)
	r.want("connect", r.connect(s, "255.255.255.255:80"), 0)
}

// TestStreamIgnoresAddress: WSPSendTo on a stream is WSPSend (3.26), and the
// driver is not even shown the address.
func TestStreamIgnoresAddress(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := connectedTo(r, d)
	for _, to := range []string{"", "1.2.3.4:5", "[::1]:9", "0.0.0.0:0"} {
		n, e := r.sendTo(s, to, "abc")
		if n != 3 || e != 0 {
			t.Errorf("to %q: %d %s", to, n, name(e))
		}
	}
	for _, c := range d.Last().Called("Send") {
		if c.Addr.Family != 0 {
			t.Errorf("the driver saw %v", c.Addr)
		}
	}
}

// TestStreamSend: short sends are counts, nothing fits is EWOULDBLOCK and never
// "0 bytes" (3.25); partial success carries no error (law 6).
func TestStreamSend(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := connectedTo(r, d)
	d.Last().On("Send", basetest.Result{N: 2}, basetest.Result{N: 1, Errno: wsa.EWOULDBLOCK}, basetest.Result{}, basetest.Result{Errno: wsa.EWOULDBLOCK}, basetest.Result{Errno: wsa.ENOBUFS})
	for i, want := range []struct {
		n int
		e wsa.Errno
	}{{2, 0}, {1, 0}, {0, wsa.EWOULDBLOCK}, {0, wsa.EWOULDBLOCK}, {0, wsa.ENOBUFS}, {3, 0}} {
		if n, e := r.send(s, "abc"); n != want.n || e != want.e {
			t.Errorf("send %d: %d %s, want %d %s", i, n, name(e), want.n, name(want.e))
		}
	}
	if n, e := r.send(s, ""); n != 0 || e != 0 {
		t.Errorf("empty send: %d %s", n, name(e))
	}
	if b := s.Traffic.BytesOut.Load(); b != 6 {
		t.Errorf("counted %d bytes, want 6", b)
	}
	_, e := r.table(s).WSPSend(s, &provider.Msg{})
	r.want("no buffers", e, wsa.EINVAL)
	_, e = r.table(s).WSPRecv(s, &provider.Msg{})
	r.want("no buffers", e, wsa.EINVAL)
}

// TestFlags: only PEEK and, where claimed, OOB reach a driver; what comes out is
// the caller's flags and the driver's output flags.
func TestFlags(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := connectedTo(r, d)
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 4)}, Flags: wsa.MSG_PEEK | wsa.MSG_WAITALL | wsa.MSG_DONTROUTE | wsa.MSG_PENDED | wsa.MSG_TRUNC}
	d.Last().On("Recv", basetest.Result{Data: []byte("ab")})
	if n, e := r.table(s).WSPRecv(s, m); n != 2 || e != 0 {
		t.Fatalf("recv %d %s", n, name(e))
	}
	if want := wsa.MSG_PEEK | wsa.MSG_WAITALL | wsa.MSG_DONTROUTE | wsa.MSG_PENDED; m.Flags != want {
		t.Errorf("flags out %#x, want %#x", m.Flags, want)
	}
	if c := d.Last().Called("Recv")[0]; c.Flags != wsa.MSG_PEEK {
		t.Errorf("the driver saw %#x", c.Flags)
	}
	if s.Traffic.BytesIn.Load() != 0 {
		t.Error("a peek was counted")
	}
	_, e := r.recv(s, 1, wsa.MSG_OOB)
	r.want("MSG_OOB unclaimed", e, wsa.EOPNOTSUPP)
}

// TestUrgent: where the driver claims it, MSG_OOB reaches it; with SO_OOBINLINE
// a MSG_OOB receive is EINVAL (6.5).
func TestUrgent(t *testing.T) {
	d := basetest.NewScript(base.Protocol{Family: wsa.AF_INET, Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Name: "TCP/IP", Expedited: true})
	r := newRig(t, d)
	s := connectedTo(r, d)
	d.Last().On("Recv", basetest.Result{Data: []byte("!")})
	if data, e := r.recv(s, 1, wsa.MSG_OOB); data != "!" || e != 0 {
		t.Errorf("recv %q %s", data, name(e))
	}
	r.table(s).WSPSend(s, &provider.Msg{Buffers: [][]byte{{1}}, Flags: wsa.MSG_OOB | wsa.MSG_DONTROUTE})
	if c := d.Last().Called("Send")[0]; c.Flags != wsa.MSG_OOB {
		t.Errorf("the driver saw %#x", c.Flags)
	}
	r.want("OOBINLINE", r.set(s, wsa.SOL_SOCKET, wsa.SO_OOBINLINE, 1), 0)
	_, e := r.recv(s, 1, wsa.MSG_OOB)
	r.want("MSG_OOB with OOBINLINE", e, wsa.EINVAL)
}

// TestTruncated: the buffer is filled and EMSGSIZE said (3.21, law 6); it counts
// as one packet; peeking counts nothing and loses nothing.
func TestTruncated(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}), layers...)
		a, b := r.udp(), r.udp()
		r.bind(b, "127.0.0.1:53")
		r.sendTo(a, "127.0.0.1:53", "hello world")
		r.sendTo(a, "127.0.0.1:53", "")
		r.sendTo(a, "127.0.0.1:53", "next")
		if data, e := r.recv(b, 5, wsa.MSG_PEEK); data != "hello" || e != wsa.EMSGSIZE {
			t.Errorf("peek %q %s", data, name(e))
		}
		if data, _, e := r.recvFrom(b, 5); data != "hello" || e != wsa.EMSGSIZE {
			t.Errorf("truncated %q %s", data, name(e))
		}
		if data, _, e := r.recvFrom(b, 5); data != "" || e != 0 {
			t.Errorf("empty datagram %q %s", data, name(e))
		}
		from, _ := r.table(a).WSPGetSockName(a)
		if data, at, e := r.recvFrom(b, 99); data != "next" || e != 0 || at.Port() != from.Port() {
			t.Errorf("the rest of a datagram came back? %q from %v %s", data, at, name(e))
		}
		if n, p := b.Traffic.BytesIn.Load(), b.Traffic.PacketsIn.Load(); n != 9 || p != 3 {
			t.Errorf("counted %d bytes, %d packets, want 9, 3", n, p)
		}
		if n, p := a.Traffic.BytesOut.Load(), a.Traffic.PacketsOut.Load(); n != 15 || p != 3 {
			t.Errorf("counted %d bytes, %d packets out, want 15, 3", n, p)
		}
	})
}

// TestHearsOnlyItsPeer: a connected datagram socket, also of what was queued
// before the connect, and peeking or not (3.9).
func TestHearsOnlyItsPeer(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}), layers...)
		s, peer, other := r.udp(), r.udp(), r.udp()
		r.bind(s, "127.0.0.1:1000")
		r.bind(peer, "127.0.0.1:2000")
		r.bind(other, "127.0.0.1:3000")
		r.sendTo(other, "127.0.0.1:1000", "stranger before")
		r.sendTo(peer, "127.0.0.1:1000", "peer before")
		r.sendTo(other, "127.0.0.1:1000", "stranger between")
		r.want("connect", r.connect(s, "127.0.0.1:2000"), 0)
		r.sendTo(other, "127.0.0.1:1000", "stranger after")
		r.sendTo(peer, "127.0.0.1:1000", "peer after")
		for _, want := range []string{"peer before", "peer after"} {
			if data, e := r.recv(s, 99, wsa.MSG_PEEK); data != want || e != 0 {
				t.Errorf("peek %q %s, want %q", data, name(e), want)
			}
			if data, e := r.recv(s, 99, 0); data != want || e != 0 {
				t.Errorf("recv %q %s, want %q", data, name(e), want)
			}
		}
		_, e := r.recv(s, 99, 0)
		r.want("and no more", e, wsa.EWOULDBLOCK)

		// The stranger can be written to (3.26) and be heard after a disconnect.
		_, e = r.sendTo(s, "127.0.0.1:3000", "to the stranger")
		r.want("sendto", e, 0)
		_, _, e = r.recvFrom(other, 99)
		r.want("nobody hears the stranger", e, wsa.ECONNRESET)
		if data, _, _ := r.recvFrom(other, 99); data != "to the stranger" {
			t.Errorf("the stranger got %q", data)
		}
		r.want("disconnect", r.table(s).WSPConnect(s, &provider.ConnectRequest{}), 0)
		r.sendTo(other, "127.0.0.1:1000", "again")
		if data, _, _ := r.recvFrom(s, 99); data != "again" {
			t.Errorf("after the disconnect: %q", data)
		}
	})
}

// TestConnectDiscards: another peer's datagrams go with the connect, so that
// readiness does not promise them.
func TestConnectDiscards(t *testing.T) {
	r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
	s, other := r.udp(), r.udp()
	r.bind(s, "127.0.0.1:1000")
	r.sendTo(other, "127.0.0.1:1000", "x")
	r.want("connect", r.connect(s, "127.0.0.1:2000"), 0)
	if g := r.ready(s); g.Events&wsa.FD_READ != 0 || g.Queued != 0 {
		t.Errorf("ready %+v", g)
	}
}

// TestSoftErrors: port unreachable comes back as ECONNRESET of a receive, once,
// with the destination that drew it, and SIO_UDP_CONNRESET turns it off (3.23).
func TestSoftErrors(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}), layers...)
		s := r.udp()
		r.bind(s, "127.0.0.1:1000")
		_, e := r.sendTo(s, "127.0.0.1:9", "nobody")
		r.want("sendto", e, 0)
		if g := r.ready(s); g.Events&wsa.EvError == 0 || g.Soft != wsa.ECONNRESET {
			t.Errorf("ready %+v", g)
		}
		_, e = r.sendTo(s, "127.0.0.1:1000", "self")
		r.want("a send does not report it", e, 0)
		_, at, e := r.recvFrom(s, 99)
		r.want("recvfrom", e, wsa.ECONNRESET)
		if at != addr("127.0.0.1:9") {
			t.Errorf("drawn by %v", at)
		}
		if data, _, e := r.recvFrom(s, 99); data != "self" || e != 0 {
			t.Errorf("then %q %s", data, name(e))
		}
		if g := r.ready(s); g.Events&(wsa.EvError|wsa.FD_READ) != 0 {
			t.Errorf("ready %+v", g)
		}
		r.sendTo(s, netip.AddrPortFrom(basetest.Unreachable4, 9).String(), "x")
		if g := r.ready(s); g.Soft != wsa.EHOSTUNREACH {
			t.Errorf("ready %+v", g)
		}
		_, _, e = r.recvFrom(s, 99)
		r.want("host unreachable", e, wsa.EHOSTUNREACH)

		_, e = r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: wsa.SIO_UDP_CONNRESET, In: le32(0)})
		r.want("SIO_UDP_CONNRESET", e, 0)
		r.sendTo(s, "127.0.0.1:9", "nobody")
		if g := r.ready(s); g.Events&wsa.EvError != 0 {
			t.Errorf("ready %+v", g)
		}
		r.sendTo(s, "127.0.0.1:1000", "self")
		if data, _, e := r.recvFrom(s, 99); data != "self" || e != 0 {
			t.Errorf("with reports off: %q %s", data, name(e))
		}
		if s.Traffic.PacketsIn.Load() != 2 {
			t.Errorf("%d packets counted, want 2", s.Traffic.PacketsIn.Load())
		}
	})
}

// TestSoftErrorOnSend: a driver whose send reports what an earlier one drew, as
// Linux does, is tried again, and the error waits for the receive.
func TestSoftErrorOnSend(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.udp()
	r.bind(s, "127.0.0.1:1000")
	d.Last().On("Send", basetest.Result{Errno: wsa.ECONNRESET, Addr: addr("10.0.0.8:1")}, basetest.Result{N: 5})
	n, e := r.sendTo(s, "10.0.0.9:2", "hello")
	if n != 5 || e != 0 {
		t.Errorf("send %d %s", n, name(e))
	}
	for _, c := range d.Last().Called("Send") {
		if c.Addr != addr("10.0.0.9:2") {
			t.Errorf("sent to %v", c.Addr)
		}
	}
	if g := r.ready(s); g.Soft != wsa.ECONNRESET {
		t.Errorf("ready %+v", g)
	}
	_, at, e := r.recvFrom(s, 9)
	r.want("recvfrom", e, wsa.ECONNRESET)
	if at != addr("10.0.0.8:1") {
		t.Errorf("drawn by %v", at)
	}
	_, _, e = r.recvFrom(s, 9)
	r.want("once", e, wsa.EWOULDBLOCK)
}

// TestNetReset: a soft error that the driver cannot name is taken for port
// unreachable; a named one follows its own ioctl.
func TestNetReset(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.udp()
	r.bind(s, "127.0.0.1:1000")
	d.Last().Set(base.State{Soft: true, Writable: true})
	if g := r.ready(s); g.Soft != wsa.ECONNRESET {
		t.Errorf("ready %+v", g)
	}
	d.Last().Soft(wsa.ENETRESET)
	if g := r.ready(s); g.Soft != wsa.ENETRESET {
		t.Errorf("ready %+v", g)
	}
	_, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: wsa.SIO_UDP_NETRESET, In: le32(0)})
	r.want("SIO_UDP_NETRESET", e, 0)
	if g := r.ready(s); g.Events&wsa.EvError != 0 {
		t.Errorf("ready %+v", g)
	}
	d.Last().On("Recv", basetest.Result{Errno: wsa.ENETRESET}, basetest.Result{Data: []byte("x"), Addr: addr("10.0.0.9:2")})
	if data, _, e := r.recvFrom(s, 9); data != "x" || e != 0 {
		t.Errorf("recv %q %s", data, name(e))
	}
}

// TestFlood: one call discards a bounded number of strangers' datagrams.
func TestFlood(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.udp()
	r.want("connect", r.connect(s, "10.0.0.9:1"), 0)
	for range 100 {
		d.Last().On("Recv", basetest.Result{Data: []byte("x"), Addr: addr("6.6.6.6:6")})
	}
	_, e := r.recv(s, 9, 0)
	r.want("recv", e, wsa.EWOULDBLOCK)
	if n := len(d.Last().Called("Recv")); n >= 100 || n == 0 {
		t.Errorf("%d receives in one call", n)
	}
}

// TestBytesArrive: a stream larger than any buffer, in pieces of many sizes,
// with scattered buffers.
func TestBytesArrive(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{Buffer: 1000}), layers...)
		_, c, s := r.pair("[::1]:80")
		want := bytes.Repeat([]byte(strings.Repeat("0123456789abcdef", 7)+"!"), 400)
		var got []byte
		sent := 0
		for step := 1; len(got) < len(want); step = step%700 + 13 {
			if sent < len(want) {
				end := min(len(want), sent+step)
				n, e := r.table(c).WSPSend(c, &provider.Msg{Buffers: [][]byte{want[sent : sent+(end-sent)/2], nil, want[sent+(end-sent)/2 : end]}})
				if e != 0 && e != wsa.EWOULDBLOCK {
					t.Fatal(name(e))
				}
				sent += n
			}
			a, b := make([]byte, step/3+1), make([]byte, step/2)
			n, e := r.table(s).WSPRecv(s, &provider.Msg{Buffers: [][]byte{a, b}})
			if e != 0 && e != wsa.EWOULDBLOCK {
				t.Fatal(name(e))
			}
			got = append(got, append(a, b...)[:n]...)
		}
		if !bytes.Equal(got, want) {
			t.Error("the bytes differ")
		}
		if o, i := c.Traffic.BytesOut.Load(), s.Traffic.BytesIn.Load(); o != uint64(len(want)) || i != o || s.Traffic.PacketsIn.Load() != 0 {
			t.Errorf("counted %d out, %d in, want %d", o, i, len(want))
		}
	})
}

// TestNothingAllocates: the data path over the null driver and over the network,
// bare and under layers.
func TestNothingAllocates(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		r := newRig(t, basetest.Null{}, layers...)
		s := r.tcp()
		r.connect(s, "10.0.0.9:80")
		u := r.udp()
		r.bind(u, "127.0.0.1:0")
		m := &provider.Msg{Buffers: [][]byte{make([]byte, 100)}}
		to := addr("10.0.0.9:80")
		table := r.table(s)
		dgram := r.table(u)
		for what, f := range map[string]func(){
			"send":     func() { table.WSPSend(s, m) },
			"recv":     func() { table.WSPRecv(s, m) },
			"ready":    func() { table.Ready(s, wsa.FD_ALL_EVENTS) },
			"sendto":   func() { m.Addr = to; dgram.WSPSendTo(u, m) },
			"recvfrom": func() { dgram.WSPRecvFrom(u, m) },
			"names":    func() { table.WSPGetPeerName(s); table.WSPGetSockName(s) },
		} {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s: %v allocations", what, n)
			}
		}
		n := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}), layers...)
		_, c, a := n.pair("127.0.0.1:80")
		w, x := n.udp(), n.udp()
		n.bind(w, "127.0.0.1:53")
		n.sendTo(x, "127.0.0.1:53", strings.Repeat("x", 100))
		n.recvFrom(w, 100)
		self := addr("127.0.0.1:53")
		if got := testing.AllocsPerRun(200, func() {
			n.table(c).WSPSend(c, m)
			n.table(a).WSPRecv(a, m)
		}); got != 0 {
			t.Errorf("a round over the network: %v allocations", got)
		}
		if got := testing.AllocsPerRun(200, func() {
			m.Addr = self
			n.table(x).WSPSendTo(x, m)
			n.table(w).WSPRecvFrom(w, m)
		}); got > 0.5 { // slots of the queue are allocated once each
			t.Errorf("a datagram over the network: %v allocations", got)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	r := newRig(b, basetest.Null{})
	s := r.tcp()
	r.connect(s, "10.0.0.9:80")
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 1400)}}
	send := r.table(s).WSPSend
	b.ReportAllocs()
	for b.Loop() {
		send(s, m)
	}
}

func BenchmarkRecvFrom(b *testing.B) {
	r := newRig(b, basetest.Null{})
	s := r.udp()
	r.bind(s, "127.0.0.1:0")
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 1400)}}
	recv := r.table(s).WSPRecvFrom
	b.ReportAllocs()
	for b.Loop() {
		recv(s, m)
	}
}

func BenchmarkSendParallelDirections(b *testing.B) {
	r := newRig(b, basetest.Null{})
	s := r.tcp()
	r.connect(s, "10.0.0.9:80")
	t := r.table(s)
	b.RunParallel(func(p *testing.PB) {
		m := &provider.Msg{Buffers: [][]byte{make([]byte, 1400)}}
		for p.Next() {
			t.WSPSend(s, m)
		}
	})
}
