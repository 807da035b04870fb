package gateway

import (
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// marks are what the IP header of a datagram says besides addresses, and goes on
// with it. We are a hop: of a TTL one is taken.
type marks struct {
	ttl, tos uint8
	whole    bool // not to be fragmented
}

// usualTTL is nobody's choice: what Linux sends by itself (ip_default_ttl). Such a
// datagram gets what our socket sends by itself.
const usualTTL = 64

// control is what a send has to say of k.
func (k marks) control(to provider.Addr) (c provider.Control) {
	if k.tos != 0 {
		c.Has |= provider.ControlTOS
		c.TOS = k.tos
	}
	// To ourselves there is no hop.
	if k.ttl > 1 && k.ttl != usualTTL && !to.Addr().Unmap().IsLoopback() {
		c.Has |= provider.ControlTTL
		c.TTL = k.ttl - 1
	}
	return c
}

// usual says that a datagram of k can go with others past the table, as the
// socket is set now.
func (a *association) usual(k marks) bool { return k.ttl == usualTTL && k.whole == a.whole.Load() }

// parcel is a Msg with its Control: made per call they escape.
type parcel struct {
	msg     provider.Msg
	control provider.Control
}

var outgoing = sync.Pool{New: func() any { return new(parcel) }}

func (o *parcel) fill(data [][]byte, to provider.Addr, k marks) *provider.Msg {
	o.msg.Buffers, o.msg.Flags, o.msg.Addr, o.msg.Control = data, 0, to, nil
	if o.control = k.control(to); o.control.Has != 0 {
		o.msg.Control = &o.control
	}
	return &o.msg
}

func (o *parcel) release() {
	o.msg.Buffers = nil
	outgoing.Put(o)
}

var on, off = [4]byte{1}, [4]byte{}

// keepWhole has the socket fragment or not, as the program's own does: that tells by
// the bit in its packets. Linux has no such thing for one datagram, but a program's
// socket seldom changes its mind. Without fragments what is too long for the path is
// an ICMP error to the program, which then knows (RFC 1191, RFC 8201). sendMu is held.
func (a *association) keepWhole(whole bool) {
	if a.whole.Load() == whole {
		return
	}
	a.whole.Store(whole)
	level, name := wsa.IPPROTO_IP, wsa.IP_DONTFRAGMENT
	if a.key.family == wsa.AF_INET6 {
		level, name = wsa.IPPROTO_IPV6, wsa.IPV6_DONTFRAG
	}
	value := off[:]
	if whole {
		value = on[:]
	}
	a.t.WSPSetSockOpt(a.s, level, name, value) // a base without it fragments
}

// tellTOS has receives tell the type of service.
func tellTOS(s *provider.Socket) {
	t := &s.Chain().Table
	if s.Chain().Info.AddressFamily == wsa.AF_INET6 {
		t.WSPSetSockOpt(s, wsa.IPPROTO_IPV6, wsa.IPV6_RECVTCLASS, on[:])
		return
	}
	t.WSPSetSockOpt(s, wsa.IPPROTO_IP, wsa.IP_RECVTOS, on[:])
}
