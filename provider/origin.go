package provider

import (
	"net/netip"
	"sync/atomic"
)

// Origin says who asks for a socket and for what. It travels with the request
// and stays on the Socket as its facts. A zero field is unknown, and unknown
// never matches a rule that allows.
//
// An Origin is shared by all sockets of one flow and is not changed after
// WSPSocket; what is learned later is added with [Socket.Learn].
type Origin struct {
	Attachment string // the network the asker lives in: "run", a daemon's attachment, "" for the embedding program
	PID        int
	UID        int // -1 = unknown
	Executable string
	CGroup     string

	Source      Addr   // the asker's own address, for a flow behind a TUN
	Destination Addr   // where the flow goes; none for a socket made by hand
	Name        string // the name that was dialled, if the asker gave one

	// Names answers which live names an address was given under to this
	// attachment; nil knows none.
	Names NameSource
}

// A NameSource knows the names that DNS answers gave for an address, to one
// attachment, while they live. It must not block, nor allocate: it is asked for
// each datagram. The slice is not changed by either side.
type NameSource interface {
	NamesOf(netip.Addr) []string
}

// NamesOf are the names known for ip: the one dialled, if ip is the
// destination, and those the NameSource has.
func (o *Origin) NamesOf(ip netip.Addr) []string {
	if o == nil {
		return nil
	}
	ip = ip.Unmap()
	var names []string
	if o.Names != nil {
		names = o.Names.NamesOf(ip)
	}
	if o.Name != "" && o.Destination.Addr().Unmap() == ip {
		return append([]string{o.Name}, names...)
	}
	return names
}

// Learned are facts that arrive while a connection lives.
type Learned struct {
	Hello bool   // a ClientHello was seen, whatever it says
	SNI   string // server name of the program's ClientHello
	ALPN  string // protocols that it offers, with commas
	ECH   bool   // the ClientHello has an encrypted one in it: SNI is the outer name
	Plain bool   // the stream has begun, and not with a ClientHello
}

type learned struct{ p atomic.Pointer[Learned] }

// Learn replaces the late facts of s by what f makes of them.
func (s *Socket) Learn(f func(Learned) Learned) {
	for {
		old := s.learned.p.Load()
		var v Learned
		if old != nil {
			v = *old
		}
		v = f(v)
		if s.learned.p.CompareAndSwap(old, &v) {
			return
		}
	}
}

// Learned are the late facts of s.
func (s *Socket) Learned() Learned {
	if p := s.learned.p.Load(); p != nil {
		return *p
	}
	return Learned{}
}
