package providertest_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// nullBase makes sockets that take and give everything at once.
type nullBase struct{ *providertest.Base }

func (b nullBase) Startup(r *provider.StartupRequest) (provider.ProcTable, wsa.Errno) {
	t, e := b.Base.Startup(r)
	t.WSPSend, t.WSPSendTo, t.WSPRecv, t.WSPRecvFrom = nullMove, nullMove, nullMove, nullMove
	return t, e
}

func nullMove(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return m.Len(), 0 }

// thin replaces every data entry by a closure of one call: what a layer that
// looks at the data costs at least.
type thin struct{}

func (thin) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	through := func(f func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
		return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return f(s, m) }
	}
	return provider.ProcTable{
		WSPSend: through(next.WSPSend), WSPSendTo: through(next.WSPSendTo),
		WSPRecv: through(next.WSPRecv), WSPRecvFrom: through(next.WSPRecvFrom),
	}, 0
}

func nullChain(t testing.TB, protocol int32, layers ...provider.Layer) (*provider.Chain, *provider.Socket) {
	cat := new(provider.Catalog)
	bases, err := cat.InstallBase("null", nullBase{new(providertest.Base)})
	if err != nil {
		t.Fatal(err)
	}
	id := bases[0]
	if protocol == wsa.IPPROTO_UDP {
		id = bases[1]
	}
	var ids []provider.CatalogID
	for i, l := range layers {
		n, err := cat.InstallLayer(fmt.Sprint("l", i), l)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, n)
	}
	if len(ids) > 0 {
		c, err := cat.InstallChain("c", ids, id)
		if err != nil {
			t.Fatal(err)
		}
		id = c[0]
	}
	c, err := cat.Snapshot().Build(id, provider.BuildConfig{Host: new(providertest.Host)})
	if err != nil {
		t.Fatal(err)
	}
	s, e := c.Table.WSPSocket(&provider.SocketRequest{Info: &c.Info})
	if e != 0 {
		t.Fatal(e)
	}
	t.Cleanup(func() {
		c.Table.WSPCloseSocket(s, provider.CloseAbort)
		providertest.End(t, c)
	})
	return c, s
}

// A pass-through layer costs nothing: the entry at the top is the base's own
// function.
func TestPassThroughIsTheBase(t *testing.T) {
	layers := make([]provider.Layer, 6)
	for i := range layers {
		layers[i] = providertest.PassThrough{}
	}
	c, _ := nullChain(t, wsa.IPPROTO_TCP, layers...)
	want := reflect.ValueOf(nullMove).Pointer()
	for _, entry := range []string{"WSPSend", "WSPSendTo", "WSPRecv", "WSPRecvFrom"} {
		if got := reflect.ValueOf(&c.Table).Elem().FieldByName(entry).Pointer(); got != want {
			t.Errorf("%s is not the base's function", entry)
		}
	}
	for _, s := range c.Storeys()[:6] {
		if len(s.Replaces) != 0 || s.Data() {
			t.Errorf("%s replaces %v", s.Name, s.Replaces)
		}
	}
}

// The chain adds no allocation to the data path, whatever its layers replace.
func TestChainAllocatesNothing(t *testing.T) {
	pass := make([]provider.Layer, 6)
	thick := make([]provider.Layer, 6)
	for i := range pass {
		pass[i], thick[i] = providertest.PassThrough{}, thin{}
	}
	allow := &decider{answer: provider.Verdict{Action: provider.Allow, Rule: "all"}, on: provider.FailClosed}
	for name, layers := range map[string][]provider.Layer{
		"0": nil, "1 pass": pass[:1], "3 pass": pass[:3], "6 pass": pass,
		"1 data": thick[:1], "3 data": thick[:3], "6 data": thick, "decides": {allow},
	} {
		for _, protocol := range []int32{wsa.IPPROTO_TCP, wsa.IPPROTO_UDP} {
			t.Run(fmt.Sprint(name, "/", wsa.ProtocolName(protocol)), func(t *testing.T) {
				c, s := nullChain(t, protocol, layers...)
				m := msg(make([]byte, 1024))
				m.Addr = provider.Any(wsa.AF_INET, 53)
				tab := &c.Table
				if n := testing.AllocsPerRun(200, func() {
					tab.WSPSend(s, m)
					tab.WSPSendTo(s, m)
					tab.WSPRecv(s, m)
					tab.WSPRecvFrom(s, m)
				}); n != 0 {
					t.Errorf("%v allocations for four operations", n)
				}
			})
		}
	}
}

func BenchmarkSend(b *testing.B) {
	for _, n := range []int{0, 1, 3, 6} {
		for _, kind := range []string{"pass", "data"} {
			b.Run(fmt.Sprint(n, kind), func(b *testing.B) {
				var layers []provider.Layer
				for range n {
					if kind == "pass" {
						layers = append(layers, providertest.PassThrough{})
					} else {
						layers = append(layers, thin{})
					}
				}
				c, s := nullChain(b, wsa.IPPROTO_TCP, layers...)
				m := msg(make([]byte, 1024))
				for b.Loop() {
					c.Table.WSPSend(s, m)
				}
			})
		}
	}
}
