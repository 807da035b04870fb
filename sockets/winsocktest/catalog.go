package winsocktest

import (
	"fmt"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// installed is a catalog of a row's own with the pair's base in it, as an installer
// meets it.
type installed struct {
	*Case
	*provider.Catalog
	base  provider.Base
	infos []provider.ProtocolInfo // the base's entries, as they are installed
}

var baseID = provider.GUID{1}

// install makes a catalog of the pair's base alone.
func (w *Case) install() *installed { return w.installBase(w.pairBase()) }

// pairBase is the base under the client's chains.
func (w *Case) pairBase() provider.Base {
	w.Helper()
	for _, e := range w.Pair.Client.Catalog().Snapshot().Entries {
		if e.Base != nil {
			return e.Base
		}
	}
	w.Fatal("the pair's catalog has no base")
	return nil
}

func (w *Case) installBase(b provider.Base) *installed {
	w.Helper()
	i := &installed{Case: w, Catalog: new(provider.Catalog), base: b}
	_, err := i.WSCInstallProvider(baseID, "base.dll", b, i.prepared())
	i.is("install the base", err, 0)
	i.infos = i.Snapshot().WSCEnumProtocols(nil)
	return i
}

// prepared are the base's entries as an installer writes them.
func (i *installed) prepared() []provider.ProtocolInfo {
	infos := i.base.Entries()
	for n := range infos {
		infos[n].Chain = provider.ProtocolChain{Len: wsa.BASE_PROTOCOL}
	}
	return infos
}

// is holds an error to its code.
func (i *installed) is(what string, err error, want wsa.Errno) {
	i.Helper()
	got, _ := wsa.Code(err)
	if got != want || (err == nil) != (want == 0) {
		i.Fatalf("%s: %v, want %s", what, err, name(want))
	}
}

// refused holds f to its code, and the catalog to what it was.
func (i *installed) refused(what string, want wsa.Errno, f func() error) {
	i.Helper()
	before := i.Snapshot()
	i.is(what, f(), want)
	if i.Snapshot() != before {
		i.Errorf("%s: what failed has changed the catalog", what)
	}
}

// own is the base's entry of the case's family for a type.
func (i *installed) own(typ int32) provider.ProtocolInfo {
	i.Helper()
	n := slices.IndexFunc(i.infos, func(p provider.ProtocolInfo) bool { return p.AddressFamily == i.Family() && p.SocketType == typ })
	if n < 0 {
		i.Fatalf("the base has no entry of type %d", typ)
	}
	return i.infos[n]
}

// ids are all entries, in the catalog's order.
func (i *installed) ids() (ids []provider.CatalogID) {
	for _, e := range i.Snapshot().WSCEnumProtocols(nil) {
		ids = append(ids, e.CatalogEntryID)
	}
	return ids
}

// entry is one that is installed.
func (i *installed) entry(id provider.CatalogID) *provider.Entry {
	i.Helper()
	e, ok := i.Snapshot().Entry(id)
	if !ok {
		i.Fatalf("no entry %d", id)
	}
	return e
}

func layerID(n byte) provider.GUID { return provider.GUID{2, n} }

// layer is WSCInstallProviderAndChains of layer n, over what is on top of the base's
// streams, or over all bases; it returns the layer's own entry and its chains.
func (i *installed) layer(n byte, l provider.Layer, infos ...provider.ProtocolInfo) (own provider.CatalogID, chains []provider.CatalogID) {
	i.Helper()
	own, err := i.WSCInstallProviderAndChains(layerID(n), fmt.Sprintf("layer%d.dll", n), fmt.Sprintf("layer %d", n), l, 0, infos)
	i.is("install a layer", err, 0)
	for _, e := range i.Snapshot().Entries {
		if ids := e.Info.Chain.IDs(); len(ids) > 0 && ids[0] == own {
			chains = append(chains, e.Info.CatalogEntryID)
		}
	}
	return own, chains
}

// start is a session over the catalog, ended with the case.
func (i *installed) start(cfg sockets.Config) *End {
	i.Helper()
	cfg.Catalog = i.Catalog
	s, err := sockets.Startup(cfg)
	if err != nil {
		i.Fatal(err)
	}
	i.Cleanup(func() {
		if err := s.Close(); err != nil {
			i.Errorf("close the session: %v", err)
		}
	})
	return &End{s.ProcTable(), i.Case, s, i.Pair.ClientHost}
}

// storey is a layer made of its WSPStartup.
type storey func(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno)

// Startup implements provider.Layer.
func (f storey) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return f(r, next)
}

// through replaces nothing.
var through = storey(func(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.ProcTable{}, 0
})
