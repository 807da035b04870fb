package gateway

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// above is a layer that changes nothing.
type above struct{ _ int } // each is another

func (*above) Startup(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.ProcTable{}, 0
}

// replaced puts the chains of cat aside for new ones: those layers, and one more.
func replaced(t *testing.T, cat *provider.Catalog) {
	t.Helper()
	d := cat.Draft()
	if err := d.Reset(); err != nil {
		t.Fatal(err)
	}
	ids := []provider.CatalogID{install(t, d, "above", new(above))}
	for _, e := range cat.Snapshot().Entries {
		if e.Layer != nil && e.Name != "above" {
			ids = append(ids, install(t, d, e.Name, e.Layer))
		}
	}
	if _, err := d.InstallMandatoryChain("replaced", ids); err != nil {
		t.Fatal(err)
	}
	if err := cat.Publish(d); err != nil {
		t.Fatal(err)
	}
}

func install(t *testing.T, c *provider.Catalog, name string, l provider.Layer) provider.CatalogID {
	t.Helper()
	id, err := c.InstallLayer(name, l)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
