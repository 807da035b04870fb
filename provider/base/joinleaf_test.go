package base_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

const leafFlags = wsa.WSA_FLAG_MULTIPOINT_C_LEAF | wsa.WSA_FLAG_MULTIPOINT_D_LEAF

// newLeaf opens a c_leaf and d_leaf.
func (r *rig) newLeaf(af int32) *provider.Socket {
	r.t.Helper()
	s, e := r.create(&provider.SocketRequest{AF: af, Type: wsa.SOCK_DGRAM, Flags: leafFlags})
	r.want("socket", e, 0)
	return s
}

func (r *rig) joinLeaf(s *provider.Socket, to provider.Addr, flags uint32) wsa.Errno {
	r.t.Helper()
	n, e := r.table(s).WSPJoinLeaf(s, &provider.JoinRequest{To: to, Flags: flags})
	if e == 0 && n != s || e != 0 && n != nil {
		r.t.Errorf("WSPJoinLeaf returned %p with %s, not the socket itself", n, name(e)) // 7.3: a c_leaf
	}
	return e
}

// TestJoinLeafErrors is the error table of winsock-spi 7.3 as far as it can occur:
// nothing pends (EALREADY), and no flow specifications come down (EOPNOTSUPP for QoS).
func TestJoinLeafErrors(t *testing.T) {
	group := addr("239.1.1.1:5000")
	for _, c := range []struct {
		name  string
		make  func(r *rig) *provider.Socket
		to    provider.Addr
		flags uint32
		want  wsa.Errno
	}{
		{"7.3 not a multipoint socket", (*rig).udp, group, wsa.JL_BOTH, wsa.EOPNOTSUPP},
		{"7.3 a stream", (*rig).tcp, group, wsa.JL_BOTH, wsa.EOPNOTSUPP},
		{"7.3 no flag", leaf4, group, 0, wsa.EINVAL},
		{"7.3 sender and receiver as two flags", leaf4, group, wsa.JL_SENDER_ONLY | wsa.JL_RECEIVER_ONLY, wsa.EINVAL},
		{"7.3 both and receiver", leaf4, group, wsa.JL_BOTH | wsa.JL_RECEIVER_ONLY, wsa.EINVAL},
		{"7.3 an unknown flag", leaf4, group, 8, wsa.EINVAL},
		{"7.3 no address", leaf4, provider.Addr{}, wsa.JL_BOTH, wsa.EFAULT},
		{"7.3 malformed", leaf4, provider.Addr{Family: wsa.AF_INET}, wsa.JL_BOTH, wsa.EFAULT},
		{"7.3 another family", leaf4, addr("[ff05::7]:5000"), wsa.JL_BOTH, wsa.EAFNOSUPPORT},
		{"7.3 ADDR_ANY", leaf4, addr("0.0.0.0:5000"), wsa.JL_BOTH, wsa.EADDRNOTAVAIL},
		{"7.3 a host", leaf4, addr("10.0.0.9:5000"), wsa.JL_BOTH, wsa.EADDRNOTAVAIL},
		{"7.3 everybody", leaf4, addr("255.255.255.255:5000"), wsa.JL_BOTH, wsa.EADDRNOTAVAIL},
		{"0.4 port 0", leaf4, addr("239.1.1.1:0"), wsa.JL_BOTH, wsa.EADDRNOTAVAIL},
		{"7.3 an interface that is not there", leaf6, scoped("[ff02::7]:5000", 9), wsa.JL_BOTH, wsa.EADDRNOTAVAIL},
		{"9.3 IPv4 on IPv6 only", leaf6, addr("[::ffff:239.1.1.1]:5000"), wsa.JL_BOTH, wsa.EADDRNOTAVAIL},
		{"7.3 a leaf already", func(r *rig) *provider.Socket {
			s := leaf4(r)
			r.want("first", r.joinLeaf(s, addr("239.1.1.9:5000"), wsa.JL_SENDER_ONLY), 0)
			return s
		}, group, wsa.JL_BOTH, wsa.EISCONN},
		{"7.3 a member already", func(r *rig) *provider.Socket {
			s := leaf4(r)
			r.want("option", r.member(s, wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "0.0.0.0")), 0)
			return s
		}, group, wsa.JL_RECEIVER_ONLY, wsa.EISCONN},
		{"7.3 late bind conflict", func(r *rig) *provider.Socket {
			s := leaf4(r)
			last.On("Bind", basetest.Result{Errno: wsa.EADDRINUSE})
			return s
		}, group, wsa.JL_BOTH, wsa.EADDRINUSE},
		{"7.3 no buffers", func(r *rig) *provider.Socket {
			s := leaf4(r)
			last.On("JoinGroup", basetest.Result{Errno: wsa.ENOBUFS})
			return s
		}, group, wsa.JL_BOTH, wsa.ENOBUFS},
		{"7.3 closed", func(r *rig) *provider.Socket {
			s := leaf4(r)
			r.want("close", r.close(s, provider.CloseAbort), 0)
			return s
		}, group, wsa.JL_BOTH, wsa.ENOTSOCK},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := basetest.NewScript()
			d.OnOpen(func(ep *basetest.Endpoint) { last = ep })
			r := newRig(t, d)
			s := c.make(r)
			joins := len(last.Called("JoinGroup"))
			r.want("join", r.joinLeaf(s, c.to, c.flags), c.want)
			if n := len(last.Called("JoinGroup")); n != joins && c.want != wsa.ENOBUFS {
				t.Errorf("joined: %v", last.Calls())
			}
		})
	}
}

