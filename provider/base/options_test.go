package base_test

import (
	"fmt"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

const (
	stream4, datagram4, raw4 = "tcp4", "udp4", "raw4"
	stream6, datagram6, raw6 = "tcp6", "udp6", "raw6"
)

func (r *rig) of(kind string) *provider.Socket {
	r.t.Helper()
	af := wsa.AF_INET
	if kind[3] == '6' {
		af = wsa.AF_INET6
	}
	switch kind[:3] {
	case "tcp":
		return r.socket(af, wsa.SOCK_STREAM, 0)
	case "udp":
		return r.socket(af, wsa.SOCK_DGRAM, 0)
	}
	return r.socket(af, wsa.SOCK_RAW, wsa.IPPROTO_ICMP)
}

// TestOptionRows is winsock-spi 9.1 to 9.3 row by row: on which sockets an option
// is, its default, and what setting it gives. set -2 is "cannot be set".
func TestOptionRows(t *testing.T) {
	all := []string{stream4, datagram4, raw4, stream6, datagram6, raw6}
	streams := []string{stream4, stream6}
	messages := []string{datagram4, raw4, datagram6, raw6}
	six := []string{stream6, datagram6, raw6}
	four := []string{stream4, datagram4, raw4}
	const sol, tcp, ip, ip6 = wsa.SOL_SOCKET, wsa.IPPROTO_TCP, wsa.IPPROTO_IP, wsa.IPPROTO_IPV6
	for _, c := range []struct {
		level, name int32
		on          []string
		def         int
		set, back   int
		elsewhere   wsa.Errno
	}{
		{sol, wsa.SO_DEBUG, all, 0, 5, 1, 0},
		{sol, wsa.SO_ACCEPTCONN, all, 0, -2, 0, 0},
		{sol, wsa.SO_REUSEADDR, all, 0, 9, 1, 0},
		{sol, wsa.SO_EXCLUSIVEADDRUSE, all, 0, 1, 1, 0},
		{sol, wsa.SO_KEEPALIVE, streams, 0, 1, 1, wsa.ENOPROTOOPT},
		{sol, wsa.SO_DONTROUTE, four, 0, 1, 1, wsa.ENOPROTOOPT},
		{sol, wsa.SO_BROADCAST, []string{datagram4, raw4}, 0, 1, 1, wsa.ENOPROTOOPT},
		{sol, wsa.SO_LINGER, streams, 0, 1 | 30<<16, 1 | 30<<16, wsa.ENOPROTOOPT},
		{sol, wsa.SO_DONTLINGER, streams, 1, 0, 0, wsa.ENOPROTOOPT},
		{sol, wsa.SO_OOBINLINE, streams, 0, 1, 1, wsa.ENOPROTOOPT},
		{sol, wsa.SO_SNDBUF, all, 65536, 12345, 12345, 0},
		{sol, wsa.SO_RCVBUF, all, 65536, 0, 0, 0},
		{sol, wsa.SO_ERROR, all, 0, -2, 0, 0},
		{sol, wsa.SO_GROUP_ID, all, 0, -2, 0, 0},
		{sol, wsa.SO_GROUP_PRIORITY, all, 0, 3, 3, 0},
		{sol, wsa.SO_RANDOMIZE_PORT, all, 0, 1, 1, 0},
		{sol, wsa.SO_REUSE_UNICASTPORT, all, 0, 1, 1, 0},
		{tcp, wsa.TCP_NODELAY, streams, 0, 1, 1, wsa.ENOPROTOOPT},
		{tcp, wsa.TCP_KEEPIDLE, streams, 7200, 30, 30, wsa.ENOPROTOOPT},
		{tcp, wsa.TCP_KEEPINTVL, streams, 1, 15, 15, wsa.ENOPROTOOPT},
		{tcp, wsa.TCP_KEEPCNT, streams, 10, 9, 9, wsa.ENOPROTOOPT},
		{tcp, wsa.TCP_MAXRT, streams, 0, -1, -1, wsa.ENOPROTOOPT},
		{tcp, wsa.TCP_FAIL_CONNECT_ON_ICMP_ERROR, streams, 0, 1, 1, wsa.ENOPROTOOPT},
		{ip, wsa.IP_TTL, four, 128, 64, 64, wsa.EINVAL}, // V6ONLY sockets: 9.3
		{ip, wsa.IP_TOS, four, 0, 16, 16, wsa.EINVAL},
		{ip, wsa.IP_HDRINCL, []string{raw4}, 0, 1, 1, wsa.EINVAL},
		{ip6, wsa.IPV6_UNICAST_HOPS, six, 128, 1, 1, wsa.ENOPROTOOPT},
		{ip6, wsa.IPV6_TCLASS, six, 0, 16, 16, wsa.ENOPROTOOPT},
		{ip6, wsa.IPV6_V6ONLY, six, 1, 0, 0, wsa.ENOPROTOOPT},
		{ip6, wsa.IPV6_HDRINCL, []string{raw6}, 0, 1, 1, wsa.EINVAL},
		{ip6, wsa.IPV6_MULTICAST_HOPS, []string{datagram6, raw6}, 1, 5, 5, wsa.ENOPROTOOPT},
		{ip6, wsa.IPV6_MULTICAST_LOOP, []string{datagram6, raw6}, 1, 0, 0, wsa.ENOPROTOOPT},
		{ip, wsa.IP_MULTICAST_LOOP, []string{datagram4, raw4}, 1, 0, 0, 0},
		{ip, wsa.IP_DONTFRAGMENT, []string{datagram4, raw4}, 0, 1, 1, 0},
		{sol, wsa.SO_MAX_MSG_SIZE, messages, 0, -2, 0, wsa.ENOPROTOOPT},
	} {
		for _, kind := range all {
			t.Run(fmt.Sprintf("%d/%#x %s", c.level, uint32(c.name), kind), func(t *testing.T) {
				r := newRig(t, basetest.NewScript())
				s := r.of(kind)
				v, e := r.get(s, c.level, c.name)
				if !contains(c.on, kind) {
					if e == 0 || c.elsewhere != 0 && e != c.elsewhere {
						t.Fatalf("not on this socket: %d %s, want %s", v, name(e), name(c.elsewhere))
					}
					if e2 := r.set(s, c.level, c.name, 1); e2 != e {
						t.Fatalf("set says %s where get says %s", name(e2), name(e))
					}
					return
				}
				r.want("get", e, 0)
				if v != c.def && c.name != wsa.SO_MAX_MSG_SIZE {
					t.Errorf("default %d, want %d", v, c.def)
				}
				if c.set == -2 {
					r.want("set", r.set(s, c.level, c.name, 1), wsa.ENOPROTOOPT)
					return
				}
				r.want("set", r.set(s, c.level, c.name, c.set), 0)
				if v, _ := r.get(s, c.level, c.name); v != c.back {
					t.Errorf("reads back %d, want %d", v, c.back)
				}
				n, e := r.table(s).WSPGetSockOpt(s, c.level, c.name, make([]byte, 3))
				if n != 4 || e != wsa.EFAULT {
					t.Errorf("short buffer: %d %s", n, name(e))
				}
				r.want("short value", r.table(s).WSPSetSockOpt(s, c.level, c.name, make([]byte, 3)), wsa.EFAULT)
			})
		}
	}
}

func contains(all []string, s string) bool {
	for _, v := range all {
		if v == s {
			return true
		}
	}
	return false
}

// TestConnectICMPOption: a struct says how long it is, a driver that cannot tell has
// none, and nobody sets it.
func TestConnectICMPOption(t *testing.T) {
	r := newRig(t, basetest.NewScript())
	s := r.tcp()
	get := func(size int) (int, wsa.Errno) {
		return r.table(s).WSPGetSockOpt(s, wsa.IPPROTO_TCP, wsa.TCP_ICMP_ERROR_INFO, make([]byte, size))
	}
	if n, e := get(provider.ICMPErrorInfoSize - 1); n != provider.ICMPErrorInfoSize || e != wsa.EFAULT {
		t.Errorf("short buffer: %d %s", n, name(e))
	}
	if _, e := get(provider.ICMPErrorInfoSize); e != wsa.ENOPROTOOPT {
		t.Errorf("a driver that cannot tell: %s", name(e))
	}
	r.want("set", r.set(s, wsa.IPPROTO_TCP, wsa.TCP_ICMP_ERROR_INFO, 1), wsa.ENOPROTOOPT)
}

// TestOptionErrors is the rest of winsock-spi 3.16, 9 and 12.6.
func TestOptionErrors(t *testing.T) {
	for _, c := range []struct {
		kind        string
		level, name int32
		v           int
		want        wsa.Errno
	}{
		{stream4, -1, wsa.SO_TYPE, 0, wsa.EINVAL},
		{stream4, 0x1234ffff, wsa.SO_TYPE, 0, wsa.EINVAL},
		{stream4, -0x7fff0001, wsa.SO_TYPE, 0, wsa.EINVAL}, // 0x8000FFFF
		{stream4, 0x8000, wsa.SO_TYPE, 0, wsa.EINVAL},
		{stream4, 0x800, wsa.SO_TYPE, 0, wsa.EINVAL},
		{stream4, wsa.SOL_SOCKET, 0x7777, 0, wsa.ENOPROTOOPT},
		{stream4, wsa.IPPROTO_TCP, 0x7777, 0, wsa.ENOPROTOOPT},
		{datagram4, wsa.IPPROTO_UDP, 0x7777, 0, wsa.ENOPROTOOPT},
		{stream4, wsa.SOL_SOCKET, wsa.SO_USELOOPBACK, 1, wsa.EINVAL},
		{stream4, wsa.SOL_SOCKET, wsa.SO_SNDLOWAT, 1, wsa.EINVAL},
		{stream4, wsa.SOL_SOCKET, wsa.SO_RCVLOWAT, 1, wsa.EINVAL},
		{stream4, wsa.SOL_SOCKET, wsa.SO_SNDBUF, -1, wsa.EINVAL},
		{stream4, wsa.IPPROTO_TCP, wsa.TCP_KEEPCNT, 256, wsa.EINVAL},
		{stream4, wsa.IPPROTO_TCP, wsa.TCP_KEEPCNT, 0, wsa.EINVAL},
		{stream4, wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE, 0, wsa.EINVAL},
		{stream4, wsa.IPPROTO_IP, wsa.IP_TTL, 256, wsa.EINVAL},
		{stream4, wsa.IPPROTO_IP, wsa.IP_TTL, 0, wsa.EINVAL},
		{stream4, wsa.IPPROTO_IP, wsa.IP_TOS, 256, wsa.EINVAL},
		{stream4, wsa.SOL_SOCKET, wsa.SO_TYPE, 1, wsa.ENOPROTOOPT},
	} {
		r := newRig(t, basetest.NewScript())
		s := r.of(c.kind)
		r.want(fmt.Sprintf("%s set %d/%#x to %d", c.kind, c.level, c.name, c.v), r.set(s, c.level, c.name, c.v), c.want)
	}
}

// TestEarlyOptions come before bind, or not at all.
func TestEarlyOptions(t *testing.T) {
	for _, o := range [][2]int32{{wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY}, {wsa.SOL_SOCKET, wsa.SO_EXCLUSIVEADDRUSE}, {wsa.SOL_SOCKET, wsa.SO_RANDOMIZE_PORT}} {
		r := newRig(t, basetest.NewScript())
		s := r.of(stream6)
		r.want("before", r.set(s, o[0], o[1], 0), 0)
		r.bind(s, "[::1]:1")
		r.want("after", r.set(s, o[0], o[1], 1), wsa.EINVAL)
	}
}

// TestAddressUse: SO_REUSEADDR and SO_EXCLUSIVEADDRUSE exclude each other (9.1).
func TestAddressUse(t *testing.T) {
	for _, order := range [][2]int32{{wsa.SO_REUSEADDR, wsa.SO_EXCLUSIVEADDRUSE}, {wsa.SO_EXCLUSIVEADDRUSE, wsa.SO_REUSEADDR}} {
		r := newRig(t, basetest.NewScript())
		s := r.tcp()
		r.want("first on", r.set(s, wsa.SOL_SOCKET, order[0], 1), 0)
		r.want("second on", r.set(s, wsa.SOL_SOCKET, order[1], 1), wsa.EINVAL)
		r.want("second off", r.set(s, wsa.SOL_SOCKET, order[1], 0), 0)
		r.want("first off", r.set(s, wsa.SOL_SOCKET, order[0], 0), 0)
		r.want("second on", r.set(s, wsa.SOL_SOCKET, order[1], 1), 0)
	}
}

// TestDontLinger is always the opposite of l_onoff, and brings the time of before
// back (8.3, 12.6).
func TestDontLinger(t *testing.T) {
	r := newRig(t, basetest.NewScript())
	s := r.tcp()
	check := func(linger, dont int) {
		t.Helper()
		l, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_LINGER)
		d, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_DONTLINGER)
		if l != linger || d != dont {
			t.Errorf("linger %#x dontlinger %d, want %#x %d", l, d, linger, dont)
		}
	}
	check(0, 1)
	r.set(s, wsa.SOL_SOCKET, wsa.SO_LINGER, 1|7<<16)
	check(1|7<<16, 0)
	r.set(s, wsa.SOL_SOCKET, wsa.SO_DONTLINGER, 1)
	check(7<<16, 1)
	r.set(s, wsa.SOL_SOCKET, wsa.SO_DONTLINGER, 0)
	check(1|7<<16, 0)
	long := uint32(40000)<<16 | 1 // l_linger is unsigned
	r.set(s, wsa.SOL_SOCKET, wsa.SO_LINGER, int(int32(long)))
	check(int(int32(long)), 0)
}

