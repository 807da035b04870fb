package base_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestRoutingInterfaceQuery is the local address for a destination (9.6).
func TestRoutingInterfaceQuery(t *testing.T) {
	r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
	for _, c := range []struct{ kind, to, want string }{
		{datagram4, "10.0.0.1:80", "10.0.0.1:0"},
		{stream4, "192.0.2.1:0", "10.0.0.1:0"},
		{raw4, "127.9.9.9:0", "127.9.9.9:0"},
		{datagram6, "[2001:db8:dead::1]:9", "[fd00::1]:0"},
	} {
		out := make([]byte, 40)
		n, e := r.ioctl(r.of(c.kind), wsa.SIO_ROUTING_INTERFACE_QUERY, sockaddrOf(c.to), out)
		if e != 0 || string(out[:n]) != string(sockaddrOf(c.want)) {
			t.Errorf("%s to %s: % x %s", c.kind, c.to, out[:n], name(e))
		}
	}
}

// cards is a driver with interfaces of a test's choice.
type cards struct {
	base.Driver
	all []base.Interface
}

func (d cards) Interfaces() ([]base.Interface, wsa.Errno) { return d.all, 0 }

func (cards) Route(provider.Addr) (provider.Addr, uint32, wsa.Errno) {
	return provider.Addr{}, 0, wsa.ENETUNREACH
}

func (cards) Changes(func(wsa.Events)) (func(), wsa.Errno) { return nil, wsa.EMFILE }

func prefixes(s ...string) (p []netip.Prefix) {
	for _, x := range s {
		p = append(p, netip.MustParsePrefix(x))
	}
	return p
}

var interfaces = cards{basetest.NewScript(), []base.Interface{
	{Index: 1, Name: "lo", Flags: wsa.IFF_UP | wsa.IFF_LOOPBACK, Addrs: prefixes("127.0.0.1/8", "::1/128")},
	{Index: 2, Name: "eth0", Flags: wsa.IFF_UP | wsa.IFF_BROADCAST | wsa.IFF_MULTICAST, Addrs: prefixes("10.1.2.3/22", "fe80::7/64", "fd00::7/64")},
	{Index: 3, Name: "tun0", Flags: wsa.IFF_UP | wsa.IFF_POINTTOPOINT, Addrs: prefixes("10.9.0.1/32")},
	{Index: 4, Name: "eth1", Flags: wsa.IFF_BROADCAST, Addrs: prefixes("10.8.0.1/31")}, // down
}}

// TestAddressListQuery is SOCKET_ADDRESS_LIST, byte by byte: no loopback, nothing that
// is down, one family (9.6).
func TestAddressListQuery(t *testing.T) {
	r := newRig(t, interfaces)
	scoped := addr("[fe80::7]:0")
	scoped.Scope = 2
	for _, c := range []struct {
		kind  string
		one   int
		addrs []provider.Addr
	}{
		{datagram4, 16, []provider.Addr{addr("10.1.2.3:0"), addr("10.9.0.1:0")}},
		{stream6, 28, []provider.Addr{scoped, addr("[fd00::7]:0")}},
	} {
		want := le32(2, 0, 40, 0, c.one, 0, 40+c.one, 0, c.one, 0)
		for _, a := range c.addrs {
			want = provider.AppendSockaddr(want, a)
		}
		out := make([]byte, 200)
		n, e := r.ioctl(r.of(c.kind), wsa.SIO_ADDRESS_LIST_QUERY, nil, out)
		if e != 0 || string(out[:n]) != string(want) {
			t.Errorf("% x %s, want % x", out[:n], name(e), want)
		}
	}
}

// TestInterfaceListQuery is INTERFACE_INFO, byte by byte: flags, address, broadcast
// address, netmask of every address, the loopback's too (9.6).
func TestInterfaceListQuery(t *testing.T) {
	r := newRig(t, interfaces)
	type row struct {
		flags int
		names [3]string
	}
	four := []row{
		{5, [3]string{"127.0.0.1", "0.0.0.0", "255.0.0.0"}},
		{0x13, [3]string{"10.1.2.3", "10.1.3.255", "255.255.252.0"}},
		{9, [3]string{"10.9.0.1", "0.0.0.0", "255.255.255.255"}},
		{2, [3]string{"10.8.0.1", "0.0.0.0", "255.255.255.254"}},
	}
	var want []byte
	for _, x := range four {
		want = append(want, le32(x.flags)...)
		for _, a := range x.names {
			want = append(append(want, sockaddrOf(a+":0")...), make([]byte, 8)...)
		}
	}
	out := make([]byte, 500)
	n, e := r.ioctl(r.of(datagram4), wsa.SIO_GET_INTERFACE_LIST, nil, out)
	if e != 0 || string(out[:n]) != string(want) {
		t.Errorf("% x %s, want % x", out[:n], name(e), want)
	}
	n, e = r.ioctl(r.of(datagram6), wsa.SIO_GET_INTERFACE_LIST, nil, out)
	if e != 0 || n != 3*76 || binary.LittleEndian.Uint32(out[76:]) != 0x13 ||
		string(out[80:104]) != string(sockaddrOf("[fe80::7]:0")[:24]) || string(out[128:152]) != string(sockaddrOf("[ffff:ffff:ffff:ffff::]:0")[:24]) {
		t.Errorf("IPv6: % x %s", out[:n], name(e))
	}
	testInterfaceListEx(t, r, four[0].flags)
}

// testInterfaceListEx reads INTERFACE_INFO_EX by its pointers.
func testInterfaceListEx(t *testing.T, r *rig, loopback int) {
	t.Helper()
	out := make([]byte, 800)
	n, e := r.ioctl(r.of(stream6), wsa.SIO_GET_INTERFACE_LIST_EX, nil, out)
	at := func(i int) int { return int(binary.LittleEndian.Uint64(out[i:])) }
	if e != 0 || n != 3*(56+84) || at(8)/56 != 3 || at(0) != loopback {
		t.Fatalf("%d bytes, %d entries, flags %#x, %s", n, at(8)/56, at(0), name(e))
	}
	for i, want := range []string{"[::1]:0", "[::]:0", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:0", "[fe80::7]:0"} {
		p := 8 + i/3*56 + i%3*16
		if i == 3 {
			p = 56 + 8
		}
		a, ok := provider.ParseSockaddr(out[at(p):])
		if !ok || at(p+8) != 28 || a.AddrPort.String() != want {
			t.Errorf("%d: %v, want %s", i, a, want)
		}
		if i == 3 && a.Scope != 2 {
			t.Errorf("scope %d", a.Scope)
		}
	}
}
