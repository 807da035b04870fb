package provider_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// tcpip is the catalog of winsock-spi 1.5.
type tcpip struct{ provider.Base }

func (tcpip) Entries() []provider.ProtocolInfo {
	var rows []provider.ProtocolInfo
	for _, af := range []int32{wsa.AF_INET, wsa.AF_INET6} {
		rows = append(rows,
			provider.ProtocolInfo{AddressFamily: af, SocketType: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, ProviderFlags: wsa.PFL_MATCHES_PROTOCOL_ZERO, Name: "TCP"},
			provider.ProtocolInfo{AddressFamily: af, SocketType: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP, ProviderFlags: wsa.PFL_MATCHES_PROTOCOL_ZERO, Name: "UDP"},
			provider.ProtocolInfo{AddressFamily: af, SocketType: wsa.SOCK_RAW, ProtocolMaxOffset: 255, ProviderFlags: wsa.PFL_MATCHES_PROTOCOL_ZERO | wsa.PFL_HIDDEN, Name: "RAW"})
	}
	return rows
}

func catalog(t *testing.T) (*provider.Catalog, []provider.CatalogID) {
	t.Helper()
	c := new(provider.Catalog)
	ids, err := c.InstallBase("tcpip", tcpip{})
	if err != nil {
		t.Fatal(err)
	}
	return c, ids
}

// The observed truth table of winsock-spi 2.8 A, row by row.
func TestResolveByTriple(t *testing.T) {
	c, _ := catalog(t)
	for _, r := range []struct {
		af, typ, proto int32
		want           wsa.Errno
		gotType        int32
	}{
		{0, 0, 0, wsa.EINVAL, 0},
		{wsa.AF_INET, 0, 0, 0, wsa.SOCK_STREAM},
		{wsa.AF_INET, wsa.SOCK_STREAM, 0, 0, wsa.SOCK_STREAM},
		{wsa.AF_INET, 0, wsa.IPPROTO_TCP, 0, wsa.SOCK_STREAM},
		{0, 0, wsa.IPPROTO_TCP, 0, wsa.SOCK_STREAM},
		{0, 0, wsa.IPPROTO_UDP, 0, wsa.SOCK_DGRAM},
		{0, 0, wsa.IPPROTO_RAW, 0, wsa.SOCK_RAW},
		{wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_ICMP, 0, wsa.SOCK_RAW},
		{wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_TCP, 0, wsa.SOCK_RAW},
		{0, wsa.SOCK_STREAM, 0, wsa.EINVAL, 0},
		{0, -1, 0, wsa.EINVAL, 0},
		{0, 0xdead, 0, wsa.EINVAL, 0},
		{0, wsa.SOCK_STREAM, -1, wsa.EPROTONOSUPPORT, 0},
		{0, -1, wsa.IPPROTO_UDP, wsa.ESOCKTNOSUPPORT, 0},
		{0, -1, -1, wsa.ESOCKTNOSUPPORT, 0},
		{wsa.AF_INET, -1, 0, wsa.ESOCKTNOSUPPORT, 0},
		{wsa.AF_INET, 0xdead, 0, wsa.ESOCKTNOSUPPORT, 0},
		{wsa.AF_INET, 0, -1, wsa.EPROTONOSUPPORT, 0},
		{0, 0, 0xdead, wsa.EPROTONOSUPPORT, 0},
		{-1, wsa.SOCK_STREAM, wsa.IPPROTO_UDP, wsa.EAFNOSUPPORT, 0},
		{wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_UDP, wsa.EPROTONOSUPPORT, 0},
		{wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_TCP, wsa.EPROTONOSUPPORT, 0},
	} {
		e, trace, got := c.Snapshot().Resolve(&provider.SocketRequest{AF: r.af, Type: r.typ, Protocol: r.proto})
		if got != r.want || got == 0 && e.Info.SocketType != r.gotType {
			t.Errorf("(%d, %d, %d): %v, want %v type %d\n%v", r.af, r.typ, r.proto, got.Name(), r.want.Name(), r.gotType, trace)
		}
		if len(trace) == 0 {
			t.Errorf("(%d, %d, %d): no trace", r.af, r.typ, r.proto)
		}
	}
}

func TestResolveEmptyCatalog(t *testing.T) {
	if _, _, e := new(provider.Catalog).Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Protocol: 6}); e != wsa.EINVAL {
		t.Errorf("%v, want WSAEINVAL", e.Name())
	}
}