// TestKeepAlive: its times go down with it; EINVAL while connecting, ENOTCONN
// when dead (3.16, 9.1).
func TestKeepAlive(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.tcp()
	r.want("idle", r.set(s, wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE, 30), 0)
	r.want("on", r.set(s, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, 1), 0)
	for _, o := range [][2]int32{{wsa.TCP_KEEPIDLE, 30}, {wsa.TCP_KEEPINTVL, 1}, {wsa.TCP_KEEPCNT, 10}} {
		if v, e := d.Last().Option(wsa.IPPROTO_TCP, o[0]); v != int(o[1]) || e != 0 {
			t.Errorf("option %d at the driver: %d %s, want %d", o[0], v, name(e), o[1])
		}
	}
	for state, want := range map[string]wsa.Errno{"connecting": wsa.EINVAL, "connected": 0, "reset": wsa.ENOTCONN} {
		d := basetest.NewScript()
		r := newRig(t, d)
		s := states[state](r, d)
		r.want(state, r.set(s, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, 1), want)
	}
}

// TestDriverLacks: what has no effect is not claimed, what is only a hint is kept.
func TestDriverLacks(t *testing.T) {
	d := basetest.NewScript()
	d.OnOpen(func(e *basetest.Endpoint) {
		for _, o := range [][2]int32{{wsa.SOL_SOCKET, wsa.SO_KEEPALIVE}, {wsa.IPPROTO_IP, wsa.IP_TTL}, {wsa.SOL_SOCKET, wsa.SO_SNDBUF}, {wsa.IPPROTO_TCP, wsa.TCP_NODELAY}} {
			e.Lacks(o[0], o[1])
		}
	})
	r := newRig(t, d)
	s := r.tcp()
	r.want("SO_KEEPALIVE", r.set(s, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, 1), wsa.ENOPROTOOPT)
	r.want("IP_TTL", r.set(s, wsa.IPPROTO_IP, wsa.IP_TTL, 5), wsa.ENOPROTOOPT)
	r.want("SO_SNDBUF", r.set(s, wsa.SOL_SOCKET, wsa.SO_SNDBUF, 5), 0)
	r.want("TCP_NODELAY", r.set(s, wsa.IPPROTO_TCP, wsa.TCP_NODELAY, 1), 0)
	if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_SNDBUF); v != 5 {
		t.Errorf("SO_SNDBUF %d", v)
	}
	if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE); v != 0 {
		t.Error("SO_KEEPALIVE is claimed")
	}
}

