package sockets_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

// starts counts the chains that it stands in.
type starts struct {
	n    atomic.Int32
	fail wsa.Errno
}

func (l *starts) Startup(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	l.n.Add(1)
	return provider.ProcTable{}, l.fail
}

// draft has a chain of each of the layers instead of those that are there.
func draft(t *testing.T, c *provider.Catalog, layers ...provider.Layer) *provider.Catalog {
	t.Helper()
	d := c.Draft()
	if err := d.Reset(); err != nil {
		t.Fatal(err)
	}
	for i, l := range layers {
		id, err := d.InstallLayer("layer", l)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.InstallChain(string(rune('a'+i)), []provider.CatalogID{id}); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// What was prepared is there when the catalog turns to it, and no chain besides.
func TestPrepare(t *testing.T) {
	b := new(script)
	c := socketstest.Catalog(t, b, new(starts))
	s := startup(t, sockets.Config{Catalog: c})
	old := dial(t, s)
	mine, other := new(starts), new(starts)
	d := draft(t, c, other, mine) // the last is found first
	if err := s.Prepare(d.Snapshot(), func(e *provider.Entry) bool { return e.Name == "b" }); err != nil {
		t.Fatal(err)
	}
	built := mine.n.Load()
	if built == 0 || other.n.Load() != 0 {
		t.Errorf("%d of mine, %d of another were built", built, other.n.Load())
	}
	if dial(t, s).Socket().Chain() != old.Socket().Chain() {
		t.Error("what was prepared is used before it is published")
	}
	if err := c.Publish(d); err != nil {
		t.Fatal(err)
	}
	now := dial(t, s).Socket().Chain()
	if now == old.Socket().Chain() || mine.n.Load() != built {
		t.Errorf("%d of mine were built, %d before", mine.n.Load(), built)
	}
	if n, err := old.Write([]byte("x")); n != 1 || err != nil {
		t.Errorf("a socket of the version before: %d, %v", n, err)
	}
}

// What never comes is given up, whether something else comes or nobody wants it.
func TestPrepareInVain(t *testing.T) {
	for name, end := range map[string]func(*sockets.Session, *provider.Catalog) error{
		"given up":        func(s *sockets.Session, _ *provider.Catalog) error { return s.Prepare(nil, nil) },
		"prepared anew":   func(s *sockets.Session, c *provider.Catalog) error { return s.Prepare(c.Draft().Snapshot(), nil) },
		"another came":    func(_ *sockets.Session, c *provider.Catalog) error { return c.SetSelection(nil) },
		"the session end": func(s *sockets.Session, _ *provider.Catalog) error { return s.Close() },
	} {
		b := new(script)
		c := socketstest.Catalog(t, b, new(starts))
		s := startup(t, sockets.Config{Catalog: c})
		if err := s.Prepare(draft(t, c, new(starts)).Snapshot(), nil); err != nil {
			t.Fatal(err)
		}
		if err := end(s, c); err != nil {
			t.Fatal(err)
		}
		if name != "the session end" {
			dial(t, s)
		}
		if err := s.Close(); err != nil {
			t.Error(name, err)
		}
		if b.starts.Load() != b.cleanups.Load() {
			t.Errorf("%s: %d bases started, %d ended", name, b.starts.Load(), b.cleanups.Load())
		}
	}
}

// On an error nothing is left, and all goes on.
func TestPrepareFails(t *testing.T) {
	b := new(script)
	c := socketstest.Catalog(t, b, new(starts))
	s := startup(t, sockets.Config{Catalog: c})
	old := dial(t, s).Socket().Chain()
	if err := s.Prepare(draft(t, c, new(starts), &starts{fail: wsa.EPROVIDERFAILEDINIT}).Snapshot(), nil); !errors.Is(err, wsa.EPROVIDERFAILEDINIT) {
		t.Error(err)
	}
	if dial(t, s).Socket().Chain() != old {
		t.Error("another chain")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Prepare(draft(t, c, new(starts)).Snapshot(), nil); !errors.Is(err, wsa.NOTINITIALISED) {
		t.Error("after Close: ", err)
	}
	if b.starts.Load() != b.cleanups.Load() {
		t.Errorf("%d bases started, %d ended", b.starts.Load(), b.cleanups.Load())
	}
}

// Sessions that share a counter never give a handle twice; Traffic keeps what
// closed sockets have moved.
func TestHandlesAreShared(t *testing.T) {
	n := new(atomic.Uint64)
	c := socketstest.Catalog(t, new(script))
	a, b := startup(t, sockets.Config{Catalog: c, Handles: n}), startup(t, sockets.Config{Catalog: c, Handles: n})
	var all []uint64
	for range 3 {
		for _, s := range []*sockets.Session{a, b} {
			all = append(all, dial(t, s).Socket().Handle())
		}
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != 6 {
		t.Errorf("handles %v", all)
	}
}

func TestTraffic(t *testing.T) {
	s := startup(t, sockets.Config{Catalog: socketstest.Catalog(t, new(script))})
	first, second := dial(t, s), dial(t, s)
	first.Socket().Traffic.BytesIn.Add(5)
	second.Socket().Traffic.BytesOut.Add(7)
	if in, out := s.Traffic(); in != 5 || out != 7 {
		t.Errorf("open: %d, %d", in, out)
	}
	first.Close()
	second.Close()
	if in, out := s.Traffic(); in != 5 || out != 7 {
		t.Errorf("closed: %d, %d", in, out)
	}
}

// A chain that is the same in the next state is the same chain, and is not built for it.
func TestPrepareKeeps(t *testing.T) {
	b := new(script)
	c := socketstest.Catalog(t, b)
	s := startup(t, sockets.Config{Catalog: c})
	kept, other := new(starts), new(starts)
	put := func(layers ...provider.Layer) {
		d := draft(t, c, layers...)
		if err := s.Prepare(d.Snapshot(), nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Publish(d); err != nil {
			t.Fatal(err)
		}
	}
	put(other, kept)
	old := dial(t, s)
	built, gone := kept.n.Load(), other.n.Load()
	put(new(starts), kept)
	if dial(t, s).Socket().Chain() != old.Socket().Chain() || kept.n.Load() != built || old.Socket().Chain().Retired() {
		t.Errorf("it was built %d times, %d before", kept.n.Load(), built)
	}
	put(kept)
	put(new(starts))
	if !old.Socket().Chain().Retired() && dial(t, s).Socket().Chain() == old.Socket().Chain() {
		t.Error("it stayed though it was replaced")
	}
	if other.n.Load() != gone {
		t.Errorf("%d of a chain that had gone", other.n.Load()-gone)
	}
	put(kept) // it comes back, as another version
	if dial(t, s).Socket().Chain() == old.Socket().Chain() {
		t.Error("a retired chain is used")
	}
}
