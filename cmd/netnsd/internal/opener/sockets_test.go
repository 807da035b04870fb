//go:build linux

package opener

import (
	"net"
	"os"
	"path/filepath"
	"slices"
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
		{"0000000000000000: 00000002 00000000 00010000 0001 01     7 /var//run/../x", "/var//run/../x", true},
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
		if path, ok := boundPath(line); ok && (!strings.HasPrefix(path, "/") || !strings.HasSuffix(line, path)) {
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

// Whatever is kept, the numbers stay and ours collide with none.
func TestDescriptors(t *testing.T) {
	for _, keep := range [][]int{nil, {3}, {4}, {3, 4}, {9, 5}, {5, 5}, {3, 5}} {
		files, at := descriptors([]int{1000, 1001}, keep)
		if len(at) != 2 || files[at[0]] != 1000 || files[at[1]] != 1001 || min(at[0], at[1]) < 3 {
			t.Errorf("keep %v: ours are %v of %v", keep, at, files)
		}
		for _, fd := range keep {
			if files[fd] != uintptr(fd) {
				t.Errorf("keep %v: %v", keep, files)
			}
		}
	}
}

func TestWalk(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "below", "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := walk([]string{dir, filepath.Join(dir, "absent")}); err != nil || !slices.Equal(got, []string{path}) {
		t.Errorf("%v, %v", got, err)
	}
}
