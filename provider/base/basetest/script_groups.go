package basetest

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var _ base.Grouper = (*Endpoint)(nil)

// Interfaces are the addresses of the interfaces 1, 2 and 3 of a Script; the first is
// the default one.
var Interfaces = []netip.Addr{
	netip.AddrFrom4([4]byte{10, 0, 0, 1}), netip.AddrFrom4([4]byte{10, 0, 0, 2}), netip.AddrFrom4([4]byte{10, 0, 0, 3}),
}

// GroupInterface finds one of Interfaces.
func (e *Endpoint) GroupInterface(_, at netip.Addr, index uint32) (uint32, wsa.Errno) {
	switch {
	case at.IsValid():
		for i, a := range Interfaces {
			if a == at {
				return uint32(i + 1), 0
			}
		}
		return 0, wsa.EADDRNOTAVAIL
	case index > uint32(len(Interfaces)):
		return 0, wsa.EADDRNOTAVAIL
	}
	return max(index, 1), 0
}

// JoinGroup succeeds.
func (e *Endpoint) JoinGroup(group netip.Addr, index uint32) wsa.Errno {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, _ := e.next(Call{Method: "JoinGroup", Group: group, Index: index})
	return r.Errno
}

// LeaveGroup succeeds.
func (e *Endpoint) LeaveGroup(group netip.Addr, index uint32) wsa.Errno {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, _ := e.next(Call{Method: "LeaveGroup", Group: group, Index: index})
	return r.Errno
}

// SendGroupsOver succeeds.
func (e *Endpoint) SendGroupsOver(_ int32, index uint32) wsa.Errno {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, _ := e.next(Call{Method: "SendGroupsOver", Index: index})
	return r.Errno
}

// Strays says that nothing unasked for arrives: what a test scripts is wanted.
func (e *Endpoint) Strays() bool { return false }

// Own says so of 10.0.0.1 to 10.0.0.3 and of loopback addresses.
func (e *Endpoint) Own(from netip.Addr) bool {
	_, code := e.GroupInterface(netip.Addr{}, from, 0)
	return from.IsLoopback() || code == 0
}

// tell fills the ancillary data of a scripted datagram, if it is asked for.
func tell(c *provider.Control, r Result) {
	if c == nil {
		return
	}
	asked := c.Has&provider.ControlPacketInfo != 0
	c.Has &^= provider.ControlPacketInfo
	if asked && r.Dst.IsValid() {
		c.Dst, c.IfIndex = r.Dst, r.IfIndex
		c.Has |= provider.ControlPacketInfo
	}
}
