package shape_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/shape"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// No data operation allocates: not one that passes, nor one that is cut short, nor one that waits.
func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		spec     string
		protocol int32
	}{
		{"udp/1: up=1/s", wsa.IPPROTO_TCP}, {"up=1GiB/s,down=1GiB/s", wsa.IPPROTO_TCP}, {"up=100kB/s,down=100kB/s", wsa.IPPROTO_TCP},
		{"up=1B/s,down=1B/s", wsa.IPPROTO_TCP}, {"up=1GiB/s,down=1GiB/s", wsa.IPPROTO_UDP}, {"up=1B/s,down=1B/s", wsa.IPPROTO_UDP},
	} {
		chain := chainOf(t, c.protocol, c.spec)
		s := open(t, chain, "192.0.2.1:80")
		m := &provider.Msg{Buffers: [][]byte{make([]byte, 700), make([]byte, 700)}}
		op := func() {
			m.Flags = 0
			chain.Table.WSPSend(s, m)
			chain.Table.WSPRecv(s, m)
			chain.Table.Ready(s, wsa.FD_READ|wsa.FD_WRITE)
		}
		for range 1000 {
			op()
		}
		if n := testing.AllocsPerRun(1000, op); n != 0 {
			t.Errorf("%s: %g allocations", c.spec, n)
		}
	}
}

// plain is a base whose data entries are not recorded, which would allocate.
type plain struct{ *providertest.Base }

func (p plain) Startup(r *provider.StartupRequest) (provider.ProcTable, wsa.Errno) {
	t, e := p.Base.Startup(r)
	move := func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return m.Len(), 0 }
	t.WSPSend, t.WSPSendTo, t.WSPRecv, t.WSPRecvFrom = move, move, move, move
	t.Ready = func(_ *provider.Socket, mask wsa.Events) provider.Readiness {
		return provider.Readiness{Events: mask & (wsa.FD_READ | wsa.FD_WRITE), Queued: 1 << 20}
	}
	return t, e
}

func chainOf(t testing.TB, protocol int32, spec string) *provider.Chain {
	t.Helper()
	var cat provider.Catalog
	if _, err := cat.InstallBase("base", plain{new(providertest.Base)}); err != nil {
		t.Fatal(err)
	}
	if spec != "" {
		id, err := cat.InstallLayer("shape", layer(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		cat.InstallChain("chain", []provider.CatalogID{id})
	}
	entry, _, e := cat.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Protocol: protocol})
	if e != 0 {
		t.Fatal(e)
	}
	c, err := cat.Snapshot().Build(entry.Info.CatalogEntryID, provider.BuildConfig{Host: new(providertest.Host)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { providertest.End(t, c) })
	return c
}

// What a send costs: without the layer, under no rule, under a rule that lets it pass,
// and where it has to wait.
func BenchmarkSend(b *testing.B) {
	for name, spec := range map[string]string{"none": "", "no rule": "udp/1: up=1/s", "passes": "up=1024TiB/s", "waits": "up=1B/s"} {
		b.Run(name, func(b *testing.B) {
			c := chainOf(b, wsa.IPPROTO_TCP, spec)
			s := open(b, c, "192.0.2.1:80")
			m := &provider.Msg{Buffers: [][]byte{make([]byte, 1400)}}
			b.ReportAllocs()
			for b.Loop() {
				c.Table.WSPSend(s, m)
			}
		})
	}
}

// By the real clock: 150 kB at 1 MB/s, of which 100 kB are the burst, take 50 ms at least.
func TestRealTime(t *testing.T) {
	c := chainOf(t, wsa.IPPROTO_TCP, "up=1MB/s")
	s, rung := open(t, c, "192.0.2.1:80"), make(bell, 1)
	c.Table.Watch(s, rung, wsa.FD_WRITE)
	start := time.Now()
	for sent := 0; sent < 150_000; {
		n, e := c.Table.WSPSend(s, &provider.Msg{Buffers: [][]byte{make([]byte, 150_000-sent)}})
		if sent += n; e == wsa.EWOULDBLOCK {
			<-rung
		}
	}
	if d := time.Since(start); d < 49*time.Millisecond {
		t.Errorf("150 kB took %v", d)
	}
}

func Example() {
	cfg, err := shape.Parse("tcp/443: down=10MiB/s,up=1MiB/s,burst=64KiB; conns=100/s; *.example.com: total=1GiB,per=name")
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := shape.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	var cat provider.Catalog
	if _, err := cat.InstallLayer("shape", l); err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range cfg.Rules {
		fmt.Println(r.Match, "per", r.Per, r.Down, r.Up, r.Conns, r.Total)
	}
	_, err = shape.Parse("tcp/443: down=10MiB")
	fmt.Println(err)
	// Output:
	// tcp/*:443 per all 10485760 1048576 100 0
	// *.example.com per name 0 0 0 1073741824
	// shape: "tcp/443: down=10MiB", column 10: "10MiB" is no rate; write it a second, such as 10MiB/s or 8Mbit/s
}
