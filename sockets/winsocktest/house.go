package winsocktest

import (
	"slices"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// house is a chain of recording layers on a recording base, over the streams of the
// case's family.
type house struct {
	*installed
	e      *End
	chain  *provider.Chain
	base   entries
	layers []*recorded // the top one first

	mu      sync.Mutex
	started []string // "base", then layers from below, by number
	cleaned []string
}

// recorded is a layer that tells of the entries that it is shown, and goes on below.
type recorded struct {
	entries
	h       *house
	name    string
	startup []*provider.StartupRequest
	next    provider.ProcTable
}

// Startup implements provider.Layer.
func (l *recorded) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	l.h.did(&l.h.started, l.name)
	l.shown("WSPStartup", r.Info)
	l.startup, l.next = append(l.startup, r), *next
	t := *next
	showing(&t, l.shown)
	return provider.ProcTable{
		WSPSocket: t.WSPSocket, WSPAddressToString: t.WSPAddressToString, WSPStringToAddress: t.WSPStringToAddress,
		WSPDuplicateSocket: t.WSPDuplicateSocket,
		WSPCleanup:         func() wsa.Errno { l.h.did(&l.h.cleaned, l.name); return next.WSPCleanup() },
	}, 0
}

func (h *house) did(what *[]string, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*what = append(*what, name)
}

func (h *house) order(what *[]string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(*what)
}

// house builds one of n storeys and the base; layout puts its layers together, nil
// each over the chain of the one before.
func (w *Case) house(n int, layout func(h *house)) *house {
	w.Helper()
	h := new(house)
	b := &watched{Base: w.pairBase(), shown: h.base.shown, startup: func(p *provider.ProtocolInfo) {
		h.did(&h.started, "base")
		h.base.shown("WSPStartup", p)
	}}
	h.installed = w.installBase(b)
	for i := range n {
		h.layers = append(h.layers, &recorded{h: h, name: string(rune('A' + n - 1 - i))}) // A is the lowest
	}
	if layout == nil {
		layout = (*house).stacked
	}
	layout(h)
	h.e = h.start(sockets.Config{})
	chain, err := h.e.Session.Chain(h.winner(wsa.SOCK_STREAM, wsa.IPPROTO_TCP))
	if err != nil {
		w.Fatal(err)
	}
	h.chain = chain
	return h
}

// stacked is each layer over the chain of the one below: {dummyB, chainA, base}.
func (h *house) stacked() {
	for i := len(h.layers) - 1; i >= 0; i-- {
		h.layer(byte(i+1), h.layers[i], h.own(wsa.SOCK_STREAM))
	}
}

// flat is one chain of their dummies: {dummyB, dummyA, base}.
func (h *house) flat() {
	ids := make([]provider.CatalogID, len(h.layers))
	for i, l := range h.layers {
		own, err := h.WSCInstallProvider(layerID(byte(i+1)), l.name, l, []provider.ProtocolInfo{{Name: l.name, ProviderFlags: wsa.PFL_HIDDEN}})
		h.is("a layer", err, 0)
		ids[i] = own[0]
	}
	chain, err := h.WSCInstallProvider(newID, "flat", nil, h.chained(append(ids, h.own(wsa.SOCK_STREAM).CatalogEntryID)...))
	h.is("the chain", err, 0)
	h.is("order", h.front(chain[0]), 0)
}

// use calls the functions of 5.4 at the top, with the chain's entry, and closes what it
// has opened.
func (h *house) use() (up *provider.ProtocolInfo) {
	h.Helper()
	t := &h.chain.Table
	s, e := t.WSPSocket(&provider.SocketRequest{AF: -1, Type: -1, Protocol: -1, Info: &h.chain.Info, Origin: &provider.Origin{UID: -1}})
	h.Want("WSPSocket", e, 0)
	_, e = t.WSPAddressToString(provider.Any(h.Family(), 1), &h.chain.Info)
	h.Want("WSPAddressToString", e, 0)
	_, e = t.WSPStringToAddress(h.C.Host.String(), h.Family(), &h.chain.Info)
	h.Want("WSPStringToAddress", e, 0)
	up, e = t.WSPDuplicateSocket(s, 1)
	h.Want("WSPDuplicateSocket", e, 0)
	h.Want("WSPCloseSocket", t.WSPCloseSocket(s, provider.CloseAbort), 0)
	return up
}
