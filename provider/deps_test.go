package provider_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/netnsd/netnsd/"

// floors are the storeys of the house: a package imports from lower floors
// only, and what is named below. The longest prefix counts.
var floors = map[string]int{
	"provider/wsa": 0, "stack": 0, "tun": 0,
	"provider": 1, "provider/base": 2, "provider/kit": 2,
	"provider/netstack": 3, "provider/host": 3, "provider/layer": 3,
	"provider/providertest": 5, "sockets": 4, "sockets/gateway": 5, "sockets/gateway/dns": 0,
	"cmd/netnsd": 9, "bench": 9,
}

// kit packages for tests may stand beside what they test.
func isTestKit(pkg string) bool {
	return slices.Contains([]string{"tuntest", "stacktest", "providertest", "basetest", "socketstest", "winsocktest"}, filepath.Base(pkg))
}

// doors are modules that only these packages import, so that the rest builds
// without them and can do without them one day.
var doors = map[string][]string{
	"gvisor.dev/gvisor":            {"stack", "provider/netstack"},
	"github.com/songgao/water":     {"tun", "stack/stacktest"},
	"github.com/vishvananda":       {"tun", "cmd/netnsd", "bench"},
	"github.com/spf13/cobra":       {"cmd/netnsd"},
	"github.com/goccy/go-yaml":     {"provider/layer", "cmd/netnsd"},
	"cel.dev/cel-go":               {"provider/layer/policy"},
	"golang.org/x/net/dns":         {"sockets", "cmd/netnsd", "bench"},
	"golang.org/x/sys":             {"tun", "stack", "provider/host", "sockets/gateway/owner", "cmd/netnsd", "bench"},
	"github.com/creack/pty":        {},
	"github.com/rogpeppe":          {},
	"github.com/schollz/progressb": {"cmd/netnsd", "bench"},
}

// standardOnly import the standard library and each other.
var standardOnly = []string{"provider", "provider/wsa", "provider/base", "provider/kit", "bench/report"}

// TestImports holds the picture of the house (README) true.
func TestImports(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		seen++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "../"))
		for _, i := range f.Imports {
			to, _ := strconv.Unquote(i.Path.Value)
			checkImport(t, path, pkg, to)
		}
		return nil
	})
	if err != nil || seen < 20 {
		t.Fatalf("looked at %d files: %v", seen, err)
	}
}

func checkImport(t *testing.T, file, pkg, to string) {
	t.Helper()
	if inner, ours := strings.CutPrefix(to, module); ours {
		switch {
		case isTestKit(inner) && !isTestKit(pkg) && floor(pkg) < 9:
			t.Errorf("%s: a product package imports the test kit %s", file, inner)
		case floor(inner) > floor(pkg), within(inner, "cmd/netnsd") && !within(pkg, "cmd/netnsd"):
			t.Errorf("%s: imports %s, which stands higher", file, inner)
		case within(pkg, "tun") && within(inner, "stack"), within(pkg, "stack") && within(inner, "tun") && !isTestKit(pkg),
			(within(pkg, "tun") || within(pkg, "stack")) && within(inner, "provider") && !isTestKit(pkg):
			t.Errorf("%s: tun, stack and provider do not know each other; it imports %s", file, inner)
		}
		return
	}
	if !strings.Contains(strings.SplitN(to, "/", 2)[0], ".") {
		return
	}
	for _, s := range standardOnly {
		if pkg == s {
			t.Errorf("%s: %s imports the standard library alone, not %s", file, pkg, to)
		}
	}
	for door, who := range doors {
		if !strings.HasPrefix(to, door) {
			continue
		}
		ok := false
		for _, w := range who {
			ok = ok || within(pkg, w)
		}
		if !ok {
			t.Errorf("%s: %s is imported by %v only", file, door, who)
		}
	}
}

func within(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

func floor(pkg string) int {
	best, at := -1, 9
	for p, f := range floors {
		if within(pkg, p) && len(p) > best {
			best, at = len(p), f
		}
	}
	return at
}
