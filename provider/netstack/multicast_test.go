package netstack_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// groupsOf are a group of each family and another.
var groupsOf = map[int32][2]netip.Addr{
	wsa.AF_INET:  {netip.MustParseAddr("239.1.1.1"), netip.MustParseAddr("239.1.1.2")},
	wsa.AF_INET6: {netip.MustParseAddr("ff05::7"), netip.MustParseAddr("ff05::8")},
}

// TestGroups: real multicast between two stacks, over the in-memory wire.
func TestGroups(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		providertest.ConformGroups(t, providertest.Groups{
			Base: base.New(base.Config{Driver: n.a}), Own: fam.a, Peer: fam.b,
			Group: groupsOf[fam.af][0], Other: groupsOf[fam.af][1],
			Say: func(t *testing.T, to netip.AddrPort, text string) {
				s := udp(t, n.b, fam.af)
				_, e := s.Send(&provider.Msg{Buffers: [][]byte{[]byte(text)}, Addr: provider.AddrFrom(to)})
				s.must("send to "+to.String(), e)
			},
			Listen: func(t *testing.T, group netip.AddrPort) func() (string, netip.Addr) {
				s := udp(t, n.b, fam.af)
				s.bind(provider.Any(fam.af, 0).Addr(), group.Port())
				s.join(group.Addr(), 0)
				return func() (string, netip.Addr) {
					b, from, e := s.recv1(100)
					s.must("receive", e)
					return string(b), from.Addr()
				}
			},
		})
	})
}

func (s *sock) grouper() base.Grouper { return s.Endpoint.(base.Grouper) }

// join joins on the interface with the number, 0 for the default.
func (s *sock) join(group netip.Addr, index uint32) uint32 {
	s.t.Helper()
	index, e := s.grouper().GroupInterface(group, netip.Addr{}, index)
	s.must("interface", e)
	s.must("join", s.grouper().JoinGroup(group, index))
	return index
}

// crossroads is a stack with a NIC to each of two others: 10.1.0.1 to left and 10.2.0.1
// to right, which have .2.
func crossroads(t *testing.T) (mid *stack.Stack, left, right *netstack.Driver) {
	mid, others := newStack(t), [2]*netstack.Driver{}
	for i, net := range []string{"10.1.0.", "10.2.0."} {
		c, other := stacktest.NewCable(stacktest.CableConfig{}), newStack(t)
		for s, d := range map[*stack.Stack]stack.NICConfig{
			mid:   {Device: c.A, Addrs: []netip.Prefix{netip.MustParsePrefix(net + "1/24")}},
			other: {Device: c.B, Addrs: []netip.Prefix{netip.MustParsePrefix(net + "2/24")}},
		} {
			if _, err := s.AddNIC(d); err != nil {
				t.Fatal(err)
			}
		}
		others[i] = driver(t, other)
	}
	return mid, others[0], others[1]
}

