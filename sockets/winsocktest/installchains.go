package winsocktest

import (
	"slices"
	"strings"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// chainsRow is a row of the error table of 2.3.
type chainsRow struct {
	name              string
	want              wsa.Errno
	id                provider.GUID
	path, label       string
	layer             provider.Layer
	infos             []provider.ProtocolInfo
	installedAsBefore bool // layer 1 is
}

var chainsRows = []chainsRow{
	{name: "WSAEINVAL: no ProviderId", want: wsa.EINVAL, path: "x", label: "x", layer: through},
	{name: "WSAEINVAL: no layer", want: wsa.EINVAL, id: newID, path: "x", label: "x"},
	{name: "WSAEINVAL: no path", want: wsa.EINVAL, id: newID, label: "x", layer: through},
	{name: "WSAEINVAL: a path longer than MAX_PATH (260)", want: wsa.EINVAL, id: newID, path: strings.Repeat("x", 261), label: "x", layer: through},
	{name: "WSAEINVAL: no name", want: wsa.EINVAL, id: newID, path: "x", layer: through},
	{name: "WSAEINVAL: a name longer than WSAPROTOCOL_LEN (255)", want: wsa.EINVAL, id: newID, path: "x", label: strings.Repeat("x", 256), layer: through},
	{name: "WSAEINVAL: a list with n = 0", want: wsa.EINVAL, id: newID, path: "x", label: "x", layer: through, infos: []provider.ProtocolInfo{}},
	{name: "WSAEINVAL: the provider id is in the catalog", want: wsa.EINVAL, id: layerID(1), path: "x", label: "x", layer: through, installedAsBefore: true},
	{name: "WSAEINVAL: the layer's name is in the catalog", want: wsa.EINVAL, id: newID, path: "x", label: "layer 1", layer: through, installedAsBefore: true},
	{name: "WSAEINVAL: no match for a triple", want: wsa.EINVAL, id: newID, path: "x", label: "x", layer: through, infos: []provider.ProtocolInfo{{AddressFamily: 77, SocketType: 1, Protocol: 6}}},
}

var _ = addChainsRows()

func addChainsRows() struct{} {
	for _, r := range chainsRows {
		add(Row{Section: "2.3", Name: r.name, Run: func(w *Case) {
			i := w.install()
			if r.installedAsBefore {
				i.layer(1, through)
			}
			i.refused(r.name, r.want, func() error {
				_, err := i.WSCInstallProviderAndChains(r.id, r.path, r.label, r.layer, 0, r.infos)
				return err
			})
		}})
	}
	return struct{}{}
}

// 2.3 WSCInstallProviderAndChains.
var _ = add(
	Row{Section: "2.3", Name: "the dummy entry, and chains at the head of the catalog; *outDummyId", Run: func(w *Case) {
		i := w.install()
		before := i.ids()
		own, chains := i.layer(1, through)
		equal(w, "order", slices.Equal(i.ids(), slices.Concat(chains, before, []provider.CatalogID{own})), true)
		equal(w, "the dummy", i.entry(own).Info.Chain.Len, wsa.LAYERED_PROTOCOL)
	}},
	Row{Section: "2.3", Name: "no list: a chain over the base for each unique triple of bases", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through)
		_, err := i.WSCInstallProvider(newID, "twin.dll", i.base, i.prepared()) // the same triples
		i.is("a twin", err, 0)
		_, chains := i.layer(2, through)
		equal(w, "chains", len(chains), len(i.infos))
		for n, id := range chains {
			equal(w, "over", i.entry(id).Info.Chain.Entries[1], i.infos[n].CatalogEntryID)
		}
	}},
	Row{Section: "2.3", Name: "a list: over the top-most entry that matches; duplicates and other members are ignored", Run: func(w *Case) {
		i := w.install()
		tcp := i.own(wsa.SOCK_STREAM)
		_, lower := i.layer(1, through, tcp)
		other := tcp
		other.Name, other.CatalogEntryID, other.ServiceFlags1 = "of no interest", 7, 0
		own, chains := i.layer(2, through, tcp, other)
		equal(w, "chains", len(chains), 1)
		equal(w, "chain", slices.Equal(i.entry(chains[0]).Info.Chain.IDs(), []provider.CatalogID{own, lower[0], tcp.CatalogEntryID}), true)
	}},
	Row{Section: "2.3", Name: "serviceFlags: XP1_IFS_HANDLES is taken over, and cleared in the chains of a layer without it", Run: func(w *Case) {
		i := w.install()
		tcp := i.own(wsa.SOCK_STREAM)
		for n, flags := range []uint32{0, wsa.XP1_IFS_HANDLES | wsa.XP1_QOS_SUPPORTED} {
			_, err := i.WSCInstallProviderAndChains(layerID(byte(n)), "x", strings.Repeat("x", n+1), through, flags, []provider.ProtocolInfo{tcp})
			i.is("install", err, 0)
			got := i.Snapshot().Entries[0].Info.ServiceFlags1
			want := tcp.ServiceFlags1
			if flags == 0 {
				want &^= wsa.XP1_IFS_HANDLES
			}
			equal(w, "flags", got, want)
			i.is("reset", i.Reset(), 0)
		}
	}},
	Row{Section: "2.3", Name: "a family that is layered over in part: select takes sockets of both (11.3)", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through, i.own(wsa.SOCK_STREAM))
		e := i.start(sockets.Config{})
		s, u := e.TCP(), e.UDP()
		e.Bind(u)
		write, now := sockets.FDSet{s, u}, time.Duration(0)
		n, errno := e.WSPSelect(0, nil, &write, nil, &now)
		w.Want("WSPSelect", errno, 0)
		equal(w, "ready", n, 1)
	}},
	Row{Section: "2.3", Name: "WSANO_RECOVERY: no list, and no base provider", Run: func(w *Case) {
		var empty provider.Catalog
		_, err := empty.WSCInstallProviderAndChains(newID, "x", "x", through, 0, nil)
		(&installed{Case: w}).is("install", err, wsa.NO_RECOVERY)
	}},
	Row{Section: "2.3", Name: "WSANO_RECOVERY: MAX_PROTOCOL_CHAIN is reached", Run: func(w *Case) {
		i := w.install()
		tcp := i.own(wsa.SOCK_STREAM)
		for n := range byte(6) {
			_, chains := i.layer(n+1, through, tcp)
			equal(w, "length", i.entry(chains[0]).Info.Chain.Len, int32(n)+2)
		}
		i.refused("the seventh", wsa.NO_RECOVERY, func() error {
			_, err := i.WSCInstallProviderAndChains(newID, "x", "x", through, 0, []provider.ProtocolInfo{tcp})
			return err
		})
		e := i.start(sockets.Config{}) // and the six of them work
		_, info := e.infoBytes(e.TCP())
		equal(w, "opened", info.Chain.Len, 7)
	}},
)
