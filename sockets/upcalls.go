package sockets

import (
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// WSPUpcallTable is WSPUPCALLTABLE: the 15 functions that a provider may call, in
// SDK order. A provider of this project needs two of them, which come to it in
// [provider.Upcalls], as its sockets are made there; the whole is for those who
// look for the names, and for a provider that lives beside the chains: it makes
// descriptors of its own and completes operations on them.
//
// WPUCompleteOverlappedRequest is not in the table, as in the SDK: see
// [Session.WPUCompleteOverlappedRequest].
type WSPUpcallTable struct {
	// WPUCloseEvent is WSACloseEvent: INVALID_HANDLE.
	WPUCloseEvent func(*Event) wsa.Errno
	// WPUCloseSocketHandle takes a descriptor of WPUCreateSocketHandle away: ENOTSOCK.
	WPUCloseSocketHandle func(SOCKET) wsa.Errno
	// WPUCreateEvent is WSACreateEvent: manual-reset, not signalled.
	WPUCreateEvent func() (*Event, wsa.Errno)
	// WPUCreateSocketHandle is a new descriptor with a context: ENOBUFS beyond
	// Config.MaxSockets, EINVAL for an entry that is not in the catalog.
	WPUCreateSocketHandle func(entry provider.CatalogID, context any) (SOCKET, wsa.Errno)
	// WPUFDIsSet is FD_ISSET.
	WPUFDIsSet func(SOCKET, *FDSet) bool
	// WPUGetProviderPath is the name that a provider was installed under: EINVAL.
	WPUGetProviderPath func(provider.GUID) (string, wsa.Errno)
	// WPUModifyIFSHandle is for providers whose sockets are handles of the system.
	// One handle space serves all storeys here, so it returns the descriptor that
	// is proposed; EINVAL if it is none of the session's.
	WPUModifyIFSHandle func(entry provider.CatalogID, proposed SOCKET) (SOCKET, wsa.Errno)
	// WPUPostMessage has post called on a goroutine of the session, one message after
	// the other in the order in which they were posted; false when the session ends, or
	// when 10,000 wait. It does not block.
	WPUPostMessage func(post MessageProc, s SOCKET, event wsa.Events, e wsa.Errno) bool
	// WPUQueryBlockingCallback returns no callback: blocking is the session's. EINVAL
	// for an entry that is not in the catalog.
	WPUQueryBlockingCallback func(entry provider.CatalogID) (callback func() bool, e wsa.Errno)
	// WPUQuerySocketHandleContext is the context of a descriptor, which for a socket
	// of the session is its *provider.Socket: ENOTSOCK.
	WPUQuerySocketHandleContext func(SOCKET) (any, wsa.Errno)
	// WPUQueueApc has f run where the thread waits: EFAULT without a thread.
	WPUQueueApc func(t *Thread, f func()) wsa.Errno
	// WPUResetEvent is WSAResetEvent: INVALID_HANDLE.
	WPUResetEvent func(*Event) wsa.Errno
	// WPUSetEvent is WSASetEvent: INVALID_HANDLE.
	WPUSetEvent func(*Event) wsa.Errno
	// WPUOpenCurrentThread is a new thread: NOTINITIALISED.
	WPUOpenCurrentThread func() (*Thread, wsa.Errno)
	// WPUCloseThread ends the use of a thread: EFAULT without one, NOTINITIALISED.
	WPUCloseThread func(*Thread) wsa.Errno
}

// Upcalls is the session's upcall table (WSPStartup's UpcallTable).
func (s *Session) Upcalls() WSPUpcallTable {
	return WSPUpcallTable{
		WPUCloseEvent:               (*Event).Close,
		WPUCloseSocketHandle:        s.closeSocketHandle,
		WPUCreateEvent:              func() (*Event, wsa.Errno) { return CreateEvent(), 0 },
		WPUCreateSocketHandle:       s.createSocketHandle,
		WPUFDIsSet:                  func(h SOCKET, set *FDSet) bool { return set.IsSet(h) },
		WPUGetProviderPath:          s.providerPath,
		WPUModifyIFSHandle:          s.modifyIFSHandle,
		WPUPostMessage:              s.postMessage,
		WPUQueryBlockingCallback:    s.queryBlockingCallback,
		WPUQuerySocketHandleContext: s.querySocketHandleContext,
		WPUQueueApc:                 queueApc,
		WPUResetEvent:               (*Event).Reset,
		WPUSetEvent:                 (*Event).Set,
		WPUOpenCurrentThread:        s.openCurrentThread,
		WPUCloseThread:              s.closeThread,
	}
}

// contexts are the descriptors of WPUCreateSocketHandle.
type contexts struct {
	mu   sync.Mutex
	open map[SOCKET]*foreign
}

// foreign is a descriptor of a provider beside the chains.
type foreign struct {
	context any
	port    *association
	pending map[*Overlapped]bool // begun on it
}

func (s *Session) createSocketHandle(entry provider.CatalogID, context any) (SOCKET, wsa.Errno) {
	if _, ok := s.cfg.Catalog.Snapshot().Entry(entry); !ok {
		return INVALID_SOCKET, wsa.EINVAL
	}
	c := &s.contexts
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.down.Load():
		return INVALID_SOCKET, wsa.NOTINITIALISED
	case len(c.open) >= s.cfg.MaxSockets:
		return INVALID_SOCKET, wsa.ENOBUFS
	case c.open == nil:
		c.open = make(map[SOCKET]*foreign)
	}
	h := SOCKET(s.cfg.Handles.Add(1))
	c.open[h] = &foreign{context: context, pending: make(map[*Overlapped]bool)}
	return h, 0
}