var last *basetest.Endpoint // of TestJoinLeafErrors

func leaf4(r *rig) *provider.Socket { return r.newLeaf(wsa.AF_INET) }
func leaf6(r *rig) *provider.Socket { return r.newLeaf(wsa.AF_INET6) }

func scoped(a string, scope uint32) provider.Addr {
	b := addr(a)
	b.Scope = scope
	return b
}

// TestJoinLeafAgain: what failed may be tried again.
func TestJoinLeafAgain(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := leaf4(r)
	d.Last().On("JoinGroup", basetest.Result{Errno: wsa.ENOBUFS})
	r.want("first", r.joinLeaf(s, addr("239.1.1.1:5000"), wsa.JL_BOTH), wsa.ENOBUFS)
	_, e := r.send(s, "x")
	r.want("send", e, wsa.ENOTCONN)
	r.want("again", r.joinLeaf(s, addr("239.1.1.1:5000"), wsa.JL_BOTH), 0)
}

// TestJoinLeafDirections: JL_RECEIVER_ONLY and JL_BOTH are members, JL_SENDER_ONLY and
// JL_BOTH send there by default (winsock-spi 7.3); what is heard and what is not.
func TestJoinLeafDirections(t *testing.T) {
	for _, c := range []struct {
		name         string
		flags        uint32
		hears, sends bool
	}{
		{"JL_SENDER_ONLY", wsa.JL_SENDER_ONLY, false, true},
		{"JL_RECEIVER_ONLY", wsa.JL_RECEIVER_ONLY, true, false},
		{"JL_BOTH", wsa.JL_BOTH, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			families(t, func(t *testing.T, m *club, group, _, here, there, _ string) {
				to := provider.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr(group), 5000))
				s := m.newLeaf(m.af)
				m.want("SO_REUSEADDR", m.set(s, wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1), 0)
				m.want("bind", m.table(s).WSPBind(s, provider.Any(m.af, 5000)), 0)
				m.want("join", m.joinLeaf(s, to, c.flags), 0)
				other := m.listen() // bound later: unicast is the first one's
				m.want("join the other", m.option(other, wsa.MCAST_JOIN_GROUP, group), 0)

				m.say(there, group, "in")
				m.say(there, here, "unicast")
				want := "unicast"
				if c.hears {
					want = "in unicast"
				}
				m.is("the leaf", m.heard(s), want)
				m.heard(other)

				peer, e := m.table(s).WSPGetPeerName(s)
				n, sent := m.send(s, "out")
				if !c.sends {
					m.want("peer", e, wsa.ENOTCONN)
					m.want("send", sent, wsa.ENOTCONN)
					_, e := m.sendTo(s, "", "out")
					m.want("sendto nobody", e, wsa.EDESTADDRREQ)
					return
				}
				m.want("peer", e, 0)
				m.want("send", sent, 0)
				if peer != to || n != 3 {
					t.Errorf("peer %v, sent %d", peer, n)
				}
				_, e = m.sendTo(s, "", "out2")
				m.want("sendto nobody", e, 0)
				m.same("batch", m.sendBatch(s, []provider.Datagram{{Data: []byte("out3")}, {Data: []byte("out4"), Addr: to}}), "2 success")
				m.is("the other", m.heard(other), "out out2 out3 out4")
			})
		})
	}
}

