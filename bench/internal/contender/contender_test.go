//go:build linux

package contender

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func script(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Programs say their version in ways of their own.
func TestToolVersion(t *testing.T) {
	for name, c := range map[string]struct{ contender, body, version, title string }{
		"slirp4netns":            {"slirp4netns", `echo "slirp4netns version 1.2.0"; echo commit: 656041d`, "1.2.0", "slirp4netns 1.2.0"},
		"pasta":                  {"pasta-2025", `echo "pasta 2025_01_21.4f2c8e7"; echo Copyright`, "2025_01_21.4f2c8e7", "pasta-2025 2025_01_21.4f2c8e7"},
		"pasta of a plain make":  {"pasta", `echo "pasta unknown version"`, "", "pasta"},
		"tun2socks":              {"tun2socks", `[ "$1" = -version ] || exit 2; echo tun2socks-2.6.0; echo linux/amd64`, "2.6.0", "tun2socks 2.6.0"},
		"tun2socks without one":  {"tun2socks", `echo tun2socks-; echo linux/amd64`, "", "tun2socks"},
		"one that does not tell": {"pasta", `exit 1`, "", "pasta"},
	} {
		t.Run(name, func(t *testing.T) {
			path := script(t, Kind(c.contender), c.body)
			got, err := Tool(c.contender, path)
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != c.contender || got.Version != c.version || got.Title != c.title || got.Path != path || got.Missing != "" || got.start == nil {
				t.Errorf("%+v", got)
			}
		})
	}
}

// One that nobody gave and that is not installed is missing; one that was given
// and is not there is a mistake.
func TestToolMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, kind := range Kinds() {
		c, err := Tool(kind, "")
		if err != nil || !strings.Contains(c.Missing, "is not installed") {
			t.Errorf("%s: missing %q, %v", kind, c.Missing, err)
		}
	}
	if _, err := Tool("pasta-new", filepath.Join(t.TempDir(), "pasta")); err == nil || !strings.Contains(err.Error(), "pasta-new") {
		t.Errorf("a program that is not there: %v", err)
	}
	if _, err := Tool("vpnkit", "/bin/true"); err == nil {
		t.Error("a kind that is not known")
	}
}