// TestMeasured options are the driver's to answer.
func TestMeasured(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.tcp()
	_, e := r.get(s, wsa.IPPROTO_TCP, wsa.TCP_MAXSEG)
	r.want("unknown", e, wsa.ENOPROTOOPT)
	d.Last().SetOption(wsa.IPPROTO_TCP, wsa.TCP_MAXSEG, 1460)
	if v, e := r.get(s, wsa.IPPROTO_TCP, wsa.TCP_MAXSEG); v != 1460 || e != 0 {
		t.Errorf("TCP_MAXSEG %d %s", v, name(e))
	}
	d.Last().SetOption(wsa.SOL_SOCKET, wsa.SO_RCVBUF, 4711)
	if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_RCVBUF); v != 4711 {
		t.Errorf("the driver's own buffer: %d", v)
	}
}

// TestMaxMessage and the type (12.6).
func TestMaxMessage(t *testing.T) {
	r := newRig(t, basetest.NewScript())
	for kind, want := range map[string][2]int{datagram4: {65507, 2}, datagram6: {65527, 2}, raw4: {65535, 3}} {
		s := r.of(kind)
		size, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_MAX_MSG_SIZE)
		typ, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_TYPE)
		if size != want[0] || typ != want[1] {
			t.Errorf("%s: size %d type %d, want %v", kind, size, typ, want)
		}
	}
}

