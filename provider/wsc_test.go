package provider_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// installer is a catalog with a base of two protocols, as an installer meets it.
type installer struct {
	*testing.T
	provider.Catalog
	base []provider.CatalogID
}

var baseID = provider.GUID{1}

func newInstaller(t *testing.T) *installer {
	i := &installer{T: t}
	entry := func(typ, protocol int32, name string) provider.ProtocolInfo {
		return provider.ProtocolInfo{
			Version: 2, AddressFamily: wsa.AF_INET, SocketType: typ, Protocol: protocol, Name: name,
			Chain: provider.ProtocolChain{Len: wsa.BASE_PROTOCOL}, ServiceFlags1: wsa.XP1_IFS_HANDLES, ProviderFlags: wsa.PFL_MATCHES_PROTOCOL_ZERO,
		}
	}
	var err error
	i.base, err = i.WSCInstallProvider(baseID, "base.dll", new(providertest.Base), []provider.ProtocolInfo{
		entry(wsa.SOCK_STREAM, wsa.IPPROTO_TCP, "tcp"), entry(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, "udp"),
	})
	i.is("install the base", err, 0)
	return i
}

// is holds an error to its code; a refused call has changed nothing.
func (i *installer) is(what string, err error, want wsa.Errno) {
	i.Helper()
	got, _ := wsa.Code(err)
	if got != want || (err == nil) != (want == 0) {
		i.Fatalf("%s: %v, want %v", what, err, want)
	}
}

func (i *installer) ids() (ids []provider.CatalogID) {
	for _, e := range i.Snapshot().WSCEnumProtocols(nil) {
		ids = append(ids, e.CatalogEntryID)
	}
	return ids
}

func (i *installer) layer(n byte, infos []provider.ProtocolInfo) (provider.CatalogID, error) {
	return i.WSCInstallProviderAndChains(provider.GUID{2, n}, fmt.Sprintf("layer%d.dll", n), fmt.Sprint("layer ", n), &providertest.Recorder{Log: new(providertest.Log)}, 0, infos)
}

