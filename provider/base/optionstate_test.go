package base_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestConnectTime is SO_CONNECT_TIME on a clock of the test's (9.1).
func TestConnectTime(t *testing.T) {
	d := basetest.NewScript()
	now := time.Unix(1e9, 0)
	r := rigOf(t, base.Config{Driver: d, RawAllowed: true, Now: func() time.Time { return now }})
	check := func(what string, s *provider.Socket, want int) {
		t.Helper()
		if v, e := r.get(s, wsa.SOL_SOCKET, wsa.SO_CONNECT_TIME); v != want || e != 0 {
			t.Errorf("%s: %d %s, want %d", what, v, name(e), want)
		}
	}
	now = now.Add(time.Hour)
	s := connectingTo(r, d)
	check("connecting", s, -1)
	now = now.Add(time.Minute)
	d.Last().Become(established, wsa.FD_CONNECT|wsa.FD_WRITE)
	check("connected", s, 0)
	now = now.Add(1999 * time.Millisecond)
	check("1.999 s later", s, 1)
	d.Last().Become(dead(wsa.ECONNRESET), wsa.FD_CLOSE)
	check("reset", s, -1)

	s = connectingTo(r, d)
	d.Last().Become(dead(wsa.ECONNREFUSED), wsa.FD_CONNECT)
	check("refused", s, -1)
	r.want("connect anew", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
	d.Last().Become(established, wsa.FD_CONNECT)
	now = now.Add(5 * time.Second)
	check("connected anew", s, 5)

	l := states["listening"](r, d)
	check("listening", l, -1)
	d.Last().On("Accept", basetest.Result{Endpoint: acceptable()})
	a, e := r.accept(l, provider.AcceptRequest{})
	r.want("accept", e, 0)
	now = now.Add(3 * time.Second)
	check("accepted", a, 3)
}

// acceptable is an endpoint for a scripted Accept.
func acceptable() *basetest.Endpoint {
	ep := basetest.NewEndpoint(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	ep.Set(established)
	ep.SetNames(addr("127.0.0.1:49152"), addr("10.0.0.9:4000"))
	return ep
}

// TestBSPState is SO_BSP_STATE, byte by byte (9.1).
func TestBSPState(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	get := func(s *provider.Socket, size int) ([]byte, wsa.Errno) {
		b := make([]byte, 200)
		for i := range b {
			b[i] = 0xab
		}
		n, e := r.table(s).WSPGetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_BSP_STATE, b[:size])
		if e != 0 && (n != 72 && n != 96 || b[0] != 0xab) {
			t.Errorf("EFAULT changed something, or does not say how much: %d", n)
		}
		return b[:n], e
	}
	head := func(local, localLen, peer, peerLen, typ, protocol int) []byte {
		b := make([]byte, 40)
		for i, v := range map[int]int{0: local, 8: localLen, 16: peer, 24: peerLen, 32: typ, 36: protocol} {
			binary.LittleEndian.PutUint32(b[i:], uint32(v))
		}
		return b
	}
	fresh := r.tcp()
	got, e := get(fresh, 72)
	if want := append(head(0, 0, 0, 0, 1, 6), make([]byte, 32)...); e != 0 || string(got) != string(want) {
		t.Errorf("fresh: % x %s", got, name(e))
	}
	_, e = get(fresh, 71)
	r.want("short", e, wsa.EFAULT)
	s := connectedTo(r, d)
	want := head(40, 16, 56, 16, 1, 6)
	want = provider.AppendSockaddr(want, addr("10.0.0.1:49152"))
	want = provider.AppendSockaddr(want, addr("10.0.0.9:80"))
	if got, e := get(s, 200); e != 0 || string(got) != string(want) {
		t.Errorf("connected: % x %s, want % x", got, name(e), want)
	}
	six := r.of(datagram6)
	r.bind(six, "[fd00::1]:53")
	want = head(40, 28, 0, 0, 2, 17)
	want = append(provider.AppendSockaddr(want, addr("[fd00::1]:53")), make([]byte, 28)...)
	if got, e := get(six, 96); e != 0 || string(got) != string(want) {
		t.Errorf("bound, IPv6: % x %s, want % x", got, name(e), want)
	}
	_, e = get(six, 95)
	r.want("short, IPv6", e, wsa.EFAULT)
	r.want("set", r.set(s, wsa.SOL_SOCKET, wsa.SO_BSP_STATE, 1), wsa.ENOPROTOOPT)
}

// TestProtocolInfoOption is SO_PROTOCOL_INFOA and -W: the chain's own entry (9.1, 1.1).
func TestProtocolInfoOption(t *testing.T) {
	r := newRig(t, basetest.NewScript(), passing{})
	s := r.tcp()
	for _, c := range []struct {
		name int32
		size int
	}{{wsa.SO_PROTOCOL_INFOA, 372}, {wsa.SO_PROTOCOL_INFOW, 628}} {
		if n, e := r.table(s).WSPGetSockOpt(s, wsa.SOL_SOCKET, c.name, make([]byte, c.size-1)); n != c.size || e != wsa.EFAULT {
			t.Errorf("short buffer: %d %s", n, name(e))
		}
		b := make([]byte, 700)
		n, e := r.table(s).WSPGetSockOpt(s, wsa.SOL_SOCKET, c.name, b)
		if n != c.size || e != 0 {
			t.Fatalf("%d %s", n, name(e))
		}
		at := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
		info := s.Info
		for i, want := range map[int]uint32{
			0: info.ServiceFlags1, 4: 0, 8: 0, 12: 0, 16: info.ProviderFlags,
			36: uint32(info.CatalogEntryID), 40: 2, 44: uint32(info.Chain.Entries[0]), 48: uint32(info.Chain.Entries[1]), 52: 0,
			72: 2, 76: 2, 80: 16, 84: 16, 88: 1, 92: 6, 96: 0, 100: 0, 104: 0, 108: 0, 112: 0,
		} {
			if at(i) != want {
				t.Errorf("%#x: %d at %d, want %d", c.name, at(i), i, want)
			}
		}
		if string(b[20:36]) != string(info.ProviderID[:]) {
			t.Errorf("provider id % x", b[20:36])
		}
		step := (c.size - 116) / 256
		for i, ch := range info.Name {
			if b[116+i*step] != byte(ch) {
				t.Fatalf("name differs at %d", i)
			}
		}
		if b[116+len(info.Name)*step] != 0 || b[c.size-1] != 0 {
			t.Error("the name does not end")
		}
		r.want("set", r.set(s, wsa.SOL_SOCKET, c.name, 1), wsa.ENOPROTOOPT)
	}
	if s.Info.Chain.Len != 2 {
		t.Errorf("not below a layer: %+v", s.Info.Chain)
	}
}

// TestUpdateContext is SO_UPDATE_ACCEPT_CONTEXT and SO_UPDATE_CONNECT_CONTEXT (9.1):
// what AcceptEx made has the listener's options from then on.
func TestUpdateContext(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	update := func(s *provider.Socket, v []byte) wsa.Errno {
		return r.table(s).WSPSetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_UPDATE_ACCEPT_CONTEXT, v)
	}
	of := func(s *provider.Socket) []byte { return binary.LittleEndian.AppendUint64(nil, s.Handle()) }
	l := states["listening"](r, d)
	r.want("option", r.set(l, wsa.IPPROTO_TCP, wsa.TCP_NODELAY, 1), 0)
	d.Last().On("Accept", basetest.Result{Endpoint: acceptable()})
	into := r.tcp()
	r.want("own option", r.set(into, wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE, 77), 0)
	r.want("early", update(into, of(l)), wsa.ENOTCONN)
	_, e := r.accept(l, provider.AcceptRequest{Into: into})
	r.want("AcceptEx", e, 0)
	if v, _ := r.get(into, wsa.IPPROTO_TCP, wsa.TCP_NODELAY); v != 0 {
		t.Error("it has the listener's options before")
	}
	r.want("short", update(into, of(l)[:4]), wsa.EFAULT)
	r.want("another", update(into, of(into)), wsa.EINVAL)
	r.want("update", update(into, of(l)), 0)
	if v, _ := r.get(into, wsa.IPPROTO_TCP, wsa.TCP_NODELAY); v != 1 {
		t.Error("it does not have the listener's options")
	}
	if v, _ := r.get(into, wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE); v != 77 {
		t.Errorf("its own option is %d", v)
	}
	_, e = r.get(into, wsa.SOL_SOCKET, wsa.SO_UPDATE_ACCEPT_CONTEXT)
	r.want("get", e, wsa.ENOPROTOOPT)

	c := connectedTo(r, d)
	r.want("not by AcceptEx", update(c, of(l)), wsa.EINVAL)
	connect := func(s *provider.Socket) wsa.Errno {
		return r.table(s).WSPSetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_UPDATE_CONNECT_CONTEXT, nil)
	}
	r.want("connect context", connect(c), 0)
	r.want("not connected", connect(r.tcp()), wsa.ENOTCONN)
	r.want("accepted", connect(into), wsa.ENOTCONN)
	r.want("on a datagram socket", connect(r.udp()), wsa.ENOPROTOOPT)
	r.want("close", r.close(l, provider.CloseLinger), 0)
	r.want("after the listener", update(into, of(l)), wsa.ENOTSOCK)
}