// TestJoinLeafBinds: a leaf without a name gets one.
func TestJoinLeafBinds(t *testing.T) {
	m := newClub(t, wsa.AF_INET)
	s := leaf4(m.rig)
	m.want("join", m.joinLeaf(s, addr("239.1.1.1:5000"), wsa.JL_BOTH), 0)
	a, e := m.table(s).WSPGetSockName(s)
	if e != 0 || a.Port() < 49152 || !a.Addr().IsUnspecified() {
		t.Errorf("%v %s", a, name(e))
	}
	_, _, e = m.recvFrom(s, 10)
	m.want("recv", e, wsa.EWOULDBLOCK)
}

// TestJoinLeafLeaves: dropping the membership, connecting and closing.
func TestJoinLeafLeaves(t *testing.T) {
	m := newClub(t, wsa.AF_INET)
	s := leaf4(m.rig)
	m.bind(s, "0.0.0.0:5000")
	m.want("join", m.joinLeaf(s, addr("239.1.1.1:5000"), wsa.JL_BOTH), 0)
	m.want("connect", m.connect(s, "10.0.0.2:7"), 0)
	if a, e := m.table(s).WSPGetPeerName(s); e != 0 || a != addr("10.0.0.2:7") {
		t.Errorf("connected to %v %s", a, name(e))
	}
	m.want("disconnect", m.table(s).WSPConnect(s, &provider.ConnectRequest{}), 0)
	_, e := m.send(s, "x")
	m.want("send", e, wsa.ENOTCONN)
	m.say(there4, "239.1.1.1", "still a member")
	m.is("disconnected", m.heard(s), "still a member")
	m.want("drop", m.member(s, wsa.IPPROTO_IP, wsa.IP_DROP_MEMBERSHIP, mreq("239.1.1.1", "0.0.0.0")), 0)
	m.say(there4, "239.1.1.1", "not any more")
	m.is("left", m.heard(s), "")
	m.want("a leaf once", m.joinLeaf(s, addr("239.1.1.2:5000"), wsa.JL_BOTH), wsa.EISCONN)
}

// TestJoinLeafScope: a link-local group is joined where its scope says.
func TestJoinLeafScope(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	r.want("join", r.joinLeaf(leaf6(r), scoped("[ff02::7]:5000", 3), wsa.JL_RECEIVER_ONLY), 0)
	if c := d.Last().Called("JoinGroup"); len(c) != 1 || c[0].Index != 3 || c[0].Group != netip.MustParseAddr("ff02::7") {
		t.Errorf("%v", c)
	}
}

// TestNoGroups: over a driver that knows none.
func TestNoGroups(t *testing.T) {
	r := newRig(t, groupless{basetest.NewScript()})
	s := leaf4(r)
	r.want("joinleaf", r.joinLeaf(s, addr("239.1.1.1:5000"), wsa.JL_BOTH), wsa.EOPNOTSUPP)
	r.want("option", r.member(s, wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "0.0.0.0")), wsa.ENOPROTOOPT)
	r.want("loop", r.set(s, wsa.IPPROTO_IP, wsa.IP_MULTICAST_LOOP, 0), wsa.ENOPROTOOPT)
	r.want("interface", r.set(s, wsa.IPPROTO_IP, wsa.IP_MULTICAST_IF, 0), wsa.ENOPROTOOPT)
	if v, e := r.get(s, wsa.IPPROTO_IP, wsa.IP_MULTICAST_LOOP); v != 1 || e != 0 {
		t.Errorf("loop %d %s", v, name(e))
	}
}

type groupless struct{ base.Driver }

func (d groupless) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	ep, e := d.Driver.Open(af, typ, protocol)
	return struct{ base.Endpoint }{ep}, e
}
