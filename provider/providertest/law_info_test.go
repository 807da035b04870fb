package providertest_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// street is a catalog with a recording base, in which layers are put together by hand.
type street struct {
	*testing.T
	provider.Catalog
	base   *providertest.Base
	own    provider.CatalogID // the base's streams
	layers []*storey          // as they were made, the lowest first
	in     provider.ProtocolInfo
}

// storey is a layer that notes the entries which it is shown, by function, and which
// one came up to it from WSPDuplicateSocket.
type storey struct {
	self  provider.CatalogID
	place provider.Place
	shown map[string][]*provider.ProtocolInfo
}

func (l *storey) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	l.place, l.shown = r.Place, map[string][]*provider.ProtocolInfo{"WSPStartup": {r.Info}}
	note := func(function string, p *provider.ProtocolInfo) { l.shown[function] = append(l.shown[function], p) }
	n := *next
	return provider.ProcTable{
		WSPSocket: func(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
			note("WSPSocket", q.Info)
			return n.WSPSocket(q)
		},
		WSPAddressToString: func(a provider.Addr, p *provider.ProtocolInfo) (string, wsa.Errno) {
			note("WSPAddressToString", p)
			return n.WSPAddressToString(a, p)
		},
		WSPStringToAddress: func(text string, af int32, p *provider.ProtocolInfo) (provider.Addr, wsa.Errno) {
			note("WSPStringToAddress", p)
			return n.WSPStringToAddress(text, af, p)
		},
		WSPDuplicateSocket: func(s *provider.Socket, process uint32) (*provider.ProtocolInfo, wsa.Errno) {
			p, e := n.WSPDuplicateSocket(s, process)
			note("WSPDuplicateSocket", p)
			return p, e
		},
	}, 0
}

// over makes n layers, the last one on top, and one chain of them over an entry.
func (s *street) over(n int, lower provider.CatalogID) provider.CatalogID {
	s.Helper()
	var ids []provider.CatalogID
	for range n {
		l := new(storey)
		id, err := s.InstallLayer(fmt.Sprint("layer ", len(s.layers)), l)
		if err != nil {
			s.Fatal(err)
		}
		l.self = id
		s.layers = append(s.layers, l)
		ids = append([]provider.CatalogID{id}, ids...)
	}
	chain, err := s.InstallChain(fmt.Sprint("chain ", len(s.layers)), ids, lower)
	if err != nil {
		s.Fatal(err)
	}
	return chain[0]
}

// TestLaw10EveryLayout: on every layout of winsock-spi 5.3 each layer is shown the very
// entry that went in, with its chain, and the base its own; what comes out of
// WSPDuplicateSocket is the chain's; and Windows' rule, looking at the tables, finds the
// place that the builder gives.
func TestLaw10EveryLayout(t *testing.T) {
	for _, layout := range []struct {
		name   string
		chains []int // layers in each, from below
	}{
		{"{dummy, base}", []int{1}},
		{"{dummyB, chainA, base}", []int{1, 1}},
		{"{dummyB, dummyA, base}", []int{2}},
		{"{dummyC, chainB, chainA, base}", []int{1, 1, 1}},
		{"{dummyC, dummyB, chainA, base}", []int{1, 2}},
		{"{dummyC, chainB of two, base}", []int{2, 1}},
		{"{dummyC, dummyB, dummyA, base}", []int{3}},
		{"six chains", []int{1, 1, 1, 1, 1, 1}},
		{"three chains of two", []int{2, 2, 2}},
		{"fifteen layers, more than the face shows", []int{15}},
		{"five chains of three, more than the face shows", []int{3, 3, 3, 3, 3}},
	} {
		t.Run(layout.name, func(t *testing.T) {
			s := &street{T: t, base: new(providertest.Base)}
			ids, err := s.InstallBase("base", s.base)
			if err != nil {
				t.Fatal(err)
			}
			s.own = ids[0]
			top := s.own
			for _, n := range layout.chains {
				top = s.over(n, top)
			}
			chain, err := s.Snapshot().Build(top, provider.BuildConfig{Host: new(providertest.Host)})
			if err != nil {
				t.Fatal(err)
			}
			defer providertest.End(t, chain)
			s.call(chain)
			s.places(chain)
		})
	}
}

