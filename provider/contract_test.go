package provider_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// bound is a layer of which nothing matters but its contract.
type bound struct {
	nothing
	c *provider.Contract // nil: it panics
}

func (l bound) Contract() provider.Contract { return *l.c }

func kind(k string, categories uint32) *provider.Contract {
	return &provider.Contract{Kind: k, Categories: categories}
}

func before(c *provider.Contract, words ...string) *provider.Contract {
	c.Before = words
	return c
}

func after(c *provider.Contract, words ...string) *provider.Contract {
	c.After = words
	return c
}

var orders = []struct {
	name   string
	chain  string // what was given, the first nearest the application
	sorted string // "": there is no order
	names  []string
}{
	{"as it is", "watch wall hop", "watch wall hop", nil},
	{"none has to", "free wall", "free wall", nil},
	{"before a kind", "wall watch", "watch wall", []string{"watch", "before wall"}},
	{"after a category", "hop wall", "wall hop", []string{"hop", "after firewall"}},
	{"others stay", "free hop other wall", "free other wall hop", []string{"hop", "wall"}},
	{"a circle", "wall low high", "", []string{"low", "high"}},
	{"oneself is meant by nobody", "self", "self", nil},
	{"two of a kind", "wall wall2", "wall wall2", nil},
	{"one that panics has none", "panics wall", "panics wall", nil},
}

func contracted() map[string]provider.Layer {
	return map[string]provider.Layer{
		"watch":  bound{c: before(kind("watch", wsa.LSP_INSPECTOR), "wall")},
		"wall":   bound{c: kind("wall", wsa.LSP_FIREWALL|wsa.LSP_SYSTEM)},
		"wall2":  bound{c: kind("wall", wsa.LSP_FIREWALL)},
		"hop":    bound{c: after(kind("hop", wsa.LSP_REDIRECTOR), "firewall")},
		"low":    bound{c: after(kind("low", 0), "high")},
		"high":   bound{c: after(kind("high", 0), "low")},
		"self":   bound{c: before(kind("self", 0), "self")},
		"free":   nothing{},
		"other":  nothing{},
		"panics": bound{},
	}
}

func TestContracts(t *testing.T) {
	for _, c := range orders {
		t.Run(c.name, func(t *testing.T) {
			names := strings.Fields(c.chain)
			var layers []provider.Layer
			for _, n := range names {
				layers = append(layers, contracted()[n])
			}
			order, err := provider.Arrange(names, layers)
			var sorted []string
			for _, i := range order {
				sorted = append(sorted, names[i])
			}
			if got := strings.Join(sorted, " "); got != c.sorted || (err != nil) != (c.sorted == "") {
				t.Errorf("arranged: %q, %v", got, err)
			}
			says(t, err, c.sorted == "", c.names)
			says(t, install(t, names, layers), c.sorted != c.chain, c.names)
		})
	}
}

// install installs a chain, and has it built if it was.
func install(t *testing.T, names []string, layers []provider.Layer) error {
	c, base := catalog(t)
	var ids []provider.CatalogID
	for i, l := range layers {
		id, err := c.InstallLayer(names[i], l)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	before := c.Snapshot()
	_, err := c.InstallChain("chain", ids, base[0])
	if err != nil && c.Snapshot() != before {
		t.Error("the catalog has changed")
	}
	return err
}

func says(t *testing.T, err error, want bool, words []string) {
	t.Helper()
	if (err != nil) != want || want && !errors.Is(err, wsa.EINVAL) {
		t.Errorf("%v, want an error: %v", err, want)
	}
	for _, w := range words {
		if err != nil && !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not name %s", err, w)
		}
	}
}

