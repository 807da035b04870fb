package netstack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// receiveControl has gVisor hand out what it notes of each packet anyway.
func (d *datagram) receiveControl() {
	o := d.ep.SocketOptions()
	o.SetReceivePacketInfo(true)
	o.SetReceiveTTL(true)
	o.SetReceiveTOS(true)
	if d.family == wsa.AF_INET6 {
		o.SetIPv6ReceivePacketInfo(true)
		o.SetReceiveHopLimit(true)
		o.SetReceiveTClass(true)
	}
}

// recvControl fills in what c asks for and gVisor knows.
func (d *datagram) recvControl(c *provider.Control, m *tcpip.ReceivableControlMessages) {
	want := c.Has
	c.Has = 0
	switch {
	case want&provider.ControlPacketInfo == 0:
	case m.HasIPPacketInfo:
		c.Dst, c.IfIndex = d.fromAddress(m.PacketInfo.DestinationAddr), uint32(m.PacketInfo.NIC)
		c.Has |= provider.ControlPacketInfo
	case m.HasIPv6PacketInfo:
		c.Dst, c.IfIndex = d.fromAddress(m.IPv6PacketInfo.Addr), uint32(m.IPv6PacketInfo.NIC)
		c.Has |= provider.ControlPacketInfo
	}
	switch {
	case want&provider.ControlTTL == 0:
	case m.HasTTL:
		c.TTL = m.TTL
		c.Has |= provider.ControlTTL
	case m.HasHopLimit:
		c.TTL = m.HopLimit
		c.Has |= provider.ControlTTL
	}
	switch {
	case want&provider.ControlTOS == 0:
	case m.HasTOS:
		c.TOS = m.TOS
		c.Has |= provider.ControlTOS
	case m.HasTClass:
		c.TOS = uint8(m.TClass)
		c.Has |= provider.ControlTOS
	}
}

// tos is what Send has to put back: gVisor knows no traffic class of one
// datagram, so the endpoint's is changed for the time of it. Law 4 allows that:
// there is one Send at a time.
type tos struct {
	option tcpip.SockOptInt
	old    int
	set    bool
}

func (t tos) undo(d *datagram) {
	if t.set {
		d.ep.SetSockOptInt(t.option, t.old)
	}
}

// sendControl translates what c gives. EOPNOTSUPP: an IPv4 source address that
// is not the bound one. EADDRNOTAVAIL: an address of the other family.
func (d *datagram) sendControl(c *provider.Control, to netip.Addr, m *tcpip.SendableControlMessages) (t tos, e wsa.Errno) {
	if c == nil || c.Has == 0 {
		return tos{}, 0
	}
	is4 := to.Unmap().Is4()
	if c.Has&provider.ControlPacketInfo != 0 {
		if e := d.sendFrom(c, is4, m); e != 0 {
			return tos{}, e
		}
	}
	if c.Has&provider.ControlTTL != 0 {
		m.HasTTL, m.TTL, m.HasHopLimit, m.HopLimit = is4, c.TTL, !is4, c.TTL
	}
	if c.Has&provider.ControlTOS != 0 {
		t = tos{option: tcpip.IPv6TrafficClassOption, set: true}
		if is4 {
			t.option = tcpip.IPv4TOSOption
		}
		t.old, _ = d.ep.GetSockOptInt(t.option)
		d.ep.SetSockOptInt(t.option, int(c.TOS))
	}
	return t, 0
}

func (d *datagram) sendFrom(c *provider.Control, is4 bool, m *tcpip.SendableControlMessages) wsa.Errno {
	from := c.Dst
	none := !from.IsValid() || from.Unmap().IsUnspecified()
	switch {
	case !none && from.Unmap().Is4() != is4:
		return wsa.EADDRNOTAVAIL
	case !is4:
		m.HasIPv6PacketInfo = true
		m.IPv6PacketInfo.NIC = tcpip.NICID(c.IfIndex)
		if !none {
			m.IPv6PacketInfo.Addr = tcpip.AddrFrom16(from.As16())
		}
		return 0
	}
	local, ok := d.LocalAddr()
	switch {
	case c.IfIndex != 0 || !none && (!ok || local.Addr().Unmap() != from.Unmap()):
		return wsa.EOPNOTSUPP
	}
	return 0
}
