package providertest

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Groups is a base and another machine on its link, for the multicast of winsock-spi 7
// between them. All is of one address family.
type Groups struct {
	Base         provider.Base
	Own, Peer    netip.Addr // of the base's machine and of the other
	Group, Other netip.Addr
	// Say has the peer send one datagram, and Listen has it hear a group: what comes,
	// with who sent it, until the test ends.
	Say    func(t *testing.T, to netip.AddrPort, text string)
	Listen func(t *testing.T, group netip.AddrPort) (next func() (text string, from netip.Addr))
}

// GroupCases are the cases of ConformGroups, for who must arrange something for each.
var GroupCases = []struct {
	Name string
	run  func(*testing.T, *groupRig)
}{
	{"membership", groupMembership}, {"sources", groupSources}, {"loop", groupLoop}, {"leaf", groupLeaf},
	{"conflicts", groupConflicts}, {"interface", groupInterface}, {"announcement", groupAnnouncement},
}

// ConformGroups holds a base that claims XP1_SUPPORT_MULTIPOINT to winsock-spi 7.2 to
// 7.4, on a network that is there.
func ConformGroups(t *testing.T, g Groups) {
	for _, c := range GroupCases {
		t.Run(c.Name, func(t *testing.T) { ConformGroup(t, g, c.Name) })
	}
}

// ConformGroup is one of GroupCases, in the goroutine that calls it.
func ConformGroup(t *testing.T, g Groups, name string) {
	for _, c := range GroupCases {
		if c.Name == name {
			c.run(t, newGroupRig(t, g))
		}
	}
}

// groupRig is a chain of datagrams over the base alone.
type groupRig struct {
	Groups
	t     *testing.T
	chain *provider.Chain
	af    int32
	level int32
	port  uint16 // of the receivers
}

func newGroupRig(t *testing.T, g Groups) *groupRig {
	t.Helper()
	r := &groupRig{Groups: g, t: t, af: wsa.AF_INET, level: wsa.IPPROTO_IP}
	if g.Own.Is6() {
		r.af, r.level = wsa.AF_INET6, wsa.IPPROTO_IPV6
	}
	var c provider.Catalog
	if _, err := c.InstallBase("base", g.Base); err != nil {
		t.Fatal(err)
	}
	entry, _, e := c.Snapshot().Resolve(&provider.SocketRequest{AF: r.af, Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP})
	if e != 0 {
		t.Fatal(e)
	}
	var err error
	if r.chain, err = c.Snapshot().Build(entry.Info.CatalogEntryID, provider.BuildConfig{Host: new(Host)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { End(t, r.chain) })
	return r
}

// groupSocket is a socket whose wakes can be waited for.
type groupSocket struct {
	*provider.Socket
	r     *groupRig
	woken chan struct{}
}

func (s *groupSocket) Wake(*provider.Socket, wsa.Events) {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (r *groupRig) open(flags uint32) *groupSocket {
	r.t.Helper()
	s, e := r.chain.Table.WSPSocket(&provider.SocketRequest{Info: &r.chain.Info, Origin: &provider.Origin{UID: -1}, Flags: flags})
	r.want("socket", e, 0)
	w := &groupSocket{s, r, make(chan struct{}, 1)}
	r.chain.Table.Watch(s, w, wsa.FD_READ)
	r.t.Cleanup(func() { r.chain.Table.WSPCloseSocket(s, provider.CloseAbort) })
	return w
}

// receiver is bound to the wildcard, at the same port as all others of the rig.
func (r *groupRig) receiver(flags uint32) *groupSocket {
	r.t.Helper()
	s := r.open(flags)
	s.set(wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1)
	r.want("bind", r.chain.Table.WSPBind(s.Socket, provider.Any(r.af, r.port)), 0)
	a, e := r.chain.Table.WSPGetSockName(s.Socket)
	r.want("name", e, 0)
	r.port = a.Port()
	return s
}

func (r *groupRig) want(what string, got, want wsa.Errno) {
	r.t.Helper()
	if got != want {
		r.t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func (r *groupRig) say(to netip.Addr, text string) {
	r.t.Helper()
	r.Say(r.t, netip.AddrPortFrom(to, r.port), text)
}

func (s *groupSocket) set(level, name int32, v uint32) {
	s.r.t.Helper()
	s.r.want("option", s.r.chain.Table.WSPSetSockOpt(s.Socket, level, name, binary.LittleEndian.AppendUint32(nil, v)), 0)
}

// group is a MCAST_ option: group_req, or group_source_req if a source is given.
func (s *groupSocket) group(name int32, group netip.Addr, source ...netip.Addr) wsa.Errno {
	in := make([]byte, 8, 8+2*128)
	for _, a := range append([]netip.Addr{group}, source...) {
		var b [128]byte
		binary.LittleEndian.PutUint16(b[:], uint16(s.r.af))
		at := 4
		if a.Is6() {
			at = 8
		}
		copy(b[at:], a.AsSlice())
		in = append(in, b[:]...)
	}
	return s.r.chain.Table.WSPSetSockOpt(s.Socket, s.r.level, name, in)
}

// hears waits for datagrams, which must be those and no others in between.
func (s *groupSocket) hears(want ...string) {
	t, table := s.r.t, &s.r.chain.Table
	t.Helper()
	var got []string
	late := time.NewTimer(20 * time.Second)
	defer late.Stop()
	for len(got) < len(want) {
		if table.Ready(s.Socket, wsa.FD_READ).Events == 0 {
			select {
			case <-s.woken:
				continue
			case <-late.C:
				t.Fatalf("heard %q, want %q", got, want)
			}
		}
		b := make([]byte, 100)
		n, e := table.WSPRecvFrom(s.Socket, &provider.Msg{Buffers: [][]byte{b}})
		s.r.want("receive what was announced", e, 0)
		got = append(got, string(b[:n]))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("heard %q, want %q", got, want)
	}
}
