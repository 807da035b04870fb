package sockets

import (
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// pair finds the two sockets of AcceptEx.
func (f *functions) pair(listen, accept SOCKET) (l, n *sock, e wsa.Errno) {
	if l, e = f.find(listen); e != 0 {
		return nil, nil, e
	}
	n, e = f.find(accept)
	return l, n, e
}

// acceptEx is what an AcceptEx works on.
type acceptEx struct {
	o             *Overlapped
	l, into       *sock
	data          []byte
	local, remote []byte
}

// AcceptEx (LPFN_ACCEPTEX) accepts the next connection of listen into accept, a socket of the same
// chain that is neither bound nor connected, and receives its first data: up to
// receive bytes into the beginning of out, without waiting for any if receive is
// 0. After that the local address (local bytes; 0 for none) and the remote one
// (remote bytes) are written, each in at least 16 bytes more than its sockaddr;
// [GetAcceptExSockaddrs] reads them. The call does not block: IO_PENDING.
//
// The socket has names, options and mode of listen after SO_UPDATE_ACCEPT_CONTEXT.
// The operation is one of listen: closing that ends it, also while it waits for
// data. If accept is closed before a connection has come, the operation fails then
// (ENOTSOCK), and the connection stays for the next.
//
// out is lent until the end. EINVAL: no o, or not such sockets, or accept is promised to
// another AcceptEx; ENOTSOCK, EMFILE and ECONNRESET as WSPAccept.
// EFAULT: out or an address is too small.
func (s *Session) AcceptEx(listen, accept SOCKET, out []byte, receive, local, remote uint32, n *uint32, o *Overlapped) wsa.Errno {
	f := functions{s: s}
	l, into, e := f.pair(listen, accept)
	if e != 0 {
		return e
	}
	need := uint32(size(l.s.Family)) + 16
	switch {
	case o == nil, l == into, l.s.Chain() != into.s.Chain(), !l.winsock.overlapped:
		return wsa.EINVAL
	case remote < need, local != 0 && local < need, uint64(len(out)) < uint64(receive)+uint64(local)+uint64(remote):
		return wsa.EFAULT
	case !into.winsock.promised.CompareAndSwap(false, true):
		return wsa.EINVAL
	}
	w := &acceptEx{o: o, l: l, into: into, data: out[:receive], local: out[receive : receive+local], remote: out[receive+local : receive+local+remote]}
	begun := false
	e = l.start(&l.rd, completion{o: o}, w.mayAccept, func(o *Overlapped) {
		begun = true
		o.work, o.step = w, w.accept
	}, n, nil)
	if !begun {
		into.winsock.promised.Store(false)
	}
	l.winsock.enable(wsa.FD_ACCEPT, e)
	return e
}

// mayAccept judges an AcceptEx that others stand before.
func (w *acceptEx) mayAccept() wsa.Errno {
	if w.into.winsock.bound() {
		return wsa.EINVAL
	}
	return w.l.winsock.mayWait(receiving, wsa.EINVAL)
}

func (w *acceptEx) accept(o *Overlapped, _ bool) wsa.Errno {
	if e := w.into.alongside(w.take); e != 0 {
		return e
	}
	w.into.winsock.context.Store(true)
	w.into.winsock.offered.Store(true)
	if len(w.data) == 0 {
		return 0
	}
	o.call = call{data: w.into.table.WSPRecv, buffer: w.data}
	o.step = w.receive
	o.on.Store(&w.into.rd)
	l := w.l.winsock
	l.mu.Lock()
	l.firsts = append(l.firsts, w)
	l.mu.Unlock()
	return wsa.IO_PENDING
}

func (w *acceptEx) take() wsa.Errno {
	if _, e := w.l.table.WSPAccept(w.l.s, &provider.AcceptRequest{Into: w.into.s}); e != 0 {
		return e
	}
	if a, e := w.into.table.WSPGetSockName(w.into.s); e == 0 && len(w.local) > 0 {
		appendSockaddr(w.local[:0], a)
	}
	if a, e := w.into.table.WSPGetPeerName(w.into.s); e == 0 {
		appendSockaddr(w.remote[:0], a)
	}
	return 0
}

func (w *acceptEx) receive(o *Overlapped, pended bool) wsa.Errno {
	e := w.into.try(&w.into.rd, &o.call, pended)
	if e == 0 {
		o.n = uint32(o.call.n)
	}
	return e
}

// ended is called when the operation has ended, however it did.
func (w *acceptEx) ended() {
	w.into.winsock.promised.Store(false)
	l := w.l.winsock
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.firsts, w); i >= 0 {
		l.firsts = slices.Delete(l.firsts, i, i+1)
	}
}

// abortFirsts ends the AcceptEx of a listener that wait for data of a connection,
// and are in its queue. It returns how many.
func (k *sock) abortFirsts(end func(*Overlapped)) (n int) {
	k.winsock.mu.Lock()
	all := slices.Clone(k.winsock.firsts)
	k.winsock.mu.Unlock()
	for _, w := range all {
		d := &w.into.rd
		d.call.Lock()
		// It may have ended, and o be another operation, even in the same queue.
		if w.o.place.in.Load() == d && w.o.work == any(w) {
			d.remove(&w.o.place)
			end(w.o)
			n++
		}
		d.call.Unlock()
	}
	return n
}

// GetAcceptExSockaddrs reads what [Session.AcceptEx] has written into out, with
// the same sizes.
func GetAcceptExSockaddrs(out []byte, receive, local, remote uint32) (localAddr, remoteAddr provider.Addr) {
	at := func(from, n uint32) provider.Addr {
		if uint64(from)+uint64(n) > uint64(len(out)) {
			return provider.Addr{}
		}
		a, _ := parseSockaddr(out[from : from+n])
		return a
	}
	return at(receive, local), at(receive+local, remote)
}
