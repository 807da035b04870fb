package base_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// several makes a driver's endpoints Batchers.
type several struct{ base.Driver }

func (d several) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	ep, e := d.Driver.Open(af, typ, protocol)
	if e != 0 {
		return nil, e
	}
	return batching{ep}, 0
}

type batching struct{ base.Endpoint }

func (b batching) SendBatch(ds []provider.Datagram) (int, wsa.Errno) {
	for i := range ds {
		m := provider.Msg{Buffers: [][]byte{ds[i].Data}, Addr: ds[i].Addr}
		if _, e := b.Send(&m); e != 0 {
			return i, e
		}
	}
	return len(ds), 0
}

func (b batching) RecvBatch(ds []provider.Datagram) (int, wsa.Errno) {
	for i := range ds {
		m := provider.Msg{Buffers: [][]byte{ds[i].Data}}
		n, e := b.Recv(&m)
		ds[i].N, ds[i].Addr, ds[i].Truncated = n, m.Addr, e == wsa.EMSGSIZE
		if e != 0 && e != wsa.EMSGSIZE {
			return i, e
		}
	}
	return len(ds), 0
}

// eachBatcher runs f over a driver as it is, and over the same with Batchers.
func eachBatcher(t *testing.T, d func() base.Driver, f func(t *testing.T, r *rig)) {
	t.Run("one by one", func(t *testing.T) { f(t, newRig(t, d())) })
	t.Run("several", func(t *testing.T) { f(t, newRig(t, several{d()}, passing{})) })
}

func network() base.Driver { return basetest.NewNetwork(basetest.NetworkConfig{}) }

func texts(to string, all ...string) (ds []provider.Datagram) {
	for _, text := range all {
		d := provider.Datagram{Data: []byte(text)}
		if to != "" {
			d.Addr = addr(to)
		}
		ds = append(ds, d)
	}
	return ds
}

func rooms(n, size int) []provider.Datagram {
	ds := make([]provider.Datagram, n)
	for i := range ds {
		ds[i].Data = make([]byte, size)
	}
	return ds
}

func (r *rig) sendBatch(s *provider.Socket, ds []provider.Datagram) string {
	n, e := s.Direct().SendBatch(s, ds)
	return fmt.Sprint(n, " ", name(e))
}

// recvBatch says what came, and why no more did.
func (r *rig) recvBatch(s *provider.Socket, ds []provider.Datagram) string {
	n, e := s.Direct().RecvBatch(s, ds)
	var b strings.Builder
	for _, d := range ds[:n] {
		fmt.Fprintf(&b, "%s/%v", d.Data[:d.N], d.Addr.AddrPort)
		if d.Truncated {
			b.WriteString("/cut")
		}
		b.WriteString(" ")
	}
	b.WriteString(name(e))
	if e != 0 && e != wsa.EWOULDBLOCK && n < len(ds) {
		fmt.Fprintf(&b, " about %v", ds[n].Addr.AddrPort)
	}
	return b.String()
}

func (r *rig) same(what, got, want string) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestBatchArguments: a batch goes as far as single sends would, each judged for
// itself, and is counted like them.
func TestBatchArguments(t *testing.T) {
	eachBatcher(t, network, func(t *testing.T, r *rig) {
		sink := r.udp()
		r.bind(sink, "127.0.0.1:2000")
		for _, c := range []struct {
			what string
			do   func(*provider.Socket)
			bad  provider.Datagram
			want wsa.Errno
		}{
			{what: "no address", bad: texts("", "x")[0], want: wsa.EDESTADDRREQ},
			{what: "another family", bad: texts("[::1]:1", "x")[0], want: wsa.EAFNOSUPPORT},
			{what: "port 0", bad: texts("127.0.0.1:0", "x")[0], want: wsa.EADDRNOTAVAIL},
			{what: "broadcast", bad: texts("255.255.255.255:1", "x")[0], want: wsa.EACCES},
			{what: "too long", bad: texts("127.0.0.1:2000", strings.Repeat("x", 65508))[0], want: wsa.EMSGSIZE},
			{what: "no route", bad: texts("8.8.8.8:1", "x")[0], want: wsa.ENETUNREACH},
		} {
			s := r.udp()
			ds := append(texts("127.0.0.1:2000", "one", "two"), c.bad, texts("127.0.0.1:2000", "three")[0])
			r.same(c.what, r.sendBatch(s, ds), "2 "+name(c.want))
			r.same(c.what+", first", r.sendBatch(s, ds[2:]), "0 "+name(c.want))
			if b, p := s.Traffic.BytesOut.Load(), s.Traffic.PacketsOut.Load(); b != 6 || p != 2 {
				t.Errorf("%s: %d bytes in %d packets counted", c.what, b, p)
			}
		}
		s := r.udp()
		r.same("empty batch", r.sendBatch(s, nil), "0 success")
		r.same("empty receive", r.recvBatch(s, nil), "success")
		r.same("receive unbound", r.recvBatch(s, rooms(1, 9)), "WSAEINVAL about invalid AddrPort")
		r.same("a datagram of no bytes", r.sendBatch(s, texts("127.0.0.1:2000", "", "")), "2 success")
		if s.Traffic.PacketsOut.Load() != 2 {
			t.Error("datagrams of no bytes are not counted")
		}
		tcp := r.tcp()
		r.same("stream", r.sendBatch(tcp, texts("127.0.0.1:1", "x")), "0 WSAEOPNOTSUPP")
		r.same("stream receive", r.recvBatch(tcp, rooms(1, 9)), "WSAEOPNOTSUPP about invalid AddrPort")
	})
}

