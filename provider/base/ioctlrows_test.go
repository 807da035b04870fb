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

func (r *rig) ioctl(s *provider.Socket, code uint32, in, out []byte) (int, wsa.Errno) {
	return r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: code, In: in, Out: out})
}

// TestIoctlRows is winsock-spi 9.6 row by row: where a code applies, the buffers that
// it needs, and what it gives on a fresh socket. Sizes are of an IPv4 socket; a size
// of 28 in a row of an IPv6 socket is sockaddr_in6.
func TestIoctlRows(t *testing.T) {
	const ok = wsa.Errno(0)
	dst, dst6 := sockaddrOf("192.0.2.1:0"), sockaddrOf("[2001:db8:dead::1]:0")
	for _, c := range []struct {
		name    string
		kind    string
		code    uint32
		in      []byte
		out     int
		want    wsa.Errno
		n       int
		shortIn bool // one byte less in is EFAULT
	}{
		{"9.6 SIO_ASSOCIATE_HANDLE", stream4, wsa.SIO_ASSOCIATE_HANDLE, nil, 0, wsa.ENOPROTOOPT, 0, false},
		{"9.6 SIO_FIND_ROUTE", stream4, wsa.SIO_FIND_ROUTE, dst, 16, wsa.ENOPROTOOPT, 0, false},
		{"9.6 SIO_ENABLE_CIRCULAR_QUEUEING", datagram4, wsa.SIO_ENABLE_CIRCULAR_QUEUEING, nil, 0, ok, 0, false},
		{"9.6 SIO_ENABLE_CIRCULAR_QUEUEING on a stream", stream4, wsa.SIO_ENABLE_CIRCULAR_QUEUEING, nil, 0, wsa.EINVAL, 0, false},
		{"9.6 SIO_FLUSH", stream4, wsa.SIO_FLUSH, nil, 0, wsa.ENOPROTOOPT, 0, false},
		{"9.6 SIO_GET_QOS", stream4, wsa.SIO_GET_QOS, nil, 99, wsa.ENOPROTOOPT, 0, false},
		{"9.6 SIO_GET_GROUP_QOS", stream4, wsa.SIO_GET_GROUP_QOS, nil, 99, wsa.ENOPROTOOPT, 0, false},
		{"9.6 SIO_SET_QOS", stream4, wsa.SIO_SET_QOS, make([]byte, 99), 0, wsa.ENOPROTOOPT, 0, false},
		{"9.6 SIO_SET_GROUP_QOS", stream4, wsa.SIO_SET_GROUP_QOS, make([]byte, 99), 0, wsa.ENOPROTOOPT, 0, false},
		{"9.6 SIO_TRANSLATE_HANDLE", stream4, wsa.SIO_TRANSLATE_HANDLE, nil, 8, wsa.ENOPROTOOPT, 0, false},
		{"9.6 SIO_ADDRESS_LIST_SORT", stream6, wsa.SIO_ADDRESS_LIST_SORT, make([]byte, 8), 8, wsa.ENOPROTOOPT, 0, false},
		{"9.6 port reservation, acquire", stream4, wsa.SIO_ACQUIRE_PORT_RESERVATION, make([]byte, 4), 16, wsa.ENOPROTOOPT, 0, false},
		{"9.6 port reservation, release", stream4, wsa.SIO_RELEASE_PORT_RESERVATION, make([]byte, 8), 0, wsa.ENOPROTOOPT, 0, false},
		{"9.6 port reservation, associate", stream4, wsa.SIO_ASSOCIATE_PORT_RESERVATION, make([]byte, 8), 0, wsa.ENOPROTOOPT, 0, false},
		{"9.6 SIO_IDEAL_SEND_BACKLOG_QUERY", stream4, wsa.SIO_IDEAL_SEND_BACKLOG_QUERY, nil, 4, wsa.EOPNOTSUPP, 0, false},
		{"9.6 SIO_EXT_SELECT", stream4, wsa.SIO_EXT_SELECT, nil, 8, wsa.EOPNOTSUPP, 0, false},
		{"9.6 SIO_EXT_POLL", stream4, wsa.SIO_EXT_POLL, nil, 8, wsa.EOPNOTSUPP, 0, false},
		{"9.6 SIO_EXT_SENDMSG", stream4, wsa.SIO_EXT_SENDMSG, nil, 8, wsa.EOPNOTSUPP, 0, false},
		{"5.9 SIO_GET_EXTENSION_FUNCTION_POINTER", stream4, wsa.SIO_GET_EXTENSION_FUNCTION_POINTER, make([]byte, 16), 8, wsa.EINVAL, 0, true},
		{"5.9 its output", stream4, wsa.SIO_GET_EXTENSION_FUNCTION_POINTER, make([]byte, 16), 7, wsa.EFAULT, 8, false},

		{"5.10 SIO_BSP_HANDLE", stream4, wsa.SIO_BSP_HANDLE, nil, 8, ok, 8, false},
		{"5.10 SIO_BSP_HANDLE, short", stream4, wsa.SIO_BSP_HANDLE, nil, 7, wsa.EFAULT, 8, false},
		{"5.10 SIO_BSP_HANDLE_SELECT", datagram4, wsa.SIO_BSP_HANDLE_SELECT, nil, 8, ok, 8, false},
		{"5.10 SIO_BSP_HANDLE_POLL", raw6, wsa.SIO_BSP_HANDLE_POLL, nil, 8, ok, 8, false},
		{"5.10 SIO_QUERY_TARGET_PNP_HANDLE", stream4, wsa.SIO_QUERY_TARGET_PNP_HANDLE, nil, 8, ok, 8, false},

		{"9.6 SIO_MULTIPOINT_LOOPBACK", datagram4, wsa.SIO_MULTIPOINT_LOOPBACK, le32(0), 0, ok, 0, true},
		{"9.6 SIO_MULTIPOINT_LOOPBACK on a stream", stream4, wsa.SIO_MULTIPOINT_LOOPBACK, le32(0), 0, wsa.EINVAL, 0, false},
		{"9.6 SIO_MULTICAST_SCOPE", datagram6, wsa.SIO_MULTICAST_SCOPE, le32(5), 0, ok, 0, true},
		{"9.6 SIO_MULTICAST_SCOPE out of range", datagram6, wsa.SIO_MULTICAST_SCOPE, le32(256), 0, wsa.EINVAL, 0, false},
		{"9.6 SIO_MULTICAST_SCOPE on a stream", stream6, wsa.SIO_MULTICAST_SCOPE, le32(5), 0, wsa.EINVAL, 0, false},

		{"9.6 SIO_RCVALL unbound", raw4, wsa.SIO_RCVALL, le32(0), 0, wsa.EINVAL, 0, true},
		{"9.6 SIO_RCVALL on a stream", stream4, wsa.SIO_RCVALL, le32(1), 0, wsa.EINVAL, 0, false},
		{"9.6 SIO_RCVALL_MCAST on a datagram socket", datagram4, wsa.SIO_RCVALL_MCAST, le32(1), 0, wsa.EINVAL, 0, false},
		{"9.6 SIO_RCVALL_IGMPMCAST unbound", raw4, wsa.SIO_RCVALL_IGMPMCAST, le32(1), 0, wsa.EINVAL, 0, true},
		{"9.6 SIO_LOOPBACK_FAST_PATH", stream4, wsa.SIO_LOOPBACK_FAST_PATH, le32(1), 0, ok, 0, true},
		{"9.6 SIO_LOOPBACK_FAST_PATH on a datagram socket", datagram4, wsa.SIO_LOOPBACK_FAST_PATH, le32(1), 0, wsa.EINVAL, 0, false},
		{"9.6 SIO_TCP_INITIAL_RTO", stream4, wsa.SIO_TCP_INITIAL_RTO, le32(3000), 0, ok, 0, true},
		{"9.6 SIO_TCP_INITIAL_RTO on a datagram socket", datagram4, wsa.SIO_TCP_INITIAL_RTO, le32(3000), 0, wsa.EINVAL, 0, false},
		{"9.6 SIO_TCP_INFO, not connected", stream4, wsa.SIO_TCP_INFO, le32(0), 88, wsa.EINVAL, 0, true},
		{"9.6 SIO_TCP_INFO, short", stream4, wsa.SIO_TCP_INFO, le32(0), 87, wsa.EFAULT, 88, false},
		{"9.6 SIO_TCP_INFO, version 7", stream4, wsa.SIO_TCP_INFO, le32(7), 200, wsa.EINVAL, 0, false},
		{"9.6 SIO_TCP_INFO on a datagram socket", datagram4, wsa.SIO_TCP_INFO, le32(0), 88, wsa.EINVAL, 0, false},
		{"9.6 SIO_UDP_NETRESET", datagram4, wsa.SIO_UDP_NETRESET, le32(1), 0, ok, 0, true},
		{"9.6 SIO_UDP_NETRESET on a stream", stream4, wsa.SIO_UDP_NETRESET, le32(1), 0, wsa.EINVAL, 0, false},

		{"9.6 SIO_ROUTING_INTERFACE_QUERY", datagram4, wsa.SIO_ROUTING_INTERFACE_QUERY, dst, 16, ok, 16, true},
		{"9.6 SIO_ROUTING_INTERFACE_QUERY, short", datagram4, wsa.SIO_ROUTING_INTERFACE_QUERY, dst, 15, wsa.EFAULT, 16, false},
		{"9.6 SIO_ROUTING_INTERFACE_QUERY IPv6", stream6, wsa.SIO_ROUTING_INTERFACE_QUERY, dst6, 28, ok, 28, true},
		{"9.6 SIO_ROUTING_INTERFACE_QUERY IPv6, short", stream6, wsa.SIO_ROUTING_INTERFACE_QUERY, dst6, 27, wsa.EFAULT, 28, false},
		{"9.6 SIO_ROUTING_INTERFACE_QUERY, other family", datagram4, wsa.SIO_ROUTING_INTERFACE_QUERY, dst6, 28, wsa.EINVAL, 0, false},
		{"9.6 SIO_ROUTING_INTERFACE_QUERY, wildcard", datagram4, wsa.SIO_ROUTING_INTERFACE_QUERY, sockaddrOf("0.0.0.0:0"), 16, wsa.EINVAL, 0, false},
		{"9.6 SIO_ROUTING_INTERFACE_QUERY, unreachable", datagram4, wsa.SIO_ROUTING_INTERFACE_QUERY, sockaddrOf("8.8.8.8:0"), 16, wsa.ENETUNREACH, 0, false},
		{"9.6 SIO_ROUTING_INTERFACE_QUERY, mapped on V6ONLY", stream6, wsa.SIO_ROUTING_INTERFACE_QUERY, sockaddrOf("[::ffff:10.0.0.9]:0"), 28, wsa.EINVAL, 0, false},
		{"9.6 SIO_ROUTING_INTERFACE_CHANGE", datagram4, wsa.SIO_ROUTING_INTERFACE_CHANGE, dst, 0, wsa.EWOULDBLOCK, 0, true},
		{"9.6 SIO_ROUTING_INTERFACE_CHANGE, other family", datagram4, wsa.SIO_ROUTING_INTERFACE_CHANGE, dst6, 0, wsa.EINVAL, 0, false},
		{"9.6 SIO_ADDRESS_LIST_QUERY", datagram4, wsa.SIO_ADDRESS_LIST_QUERY, nil, 40, ok, 40, false},
		{"9.6 SIO_ADDRESS_LIST_QUERY, short", datagram4, wsa.SIO_ADDRESS_LIST_QUERY, nil, 39, wsa.EFAULT, 40, false},
		{"9.6 SIO_ADDRESS_LIST_CHANGE", stream4, wsa.SIO_ADDRESS_LIST_CHANGE, nil, 0, wsa.EWOULDBLOCK, 0, false},
		{"9.6 SIO_GET_INTERFACE_LIST", datagram4, wsa.SIO_GET_INTERFACE_LIST, nil, 152, ok, 152, false},
		{"9.6 SIO_GET_INTERFACE_LIST, short", datagram4, wsa.SIO_GET_INTERFACE_LIST, nil, 151, wsa.EFAULT, 152, false},
		{"SIO_GET_INTERFACE_LIST_EX", stream6, wsa.SIO_GET_INTERFACE_LIST_EX, nil, 280, ok, 280, false},
		{"SIO_GET_INTERFACE_LIST_EX, short", stream6, wsa.SIO_GET_INTERFACE_LIST_EX, nil, 279, wsa.EFAULT, 280, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
			s := r.of(c.kind)
			n, e := r.ioctl(s, c.code, c.in, make([]byte, c.out))
			r.want("ioctl", e, c.want)
			if n != c.n {
				t.Errorf("size %d, want %d", n, c.n)
			}
			if c.shortIn {
				n, e := r.ioctl(s, c.code, c.in[:len(c.in)-1], make([]byte, c.out))
				r.want("short input", e, wsa.EFAULT)
				if n != 0 {
					t.Errorf("short input: size %d", n)
				}
			}
		})
	}
}

