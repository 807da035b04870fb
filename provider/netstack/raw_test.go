package netstack_test

import (
	"net/netip"
	"slices"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// rawNet is two stacks: a sends UDP from its stack, and the raw sockets under test are
// at b, through the provider interface.
type rawNet struct {
	*net
	t    *testing.T
	fam  family
	b    *house
	from *sock
}

func newRawNet(t *testing.T, fam family) *rawNet {
	n := newNet(t, stacktest.PairConfig{})
	r := &rawNet{net: n, t: t, fam: fam, b: newHouse(t, n.B, true), from: udp(t, n.a, fam.af)}
	r.from.bind(fam.a, 0)
	return r
}

func (n *rawNet) raw(protocol int32) *provider.Socket {
	n.t.Helper()
	s, e := n.b.open(n.fam.af, wsa.SOCK_RAW, protocol)
	if e != 0 {
		n.t.Fatalf("socket: %s", e.Name())
	}
	return s
}

// come sends a datagram to stack b and waits until it is there.
func (n *rawNet) come(data string) {
	n.t.Helper()
	to := udp(n.t, n.net.b, n.fam.af)
	m := text(data)
	m.Addr = to.bind(n.fam.b, 0)
	if _, e := n.from.Send(m); e != 0 {
		n.t.Fatalf("send: %s", e.Name())
	}
	to.recv1(100)
	to.close(false)
}

// got is what a raw socket has: the packet's bytes, and EWOULDBLOCK after the last.
func got(s *provider.Socket) ([]byte, provider.Addr, wsa.Errno) {
	m := msg(make([]byte, 2000))
	n, e := s.Chain().Table.WSPRecvFrom(s, m)
	return m.Buffers[0][:n], m.Addr, e
}

// TestRawReceives: "IPv4 receive always includes the IP header regardless of IP_HDRINCL;
// IPv6 receive never includes IPv6 headers" (winsock-spi 9.4).
func TestRawReceives(t *testing.T) {
	for _, fam := range families {
		for _, own := range []byte{0, 1} {
			n := newRawNet(t, fam)
			s := n.raw(wsa.IPPROTO_UDP)
			table := &s.Chain().Table
			level, name := wsa.IPPROTO_IP, wsa.IP_HDRINCL
			if fam.af == wsa.AF_INET6 {
				level, name = wsa.IPPROTO_IPV6, wsa.IPV6_HDRINCL
			}
			e := table.WSPSetSockOpt(s, level, name, []byte{own, 0, 0, 0})
			if fam.af == wsa.AF_INET6 && own == 1 {
				if e != wsa.ENOPROTOOPT { // gVisor's IPv6 sends no header of others
					t.Errorf("IPV6_HDRINCL: %s", e.Name())
				}
			} else if e != 0 && fam.af == wsa.AF_INET {
				t.Fatalf("IP_HDRINCL: %s", e.Name())
			}
			if e := table.WSPBind(s, addr(fam.b, 0)); e != 0 {
				t.Fatalf("bind: %s", e.Name())
			}
			n.come("payload")
			p, from, e := got(s)
			if e != 0 || from.Addr() != fam.a || from.Port() != 0 {
				t.Fatalf("%s from %v", e.Name(), from)
			}
			if fam.af == wsa.AF_INET {
				if h := header.IPv4(p); !h.IsValid(len(p)) || h.TransportProtocol() != header.UDPProtocolNumber || stack.FromAddress(h.SourceAddress()) != fam.a {
					t.Fatalf("HDRINCL %d: no IPv4 header: %x", own, p)
				}
				p = header.IPv4(p).Payload()
			}
			if h := header.UDP(p); len(p) != header.UDPMinimumSize+7 || string(h.Payload()) != "payload" {
				t.Errorf("%s, HDRINCL %d: %x", fam.name, own, p)
			}
		}
	}
}

// TestRawUnbound: receiving needs a bind or a connect (winsock-spi 3.21, 3.23), and what
// came before is not for the socket.
func TestRawUnbound(t *testing.T) {
	for _, fam := range families {
		for _, how := range []string{"bind", "bind to another", "connect", "connect to another", "sendto"} {
			t.Run(fam.name+"/"+how, func(t *testing.T) {
				n := newRawNet(t, fam)
				s := n.raw(wsa.IPPROTO_UDP)
				table := &s.Chain().Table
				n.come("too early")
				if _, _, e := got(s); e != wsa.EINVAL {
					t.Fatalf("unbound: %s", e.Name())
				}
				if r := table.Ready(s, wsa.FD_READ|wsa.FD_WRITE); r.Events != wsa.FD_WRITE {
					t.Errorf("unbound: ready %#x", r.Events)
				}
				hears := true
				var e wsa.Errno
				switch how {
				case "bind":
					e = table.WSPBind(s, provider.Any(fam.af, 0))
				case "bind to another":
					e, hears = table.WSPBind(s, addr(loopbackOf(fam), 0)), false
				case "connect":
					e = table.WSPConnect(s, &provider.ConnectRequest{To: addr(fam.a, 0)})
				case "connect to another":
					e, hears = table.WSPConnect(s, &provider.ConnectRequest{To: addr(loopbackOf(fam), 0)}), false
				case "sendto":
					m := text("12345678")
					m.Addr = addr(fam.a, 0)
					_, e = table.WSPSendTo(s, m)
				}
				if e != 0 {
					t.Fatalf("%s: %s", how, e.Name())
				}
				if p, _, e := got(s); e != wsa.EWOULDBLOCK {
					t.Errorf("what came before: %x, %s", p, e.Name())
				}
				n.come("in time")
				switch _, _, e := got(s); {
				case hears && e != 0:
					t.Errorf("what came then: %s", e.Name())
				case !hears && e != wsa.EWOULDBLOCK:
					t.Errorf("what was for another: %s", e.Name())
				}
			})
		}
	}
}

func loopbackOf(fam family) netip.Addr {
	if fam.af == wsa.AF_INET {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// TestRawCopies: "datagrams copied to every matching raw socket: protocol equal, bound
// local = destination, connected peer = source" (winsock-spi 9.4), and to the UDP socket.
func TestRawCopies(t *testing.T) {
	for _, fam := range families {
		n := newRawNet(t, fam)
		icmp := wsa.IPPROTO_ICMP
		if fam.af == wsa.AF_INET6 {
			icmp = wsa.IPPROTO_ICMPV6
		}
		for _, row := range []struct {
			name       string
			protocol   int32
			bind, peer netip.Addr
			want       bool
		}{
			{"wildcard", wsa.IPPROTO_UDP, unspecified(fam.b), netip.Addr{}, true},
			{"bound to the destination", wsa.IPPROTO_UDP, fam.b, netip.Addr{}, true},
			{"bound to another", wsa.IPPROTO_UDP, loopbackOf(fam), netip.Addr{}, false},
			{"connected to the source", wsa.IPPROTO_UDP, netip.Addr{}, fam.a, true},
			{"connected to another", wsa.IPPROTO_UDP, netip.Addr{}, fam.b, false},
			{"another protocol", icmp, unspecified(fam.b), netip.Addr{}, false},
			{"TCP", wsa.IPPROTO_TCP, unspecified(fam.b), netip.Addr{}, false},
		} {
			s := n.raw(row.protocol)
			e := wsa.Errno(0)
			if row.bind.IsValid() {
				e = s.Chain().Table.WSPBind(s, addr(row.bind, 0))
			} else {
				e = s.Chain().Table.WSPConnect(s, &provider.ConnectRequest{To: addr(row.peer, 0)})
			}
			if e != 0 {
				t.Fatalf("%s: %s", row.name, e.Name())
			}
			defer func() {
				_, _, e := got(s)
				if heard := e == 0; heard != row.want {
					t.Errorf("%s/%s: %s, want %v", fam.name, row.name, e.Name(), row.want)
				}
				if _, _, e := got(s); e != wsa.EWOULDBLOCK {
					t.Errorf("%s/%s: a second copy, %s", fam.name, row.name, e.Name())
				}
			}()
		}
		n.come("copies")
	}
}

// TestRawHeader: "With IP_HDRINCL the stack may fill ID if 0" (winsock-spi 9.4); the
// addresses and the TTL are the sender's, so is the protocol of 255, which only sends.
func TestRawHeader(t *testing.T) {
	fam := families[0]
	for _, protocol := range []int32{wsa.IPPROTO_RAW, wsa.IPPROTO_UDP} {
		n := newRawNet(t, fam)
		s := n.raw(protocol)
		table := &s.Chain().Table
		if protocol != wsa.IPPROTO_RAW {
			if e := table.WSPSetSockOpt(s, wsa.IPPROTO_IP, wsa.IP_HDRINCL, []byte{1, 0, 0, 0}); e != 0 {
				t.Fatalf("IP_HDRINCL: %s", e.Name())
			}
		}
		tap := open(t, n.a, wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_UDP)
		tap.bind(fam.a, 0)
		p := make([]byte, header.IPv4MinimumSize+header.UDPMinimumSize+1)
		header.IPv4(p).Encode(&header.IPv4Fields{
			TotalLength: uint16(len(p)), TTL: 7, Protocol: uint8(header.UDPProtocolNumber),
			SrcAddr: stack.ToAddress(fam.b), DstAddr: stack.ToAddress(fam.a),
		})
		header.UDP(p[header.IPv4MinimumSize:]).Encode(&header.UDPFields{SrcPort: 5, DstPort: 6, Length: header.UDPMinimumSize + 1})
		m := msg(p)
		m.Addr = addr(fam.a, 0)
		if _, e := table.WSPSendTo(s, m); e != 0 {
			t.Fatalf("protocol %d: %s", protocol, e.Name())
		}
		in, from, e := tap.recv1(100)
		h := header.IPv4(in)
		if e != 0 || from.Addr() != fam.b || h.TTL() != 7 || h.ID() == 0 || !h.IsChecksumValid() || header.UDP(h.Payload()).SourcePort() != 5 {
			t.Errorf("protocol %d: %x from %v, %s", protocol, in, from, e.Name())
		}
		// What the layers have judged is where it goes: a header that says otherwise, or
		// none at all, is no way around them.
		elsewhere := slices.Clone(p)
		header.IPv4(elsewhere).SetDestinationAddress(stack.ToAddress(fam.b))
		for what, b := range map[string][]byte{"another destination": elsewhere, "half a header": p[:19], "no header": make([]byte, 20)} {
			m := msg(b)
			m.Addr = addr(fam.a, 0)
			if _, e := table.WSPSendTo(s, m); e != wsa.EINVAL {
				t.Errorf("protocol %d, %s: %s", protocol, what, e.Name())
			}
		}
		if protocol == wsa.IPPROTO_RAW { // bound by sending: it may receive, and nothing comes
			n.come("not for 255")
			if _, _, e := got(s); e != wsa.EWOULDBLOCK {
				t.Errorf("255 has received: %s", e.Name())
			}
		}
	}
}

// TestRawPrivilege: EACCES without the capability, which is no part of UDP (3.29).
func TestRawPrivilege(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	h := newHouse(t, n.A, false)
	for _, fam := range families {
		for _, protocol := range []int32{wsa.IPPROTO_UDP, wsa.IPPROTO_RAW, 89} {
			if _, e := h.open(fam.af, wsa.SOCK_RAW, protocol); e != wsa.EACCES {
				t.Errorf("%s raw %d: %s", fam.name, protocol, e.Name())
			}
		}
		if _, e := h.open(fam.af, wsa.SOCK_DGRAM, 0); e != 0 {
			t.Errorf("%s udp: %s", fam.name, e.Name())
		}
	}
}