// TestWSCInstallProvider is the error table of winsock-spi 2.2 and 12.10 item 4.
func TestWSCInstallProvider(t *testing.T) {
	i := newInstaller(t)
	if !slices.Equal(i.base, []provider.CatalogID{1001, 1002}) {
		t.Errorf("ids %v", i.base)
	}
	before := i.ids()
	one := i.Snapshot().WSCEnumProtocols(nil)[:1]
	chain := func(ids ...provider.CatalogID) []provider.ProtocolInfo {
		info := one[0]
		info.Chain = provider.ProtocolChain{Len: int32(len(ids))}
		copy(info.Chain.Entries[:], ids)
		return []provider.ProtocolInfo{info}
	}
	for _, row := range []struct {
		name  string
		id    provider.GUID
		path  string
		p     provider.Provider
		infos []provider.ProtocolInfo
		want  wsa.Errno
	}{
		{"no list", provider.GUID{9}, "x", new(providertest.Base), nil, wsa.EFAULT},
		{"an empty list", provider.GUID{9}, "x", new(providertest.Base), []provider.ProtocolInfo{}, wsa.EINVAL},
		{"no id", provider.GUID{}, "x", new(providertest.Base), one, wsa.EINVAL},
		{"a long path", provider.GUID{9}, strings.Repeat("x", 261), new(providertest.Base), one, wsa.EINVAL},
		{"the same GUID twice", baseID, "x", new(providertest.Base), one, wsa.NO_RECOVERY},
		{"a base without one", provider.GUID{9}, "x", nil, one, wsa.EINVAL},
		{"a layer for a base", provider.GUID{9}, "x", &providertest.Recorder{}, one, wsa.EINVAL},
		{"a chain of what is not installed", provider.GUID{9}, "x", nil, chain(77, 1001), wsa.EINVAL},
		{"a chain of two bases", provider.GUID{9}, "x", nil, chain(1002, 1001), wsa.EINVAL},
		{"a name of 256 characters", provider.GUID{9}, "x", new(providertest.Base), []provider.ProtocolInfo{{Chain: provider.ProtocolChain{Len: 1}, Name: strings.Repeat("x", 256)}}, wsa.EINVAL},
	} {
		_, err := i.WSCInstallProvider(row.id, row.path, row.p, row.infos)
		i.is(row.name, err, row.want)
		var ce *provider.CatalogError
		if !errors.As(err, &ce) || ce.Op != "WSCInstallProvider" || ce.Reason == "" {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if !slices.Equal(i.ids(), before) {
		t.Errorf("what failed has changed the catalog: %v", i.ids())
	}
}

// TestWSCInstallProviderAndChains: winsock-spi 1.4 and 2.3.
func TestWSCInstallProviderAndChains(t *testing.T) {
	i := newInstaller(t)
	a, err := i.layer(1, nil)
	i.is("a layer over all bases", err, 0)
	// The chains stand at the head; the layer's own entry is hidden and behind.
	if got := i.ids(); !slices.Equal(got, []provider.CatalogID{1004, 1005, 1001, 1002, 1003}) || a != 1003 {
		t.Fatalf("order %v, own entry %d", got, a)
	}
	chainA, _ := i.Snapshot().Entry(1004)
	if got := chainA.Info.Chain.IDs(); !slices.Equal(got, []provider.CatalogID{1003, 1001}) || chainA.Info.Name != "layer 1 over [tcp]" {
		t.Errorf("%q: chain %v", chainA.Info.Name, got)
	}
	if chainA.Info.ServiceFlags1&wsa.XP1_IFS_HANDLES != 0 {
		t.Error("a chain of a layer that is not IFS says it is")
	}
	tcp := []provider.ProtocolInfo{{AddressFamily: wsa.AF_INET, SocketType: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP}}
	b, err := i.layer(2, append(tcp, tcp...))
	i.is("a layer over what is on top", err, 0)
	chainB, _ := i.Snapshot().Entry(b + 1)
	if got := chainB.Info.Chain.IDs(); !slices.Equal(got, []provider.CatalogID{b, 1004, 1001}) || !slices.Equal(chainB.Storeys, []provider.CatalogID{b, a, 1001}) {
		t.Errorf("chain %v, storeys %v", got, chainB.Storeys)
	}
	if all := i.Snapshot().WSAEnumProtocols(nil); len(all) != 5 {
		t.Errorf("an application sees %d entries: hidden ones, or layers' own", len(all))
	}
	if udp := i.Snapshot().WSCEnumProtocols([]int32{wsa.IPPROTO_UDP}); len(udp) != 2 {
		t.Errorf("%d entries for UDP", len(udp))
	}
	// An installer of Windows' kind finds the same chain in the SDK's form.
	info := chainB.Info
	ids, err := i.WSCInstallProvider(provider.GUID{7}, "by hand", nil, []provider.ProtocolInfo{info})
	i.is("a chain by hand", err, 0)
	if e, _ := i.Snapshot().Entry(ids[0]); !slices.Equal(e.Storeys, chainB.Storeys) {
		t.Errorf("storeys %v", e.Storeys)
	}

	for _, row := range []struct {
		name  string
		id    provider.GUID
		path  string
		label string
		l     provider.Layer
		infos []provider.ProtocolInfo
		want  wsa.Errno
	}{
		{"no id", provider.GUID{}, "x", "x", &providertest.Recorder{}, nil, wsa.EINVAL},
		{"no layer", provider.GUID{9}, "x", "x", nil, nil, wsa.EINVAL},
		{"no path", provider.GUID{9}, "", "x", &providertest.Recorder{}, nil, wsa.EINVAL},
		{"a long name", provider.GUID{9}, "x", strings.Repeat("x", 256), &providertest.Recorder{}, nil, wsa.EINVAL},
		{"an empty list", provider.GUID{9}, "x", "x", &providertest.Recorder{}, []provider.ProtocolInfo{}, wsa.EINVAL},
		{"the id is installed", provider.GUID{2, 1}, "x", "x", &providertest.Recorder{}, nil, wsa.EINVAL},
		{"the name is installed", provider.GUID{9}, "x", "layer 1", &providertest.Recorder{}, nil, wsa.EINVAL},
		{"no match", provider.GUID{9}, "x", "x", &providertest.Recorder{}, []provider.ProtocolInfo{{AddressFamily: wsa.AF_INET6}}, wsa.EINVAL},
	} {
		_, err := i.WSCInstallProviderAndChains(row.id, row.path, row.label, row.l, 0, row.infos)
		i.is(row.name, err, row.want)
	}
	var empty provider.Catalog
	_, err = empty.WSCInstallProviderAndChains(provider.GUID{9}, "x", "x", &providertest.Recorder{}, 0, nil)
	i.is("no base", err, wsa.NO_RECOVERY)
}

// TestSixLayers: a chain of six layers and a base can be installed, a seventh
// layer cannot (winsock-spi 12.10 item 5).
func TestSixLayers(t *testing.T) {
	i := newInstaller(t)
	tcp := []provider.ProtocolInfo{{AddressFamily: wsa.AF_INET, SocketType: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP}}
	for n := range byte(6) {
		_, err := i.layer(n+1, tcp)
		i.is(fmt.Sprintf("layer %d", n+1), err, 0)
	}
	before := i.Snapshot()
	if top := before.Entries[0].Info; top.Chain.Len != 7 {
		t.Errorf("chain of %d", top.Chain.Len)
	}
	_, err := i.layer(7, tcp)
	i.is("the seventh", err, wsa.NO_RECOVERY)
	if i.Snapshot() != before {
		t.Error("what failed has changed the catalog")
	}
}

// TestWSCDeinstallProvider: winsock-spi 2.4, less its way to a broken catalog.
func TestWSCDeinstallProvider(t *testing.T) {
	i := newInstaller(t)
	start := i.Snapshot()
	i.is("unknown", i.WSCDeinstallProvider(provider.GUID{9}), wsa.EINVAL)
	own, err := i.layer(1, nil)
	i.is("install", err, 0)
	i.is("what a chain stands on", i.WSCDeinstallProvider(baseID), wsa.NO_RECOVERY)
	i.is("the layer below its chains", i.WSCDeinstallProvider(provider.GUID{2, 1}), wsa.NO_RECOVERY)
	for _, e := range i.Snapshot().WSCEnumProtocols(nil) {
		if e.Chain.Len > 1 {
			i.is("a chain", i.WSCDeinstallProvider(e.ProviderID), 0)
		}
	}
	i.is("the layer", i.WSCDeinstallProvider(provider.GUID{2, 1}), 0)
	if !slices.Equal(i.ids(), i.base) {
		t.Errorf("left: %v", i.ids())
	}
	// Ids are not used again, and a snapshot brings all back.
	again, err := i.layer(1, nil)
	i.is("install again", err, 0)
	if again <= own {
		t.Errorf("id %d was given before", again)
	}
	i.is("restore", i.Restore(start), 0)
	if !slices.Equal(i.ids(), i.base) {
		t.Errorf("restored: %v", i.ids())
	}
}

// TestWSCUpdateProvider: entries change in place (winsock-spi 2.5).
func TestWSCUpdateProvider(t *testing.T) {
	i := newInstaller(t)
	infos := i.Snapshot().WSCEnumProtocols(nil)
	infos[0].Name = "tcp, new"
	i.is("unknown", i.WSCUpdateProvider(provider.GUID{9}, "new.dll", new(providertest.Base), infos), wsa.EINVAL)
	i.is("no list", i.WSCUpdateProvider(baseID, "new.dll", new(providertest.Base), nil), wsa.EFAULT)
	i.is("fewer", i.WSCUpdateProvider(baseID, "new.dll", new(providertest.Base), infos[:1]), wsa.EINVAL)
	i.is("more", i.WSCUpdateProvider(baseID, "new.dll", new(providertest.Base), append(infos, infos...)), wsa.EINVAL)
	i.is("update", i.WSCUpdateProvider(baseID, "new.dll", new(providertest.Base), infos), 0)
	if got := i.Snapshot().WSCEnumProtocols(nil); got[0].Name != "tcp, new" || got[0].CatalogEntryID != 1001 || len(got) != 2 {
		t.Errorf("%+v", got)
	}
	own, err := i.layer(1, nil)
	i.is("a layer", err, 0)
	chain, _ := i.Snapshot().Entry(own + 1)
	info := chain.Info
	info.Chain.Entries = [7]provider.CatalogID{info.CatalogEntryID, 1001}
	i.is("a chain on itself", i.WSCUpdateProvider(info.ProviderID, "x", nil, []provider.ProtocolInfo{info}), wsa.EINVAL)
	var other provider.Catalog
	i.is("restore nothing", other.Restore(nil), wsa.EFAULT)
	i.is("restore another's", other.Restore(i.Snapshot()), 0)
	if id, err := other.InstallLayer("x", &providertest.Recorder{}); err != nil || id <= own+2 {
		t.Errorf("id %d, %v", id, err)
	}
	if path, e := i.Snapshot().WSCGetProviderPath(baseID); path != "new.dll" || e != 0 {
		t.Errorf("path %q, %v", path, e)
	}
	if _, e := i.Snapshot().WSCGetProviderPath(provider.GUID{9}); e != wsa.EINVAL {
		t.Errorf("path of an unknown provider: %v", e)
	}
}

// TestWSCWriteProviderOrder: winsock-spi 2.7 and 12.10 items 3 and 4.
func TestWSCWriteProviderOrder(t *testing.T) {
	i := newInstaller(t)
	_, err := i.layer(1, nil)
	i.is("install", err, 0)
	for name, ids := range map[string][]provider.CatalogID{
		"too few": {1001}, "unknown": {1001, 1002, 1003, 1004, 9}, "twice": {1001, 1001, 1003, 1004, 1005},
	} {
		i.is(name, i.WSCWriteProviderOrder(ids), wsa.EINVAL)
	}
	winner := func() provider.CatalogID {
		e, _, errno := i.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET})
		if errno != 0 {
			t.Fatal(errno)
		}
		return e.Info.CatalogEntryID
	}
	if got := winner(); got != 1004 {
		t.Errorf("(AF_INET, 0, 0) opens %d", got)
	}
	i.is("order", i.WSCWriteProviderOrder([]provider.CatalogID{1002, 1001, 1004, 1005, 1003}), 0)
	if got := winner(); got != 1002 {
		t.Errorf("(AF_INET, 0, 0) opens %d, want the first", got)
	}
}

