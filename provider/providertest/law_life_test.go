package providertest_test

import (
	"errors"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func TestLaw13Refcounts(t *testing.T) {
	rig, err := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, providertest.PassThrough{})
	if err != nil {
		t.Fatal(err)
	}
	a, b := rig.Socket(t), rig.Socket(t)
	rig.Chain.Retire()
	rig.Chain.Retire()
	if _, e := rig.Chain.Table.WSPSocket(rig.Request()); e != wsa.ENETDOWN {
		t.Errorf("a retired chain made a socket: %v", e)
	}
	if _, e := rig.Chain.Table.WSPSend(a, msg([]byte("x"))); e != 0 {
		t.Errorf("a living socket of a retired chain: %v", e)
	}
	rig.Chain.Table.WSPCloseSocket(a, provider.CloseAbort)
	select {
	case <-rig.Chain.Done():
		t.Fatal("the chain ended under a living socket")
	default:
	}
	if n := len(rig.Base.Calls("WSPCleanup")); n != 0 {
		t.Error("cleaned up under a living socket")
	}
	rig.Chain.Table.WSPCloseSocket(b, provider.CloseAbort)
	providertest.End(t, rig.Chain)
}

// A chain is built of a snapshot: what becomes of the catalog later does not
// touch it (immutability), nor does the builder's own table.
func TestLaw13Immutable(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, &providertest.Recorder{Name: "a", Log: new(providertest.Log)})
	info := rig.Chain.Info
	s := rig.Socket(t)
	defer rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	if err := rig.Catalog.Reset(); err != nil {
		t.Fatal(err)
	}
	if rig.Chain.Info != info || len(rig.Chain.Storeys()) != 2 {
		t.Errorf("the chain changed with the catalog: %+v", rig.Chain.Info)
	}
	if _, e := rig.Chain.Table.WSPSend(s, msg([]byte("x"))); e != 0 {
		t.Errorf("send: %v", e)
	}
}

func TestLaw13Resources(t *testing.T) {
	opened, closed := 0, 0
	l := layerFunc(func(r *provider.StartupRequest, _ *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		v, err := provider.Resource(r, "bucket", func() (*int, func() error, error) {
			opened++
			return new(int), func() error { closed++; return nil }, nil
		})
		if err != nil || v == nil {
			return provider.ProcTable{}, wsa.EPROVIDERFAILEDINIT
		}
		if _, err := provider.Resource(r, "bucket", func() (string, func() error, error) { return "", nil, nil }); err == nil {
			return provider.ProcTable{}, wsa.EINVAL
		}
		if _, err := provider.Resource(r, "broken", func() (int, func() error, error) { return 0, nil, errors.New("no disk") }); err == nil {
			return provider.ProcTable{}, wsa.EINVAL
		}
		return provider.ProcTable{}, 0
	})
	cat, res := new(provider.Catalog), new(provider.Resources)
	bases, _ := cat.InstallBase("scripted", new(providertest.Base))
	id, _ := cat.InstallLayer("bucket", l)
	chains, err := cat.InstallChain("c", []provider.CatalogID{id}, bases...)
	if err != nil {
		t.Fatal(err)
	}
	build := func() *provider.Chain {
		c, err := cat.Snapshot().Build(chains[0], provider.BuildConfig{Host: new(providertest.Host), Resources: res})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := build()
	second := build() // a new version, while the first lives
	providertest.End(t, first)
	if opened != 1 || closed != 0 || len(res.Names()) != 1 {
		t.Errorf("opened %d, closed %d, held %v: a resource outlives a version", opened, closed, res.Names())
	}
	providertest.End(t, second)
	if closed != 1 || len(res.Names()) != 0 {
		t.Errorf("closed %d, held %v: the last version releases it", closed, res.Names())
	}
}

func TestQuota(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP)
	rig.Host.Limit = 1
	s := rig.Socket(t)
	if _, e := rig.Chain.Table.WSPSocket(rig.Request()); e != wsa.EMFILE {
		t.Errorf("beyond the quota: %v, want WSAEMFILE", e)
	}
	rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	s = rig.Socket(t)
	rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
}
