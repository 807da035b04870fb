package shape_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/shape"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// chain is a version: a chain with l of its own, over resources that others have too.
func chain(t *testing.T, res *provider.Resources, base *providertest.Base, l *shape.Layer) *provider.Chain {
	t.Helper()
	var cat provider.Catalog
	if _, err := cat.InstallBase("base", base); err != nil {
		t.Fatal(err)
	}
	id, err := cat.InstallLayer("shape", l)
	if err != nil {
		t.Fatal(err)
	}
	cat.InstallChain("chain", []provider.CatalogID{id})
	entry, _, e := cat.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Protocol: wsa.IPPROTO_TCP})
	if e != 0 {
		t.Fatal(e)
	}
	c, err := cat.Snapshot().Build(entry.Info.CatalogEntryID, provider.BuildConfig{Host: new(providertest.Host), Resources: res})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { providertest.End(t, c) })
	return c
}

// A hundred versions with living sockets on each: the rate is that of one, and when the
// last is gone nothing is left.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res := new(provider.Resources)
		ctx, end := context.WithCancel(t.Context())
		var each []*atomic.Int64
		for range 100 {
			c := chain(t, res, ample(1<<20), layer(t, "up=1MiB/s"))
			moved, _ := user(ctx, c, open(t, c, "192.0.2.1:80"), c.Table.WSPSend, 64<<10)
			each = append(each, moved)
			c.Retire()
			time.Sleep(100 * time.Millisecond)
		}
		end()
		synctest.Wait()
		var all int64
		for _, m := range each {
			all += m.Load()
		}
		near(t, "moved", all, 10<<20)
		if n := res.Names(); len(n) != 1 || n[0] != "shape/shape" {
			t.Errorf("resources: %v", n)
		}
	})
}

// Update changes the rate of living sockets, and of those that wait; what is wrong
// changes nothing.
func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := layer(t, "up=1B/s,burst=1MiB")
		rig := providertest.Build(t, ample(1<<20), wsa.IPPROTO_TCP, l)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		moved, _ := user(ctx, rig.Chain, open(t, rig.Chain, "192.0.2.1:80"), rig.Chain.Table.WSPSend, 1<<20)
		time.Sleep(time.Second / 2)
		for _, wrong := range []shape.Config{{Rules: []shape.Rule{{}}}, {Name: "other"}} {
			if l.Update(wrong) == nil {
				t.Errorf("%+v is taken", wrong)
			}
		}
		before := moved.Load()
		near(t, "at first", before, 1<<20)
		c, _ := shape.Parse("up=1MiB/s")
		if err := l.Update(c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		near(t, "updated", moved.Load()-before, 10<<20)
		if err := l.Update(shape.Config{}); err != nil {
			t.Fatal(err)
		}
		m := &provider.Msg{Buffers: [][]byte{make([]byte, 1<<20)}}
		s := open(t, rig.Chain, "192.0.2.1:80")
		for range 100 {
			if n, e := rig.Chain.Table.WSPSend(s, m); n != 1<<20 || e != 0 {
				t.Fatalf("without rules: %d, %v", n, e)
			}
		}
		end()
		synctest.Wait()
	})
}

// Keys beyond the bound share a bucket, as those that are in use or not full cannot be
// forgotten; full ones are.
func TestBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := shape.Parse("up=1kB/s,burst=100,per=destination")
		c.Buckets = 4
		l, err := shape.New(c)
		if err != nil {
			t.Fatal(err)
		}
		rig := providertest.Build(t, ample(1<<20), wsa.IPPROTO_TCP, l)
		tab, m := &rig.Chain.Table, &provider.Msg{Buffers: [][]byte{make([]byte, 100)}}
		spend := func(i int) int {
			s := rig.Socket(t)
			if e := tab.WSPConnect(s, to(fmt.Sprintf("192.0.2.%d:80", i))); e != 0 {
				t.Fatal(e)
			}
			n, _ := tab.WSPSend(s, m)
			tab.WSPCloseSocket(s, provider.CloseAbort)
			return n
		}
		for i, want := range []int{100, 100, 100, 100, 100, 0, 0} { // the fifth is the first of the rest
			if n := spend(i + 1); n != want {
				t.Errorf("destination %d has sent %d, want %d", i+1, n, want)
			}
		}
		if n := spend(1); n != 0 {
			t.Errorf("the first comes back, and has sent %d", n)
		}
		time.Sleep(time.Minute)
		for i := range 20 {
			if n := spend(100 + i); n == 0 && i < 4 {
				t.Errorf("destination %d: no bucket was forgotten", 100+i)
			}
		}
	})
}
