package provider

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
)

// namedBase and namedLayer are providers as Bind finds them.
type namedBase struct{ path string }

func (*namedBase) Entries() []ProtocolInfo { return nil }
func (*namedBase) Startup(*StartupRequest) (ProcTable, wsa.Errno) {
	return ProcTable{}, wsa.SYSNOTREADY
}

type namedLayer struct{ path string }

func (*namedLayer) Startup(*StartupRequest, *ProcTable) (ProcTable, wsa.Errno) {
	return ProcTable{}, 0
}

func bindNamed(path string, _ GUID) (Provider, error) {
	switch {
	case strings.HasPrefix(path, "base"):
		return &namedBase{path}, nil
	case strings.HasPrefix(path, "layer"):
		return &namedLayer{path}, nil
	}
	return nil, fmt.Errorf("no provider %q here", path)
}

// furnished has an entry of each kind, a long chain, a selection and a program.
func furnished(t testing.TB, c *Catalog) *Catalog {
	ok := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	entry := func(typ, protocol int32, name string) ProtocolInfo {
		return ProtocolInfo{AddressFamily: wsa.AF_INET, SocketType: typ, Protocol: protocol, Name: name, Chain: ProtocolChain{Len: wsa.BASE_PROTOCOL}}
	}
	_, err := c.WSCInstallProvider(GUID{1}, "base", &namedBase{"base"}, []ProtocolInfo{entry(wsa.SOCK_STREAM, wsa.IPPROTO_TCP, "tcp"), entry(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, "üdp")})
	ok(err)
	var over []CatalogID
	for n := range 9 {
		id, err := c.InstallLayer(fmt.Sprint("layer", n), &namedLayer{fmt.Sprint("layer", n)})
		ok(err)
		over, err = c.InstallChain(fmt.Sprint("chain", n), []CatalogID{id}, over...)
		ok(err)
	}
	_, err = c.WSCInstallProviderAndChains(GUID{3}, "layer.dll", "the layer", &namedLayer{"layer.dll"}, 0, nil)
	ok(err)
	ok(c.WSCSetProviderInfo(GUID{3}, wsa.ProviderInfoLspCategories, []byte{8, 0, 0, 0}, 0))
	_, err = c.WSCSetApplicationCategory("/bin/foo", "-x", wsa.LSP_FIREWALL)
	ok(err)
	ok(c.SetSelection([]Selection{{Attachment: "a", To: []Prefix{netip.MustParsePrefix("fd00::/8")}, Ports: []PortRange{{1, 2}}, Chain: "chain3"}}))
	return c
}

// same compares two states, whose providers may be different values of one name.
func same(t *testing.T, what string, got, want *Snapshot) {
	t.Helper()
	if got.Generation != want.Generation || got.next != want.next || !reflect.DeepEqual(got.Select, want.Select) || !reflect.DeepEqual(got.Programs, want.Programs) {
		t.Errorf("%s: generation %d, next %d, %v, %v; want %d, %d, %v, %v", what, got.Generation, got.next, got.Select, got.Programs, want.Generation, want.next, want.Select, want.Programs)
	}
	if len(got.Entries) != len(want.Entries) {
		t.Fatalf("%s: %d entries, want %d", what, len(got.Entries), len(want.Entries))
	}
	for i, e := range want.Entries {
		if !reflect.DeepEqual(got.Entries[i], e) {
			t.Errorf("%s: entry %d is %+v, want %+v", what, i, got.Entries[i], e)
		}
	}
}

// keeper is a catalog in a file of a test's directory.
type keeper struct {
	*testing.T
	path string
	said []error
}

func newKeeper(t *testing.T) *keeper {
	return &keeper{T: t, path: filepath.Join(t.TempDir(), "catalog")}
}

func (k *keeper) open() *Catalog {
	k.Helper()
	k.said = nil
	c, err := CatalogFile{Path: k.path, Bind: bindNamed, Damaged: func(err error) { k.said = append(k.said, err) }}.Open()
	if err != nil {
		k.Fatal(err)
	}
	return c
}