var five = []string{"WSPStartup", "WSPSocket", "WSPAddressToString", "WSPStringToAddress", "WSPDuplicateSocket"}

// call goes through the five functions and looks at what each storey was shown.
func (s *street) call(chain *provider.Chain) {
	tab := &chain.Table
	s.in = chain.Info
	s.in.ProviderReserved = 99
	k, e := tab.WSPSocket(&provider.SocketRequest{AF: wsa.FROM_PROTOCOL_INFO, Type: wsa.FROM_PROTOCOL_INFO, Protocol: wsa.FROM_PROTOCOL_INFO, Info: &s.in})
	if e != 0 {
		s.Fatal(e)
	}
	tab.WSPAddressToString(provider.Any(wsa.AF_INET, 1), &s.in)
	tab.WSPStringToAddress("0.0.0.0", wsa.AF_INET, &s.in)
	up, e := tab.WSPDuplicateSocket(k, 1)
	if e != 0 || tab.WSPCloseSocket(k, provider.CloseAbort) != 0 {
		s.Fatal(e)
	}
	for n, l := range s.layers {
		for _, f := range five {
			if len(l.shown[f]) != 1 {
				s.Fatalf("layer %d: %d calls of %s", n, len(l.shown[f]), f)
			}
			want := &s.in
			switch f {
			case "WSPStartup":
				want = &chain.Info
			case "WSPDuplicateSocket":
				want = up
			}
			if l.shown[f][0] != want {
				s.Errorf("layer %d, %s: %v, not the very entry %v", n, f, l.shown[f][0], want)
			}
		}
	}
	if up.CatalogEntryID != chain.Info.CatalogEntryID || up.Chain != chain.Info.Chain || up.ProviderReserved != 4711 {
		s.Errorf("a duplicate would bypass the layers: %v with token %d", up, up.ProviderReserved)
	}
	calls := s.base.Calls(five[:4]...)
	if len(calls) != 4 {
		s.Fatalf("%d calls reached the base", len(calls))
	}
	for _, c := range calls {
		if c.Info.CatalogEntryID != s.own || c.Info.Chain.Len != wsa.BASE_PROTOCOL || c.Op != "WSPStartup" && c.Info.ProviderReserved != 99 {
			s.Errorf("%s: the base saw %v, a chain of %d, %d", c.Op, c.Info, c.Info.Chain.Len, c.Info.ProviderReserved)
		}
	}
}

// places holds the builder to FindPlace, as far as the face of the chain goes.
func (s *street) places(chain *provider.Chain) {
	storeys := chain.Storeys()
	for n, l := range s.layers {
		index := len(s.layers) - 1 - n
		if l.place.Index != index || l.place.Depth != len(storeys) || l.place.Self != l.self || storeys[index].ID != l.self {
			s.Errorf("layer %d: place %+v, want index %d of %d", n, l.place, index, len(storeys))
		}
		mine := make(map[provider.CatalogID]*provider.ProtocolInfo)
		for _, p := range s.Snapshot().WSCEnumProtocols(nil) {
			if p.Chain.Len > 1 && p.Chain.Entries[0] == l.self {
				mine[p.CatalogEntryID] = &p
			}
		}
		next := provider.FindPlace(&chain.Info, l.self, mine)
		if face := chain.Info.Chain.IDs(); len(storeys) > wsa.MAX_PROTOCOL_CHAIN && (next == 0 || slices.Index(face, next) == len(face)-1) {
			continue // the face ends here
		}
		if l.place.Next != next || next == 0 {
			s.Errorf("layer %d of %v: the builder says %d is next, FindPlace %d", n, chain.Info.Chain.IDs(), l.place.Next, next)
		}
	}
	if last := s.layers[0].place.Next; last != s.own {
		s.Errorf("below the lowest layer is %d, want the base %d", last, s.own)
	}
}