func (s *Session) closeSocketHandle(h SOCKET) wsa.Errno {
	c := &s.contexts
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[h] == nil {
		return wsa.ENOTSOCK
	}
	delete(c.open, h)
	return 0
}

func (s *Session) querySocketHandleContext(h SOCKET) (any, wsa.Errno) {
	c := &s.contexts
	c.mu.Lock()
	f := c.open[h]
	c.mu.Unlock()
	if f != nil {
		return f.context, 0
	}
	k, e := s.Lookup(h)
	if e != 0 {
		return nil, e
	}
	return k, 0
}

func (s *Session) providerPath(g provider.GUID) (string, wsa.Errno) {
	return s.cfg.Catalog.Snapshot().WSCGetProviderPath(g)
}

func (s *Session) modifyIFSHandle(entry provider.CatalogID, proposed SOCKET) (SOCKET, wsa.Errno) {
	_, known := s.cfg.Catalog.Snapshot().Entry(entry)
	if _, e := s.querySocketHandleContext(proposed); e != 0 || !known {
		return INVALID_SOCKET, wsa.EINVAL
	}
	return proposed, 0
}

// maxMessages is what a message queue of Windows holds (USERPostMessageLimit).
const maxMessages = 10000

// messages are those of WPUPostMessage that wait. One goroutine posts them, in order,
// while there are any.
type messages struct {
	mu      sync.Mutex
	waiting []func()
	posting bool
}

func (s *Session) postMessage(post MessageProc, h SOCKET, event wsa.Events, e wsa.Errno) bool {
	if post == nil {
		return false
	}
	q := &s.messages
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxMessages || s.down.Load() {
		return false
	}
	if !q.posting && !s.background(q.run) {
		return false
	}
	q.posting = true
	q.waiting = append(q.waiting, func() { post(h, event, e) })
	return true
}

func (q *messages) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 {
		next := q.waiting[0]
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		unlocked(&q.mu, next)
	}
	q.waiting, q.posting = nil, false
}

func (s *Session) queryBlockingCallback(entry provider.CatalogID) (func() bool, wsa.Errno) {
	if _, ok := s.cfg.Catalog.Snapshot().Entry(entry); !ok {
		return nil, wsa.EINVAL
	}
	return nil, 0
}

func queueApc(t *Thread, f func()) wsa.Errno {
	if t == nil || f == nil {
		return wsa.EFAULT
	}
	t.QueueAPC(f)
	return 0
}

func (s *Session) openCurrentThread() (*Thread, wsa.Errno) {
	if s.down.Load() {
		return nil, wsa.NOTINITIALISED
	}
	return OpenThread(), 0
}

func (s *Session) closeThread(t *Thread) wsa.Errno {
	switch {
	case s.down.Load():
		return wsa.NOTINITIALISED
	case t == nil:
		return wsa.EFAULT
	}
	return 0
}

// WPUCompleteOverlappedRequest ends the operation o on a descriptor of
// WPUCreateSocketHandle, which its provider has begun by
// [Session.WPUBeginOverlapped]: the port of the descriptor gets a record, and the
// event is set. EINVAL: another descriptor, or o is not pending on it.
func (s *Session) WPUCompleteOverlappedRequest(h SOCKET, o *Overlapped, e wsa.Errno, n uint32) wsa.Errno {
	s.contexts.mu.Lock()
	f := s.contexts.open[h]
	pending := f != nil && f.pending[o]
	if pending {
		delete(f.pending, o)
	}
	s.contexts.mu.Unlock()
	if !pending {
		return wsa.EINVAL
	}
	o.n = n
	o.complete(e)
	return 0
}

// WPUBeginOverlapped marks o as an operation under way on a descriptor of
// WPUCreateSocketHandle: what a provider of Windows does by setting Internal to
// WSS_OPERATION_IN_PROGRESS. Errors are those of starting any operation: EINVAL
// for one that is pending, ENOBUFS for a port that is full.
func (s *Session) WPUBeginOverlapped(h SOCKET, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno {
	s.contexts.mu.Lock()
	defer s.contexts.mu.Unlock()
	f := s.contexts.open[h]
	switch {
	case f == nil || o == nil:
		return wsa.EINVAL
	case routine != nil && t == nil:
		return wsa.EFAULT
	}
	if e := o.begin(f.port, completion{o, routine, t}); e != 0 {
		return e
	}
	f.pending[o] = true
	return 0
}