func sockaddrOf(s string) []byte { return provider.AppendSockaddr(nil, addr(s)) }

// TestNoInterfaces: a driver that does not know its interfaces cannot be asked.
func TestNoInterfaces(t *testing.T) {
	r := newRig(t, basetest.NewScript())
	s := r.udp()
	for _, code := range []uint32{wsa.SIO_ROUTING_INTERFACE_QUERY, wsa.SIO_ROUTING_INTERFACE_CHANGE, wsa.SIO_ADDRESS_LIST_QUERY,
		wsa.SIO_ADDRESS_LIST_CHANGE, wsa.SIO_GET_INTERFACE_LIST, wsa.SIO_GET_INTERFACE_LIST_EX} {
		_, e := r.ioctl(s, code, sockaddrOf("10.0.0.9:0"), make([]byte, 500))
		r.want("ioctl", e, wsa.EOPNOTSUPP)
	}
}

// TestMultipointIoctls: the two ioctls are the options of the socket's family.
func TestMultipointIoctls(t *testing.T) {
	for _, c := range []struct {
		kind              string
		level, loop, hops int32
	}{{datagram4, wsa.IPPROTO_IP, wsa.IP_MULTICAST_LOOP, wsa.IP_MULTICAST_TTL}, {raw6, wsa.IPPROTO_IPV6, wsa.IPV6_MULTICAST_LOOP, wsa.IPV6_MULTICAST_HOPS}} {
		r := newRig(t, basetest.NewScript())
		s := r.of(c.kind)
		for _, want := range [][2]int{{1, 1}, {0, 9}} {
			loop, _ := r.get(s, c.level, c.loop)
			hops, _ := r.get(s, c.level, c.hops)
			if loop != want[0] || hops != want[1] {
				t.Errorf("%s: loop %d, hops %d, want %v", c.kind, loop, hops, want)
			}
			_, e := r.ioctl(s, wsa.SIO_MULTIPOINT_LOOPBACK, le32(0), nil)
			r.want("loopback", e, 0)
			_, e = r.ioctl(s, wsa.SIO_MULTICAST_SCOPE, le32(9), nil)
			r.want("scope", e, 0)
		}
	}
}

