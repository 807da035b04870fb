//go:build linux

package subject

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func null() provider.Base {
	return base.New(base.Config{Driver: basetest.Null{}, Name: "null"})
}

// Every chain can be built, with as many storeys as its name says.
func TestChains(t *testing.T) {
	for name, title := range Chains() {
		s := Spec{Chain: name, Audit: filepath.Join(t.TempDir(), "audit")}
		cat, err := s.install(null())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		storeys := 0
		for _, e := range cat.Snapshot().Entries {
			storeys = max(storeys, len(e.Storeys))
		}
		if n := len(chains[name]); n > 0 && storeys != n+1 || n == 0 && storeys != 0 || title == "" {
			t.Errorf("%s (%s): %d storeys over %d layers", name, title, storeys, n)
		}
		p := new(plane)
		if _, err := p.session(s, null()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := p.close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Spec{Chain: "decide2"}.install(null())
	if err == nil || !strings.Contains(err.Error(), "decide1, decide3") {
		t.Errorf("a chain that is not there: %v", err)
	}
	if _, err := Layer("firewall"); err == nil {
		t.Error("a layer that is not there")
	}
}
