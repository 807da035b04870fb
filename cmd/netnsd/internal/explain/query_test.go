//go:build linux

package explain_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		protocol, target string
		want             explain.Query
		err              string
	}{
		{"tcp", "192.0.2.1:80", explain.Query{Protocol: "tcp", Addr: netip.MustParseAddr("192.0.2.1"), Port: 80}, ""},
		{"TCP", "[2001:db8::1]:65535", explain.Query{Protocol: "tcp", Addr: netip.MustParseAddr("2001:db8::1"), Port: 65535}, ""},
		{"tcp", "[::ffff:192.0.2.1]:80", explain.Query{Protocol: "tcp", Addr: netip.MustParseAddr("192.0.2.1"), Port: 80}, ""},
		{"udp", "Example.COM.:53", explain.Query{Protocol: "udp", Name: "example.com", Port: 53}, ""},
		{"icmp", "2001:db8::1", explain.Query{Protocol: "icmp", Addr: netip.MustParseAddr("2001:db8::1")}, ""},
		{"sctp", "192.0.2.1:80", explain.Query{}, "not a protocol"},
		{"tcp", "192.0.2.1", explain.Query{}, "write 192.0.2.1:443"},
		{"tcp", "2001:db8::1", explain.Query{}, "write [2001:db8::1]:443"},
		{"tcp", "[2001:db8::1", explain.Query{}, "no ]"},
		{"tcp", "[2001:db8::1]80", explain.Query{}, "after ]"},
		{"tcp", "example.com:0", explain.Query{}, "not 1 to 65535"},
		{"tcp", "example.com:65536", explain.Query{}, "not 1 to 65535"},
		{"tcp", "example..com:80", explain.Query{}, "neither an address nor a name"},
		{"tcp", ":80", explain.Query{}, "neither an address nor a name"},
		{"icmp", "192.0.2.1:80", explain.Query{}, "no ports"},
	} {
		got, err := explain.Parse(c.protocol, c.target)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%s %s: %+v, %v; want %+v", c.protocol, c.target, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s %s: %v, want %q", c.protocol, c.target, err, c.err)
		}
	}
}

// What is parsed is written back as something that parses to the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"192.0.2.1:80", "[2001:db8::1]:443", "example.com:53", "[fe80::1%eth0]:1", "[::]:1", "a:b:c"} {
		f.Add("tcp", s)
	}
	f.Add("icmp", "example.com")
	f.Fuzz(func(t *testing.T, protocol, target string) {
		q, err := explain.Parse(protocol, target)
		if err != nil {
			return
		}
		_, again, _ := strings.Cut(q.String(), " ")
		if r, err := explain.Parse(q.Protocol, again); err != nil || r != q {
			t.Errorf("%q %q is %+v, again %+v, %v", protocol, target, q, r, err)
		}
	})
}
