package provider

import (
	"net/netip"
	"sync/atomic"
)

// Origin says who asks for a socket and for what. It travels with the request
// and stays on the Socket as its facts. A zero field is unknown, and unknown
// never matches a rule that allows. Nor does it keep a rule that denies from
// matching: "all but process X" is denied to whom nobody knows.
//
// Who the asker is, is asked of the methods User and Process. What the fields
// state they answer; else they ask Owner, at most once, and nobody does if no layer
// wants to know.
//
// An Origin is shared by all sockets of one flow and is not changed after
// WSPSocket; what is learned later is added with [Socket.Learn].
type Origin struct {
	Attachment string // the network the asker lives in: "run", a daemon's attachment, "" for the embedding program
	PID        int
	UID        int // -1 = unknown; 0 is root if PID is known, too: the zero Origin is not root
	Executable string
	CGroup     string

	// Owner finds the asker out; nil: what is not stated above stays unknown.
	Owner *Owner

	Source      Addr   // the asker's own address, for a flow behind a TUN
	Destination Addr   // where the flow goes; none for a socket made by hand
	Name        string // the name that was dialled, if the asker gave one

	// Names answers which live names an address was given under to this
	// attachment; nil knows none.
	Names NameSource
}

// User is the asker's uid, -1 if it is not known.
func (o *Origin) User() (uid int, ok bool) {
	switch {
	case o == nil:
		return -1, false
	case o.UID > 0, o.UID == 0 && o.PID > 0:
		return o.UID, true
	}
	return o.Owner.User()
}

// Process is what is known of the asker; ok is false if that is nothing.
func (o *Origin) Process() (p Process, ok bool) {
	switch {
	case o == nil:
		return Process{}, false
	case o.PID > 0, o.Executable != "", o.CGroup != "":
		return Process{PID: o.PID, Executable: o.Executable, CGroup: o.CGroup}, true
	}
	return o.Owner.Process()
}

// Seen is what is known of the asker so far; uid is -1 if it is not. Nobody is
// asked for it.
func (o *Origin) Seen() (uid int, p Process) {
	if o == nil {
		return -1, Process{}
	}
	uid, p = o.Owner.seen()
	stated := Origin{PID: o.PID, UID: o.UID, Executable: o.Executable, CGroup: o.CGroup}
	if u, ok := stated.User(); ok {
		uid = u
	}
	if q, ok := stated.Process(); ok {
		p = q
	}
	return uid, p
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

// OnLearn has f called after each Learn, by who learns, and before that one goes on: for
// who has to look at late facts that the chain of s does not judge as they are now. It is
// set before s is connected.
func (s *Socket) OnLearn(f func()) { s.told = f }

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
			break
		}
	}
	if s.told != nil {
		s.told()
	}
}

// Learned are the late facts of s.
func (s *Socket) Learned() Learned {
	if p := s.learned.p.Load(); p != nil {
		return *p
	}
	return Learned{}
}
