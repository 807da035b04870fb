package sockets

import (
	"encoding/binary"
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// WSAMSG is the message of WSARecvMsg and WSASendMsg. Control is the ancillary
// data as a row of WSACMSGHDRs (winsock2.h on 64 bits: length of 8 bytes, level,
// type, data, each padded to 8).
type WSAMSG struct {
	Name    []byte // sockaddr: room for the source, or the destination
	NameLen int32  // of Name; becomes the source's size
	Buffers [][]byte
	Control []byte // room, cut to what is used; or what is sent along
	Flags   wsa.MsgFlags
}

// WSARecvMsg (LPFN_WSARECVMSG) is WSPRecvFrom with ancillary data: IP_PKTINFO, IP_TTL,
// IP_TOS and their IPv6 twins, as far as the options switched them on. It blocks as that
// does; with o all of m is lent until the end. Flags comes back with MSG_TRUNC,
// MSG_CTRUNC. A routine would need a thread, which the call does not name: EFAULT; an
// event or a port does it. EOPNOTSUPP: a stream, or MSG_PEEK with o; EFAULT: no message
// or buffers, or Name is too small; others are those of WSPRecvFrom.
func (s *Session) WSARecvMsg(h SOCKET, m *WSAMSG, n *uint32, o *Overlapped, routine CompletionRoutine) wsa.Errno {
	f := functions{s: s}
	k, e := f.messages(h, m, n, o)
	switch {
	case e != 0:
		return e
	case o != nil && m.Flags&wsa.MSG_PEEK != 0:
		return wsa.EOPNOTSUPP
	case m.Name != nil && room(m.Name, &m.NameLen, size(k.s.Family)) != 0:
		return wsa.EFAULT
	}
	control := &provider.Control{Has: k.wantedControl()}
	done := func(c *call, e wsa.Errno) {
		m.Flags = c.flags
		if e == wsa.EMSGSIZE {
			m.Flags |= wsa.MSG_TRUNC
		}
		if m.Name != nil {
			putSockaddr(m.Name, &m.NameLen, c.addr)
		}
		var fits bool
		if m.Control, fits = putControl(m.Control, k.s.Family, control); !fits {
			m.Flags |= wsa.MSG_CTRUNC
		}
	}
	c := call{data: k.table.WSPRecvFrom, buffers: m.Buffers, flags: m.Flags, control: control}
	if o != nil {
		return f.message(k, &k.rd, k.mayReceive, c, completion{o, routine, f.thread(nil)}, n, done)
	}
	c.now = k.winsock.nonblocking.Load()
	e = k.winsock.run(nil, &k.rd, receiving, &c)
	if e == 0 || e == wsa.EMSGSIZE {
		*n = uint32(c.n)
		done(&c, e)
	}
	k.winsock.enable(wsa.FD_READ|wsa.FD_OOB, e)
	return e
}

// messages is the socket of h, if m can be moved by it.
func (f *functions) messages(h SOCKET, m *WSAMSG, n *uint32, o *Overlapped) (*sock, wsa.Errno) {
	k, e := f.find(h)
	switch {
	case e != 0:
		return nil, e
	case k.s.Type == wsa.SOCK_STREAM:
		return nil, wsa.EOPNOTSUPP
	case m == nil:
		return nil, wsa.EFAULT
	}
	return k, movable(m.Buffers, n, o)
}

// message starts an overlapped WSARecvMsg or WSASendMsg.
func (f *functions) message(k *sock, d *direction, judge func() wsa.Errno, c call, how completion, n *uint32, done func(*call, wsa.Errno)) wsa.Errno {
	switch {
	case !k.winsock.overlapped:
		return wsa.EINVAL
	case how.routine != nil && how.thread == nil:
		return wsa.EFAULT
	}
	e := k.start(d, how, judge, func(o *Overlapped) {
		buffers := c.buffers
		o.call = c
		o.call.buffers = o.capture(buffers)
		o.step = func(o *Overlapped, pended bool) wsa.Errno {
			e := transfer(o, pended)
			if e == 0 || e == wsa.EMSGSIZE {
				done(&o.call, e)
			}
			return e
		}
	}, n, nil)
	if d == &k.rd {
		k.winsock.enable(wsa.FD_READ|wsa.FD_OOB, e)
	}
	return e
}

// WSASendMsg (LPFN_WSASENDMSG) is WSPSendTo with ancillary data: the source address
// (IP_PKTINFO), IP_TTL and IP_TOS of this datagram. Without Name it goes to the peer. It
// blocks, and lends m, as [Session.WSARecvMsg]. EINVAL: control data that is none or is
// of another family; EOPNOTSUPP: a stream; others are those of WSPSendTo.
func (s *Session) WSASendMsg(h SOCKET, m *WSAMSG, flags wsa.MsgFlags, n *uint32, o *Overlapped, routine CompletionRoutine) wsa.Errno {
	f := functions{s: s}
	k, e := f.messages(h, m, n, o)
	if e != 0 {
		return e
	}
	c := call{data: k.table.WSPSend, buffers: m.Buffers, flags: flags}
	if m.Name != nil {
		c.data = k.table.WSPSendTo
		if c.addr, e = parseSockaddr(m.Name); e != 0 {
			return e
		}
	}
	if len(m.Control) > 0 {
		c.control = new(provider.Control)
		if e := parseControl(m.Control, k.s.Family, c.control); e != 0 {
			return e
		}
	}
	if o != nil {
		return f.message(k, &k.wr, k.maySend, c, completion{o, routine, f.thread(nil)}, n, func(*call, wsa.Errno) {})
	}
	c.now = k.winsock.nonblocking.Load()
	e = k.winsock.run(nil, &k.wr, sending, &c)
	if e == 0 {
		*n = uint32(c.n)
	}
	k.winsock.sent(e, false)
	return e
}

// ancillary is one kind of control data, by the option of the same number that
// switches it on.
type ancillary struct {
	bit      provider.ControlBits
	v4, v6   int32 // its type
	on4, on6 int32 // the option
}

var ancillaries = []ancillary{
	{provider.ControlPacketInfo, wsa.IP_PKTINFO, wsa.IPV6_PKTINFO, wsa.IP_PKTINFO, wsa.IPV6_PKTINFO},
	{provider.ControlTTL, wsa.IP_TTL, wsa.IPV6_HOPLIMIT, wsa.IP_RECVTTL, wsa.IPV6_HOPLIMIT},
	{provider.ControlTOS, wsa.IP_TOS, wsa.IPV6_TCLASS, wsa.IP_RECVTOS, wsa.IPV6_RECVTCLASS},
}

// wantedControl is what the socket's options ask for.
func (k *sock) wantedControl() (has provider.ControlBits) {
	level := level(k.s.Family)
	for _, a := range ancillaries {
		option := a.on4
		if level == wsa.IPPROTO_IPV6 {
			option = a.on6
		}
		var v [4]byte
		e := k.alongside(func() wsa.Errno {
			_, e := k.table.WSPGetSockOpt(k.s, level, option, v[:])
			return e
		})
		if e == 0 && v != [4]byte{} {
			has |= a.bit
		}
	}
	return has
}

func level(family int32) int32 {
	if family == wsa.AF_INET6 {
		return wsa.IPPROTO_IPV6
	}
	return wsa.IPPROTO_IP
}

const cmsgHeader = 16

// putControl writes what c has into room; false if something did not fit.
func putControl(room []byte, family int32, c *provider.Control) (used []byte, fits bool) {
	used, fits = room[:0], true
	for _, a := range ancillaries {
		if c.Has&a.bit == 0 {
			continue
		}
		data, kind := controlData(family, a, c)
		if len(room)-len(used) < cmsgHeader+len(data) {
			fits = false
			continue
		}
		used = binary.LittleEndian.AppendUint64(used, uint64(cmsgHeader+len(data)))
		used = binary.LittleEndian.AppendUint32(used, uint32(level(family)))
		used = binary.LittleEndian.AppendUint32(used, uint32(kind))
		used = append(used, data...)
		for len(used)%8 != 0 && len(used) < len(room) {
			used = append(used, 0)
		}
	}
	return used, fits
}

func controlData(family int32, a ancillary, c *provider.Control) (data []byte, kind int32) {
	kind = a.v4
	if family == wsa.AF_INET6 {
		kind = a.v6
	}
	switch a.bit {
	case provider.ControlTTL:
		return binary.LittleEndian.AppendUint32(nil, uint32(c.TTL)), kind
	case provider.ControlTOS:
		return binary.LittleEndian.AppendUint32(nil, uint32(c.TOS)), kind
	}
	if family == wsa.AF_INET6 {
		ip := c.Dst.As16()
		data = ip[:]
	} else {
		ip := c.Dst.Unmap().As4()
		data = ip[:]
	}
	return binary.LittleEndian.AppendUint32(data, c.IfIndex), kind
}

// parseControl reads the control data of WSASendMsg: EINVAL if it is none.
func parseControl(b []byte, family int32, c *provider.Control) wsa.Errno {
	for len(b) > 0 {
		if len(b) < cmsgHeader {
			return wsa.EINVAL
		}
		n := binary.LittleEndian.Uint64(b)
		if n < cmsgHeader || n > uint64(len(b)) {
			return wsa.EINVAL
		}
		lv, kind := int32(binary.LittleEndian.Uint32(b[8:])), int32(binary.LittleEndian.Uint32(b[12:]))
		if lv != level(family) || !takeControl(c, kind, family, b[cmsgHeader:n]) {
			return wsa.EINVAL
		}
		b = b[min(uint64(len(b)), (n+7)&^7):]
	}
	return 0
}

// takeControl reads one kind of control data; false if it is no such.
func takeControl(c *provider.Control, kind, family int32, data []byte) bool {
	for _, a := range ancillaries {
		if family == wsa.AF_INET6 && kind != a.v6 || family != wsa.AF_INET6 && kind != a.v4 {
			continue
		}
		c.Has |= a.bit
		switch {
		case a.bit == provider.ControlPacketInfo && family == wsa.AF_INET6 && len(data) >= 20:
			c.Dst, c.IfIndex = netip.AddrFrom16([16]byte(data)), binary.LittleEndian.Uint32(data[16:])
		case a.bit == provider.ControlPacketInfo && family != wsa.AF_INET6 && len(data) >= 8:
			c.Dst, c.IfIndex = netip.AddrFrom4([4]byte(data)), binary.LittleEndian.Uint32(data[4:])
		case a.bit == provider.ControlTTL && len(data) >= 4 && binary.LittleEndian.Uint32(data) < 256:
			c.TTL = data[0]
		case a.bit == provider.ControlTOS && len(data) >= 4 && binary.LittleEndian.Uint32(data) < 256:
			c.TOS = data[0]
		default:
			return false
		}
		return true
	}
	return false
}
