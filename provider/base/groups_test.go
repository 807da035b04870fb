package base

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

var (
	groupA, groupB   = netip.MustParseAddr("239.1.1.1"), netip.MustParseAddr("239.1.1.2")
	sourceA, sourceB = netip.MustParseAddr("10.0.0.8"), netip.MustParseAddr("10.0.0.9")
)

// act is one operation on group A, interface 1 and source A unless it says otherwise.
type act struct {
	op    provider.MembershipOp
	group netip.Addr
	index uint32
	from  netip.Addr
}

func (a act) on(g groups) (groups, groupChange, wsa.Errno) {
	if !a.group.IsValid() {
		a.group = groupA
	}
	if !a.from.IsValid() {
		a.from = sourceA
	}
	return g.step(a.op, a.group, max(a.index, 1), a.from)
}

var (
	add, drop             = act{op: provider.JoinGroup}, act{op: provider.LeaveGroup}
	addSource, dropSource = act{op: provider.JoinSource}, act{op: provider.LeaveSource}
	block, unblock        = act{op: provider.BlockSource}, act{op: provider.UnblockSource}
)

func (a act) of(from netip.Addr) act { a.from = from; return a }

// TestGroupConflicts is winsock-spi 7.4 row by row: what came first, which succeeds,
// what comes then, and its error.
func TestGroupConflicts(t *testing.T) {
	for _, c := range []struct {
		name  string
		first []act
		then  act
		want  wsa.Errno
	}{
		{"7.4 ADD, ADD same group", []act{add}, add, wsa.EADDRNOTAVAIL},
		{"7.4 ADD, ADD_SOURCE same group", []act{add}, addSource, wsa.EADDRNOTAVAIL},
		{"7.4 ADD, DROP_SOURCE", []act{add}, dropSource, wsa.EINVAL},
		{"7.4 ADD, UNBLOCK never blocked", []act{add}, unblock, wsa.EINVAL},
		{"7.4 ADD, UNBLOCK never blocked, another was", []act{add, block}, unblock.of(sourceB), wsa.EINVAL},
		{"7.4 not a member, DROP", nil, drop, wsa.EINVAL},
		{"7.4 not a member, DROP_SOURCE", nil, dropSource, wsa.EINVAL},
		{"7.4 not a member, BLOCK", nil, block, wsa.EINVAL},
		{"7.4 not a member, UNBLOCK", nil, unblock, wsa.EINVAL},
		{"7.4 DROP, DROP", []act{add, drop}, drop, wsa.EINVAL},
		{"7.4 DROP, DROP_SOURCE", []act{add, drop}, dropSource, wsa.EINVAL},
		{"7.4 DROP, BLOCK", []act{add, drop}, block, wsa.EINVAL},
		{"7.4 DROP, UNBLOCK", []act{add, block, drop}, unblock, wsa.EINVAL},
		{"7.4 ADD_SOURCE, ADD", []act{addSource}, add, wsa.EADDRNOTAVAIL},
		{"7.4 ADD_SOURCE, same ADD_SOURCE", []act{addSource}, addSource, wsa.EADDRNOTAVAIL},
		{"7.4 ADD_SOURCE, UNBLOCK", []act{addSource}, unblock, wsa.EINVAL},
		{"7.4 DROP_SOURCE, UNBLOCK, of the last", []act{addSource, dropSource}, unblock, wsa.EINVAL},
		{"7.4 DROP_SOURCE, UNBLOCK, of another", []act{addSource, addSource.of(sourceB), dropSource}, unblock, wsa.EINVAL},
		{"7.4 DROP_SOURCE, DROP_SOURCE not in list", []act{addSource, addSource.of(sourceB), dropSource}, dropSource, wsa.EADDRNOTAVAIL},
		{"7.4 DROP_SOURCE of the last is no member", []act{addSource, dropSource}, dropSource, wsa.EINVAL},
		{"7.4 BLOCK, BLOCK same", []act{add, block}, block, wsa.EADDRNOTAVAIL},
		{"7.4 BLOCK, ADD_SOURCE", []act{add, block}, addSource, wsa.EINVAL},
		{"7.4 BLOCK, ADD", []act{add, block}, add, wsa.EINVAL},
		{"7.4 UNBLOCK, UNBLOCK", []act{add, block, unblock}, unblock, wsa.EADDRNOTAVAIL},

		{"RFC 3678 ADD_SOURCE, BLOCK", []act{addSource}, block, wsa.EINVAL},
		{"legal: ADD, DROP, ADD", []act{add, drop}, add, 0},
		{"legal: ADD, DROP, ADD_SOURCE", []act{add, drop}, addSource, 0},
		{"legal: ADD_SOURCE, another ADD_SOURCE", []act{addSource}, addSource.of(sourceB), 0},
		{"legal: ADD_SOURCE, DROP", []act{addSource}, drop, 0},
		{"legal: ADD_SOURCE, DROP, ADD", []act{addSource, drop}, add, 0},
		{"legal: DROP_SOURCE of the last, ADD", []act{addSource, dropSource}, add, 0},
		{"legal: BLOCK, another BLOCK", []act{add, block}, block.of(sourceB), 0},
		{"legal: BLOCK, UNBLOCK, BLOCK", []act{add, block, unblock}, block, 0},
		{"legal: BLOCK, DROP", []act{add, block}, drop, 0},
		{"after UNBLOCK it is ADD, ADD", []act{add, block, unblock}, add, wsa.EADDRNOTAVAIL},
		{"per group: ADD, ADD another", []act{add}, act{op: provider.JoinGroup, group: groupB}, 0},
		{"per interface: ADD, ADD elsewhere", []act{add}, act{op: provider.JoinGroup, index: 2}, 0},
		{"per interface: ADD, ADD_SOURCE elsewhere", []act{add}, act{op: provider.JoinSource, index: 2}, 0},
		{"per interface: ADD, DROP elsewhere", []act{add}, act{op: provider.LeaveGroup, index: 2}, wsa.EINVAL},
	} {
		t.Run(c.name, func(t *testing.T) {
			var g groups
			var e wsa.Errno
			for i, a := range c.first {
				if g, _, e = a.on(g); e != 0 {
					t.Fatalf("step %d: %s", i, e.Name())
				}
			}
			before := copyOf(g)
			after, todo, e := c.then.on(g)
			if e != c.want {
				t.Errorf("%s, want %s", e.Name(), c.want.Name())
			}
			if !slices.EqualFunc(g, before, same) || e != 0 && (todo != nothing || !slices.EqualFunc(after, before, same)) {
				t.Errorf("%v became %v (returned %v, %v)", before, g, after, todo)
			}
		})
	}
}