func (k *keeper) put(name string, b []byte) {
	k.Helper()
	if err := os.WriteFile(k.path+name, b, 0o600); err != nil {
		k.Fatal(err)
	}
}

func (k *keeper) get(name string) []byte {
	k.Helper()
	b, err := os.ReadFile(k.path + name)
	if err != nil {
		k.Fatal(err)
	}
	return b
}

func (k *keeper) is(what string, err error, want wsa.Errno) {
	k.Helper()
	if got, _ := wsa.Code(err); got != want || (err == nil) != (want == 0) {
		k.Fatalf("%s: %v, want %v", what, err, want)
	}
}

// TestCatalogFile: what a catalog was is what it is when it is opened again, and it
// goes on from there.
func TestCatalogFile(t *testing.T) {
	k := newKeeper(t)
	c := furnished(t, k.open())
	before := c.Snapshot()
	again := k.open()
	same(t, "opened again", again.Snapshot(), before)
	if len(k.said) != 0 {
		t.Errorf("said %v", k.said)
	}
	bases := slices.DeleteFunc(slices.Clone(again.Snapshot().Entries), func(e Entry) bool { return e.Base == nil })
	if len(bases) != 2 || bases[0].Base != bases[1].Base {
		t.Error("the entries of one base do not share it")
	}
	id, err := again.InstallLayer("layer new", &namedLayer{})
	k.is("install", err, 0)
	if id != before.next {
		t.Errorf("id %d, want %d", id, before.next)
	}
	k.is("reset", again.Reset(), 0)
	k.is("roll back", again.Restore(before), 0)
	got := k.open().Snapshot()
	if got.next != id+1 || got.Generation != before.Generation+3 {
		t.Errorf("next %d, generation %d", got.next, got.Generation)
	}
	got = &Snapshot{Generation: before.Generation, next: before.next, Entries: got.Entries, Select: got.Select, Programs: got.Programs}
	same(t, "rolled back", got, before)
}

// TestCatalogFileTwoWriters: nobody writes over what he has not read.
func TestCatalogFileTwoWriters(t *testing.T) {
	k := newKeeper(t)
	a := furnished(t, k.open())
	b := k.open()
	_, err := a.InstallLayer("layer a", &namedLayer{"layer a"})
	k.is("a", err, 0)
	_, err = b.InstallLayer("layer b", &namedLayer{})
	k.is("b writes after a", err, wsa.NO_RECOVERY)
	if !strings.Contains(err.Error(), "open it again") {
		t.Errorf("%v says not what to do", err)
	}
	same(t, "on disk", k.open().Snapshot(), a.Snapshot())

	unlock, err := lockDir(filepath.Dir(k.path))
	if err != nil {
		t.Fatal(err)
	}
	k.is("while another writes", a.Reset(), wsa.NO_RECOVERY)
	_, err = a.WSCInstallProviderAndChains(GUID{9}, "x", "x", &namedLayer{}, 0, nil)
	k.is("an installation while another writes", err, wsa.EINPROGRESS)
	unlock()
	k.is("afterwards", a.Reset(), 0)

	d := a.Draft()
	published, err := d.InstallLayer("layer d", &namedLayer{"layer d"})
	k.is("draft", err, 0)
	k.is("publish", a.Publish(d), 0)
	if _, ok := k.open().Snapshot().Entry(published); !ok {
		t.Error("a published draft is not in the file")
	}
}

