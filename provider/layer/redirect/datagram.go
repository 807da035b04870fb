package redirect

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// remembered is how many redirected destinations a datagram socket has at once.
const remembered = 1024

// table says where a socket's datagrams go, and whom answers seem to come from. Its
// flow's mutex guards it.
type table struct {
	to    map[netip.AddrPort]provider.Addr // asked → real
	from  map[netip.AddrPort]provider.Addr // real → asked last
	order []netip.AddrPort                 // the keys of to; once full, a ring
	next  int                              // the oldest of a full order
}

// add remembers p, the oldest destination is forgotten for it if there are too many.
func (t *table) add(p pair) {
	asked, real := key(p.asked), key(p.real)
	if t.to == nil {
		t.to, t.from = make(map[netip.AddrPort]provider.Addr), make(map[netip.AddrPort]provider.Addr)
	}
	if _, known := t.to[asked]; !known {
		if len(t.order) < remembered {
			t.order = append(t.order, asked)
		} else {
			t.forget(t.order[t.next])
			t.order[t.next] = asked
			t.next = (t.next + 1) % remembered
		}
		t.to[asked] = p.real
	}
	if t.from[real] != p.asked {
		t.from[real] = p.asked
	}
}

func (t *table) forget(asked netip.AddrPort) {
	real := key(t.to[asked])
	if key(t.from[real]) == asked {
		delete(t.from, real)
	}
	delete(t.to, asked)
}

// plain notes that to was sent to under its own name: so do its answers come.
func (t *table) plain(to provider.Addr) {
	if len(t.from) > 0 {
		delete(t.from, key(to))
	}
}

// appears is whom a datagram from a seems to come from: the peer of a connected socket,
// which receives from nobody else.
func (f *flow) appears(a provider.Addr) provider.Addr {
	if a.Family == 0 {
		return a
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peer.real.Family != 0 && key(f.peer.real) == key(a) {
		return f.peer.asked
	}
	if asked, ok := f.sent.from[key(a)]; ok {
		return asked
	}
	return a
}

// sendTo is told the real destination; the message is the caller's, and has its own
// again afterwards, or the one that drew a soft error.
func (i *instance) sendTo(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
	f := i.slot.Of(s)
	if f == nil || m.Addr.Family == 0 {
		return i.appear(s, m, i.next.WSPSendTo)
	}
	p, e := i.lead(s, f, m.Addr)
	if e != 0 {
		return 0, e
	}
	// Before it is sent: the answer may be there before WSPSendTo returns.
	f.mu.Lock()
	if p.asked != p.real {
		f.sent.add(p)
	} else {
		f.sent.plain(p.asked)
	}
	f.mu.Unlock()
	m.Addr = p.real
	n, e := i.next.WSPSendTo(s, m)
	if m.Addr == p.real {
		m.Addr = p.asked
	} else {
		m.Addr = f.appears(m.Addr)
	}
	return n, e
}

// appearing is a data entry after which the message's address is one that was asked for:
// the source of a datagram, or the destination that drew a soft error.
func (i *instance) appearing(next func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
	return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return i.appear(s, m, next) }
}

func (i *instance) appear(s *provider.Socket, m *provider.Msg, next func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) (int, wsa.Errno) {
	n, e := next(s, m)
	if f := i.slot.Of(s); f != nil {
		m.Addr = f.appears(m.Addr)
	}
	return n, e
}
