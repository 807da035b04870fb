package winsocktest

import (
	"slices"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// installRow is a row of the error table of 2.2.
type installRow struct {
	name string
	want wsa.Errno
	id   provider.GUID
	path string
	with func(*installed) (provider.Provider, []provider.ProtocolInfo)
}

var newID = provider.GUID{9}

var installRows = []installRow{
	{"WSAEFAULT: no list of entries", wsa.EFAULT, newID, "x", func(i *installed) (provider.Provider, []provider.ProtocolInfo) { return i.base, nil }},
	{"WSAEINVAL: an empty list", wsa.EINVAL, newID, "x", func(i *installed) (provider.Provider, []provider.ProtocolInfo) {
		return i.base, []provider.ProtocolInfo{}
	}},
	{"WSAEINVAL: no ProviderId", wsa.EINVAL, provider.GUID{}, "x", again},
	{"WSAEINVAL: no path", wsa.EINVAL, newID, "", again},
	{"WSAEINVAL: a path longer than MAX_PATH", wsa.EINVAL, newID, strings.Repeat("x", 261), again},
	{"WSAEINVAL: a base's entry without a base", wsa.EINVAL, newID, "x", func(i *installed) (provider.Provider, []provider.ProtocolInfo) { return nil, i.prepared() }},
	{"WSAEINVAL: a layer's entry without a layer", wsa.EINVAL, newID, "x", func(i *installed) (provider.Provider, []provider.ProtocolInfo) {
		return i.base, []provider.ProtocolInfo{{Name: "a layer"}}
	}},
	{"WSAEINVAL: szProtocol longer than WSAPROTOCOL_LEN", wsa.EINVAL, newID, "x", func(i *installed) (provider.Provider, []provider.ProtocolInfo) {
		p := i.prepared()
		p[0].Name = strings.Repeat("x", 256)
		return i.base, p
	}},
	{"WSANO_RECOVERY: the provider is installed", wsa.NO_RECOVERY, baseID, "x", again},
}

func again(i *installed) (provider.Provider, []provider.ProtocolInfo) { return i.base, i.prepared() }

var _ = addInstallRows()

func addInstallRows() struct{} {
	for _, r := range installRows {
		add(Row{Section: "2.2", Name: r.name, Run: func(w *Case) {
			i := w.install()
			i.refused(r.name, r.want, func() error {
				p, infos := r.with(i)
				_, err := i.WSCInstallProvider(r.id, r.path, p, infos)
				return err
			})
		}})
	}
	return struct{}{}
}

// 2.1 what a catalog is, 2.2 WSCInstallProvider.
var _ = add(
	Row{Section: "2.1", Name: "order is the order of enumeration and of search", Run: func(w *Case) {
		i := w.install()
		_, chains := i.layer(1, through)
		for n, p := range i.Snapshot().WSCEnumProtocols(nil) {
			equal(w, "entry", i.Snapshot().Entries[n].Info.CatalogEntryID, p.CatalogEntryID)
		}
		equal(w, "found first", i.winner(wsa.SOCK_STREAM, wsa.IPPROTO_TCP), chains[slices.IndexFunc(chains, func(id provider.CatalogID) bool {
			p := i.entry(id).Info
			return p.AddressFamily == w.Family() && p.SocketType == wsa.SOCK_STREAM
		})])
	}},
	Row{Section: "2.1", Name: "a snapshot is not touched by a change; the change has a new generation", Run: func(w *Case) {
		i := w.install()
		before := i.Snapshot()
		n := len(before.Entries)
		i.layer(1, through)
		equal(w, "entries of the snapshot", len(before.Entries), n)
		equal(w, "a newer generation", i.Snapshot().Generation > before.Generation, true)
	}},
	Row{Section: "2.1", Name: "a socket keeps the chain that it was made with", Run: func(w *Case) {
		i := w.install()
		e := i.start(sockets.Config{})
		old := e.UDP()
		at := e.Bind(old)
		own, _ := i.layer(1, through)
		e.sendTo(e.UDP(), "hello", at) // a new one's is another
		e.Await(old, wsa.FD_READ)
		b, info := e.infoBytes(old)
		equal(w, "its entry", info.Chain.Len, wsa.BASE_PROTOCOL)
		equal(w, "its entry's chain", b[40], 1)
		_, info = e.infoBytes(e.UDP())
		equal(w, "a new one's layer", info.Chain.Entries[0], own)
	}},
	Row{Section: "2.1", Name: "rollback: a state that was is the catalog again, but its ids are not given again", Run: func(w *Case) {
		i := w.install()
		start, ids := i.Snapshot(), i.ids()
		own, _ := i.layer(1, through)
		i.is("Restore", i.Restore(start), 0)
		equal(w, "entries", slices.Equal(i.ids(), ids), true)
		next, _ := i.layer(1, through)
		equal(w, "a new id", next > own, true)
	}},
	Row{Section: "2.1", Name: "reset: the bases alone, in the order of their ids", Run: func(w *Case) {
		i := w.install()
		ids := i.ids()
		i.layer(1, through)
		i.layer(2, through)
		i.is("Reset", i.Reset(), 0)
		equal(w, "entries", slices.Equal(i.ids(), ids), true)
	}},
	Row{Section: "2.2", Name: "entries under one GUID and path; ids are assigned; at the end of the order", Run: func(w *Case) {
		i := w.install()
		before := i.ids()
		ids, err := i.WSCInstallProvider(newID, "second.dll", i.base, i.prepared())
		i.is("install", err, 0)
		equal(w, "order", slices.Equal(i.ids(), append(before, ids...)), true)
		for _, id := range ids {
			equal(w, "GUID", i.entry(id).Info.ProviderID, newID)
		}
		path, e := i.Snapshot().WSCGetProviderPath(newID)
		w.Want("WSCGetProviderPath", e, 0)
		equal(w, "path", path, "second.dll")
	}},
	Row{Section: "2.2", Name: "works for base, layered and chain entries", Run: func(w *Case) {
		i := w.install()
		own, err := i.WSCInstallProvider(layerID(1), "layer.dll", through, []provider.ProtocolInfo{{Name: "layer", ProviderFlags: wsa.PFL_HIDDEN}})
		i.is("a layer's entry", err, 0)
		chain := i.own(wsa.SOCK_STREAM)
		chain.Chain = provider.ProtocolChain{Len: 2, Entries: [7]provider.CatalogID{own[0], chain.CatalogEntryID}}
		ids, err := i.WSCInstallProvider(newID, "layer.dll", nil, []provider.ProtocolInfo{chain})
		i.is("a chain", err, 0)
		i.is("order", i.WSCWriteProviderOrder(append(ids, slices.DeleteFunc(i.ids(), func(id provider.CatalogID) bool { return id == ids[0] })...)), 0)
		s := i.start(sockets.Config{})
		_, info := s.infoBytes(s.TCP())
		equal(w, "opened", info.CatalogEntryID, ids[0])
	}},
)

// winner is the entry that a socket of the case's family takes.
func (i *installed) winner(typ, protocol int32) provider.CatalogID {
	i.Helper()
	e, _, errno := i.Snapshot().Resolve(&provider.SocketRequest{AF: i.Family(), Type: typ, Protocol: protocol})
	i.Want("resolve", errno, 0)
	return e.Info.CatalogEntryID
}
