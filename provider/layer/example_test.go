package layer_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Budget is a layer: each socket may send so many bytes, and is failed with EDQUOT when
// it tries to send more.
type Budget struct{ Bytes int }

// Contract implements provider.Contracted: what is denied uses nothing up.
func (Budget) Contract() provider.Contract {
	return provider.Contract{Kind: "budget", Categories: wsa.LSP_INSPECTOR, After: []string{"firewall"}}
}

// Startup implements provider.Layer.
func (b Budget) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	c := &budget{most: b.Bytes, next: *next, left: provider.NewSlot[int](r)}
	return provider.ProcTable{
		WSPSocket: c.socket, WSPAccept: c.accept, WSPJoinLeaf: c.join,
		WSPSend: c.through(next.WSPSend), WSPSendTo: c.through(next.WSPSendTo),
	}, 0
}

// budget is the layer in one chain.
type budget struct {
	most int
	next provider.ProcTable
	left provider.Slot[int] // a send runs alone on its socket (law 4): no lock
}

func (c *budget) begin(s *provider.Socket, e wsa.Errno) (*provider.Socket, wsa.Errno) {
	if e == 0 && c.left.Of(s) == nil { // a leaf may be the socket itself
		left := c.most
		c.left.Put(s, &left)
	}
	return s, e
}

func (c *budget) socket(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
	return c.begin(c.next.WSPSocket(q))
}

func (c *budget) accept(s *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
	return c.begin(c.next.WSPAccept(s, q))
}

func (c *budget) join(s *provider.Socket, q *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
	return c.begin(c.next.WSPJoinLeaf(s, q))
}

// through pays for what the storey below has taken: a send that would have to wait has
// cost nothing, and its retry (MSG_PENDED) pays once.
func (c *budget) through(send func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
	return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		left := c.left.Of(s)
		if *left <= 0 && m.Len() > 0 {
			s.Fail(wsa.EDQUOT, fmt.Sprintf("budget: it has sent its %d bytes", c.most))
			return 0, wsa.EDQUOT
		}
		n, e := send(s, m)
		*left -= n
		return n, e
	}
}

// Its tests: the laws in three lines, and what is its own.

func TestMain(m *testing.M) { providertest.Main(m) }

func TestConform(t *testing.T) {
	providertest.ConformLayer(t, func() provider.Layer { return Budget{Bytes: 1 << 30} })
}

var peer = provider.AddrFrom(netip.MustParseAddrPort("192.0.2.1:80"))

func TestBudget(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, Budget{Bytes: 10})
	s, tab := rig.Socket(t), &rig.Chain.Table
	tab.WSPConnect(s, &provider.ConnectRequest{To: peer})
	m := &provider.Msg{Buffers: [][]byte{[]byte("ten bytes!")}}
	if n, e := tab.WSPSend(s, m); n != 10 || e != 0 {
		t.Error(n, e)
	}
	if n, e := tab.WSPSend(s, m); n != 0 || e != wsa.EDQUOT || s.Failed() != wsa.EDQUOT {
		t.Error(n, e)
	}
	tab.WSPCloseSocket(s, provider.CloseAbort)
}

// What it costs: with and without.
func BenchmarkSend(b *testing.B) {
	for _, layers := range [][]provider.Layer{nil, {Budget{Bytes: 1 << 62}}} {
		b.Run(fmt.Sprintf("%d layers", len(layers)), func(b *testing.B) {
			rig := providertest.Build(b, new(providertest.Base), wsa.IPPROTO_TCP, layers...)
			s, tab := rig.Socket(b), &rig.Chain.Table
			tab.WSPConnect(s, &provider.ConnectRequest{To: peer})
			m := &provider.Msg{Buffers: [][]byte{make([]byte, 1024)}}
			for b.Loop() {
				tab.WSPSend(s, m)
			}
			tab.WSPCloseSocket(s, provider.CloseAbort)
		})
	}
}

// Example_install puts it into a catalog, over all that the base has.
func Example_install() {
	var catalog provider.Catalog
	catalog.InstallBase("base", new(providertest.Base))
	id, err := catalog.InstallLayer("budget", Budget{Bytes: 1 << 20})
	if err == nil {
		_, err = catalog.InstallMandatoryChain("default", []provider.CatalogID{id})
	}
	fmt.Println(err)
	// Output: <nil>
}