func copyOf(g groups) groups {
	g = slices.Clone(g)
	for i := range g {
		g[i].sources = slices.Clone(g[i].sources)
	}
	return g
}

func same(a, b membership) bool {
	return a.group == b.group && a.index == b.index && a.specific == b.specific && slices.Equal(a.sources, b.sources)
}

// TestGroupChanges: the network joins with the first of a group and an interface and
// leaves with the last; sources are nothing to it.
func TestGroupChanges(t *testing.T) {
	var g groups
	for i, c := range []struct {
		act
		want groupChange
		pass string // which of sources A and B are heard on interface 1
	}{
		{add, joining, "AB"}, {block, nothing, "B"}, {block.of(sourceB), nothing, ""}, {unblock, nothing, "A"},
		{act{op: provider.JoinGroup, index: 2}, joining, "A"}, {drop, leaving, ""},
		{addSource, joining, "A"}, {addSource.of(sourceB), nothing, "AB"}, {dropSource, nothing, "B"},
		{dropSource.of(sourceB), leaving, ""}, {addSource, joining, "A"}, {drop, leaving, ""},
	} {
		var todo groupChange
		var e wsa.Errno
		if g, todo, e = c.on(g); e != 0 || todo != c.want {
			t.Fatalf("step %d: %v %s, want %v", i, todo, e.Name(), c.want)
		}
		heard := ""
		if m := g.find(groupA, 1); m >= 0 {
			for i, from := range []netip.Addr{sourceA, sourceB} {
				if g[m].passes(from) {
					heard += "AB"[i : i+1]
				}
			}
		}
		if heard != c.pass {
			t.Errorf("step %d: hears %q, want %q", i, heard, c.pass)
		}
	}
	if len(g) != 1 || g.choosy() {
		t.Errorf("left: %v", g)
	}
}

// TestGroupBounds: nobody makes a socket remember without end.
func TestGroupBounds(t *testing.T) {
	nth := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{239, 2, byte(i >> 8), byte(i)}) }
	fill := func(g groups, n int, op provider.MembershipOp, group bool) groups {
		t.Helper()
		for i := range n {
			a := act{op: op, from: nth(i)}
			if group {
				a = act{op: op, group: nth(i)}
			}
			var e wsa.Errno
			if g, _, e = a.on(g); e != 0 {
				t.Fatalf("%d: %s", i, e.Name())
			}
		}
		return g
	}
	full := fill(nil, maxMemberships, provider.JoinGroup, true)
	for _, a := range []act{add, addSource} {
		if _, _, e := a.on(full); e != wsa.ENOBUFS {
			t.Errorf("one group more: %s", e.Name())
		}
	}
	g, _, _ := add.on(nil)
	g = fill(g, maxSources, provider.BlockSource, false)
	if _, _, e := block.on(g); e != wsa.ENOBUFS {
		t.Errorf("one source more: %s", e.Name())
	}
	if g, _, _ = unblock.of(nth(7)).on(g); len(g[0].sources) != maxSources {
		t.Fatalf("%d sources", len(g[0].sources))
	}
	g, _, e := block.on(g) // in place of the one that was unblocked
	if e != 0 || len(g[0].sources) != maxSources || g[0].passes(sourceA) || !g[0].passes(nth(7)) {
		t.Errorf("in place of an unblocked one: %s, %d sources", e.Name(), len(g[0].sources))
	}
}
