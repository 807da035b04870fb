package winsocktest

import (
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// 2.6 enumeration, and the order of 2.7.
var _ = add(
	Row{Section: "2.6", Name: "WSCEnumProtocols: all entries, hidden ones and layers' own too, in catalog order", Run: func(w *Case) {
		i := w.install()
		own, chains := i.layer(1, through)
		all := i.Snapshot().WSCEnumProtocols(nil)
		equal(w, "entries", len(all), 2*len(i.infos)+1)
		equal(w, "a layer's own", slices.ContainsFunc(all, func(p provider.ProtocolInfo) bool { return p.CatalogEntryID == own }), true)
		equal(w, "raw", slices.ContainsFunc(all, func(p provider.ProtocolInfo) bool { return p.SocketType == wsa.SOCK_RAW }), true)
		for n, id := range chains {
			equal(w, "order", all[n].CatalogEntryID, id)
		}
	}},
	Row{Section: "2.6", Name: "WSAEnumProtocols: bases and chains without PFL_HIDDEN", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through)
		n := 0
		for _, p := range i.Snapshot().WSCEnumProtocols(nil) {
			if p.Chain.Len > 0 && p.ProviderFlags&wsa.PFL_HIDDEN == 0 {
				n++
			}
		}
		shown := i.Snapshot().WSAEnumProtocols(nil)
		equal(w, "entries", len(shown), n)
		for _, p := range shown {
			equal(w, "hidden", p.ProviderFlags&wsa.PFL_HIDDEN != 0 || p.Chain.Len == 0, false)
		}
	}},
	Row{Section: "2.6", Name: "lpiProtocols: a list of iProtocol values", Run: func(w *Case) {
		i := w.install()
		for _, protocols := range [][]int32{{wsa.IPPROTO_TCP}, {wsa.IPPROTO_UDP}, {wsa.IPPROTO_UDP, wsa.IPPROTO_TCP}, {99}} {
			for _, enum := range []func([]int32) []provider.ProtocolInfo{i.Snapshot().WSCEnumProtocols, i.Snapshot().WSAEnumProtocols} {
				got := enum(protocols)
				want := 2 * len(protocols) // one of IPv4, one of IPv6
				if protocols[0] == 99 {
					want = 0
				}
				equal(w, "entries", len(got), want)
				for _, p := range got {
					equal(w, "of the list", slices.Contains(protocols, p.Protocol), true)
				}
			}
		}
	}},
	Row{Section: "2.6", Name: "WSCGetProviderPath: the registered path; WSAEINVAL: unknown GUID", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through)
		for id, want := range map[provider.GUID]string{baseID: "base.dll", layerID(1): "layer1.dll"} {
			path, e := i.Snapshot().WSCGetProviderPath(id)
			w.Want("WSCGetProviderPath", e, 0)
			equal(w, "path", path, want)
		}
		_, e := i.Snapshot().WSCGetProviderPath(newID)
		w.Want("an unknown one", e, wsa.EINVAL)
	}},
	Row{Section: "2.7", Name: "WSCWriteProviderOrder: a new total order, which alters the winner of (af, 0, 0) (12.10)", Run: func(w *Case) {
		i := w.install()
		equal(w, "by default", i.entry(i.winner(0, 0)).Info.SocketType, wsa.SOCK_STREAM)
		ids := i.ids()
		slices.Reverse(ids)
		i.is("reverse", i.WSCWriteProviderOrder(ids), 0)
		equal(w, "order", slices.Equal(i.ids(), ids), true)
		equal(w, "reversed: raw", i.entry(i.winner(0, 0)).Info.SocketType, wsa.SOCK_RAW)
		udp := i.own(wsa.SOCK_DGRAM).CatalogEntryID
		ids = append([]provider.CatalogID{udp}, slices.DeleteFunc(ids, func(id provider.CatalogID) bool { return id == udp })...)
		i.is("UDP first", i.WSCWriteProviderOrder(ids), 0)
		equal(w, "UDP", i.winner(0, 0), udp)
	}},
	Row{Section: "2.7", Name: "WSAEINVAL: n is not the number of entries", Run: func(w *Case) {
		i := w.install()
		i.refused("too few", wsa.EINVAL, func() error { return i.WSCWriteProviderOrder(i.ids()[1:]) })
		i.refused("none", wsa.EINVAL, func() error { return i.WSCWriteProviderOrder(nil) })
		i.refused("too many", wsa.EINVAL, func() error { return i.WSCWriteProviderOrder(append(i.ids(), 1001)) })
	}},
	Row{Section: "2.7", Name: "WSAEINVAL: an id is unknown", Run: func(w *Case) {
		i := w.install()
		i.refused("unknown", wsa.EINVAL, func() error { return i.WSCWriteProviderOrder(append(i.ids()[1:], 77)) })
	}},
	Row{Section: "2.7", Name: "WSAEINVAL: the list is no permutation", Run: func(w *Case) {
		i := w.install()
		ids := i.ids()
		ids[0] = ids[1]
		i.refused("twice", wsa.EINVAL, func() error { return i.WSCWriteProviderOrder(ids) })
	}},
)
