package redirect

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// flow is what is remembered of a socket.
type flow struct {
	mu   sync.Mutex // held for memory operations only
	peer pair       // of the last connect, if that was redirected
	sent table      // of a datagram socket
}

// pair is a destination that was asked for, and the one in its place.
type pair struct{ asked, real provider.Addr }

// key is an address as it is compared: one has many sockaddrs.
func key(a provider.Addr) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

func (i *instance) socket(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
	s, e := i.next.WSPSocket(q)
	if e == 0 && i.slot.Of(s) == nil { // else it is a duplicate
		i.slot.Put(s, new(flow))
	}
	return s, e
}

// connect stores the pair before the connection can be seen by who asks for its peer.
func (i *instance) connect(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
	f := i.slot.Of(s)
	if f == nil {
		return i.next.WSPConnect(s, q) // made by WSPAccept: it is connected
	}
	p, e := i.lead(s, f, q.To)
	if e != 0 {
		return e
	}
	f.mu.Lock()
	before := f.peer
	if f.peer = (pair{}); p.asked != p.real {
		f.peer = p
	}
	f.mu.Unlock()
	if p.asked != p.real {
		other := *q
		other.To = p.real
		q = &other
	}
	e = i.next.WSPConnect(s, q)
	if e != 0 && e != wsa.EWOULDBLOCK {
		f.mu.Lock()
		f.peer = before // whom it was connected with, it still is
		f.mu.Unlock()
	}
	return e
}

// lead is destination, with what the socket's own table says first.
func (i *instance) lead(s *provider.Socket, f *flow, to provider.Addr) (pair, wsa.Errno) {
	f.mu.Lock()
	real, known := f.sent.to[key(to)]
	f.mu.Unlock()
	if known && real.Family == to.Family {
		return pair{to, real}, 0
	}
	real, e := i.destination(s, to)
	return pair{to, real}, e
}

// peerName trusts what is below: only if that is where the redirect led is it the
// peer that was asked for.
func (i *instance) peerName(s *provider.Socket) (provider.Addr, wsa.Errno) {
	a, e := i.next.WSPGetPeerName(s)
	if e == 0 {
		a = i.slot.Of(s).peerFor(a)
	}
	return a, e
}

func (f *flow) peerFor(a provider.Addr) provider.Addr {
	if f == nil {
		return a
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peer.real.Family != 0 && key(f.peer.real) == key(a) {
		return f.peer.asked
	}
	return a
}

// remoteAt is where SO_BSP_STATE (CSADDR_INFO) has the offset of the peer's sockaddr;
// its length follows.
const remoteAt = 16

// getSockOpt puts the peer that was asked for into SO_BSP_STATE.
func (i *instance) getSockOpt(s *provider.Socket, level, name int32, out []byte) (int, wsa.Errno) {
	n, e := i.next.WSPGetSockOpt(s, level, name, out)
	if level != wsa.SOL_SOCKET || name != wsa.SO_BSP_STATE || e != 0 || n < remoteAt+12 || n > len(out) {
		return n, e
	}
	at, size := binary.LittleEndian.Uint64(out[remoteAt:]), binary.LittleEndian.Uint32(out[remoteAt+8:])
	if at == 0 || at >= uint64(n) || uint64(size) > uint64(n)-at {
		return n, e
	}
	text := out[at : at+uint64(size)]
	if a, ok := provider.ParseSockaddr(text); ok {
		if asked := provider.AppendSockaddr(nil, i.slot.Of(s).peerFor(a)); len(asked) == len(text) {
			copy(text, asked)
		}
	}
	return n, e
}
