package gateway

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
)

// The bytes of the specification, sections 2.1 and 2.2.
func TestProxyHeader(t *testing.T) {
	for _, c := range []struct {
		v           ProxyProtocol
		from, local string
		protocol    int32
		want        string
	}{
		{NoProxy, "192.0.2.1:5", "192.0.2.2:80", wsa.IPPROTO_TCP, ""},
		{ProxyV1, "192.0.2.1:56324", "192.0.2.2:443", wsa.IPPROTO_TCP, "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"},
		{ProxyV1, "[2001:db8::1]:5", "[::1]:80", wsa.IPPROTO_TCP, "PROXY TCP6 2001:db8::1 ::1 5 80\r\n"},
		{ProxyV1, "[fe80::1%eth0]:5", "[fe80::2%eth0]:80", wsa.IPPROTO_TCP, "PROXY TCP6 fe80::1 fe80::2 5 80\r\n"},
		{ProxyV2, "192.0.2.1:258", "192.0.2.2:80", wsa.IPPROTO_TCP,
			"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x01\x02\x00\x50"},
		{ProxyV2, "192.0.2.1:258", "192.0.2.2:80", wsa.IPPROTO_UDP,
			"\r\n\r\n\x00\r\nQUIT\n\x21\x12\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x01\x02\x00\x50"},
		{ProxyV2, "[2001:db8::1]:258", "[::1]:80", wsa.IPPROTO_TCP, "\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x24" +
			"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
			"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x02\x00\x50"},
	} {
		if got := string(c.v.header(netip.MustParseAddrPort(c.from), netip.MustParseAddrPort(c.local), c.protocol)); got != c.want {
			t.Errorf("%s: %q, want %q", c.v, got, c.want)
		}
	}
}