// winsock-spi 2.8 B: an entry given is used, without any matching.
func TestResolveByInfo(t *testing.T) {
	c, ids := catalog(t)
	s := c.Snapshot()
	if e, _, code := s.Resolve(&provider.SocketRequest{AF: wsa.AF_INET6, Type: 77, Info: &provider.ProtocolInfo{CatalogEntryID: ids[1]}}); code != 0 || e.Info.CatalogEntryID != ids[1] {
		t.Errorf("got %v, %v", e, code.Name())
	}
	if _, _, code := s.Resolve(&provider.SocketRequest{Info: &provider.ProtocolInfo{CatalogEntryID: 4}}); code != wsa.EINVAL {
		t.Errorf("unknown id: %v, want WSAEINVAL", code.Name())
	}
}

type nothing struct{ provider.Layer }

func TestOrderIsMeaning(t *testing.T) {
	c, ids := catalog(t)
	udpFirst := []provider.CatalogID{ids[1], ids[0], ids[2], ids[3], ids[4], ids[5]}
	if err := c.Order(udpFirst); err != nil {
		t.Fatal(err)
	}
	e, _, _ := c.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET})
	if e.Info.SocketType != wsa.SOCK_DGRAM {
		t.Errorf("the winner of (AF_INET, 0, 0) is %v", &e.Info)
	}
	for _, bad := range [][]provider.CatalogID{nil, ids[:5], {ids[0], ids[0], ids[2], ids[3], ids[4], ids[5]}, {1, 2, 3, 4, 5, 6}} {
		if err := c.Order(bad); err == nil {
			t.Errorf("order %v was taken; it is not a permutation", bad)
		}
	}
}

func TestSelection(t *testing.T) {
	c, _ := catalog(t)
	a, _ := c.InstallLayer("a", nothing{})
	b, _ := c.InstallLayer("b", nothing{})
	if _, err := c.InstallChain("plain", []provider.CatalogID{a}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InstallChain("web", []provider.CatalogID{b, a}); err != nil {
		t.Fatal(err)
	}
	if err := c.SetSelection([]provider.Selection{{Chain: "none"}}); err == nil {
		t.Error("a selection of a chain that is not there was taken")
	}
	if err := c.SetSelection([]provider.Selection{
		{To: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Ports: []provider.PortRange{{First: 80, Last: 443}}, Chain: "web"},
		{Chain: "plain"},
	}); err != nil {
		t.Fatal(err)
	}
	dst := func(s string) *provider.Origin {
		return &provider.Origin{Destination: provider.AddrFrom(netip.MustParseAddrPort(s))}
	}
	for _, r := range []struct {
		o    *provider.Origin
		want string
	}{
		{dst("10.1.2.3:80"), "web"},
		{dst("10.1.2.3:443"), "web"},
		{dst("[::ffff:10.1.2.3]:81"), "web"},
		{dst("10.1.2.3:444"), "plain"},
		{dst("11.1.2.3:80"), "plain"},
		{&provider.Origin{}, "plain"}, // a condition on the destination never matches none
		{nil, "plain"},
	} {
		e, trace, code := c.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Type: wsa.SOCK_STREAM, Origin: r.o})
		if code != 0 || e.Name != r.want {
			t.Errorf("%+v: %v %v, want %s\n%v", r.o, e, code.Name(), r.want, trace)
		}
	}
}

func TestMandatoryChain(t *testing.T) {
	c, ids := catalog(t)
	a, _ := c.InstallLayer("a", nothing{})
	chain, err := c.InstallMandatoryChain("must", []provider.CatalogID{a}, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	s := c.Snapshot()
	if _, _, code := s.Resolve(&provider.SocketRequest{Info: &provider.ProtocolInfo{CatalogEntryID: ids[0]}}); code != wsa.EACCES {
		t.Errorf("the covered base was opened: %v", code.Name())
	}
	e, _, code := s.Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Protocol: wsa.IPPROTO_TCP})
	if code != 0 || e.Info.CatalogEntryID != chain[0] {
		t.Errorf("resolved to %v, %v", e, code.Name())
	}
	// UDP is not covered.
	if e, _, code = s.Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Protocol: wsa.IPPROTO_UDP}); code != 0 || e.Info.CatalogEntryID != ids[1] {
		t.Errorf("resolved to %v, %v", e, code.Name())
	}
}