// TestReceiveAll: what is never on can be turned off.
func TestReceiveAll(t *testing.T) {
	r := newRig(t, basetest.NewScript())
	s := r.of(raw4)
	r.bind(s, "10.0.0.1:0")
	for v, want := range []wsa.Errno{0, wsa.EOPNOTSUPP, wsa.EOPNOTSUPP, wsa.EOPNOTSUPP, wsa.EINVAL} {
		_, e := r.ioctl(s, wsa.SIO_RCVALL, le32(v), nil)
		r.want("SIO_RCVALL", e, want)
	}
}

// TestInitialRTO comes before the connect.
func TestInitialRTO(t *testing.T) {
	for state, want := range map[string]wsa.Errno{"bound": 0, "refused": 0, "connecting": wsa.EINVAL, "connected": wsa.EINVAL, "listening": wsa.EINVAL} {
		d := basetest.NewScript()
		r := newRig(t, d)
		_, e := r.ioctl(states[state](r, d), wsa.SIO_TCP_INITIAL_RTO, le32(3000), nil)
		r.want(state, e, want)
	}
}

// informed is a driver whose endpoints tell of their connection and their queue.
type informed struct{ *basetest.Script }

type informant struct{ *basetest.Endpoint }

func (informant) TCPInfo() base.TCPInfo {
	return base.TCPInfo{
		State: wsa.TCPSTATE_ESTABLISHED, MSS: 1460, Timestamps: true, RTT: 1500 * time.Microsecond, MinRTT: time.Millisecond,
		InFlight: 5, CongestionWindow: 6, SendWindow: 7, ReceiveWindow: 8, ReceiveBuffer: 9,
		Reordered: 10, Retransmitted: 11, FastRetransmits: 12, DupAcks: 13, Timeouts: 14, SynRetransmits: 15,
	}
}

