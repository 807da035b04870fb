package base

import (
	"net/netip"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Bounds of what one socket remembers: further groups or sources are ENOBUFS.
const (
	maxMemberships = 256
	maxSources     = 128
)

// groups are the groups that a socket is a member of, by group and interface: the
// state that winsock-spi 7.4 tells the conflicts of. It knows of no network.
type groups []membership

// membership is any-source, all but those that are blocked, or source-specific, none
// but those that were joined (RFC 3678, 3: exclude and include mode).
type membership struct {
	group    netip.Addr
	index    uint32 // the interface's number
	specific bool
	sources  []source
}

// source is one that was joined or blocked. One that was unblocked stays as off: to
// unblock it again is another error than to unblock one that never was.
type source struct {
	addr netip.Addr
	off  bool
}

// groupChange is what an operation asks of the network, if the table has allowed it.
type groupChange uint8

const (
	nothing groupChange = iota
	joining
	leaving
)

// step judges one operation and, if it is legal, does it: in g it is done or
// nothing is. A caller whose network then refuses undoes by keeping the old state.
func (g groups) step(op provider.MembershipOp, group netip.Addr, index uint32, from netip.Addr) (groups, groupChange, wsa.Errno) {
	i := g.find(group, index)
	switch {
	case i < 0 && op.Joins() && len(g) >= maxMemberships:
		return g, nothing, wsa.ENOBUFS
	case i < 0 && op == provider.JoinGroup:
		return append(slices.Clone(g), membership{group: group, index: index}), joining, 0
	case i < 0 && op == provider.JoinSource:
		m := membership{group: group, index: index, specific: true, sources: []source{{addr: from}}}
		return append(slices.Clone(g), m), joining, 0
	case i < 0:
		return g, nothing, wsa.EINVAL
	case op == provider.LeaveGroup:
		return slices.Delete(slices.Clone(g), i, i+1), leaving, 0
	}
	m := g[i]
	m.sources = slices.Clone(m.sources)
	if e := m.step(op, from); e != 0 {
		return g, nothing, e
	}
	g = slices.Clone(g)
	if m.specific && len(m.sources) == 0 { // the last source goes, and the membership with it
		return slices.Delete(g, i, i+1), leaving, 0
	}
	g[i] = m
	return g, nothing, 0
}

// step does an operation on a membership that there is. m.sources is its own.
func (m *membership) step(op provider.MembershipOp, from netip.Addr) wsa.Errno {
	at := slices.IndexFunc(m.sources, func(s source) bool { return s.addr == from })
	on := at >= 0 && !m.sources[at].off
	switch {
	case op == provider.JoinGroup || op == provider.JoinSource && !m.specific:
		if !m.specific && m.blocking() {
			return wsa.EINVAL
		}
		return wsa.EADDRNOTAVAIL
	case m.specific == (op == provider.BlockSource || op == provider.UnblockSource):
		return wsa.EINVAL // sources are blocked in an any-source membership, left in the other
	case op == provider.JoinSource && on, op == provider.BlockSource && on, op == provider.LeaveSource && !on:
		return wsa.EADDRNOTAVAIL
	case op == provider.LeaveSource:
		m.sources = slices.Delete(m.sources, at, at+1)
		return 0
	case op == provider.UnblockSource && at < 0:
		return wsa.EINVAL
	case op == provider.UnblockSource && !on:
		return wsa.EADDRNOTAVAIL
	case op == provider.UnblockSource:
		m.sources[at].off = true
		return 0
	}
	return m.add(at, from)
}

// add joins or blocks a source; at is where it stands as unblocked, or -1.
func (m *membership) add(at int, from netip.Addr) wsa.Errno {
	if at < 0 && len(m.sources) >= maxSources {
		at = slices.IndexFunc(m.sources, func(s source) bool { return s.off })
		if at < 0 {
			return wsa.ENOBUFS
		}
	}
	if at < 0 {
		m.sources = append(m.sources, source{addr: from})
	} else {
		m.sources[at] = source{addr: from}
	}
	return 0
}

// blocking reports that a source is kept out.
func (m *membership) blocking() bool {
	return slices.ContainsFunc(m.sources, func(s source) bool { return !s.off })
}

// passes reports whether the membership lets a source be heard.
func (m *membership) passes(from netip.Addr) bool {
	for _, s := range m.sources {
		if s.addr == from && !s.off {
			return m.specific
		}
	}
	return !m.specific
}

func (g groups) find(group netip.Addr, index uint32) int {
	for i := range g {
		if g[i].group == group && g[i].index == index {
			return i
		}
	}
	return -1
}

// choosy reports that a member does not want all that its groups are sent.
func (g groups) choosy() bool {
	return slices.ContainsFunc(g, func(m membership) bool { return m.specific || m.blocking() })
}
