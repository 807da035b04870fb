package sockets

import (
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// socket is WSPSocket (winsock-spi 2.8, 3.29).
func (f *functions) socket(af, typ, protocol int32, info *provider.ProtocolInfo, g, flags uint32) (SOCKET, wsa.Errno) {
	if f.s.down.Load() {
		return INVALID_SOCKET, wsa.NOTINITIALISED
	}
	if info != nil && info.ProviderReserved != 0 {
		return f.s.redeem(info)
	}
	o := f.s.origin
	k, err := f.s.socket(&provider.SocketRequest{AF: af, Type: typ, Protocol: protocol, Info: info, Group: g, Flags: flags, Origin: &o})
	if err != nil {
		return INVALID_SOCKET, code(err)
	}
	h, _, e := f.s.adopt(f.s, k, &winsock{overlapped: flags&wsa.WSA_FLAG_OVERLAPPED != 0})
	return h, e
}

// code is the Errno in err; an error without one is none of a provider.
func code(err error) wsa.Errno {
	if err == nil {
		return 0
	}
	if e, ok := wsa.Code(err); ok {
		return e
	}
	return wsa.SYSCALLFAILURE
}

// accept is WSPAccept (winsock-spi 3.3). addr is filled whatever cond says.
// SO_RCVTIMEO does not bound it: that is for receives, and its table has no ETIMEDOUT.
func (f *functions) accept(h SOCKET, addr []byte, addrlen *int32, cond ConditionProc, callbackData any) (SOCKET, wsa.Errno) {
	k, e := f.find(h)
	if e != 0 {
		return INVALID_SOCKET, e
	}
	if addr != nil && addrlen != nil {
		if e := room(addr, addrlen, size(k.s.Family)); e != 0 {
			return INVALID_SOCKET, e
		}
	}
	w := k.winsock
	r := new(provider.AcceptRequest)
	if cond != nil {
		r.Cond = func(i *provider.Indication) provider.CondResult {
			putSockaddr(addr, addrlen, i.Caller)
			return cond(appendSockaddr(nil, i.Caller), appendSockaddr(nil, i.Callee), callbackData)
		}
	}
	var n *provider.Socket
	e = w.run(f.t, &k.rd, -1, &call{now: w.nonblocking.Load(), other: func(bool) (e wsa.Errno) {
		n, e = k.table.WSPAccept(k.s, r)
		return e
	}})
	if e != wsa.TRY_AGAIN {
		defer w.enable(wsa.FD_ACCEPT, e)
	}
	if e != 0 {
		return INVALID_SOCKET, e
	}
	return f.accepted(k, n, addr, addrlen)
}

// accepted gives a new connection its descriptor and what it has of its listener.
func (f *functions) accepted(l *sock, n *provider.Socket, addr []byte, addrlen *int32) (SOCKET, wsa.Errno) {
	w := &winsock{overlapped: l.winsock.overlapped}
	w.offered.Store(true)
	w.inherit(l.winsock)
	h, k, e := f.s.adopt(l.maker, n, w)
	if e != 0 {
		return INVALID_SOCKET, e
	}
	if a, e := k.table.WSPGetPeerName(n); e == 0 {
		putSockaddr(addr, addrlen, a)
	}
	if mask, event, post := l.winsock.selection.Load().registered(); mask != 0 {
		w.selecting().register(h, mask, event, post)
	}
	return h, 0
}

// inherit takes over what a socket has of the one that accepted it.
func (w *winsock) inherit(l *winsock) {
	w.nonblocking.Store(l.nonblocking.Load())
	for side := range w.timeout {
		w.timeout[side].Store(l.timeout[side].Load())
	}
}

// joinLeaf is WSPJoinLeaf (winsock-spi 7.3).
func (f *functions) joinLeaf(h SOCKET, name, callerData, _ []byte, sqos, gqos *QOS, flags uint32) (SOCKET, wsa.Errno) {
	k, e := f.find(h)
	if e != 0 {
		return INVALID_SOCKET, e
	}
	to, e := parseSockaddr(name)
	switch {
	case e != 0:
		return INVALID_SOCKET, e
	case len(callerData) > 0:
		return INVALID_SOCKET, wsa.EPROTONOSUPPORT
	case sqos != nil || gqos != nil:
		return INVALID_SOCKET, wsa.EOPNOTSUPP
	}
	var n *provider.Socket
	e = k.alongside(func() (e wsa.Errno) {
		n, e = k.table.WSPJoinLeaf(k.s, &provider.JoinRequest{To: to, Flags: flags})
		return e
	})
	k.winsock.selection.Load().joined(e)
	switch {
	case e != 0:
		return INVALID_SOCKET, e
	case n == k.s:
		return h, 0
	}
	return f.accepted(k, n, nil, nil)
}

// alongside runs a control operation beside the data operations; ENOTSOCK if the
// socket is closed.
func (k *sock) alongside(f func() wsa.Errno) wsa.Errno {
	k.ctl.Lock()
	defer k.ctl.Unlock()
	if k.closed.Load() {
		return wsa.ENOTSOCK
	}
	return f()
}

// closeSocket is WSPCloseSocket (winsock-spi 3.8, 8.3).
func (f *functions) closeSocket(h SOCKET) wsa.Errno {
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	}
	var seconds time.Duration
	var lingers bool
	for left := false; !left; {
		last, e := f.s.release(h, k)
		if !last {
			return e
		}
		seconds, lingers = k.lingers()
		if lingers && k.winsock.nonblocking.Load() && !k.isDrained() {
			return wsa.EWOULDBLOCK // the socket stays open, and nothing has begun
		}
		// Not if another descriptor has been made meanwhile; then this one is released.
		left = k.leaveIf(func(holders []*Session) bool {
			_, e := f.s.descriptors.find(h)
			return e == 0 && len(holders) == 1
		})
	}
	f.s.drop(h)
	k.abandon((*Overlapped).abort)
	mode := provider.CloseLinger
	if lingers {
		mode = k.lingerOut(f.t, seconds)
	}
	return code(k.end(mode))
}

