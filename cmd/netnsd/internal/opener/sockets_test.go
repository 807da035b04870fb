//go:build linux

package opener

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestBoundPath(t *testing.T) {
	for _, c := range []struct {
		line, want string
		ok         bool
	}{
		{"Num       RefCount Protocol Flags    Type St Inode Path", "Path", false},
		{"ffff9f0c0a3e1000: 00000002 00000000 00010000 0001 01 12345 /run/dbus/system_bus_socket", "/run/dbus/system_bus_socket", true},
		{"0000000000000000: 00000002 00000000 00010000 0001 01     7 /run/a b/c  d", "/run/a b/c  d", true},
		{"0000000000000000: 00000002 00000000 00010000 0001 01     7 /var//run/../x", "/var/x", true},
		{"0000000000000000: 00000002 00000000 00010000 0001 01     7 @/tmp/.X11-unix/X0", "", false},
		{"0000000000000000: 00000003 00000000 00000000 0001 03 12346", "", false},
		{"0000000000000000: 00000002 00000000 00010000 0001 01     7 relative", "", false},
		{"", "", false},
		{"        ", "", false},
	} {
		got, ok := boundPath(c.line)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %q, %v; want %q, %v", c.line, got, ok, c.want, c.ok)
		}
	}
}

func FuzzBoundPath(f *testing.F) {
	f.Add("ffff9f0c0a3e1000: 00000002 00000000 00010000 0001 01 12345 /run/dbus/system_bus_socket")
	f.Add("a b c d e f g ")
	f.Fuzz(func(t *testing.T, line string) {
		if path, ok := boundPath(line); ok && (!strings.HasPrefix(path, "/") || filepath.Clean(path) != path) {
			t.Errorf("%q: %q", line, path)
		}
	})
}

func TestServices(t *testing.T) {
	for _, p := range append(Services, Resolvers...) {
		if _, err := filepath.Match(p, "/"); err != nil || !filepath.IsAbs(p) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// Whatever is kept, the numbers stay and ours collides with none.
func TestDescriptors(t *testing.T) {
	for _, keep := range [][]int{nil, {3}, {4}, {3, 4}, {9, 5}, {5, 5}} {
		files, ctl := descriptors(1000, keep)
		if files[ctl] != 1000 || ctl < 3 {
			t.Errorf("keep %v: ours is %d of %v", keep, ctl, files)
		}
		for _, fd := range keep {
			if files[fd] != uintptr(fd) {
				t.Errorf("keep %v: %v", keep, files)
			}
		}
	}
}
