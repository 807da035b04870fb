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
	"time"
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

// Where IPv6 leads nowhere no name has an IPv6 address.
func TestNowhere(t *testing.T) {
	zero := strings.Repeat("0", 32)
	line := func(dest, bits, flags, dev string) string {
		return dest + " " + bits + " " + zero + " 00 " + zero + " 00000100 00000001 00000000 " + flags + " " + dev + "\n"
	}
	local := line(zero, "00", "00200200", "lo") + line(zero[:31]+"1", "80", "80200001", "lo") +
		line("fe800000000000000000000000000000", "40", "00000001", "eth0") + line("ff000000000000000000000000000000", "08", "00000001", "eth0")
	for name, c := range map[string]struct {
		table string
		want  bool
	}{
		"no IPv6 in the kernel": {"", true},
		"link-local alone":      {local, true},
		"a default route":       {local + line(zero, "00", "00000003", "eth0"), false},
		"unreachable default":   {local + line(zero, "00", "00200200", "eth0"), true},
		"a network of its own":  {local + line("fd000000000000000000000000000000", "40", "00000001", "eth0"), false},
		"an address on lo":      {local + line("20010db8007700000000000000000001", "80", "80200001", "lo"), false},
	} {
		if got := nowhere(c.table); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The host's routes are looked at again, through a descriptor that was opened
// before files could not be opened any more.
func TestRoutesAreReadAgain(t *testing.T) {
	const world = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
	file := filepath.Join(t.TempDir(), "ipv6_route")
	if err := os.WriteFile(file, []byte(world), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := openRoutes(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.noIPv6() {
		t.Error("a default route leads nowhere")
	}
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	if r.looked = time.Now().Add(-time.Minute); !r.noIPv6() {
		t.Error("no route leads somewhere")
	}
	if none, err := openRoutes(filepath.Join(t.TempDir(), "none")); err != nil || !none.noIPv6() {
		t.Error("a kernel without IPv6 has it", err)
	}
}
