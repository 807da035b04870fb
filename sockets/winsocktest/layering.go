package winsocktest

import (
	"fmt"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 5.1 invariants, 5.2 WSPStartup of a layer.
var _ = add(
	Row{Section: "5.1", Name: "1 a layer is a client of the whole table below it", Run: func(w *Case) {
		for _, l := range w.house(3, nil).layers {
			entry, e := l.next.Validate()
			w.Want("the table below "+l.name+": "+entry, e, 0)
		}
	}},
	Row{Section: "5.1", Name: "2 base providers never see chains", Run: func(w *Case) {
		h := w.house(3, nil)
		h.use()
		for _, f := range fiveFunctions {
			for _, p := range h.base.of(f) {
				equal(w, f+": the chain's length", p.Chain.Len, wsa.BASE_PROTOCOL)
				equal(w, f+": the entry", p.CatalogEntryID, h.own(wsa.SOCK_STREAM).CatalogEntryID)
			}
		}
	}},
	Row{Section: "5.1", Name: "3 the upcall table is passed down unmodified", Run: func(w *Case) {
		h := w.house(3, nil)
		for _, l := range h.layers {
			equal(w, "the table of "+l.name, l.startup[0].Upcalls == h.layers[0].startup[0].Upcalls, true)
		}
	}},
	Row{Section: "5.1", Name: "4 one handle space: the application's handle is that of every storey", Run: func(w *Case) {
		i := w.install()
		seen := make(chan uint64, 4)
		for n := range byte(2) {
			i.layer(n, storey(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
				return provider.ProcTable{WSPSocket: func(r *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
					s, e := next.WSPSocket(r)
					if e == 0 {
						seen <- s.Handle()
					}
					return s, e
				}}, 0
			}), i.own(wsa.SOCK_STREAM))
		}
		s := i.start(sockets.Config{}).TCP()
		for range 2 {
			equal(w, "handle", sockets.SOCKET(<-seen), s)
		}
	}},
	Row{Section: "5.1", Name: "5 a layer need not implement what it does not change", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through)
		e := i.start(sockets.Config{})
		s := e.UDP()
		at := e.Bind(s)
		e.sendTo(s, "through", at)
		e.Await(s, wsa.FD_READ)
		text, errno := e.Recv(s, 10, 0)
		w.Want("WSPRecv", errno, 0)
		equal(w, "text", text, "through")
	}},
	Row{Section: "5.2", Name: "the storey below is started before, the base first", Run: func(w *Case) {
		h := w.house(3, nil)
		equal(w, "order", fmt.Sprint(h.order(&h.started)), "[base A B C]")
	}},
	Row{Section: "5.2", Name: "WSPCleanup of every storey that was started, once, from the roof", Run: func(w *Case) {
		h := w.house(3, nil)
		h.use()
		if err := h.e.Session.Close(); err != nil {
			w.Error(err)
		}
		equal(w, "order", fmt.Sprint(h.order(&h.cleaned)), "[C B A]")
	}},
	Row{Section: "5.2", Name: "one instance per chain: UDP does not get TCP's storey below", Run: func(w *Case) {
		i := w.install()
		l := &recorded{h: new(house), name: "A"}
		i.layer(1, l, i.own(wsa.SOCK_STREAM), i.own(wsa.SOCK_DGRAM))
		e := i.start(sockets.Config{})
		for _, s := range []sockets.SOCKET{e.TCP(), e.UDP(), e.TCP()} {
			v, errno := e.Option(s, sol, wsa.SO_TYPE)
			w.Want("SO_TYPE", errno, 0)
			k, errno := e.Session.Lookup(s)
			w.Want("lookup", errno, 0)
			equal(w, "type", int32(v), k.Info.SocketType)
		}
		equal(w, "starts", len(l.startup), 2)
	}},
	Row{Section: "5.2", Name: "the startup's code goes up: of a layer in the middle too", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through, i.own(wsa.SOCK_STREAM))
		i.layer(2, fails(wsa.EPROVIDERFAILEDINIT), i.own(wsa.SOCK_STREAM))
		i.layer(3, through, i.own(wsa.SOCK_STREAM))
		_, errno := i.start(sockets.Config{}).WSPSocket(w.Family(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
		w.Want("WSPSocket", errno, wsa.EPROVIDERFAILEDINIT)
	}},
)

