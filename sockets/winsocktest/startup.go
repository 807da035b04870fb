package winsocktest

import (
	"slices"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// wrapped is the pair's base with another WSPStartup.
type wrapped struct {
	provider.Base
	low, high uint16 // the versions that it speaks; 0: 2.2
	fails     wsa.Errno
	lacks     bool // WSPListen is nil

	starts, cleanups atomic.Int32
}

// Startup implements provider.Base.
func (b *wrapped) Startup(r *provider.StartupRequest) (provider.ProcTable, wsa.Errno) {
	b.starts.Add(1)
	if b.fails != 0 {
		return provider.ProcTable{}, b.fails
	}
	if b.high != 0 {
		d, e := provider.Negotiate(r.Version, b.low, b.high)
		if e != 0 {
			return provider.ProcTable{}, e
		}
		r.Data = d
	}
	t, e := b.Base.Startup(r)
	below := t.WSPCleanup
	t.WSPCleanup = func() wsa.Errno {
		b.cleanups.Add(1)
		return below()
	}
	if b.lacks {
		t.WSPListen = nil
	}
	return t, e
}

// opening is what WSPSocket of a session over b says.
func (w *Case) opening(b *wrapped) wsa.Errno {
	w.Helper()
	_, e := w.installBase(b).start(sockets.Config{}).WSPSocket(w.Family(), wsa.SOCK_DGRAM, 0, nil, 0, 0)
	return e
}

// 3.0 WSPPROC_TABLE, 3.1 WSPStartup.
var _ = add(
	Row{Section: "3.0", Name: "WSPPROC_TABLE: 30 entries in this order, every one non-nil", Run: func(w *Case) {
		w.complete(w.C.WSPProcTable, "WSP", slices.Clone(order))
	}},
	Row{Section: "3.0", Name: "a nil entry: WSAEINVALIDPROCTABLE", Run: func(w *Case) {
		b := &wrapped{Base: w.pairBase(), lacks: true}
		w.Want("WSPSocket", w.opening(b), wsa.EINVALIDPROCTABLE)
		equal(w, "WSPCleanup", b.cleanups.Load(), 1)
	}},
	Row{Section: "3.1", Name: "wVersion other than 2.2: WSAEINVALIDPROVIDER, and WSPCleanup is called", Run: func(w *Case) {
		b := &wrapped{Base: w.pairBase(), low: makeWord(1, 0), high: makeWord(2, 1)}
		w.Want("WSPSocket", w.opening(b), wsa.EINVALIDPROVIDER)
		equal(w, "WSPCleanup", b.cleanups.Load(), 1)
	}},
	Row{Section: "3.1", Name: "a layer of another version: WSAEINVALIDPROVIDER", Run: func(w *Case) {
		i, down := w.install(), new(atomic.Int32)
		i.layer(1, storey(func(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			r.Data.Version = makeWord(2, 1)
			return provider.ProcTable{WSPCleanup: func() wsa.Errno { down.Add(1); return next.WSPCleanup() }}, 0
		}))
		_, e := i.start(sockets.Config{}).WSPSocket(w.Family(), wsa.SOCK_DGRAM, 0, nil, 0, 0)
		w.Want("WSPSocket", e, wsa.EINVALIDPROVIDER)
		equal(w, "WSPCleanup", down.Load(), 1)
	}},
	Row{Section: "3.1", Name: "WSASYSNOTREADY: network subsystem unavailable", Run: func(w *Case) {
		w.Want("WSPSocket", w.opening(&wrapped{Base: w.pairBase(), fails: wsa.SYSNOTREADY}), wsa.SYSNOTREADY)
	}},
	Row{Section: "3.1", Name: "WSAVERNOTSUPPORTED: requested version below what the provider supports", Run: func(w *Case) {
		var data provider.WSPData
		_, _, _, e := sockets.WSPStartup(makeWord(1, 1), &data, sockets.Config{Catalog: w.Pair.Client.Catalog()})
		w.Want("WSPStartup", e, wsa.VERNOTSUPPORTED)
		equal(w, "data", data, provider.WSPData{})
		w.Want("a further one", w.C.Session.WSPStartup(makeWord(2, 1), &data), wsa.VERNOTSUPPORTED)
	}},
	Row{Section: "3.1", Name: "WSAEPROCLIM: too many tasks", Run: func(w *Case) {
		w.Want("WSPSocket", w.opening(&wrapped{Base: w.pairBase(), fails: wsa.EPROCLIM}), wsa.EPROCLIM)
	}},
	Row{Section: "3.1", Name: "WSAEFAULT: no lpWSPData", Run: func(w *Case) {
		_, _, _, e := sockets.WSPStartup(makeWord(2, 2), nil, sockets.Config{Catalog: w.Pair.Client.Catalog()})
		w.Want("WSPStartup", e, wsa.EFAULT)
		w.Want("a further one", w.C.Session.WSPStartup(makeWord(2, 2), nil), wsa.EFAULT)
	}},
	Row{Section: "3.1", Name: "WSAEPROVIDERFAILEDINIT: a layer failed, and what is below is cleaned up", Run: func(w *Case) {
		b := &wrapped{Base: w.pairBase()}
		i := w.installBase(b)
		i.layer(1, fails(wsa.EPROVIDERFAILEDINIT))
		_, e := i.start(sockets.Config{}).WSPSocket(w.Family(), wsa.SOCK_DGRAM, 0, nil, 0, 0)
		w.Want("WSPSocket", e, wsa.EPROVIDERFAILEDINIT)
		equal(w, "starts", b.starts.Load(), 1)
		equal(w, "WSPCleanup", b.cleanups.Load(), 1)
	}},
	Row{Section: "3.1", Name: "WSAEINVALIDPROCTABLE: the next layer's table is incomplete", Run: func(w *Case) {
		i := w.installBase(&wrapped{Base: w.pairBase(), lacks: true})
		i.layer(1, through)
		_, e := i.start(sockets.Config{}).WSPSocket(w.Family(), wsa.SOCK_DGRAM, 0, nil, 0, 0)
		w.Want("WSPSocket", e, wsa.EINVALIDPROCTABLE)
	}},
	Row{Section: "3.1", Name: "WSAEINPROGRESS", Dropped: "spi-notes 4: WSAEINPROGRESS but for its one line in Resolve"},
	Row{Section: "3.1", Name: "many times: counted, one WSPCleanup for each", Run: func(w *Case) {
		var data provider.WSPData
		for range 3 {
			w.Want("WSPStartup", w.C.Session.WSPStartup(makeWord(2, 2), &data), 0)
		}
		equal(w, "wVersion", data.Version, makeWord(2, 2))
		s := w.C.UDP()
		for range 3 {
			w.Want("WSPCleanup", w.C.WSPCleanup(), 0)
			w.C.Bind(w.C.UDP())
		}
		w.Want("the last", w.C.WSPCleanup(), 0)
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(s), wsa.NOTINITIALISED)
		w.Want("one too many", w.C.WSPCleanup(), wsa.NOTINITIALISED)
	}},
	Row{Section: "3.1", Name: "a provider is started when it is needed, once for its sockets; cleanups balance starts", Run: func(w *Case) {
		b := &wrapped{Base: w.pairBase()}
		i := w.installBase(b)
		e := i.start(sockets.Config{})
		equal(w, "before a socket", b.starts.Load(), 0)
		for range 5 {
			e.UDP()
		}
		equal(w, "five sockets", b.starts.Load(), 1)
		e.TCP() // another entry: a chain of its own (5.2)
		equal(w, "another entry", b.starts.Load(), 2)
		if err := e.Session.Close(); err != nil {
			w.Error(err)
		}
		equal(w, "cleanups", b.cleanups.Load(), 2)
	}},
	Row{Section: "3.1", Name: "one provider serves several entries, and tells them by lpProtocolInfo", Run: func(w *Case) {
		seen := make(chan provider.ProtocolInfo, 4)
		b := &watched{Base: w.pairBase(), startup: func(p *provider.ProtocolInfo) { seen <- *p }}
		i := w.installBase(b)
		e := i.start(sockets.Config{})
		e.TCP()
		equal(w, "stream", (<-seen).CatalogEntryID, i.own(wsa.SOCK_STREAM).CatalogEntryID)
		e.UDP()
		equal(w, "datagram", (<-seen).CatalogEntryID, i.own(wsa.SOCK_DGRAM).CatalogEntryID)
	}},
)