// The categories of a contract are those of the catalog's entry, until an installer
// states others.
func TestContractCategories(t *testing.T) {
	c, _ := catalog(t)
	id, err := c.InstallLayer("wall", contracted()["wall"])
	if err != nil {
		t.Fatal(err)
	}
	e, _ := c.Snapshot().Entry(id)
	if e.Categories != wsa.LSP_FIREWALL|wsa.LSP_SYSTEM {
		t.Errorf("%#x", e.Categories)
	}
	if got := strings.Join(provider.CategoryNames(e.Categories), " "); got != "firewall system" {
		t.Error(got)
	}
	if err := c.WSCSetProviderInfo(e.Info.ProviderID, wsa.ProviderInfoLspCategories, []byte{1, 0, 0, 0}, 0); err != nil {
		t.Fatal(err)
	}
	if e, _ := c.Snapshot().Entry(id); e.Categories != wsa.LSP_INSPECTOR {
		t.Errorf("then %#x", e.Categories)
	}
}

// A layer whose provider is another since its chain was installed is held to its
// contract when the chain is built.
func TestContractLate(t *testing.T) {
	c, base := catalog(t)
	turncoat := &bound{c: kind("hop", 0)}
	a, _ := c.InstallLayer("hop", turncoat)
	b, _ := c.InstallLayer("wall", contracted()["wall"])
	chain, err := c.InstallChain("chain", []provider.CatalogID{a, b}, base[0])
	if err != nil {
		t.Fatal(err)
	}
	turncoat.c = after(kind("hop", 0), "firewall")
	_, err = c.Snapshot().Build(chain[0], provider.BuildConfig{Host: new(providertest.Host)})
	says(t, err, true, []string{"hop", "wall"})
}

// What is installed in a draft again as it was is what it was; what is not is new.
func TestDraftKeeps(t *testing.T) {
	c, ids := catalog(t)
	type named struct {
		nothing
		name string
	}
	lay := func(d *provider.Catalog, l provider.Layer, mandatory bool) (layer provider.CatalogID, chain []provider.CatalogID) {
		if err := d.Reset(); err != nil {
			t.Fatal(err)
		}
		layer, _ = d.InstallLayer("a", l)
		put := d.InstallChain
		if mandatory {
			put = d.InstallMandatoryChain
		}
		chain, err := put("c", []provider.CatalogID{layer}, ids...)
		if err != nil {
			t.Fatal(err)
		}
		return layer, chain
	}
	a := &named{name: "a"}
	layer, chain := lay(c, a, false)
	was := c.Snapshot()
	for _, test := range []struct {
		name      string
		l         provider.Layer
		mandatory bool
		layer     bool // is the same
		chain     bool
	}{
		{"all equal", a, false, true, true},
		{"another layer", &named{name: "a"}, false, false, false},
		{"not comparable", struct {
			nothing
			f func()
		}{}, false, false, false},
		{"mandatory now", a, true, true, false},
	} {
		d := c.Draft()
		l, k := lay(d, test.l, test.mandatory)
		if (l == layer) != test.layer || (k[0] == chain[0]) != test.chain || was.Same(d.Snapshot(), chain[0]) != test.chain {
			t.Errorf("%s: layer %d was %d, chain %v was %v", test.name, l, layer, k, chain)
		}
	}
	again, _ := lay(c, a, false) // no draft: ids are never used again
	if again == layer {
		t.Error("an id was used twice")
	}
}

// The same id is not the same entry if its layer is another.
func TestSame(t *testing.T) {
	c, ids := catalog(t)
	l, _ := c.InstallLayer("a", nothing{})
	chain, err := c.InstallChain("c", []provider.CatalogID{l}, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	s := c.Snapshot()
	if !s.Same(s, chain[0]) || s.Same(s, 9999) {
		t.Error("a state is not the same as itself")
	}
	e, _ := s.Entry(l)
	info := e.Info
	info.Name = "renamed"
	if err := c.WSCUpdateProvider(info.ProviderID, e.Path, e.Layer, []provider.ProtocolInfo{info}); err != nil {
		t.Fatal(err)
	}
	if s.Same(c.Snapshot(), chain[0]) {
		t.Error("its layer was updated")
	}
}
