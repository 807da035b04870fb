package stack_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

var (
	groups4 = netip.MustParseAddr("239.1.1.1")
	groups6 = netip.MustParseAddr("ff05::7")
)

func protocolFor(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}

// TestGroupReports: joins and leaves are told on the wire by IGMPv3 and MLDv2, if the
// stack is to tell them.
func TestGroupReports(t *testing.T) {
	for _, group := range []netip.Addr{groups4, groups6} {
		t.Run(group.String(), func(t *testing.T) {
			s, err := stack.New(stack.Config{GroupReports: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			w := stacktest.NewWire(false)
			n, err := s.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("fd01::1/64")}})
			if err != nil {
				t.Fatal(err)
			}
			tcp := s.TCPIP()
			if err := tcp.JoinGroup(protocolFor(group), n.ID(), stack.ToAddress(group)); err != nil {
				t.Fatal(err)
			}
			w.Expect(t, 10*time.Second, "report of the join", reports(group, 4)) // CHANGE_TO_EXCLUDE_MODE
			if err := tcp.LeaveGroup(protocolFor(group), n.ID(), stack.ToAddress(group)); err != nil {
				t.Fatal(err)
			}
			w.Expect(t, 10*time.Second, "report of the leave", reports(group, 3)) // CHANGE_TO_INCLUDE_MODE
		})
	}
}

// reports matches an IGMPv3 or MLDv2 report with a record of this kind for the group.
func reports(group netip.Addr, kind byte) func([]byte) bool {
	record := append([]byte{kind, 0, 0, 0}, group.AsSlice()...) // no auxiliary data, no sources
	return func(p []byte) bool {
		if group.Is4() {
			return p[0]>>4 == 4 && p[9] == 2 && p[int(p[0]&15)*4] == 0x22 && bytes.Contains(p, record)
		}
		return p[0]>>4 == 6 && bytes.Contains(p, record) && bytes.Contains(p, []byte{143, 0}) // behind a hop-by-hop header
	}
}

// TestGroupRoutes: groups are reached without a route of one's own, over the NIC of a
// default route before others, and over the loopback if there is nothing else.
func TestGroupRoutes(t *testing.T) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	over := func(group netip.Addr) (name string) {
		t.Helper()
		r, err := s.TCPIP().FindRoute(0, tcpip.Address{}, stack.ToAddress(group), protocolFor(group), false)
		if err != nil {
			return err.String()
		}
		defer r.Release()
		return s.TCPIP().FindNICNameFromID(r.NICID())
	}
	check := func(when, want4, want6 string) {
		t.Helper()
		if got4, got6 := over(groups4), over(groups6); got4 != want4 || got6 != want6 {
			t.Errorf("%s: over %q and %q, want %q and %q", when, got4, got6, want4, want6)
		}
	}
	add := func(name string, addrs ...string) *stack.NIC {
		t.Helper()
		var prefixes []netip.Prefix
		for _, a := range addrs {
			prefixes = append(prefixes, netip.MustParsePrefix(a))
		}
		n, err := s.AddNIC(stack.NICConfig{Name: name, Device: stacktest.NewWire(false), Addrs: prefixes})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	check("alone", "lo", "lo")
	six := add("six", "fd01::1/64")
	check("a NIC of IPv6", "lo", "six")
	a := add("a", "10.1.0.1/24", "fd02::1/64")
	b := add("b", "10.2.0.1/24", "fd03::1/64")
	check("three NICs", "a", "six")
	s.SetRoutes([]stack.Route{{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: b}})
	check("a default route", "b", "six")
	s.SetRoutes([]stack.Route{{Dest: netip.MustParsePrefix("239.1.0.0/16"), NIC: a}, {Dest: netip.MustParsePrefix("ff05::/16"), NIC: b}})
	check("named routes", "a", "b")
	s.SetRoutes(nil)
	six.Close()
	a.Close()
	check("two are closed", "b", "b")
}