// layout is a row of 5.3: how the chain is put together, and what is below each layer,
// the top one first.
type layout struct {
	name   string
	layers int
	build  func(*house)
	below  func(h *house) []provider.CatalogID
}

var layouts = []layout{
	{"{dummy, base}", 1, nil, func(h *house) []provider.CatalogID { return []provider.CatalogID{h.bottom()} }},
	{"{dummyB, chainA, base}", 2, nil, func(h *house) []provider.CatalogID { return []provider.CatalogID{h.chainOf(1), h.bottom()} }},
	{"{dummyB, dummyA, base}", 2, (*house).flat, func(h *house) []provider.CatalogID { return []provider.CatalogID{h.dummy(1), h.bottom()} }},
	{"{dummyC, chainB, chainA, base}", 3, nil, func(h *house) []provider.CatalogID {
		return []provider.CatalogID{h.chainOf(1), h.chainOf(2), h.bottom()}
	}},
	{"{dummyC, dummyB, dummyA, base}", 3, (*house).flat, func(h *house) []provider.CatalogID {
		return []provider.CatalogID{h.dummy(1), h.dummy(2), h.bottom()}
	}},
	{"six layers, each over the chain of the one below", 6, nil, func(h *house) []provider.CatalogID {
		return []provider.CatalogID{h.chainOf(1), h.chainOf(2), h.chainOf(3), h.chainOf(4), h.chainOf(5), h.bottom()}
	}},
}

func (h *house) bottom() provider.CatalogID { return h.own(wsa.SOCK_STREAM).CatalogEntryID }

// dummy is the layer's own entry, chainOf the chain that it heads.
func (h *house) dummy(n int) provider.CatalogID {
	for _, e := range h.Snapshot().Entries {
		if e.Layer == provider.Layer(h.layers[n]) {
			return e.Info.CatalogEntryID
		}
	}
	return 0
}

func (h *house) chainOf(n int) provider.CatalogID {
	for _, e := range h.Snapshot().Entries {
		if ids := e.Info.Chain.IDs(); len(ids) > 0 && ids[0] == h.dummy(n) {
			return e.Info.CatalogEntryID
		}
	}
	return 0
}

var _ = addLayouts()

func addLayouts() struct{} {
	for _, l := range layouts {
		add(Row{Section: "5.3", Name: l.name, Run: l.run})
	}
	return struct{}{}
}

// run holds what the builder says to what Windows' rule finds in the tables.
func (l layout) run(w *Case) {
	h := w.house(l.layers, l.build)
	for n, below := range l.below(h) {
		place := h.layers[n].startup[0].Place
		equal(w, "the builder", place.Next, below)
		equal(w, "index", place.Index, n)
		equal(w, "depth", place.Depth, l.layers+1)
		mine := make(map[provider.CatalogID]*provider.ProtocolInfo)
		for _, p := range h.Snapshot().WSCEnumProtocols(nil) {
			if p.Chain.Len > 1 && p.Chain.Entries[0] == h.dummy(n) {
				mine[p.CatalogEntryID] = &p
			}
		}
		equal(w, "FindPlace", provider.FindPlace(&h.chain.Info, h.dummy(n), mine), below)
	}
	equal(w, "storeys", len(h.chain.Storeys()), l.layers+1)
}

var _ = add(
	Row{Section: "5.3", Name: "own id absent, or the last element: none", Run: func(w *Case) {
		h := w.house(2, nil)
		equal(w, "absent", provider.FindPlace(&h.chain.Info, 7777, nil), 0)
		equal(w, "last", provider.FindPlace(&h.chain.Info, h.bottom(), nil), 0)
		own := h.own(wsa.SOCK_STREAM)
		equal(w, "no chain", provider.FindPlace(&own, h.dummy(0), nil), 0)
		ids := h.chain.Info.Chain.IDs()
		equal(w, "its chain", slices.Contains(ids, h.bottom()), true)
	}},
)