// TestCatalogFileBroken: the last good one is used and it is said, and the broken one is
// kept.
func TestCatalogFileBroken(t *testing.T) {
	good := encodeCatalog(furnished(t, new(Catalog)).Snapshot())
	flipped := bytes.Replace(good, []byte(`"layer3"`), []byte(`"layer4"`), 1)
	for name, b := range map[string][]byte{
		"empty": {}, "cut": good[:len(good)/2], "a byte off": flipped, "twice": append(slices.Clone(good), good...), "text": []byte("hello\n"),
		"other JSON": []byte(`{"format":"x"}`), "an array": []byte("[]"),
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			c := furnished(t, k.open())
			last := c.Snapshot()
			_, err := c.InstallLayer("layer new", &namedLayer{})
			k.is("install", err, 0)
			k.put("", b)
			if _, err := (CatalogFile{Path: k.path, Bind: bindNamed}).Open(); err == nil {
				t.Error("nobody would hear that it is broken")
			}
			again := k.open()
			same(t, "the last good one", again.Snapshot(), last)
			if len(k.said) != 1 || !strings.Contains(k.said[0].Error(), k.path) {
				t.Errorf("said %v", k.said)
			}
			if !bytes.Equal(k.get(""), b) {
				t.Error("opening has changed the file")
			}
			k.is("reset", again.Reset(), 0)
			if !bytes.Equal(k.get(".broken"), b) {
				t.Error("the broken file is lost")
			}
			same(t, "after", k.open().Snapshot(), again.Snapshot())
			if len(k.said) != 0 {
				t.Errorf("said %v", k.said)
			}
			k.put("", b)
			k.put(".last", b)
			if _, err := (CatalogFile{Path: k.path, Bind: bindNamed, Damaged: func(error) {}}).Open(); err == nil {
				t.Error("two broken files are a catalog")
			}
		})
	}
}

// TestCatalogFileNewer: a later version's file is neither used nor replaced.
func TestCatalogFileNewer(t *testing.T) {
	k := newKeeper(t)
	furnished(t, k.open())
	k.put("", []byte(`{"format":"netnsd catalog 2","sha256":"","catalog":{}}`))
	if _, err := (CatalogFile{Path: k.path, Bind: bindNamed, Damaged: func(error) {}}).Open(); !errors.Is(err, ErrNewerCatalog) {
		t.Error(err)
	}
}

// TestCatalogFileMissing: one that is gone is the last good one; one that never was is
// an empty catalog; and a file by another name is the same.
func TestCatalogFileMissing(t *testing.T) {
	k := newKeeper(t)
	c := furnished(t, k.open())
	k.is("reset", c.Reset(), 0)
	link := k.path + "-link"
	if err := os.Symlink(k.path, link); err != nil {
		t.Fatal(err)
	}
	real := k.path
	k.path = link
	k.is("through a link", k.open().Reset(), 0)
	if st, err := os.Lstat(link); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced", err)
	}
	k.path = real
	if err := os.Remove(k.path); err != nil {
		t.Fatal(err)
	}
	if k.open(); len(k.said) != 1 {
		t.Errorf("said %v", k.said)
	}
	if err := os.Mkdir(k.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := (CatalogFile{Path: k.path, Bind: bindNamed, Damaged: func(error) {}}).Open(); err == nil {
		t.Error("a directory is a catalog")
	}
	if _, err := (CatalogFile{Path: k.path}).Open(); err == nil {
		t.Error("nothing to bind by")
	}
}

// TestCatalogFileUnbound: what cannot be bound stays, and fails to start.
func TestCatalogFileUnbound(t *testing.T) {
	k := newKeeper(t)
	furnished(t, k.open())
	nothing := func(path string, _ GUID) (Provider, error) {
		if path == "layer1" {
			return &namedBase{}, nil // the wrong kind
		}
		return nil, nil
	}
	c, err := CatalogFile{Path: k.path, Bind: nothing}.Open()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Snapshot().Entries {
		if e.Layer != nil {
			continue
		}
		_, err := c.Snapshot().Build(e.Info.CatalogEntryID, BuildConfig{})
		k.is(e.Name, err, wsa.EPROVIDERFAILEDINIT)
	}
	k.is("order", c.Reset(), 0)
	if got := k.open().Snapshot(); len(got.Entries) != 2 || got.Entries[0].Base.(*namedBase).path != "base" {
		t.Errorf("%+v", got.Entries)
	}
}
