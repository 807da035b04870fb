package provider_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func TestIDsOnlyCountUp(t *testing.T) {
	c, ids := catalog(t)
	if ids[0] != 1001 || ids[5] != 1006 {
		t.Errorf("ids %v, want 1001 to 1006", ids)
	}
	a, _ := c.InstallLayer("a", nothing{})
	if err := c.Remove(a, false); err != nil {
		t.Fatal(err)
	}
	if b, _ := c.InstallLayer("b", nothing{}); b != a+1 {
		t.Errorf("id %d was used again", b)
	}
}

// A mutation that fails changes nothing.
func TestMutationsAreAtomic(t *testing.T) {
	c, ids := catalog(t)
	a, _ := c.InstallLayer("a", nothing{})
	if _, err := c.InstallChain("c", []provider.CatalogID{a}, ids[0]); err != nil {
		t.Fatal(err)
	}
	before := c.Snapshot()
	many := make([]provider.CatalogID, provider.MaxStoreys)
	for i := range many {
		many[i], _ = c.InstallLayer(fmt.Sprint("m", i), nothing{})
	}
	before = c.Snapshot()
	for name, f := range map[string]func() error{
		"no layer":      func() error { _, err := c.InstallLayer("x", nil); return err },
		"empty chain":   func() error { _, err := c.InstallChain("x", nil); return err },
		"unknown layer": func() error { _, err := c.InstallChain("x", []provider.CatalogID{7}); return err },
		"base as layer": func() error { _, err := c.InstallChain("x", []provider.CatalogID{ids[0]}, ids[1]); return err },
		"layer twice":   func() error { _, err := c.InstallChain("x", []provider.CatalogID{a, a}); return err },
		"over a layer":  func() error { _, err := c.InstallChain("x", []provider.CatalogID{many[0]}, a); return err },
		"too long":      func() error { _, err := c.InstallChain("x", many); return err },
		"remove used":   func() error { return c.Remove(a, false) },
		"remove base":   func() error { return c.Remove(ids[0], false) },
		"remove absent": func() error { return c.Remove(9999, true) },
		"empty base":    func() error { _, err := c.InstallBase("x", noRows{}); return err },
	} {
		err := f()
		var ce *provider.CatalogError
		if !errors.As(err, &ce) || ce.Errno == 0 || ce.Reason == "" {
			t.Errorf("%s: %v", name, err)
		}
		if c.Snapshot() != before {
			t.Fatalf("%s: the catalog changed", name)
		}
	}
	if err := c.Remove(a, true); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Snapshot().Entry(a); ok {
		t.Error("not removed")
	}
	for _, e := range c.Snapshot().Entries {
		if e.Name == "c" {
			t.Error("a chain outlived its layer")
		}
	}
}

type noRows struct{ provider.Base }

func (noRows) Entries() []provider.ProtocolInfo { return nil }

// Six layers and a base fill the SDK's chain; more are possible inside.
func TestChainLength(t *testing.T) {
	c, ids := catalog(t)
	var layers []provider.CatalogID
	for i := range provider.MaxStoreys - 1 {
		id, _ := c.InstallLayer(fmt.Sprint("l", i), nothing{})
		layers = append(layers, id)
	}
	six, err := c.InstallChain("six", layers[:6], ids[0])
	if err != nil {
		t.Fatal(err)
	}
	e, _ := c.Snapshot().Entry(six[0])
	if want := append(append([]provider.CatalogID{}, layers[:6]...), ids[0]); !reflect.DeepEqual(e.Info.Chain.IDs(), want) {
		t.Errorf("chain %v, want %v", e.Info.Chain.IDs(), want)
	}
	all, err := c.InstallChain("fifteen", layers, ids[1])
	if err != nil {
		t.Fatal(err)
	}
	e, _ = c.Snapshot().Entry(all[0])
	if len(e.Storeys) != provider.MaxStoreys || e.Info.Chain.Len != wsa.MAX_PROTOCOL_CHAIN || e.Info.Chain.Entries[6] != ids[1] {
		t.Errorf("inside %d storeys, face %v", len(e.Storeys), e.Info.Chain)
	}
}

// placed notes where it is started.
type placed struct{ at *[]provider.Place }

func (p placed) Startup(r *provider.StartupRequest, _ *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	*p.at = append(*p.at, r.Place)
	return provider.ProcTable{}, 0
}

// The layouts of winsock-spi 5.3 by FindPlace, and by what the builder says.
func TestPlace(t *testing.T) {
	info := func(id provider.CatalogID, chain ...provider.CatalogID) *provider.ProtocolInfo {
		p := &provider.ProtocolInfo{CatalogEntryID: id, Chain: provider.ProtocolChain{Len: int32(len(chain))}}
		copy(p.Chain.Entries[:], chain)
		return p
	}
	a, b, b2 := info(1012, 1011, 1001), info(1022, 1021, 1012, 1001), info(1023, 1021, 1011, 1001)
	mineA := map[provider.CatalogID]*provider.ProtocolInfo{1012: a}
	mineB := map[provider.CatalogID]*provider.ProtocolInfo{1022: b}
	for _, c := range []struct {
		info *provider.ProtocolInfo
		self provider.CatalogID
		mine map[provider.CatalogID]*provider.ProtocolInfo
		want provider.CatalogID
	}{
		{a, 1011, mineA, 1001},           // {dummy, base}
		{b, 1021, mineB, 1012},           // {dummyB, chainA, base}: B
		{b, 1011, mineA, 1001},           // the same: A
		{b2, 1011, mineA, 1001},          // {dummyB, dummyA, base}: A
		{a, 1021, mineB, 0},              // absent
		{info(1030, 1011, 5), 5, nil, 0}, // last
	} {
		if got := provider.FindPlace(c.info, c.self, c.mine); got != c.want {
			t.Errorf("chain %v, self %d: %d, want %d", c.info.Chain.IDs(), c.self, got, c.want)
		}
	}
}

func TestBuilderAgreesWithFindPlace(t *testing.T) {
	var at []provider.Place
	c := new(provider.Catalog)
	ids, err := c.InstallBase("scripted", new(providertest.Base))
	if err != nil {
		t.Fatal(err)
	}
	dummyA, _ := c.InstallLayer("A", placed{&at})
	chainA, _ := c.InstallChain("A", []provider.CatalogID{dummyA}, ids[0])
	dummyB, _ := c.InstallLayer("B", placed{&at})
	chainB, err := c.InstallChain("B", []provider.CatalogID{dummyB}, chainA[0])
	if err != nil {
		t.Fatal(err)
	}
	flat, _ := c.InstallChain("flat", []provider.CatalogID{dummyB, dummyA}, ids[0])
	snap := c.Snapshot()
	for _, id := range []provider.CatalogID{chainA[0], chainB[0], flat[0]} {
		at = nil
		chain, err := snap.Build(id, provider.BuildConfig{Host: new(providertest.Host)})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range at {
			mine := map[provider.CatalogID]*provider.ProtocolInfo{}
			for i := range snap.Entries {
				if e := &snap.Entries[i]; e.Info.Chain.Len > 1 && e.Info.Chain.Entries[0] == p.Self {
					mine[e.Info.CatalogEntryID] = &e.Info
				}
			}
			delete(mine, flat[0])
			if id == flat[0] {
				mine = nil
			}
			if want := provider.FindPlace(&chain.Info, p.Self, mine); p.Next != want {
				t.Errorf("chain %v, layer %d: the builder says %d is next, FindPlace %d", chain.Info.Chain.IDs(), p.Self, p.Next, want)
			}
		}
		providertest.End(t, chain)
	}
}