func (informant) QueuedTotal() int { return 4711 }

func (d informed) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	ep, e := d.Script.Open(af, typ, protocol)
	return informant{ep.(*basetest.Endpoint)}, e
}

// TestTCPInfo is TCP_INFO_v0, byte by byte.
func TestTCPInfo(t *testing.T) {
	d := informed{basetest.NewScript()}
	now := time.Unix(1e9, 0)
	r := rigOf(t, base.Config{Driver: d, Now: func() time.Time { return now }})
	s := connectedTo(r, d.Script)
	now = now.Add(2500 * time.Millisecond)
	r.send(s, "12345")
	d.Last().On("Recv", basetest.Result{Data: []byte("abc")})
	r.recv(s, 9, 0)
	out := make([]byte, 100)
	n, e := r.ioctl(s, wsa.SIO_TCP_INFO, le32(0), out)
	var want []byte
	want = append(want, le32(4, 1460, 2500, 0, 1, 1500, 1000, 5, 6, 7, 8, 9, 5, 0, 3, 0, 10, 11, 12, 13, 14, 15)...)
	if e != 0 || string(out[:n]) != string(want) {
		t.Errorf("% x %s, want % x", out[:n], name(e), want)
	}
	d2 := basetest.NewScript()
	r2 := newRig(t, d2)
	_, e = r2.ioctl(connectedTo(r2, d2), wsa.SIO_TCP_INFO, le32(0), out)
	r.want("a driver that cannot tell", e, wsa.EOPNOTSUPP)
}