// TestDualStack: V6ONLY off opens IPv4 on an IPv6 socket, its options too (9.3).
func TestDualStack(t *testing.T) {
	r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
	s := r.of(datagram6)
	r.want("IP_TTL while V6ONLY", r.set(s, wsa.IPPROTO_IP, wsa.IP_TTL, 3), wsa.EINVAL)
	r.want("V6ONLY off", r.set(s, wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0), 0)
	r.want("IP_TTL", r.set(s, wsa.IPPROTO_IP, wsa.IP_TTL, 3), 0)
	r.bind(s, "[::]:53")
	c := r.udp()
	r.sendTo(c, "127.0.0.1:53", "four")
	data, from, e := r.recvFrom(s, 9)
	if data != "four" || e != 0 || from.Family != wsa.AF_INET6 || !from.Addr().Is4In6() {
		t.Errorf("%q from %v %s", data, from, name(e))
	}
	m := &provider.Msg{Buffers: [][]byte{[]byte("back")}, Addr: from}
	_, e = r.table(s).WSPSendTo(s, m)
	r.want("answer", e, 0)
	if data, _, e := r.recvFrom(c, 9); data != "back" {
		t.Errorf("%q %s", data, name(e))
	}
}

// TestIoctls is winsock-spi 9.6.
func TestIoctls(t *testing.T) {
	const keep, reset = wsa.SIO_KEEPALIVE_VALS, wsa.SIO_UDP_CONNRESET
	for _, c := range []struct {
		name    string
		kind    string
		code    uint32
		in, out int
		want    wsa.Errno
		n       int
	}{
		{"FIONBIO", stream4, wsa.FIONBIO, 4, 0, 0, 0},
		{"FIONBIO short", stream4, wsa.FIONBIO, 3, 0, wsa.EFAULT, 0},
		{"FIONREAD", datagram4, wsa.FIONREAD, 0, 4, 0, 4},
		{"FIONREAD short", datagram4, wsa.FIONREAD, 0, 3, wsa.EFAULT, 4},
		{"broadcast", datagram4, wsa.SIO_GET_BROADCAST_ADDRESS, 0, 16, 0, 16},
		{"broadcast short", datagram4, wsa.SIO_GET_BROADCAST_ADDRESS, 0, 15, wsa.EFAULT, 16},
		{"broadcast v6", datagram6, wsa.SIO_GET_BROADCAST_ADDRESS, 0, 28, wsa.ENOPROTOOPT, 0},
		{"keep-alive", stream4, keep, 12, 0, 0, 0},
		{"keep-alive short", stream4, keep, 11, 0, wsa.EFAULT, 0},
		{"keep-alive on a datagram", datagram4, keep, 12, 0, wsa.EINVAL, 0},
		{"connreset", datagram4, reset, 4, 0, 0, 0},
		{"connreset short", datagram4, reset, 1, 0, wsa.EFAULT, 0},
		{"connreset on a stream", stream4, reset, 4, 0, wsa.EINVAL, 0},
		{"base handle", stream4, wsa.SIO_BASE_HANDLE, 0, 8, 0, 8},
		{"base handle short", stream4, wsa.SIO_BASE_HANDLE, 0, 4, wsa.EFAULT, 8},
		{"unknown", stream4, 0x12345678, 99, 99, wsa.EINVAL, 0},
		{"extension function: the dispatcher's", stream4, wsa.SIO_GET_EXTENSION_FUNCTION_POINTER, 16, 8, wsa.EINVAL, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, basetest.NewScript())
			s := r.of(c.kind)
			n, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: c.code, In: make([]byte, c.in), Out: make([]byte, c.out)})
			r.want("ioctl", e, c.want)
			if n != c.n {
				t.Errorf("size %d, want %d", n, c.n)
			}
		})
	}
}