// TestBatchEnded: shut down, failed and closed sockets.
func TestBatchEnded(t *testing.T) {
	eachBatcher(t, network, func(t *testing.T, r *rig) {
		for how, want := range map[int]string{wsa.SD_SEND: "0 WSAESHUTDOWN, WSAEWOULDBLOCK", wsa.SD_RECEIVE: "1 success, WSAESHUTDOWN"} {
			s := r.udp()
			r.bind(s, "127.0.0.1:0")
			r.want("shutdown", r.table(s).WSPShutdown(s, how), 0)
			got := r.sendBatch(s, texts("127.0.0.1:9", "x")) + ", " + strings.TrimSuffix(r.recvBatch(s, rooms(1, 9)), " about invalid AddrPort")
			if how == wsa.SD_SEND {
				r.same("SD_SEND", got, want)
			} else {
				r.same("SD_RECEIVE", got, want)
			}
		}
		s := r.udp()
		path := s.Direct()
		r.bind(s, "127.0.0.1:0")
		s.Fail(wsa.ENETDOWN, "test")
		if n, e := path.SendBatch(s, texts("127.0.0.1:9", "x", "y")); n != 0 || e != wsa.ENETDOWN {
			t.Errorf("failed: %d %s", n, name(e))
		}
		if n, e := path.RecvBatch(s, rooms(1, 9)); n != 0 || e != wsa.ENETDOWN {
			t.Errorf("failed: %d %s", n, name(e))
		}
		r.close(s, provider.CloseAbort)
		c := r.udp()
		path = c.Direct()
		r.close(c, provider.CloseAbort)
		if _, e := path.SendBatch(c, texts("127.0.0.1:9", "x")); e != wsa.ENOTSOCK {
			t.Errorf("closed: %s", name(e))
		}
	})
}

// TestBatchReceives in order, with source, cut where it does not fit, and counts.
func TestBatchReceives(t *testing.T) {
	eachBatcher(t, network, func(t *testing.T, r *rig) {
		s, a, b := r.udp(), r.udp(), r.udp()
		r.bind(s, "127.0.0.1:1000")
		r.bind(a, "127.0.0.1:2000")
		r.bind(b, "127.0.0.1:3000")
		r.same("from a", r.sendBatch(a, texts("127.0.0.1:1000", "one", "", "three")), "3 success")
		r.same("from b", r.sendBatch(b, texts("127.0.0.1:1000", "four")), "1 success")
		r.same("first", r.recvBatch(s, rooms(2, 3)), "one/127.0.0.1:2000 /127.0.0.1:2000 success")
		r.same("then", r.recvBatch(s, rooms(5, 4)), "thre/127.0.0.1:2000/cut four/127.0.0.1:3000 WSAEWOULDBLOCK")
		if b, p := s.Traffic.BytesIn.Load(), s.Traffic.PacketsIn.Load(); b != 11 || p != 4 {
			t.Errorf("%d bytes in %d packets counted", b, p)
		}
	})
}

// TestBatchHearsOnlyItsPeer, and no room is lost over what is not heard.
func TestBatchHearsOnlyItsPeer(t *testing.T) {
	eachBatcher(t, network, func(t *testing.T, r *rig) {
		s, peer, other := r.udp(), r.udp(), r.udp()
		r.bind(s, "127.0.0.1:1000")
		r.bind(peer, "127.0.0.1:2000")
		r.bind(other, "127.0.0.1:3000")
		r.sendTo(peer, "127.0.0.1:1000", "one")
		r.sendTo(other, "127.0.0.1:1000", "stranger")
		r.sendTo(peer, "127.0.0.1:1000", "two")
		r.sendTo(other, "127.0.0.1:1000", "stranger")
		r.want("connect", r.connect(s, "127.0.0.1:2000"), 0)
		r.sendTo(peer, "127.0.0.1:1000", "three")
		ds := rooms(3, 9)
		r.same("heard", r.recvBatch(s, ds), "one/127.0.0.1:2000 two/127.0.0.1:2000 three/127.0.0.1:2000 success")
		seen := map[*byte]bool{}
		for _, d := range ds {
			seen[&d.Data[0]] = true
		}
		if len(seen) != 3 {
			t.Error("two datagrams share a room")
		}
		r.same("to the peer", r.sendBatch(s, texts("", "x", "y")), "2 success")
	})
}

