package sockets

import (
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// duplicateSocket is WSPDuplicateSocket (winsock-spi 3.10, 8.1).
func (f *functions) duplicateSocket(h SOCKET, process uint32, info *provider.ProtocolInfo) wsa.Errno {
	k, e := f.find(h)
	all := f.s.cfg.Processes
	switch {
	case e != 0:
		return e
	case process == 0 || !all.has(process):
		return wsa.EINVAL
	case info == nil:
		return wsa.EFAULT
	}
	var i *provider.ProtocolInfo
	e = k.alongside(func() (e wsa.Errno) {
		i, e = k.table.WSPDuplicateSocket(k.s, process)
		if e == 0 {
			all.offer(i, k, process)
			k.winsock.shared.Store(true)
		}
		return e
	})
	if e == 0 {
		*info = *i
	}
	return e
}

// redeem is WSPSocket with what WSPDuplicateSocket wrote: one more descriptor of
// that socket. The socket keeps the chain that it was made with; what decides on
// this session's chain is asked as if the connection were made here. EACCES: it
// said no, and the offer stands as before.
func (s *Session) redeem(info *provider.ProtocolInfo) (SOCKET, wsa.Errno) {
	all := s.cfg.Processes
	k, e := all.claim(info, s.process)
	if e != 0 {
		return INVALID_SOCKET, e
	}
	h, e := s.take(k, info)
	all.settle(info, e == 0)
	return h, e
}

func (s *Session) take(k *sock, info *provider.ProtocolInfo) (h SOCKET, e wsa.Errno) {
	k.admitted(1) // before its peer is judged, so that it is still that one afterwards
	judged, e := s.admit(k)
	defer func() {
		if e != 0 || !judged {
			k.admitted(-1)
		}
	}()
	if e != 0 {
		return INVALID_SOCKET, e
	}
	n, e := s.handles.add(k.s, true)
	if e != 0 {
		return INVALID_SOCKET, e
	}
	h = SOCKET(n)
	e = k.alongside(func() wsa.Errno {
		again, e := k.s.Chain().Redeem(&provider.SocketRequest{
			AF: wsa.FROM_PROTOCOL_INFO, Type: wsa.FROM_PROTOCOL_INFO, Protocol: wsa.FROM_PROTOCOL_INFO,
			Info: info, Origin: k.s.Origin,
		})
		if e == 0 && again != k.s {
			e = wsa.EINVAL
		}
		if e == 0 {
			e = s.hold(h, k, true)
		}
		return e
	})
	if e != 0 {
		s.handles.drop(n)
		if e == wsa.ENOTSOCK {
			e = wsa.EINVAL // closed meanwhile: what is left is a token of nothing (winsock-spi 3.29)
		}
		return INVALID_SOCKET, e
	}
	if s != k.maker {
		s.chains.foster(k.s.Chain())
	}
	return h, 0
}

func (k *sock) admitted(n int) {
	k.ctl.Lock()
	defer k.ctl.Unlock()
	k.winsock.admitted += n
}

// admit has the deciding layers of the chain that k would have here judge it. A
// socket that has no peer, or may send to others, could be used past them: such a
// one is only admitted where nothing decides, on its own chain, or where it is
// already.
func (s *Session) admit(k *sock) (judged bool, e wsa.Errno) {
	if k.winsock.heldBy(s) {
		return false, 0
	}
	o := s.origin
	var local provider.Addr
	e = k.alongside(func() wsa.Errno {
		if peer, e := k.table.WSPGetPeerName(k.s); e == 0 {
			o.Destination = peer
		}
		local, _ = k.table.WSPGetSockName(k.s)
		return 0
	})
	if e != 0 {
		return false, wsa.EINVAL
	}
	entry, _, e := s.resolve(s.cfg.Catalog.Snapshot(), &provider.SocketRequest{AF: k.s.Family, Type: k.s.Type, Protocol: k.s.Protocol, Origin: &o}, 0)
	if e != 0 {
		return false, e
	}
	c, err := s.Chain(entry.Info.CatalogEntryID)
	switch {
	case err != nil:
		return false, code(err)
	case c == k.s.Chain(), !slices.ContainsFunc(c.Storeys(), func(s provider.Storey) bool { return s.Decides }):
		return false, 0
	case o.Destination.IsZero(), k.s.Type != wsa.SOCK_STREAM:
		return false, wsa.EACCES
	}
	f := provider.Facts{
		Origin: &o, Type: k.s.Type, Protocol: k.s.Protocol, Local: local, Remote: o.Destination,
		Names: o.NamesOf(o.Destination.Addr()), Late: k.s.Learned(),
	}
	op := provider.OpConnect
	if k.winsock.offered.Load() {
		op = provider.OpAccept
	}
	v := c.Decide(f, op)
	c.Witness(f, op, v)
	if v.Denied() {
		return false, wsa.EACCES
	}
	return true, 0
}

func (w *winsock) heldBy(s *Session) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.holders, s)
}

