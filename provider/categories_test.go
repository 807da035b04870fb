package provider_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func dword(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// The programs and layers of the example in winsock-spi 2.7.
const (
	foo = wsa.LSP_SYSTEM | wsa.LSP_FIREWALL | wsa.LSP_CRYPTO_COMPRESS
	bar = wsa.LSP_FIREWALL | wsa.LSP_CRYPTO_COMPRESS
)

var exampleLayers = []uint32{
	wsa.LSP_SYSTEM, 0, wsa.LSP_FIREWALL, wsa.LSP_SYSTEM | wsa.LSP_FIREWALL | wsa.LSP_CRYPTO_COMPRESS | wsa.LSP_INSPECTOR,
}

// TestLoads is the example of winsock-spi 2.7, and each clause of its rule.
func TestLoads(t *testing.T) {
	for i, l := range exampleLayers {
		if got := provider.Loads(foo, l); got != (i == 0) {
			t.Errorf("Foo loads LSP%d: %v", i+1, got)
		}
		if got := provider.Loads(bar, l); got != (i == 2) {
			t.Errorf("Bar loads LSP%d: %v", i+1, got)
		}
	}
	for _, r := range []struct {
		permitted, categories uint32
		want                  bool
	}{
		{0, 0, false}, {0, wsa.LSP_PROXY, false}, {wsa.LSP_PROXY, 0, false},
		{wsa.LSP_PROXY | wsa.LSP_FIREWALL, wsa.LSP_PROXY, true},
		{wsa.LSP_PROXY, wsa.LSP_PROXY | wsa.LSP_FIREWALL, false},
		{wsa.LSP_SYSTEM | wsa.LSP_PROXY, wsa.LSP_PROXY, false},
		{wsa.LSP_SYSTEM | wsa.LSP_PROXY, wsa.LSP_PROXY | wsa.LSP_SYSTEM, true},
		{wsa.LSP_PROXY, wsa.LSP_PROXY | wsa.LSP_SYSTEM, false},
	} {
		if got := provider.Loads(r.permitted, r.categories); got != r.want {
			t.Errorf("a program of %#x loads a layer of %#x: %v", r.permitted, r.categories, got)
		}
	}
}

// categorised are the four layers of the example over one base, the fourth first in
// the order.
func categorised(t *testing.T) *installer {
	i := newInstaller(t)
	for n, categories := range exampleLayers {
		_, err := i.layer(byte(n+1), nil)
		i.is("install", err, 0)
		if categories != 0 {
			i.is("categories", i.WSCSetProviderInfo(provider.GUID{2, byte(n + 1)}, wsa.ProviderInfoLspCategories, dword(categories), 0), 0)
		}
	}
	return i
}

func (i *installer) opened(a *provider.Application) string {
	e, _, errno := i.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Type: wsa.SOCK_STREAM, Application: a})
	if errno != 0 {
		return errno.Name()
	}
	return e.Name
}

// TestApplicationCategory: a chain that a program does not load is as if it were not
// there, ultimately there is the base; and a second call adds.
func TestApplicationCategory(t *testing.T) {
	i := categorised(t)
	for _, r := range []struct {
		path, extra string
		add         uint32
		before      uint32
		want        string
	}{
		{"foo.exe", "", foo, 0, "layer 1"},
		{"bar.exe", "", bar, 0, "layer 3"},
		{"bar.exe", "-k", wsa.LSP_PROXY, 0, "base.dll"},
		{"bar.exe", "", wsa.LSP_INSPECTOR, bar, "layer 3"},
		{"none.exe", "", 0, 0, "base.dll"},
	} {
		before, err := i.WSCSetApplicationCategory(r.path, r.extra, r.add)
		i.is(r.path, err, 0)
		if got := i.opened(i.Snapshot().Application(r.path, r.extra)); before != r.before || got != r.want {
			t.Errorf("%s %s: %#x before, opens %s; want %#x and %s", r.path, r.extra, before, got, r.before, r.want)
		}
	}
	if got := i.opened(i.Snapshot().Application("other.exe", "")); got != "layer 4" {
		t.Errorf("a program nobody knows opens %s", got)
	}
	if got, e := i.Snapshot().WSCGetApplicationCategory("bar.exe", ""); got != bar|wsa.LSP_INSPECTOR || e != 0 {
		t.Errorf("bar.exe permits %#x, %v", got, e)
	}
	if _, e := i.Snapshot().WSCGetApplicationCategory("other.exe", ""); e != wsa.SERVICE_NOT_FOUND {
		t.Errorf("a program nobody knows: %v", e)
	}
	saved := i.Snapshot()
	i.is("reset", i.Reset(), 0)
	if len(i.Snapshot().Programs) != 0 {
		t.Error("reset leaves what programs permit")
	}
	i.is("restore", i.Restore(saved), 0)
	if got := i.opened(i.Snapshot().Application("foo.exe", "")); got != "layer 1" {
		t.Errorf("after restore foo.exe opens %s", got)
	}
}

