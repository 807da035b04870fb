package provider_test

import (
	"errors"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A draft is seen when it is published, whole, and only if nothing came between.
func TestDraft(t *testing.T) {
	c, ids := catalog(t)
	before := c.Snapshot()
	d := c.Draft()
	if err := d.Reset(); err != nil {
		t.Fatal(err)
	}
	a, _ := d.InstallLayer("a", nothing{})
	chain, err := d.InstallChain("c", []provider.CatalogID{a}, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SetSelection([]provider.Selection{{Chain: "c"}}); err != nil {
		t.Fatal(err)
	}
	if c.Snapshot() != before {
		t.Fatal("a draft was seen before it was published")
	}
	late, twice := c.Draft(), d
	if _, err := late.InstallLayer("late", nothing{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(d); err != nil {
		t.Fatal(err)
	}
	now := c.Snapshot()
	if now != d.Snapshot() || now.Generation <= before.Generation {
		t.Errorf("generation %d after %d", now.Generation, before.Generation)
	}
	if _, ok := now.Entry(chain[0]); !ok {
		t.Error("the chain is not there")
	}
	for name, stale := range map[string]*provider.Catalog{"another draft": late, "a published one": twice, "no draft": new(provider.Catalog)} {
		if err := c.Publish(stale); !errors.Is(err, wsa.EINVAL) || c.Snapshot() != now {
			t.Errorf("%s: %v", name, err)
		}
	}
	if id, _ := c.InstallLayer("b", nothing{}); id <= chain[0] {
		t.Errorf("id %d was used in the draft", id)
	}
}

func TestDraftOfEmpty(t *testing.T) {
	c := new(provider.Catalog)
	d := c.Draft()
	if _, err := d.InstallBase("tcpip", tcpip{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(d); err != nil || len(c.Snapshot().Entries) == 0 {
		t.Error(err)
	}
}
