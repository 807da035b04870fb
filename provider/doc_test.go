package provider_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each law of doc.go names its test, and the test is there.
func TestLawsHaveTheirTests(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("providertest/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "../sockets/extension_test.go")
	var tests strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(b)
	}
	names := regexp.MustCompile(`TestLaw\d\d\w+`).FindAllString(string(doc), -1)
	if len(names) < 15 {
		t.Errorf("doc.go names %d tests of laws", len(names))
	}
	for _, n := range names {
		if !strings.Contains(tests.String(), "func "+n+"(") {
			t.Errorf("doc.go names %s, which neither providertest nor sockets has", n)
		}
	}
}