// TestCategoriesFailClosed: nothing stands in for a mandatory or selected chain that
// a program does not load.
func TestCategoriesFailClosed(t *testing.T) {
	i := categorised(t)
	_, err := i.WSCSetApplicationCategory("foo.exe", "", foo)
	i.is("foo", err, 0)
	program := i.Snapshot().Application("foo.exe", "")
	i.is("select", i.SetSelection([]provider.Selection{{Chain: "layer 2"}}), 0)
	if got := i.opened(program); got != "WSAEACCES" {
		t.Errorf("the selected chain is barred: %s", got)
	}
	i.is("select none", i.SetSelection(nil), 0)

	for _, e := range i.Snapshot().Entries {
		_, _, errno := i.Snapshot().Resolve(&provider.SocketRequest{Info: &e.Info, Application: program})
		want := wsa.Errno(0)
		if e.Layer != nil || e.Storeys != nil && e.Name != "layer 1" {
			want = wsa.EINVAL
		}
		if errno != want {
			t.Errorf("%s named by its protocol info: %v, want %v", &e.Info, errno, want)
		}
	}

	own, err := i.InstallLayer("must", &providertest.Recorder{Log: new(providertest.Log)})
	i.is("layer", err, 0)
	_, err = i.InstallMandatoryChain("must", []provider.CatalogID{own})
	i.is("chain", err, 0)
	if got := i.opened(program); got != "WSAEACCES" {
		t.Errorf("the mandatory chain is barred: %s", got)
	}
	if got := i.opened(nil); got != "must" {
		t.Errorf("others open %s", got)
	}
}

// TestProviderInfo is the error table of winsock-spi 2.7.
func TestProviderInfo(t *testing.T) {
	i := categorised(t)
	layer, base := provider.GUID{2, 3}, baseID
	const categories = wsa.ProviderInfoLspCategories
	for _, r := range []struct {
		name  string
		id    provider.GUID
		what  int32
		info  []byte
		flags uint32
		want  wsa.Errno
	}{
		{"an unknown id", provider.GUID{7}, categories, dword(1), 0, wsa.EINVALIDPROVIDER},
		{"a base", base, categories, dword(1), 0, wsa.EINVALIDPROVIDER},
		{"audit", layer, wsa.ProviderInfoAudit, dword(1), 0, wsa.CALL_NOT_IMPLEMENTED},
		{"unknown information", layer, 2, dword(1), 0, wsa.EINVAL},
		{"none", layer, categories, nil, 0, wsa.EFAULT},
		{"a short one", layer, categories, []byte{1}, 0, wsa.EINVAL},
		{"flags", layer, categories, dword(1), 1, wsa.EINVAL},
		{"an unknown category", layer, categories, dword(0x100), 0, wsa.EINVAL},
	} {
		i.is("set "+r.name, i.WSCSetProviderInfo(r.id, r.what, r.info, r.flags), r.want)
	}
	s := i.Snapshot()
	for _, r := range []struct {
		id    provider.GUID
		what  int32
		size  int
		flags uint32
		n     int
		want  wsa.Errno
	}{
		{layer, categories, 0, 0, 4, wsa.EFAULT}, {layer, categories, 3, 0, 4, wsa.EFAULT}, {layer, categories, 9, 0, 4, 0},
		{layer, categories, 4, 1, 0, wsa.EINVAL}, {layer, 2, 4, 0, 0, wsa.EINVAL},
		{layer, wsa.ProviderInfoAudit, 4, 0, 0, wsa.CALL_NOT_IMPLEMENTED}, {provider.GUID{7}, categories, 4, 0, 0, wsa.EINVALIDPROVIDER},
	} {
		out := make([]byte, r.size)
		n, e := s.WSCGetProviderInfo(r.id, r.what, out, r.flags)
		if n != r.n || e != r.want || e == 0 && binary.NativeEndian.Uint32(out) != wsa.LSP_FIREWALL {
			t.Errorf("get %d into %d bytes: %d, %v, %x", r.what, r.size, n, e, out)
		}
	}
	for _, r := range []struct {
		path string
		add  uint32
	}{{"", 1}, {fmt.Sprintf("%261s", "x"), 1}, {"x", 0x100}} {
		_, err := i.WSCSetApplicationCategory(r.path, "", r.add)
		i.is("application "+r.path, err, wsa.EINVAL)
	}
}