// No other chain leads round a mandatory one, in whatever order they come.
func TestMandatoryChainIsNotBypassed(t *testing.T) {
	for _, mandatoryFirst := range []bool{true, false} {
		c, ids := catalog(t)
		policy, _ := c.InstallLayer("policy", nothing{})
		capture, _ := c.InstallLayer("capture", nothing{})
		must := func() []provider.CatalogID {
			chain, err := c.InstallMandatoryChain("must", []provider.CatalogID{policy}, ids[0])
			if err != nil {
				t.Fatal(err)
			}
			return chain
		}
		var chain []provider.CatalogID
		if mandatoryFirst {
			chain = must()
		}
		other, err := c.InstallChain("other", []provider.CatalogID{capture}, ids[0])
		if err != nil {
			t.Fatal(err)
		}
		if !mandatoryFirst {
			chain = must()
		}
		s := c.Snapshot()
		e, _, code := s.Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Protocol: wsa.IPPROTO_TCP})
		if code != 0 || e.Info.CatalogEntryID != chain[0] {
			t.Errorf("resolved to %v, %v", e, code.Name())
		}
		if _, _, code := s.Resolve(&provider.SocketRequest{Info: &provider.ProtocolInfo{CatalogEntryID: other[0]}}); code != wsa.EACCES {
			t.Errorf("the chain beside it was opened by name: %v", code.Name())
		}
		// A chain over the mandatory one goes through it and is fine.
		above, err := c.InstallChain("above", []provider.CatalogID{capture}, chain[0])
		if err != nil {
			t.Fatal(err)
		}
		if e, _, code := c.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Protocol: wsa.IPPROTO_TCP}); code != 0 || e.Info.CatalogEntryID != above[0] {
			t.Errorf("resolved to %v, %v, want the chain above", e, code.Name())
		}
	}
}

// What a selection names is not removed under it: its traffic would go another way.
func TestRemoveKeepsWhatIsSelected(t *testing.T) {
	c, _ := catalog(t)
	a, _ := c.InstallLayer("a", nothing{})
	if _, err := c.InstallChain("strict", []provider.CatalogID{a}); err != nil {
		t.Fatal(err)
	}
	if err := c.SetSelection([]provider.Selection{{Attachment: "x", Chain: "strict"}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(a, true); err == nil {
		t.Error("the layer of a selected chain was removed")
	}
	if err := c.SetSelection(nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(a, true); err != nil {
		t.Error(err)
	}
}

// ResolveAfter is step 6 of winsock-spi 2.8: who is asked when an entry has declined.
func TestResolveAfter(t *testing.T) {
	c, ids := catalog(t)
	a, _ := c.InstallLayer("a", nothing{})
	chain, err := c.InstallChain("chain", []provider.CatalogID{a}, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	r := &provider.SocketRequest{AF: wsa.AF_INET, Protocol: wsa.IPPROTO_TCP}
	s := c.Snapshot()
	for _, step := range []struct {
		declined, want provider.CatalogID
		code           wsa.Errno
	}{{0, chain[0], 0}, {chain[0], ids[0], 0}, {ids[5], 0, wsa.EAFNOSUPPORT}, {7777, 0, wsa.EAFNOSUPPORT}} {
		e, trace, code := s.ResolveAfter(r, step.declined)
		if code != step.code || code == 0 && e.Info.CatalogEntryID != step.want {
			t.Errorf("after %d: %v, %v; want %d, %v\n%v", step.declined, e, code, step.want, step.code, trace)
		}
	}
	named := &provider.SocketRequest{Info: &provider.ProtocolInfo{CatalogEntryID: chain[0]}}
	if _, _, code := s.ResolveAfter(named, chain[0]); code != wsa.EINVAL {
		t.Errorf("behind an entry that was named: %v", code)
	}
	if _, err := c.InstallMandatoryChain("must", []provider.CatalogID{a}, ids[1]); err != nil {
		t.Fatal(err)
	}
	s = c.Snapshot()
	udp := &provider.SocketRequest{AF: wsa.AF_INET, Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP}
	e, _, code := s.Resolve(udp)
	if code != 0 || !e.Mandatory {
		t.Fatalf("%v, %v", e, code)
	}
	if _, _, code := s.ResolveAfter(udp, e.Info.CatalogEntryID); code == 0 {
		t.Error("a mandatory chain that declines is gone round")
	}
}