func newStack(t *testing.T) *stack.Stack {
	t.Helper()
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// tenant is a socket of a house.
type tenant struct {
	*provider.Socket
	t     *testing.T
	woken chan struct{}
}

func (w *tenant) Wake(*provider.Socket, wsa.Events) {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// tenant opens UDP on port 5000, shared.
func (h *house) tenant() *tenant {
	h.t.Helper()
	s, e := h.open(wsa.AF_INET, wsa.SOCK_DGRAM, 0)
	if e != 0 {
		h.t.Fatal(e)
	}
	w := &tenant{s, h.t, make(chan struct{}, 1)}
	s.Chain().Table.Watch(s, w, wsa.FD_READ)
	w.set(wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1, 0, 0, 0)
	if e := s.Chain().Table.WSPBind(s, addr(netip.IPv4Unspecified(), 5000)); e != 0 {
		h.t.Fatal(e)
	}
	return w
}

func (w *tenant) set(level, name int32, in ...byte) {
	w.t.Helper()
	if e := w.Chain().Table.WSPSetSockOpt(w.Socket, level, name, in); e != 0 {
		w.t.Fatalf("option %d/%d: %v", level, name, e)
	}
}

// hears waits for what must be the next datagram.
func (w *tenant) hears(want string) {
	w.t.Helper()
	late := time.After(patience)
	for w.Chain().Table.Ready(w.Socket, wsa.FD_READ).Events == 0 {
		select {
		case <-w.woken:
		case <-late:
			w.t.Fatalf("%q did not come", want)
		}
	}
	b := make([]byte, 20)
	n, e := w.Chain().Table.WSPRecvFrom(w.Socket, msg(b))
	if string(b[:n]) != want || e != 0 {
		w.t.Fatalf("heard %q, %v; want %q", b[:n], e, want)
	}
}

// TestGroupInterfaces: a membership is one interface's, and datagrams leave by the one
// that was chosen.
func TestGroupInterfaces(t *testing.T) {
	mid, left, right := crossroads(t)
	h, group := newHouse(t, mid, false), groupsOf[wsa.AF_INET][0]
	l, r := h.tenant(), h.tenant()
	l.set(wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, append(group.AsSlice(), 10, 1, 0, 1)...)
	r.set(wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, append(group.AsSlice(), 10, 2, 0, 1)...)
	say := func(d *netstack.Driver, text string) {
		t.Helper()
		s := udp(t, d, wsa.AF_INET)
		_, e := s.Send(&provider.Msg{Buffers: [][]byte{[]byte(text)}, Addr: addr(group, 5000)})
		s.must("send", e)
	}
	say(left, "from the left")
	l.hears("from the left")
	say(right, "from the right")
	r.hears("from the right") // and not what came before it from the left
	say(left, "again")
	l.hears("again")

	ears := func(d *netstack.Driver) *sock {
		s := udp(t, d, wsa.AF_INET)
		s.bind(netip.IPv4Unspecified(), 5000)
		s.join(group, 0)
		return s
	}
	atLeft, atRight := ears(left), ears(right)
	send := func(to netip.Addr, text string) {
		t.Helper()
		if _, e := l.Chain().Table.WSPSendTo(l.Socket, &provider.Msg{Buffers: [][]byte{[]byte(text)}, Addr: addr(to, 5000)}); e != 0 {
			t.Fatalf("send to %v: %v", to, e)
		}
	}
	hear := func(s *sock, want, from string) {
		t.Helper()
		b, a, e := s.recv1(20)
		if string(b) != want || a.Addr().String() != from || e != 0 {
			t.Fatalf("%q from %v, %v; want %q from %s", b, a, e, want, from)
		}
	}
	send(group, "default") // the oldest NIC
	hear(atLeft, "default", "10.1.0.1")
	l.set(wsa.IPPROTO_IP, wsa.IP_MULTICAST_IF, 10, 2, 0, 1)
	send(group, "by address")
	hear(atRight, "by address", "10.2.0.1")
	l.set(wsa.IPPROTO_IP, wsa.IP_MULTICAST_IF, 0, 0, 0, 0)
	send(group, "default again")
	hear(atLeft, "default again", "10.1.0.1") // not what went to the right
	send(netip.MustParseAddr("10.2.0.2"), "unicast")
	hear(atRight, "unicast", "10.2.0.1")
}

// TestGroupLeftByClose: the NIC is a member as long as a socket is.
func TestGroupLeftByClose(t *testing.T) {
	each(t, func(t *testing.T, n *net, fam family) {
		group := groupsOf[fam.af][0]
		member := func() bool {
			in, err := n.A.TCPIP().IsInGroup(n.NA.ID(), stack.ToAddress(group))
			if err != nil {
				t.Fatal(err)
			}
			return in
		}
		a, b := udp(t, n.a, fam.af), udp(t, n.a, fam.af)
		for _, s := range []*sock{a, b} {
			if index := s.join(group, 0); index != uint32(n.NA.ID()) {
				t.Errorf("joined on %d", index)
			}
		}
		a.fails("join again", a.grouper().JoinGroup(group, uint32(n.NA.ID())), wsa.EADDRNOTAVAIL)
		a.fails("join nowhere", a.grouper().JoinGroup(group, 99), wsa.EADDRNOTAVAIL)
		a.close(false)
		if !member() {
			t.Error("left while a socket is in it")
		}
		b.must("leave", b.grouper().LeaveGroup(group, uint32(n.NA.ID())))
		if member() {
			t.Error("not left")
		}
		b.join(group, 0)
		b.close(false)
		if member() {
			t.Error("not left by Close")
		}
	})
}
