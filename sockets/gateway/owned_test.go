package gateway

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// question is what a gateway asks.
type question struct {
	protocol      int32
	local, remote netip.AddrPort
}

// owners answer that everything is uid's.
type owners struct {
	uid   int
	asked []question
}

func (o *owners) Socket(protocol int32, local, remote netip.AddrPort) (int, []uint64) {
	o.asked = append(o.asked, question{protocol, local, remote})
	return o.uid, []uint64{1}
}

func (o *owners) Holder([]uint64) (provider.Process, bool) { return provider.Process{PID: 7}, true }

// user is a layer that allows one uid.
type user int

func (u user) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

func (u user) Decide(f provider.Facts, _ provider.Op) provider.Verdict {
	if uid, ok := f.Origin.User(); !ok || uid != int(u) {
		return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}
	}
	return provider.Verdict{Action: provider.Allow}
}

func (u user) OnFailure() provider.OnFailure { return provider.FailClosed }

var (
	program = netip.MustParseAddrPort("10.0.2.100:40000")
	door    = netip.MustParseAddrPort("10.0.2.2:1000")
)

// Owners are asked about the flow as the guest has it, and nobody is who was not
// asked for.
func TestOwnersAreAskedByLayersAlone(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers []provider.Layer
		uid    int
		want   wsa.Errno
		asked  []question
	}{
		{name: "nobody wants to know"},
		{"allowed", []provider.Layer{user(1000)}, 1000, 0, []question{{wsa.IPPROTO_UDP, program, door}}},
		{"another", []provider.Layer{user(1000)}, 1001, wsa.EACCES, []question{{wsa.IPPROTO_UDP, program, door}}},
		{"unknown", []provider.Layer{user(1000)}, -1, wsa.EACCES, []question{{wsa.IPPROTO_UDP, program, door}}},
	} {
		all := &owners{uid: c.uid}
		g, _ := over(t, new(providertest.Base), Config{Owners: all, Addrs: []netip.Addr{door.Addr()}, HostLoopback: true}, c.layers...)
		for _, dst := range []netip.AddrPort{door, dstA, dstB} { // one socket serves them all
			if e := g.carry(flow(program, dst), [][]byte{{1}}, marks{ttl: usualTTL}, noQuote); e != c.want {
				t.Errorf("%s, to %v: %v", c.name, dst, e)
			}
		}
		if got := slices.Compact(all.asked); !slices.Equal(got, c.asked) { // twice after a second
			t.Errorf("%s: asked %v, want %v", c.name, got, c.asked)
		}
	}
}

func TestOwnersOfLookups(t *testing.T) {
	all := &owners{uid: 1000}
	g, _ := over(t, new(providertest.Base), Config{Owners: all}, user(1001))
	for network, protocol := range map[string]int32{"udp": wsa.IPPROTO_UDP, "tcp": wsa.IPPROTO_TCP} {
		all.asked = nil
		if l := g.dns.decide("example.com", network, program, door); !l.verdict.Denied() {
			t.Errorf("%s: %v", network, l.verdict)
		}
		if len(all.asked) != 1 || all.asked[0] != (question{protocol, program, door}) {
			t.Errorf("%s: asked %v", network, all.asked)
		}
	}
}

// What may be asked costs memory, but no allocation more; what is stated holds.
func TestOwned(t *testing.T) {
	stated := &provider.Origin{UID: 5, Executable: "/bin/x"}
	for _, cfg := range []Config{{}, {Origin: func(netip.AddrPort) *provider.Origin { return stated }}} {
		plain, _ := over(t, new(providertest.Base), cfg)
		cfg.Owners = &owners{uid: 1000}
		asks, _ := over(t, new(providertest.Base), cfg)
		var o *provider.Origin
		without := testing.AllocsPerRun(100, func() { o = plain.owned(wsa.IPPROTO_TCP, program, dstA, door) })
		if o.Owner != nil || o.Destination.AddrPort != dstA {
			t.Errorf("without owners: %+v", o)
		}
		with := testing.AllocsPerRun(100, func() { o = asks.owned(wsa.IPPROTO_TCP, program, dstA, door) })
		if with != without {
			t.Errorf("%v allocations, %v without owners", with, without)
		}
		if w := o.Owner; w.Protocol != wsa.IPPROTO_TCP || w.Local != program || w.Remote != door || w.Fresh != 0 || o.Destination.AddrPort != dstA {
			t.Errorf("%+v of %+v", w, o)
		}
		if w := asks.owned(wsa.IPPROTO_ICMP, program, dstA, door).Owner; w.Fresh != ownerFresh {
			t.Errorf("an answer about datagrams is kept %v", w.Fresh)
		}
		want := 1000
		if cfg.Origin != nil {
			want = 5
		}
		if uid, ok := o.User(); uid != want || !ok {
			t.Errorf("uid %d %v, want %d", uid, ok, want)
		}
	}
	if stated.Owner != nil || stated.UID != 5 {
		t.Errorf("the origin that was stated: %+v", stated)
	}
}
