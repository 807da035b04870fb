package sockets

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// SOCKET is a descriptor of the Winsock face. A number is given out once in the
// life of a session (and of all that share Config.Handles), so one that is stale
// is ENOTSOCK and never somebody else's socket. Two descriptors may stand for one
// socket (WSPDuplicateSocket).
type SOCKET uint64

// INVALID_SOCKET is no socket.
const INVALID_SOCKET = ^SOCKET(0)

// descriptors are the sockets of a session's Winsock face.
type descriptors struct {
	mu    sync.RWMutex
	open  map[SOCKET]*sock
	extra map[SOCKET]bool // got by a token: their numbers are not their sockets'
}

func (t *descriptors) find(s SOCKET) (*sock, wsa.Errno) {
	t.mu.RLock()
	k := t.open[s]
	t.mu.RUnlock()
	if k == nil || k.closed.Load() {
		return nil, wsa.ENOTSOCK
	}
	return k, 0
}

// put adds a descriptor, unless down says that the session has ended: then all has,
// or has been, asked for the last time.
func (t *descriptors) put(s SOCKET, k *sock, extra bool, down *atomic.Bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if down.Load() {
		return false
	}
	if t.open == nil {
		t.open, t.extra = make(map[SOCKET]*sock), make(map[SOCKET]bool)
	}
	t.open[s] = k
	if extra {
		t.extra[s] = true
	}
	return true
}

// all are the descriptors as they are now.
func (t *descriptors) all() map[SOCKET]*sock {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return maps.Clone(t.open)
}

// clear forgets all, so that a session that has ended does not hold their memory.
func (t *descriptors) clear() {
	t.mu.Lock()
	t.open, t.extra = nil, nil
	t.mu.Unlock()
}

// drop forgets a descriptor, and whether it was an extra one.
func (t *descriptors) drop(s SOCKET) (extra bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	extra = t.extra[s]
	delete(t.open, s)
	delete(t.extra, s)
	return extra
}

// drop forgets a descriptor of s.
func (s *Session) drop(h SOCKET) {
	if s.descriptors.drop(h) {
		s.handles.drop(uint64(h))
	}
}

// adopt makes k, of a chain of maker's, a socket of the Winsock face, with a descriptor.
func (s *Session) adopt(maker *Session, k *provider.Socket, w *winsock) (SOCKET, *sock, wsa.Errno) {
	n, err := s.newSock(maker, k, w)
	if err != nil {
		return INVALID_SOCKET, nil, wsa.NOTINITIALISED
	}
	h := SOCKET(k.Handle())
	if maker != s {
		s.chains.foster(k.Chain())
	}
	if e := s.hold(h, n, false); e != 0 {
		n.close(provider.CloseAbort)
		return INVALID_SOCKET, nil, e
	}
	return h, n, 0
}

// Lookup is the socket of a descriptor (WPUQuerySocketHandleContext): ENOTSOCK
// if it has none. The socket must not be closed by its table.
func (s *Session) Lookup(h SOCKET) (*provider.Socket, wsa.Errno) {
	k, e := s.descriptors.find(h)
	if e != 0 {
		return nil, e
	}
	return k.s, 0
}
