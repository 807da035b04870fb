package providertest_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// gate denies some groups and remembers what it was asked.
type gate struct {
	denied []string
	asked  []string
	bare   bool // replaces no WSPSetSockOpt
}

func (g *gate) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	t := provider.Deciding(r, next)
	if g.bare {
		t.WSPSetSockOpt = nil
	}
	return t, 0
}

func (g *gate) Decide(f provider.Facts, op provider.Op) provider.Verdict {
	g.asked = append(g.asked, op.String()+" "+f.Remote.String())
	if slices.Contains(g.denied, f.Remote.Addr().String()) {
		return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}
	}
	return provider.Verdict{}
}

func (*gate) OnFailure() provider.OnFailure { return provider.FailClosed }

func joinOption(name int32, group, source string) (level int32, in []byte) {
	g := netip.MustParseAddr(group)
	storage := func(a netip.Addr) []byte {
		b := make([]byte, 128)
		b[0] = byte(wsa.AF_INET)
		at := 4
		if a.Is6() {
			b[0], at = byte(wsa.AF_INET6), 8
		}
		copy(b[at:], a.AsSlice())
		return b
	}
	level = wsa.IPPROTO_IP
	if g.Is6() {
		level = wsa.IPPROTO_IPV6
	}
	switch {
	case name == wsa.IP_ADD_MEMBERSHIP || name == wsa.IP_DROP_MEMBERSHIP:
		in = append(g.AsSlice(), 0, 0, 0, 0) // ip_mreq and ipv6_mreq alike
	case name < wsa.MCAST_JOIN_GROUP:
		in = append(append(g.AsSlice(), netip.MustParseAddr(source).AsSlice()...), 0, 0, 0, 0)
	case source == "":
		in = append(make([]byte, 8), storage(g)...)
	default:
		in = append(append(make([]byte, 8), storage(g)...), storage(netip.MustParseAddr(source))...)
	}
	return level, in
}

// TestOptionsThatJoin: an option is no way round a verdict about a group. Each that
// joins is judged as WSPJoinLeaf is, at the port that the socket is bound to (here the
// scripted base's 1); those that do not are not.
func TestOptionsThatJoin(t *testing.T) {
	for _, c := range []struct {
		name          string
		option        int32
		group, source string
		asked         string // "": not judged
	}{
		{"IP_ADD_MEMBERSHIP", wsa.IP_ADD_MEMBERSHIP, "239.1.1.1", "", "joinleaf 239.1.1.1:1"},
		{"IP_ADD_SOURCE_MEMBERSHIP", wsa.IP_ADD_SOURCE_MEMBERSHIP, "239.1.1.1", "10.0.0.9", "joinleaf 239.1.1.1:1"},
		{"MCAST_JOIN_GROUP", wsa.MCAST_JOIN_GROUP, "239.1.1.1", "", "joinleaf 239.1.1.1:1"},
		{"MCAST_JOIN_SOURCE_GROUP", wsa.MCAST_JOIN_SOURCE_GROUP, "239.1.1.1", "10.0.0.9", "joinleaf 239.1.1.1:1"},
		{"IPV6_ADD_MEMBERSHIP", wsa.IPV6_ADD_MEMBERSHIP, "ff05::7", "", "joinleaf [ff05::7]:1"},
		{"MCAST_JOIN_GROUP, IPv6", wsa.MCAST_JOIN_GROUP, "ff05::7", "", "joinleaf [ff05::7]:1"},
		{"MCAST_JOIN_SOURCE_GROUP, IPv6", wsa.MCAST_JOIN_SOURCE_GROUP, "ff05::7", "fd00::9", "joinleaf [ff05::7]:1"},
		{"IP_DROP_MEMBERSHIP", wsa.IP_DROP_MEMBERSHIP, "239.1.1.1", "", ""},
		{"IP_BLOCK_SOURCE", wsa.IP_BLOCK_SOURCE, "239.1.1.1", "10.0.0.9", ""},
		{"MCAST_LEAVE_GROUP", wsa.MCAST_LEAVE_GROUP, "239.1.1.1", "", ""},
		{"MCAST_UNBLOCK_SOURCE", wsa.MCAST_UNBLOCK_SOURCE, "ff05::7", "fd00::9", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, g := new(providertest.Base), &gate{}
			rig := providertest.Build(t, base, wsa.IPPROTO_UDP, g)
			s := openSocket(t, rig)
			level, in := joinOption(c.option, c.group, c.source)
			set := func(want wsa.Errno, below int) {
				t.Helper()
				if e := rig.Chain.Table.WSPSetSockOpt(s, level, c.option, in); e != want {
					t.Errorf("%v, want %v", e, want)
				}
				if n := len(base.Calls("WSPSetSockOpt")); n != below {
					t.Errorf("%d calls reached the base, want %d", n, below)
				}
			}
			set(0, 1)
			if c.asked == "" {
				g.denied = []string{c.group}
				set(0, 2)
				if len(g.asked) != 0 {
					t.Errorf("asked %q", g.asked)
				}
				return
			}
			if !slices.Equal(g.asked, []string{c.asked}) {
				t.Errorf("asked %q, want %q", g.asked, c.asked)
			}
			g.denied = []string{c.group}
			set(wsa.EACCES, 1)
			if v := s.Verdict(); v == nil || !v.Denied() {
				t.Errorf("the socket's verdict is %v", v)
			}
			in = in[:len(in)-1] // which another base might read all the same
			set(wsa.EFAULT, 1)
		})
	}
}

