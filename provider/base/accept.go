package base

import (
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// accept is WSPAccept (winsock-spi 3.3): EOPNOTSUPP on a datagram socket, EINVAL
// on one that does not listen or if Into cannot take the connection, EWOULDBLOCK
// if none waits, ECONNRESET if its peer is gone, ECONNREFUSED and TRY_AGAIN by
// the condition function. A connection that finds no descriptor (EMFILE,
// ENOBUFS) stays at the head of the queue.
func accept(s *provider.Socket, r *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
	if e := checkInto(s, r.Into); e != 0 {
		return nil, e
	}
	k, l, e := next(s, r)
	if e != 0 {
		return nil, e
	}
	caller, _ := l.PeerAddr()
	callee, _ := l.LocalAddr()
	if l.State().Phase == Dead {
		l.drop()
		return nil, wsa.ECONNRESET
	}
	// No lock is held here: the condition function is the application's, or a layer's.
	if r.Cond != nil && !k.judged() {
		switch r.Cond(&provider.Indication{Caller: caller, Callee: callee}) {
		case provider.CF_ACCEPT:
		case provider.CF_REJECT:
			l.drop()
			return nil, wsa.ECONNREFUSED
		case provider.CF_DEFER:
			k.hold(l)
			return nil, wsa.TRY_AGAIN
		default:
			k.hold(l)
			return nil, wsa.EINVAL
		}
	}
	n, e := k.deliver(l, r.Into, callee, caller)
	if e != 0 {
		k.hold(l)
		return nil, e
	}
	return n, 0
}

// checkInto looks at AcceptEx' socket before a connection is taken for it. No two
// sockets are held at once.
func checkInto(listener, into *provider.Socket) wsa.Errno {
	if into == nil {
		return 0
	}
	l, e := find(listener)
	if e != 0 {
		return e
	}
	n, e := reader(into)
	if e != 0 {
		return e
	}
	defer n.mu.RUnlock()
	if l.stream() && !n.adopts(l) {
		return wsa.EINVAL
	}
	return 0
}

// next is take, after a conditional listener's attempts were put to the condition
// function if no connection is there.
func next(s *provider.Socket, r *provider.AcceptRequest) (*socket, *link, wsa.Errno) {
	k, l, e := take(s, r)
	if e != wsa.EWOULDBLOCK {
		return k, l, e
	}
	if k, e = find(s); e != 0 {
		return nil, nil, e
	}
	if answered, e := k.consider(r); !answered {
		return nil, nil, e
	}
	return take(s, r)
}

// take removes the first connection from the queue.
func take(s *provider.Socket, r *provider.AcceptRequest) (*socket, *link, wsa.Errno) {
	k, e := reader(s)
	if e != 0 {
		return nil, nil, e
	}
	defer k.mu.RUnlock()
	switch {
	case !k.stream():
		return nil, nil, wsa.EOPNOTSUPP
	case k.now() != listening, r.Into == s:
		return nil, nil, wsa.EINVAL
	}
	k.acceptMu.Lock()
	defer k.acceptMu.Unlock()
	if len(k.held) > 0 {
		l := k.held[0]
		k.held = slices.Delete(k.held, 0, 1)
		return k, l, 0
	}
	ep, e := k.link.Accept()
	if e != 0 {
		return nil, nil, e
	}
	return k, newLink(ep, nil), 0
}

// hold puts a connection back at the head of the queue. Should the listener
// have been closed meanwhile, the connection goes with it. Nobody is woken: the
// caller knows, and waking on EMFILE would make a busy loop.
func (k *socket) hold(l *link) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.closed {
		l.drop()
		return
	}
	k.acceptMu.Lock()
	k.held = slices.Insert(k.held, 0, l)
	k.acceptMu.Unlock()
}

func (k *socket) holding() bool {
	k.acceptMu.Lock()
	defer k.acceptMu.Unlock()
	return len(k.held)+len(k.deferred) > 0
}

// adopts reports whether k can take a connection of the listener: unbound,
// unconnected, of the same chain and kind. k.mu is held.
func (k *socket) adopts(listener *socket) bool {
	return k.in == listener.in && k.row == listener.row && !k.bound && phase(k.phase.Load()) == fresh
}

// deliver puts the connection under a new Socket, which has the listener's
// options, or under into.
func (k *socket) deliver(l *link, into *provider.Socket, local, peer provider.Addr) (*provider.Socket, wsa.Errno) {
	if into != nil {
		return into, k.adopt(l, into, local, peer)
	}
	n := &socket{in: k.in, row: k.row, protocol: k.protocol, link: l}
	k.mu.RLock()
	n.values = slices.Clone(k.values)
	k.mu.RUnlock()
	n.establish(l, local, peer)
	s, e := k.in.register(n)
	if e != 0 {
		l.owner.Store(nil)
		return nil, e
	}
	return s, 0
}

// adopt is AcceptEx: into's own endpoint, which was never used, goes.
func (k *socket) adopt(l *link, into *provider.Socket, local, peer provider.Addr) wsa.Errno {
	n, e := writer(into)
	if e != 0 {
		return e
	}
	defer n.mu.Unlock()
	if !n.adopts(k) {
		return wsa.EINVAL
	}
	n.link.drop()
	n.link = l
	n.listener = k.self.Load()
	n.establish(l, local, peer)
	return 0
}

// establish makes k the socket of an accepted connection.
func (k *socket) establish(l *link, local, peer provider.Addr) {
	k.bound, k.local, k.peer = true, local, peer
	k.connectedNow()
	k.phase.Store(uint32(connected))
	k.prepare(l, true)
	l.owner.Store(k)
}
