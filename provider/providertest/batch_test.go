package providertest_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// batching is a base that moves several datagrams in one call.
type batching struct{ *providertest.Base }

func (batching) Batch() (send, recv provider.BatchFunc) {
	return func(_ *provider.Socket, ds []provider.Datagram) (int, wsa.Errno) { return len(ds), 0 },
		func(*provider.Socket, []provider.Datagram) (int, wsa.Errno) { return 0, wsa.EWOULDBLOCK }
}

// The batch functions are those of the base, and nil where it has none.
func TestBatch(t *testing.T) {
	for _, several := range []bool{false, true} {
		plain := new(providertest.Base)
		var base provider.Base = plain
		if several {
			base = batching{plain}
		}
		cat := new(provider.Catalog)
		ids, err := cat.InstallBase("base", base)
		if err != nil {
			t.Fatal(err)
		}
		layer, err := cat.InstallLayer("layer", providertest.PassThrough{})
		if err != nil {
			t.Fatal(err)
		}
		chains, err := cat.InstallChain("chain", []provider.CatalogID{layer}, ids[1])
		if err != nil {
			t.Fatal(err)
		}
		c, err := cat.Snapshot().Build(chains[0], provider.BuildConfig{Host: new(providertest.Host)})
		if err != nil {
			t.Fatal(err)
		}
		s, e := c.Table.WSPSocket(&provider.SocketRequest{Info: &c.Info})
		if e != 0 {
			t.Fatal(e)
		}
		path := s.Direct()
		if (path.SendBatch != nil) != several || (path.RecvBatch != nil) != several {
			t.Errorf("several %v: send %v, receive %v", several, path.SendBatch != nil, path.RecvBatch != nil)
		}
		if several {
			if n, e := path.SendBatch(s, make([]provider.Datagram, 3)); n != 3 || e != 0 {
				t.Errorf("%d, %v", n, e)
			}
		}
		c.Table.WSPCloseSocket(s, provider.CloseAbort)
		providertest.End(t, c)
	}
}
