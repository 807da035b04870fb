package base

import (
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// socket is the state that Winsock has of one socket, over the endpoint that
// stands under it now.
//
// mu is held for writing by operations that change the state and for reading by
// all others, the data path and Ready included, so that the endpoint can be
// replaced under the socket without one of them meeting a closed one. No
// operation blocks, so neither side waits long. Watchers are never called with
// mu needed: a wake touches the atomic fields only.
type socket struct {
	in       *instance
	row      *Protocol
	protocol int32
	self     atomic.Pointer[provider.Socket] // set once the handle exists

	mu     sync.RWMutex
	closed bool
	link   *link

	bound    bool          // explicitly or implicitly
	explicit bool          // by WSPBind: bound anew when the endpoint is replaced
	asked    provider.Addr // what it was bound to
	local    provider.Addr // last known
	peer     provider.Addr // of a connection, or set by a datagram connect
	hasPeer  bool          // datagram: connected
	hadPeer  bool          // datagram: connected once
	mixed    bool          // datagram: others' datagrams may be queued from before the connect
	active   bool          // connected by WSPConnect, not accepted
	offered  bool          // tokens of it may be open

	shutRecv, shutSend bool
	dropReset          bool // SIO_UDP_CONNRESET = FALSE
	dropNetReset       bool // SIO_UDP_NETRESET = FALSE
	values             []optionValue
	change             atomic.Pointer[change] // nil: not armed
	rare               *rare
	listener           *provider.Socket // that AcceptEx took the connection from

	multipoint bool          // made with the flags of winsock-spi 7.2
	leaf       bool          // by WSPJoinLeaf
	session    provider.Addr // the group that a leaf sends to
	groups     groups
	sift       sift

	phase   atomic.Uint32 // a phase; leaves connecting in wakes too
	connErr atomic.Uint32 // why the last connect failed: SO_ERROR
	since   atomic.Int64  // when it was connected, by the base's clock; 0 = not known
	term    atomic.Uint32 // why the connection ended: every later operation says so
	soft    atomic.Pointer[softError]

	acceptMu sync.Mutex
	held     []*link   // taken from the endpoint's queue and not given out
	deferred []Attempt // of a conditional listener: taken, and not decided
}

// phase is where a stream stands. A connection that died is still connected:
// term says how it ended.
type phase uint32

const (
	fresh phase = iota
	listening
	connecting
	connected
	refused // the attempt failed; the endpoint is spent, the socket is not
)

// softError is one that a send met and that the next receive reports.
type softError struct {
	errno wsa.Errno
	to    provider.Addr
}

func (k *socket) stream() bool { return k.row.Type == wsa.SOCK_STREAM }

// hasPorts reports whether addresses carry ports.
func (k *socket) hasPorts() bool {
	return k.stream() || k.row.Type == wsa.SOCK_DGRAM && k.protocol == wsa.IPPROTO_UDP
}

// reader finds the state of s and keeps it from changing. If there is no error
// the caller ends with k.mu.RUnlock.
func reader(s *provider.Socket) (*socket, wsa.Errno) {
	k, e := find(s)
	if e != 0 {
		return nil, e
	}
	k.mu.RLock()
	if k.closed {
		k.mu.RUnlock()
		return nil, wsa.ENOTSOCK
	}
	return k, 0
}

// writer is reader for an operation that changes the state. If there is no
// error the caller ends with k.mu.Unlock.
func writer(s *provider.Socket) (*socket, wsa.Errno) {
	k, e := find(s)
	if e != 0 {
		return nil, e
	}
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return nil, wsa.ENOTSOCK
	}
	return k, 0
}

func find(s *provider.Socket) (*socket, wsa.Errno) {
	if s == nil {
		return nil, wsa.ENOTSOCK
	}
	if e := s.Failed(); e != 0 {
		return nil, e
	}
	k, ok := s.Base.(*socket)
	if !ok {
		return nil, wsa.ENOTSOCK
	}
	return k, 0
}

// now is the phase after the endpoint was asked how the connect went.
func (k *socket) now() phase {
	k.settle(k.link)
	return phase(k.phase.Load())
}

// settle takes note of the end of a connect. It runs in wakes.
func (k *socket) settle(l *link) {
	if phase(k.phase.Load()) != connecting {
		return
	}
	st := l.State()
	switch {
	case st.Phase == Connected:
		k.connectedNow()
		k.phase.CompareAndSwap(uint32(connecting), uint32(connected))
	case st.Phase != Dead:
	case st.Err == wsa.ECONNRESET || st.Err == wsa.ECONNABORTED:
		// No attempt ends like this: it was connected, and is not any more.
		k.phase.CompareAndSwap(uint32(connecting), uint32(connected))
	default:
		k.connErr.Store(uint32(st.Err))
		k.phase.CompareAndSwap(uint32(connecting), uint32(refused))
	}
}

// ended is the code under which everything on a dead connection fails, 0 while
// it lives. The first stays: Windows repeats it for ever, drivers need not.
func (k *socket) ended() wsa.Errno {
	if e := k.term.Load(); e != 0 {
		return wsa.Errno(e)
	}
	st := k.link.State()
	if st.Phase != Dead {
		return 0
	}
	if st.Err == 0 {
		st.Err = wsa.ECONNABORTED
	}
	k.term.CompareAndSwap(0, uint32(st.Err))
	return wsa.Errno(k.term.Load())
}

// link ties an endpoint to the socket that it stands under. Wakes find the
// socket here, as both can change: an accepted endpoint waits without one, and
// a spent endpoint is replaced.
type link struct {
	Endpoint
	owner atomic.Pointer[socket]
}

func newLink(ep Endpoint, k *socket) *link {
	l := &link{Endpoint: ep}
	l.owner.Store(k)
	ep.Watch(l.wake)
	return l
}

func (l *link) wake(hint wsa.Events) {
	k := l.owner.Load()
	if k == nil {
		return
	}
	k.settle(l)
	if s := k.self.Load(); s != nil {
		s.Wake(hint)
	}
}

// drop closes an endpoint that nobody will use.
func (l *link) drop() {
	l.owner.Store(nil)
	l.Close(true)
}
