//go:build linux

package run

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		nets string
		want string // program gateway dns, of each family
		err  string
	}{
		{"", "10.0.2.100/24 10.0.2.2 10.0.2.3 fd00::64/64 fd00::2 fd00::3", ""},
		{"192.168.7.77/16", "192.168.0.100/16 192.168.0.2 192.168.0.3 fd00::64/64 fd00::2 fd00::3", ""},
		{"10.1.0.128/25 2001:db8::/120", "10.1.0.228/25 10.1.0.130 10.1.0.131 2001:db8::64/120 2001:db8::2 2001:db8::3", ""},
		{"10.1.0.0/26", "", "too small"},
		{"fd00::/122", "", "too small"},
		{"10.1.0.0/24 10.2.0.0/24", "", "one IPv4 and one IPv6"},
		{"127.0.0.0/8", "", "not a network"},
		{"224.0.0.0/8", "", "not a network"},
		{"0.0.0.0/8", "", "not a network"},
		{"::ffff:10.0.0.0/104", "", "not a network"},
	} {
		var nets []netip.Prefix
		for _, s := range strings.Fields(c.nets) {
			nets = append(nets, netip.MustParsePrefix(s))
		}
		n, err := layout(nets)
		var got []string
		for i := range n.program {
			got = append(got, fmt.Sprint(n.program[i]), fmt.Sprint(n.gateway[i]), fmt.Sprint(n.dns[i]))
		}
		switch {
		case c.err == "" && (err != nil || strings.Join(got, " ") != c.want):
			t.Errorf("%q: %v, %v; want %s", c.nets, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: %v, want %q", c.nets, err, c.err)
		}
	}
}

func TestReadResolver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver 192.0.2.1\nsearch a.test  b.test\noptions ndots:2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := readResolver(file)
	if got := fmt.Sprint(r.Servers, r.Keep); err != nil || got != "[192.0.2.1:53] [search a.test b.test options ndots:2]" {
		t.Errorf("%s, %v", got, err)
	}
	if r, err := readResolver("/nonexistent"); err != nil || len(r.Servers) != 0 {
		t.Errorf("no file: %v, %v", r, err)
	}
	if _, err := readResolver(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
}

func TestSearching(t *testing.T) {
	keep := []string{"search a.test b.test", "domain c.test", "options ndots:2"}
	if got := searching(keep, nil); !slices.Equal(got, keep) {
		t.Errorf("none given: %q", got)
	}
	if got := searching(keep, []string{"x.test", "y.test"}); !slices.Equal(got, []string{"options ndots:2", "search x.test y.test"}) {
		t.Errorf("given: %q", got)
	}
}
