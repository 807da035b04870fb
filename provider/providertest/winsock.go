package providertest

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// Pair is two sessions over the base that is tested, which reach each other, and
// what the base can do.
type Pair = winsocktest.Pair

// Conform holds a base, and whatever chain is over it, to every row of the tables
// of the specification. It prints how many rows are specified, how many the base
// claims by its capabilities and how many pass, and each row that is not claimed
// with the reason.
//
//	func TestConform(t *testing.T) {
//		providertest.Conform(t, func(t *testing.T) providertest.Pair { return providertest.NewPair(t, newBase(t), newBase(t), at, can) })
//	}
//
// mk is called for each row, so what it makes ends with the t that it is given.
func Conform(t *testing.T, mk func(*testing.T) Pair) { winsocktest.Conform(t, mk) }

// NewPair is a session over client and one over server, which may be one base, each
// under a mandatory chain of the layers, if there are any. Both have the address at,
// and sockets enough for the rows; can are winsocktest's capabilities. They end with
// the test.
func NewPair(t *testing.T, client, server provider.Base, at netip.Addr, can winsocktest.Needs, layers ...provider.Layer) Pair {
	t.Helper()
	all := new(sockets.Processes)
	return Pair{
		Client: process(t, all, client, layers), Server: process(t, all, server, layers),
		ClientHost: at, ServerHost: at, Can: can | winsocktest.NeedsQuota,
	}
}

// process is a session that may hand sockets to the others of all.
func process(t *testing.T, all *sockets.Processes, b provider.Base, layers []provider.Layer) *sockets.Session {
	t.Helper()
	c := new(provider.Catalog)
	_, err := c.InstallBase("base", b)
	var ids []provider.CatalogID
	for n, l := range layers {
		var id provider.CatalogID
		if err == nil {
			id, err = c.InstallLayer(fmt.Sprint("layer ", n), l)
		}
		ids = append(ids, id)
	}
	if err == nil && len(ids) > 0 {
		_, err = c.InstallMandatoryChain("chain", ids)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := sockets.Startup(sockets.Config{Catalog: c, Processes: all, MaxSockets: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the session: %v", err)
		}
	})
	return s
}
