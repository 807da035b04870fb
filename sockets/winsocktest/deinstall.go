package winsocktest

import (
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 2.4 WSCDeinstallProvider, 2.5 WSCUpdateProvider.
var _ = add(
	Row{Section: "2.4", Name: "removes every entry with that GUID", Run: func(w *Case) {
		i := w.install()
		before := i.ids()
		_, err := i.WSCInstallProvider(newID, "x", i.base, i.prepared())
		i.is("install", err, 0)
		i.is("WSCDeinstallProvider", i.WSCDeinstallProvider(newID), 0)
		equal(w, "entries", slices.Equal(i.ids(), before), true)
	}},
	Row{Section: "2.4", Name: "WSAEINVAL: the GUID is not in the catalog", Run: func(w *Case) {
		i := w.install()
		i.refused("unknown", wsa.EINVAL, func() error { return i.WSCDeinstallProvider(newID) })
	}},
	Row{Section: "2.4", Name: "no chain is left on nothing: WSANO_RECOVERY (11.1)", Run: func(w *Case) {
		i := w.install()
		_, lower := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		i.layer(2, through, i.own(wsa.SOCK_STREAM))
		i.refused("a base", wsa.NO_RECOVERY, func() error { return i.WSCDeinstallProvider(baseID) })
		i.refused("a layer under its chains", wsa.NO_RECOVERY, func() error { return i.WSCDeinstallProvider(layerID(1)) })
		i.refused("a chain under another", wsa.NO_RECOVERY, func() error { return i.WSCDeinstallProvider(i.entry(lower[0]).Info.ProviderID) })
	}},
	Row{Section: "2.4", Name: "the order of removal: chains from the top, the dummy last", Run: func(w *Case) {
		i := w.install()
		before := i.ids()
		_, lower := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		_, upper := i.layer(2, through, i.own(wsa.SOCK_STREAM))
		for _, id := range append(upper, lower...) {
			i.is("a chain", i.WSCDeinstallProvider(i.entry(id).Info.ProviderID), 0)
		}
		for _, n := range []byte{2, 1} {
			i.is("a dummy", i.WSCDeinstallProvider(layerID(n)), 0)
		}
		equal(w, "entries", slices.Equal(i.ids(), before), true)
	}},
	Row{Section: "2.4", Name: "running sockets are unaffected", Run: func(w *Case) {
		i := w.install()
		own, chains := i.layer(1, through, i.own(wsa.SOCK_DGRAM))
		e := i.start(sockets.Config{})
		s := e.UDP()
		at := e.Bind(s)
		i.is("the chain", i.WSCDeinstallProvider(i.entry(chains[0]).Info.ProviderID), 0)
		i.is("the layer", i.WSCDeinstallProvider(layerID(1)), 0)
		e.sendTo(s, "hello", at)
		e.Await(s, wsa.FD_READ)
		_, info := e.infoBytes(s)
		equal(w, "its layer", info.Chain.Entries[0], own)
	}},
	Row{Section: "2.5", Name: "entries of that GUID change in place, and keep their ids", Run: func(w *Case) {
		i := w.install()
		infos := i.prepared()
		infos[0].Name = "another name"
		i.is("WSCUpdateProvider", i.WSCUpdateProvider(baseID, "new.dll", i.base, infos), 0)
		now := i.Snapshot().WSCEnumProtocols(nil)
		equal(w, "entries", len(now), len(i.infos))
		for n, p := range now {
			equal(w, "id", p.CatalogEntryID, i.infos[n].CatalogEntryID)
			equal(w, "name", p.Name, infos[n].Name)
		}
		path, _ := i.Snapshot().WSCGetProviderPath(baseID)
		equal(w, "path", path, "new.dll")
	}},
	Row{Section: "2.5", Name: "applies to a layer: new sockets have the new one", Run: func(w *Case) {
		i := w.install()
		own, _ := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		e := i.start(sockets.Config{})
		e.TCP()
		i.is("WSCUpdateProvider", i.WSCUpdateProvider(layerID(1), "new.dll", declines(wsa.EACCES), []provider.ProtocolInfo{i.entry(own).Info}), 0)
		_, errno := e.WSPSocket(w.Family(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
		w.Want("WSPSocket", errno, wsa.EACCES)
	}},
	Row{Section: "2.5", Name: "applies to a chain, and those above it follow (2.4: how a layer is taken out of the middle)", Run: func(w *Case) {
		i := w.install()
		_, lower := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		middle, between := i.layer(2, through, i.own(wsa.SOCK_STREAM))
		top, upper := i.layer(3, through, i.own(wsa.SOCK_STREAM))
		info := i.entry(upper[0]).Info
		info.Chain = provider.ProtocolChain{Len: 3}
		copy(info.Chain.Entries[:], append([]provider.CatalogID{top}, append(lower, i.own(wsa.SOCK_STREAM).CatalogEntryID)...))
		i.is("WSCUpdateProvider", i.WSCUpdateProvider(info.ProviderID, "layer3.dll", nil, []provider.ProtocolInfo{info}), 0)
		i.is("the chain between", i.WSCDeinstallProvider(i.entry(between[0]).Info.ProviderID), 0)
		i.is("the layer between", i.WSCDeinstallProvider(layerID(2)), 0)
		equal(w, "gone", slices.Contains(i.entry(upper[0]).Storeys, middle), false)
		e := i.start(sockets.Config{})
		_, opened := e.infoBytes(e.TCP())
		equal(w, "opened", opened.CatalogEntryID, upper[0])
	}},
	Row{Section: "2.5", Name: "WSAEFAULT: no list", Run: func(w *Case) {
		i := w.install()
		i.refused("no list", wsa.EFAULT, func() error { return i.WSCUpdateProvider(baseID, "x", i.base, nil) })
	}},
	Row{Section: "2.5", Name: "WSAEINVAL: no such provider, or another number of entries", Run: func(w *Case) {
		i := w.install()
		i.refused("unknown", wsa.EINVAL, func() error { return i.WSCUpdateProvider(newID, "x", i.base, i.prepared()) })
		i.refused("fewer", wsa.EINVAL, func() error { return i.WSCUpdateProvider(baseID, "x", i.base, i.prepared()[:1]) })
		i.refused("more", wsa.EINVAL, func() error {
			return i.WSCUpdateProvider(baseID, "x", i.base, append(i.prepared(), i.prepared()...))
		})
	}},
)

// declines is a layer whose WSPSocket fails with e.
func declines(e wsa.Errno) provider.Layer {
	return storey(func(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		return provider.ProcTable{WSPSocket: func(*provider.SocketRequest) (*provider.Socket, wsa.Errno) { return nil, e }}, 0
	})
}
