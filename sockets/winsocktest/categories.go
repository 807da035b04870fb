package winsocktest

import (
	"encoding/binary"
	"fmt"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// The programs and layers of the documented example of 2.7.
const (
	foo = wsa.LSP_SYSTEM | wsa.LSP_FIREWALL | wsa.LSP_CRYPTO_COMPRESS
	bar = wsa.LSP_FIREWALL | wsa.LSP_CRYPTO_COMPRESS
	lsp = wsa.LSP_SYSTEM | wsa.LSP_FIREWALL | wsa.LSP_CRYPTO_COMPRESS | wsa.LSP_INSPECTOR // LSP4
)

// loadingRow is a layer and a program, and whether the one is loaded by the other.
type loadingRow struct {
	name       string
	known      bool // the program has been given categories
	permitted  uint32
	categories uint32
	loaded     bool
}

var loadingRows = []loadingRow{
	{"A is unset: every LSP is loaded", false, 0, wsa.LSP_FIREWALL, true},
	{"A is unset: an uncategorised LSP is loaded", false, 0, 0, true},
	{"an uncategorised LSP is never loaded into a categorised application", true, wsa.LSP_FIREWALL, 0, false},
	{"every category of the LSP is permitted", true, wsa.LSP_FIREWALL | wsa.LSP_PROXY, wsa.LSP_FIREWALL, true},
	{"a category of the LSP is not permitted", true, wsa.LSP_FIREWALL, wsa.LSP_FIREWALL | wsa.LSP_PROXY, false},
	{"a system application, an LSP that is not SYSTEM", true, wsa.LSP_SYSTEM | wsa.LSP_PROXY, wsa.LSP_PROXY, false},
	{"a system application, a SYSTEM LSP", true, wsa.LSP_SYSTEM | wsa.LSP_PROXY, wsa.LSP_SYSTEM | wsa.LSP_PROXY, true},
	{"Foo loads LSP1", true, foo, wsa.LSP_SYSTEM, true},
	{"Foo does not load LSP2", true, foo, 0, false},
	{"Foo does not load LSP3", true, foo, wsa.LSP_FIREWALL, false},
	{"Foo does not load LSP4", true, foo, lsp, false},
	{"Bar does not load LSP1", true, bar, wsa.LSP_SYSTEM, false},
	{"Bar does not load LSP2", true, bar, 0, false},
	{"Bar loads LSP3", true, bar, wsa.LSP_FIREWALL, true},
	{"Bar does not load LSP4", true, bar, lsp, false},
}

const programPath = "/bin/program"

func dword(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// categorise states what layer n does.
func (i *installed) categorise(n byte, categories uint32) {
	i.Helper()
	i.is("WSCSetProviderInfo", i.WSCSetProviderInfo(layerID(n), wsa.ProviderInfoLspCategories, dword(categories), 0), 0)
}

// permit adds to what the program permits, and holds what it permitted before.
func (i *installed) permit(categories, before uint32) {
	i.Helper()
	got, err := i.WSCSetApplicationCategory(programPath, "", categories)
	i.is("WSCSetApplicationCategory", err, 0)
	if got != before {
		i.Errorf("permitted %#x before, want %#x", got, before)
	}
}

// storeys is how many providers a socket of a session of the program has.
func (i *installed) storeys(e *End) int {
	i.Helper()
	h, errno := e.WSPSocket(i.Family(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
	i.Want("WSPSocket", errno, 0)
	k, errno := e.Session.Lookup(h)
	i.Want("lookup", errno, 0)
	n := len(k.Chain().Storeys())
	i.Want("close", e.WSPCloseSocket(h), 0)
	return n
}

func (i *installed) startProgram() *End { return i.start(sockets.Config{Application: programPath}) }

var _ = addLoadingRows()

func addLoadingRows() struct{} {
	for _, r := range loadingRows {
		add(Row{Section: "2.7", Name: r.name, Run: func(w *Case) {
			i := w.install()
			i.layer(1, through)
			if r.categories != 0 {
				i.categorise(1, r.categories)
			}
			if r.known {
				i.permit(r.permitted, 0)
			}
			want := 1
			if r.loaded {
				want = 2
			}
			if got := i.storeys(i.startProgram()); got != want {
				w.Errorf("a socket of %d storeys, want %d", got, want)
			}
		}})
	}
	return struct{}{}
}

var _ = add(
	Row{Section: "2.7", Name: "an excluded chain is as if it were not there: selection falls through", Run: func(w *Case) {
		i := w.install()
		for n, categories := range []uint32{wsa.LSP_FIREWALL, wsa.LSP_PROXY} { // the second on top
			i.layer(byte(n+1), through)
			i.categorise(byte(n+1), categories)
		}
		i.permit(wsa.LSP_FIREWALL, 0)
		e, trace, errno := i.Snapshot().Resolve(&provider.SocketRequest{AF: i.Family(), Type: wsa.SOCK_STREAM, Application: i.Snapshot().Application(programPath, "")})
		if errno != 0 || e.Name != "layer 1" {
			w.Errorf("%v, %v\n%v", e, errno, trace)
		}
	}},
	Row{Section: "2.7", Name: "repeated calls OR the categories together", Run: func(w *Case) {
		i := w.install()
		i.permit(wsa.LSP_FIREWALL, 0)
		i.permit(wsa.LSP_PROXY, wsa.LSP_FIREWALL)
		i.permit(0, wsa.LSP_FIREWALL|wsa.LSP_PROXY)
	}},
	Row{Section: "2.7", Name: "identity is the path and the extra arguments", Run: func(w *Case) {
		i := w.install()
		i.permit(wsa.LSP_FIREWALL, 0)
		before, err := i.WSCSetApplicationCategory(programPath, "-k netsvcs", wsa.LSP_PROXY)
		i.is("with arguments", err, 0)
		if before != 0 {
			w.Errorf("permitted %#x before", before)
		}
	}},
	Row{Section: "2.7", Name: "the permitted set is fixed at the first WSAStartup", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through)
		before := i.startProgram()
		i.permit(wsa.LSP_FIREWALL, 0)
		if n := i.storeys(before); n != 2 {
			w.Errorf("a session that began before: %d storeys", n)
		}
		if n := i.storeys(i.startProgram()); n != 1 {
			w.Errorf("one that begins after: %d storeys", n)
		}
	}},
	Row{Section: "2.7", Name: "WSCGetProviderInfo without a buffer says the size", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through)
		n, e := i.Snapshot().WSCGetProviderInfo(layerID(1), wsa.ProviderInfoLspCategories, nil, 0)
		w.Want("get", e, wsa.EFAULT)
		if n != 4 {
			w.Errorf("%d bytes needed", n)
		}
	}},
	Row{Section: "2.7", Name: "WSCGetProviderInfo returns what WSCSetProviderInfo has set", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through)
		i.categorise(1, lsp)
		b := make([]byte, 4)
		n, e := i.Snapshot().WSCGetProviderInfo(layerID(1), wsa.ProviderInfoLspCategories, b, 0)
		w.Want("get", e, 0)
		if got := binary.NativeEndian.Uint32(b); n != 4 || got != lsp {
			w.Errorf("%d bytes, %#x", n, got)
		}
	}},
	Row{Section: "2.7", Name: "WSCGetProviderInfo, unknown id: WSAEINVALIDPROVIDER", Run: func(w *Case) {
		_, e := w.install().Snapshot().WSCGetProviderInfo(layerID(9), wsa.ProviderInfoLspCategories, make([]byte, 4), 0)
		w.Want("get", e, wsa.EINVALIDPROVIDER)
	}},
	Row{Section: "2.7", Name: "ProviderInfoAudit: ERROR_CALL_NOT_IMPLEMENTED", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through)
		_, e := i.Snapshot().WSCGetProviderInfo(layerID(1), wsa.ProviderInfoAudit, make([]byte, 4), 0)
		w.Want("get", e, wsa.CALL_NOT_IMPLEMENTED)
		i.refused("set", wsa.CALL_NOT_IMPLEMENTED, func() error {
			return i.WSCSetProviderInfo(layerID(1), wsa.ProviderInfoAudit, make([]byte, 4), 0)
		})
	}},
)

var _ = addSetInfoRows()

func addSetInfoRows() struct{} {
	for _, r := range []struct {
		name string
		want wsa.Errno
		id   provider.GUID
		info []byte
	}{
		{"no information", wsa.EFAULT, layerID(1), nil},
		{"no DWORD", wsa.EINVAL, layerID(1), []byte{1}},
		{"no category", wsa.EINVAL, layerID(1), dword(0x100)},
		{"a base's id", wsa.EINVALIDPROVIDER, baseID, dword(1)},
		{"unknown id", wsa.EINVALIDPROVIDER, layerID(9), dword(1)},
	} {
		add(Row{Section: "2.7", Name: fmt.Sprintf("WSCSetProviderInfo, %s: %s", r.name, r.want.Name()), Run: func(w *Case) {
			i := w.install()
			i.layer(1, through)
			i.refused("set", r.want, func() error { return i.WSCSetProviderInfo(r.id, wsa.ProviderInfoLspCategories, r.info, 0) })
		}})
	}
	return struct{}{}
}