// TestIoctlValues: what comes out, and what goes in.
func TestIoctlValues(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := connectedTo(r, d)
	d.Last().SetQueued(123456)
	out := make([]byte, 16)
	do := func(code uint32, in []byte) []byte {
		t.Helper()
		n, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: code, In: in, Out: out})
		r.want("ioctl", e, 0)
		return out[:n]
	}
	if got := do(wsa.FIONREAD, nil); string(got) != string(le32(123456)) {
		t.Errorf("FIONREAD % x", got)
	}
	if got := do(wsa.SIO_GET_BROADCAST_ADDRESS, nil); string(got) != "\x02\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00" {
		t.Errorf("broadcast % x", got)
	}
	if got := do(wsa.SIO_BASE_HANDLE, nil); got[0] != byte(s.Handle()) {
		t.Errorf("base handle % x, want %d", got, s.Handle())
	}
	do(wsa.SIO_KEEPALIVE_VALS, le32(1, 30001, 500))
	for _, o := range []struct {
		level, name int32
		want        int
	}{{wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, 1}, {wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE, 31}, {wsa.IPPROTO_TCP, wsa.TCP_KEEPINTVL, 1}} {
		if v, _ := r.get(s, o.level, o.name); v != o.want {
			t.Errorf("option %d/%d is %d, want %d", o.level, o.name, v, o.want)
		}
	}
	do(wsa.SIO_KEEPALIVE_VALS, le32(0, 0, 0))
	if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE); v != 0 {
		t.Error("keep-alive is still on")
	}
}

// TestSystemHandle: an endpoint of the operating system's is the base handle.
func TestSystemHandle(t *testing.T) {
	r := newRig(t, handles{basetest.NewScript()})
	s := r.tcp()
	out := make([]byte, 8)
	_, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: wsa.SIO_BASE_HANDLE, Out: out})
	if e != 0 || out[0] != 77 {
		t.Errorf("% x %s", out, name(e))
	}
	_, e = r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: wsa.FIONREAD, Out: out})
	r.want("FIONREAD of an endpoint that does not know", e, wsa.EOPNOTSUPP)
}

// handles is a driver of endpoints with system handles and no Queuer.
type handles struct{ *basetest.Script }

type handled struct{ base.Endpoint }

func (handled) SysHandle() (uintptr, bool) { return 77, true }

func (h handles) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	ep, e := h.Script.Open(af, typ, protocol)
	return handled{ep}, e
}
