package audit_test

import (
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// The names in the close line are those of the connect, on which everything was
// decided: an hour later they have ended, and others may be there.
func TestNamesOfTheConnect(t *testing.T) {
	known := names{"192.0.2.7": {"a.example"}}
	got := run(t, new(providertest.Base), wsa.IPPROTO_TCP, func(c *chain) {
		s := c.socket(t, &provider.Origin{UID: -1, Names: known})
		c.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.7:443")})
		known["192.0.2.7"] = []string{"other.example"}
		c.Table.WSPCloseSocket(s, provider.CloseLinger)
	})
	for _, r := range got[1:] {
		if !slices.Equal(r.Names, []string{"a.example"}) {
			t.Errorf("%s: names %v", r.Event, r.Names)
		}
	}
}

// What a ClientHello said is written down also if it said no name.
func TestHellos(t *testing.T) {
	for _, l := range []provider.Learned{{}, {Plain: true}, {Hello: true}, {Hello: true, SNI: "a.example", ECH: true}} {
		got := run(t, new(providertest.Base), wsa.IPPROTO_TCP, func(c *chain) {
			s := c.socket(t, nil)
			c.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.7:443")})
			s.Learn(func(provider.Learned) provider.Learned { return l })
			c.Table.WSPCloseSocket(s, provider.CloseLinger)
		})
		if r := got[2]; r.Hello != l.Hello || r.Plain != l.Plain || r.ECH != l.ECH || r.SNI != l.SNI {
			t.Errorf("%+v is written as %+v", l, r)
		}
	}
}

// Why no rule matched stands in the verdict.
func TestReasonOfAVerdict(t *testing.T) {
	p, err := policy.FromFlags([]string{"a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, new(providertest.Base), wsa.IPPROTO_TCP, func(c *chain) {
		s := c.socket(t, nil)
		s.Type, s.Protocol = wsa.SOCK_STREAM, wsa.IPPROTO_TCP
		c.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.7:443")})
		c.Table.WSPCloseSocket(s, provider.CloseLinger)
	}, policy.Layer(p))
	if v := got[1].Verdict; v == nil || v.Reason != "by address: no name was looked up for it" {
		t.Errorf("the verdict is %+v", v)
	}
}
