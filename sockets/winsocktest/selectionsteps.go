package winsocktest

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 2.8 the steps of the algorithm.
var _ = add(
	Row{Section: "2.8", Name: "step 2: entries of length 0 are no candidates, and do not influence the error code", Run: func(w *Case) {
		i := w.install()
		own, err := i.WSCInstallProvider(newID, "x", through, []provider.ProtocolInfo{{Name: "x", AddressFamily: 77, SocketType: 78, Protocol: 79}})
		i.is("install", err, 0)
		e := i.start(sockets.Config{})
		for _, c := range []choice{{77, 78, 79, wsa.EAFNOSUPPORT, 0}, {77, 0, 1, wsa.EAFNOSUPPORT, 0}, {w.Family(), 78, 0, wsa.ESOCKTNOSUPPORT, 0}} {
			_, errno := e.WSPSocket(c.af, c.typ, c.protocol, nil, 0, 0)
			w.Want("WSPSocket", errno, c.want)
		}
		_, errno := e.WSPSocket(-1, -1, -1, &i.entry(own[0]).Info, 0, 0)
		w.Want("by its entry", errno, wsa.EINVAL)
	}},
	Row{Section: "2.8", Name: "step 3: protocol 0 is no wildcard without PFL_MATCHES_PROTOCOL_ZERO", Run: func(w *Case) {
		i := w.install()
		infos := i.prepared()
		for n := range infos {
			infos[n].ProviderFlags &^= wsa.PFL_MATCHES_PROTOCOL_ZERO
		}
		i.is("update", i.WSCUpdateProvider(baseID, "base.dll", i.base, infos), 0)
		e := i.start(sockets.Config{})
		_, errno := e.WSPSocket(w.Family(), wsa.SOCK_STREAM, 0, nil, 0, 0)
		w.Want("WSPSocket", errno, wsa.EPROTONOSUPPORT)
		e.TCP()
	}},
	Row{Section: "2.8", Name: "step 4: first match wins", Run: func(w *Case) {
		i := w.install()
		_, lower := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		_, upper := i.layer(2, through, i.own(wsa.SOCK_STREAM))
		e := i.start(sockets.Config{})
		_, info := e.infoBytes(e.TCP())
		equal(w, "opened", info.CatalogEntryID, upper[0])
		i.is("order", i.front(lower[0]), 0)
		_, info = e.infoBytes(e.TCP())
		equal(w, "opened", info.CatalogEntryID, lower[0])
	}},
	Row{Section: "2.8", Name: "step 4: a provider that fails to load: its error, and no other is tried", Run: func(w *Case) {
		i := w.install()
		i.layer(1, fails(wsa.SYSNOTREADY), i.own(wsa.SOCK_STREAM))
		e := i.start(sockets.Config{})
		_, errno := e.WSPSocket(w.Family(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
		w.Want("WSPSocket", errno, wsa.SYSNOTREADY)
		e.UDP() // others are not affected
	}},
	Row{Section: "2.8", Name: "step 5: parameters go to the provider unmodified", Run: func(w *Case) {
		i := w.install()
		seen := make(chan provider.SocketRequest, 8)
		i.layer(1, storey(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			below := next.WSPSocket
			return provider.ProcTable{WSPSocket: func(r *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
				seen <- *r
				return below(r)
			}}, 0
		}))
		e := i.start(sockets.Config{})
		top := i.Snapshot().Entries[0].Info
		for _, c := range []choice{{wsa.AF_INET, 0, 0, 0, 0}, {0, 0, wsa.IPPROTO_UDP, 0, 0}, {-1, -1, -1, 0, 0}} {
			info := &top
			if c.af != -1 {
				info = nil
			}
			s, errno := e.WSPSocket(c.af, c.typ, c.protocol, info, 0, wsa.WSA_FLAG_OVERLAPPED|wsa.WSA_FLAG_NO_HANDLE_INHERIT)
			w.Want("WSPSocket", errno, 0)
			w.Want("close", e.WSPCloseSocket(s), 0)
			r := <-seen
			equal(w, "triple", [3]int32{r.AF, r.Type, r.Protocol}, [3]int32{c.af, c.typ, c.protocol})
			equal(w, "flags", r.Flags, wsa.WSA_FLAG_OVERLAPPED|wsa.WSA_FLAG_NO_HANDLE_INHERIT)
		}
	}},
	Row{Section: "2.8", Name: "step 6: WSAEINPROGRESS declines, the next entry that matches is tried; another error is returned", Run: func(w *Case) {
		i := w.install()
		_, lower := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		_, declining := i.layer(2, declines(wsa.EINPROGRESS), i.base.Entries()[0], i.own(wsa.SOCK_STREAM))
		e := i.start(sockets.Config{})
		_, info := e.infoBytes(e.TCP())
		equal(w, "opened", info.CatalogEntryID, lower[0])
		top := i.entry(declining[0]).Info
		_, errno := e.WSPSocket(-1, -1, -1, &top, 0, 0)
		w.Want("named, it has declined", errno, wsa.EINPROGRESS)
		i.layer(3, declines(wsa.EPROTOTYPE), i.own(wsa.SOCK_STREAM))
		_, errno = e.WSPSocket(w.Family(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
		w.Want("another error", errno, wsa.EPROTOTYPE)
	}},
	Row{Section: "2.8", Name: "step 6: nobody is left: WSAEINPROGRESS; no way round a mandatory chain", Run: func(w *Case) {
		i := w.install()
		own, err := i.InstallLayer("declines", declines(wsa.EINPROGRESS))
		i.is("install", err, 0)
		_, err = i.InstallMandatoryChain("must", []provider.CatalogID{own})
		i.is("install", err, 0)
		_, errno := i.start(sockets.Config{}).WSPSocket(w.Family(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
		w.Want("WSPSocket", errno, wsa.EINPROGRESS)
	}},
	Row{Section: "2.8", Name: "the catalog is empty: WSAEINVAL", Run: func(w *Case) {
		i := &installed{Case: w, Catalog: new(provider.Catalog)}
		_, errno := i.start(sockets.Config{}).WSPSocket(w.Family(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
		w.Want("WSPSocket", errno, wsa.EINVAL)
	}},
	Row{Section: "2.8", Name: "B: dwCatalogEntryId unknown: WSAEINVAL", Run: func(w *Case) {
		_, errno := w.C.WSPSocket(-1, -1, -1, unknownEntry, 0, 0)
		w.Want("WSPSocket", errno, wsa.EINVAL)
	}},
	Row{Section: "2.8", Name: "WSASocket is overlapped only by its flag", Run: func(w *Case) {
		for flags, want := range map[uint32]wsa.Errno{0: wsa.EINVAL, wsa.WSA_FLAG_OVERLAPPED: 0} {
			s := w.C.OpenWith(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, flags)
			w.Want("associate with a port", w.C.Session.Associate(s, sockets.CreateCompletionPort(0), 1), want)
		}
	}},
)

// front puts an entry before all others.
func (i *installed) front(id provider.CatalogID) error {
	ids := []provider.CatalogID{id}
	for _, other := range i.ids() {
		if other != id {
			ids = append(ids, other)
		}
	}
	return i.WSCWriteProviderOrder(ids)
}

// fails is a layer whose WSPStartup fails.
func fails(e wsa.Errno) provider.Layer {
	return storey(func(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		return provider.ProcTable{}, e
	})
}