// TestQueuedTotal: FIONREAD of a datagram socket is all that is queued (9.6), of a
// driver that does not know it what a receive would return.
func TestQueuedTotal(t *testing.T) {
	d := informed{basetest.NewScript()}
	r := newRig(t, d)
	check := func(s *provider.Socket, want uint32) {
		t.Helper()
		out := make([]byte, 4)
		_, e := r.ioctl(s, wsa.FIONREAD, nil, out)
		if v := binary.LittleEndian.Uint32(out); e != 0 || v != want {
			t.Errorf("%d %s, want %d", v, name(e), want)
		}
	}
	u := r.udp()
	d.Last().SetQueued(12)
	check(u, 0)
	r.bind(u, "10.0.0.1:53")
	check(u, 4711)
	s := connectedTo(r, d.Script)
	d.Last().SetQueued(99)
	check(s, 99) // a stream has one number only
}

// TestCircularQueueing: the oldest datagram is lost, not the newest (9.6); a driver
// that cannot makes it ENOPROTOOPT.
func TestCircularQueueing(t *testing.T) {
	for _, circular := range []bool{false, true} {
		r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{Datagrams: 2}))
		s := r.udp()
		r.bind(s, "10.0.0.1:53")
		want := "ab"
		if circular {
			_, e := r.ioctl(s, wsa.SIO_ENABLE_CIRCULAR_QUEUEING, nil, nil)
			r.want("enable", e, 0)
			want = "bc"
		}
		c := r.udp()
		for _, text := range []string{"a", "b", "c"} {
			r.sendTo(c, "10.0.0.1:53", text)
		}
		got := ""
		for range 2 {
			one, _, e := r.recvFrom(s, 9)
			r.want("recv", e, 0)
			got += one
		}
		if got != want {
			t.Errorf("circular %v: %q, want %q", circular, got, want)
		}
	}
	r := newRig(t, basetest.NewScript())
	_, e := r.ioctl(r.udp(), wsa.SIO_ENABLE_CIRCULAR_QUEUEING, nil, nil)
	r.want("a driver that cannot", e, wsa.ENOPROTOOPT)
}