// lingers is whether closing the socket waits for what was sent, and how long.
func (k *sock) lingers() (time.Duration, bool) {
	if k.s.Type != wsa.SOCK_STREAM {
		return 0, false
	}
	var v [4]byte
	e := k.alongside(func() wsa.Errno {
		_, e := k.table.WSPGetSockOpt(k.s, wsa.SOL_SOCKET, wsa.SO_LINGER, v[:])
		if _, unconnected := k.table.WSPGetPeerName(k.s); e == 0 {
			e = unconnected
		}
		return e
	})
	on, seconds := word(v[:2]), word(v[2:])
	return time.Duration(seconds) * time.Second, e == 0 && k.s.Failed() == 0 && on != 0 && seconds != 0
}

func word(b []byte) int { return int(b[0]) | int(b[1])<<8 }

func (k *sock) isDrained() bool {
	r, _ := k.level(wsa.EvDrained)
	return r.Events&wsa.EvDrained != 0
}

// lingerOut waits until the peer has acknowledged all, and says how to close: by
// a reset if it has not in time, or if the call is cancelled.
func (k *sock) lingerOut(t *Thread, d time.Duration) provider.CloseMode {
	if k.alone(func() wsa.Errno { return k.table.WSPShutdown(k.s, wsa.SD_SEND) }) != nil {
		return provider.CloseAbort
	}
	ctx := t.begin()
	defer t.end()
	if k.drained(ctx, d) {
		return provider.CloseBackground
	}
	return provider.CloseAbort
}

// abandon ends the overlapped operations of a socket that is being closed.
func (k *sock) abandon(end func(*Overlapped)) {
	k.winsock.selection.Load().stop()
	for _, d := range k.winsock.directions() {
		d.call.Lock()
		d.abort(end)
		d.call.Unlock()
	}
	k.abortFirsts(end)
}

func (o *Overlapped) abort() { o.complete(wsa.OPERATION_ABORTED) }

// shutdown is WSPShutdown (winsock-spi 3.28).
func (f *functions) shutdown(h SOCKET, how int) wsa.Errno {
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	case k.winsock.context.Load():
		return wsa.ENOTCONN
	}
	e = k.alongside(func() wsa.Errno { return k.table.WSPShutdown(k.s, how) })
	if e == 0 {
		k.winsock.over[receiving].CompareAndSwap(false, how != wsa.SD_SEND)
		k.winsock.over[sending].CompareAndSwap(false, how != wsa.SD_RECEIVE)
		k.wr.signal() // a send that waits learns of it
	}
	return e
}

// sendDisconnect is WSPSendDisconnect (winsock-spi 3.28).
func (f *functions) sendDisconnect(h SOCKET, data []byte) wsa.Errno {
	return f.disconnect(h, data, wsa.SD_SEND)
}

// recvDisconnect is WSPRecvDisconnect (winsock-spi 3.22).
func (f *functions) recvDisconnect(h SOCKET, data []byte) wsa.Errno {
	return f.disconnect(h, data, wsa.SD_RECEIVE)
}

func (f *functions) disconnect(h SOCKET, data []byte, how int) wsa.Errno {
	if _, e := f.find(h); e != 0 {
		return e
	}
	if data != nil {
		return wsa.ENOPROTOOPT
	}
	return f.shutdown(h, how)
}