// hold gives k a descriptor in s: ENOTSOCK if it was left meanwhile.
func (s *Session) hold(h SOCKET, k *sock, extra bool) wsa.Errno {
	k.winsock.mu.Lock()
	defer k.winsock.mu.Unlock()
	switch {
	case k.closed.Load():
		return wsa.ENOTSOCK
	case !s.descriptors.put(h, k, extra, &s.down):
		return wsa.NOTINITIALISED
	}
	k.winsock.holders = append(k.winsock.holders, s)
	return 0
}

// release takes the descriptor h off k, unless it is the last of all: that one is
// its owner's to end first. A socket whose owner has gone belongs to another who
// holds it. ENOTSOCK: h was none any more.
func (s *Session) release(h SOCKET, k *sock) (last bool, e wsa.Errno) {
	next, last, e := k.winsock.release(s, h)
	if next != nil {
		s.forget(k)
		next.keep(k) // if it is closing it comes upon k by its descriptor (part)
	}
	return last, e
}

// release takes the descriptor h of s off the socket; next is its new owner, if s
// was it and has no other descriptor.
func (w *winsock) release(s *Session, h SOCKET) (next *Session, last bool, e wsa.Errno) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, e := s.descriptors.find(h); e != 0 {
		return nil, false, e
	}
	if len(w.holders) == 1 {
		return nil, true, 0
	}
	s.drop(h)
	if i := slices.Index(w.holders, s); i >= 0 {
		w.holders = slices.Delete(w.holders, i, i+1)
	}
	if slices.Contains(w.holders, s) {
		return nil, false, 0
	}
	next = w.holders[0]
	if !w.k.session.CompareAndSwap(s, next) {
		return nil, false, 0
	}
	w.k.maker.handles.keptBy(w.k.s, next != w.k.maker)
	return next, false, 0
}

// owned makes s the owner of k, whose Close ends it.
func (k *sock) owned(s *Session) {
	k.session.Store(s)
	if k.maker != s {
		k.maker.handles.keptBy(k.s, true)
	}
}

// part gives up the sockets that others hold as well, as s ends, and leaves those
// of which they have let go meanwhile.
func (s *Session) part() (left []*sock) {
	for h, k := range s.descriptors.all() {
		for last := true; last; {
			if last, _ = s.release(h, k); last && k.leaveIf(s.alone) {
				left = append(left, k)
				break
			}
		}
	}
	return left
}

// alone reports whether nobody but s has descriptors.
func (s *Session) alone(holders []*Session) bool {
	return !slices.ContainsFunc(holders, func(o *Session) bool { return o != s })
}

// cleanup is WSPCleanup (winsock-spi 3.2): it gives up one WSPStartup, and the
// last one ends the session.
func (s *Session) cleanup() wsa.Errno {
	switch left := s.starts.Add(-1); {
	case left < 0 || s.down.Load():
		return wsa.NOTINITIALISED
	case left > 0:
		return 0
	}
	return code(s.Close())
}
