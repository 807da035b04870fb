//go:build linux

package plane

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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
	if r.NoIPv6() {
		t.Error("a default route leads nowhere")
	}
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	if r.looked = time.Now().Add(-time.Minute); !r.NoIPv6() {
		t.Error("no route leads somewhere")
	}
	if none, err := openRoutes(filepath.Join(t.TempDir(), "none")); err != nil || !none.NoIPv6() {
		t.Error("a kernel without IPv6 has it", err)
	}
}
