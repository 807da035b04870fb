package audit_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// owners know one process, and count who asks.
type owners struct{ asked int }

func (o *owners) Socket(int32, netip.AddrPort, netip.AddrPort) (int, []uint64) {
	o.asked++
	return 0, []uint64{5}
}

func (o *owners) Holder([]uint64) (provider.Process, bool) {
	return provider.Process{PID: 7, Executable: "/usr/bin/curl", Deleted: true, CGroup: "/a"}, true
}

// The owner is looked up as a socket opens, if lines are to name it, and at no other
// time; what others have asked for is written anyway.
func TestOwners(t *testing.T) {
	for _, c := range []struct {
		name   string
		wanted bool // by the audit
		user   bool // somebody has asked for the uid before
		asked  int
	}{{"nobody asks", false, false, 0}, {"audit asks", true, false, 3}, {"somebody has asked", false, true, 1}} {
		var out bytes.Buffer
		l := audit.New(audit.Config{Output: &out, Owners: c.wanted})
		chain, err := build(t, new(providertest.Base), wsa.IPPROTO_TCP, nil, l)
		if err != nil {
			t.Fatal(err)
		}
		all := new(owners)
		origin := func() *provider.Origin {
			return &provider.Origin{UID: -1, Owner: &provider.Owner{Owners: all}}
		}
		o := origin()
		if c.user {
			o.User()
		}
		s := chain.socket(t, o)
		chain.Table.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.7:443")})
		chain.Table.WSPCloseSocket(s, provider.CloseLinger)
		chain.Table.WSPCloseSocket(chain.socket(t, origin()), provider.CloseLinger)
		l.Witness(provider.Facts{Origin: origin(), Names: []string{"example.com"}}, provider.OpLookup, provider.Verdict{})
		providertest.End(t, chain.Chain)
		got := lines(t, out.Bytes())
		if events(got) != "open connect close open close lookup" || all.asked != c.asked {
			t.Errorf("%s: %s, %d questions", c.name, events(got), all.asked)
		}
		for i, r := range got {
			uid, process := c.wanted || c.user && i < 3, c.wanted
			if (r.UID != nil) != uid || uid && *r.UID != 0 || (r.PID == 7) != process || (r.Exe == "/usr/bin/curl") != process || r.Deleted != process || (r.CGroup == "/a") != process {
				t.Errorf("%s: line %d, %s: %+v", c.name, i+1, r.Event, r)
			}
		}
	}
}