// TestOtherOptionsAreNotJudged, and a decider that fails denies what joins.
func TestOtherOptionsAreNotJudged(t *testing.T) {
	d := &decider{on: provider.FailClosed, panics: true}
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, d)
	s := openSocket(t, rig)
	set := func(level, name int32, in []byte) wsa.Errno { return rig.Chain.Table.WSPSetSockOpt(s, level, name, in) }
	for _, o := range [][2]int32{{wsa.SOL_SOCKET, wsa.SO_RCVBUF}, {wsa.IPPROTO_IP, wsa.IP_MULTICAST_IF}, {wsa.IPPROTO_IP, wsa.IP_TTL}, {wsa.SOL_SOCKET, wsa.IP_ADD_MEMBERSHIP}} {
		if e := set(o[0], o[1], []byte{1, 0, 0, 0}); e != 0 || d.asked != 0 {
			t.Errorf("%v: %v, asked %d times", o, e, d.asked)
		}
	}
	level, in := joinOption(wsa.IP_ADD_MEMBERSHIP, "239.1.1.1", "")
	if e := set(level, wsa.IP_ADD_MEMBERSHIP, in); e != wsa.EACCES {
		t.Errorf("a join under a decider that fails: %v", e)
	}
}

// TestDecidersSeeOptions: the builder refuses a deciding layer that does not stand
// before the options of a chain of datagrams; a stream is a member of nothing.
func TestDecidersSeeOptions(t *testing.T) {
	if _, err := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_UDP, &gate{bare: true}); !errors.Is(err, wsa.EINVALIDPROCTABLE) {
		t.Errorf("datagrams: %v", err)
	}
	if _, err := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, &gate{bare: true}); err != nil {
		t.Errorf("streams: %v", err)
	}
	g := &gate{}
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, g)
	level, in := joinOption(wsa.IP_ADD_MEMBERSHIP, "239.1.1.1", "")
	if e := rig.Chain.Table.WSPSetSockOpt(openSocket(t, rig), level, wsa.IP_ADD_MEMBERSHIP, in); e != 0 || len(g.asked) != 0 {
		t.Errorf("on a stream: %v, asked %q", e, g.asked)
	}
}

// openSocket is closed with the test.
func openSocket(t *testing.T, rig *providertest.Rig) *provider.Socket {
	s := rig.Socket(t)
	t.Cleanup(func() { rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort) })
	return s
}
