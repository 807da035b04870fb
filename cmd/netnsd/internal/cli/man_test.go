//go:build linux

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Each command and each topic has a page, and each page its flags.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	root := newRoot()
	if err := writeMan(root, dir); err != nil {
		t.Fatal(err)
	}
	want := make(map[string]bool)
	eachCommand(root, func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" {
			return
		}
		file := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		want[file] = true
		text, err := os.ReadFile(filepath.Join(dir, file))
		page := string(text)
		if err != nil || !strings.Contains(page, ".TH \""+strings.ToUpper(strings.TrimSuffix(file, ".1"))+"\"") || !strings.Contains(page, c.Short) {
			t.Errorf("%s: %v\n%.300s", file, err, page)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(page, strings.ReplaceAll("--"+f.Name, "-", `\-`)) && !strings.Contains(page, "--"+f.Name) {
				t.Errorf("%s lacks --%s", file, f.Name)
			}
		})
	})
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != len(want) || len(all) < 30 {
		t.Errorf("%d pages, want %d: %v", len(all), len(want), err)
	}
	// What is indented stays in its lines, and no sign is lost.
	for file, says := range map[string]string{
		"netnsd.1":         "\nnetnsd doctor  ",
		"netnsd-api.1":     "\nDELETE /v1/flows/ID\n    204:",
		"netnsd-trouble.1": "*:853",
		"netnsd-run.1":     "no_new_privs",
		"netnsd-files.1":   ".SH EXIT STATUS",
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if page := strings.ReplaceAll(string(text), `\-`, "-"); err != nil || !strings.Contains(page, says) {
			t.Errorf("%s: %v: no %q in\n%.900s", file, err, says, page)
		}
	}
}

// What is said twice is said alike: the README has the tables of the help.
func TestReadmeTables(t *testing.T) {
	text, err := os.ReadFile("../../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for what, table := range map[string]string{
		"troubles":    troubles.markdown("What you see", "What it is, and what to do"),
		"files":       files.markdown("File", "What it is"),
		"environment": variables.markdown("Variable", "What it does"),
		"statuses":    statuses.markdown("Exit status", "Of"),
		"keys":        mainKeys().markdown("Key of netnsd.yaml", "What it is"),
	} {
		if !strings.Contains(string(text), "\n\n"+table+"\n") {
			t.Errorf("the README lacks, or has otherwise, the table of %s:\n%s", what, table)
		}
	}
}

// Whatever we are made of is named with its licence.
func TestReadmeLicences(t *testing.T) {
	text, err := os.ReadFile("../../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, licences, _ := strings.Cut(string(text), "\n## Licence\n")
	found := 0
	for line := range strings.Lines(string(mod)) {
		module, ok := strings.CutPrefix(line, "\t")
		if !ok || strings.Contains(line, "// indirect") {
			continue
		}
		module, _, _ = strings.Cut(module, " ")
		module = strings.TrimSuffix(strings.TrimSuffix(module, "/v3"), "/v6")
		if found++; !strings.Contains(licences, module) {
			t.Errorf("the README does not say what licence %s has", module)
		}
	}
	if found < 10 {
		t.Errorf("%d modules in go.mod", found)
	}
}

// Rows fit a terminal, and lose no word.
func TestRows(t *testing.T) {
	r := rows{{"a", strings.Repeat("word ", 40)}, {"longer", "b"}}
	for _, text := range []string{r.list(), r.columns()} {
		if strings.Count(text, "word") != 40 || !strings.Contains(text, "longer") {
			t.Errorf("%s", text)
		}
		for line := range strings.Lines(text) {
			if len(line) > width+1 {
				t.Errorf("%d: %s", len(line), line)
			}
		}
	}
	for _, topic := range topics {
		for line := range strings.Lines(topic.text()) {
			if len([]rune(line)) > 88 {
				t.Errorf("%s: %s", topic.name, line)
			}
		}
	}
}

// mainKeys are those that the README has; the rest is in netnsd help keys.
func mainKeys() (r rows) {
	for _, k := range keyRows() {
		if strings.Count(k[0], ".") == 1 {
			r = append(r, k)
		}
	}
	return r
}
