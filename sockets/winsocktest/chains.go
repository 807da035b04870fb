package winsocktest

import (
	"slices"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// chained is an entry over the case's streams with these ids as its chain.
func (i *installed) chained(ids ...provider.CatalogID) []provider.ProtocolInfo {
	p := i.own(wsa.SOCK_STREAM)
	p.Chain = provider.ProtocolChain{Len: int32(len(ids))}
	copy(p.Chain.Entries[:], ids)
	return []provider.ProtocolInfo{p}
}

// noChain wants a chain of these ids to be refused.
func (i *installed) noChain(what string, ids ...provider.CatalogID) {
	i.Helper()
	i.refused(what, wsa.EINVAL, func() error {
		_, err := i.WSCInstallProvider(newID, "x", nil, i.chained(ids...))
		return err
	})
}

// 1.4 WSAPROTOCOLCHAIN.
var _ = add(
	Row{Section: "1.4", Name: "ChainLen 0: cannot be opened on its own, is never chosen, is not enumerated by the API", Run: func(w *Case) {
		i := w.install()
		own, _ := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		e := i.start(sockets.Config{})
		_, errno := e.WSPSocket(-1, -1, -1, &i.entry(own).Info, 0, 0)
		w.Want("opened", errno, wsa.EINVAL)
		equal(w, "enumerated", slices.ContainsFunc(i.Snapshot().WSAEnumProtocols(nil), func(p provider.ProtocolInfo) bool { return p.CatalogEntryID == own }), false)
		i.is("first in the order", i.front(own), 0)
		_, info := e.infoBytes(e.TCP())
		equal(w, "chosen", info.CatalogEntryID == own, false)
	}},
	Row{Section: "1.4", Name: "ChainLen 1: a base; ChainEntries need not be filled in", Run: func(w *Case) {
		i := w.install()
		for _, p := range i.infos {
			equal(w, "length", p.Chain.Len, wsa.BASE_PROTOCOL)
			equal(w, "entries", p.Chain.Entries, [7]provider.CatalogID{})
		}
		e := i.start(sockets.Config{})
		_, info := e.infoBytes(e.TCP())
		equal(w, "opened", info.CatalogEntryID, i.own(wsa.SOCK_STREAM).CatalogEntryID)
	}},
	Row{Section: "1.4", Name: "ChainLen 2..7: [0] is the top layer, the last the base", Run: func(w *Case) {
		i := w.install()
		ids := []provider.CatalogID{i.own(wsa.SOCK_STREAM).CatalogEntryID}
		for n := range byte(6) {
			own, err := i.WSCInstallProvider(layerID(n), "x", through, []provider.ProtocolInfo{{Name: "layer"}})
			i.is("a layer", err, 0)
			ids = append(own, ids...)
			chain, err := i.WSCInstallProvider(provider.GUID{7, n}, "x", nil, i.chained(ids...))
			i.is("a chain", err, 0)
			i.is("order", i.front(chain[0]), 0)
			e := i.start(sockets.Config{})
			_, info := e.infoBytes(e.TCP())
			equal(w, "chain", slices.Equal(info.Chain.IDs(), ids), true)
		}
	}},
	Row{Section: "1.4", Name: "more than MAX_PROTOCOL_CHAIN, or less than 0: WSAEINVAL", Run: func(w *Case) {
		i := w.install()
		for _, n := range []int32{8, 100, -1} {
			i.refused("length", wsa.EINVAL, func() error {
				p := i.chained(1, 2)
				p[0].Chain.Len = n
				_, err := i.WSCInstallProvider(newID, "x", nil, p)
				return err
			})
		}
	}},
	Row{Section: "1.4", Name: "a chain can be installed only after all its components are", Run: func(w *Case) {
		i := w.install()
		own, _ := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		i.noChain("a layer that is not there", 7777, i.own(wsa.SOCK_STREAM).CatalogEntryID)
		i.noChain("a base that is not there", own, 7777)
	}},
	Row{Section: "1.4", Name: "a chain must not contain the same layered protocol twice", Run: func(w *Case) {
		i := w.install()
		base := i.own(wsa.SOCK_STREAM).CatalogEntryID
		own, chains := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		i.noChain("its dummy twice", own, own, base)
		i.noChain("over its own chain", own, chains[0], base)
	}},
	Row{Section: "1.4", Name: "layers come first and one base last", Run: func(w *Case) {
		i := w.install()
		base := i.own(wsa.SOCK_STREAM).CatalogEntryID
		own, _ := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		i.noChain("two bases", base, base)
		i.noChain("a base above", base, own)
		i.noChain("no base", own, own)
	}},
	Row{Section: "1.4", Name: "the entry's other fields describe the chain as a whole", Run: func(w *Case) {
		i := w.install()
		tcp := i.own(wsa.SOCK_STREAM)
		_, chains := i.layer(1, through, tcp)
		got := i.entry(chains[0]).Info
		equal(w, "size", got.MaxSockAddr, tcp.MaxSockAddr)
		equal(w, "type", got.SocketType, tcp.SocketType)
		equal(w, "flags", got.ServiceFlags1, tcp.ServiceFlags1&^wsa.XP1_IFS_HANDLES)
	}},
	Row{Section: "1.4", Name: "the path registered for a chain is that of its top layer", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through, i.own(wsa.SOCK_STREAM))
		_, chains := i.layer(2, through, i.own(wsa.SOCK_STREAM))
		path, e := i.Snapshot().WSCGetProviderPath(i.entry(chains[0]).Info.ProviderID)
		w.Want("WSCGetProviderPath", e, 0)
		equal(w, "path", path, "layer2.dll")
	}},
	Row{Section: "1.4", Name: "B over A over 1001: A's chain is {dummyA, 1001}, B's {dummyB, chainA, 1001}", Run: func(w *Case) {
		i := w.install()
		base := i.own(wsa.SOCK_STREAM).CatalogEntryID
		dummyA, chainA := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		dummyB, chainB := i.layer(2, through, i.own(wsa.SOCK_STREAM))
		equal(w, "A", slices.Equal(i.entry(chainA[0]).Info.Chain.IDs(), []provider.CatalogID{dummyA, base}), true)
		equal(w, "B", slices.Equal(i.entry(chainB[0]).Info.Chain.IDs(), []provider.CatalogID{dummyB, chainA[0], base}), true)
		equal(w, "inside", slices.Equal(i.entry(chainB[0]).Storeys, []provider.CatalogID{dummyB, dummyA, base}), true)
	}},
	Row{Section: "1.4", Name: "the dummy: type and protocol 0, PFL_HIDDEN, no PFL_MATCHES_PROTOCOL_ZERO, the layer's name", Run: func(w *Case) {
		i := w.install()
		own, _ := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		p := i.entry(own).Info
		equal(w, "type", p.SocketType, 0)
		equal(w, "protocol", p.Protocol, 0)
		equal(w, "flags", p.ProviderFlags, wsa.PFL_HIDDEN)
		equal(w, "XP1_IFS_HANDLES", p.ServiceFlags1&wsa.XP1_IFS_HANDLES, 0)
		equal(w, "name", p.Name, "layer 1")
	}},
	Row{Section: "1.4", Name: `a chain entry: "<LSP> over [<lower name>]", a fresh GUID each`, Run: func(w *Case) {
		i := w.install()
		_, chains := i.layer(1, through)
		seen := map[provider.GUID]bool{baseID: true, layerID(1): true}
		for n, id := range chains {
			p := i.entry(id).Info
			equal(w, "name", p.Name, "layer 1 over ["+i.infos[n].Name+"]")
			equal(w, "an old GUID", seen[p.ProviderID], false)
			seen[p.ProviderID] = true
		}
		equal(w, "long names are cut", len(i.longest()) <= 255, true)
	}},
)

// longest is the name of a chain of a layer with a name of 255 characters.
func (i *installed) longest() string {
	i.Helper()
	_, err := i.WSCInstallProviderAndChains(newID, "x", strings.Repeat("x", 255), through, 0, nil)
	i.is("install", err, 0)
	return i.Snapshot().Entries[0].Info.Name
}
