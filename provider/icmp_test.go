package provider_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// ICMP_ERROR_INFO, byte for byte, and back.
func TestICMPErrorInfo(t *testing.T) {
	for _, c := range []struct {
		e    provider.ICMPError
		af   int32
		want map[int]byte // all others are 0
	}{
		{provider.ICMPError{}, wsa.AF_INET, nil},
		{provider.ICMPError{From: netip.MustParseAddr("192.0.2.9"), Type: 11}, wsa.AF_INET,
			map[int]byte{0: 2, 4: 192, 6: 2, 7: 9, 28: 1, 32: 11}},
		{provider.ICMPError{Type: 3, Code: 13}, wsa.AF_INET, map[int]byte{28: 1, 32: 3, 33: 13}},
		{provider.ICMPError{From: netip.MustParseAddr("fe80::5"), Type: 1, Code: 4}, wsa.AF_INET6,
			map[int]byte{0: 23, 8: 0xfe, 9: 0x80, 23: 5, 28: 58, 32: 1, 33: 4}},
	} {
		b := make([]byte, provider.ICMPErrorInfoSize)
		for i := range b {
			b[i] = 0xff
		}
		c.e.PutInfo(b, c.af)
		for i, got := range b {
			if got != c.want[i] {
				t.Errorf("%+v: byte %d is %d, want %d", c.e, i, got, c.want[i])
			}
		}
		if e, ok := provider.ICMPErrorFromInfo(b); e != c.e || ok != (c.e.Type != 0) {
			t.Errorf("%+v, read back %+v, %v", c.e, e, ok)
		}
	}
	if _, ok := provider.ICMPErrorFromInfo(make([]byte, provider.ICMPErrorInfoSize-1)); ok {
		t.Error("too short")
	}
}