// TestWSCUpdateProviderRepairs: chains that stand on what is updated are put together
// again, and keep their ids; or nothing changes.
func TestWSCUpdateProviderRepairs(t *testing.T) {
	i := newInstaller(t)
	tcp := []provider.ProtocolInfo{{AddressFamily: wsa.AF_INET, SocketType: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP}}
	var own []provider.CatalogID
	for n := range byte(4) {
		id, err := i.layer(n+1, tcp)
		i.is("layer", err, 0)
		own = append(own, id)
	}
	chain := func(n int) *provider.Entry { e, _ := i.Snapshot().Entry(own[n] + 1); return e }
	base := i.base[0]
	if got := chain(3).Storeys; !slices.Equal(got, []provider.CatalogID{own[3], own[2], own[1], own[0], base}) {
		t.Fatalf("before: %v", got)
	}
	// The second layer's chain goes to the base directly.
	info := chain(1).Info
	info.Chain = provider.ProtocolChain{Len: 2, Entries: [7]provider.CatalogID{own[1], base}}
	i.is("update", i.WSCUpdateProvider(info.ProviderID, "layer2.dll", nil, []provider.ProtocolInfo{info}), 0)
	for n, want := range map[int]struct{ storeys, face []provider.CatalogID }{
		0: {[]provider.CatalogID{own[0], base}, []provider.CatalogID{own[0], base}},
		1: {[]provider.CatalogID{own[1], base}, []provider.CatalogID{own[1], base}},
		2: {[]provider.CatalogID{own[2], own[1], base}, []provider.CatalogID{own[2], own[1] + 1, base}},
		3: {[]provider.CatalogID{own[3], own[2], own[1], base}, []provider.CatalogID{own[3], own[2] + 1, own[1] + 1, base}},
	} {
		if e := chain(n); !slices.Equal(e.Storeys, want.storeys) || !slices.Equal(e.Info.Chain.IDs(), want.face) || e.Name != fmt.Sprint("layer ", n+1) {
			t.Errorf("chain %d %q: storeys %v, chain %v; want %v, %v", n, e.Name, e.Storeys, e.Info.Chain.IDs(), want.storeys, want.face)
		}
	}
	// A chain that would have a layer twice once it is repaired is none.
	before := i.Snapshot()
	info.Chain = provider.ProtocolChain{Len: 3, Entries: [7]provider.CatalogID{own[3], own[0] + 1, base}}
	i.is("a layer twice above", i.WSCUpdateProvider(info.ProviderID, "layer2.dll", nil, []provider.ProtocolInfo{info}), wsa.EINVAL)
	if i.Snapshot() != before {
		t.Error("what failed has changed the catalog")
	}
}

// TestTextLengths: names are counted in the SDK's characters, and cut between them.
func TestTextLengths(t *testing.T) {
	i := newInstaller(t)
	for _, r := range []struct {
		name string
		want wsa.Errno
	}{
		{strings.Repeat("ä", 255), 0}, {strings.Repeat("ä", 256), wsa.EINVAL},
		{strings.Repeat("🧦", 127), 0}, {strings.Repeat("🧦", 128), wsa.EINVAL},
	} {
		_, err := i.WSCInstallProviderAndChains(provider.NewGUID(), "x", r.name, &providertest.Recorder{Log: new(providertest.Log)}, 0, nil)
		i.is(r.name, err, r.want)
	}
	for _, e := range i.Snapshot().WSCEnumProtocols(nil) {
		if !utf8.ValidString(e.Name) || len(utf16.Encode([]rune(e.Name))) > 255 {
			t.Errorf("name %q", e.Name)
		}
	}
}
