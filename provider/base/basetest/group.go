package basetest

import (
	"net/netip"
	"slices"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var _ base.Grouper = (*endpoint)(nil)

// onlyInterface is the number of a Host's one interface.
const onlyInterface = 1

// GroupInterface knows one interface, with all of the host's addresses.
func (e *endpoint) GroupInterface(_, at netip.Addr, index uint32) (uint32, wsa.Errno) {
	if at.IsValid() && !e.h.owns(at) || index > onlyInterface {
		return 0, wsa.EADDRNOTAVAIL
	}
	return onlyInterface, 0
}

func (e *endpoint) JoinGroup(group netip.Addr, _ uint32) wsa.Errno {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	e.groups = append(e.groups, group)
	return 0
}

func (e *endpoint) LeaveGroup(group netip.Addr, _ uint32) wsa.Errno {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	e.groups = slices.DeleteFunc(e.groups, func(g netip.Addr) bool { return g == group })
	return 0
}

// SendGroupsOver has no choice.
func (e *endpoint) SendGroupsOver(int32, uint32) wsa.Errno { return 0 }

// Strays: as in gVisor and BSD it is the host that is a member of a group, and all
// of its sockets hear it.
func (e *endpoint) Strays() bool { return true }

func (e *endpoint) Own(from netip.Addr) bool { return e.h.owns(from) }

// member reports that some endpoint of h has joined the group.
func (h *Host) member(group netip.Addr) bool {
	for e := range h.n.open {
		if e.h == h && slices.Contains(e.groups, group) {
			return true
		}
	}
	return false
}

// sendGroup delivers to all hosts that are members, this one among them.
func (n *Network) sendGroup(protocol int32, from, to netip.AddrPort, buffers [][]byte) {
	for _, h := range n.hosts {
		if h.member(to.Addr()) {
			h.deliver(protocol, from, to, buffers, true)
		}
	}
}