// TestBatchSoftErrors wait behind what came before them, are told once with the
// destination that drew them, and not at all if nobody wants them.
func TestBatchSoftErrors(t *testing.T) {
	eachBatcher(t, network, func(t *testing.T, r *rig) {
		s := r.udp()
		r.bind(s, "127.0.0.1:1000")
		r.same("sends do not tell", r.sendBatch(s, append(texts("127.0.0.1:9", "nobody"), texts("127.0.0.1:1000", "self")...)), "2 success")
		r.same("told", r.recvBatch(s, rooms(3, 9)), "WSAECONNRESET about 127.0.0.1:9")
		r.same("once", r.recvBatch(s, rooms(3, 9)), "self/127.0.0.1:1000 WSAEWOULDBLOCK")
		r.sendTo(s, netip.AddrPortFrom(basetest.Unreachable4, 9).String(), "x")
		r.same("unreachable", r.recvBatch(s, rooms(3, 9)), "WSAEHOSTUNREACH about 198.51.100.1:9")
		_, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: wsa.SIO_UDP_CONNRESET, In: le32(0)})
		r.want("SIO_UDP_CONNRESET", e, 0)
		r.sendBatch(s, append(texts("127.0.0.1:9", "nobody"), texts("127.0.0.1:1000", "self")...))
		r.same("not wanted", r.recvBatch(s, rooms(3, 9)), "self/127.0.0.1:1000 WSAEWOULDBLOCK")
	})
}

// TestBatchSoftErrorOnSend: as TestSoftErrorOnSend.
func TestBatchSoftErrorOnSend(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		d := basetest.NewScript()
		var driver base.Driver = d
		if wrap {
			driver = several{d}
		}
		r := newRig(t, driver)
		s := r.udp()
		r.bind(s, "127.0.0.1:1000")
		d.Last().On("Send", basetest.Result{N: 1}, basetest.Result{Errno: wsa.ECONNRESET}, basetest.Result{N: 1}, basetest.Result{N: 1})
		r.same("sent", r.sendBatch(s, texts("10.0.0.9:2", "a", "b", "c")), "3 success")
		if g := r.ready(s); g.Soft != wsa.ECONNRESET {
			t.Errorf("ready %+v", g)
		}
		if got := r.recvBatch(s, rooms(1, 1)); !strings.HasPrefix(got, "WSAECONNRESET") {
			t.Errorf("received %s", got)
		}
		r.same("once", r.recvBatch(s, rooms(1, 1)), "WSAEWOULDBLOCK")
		for range 20 {
			d.Last().On("Send", basetest.Result{Errno: wsa.ECONNRESET})
		}
		r.same("no end of them", r.sendBatch(s, texts("10.0.0.9:2", "a")), "0 WSAEWOULDBLOCK")
		if n := s.Traffic.PacketsOut.Load(); n != 3 {
			t.Errorf("%d packets counted", n)
		}
	}
}

// TestBatchFlood: one call discards a bounded number of strangers' datagrams.
func TestBatchFlood(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, several{d})
	s := r.udp()
	r.want("connect", r.connect(s, "10.0.0.9:1"), 0)
	for range 1000 {
		d.Last().On("Recv", basetest.Result{Data: []byte("x"), Addr: addr("6.6.6.6:6")})
	}
	r.same("strangers", r.recvBatch(s, rooms(4, 9)), "WSAEWOULDBLOCK")
	if n := len(d.Last().Called("Recv")); n >= 1000 || n == 0 {
		t.Errorf("%d receives in one call", n)
	}
}

// TestBatchAllocates nothing; what a Batcher does is its own.
func TestBatchAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	t.Run("one by one", func(t *testing.T) { // the test's own Batcher allocates
		r := newRig(t, basetest.Null{})
		s := r.udp()
		r.bind(s, "127.0.0.1:0")
		ds, in := texts("10.0.0.9:80", "a", "b", "c"), rooms(3, 100)
		path := s.Direct()
		if n := testing.AllocsPerRun(100, func() { path.SendBatch(s, ds); path.RecvBatch(s, in) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
