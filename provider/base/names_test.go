package base_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestAddressStrings is winsock-spi 12.3, both ways.
func TestAddressStrings(t *testing.T) {
	scoped := addr("[20ab::2001]:33274")
	scoped.Scope = 0x1234
	bare := addr("[20ab::2001]:0")
	bare.Scope = 0x1234
	r := newRig(t, basetest.NewScript())
	s := r.tcp()
	for _, c := range []struct {
		a    provider.Addr
		text string
	}{
		{addr("0.0.0.0:0"), "0.0.0.0"},
		{addr("0.0.0.0:65535"), "0.0.0.0:65535"},
		{addr("[::1]:0"), "::1"},
		{addr("[20ab::2001]:33274"), "[20ab::2001]:33274"},
		{scoped, "[20ab::2001%4660]:33274"},
		{bare, "20ab::2001%4660"},
	} {
		text, e := r.table(s).WSPAddressToString(c.a, s.Info)
		if text != c.text || e != 0 {
			t.Errorf("%v is %q %s, want %q", c.a, text, name(e), c.text)
		}
		for _, af := range []int32{0, c.a.Family} {
			a, e := r.table(s).WSPStringToAddress(c.text, af, s.Info)
			if a != c.a || e != 0 {
				t.Errorf("%q is %v %s", c.text, a, name(e))
			}
		}
	}
	for _, a := range []provider.Addr{{}, {Family: wsa.AF_INET}, {Family: 0xdead, AddrPort: netip.MustParseAddrPort("1.2.3.4:5")}, {Family: wsa.AF_INET6, AddrPort: netip.MustParseAddrPort("1.2.3.4:5")}} {
		if text, e := r.table(s).WSPAddressToString(a, s.Info); e != wsa.EINVAL {
			t.Errorf("%+v is %q %s", a, text, name(e))
		}
	}
	for _, c := range []struct {
		text string
		af   int32
		want wsa.Errno
	}{
		{"[::1]", wsa.AF_INET6, 0}, {"127.0.0.1", wsa.AF_INET, 0},
		{"", 0, wsa.EINVAL}, {"localhost", 0, wsa.EINVAL}, {"1.2.3", 0, wsa.EINVAL}, {"[1.2.3.4]", 0, wsa.EINVAL},
		{"1.2.3.4:99999", 0, wsa.EINVAL}, {"1.2.3.4:", 0, wsa.EINVAL}, {"[::1", 0, wsa.EINVAL}, {"fe80::1%eth0", 0, wsa.EINVAL},
		{"::1", wsa.AF_INET, wsa.EINVAL}, {"1.2.3.4", wsa.AF_INET6, wsa.EINVAL}, {"1.2.3.4", wsa.AF_UNIX, wsa.EINVAL},
	} {
		if _, e := r.table(s).WSPStringToAddress(c.text, c.af, s.Info); e != c.want {
			t.Errorf("%q in family %d: %s, want %s", c.text, c.af, name(e), name(c.want))
		}
	}
}

// TestNames: the wildcard stays until connected, the names stay after SD_BOTH
// (3.14, 8.4).
func TestNames(t *testing.T) {
	r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
	l, c, s := r.pair("10.0.0.1:80")
	u := r.udp()
	r.bind(u, "0.0.0.0:53")
	local := func(s *provider.Socket) provider.Addr { a, _ := r.table(s).WSPGetSockName(s); return a }
	if a := local(u); a != addr("0.0.0.0:53") {
		t.Errorf("wildcard bind is %v", a)
	}
	r.want("connect", r.connect(u, "10.0.0.1:99"), 0)
	if a := local(u); a != addr("10.0.0.1:53") {
		t.Errorf("connected it is %v", a)
	}
	if a := local(l); a != addr("10.0.0.1:80") {
		t.Errorf("listener is %v", a)
	}
	mine, theirs := local(c), local(s)
	for _, x := range []*provider.Socket{c, s} {
		r.want("shutdown", r.table(x).WSPShutdown(x, wsa.SD_BOTH), 0)
	}
	if p, e := r.table(c).WSPGetPeerName(c); p != theirs || e != 0 {
		t.Errorf("peer %v %s", p, name(e))
	}
	r.close(s, provider.CloseAbort)
	if p, e := r.table(c).WSPGetPeerName(c); p != theirs || e != 0 {
		t.Errorf("peer of the dead %v %s", p, name(e))
	}
	if a := local(c); a != mine {
		t.Errorf("own name of the dead %v, want %v", a, mine)
	}
}
