package provider_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestSockaddr holds the byte form to the SDK's structures.
func TestSockaddr(t *testing.T) {
	six := provider.AddrFrom(netip.MustParseAddrPort("[fe80::1]:80"))
	six.Scope, six.Flow = 7, 0x12345
	for _, c := range []struct {
		a    provider.Addr
		want string
	}{
		{provider.AddrFrom(netip.MustParseAddrPort("10.1.2.3:258")), "\x02\x00\x01\x02\x0a\x01\x02\x03\x00\x00\x00\x00\x00\x00\x00\x00"},
		{six, "\x17\x00\x00\x50\x00\x01\x23\x45\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x07\x00\x00\x00"},
	} {
		b := provider.AppendSockaddr(nil, c.a)
		if string(b) != c.want {
			t.Errorf("%v is % x, want % x", c.a, b, c.want)
		}
		if a, ok := provider.ParseSockaddr(append(b, 9, 9)); !ok || a != c.a {
			t.Errorf("% x is %v, want %v", b, a, c.a)
		}
		for n := range b {
			if a, ok := provider.ParseSockaddr(b[:n]); ok {
				t.Errorf("%d bytes are %v", n, a)
			}
		}
	}
	if b := provider.AppendSockaddr(nil, provider.Addr{}); len(b) != 0 {
		t.Errorf("no address is % x", b)
	}
	if a, ok := provider.ParseSockaddr([]byte{99, 0, 1, 2}); ok || a.Family != 99 {
		t.Errorf("another family: %v %v", a, ok)
	}
	if b := provider.AppendSockaddr(nil, provider.Addr{Family: wsa.AF_INET}); len(b) != 0 {
		t.Errorf("a malformed address is % x", b)
	}
}

// FuzzSockaddr: what is read is written again, but for sin_zero and what follows.
func FuzzSockaddr(f *testing.F) {
	for _, text := range []string{"10.1.2.3:258", "[fe80::1]:80", "[::ffff:1.2.3.4]:1", "[::]:0"} {
		f.Add(provider.AppendSockaddr(nil, provider.AddrFrom(netip.MustParseAddrPort(text))))
	}
	f.Add([]byte{2, 0})
	f.Add([]byte{99, 0, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := provider.ParseSockaddr(b)
		size := map[int32]int{wsa.AF_INET: provider.SockaddrInSize, wsa.AF_INET6: provider.SockaddrIn6Size}[a.Family]
		if want := size != 0 && len(b) >= size; ok != want {
			t.Fatalf("% x: %v, want %v", b, ok, want)
		}
		if !ok {
			if a.AddrPort.IsValid() || len(provider.AppendSockaddr(nil, a)) != 0 {
				t.Fatalf("% x is half an address: %v", b, a)
			}
			return
		}
		again := provider.AppendSockaddr(nil, a)
		same := size // bytes that mean something
		if a.Family == wsa.AF_INET {
			same = 8
		}
		if len(again) != size || string(again[:same]) != string(b[:same]) {
			t.Fatalf("% x became % x by way of %v", b[:size], again, a)
		}
		if back, ok := provider.ParseSockaddr(again); !ok || back != a {
			t.Fatalf("%v became %v", a, back)
		}
	})
}
