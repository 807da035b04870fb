package sockets

import (
	"context"
	"math"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

func (f *functions) recv(h SOCKET, buffers [][]byte, n *uint32, flags *wsa.MsgFlags, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno {
	return f.receive(h, buffers, n, flags, nil, nil, false, o, routine, t)
}

func (f *functions) recvFrom(h SOCKET, buffers [][]byte, n *uint32, flags *wsa.MsgFlags, from []byte, fromlen *int32, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno {
	return f.receive(h, buffers, n, flags, from, fromlen, true, o, routine, t)
}

// receive is WSPRecv and WSPRecvFrom (winsock-spi 3.21, 3.23).
func (f *functions) receive(h SOCKET, buffers [][]byte, n *uint32, flags *wsa.MsgFlags, from []byte, fromlen *int32, named bool, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno {
	k, e := f.find(h)
	if e != 0 {
		return e
	}
	w := k.winsock
	if k.s.Type == wsa.SOCK_STREAM {
		from, fromlen = nil, nil // ignored for connection-oriented sockets
	}
	if e = receivable(buffers, n, flags, o); e == 0 && fromlen != nil {
		e = room(from, fromlen, size(k.s.Family))
	}
	if e != 0 {
		w.enable(wsa.FD_READ|wsa.FD_OOB, e)
		return e
	}
	if o != nil {
		return f.receiveOverlapped(k, buffers, n, flags, from, fromlen, named, completion{o, routine, f.thread(t)})
	}
	c := call{data: k.table.WSPRecv, buffers: buffers, flags: *flags &^ wsa.MSG_WAITALL}
	if named {
		c.data = k.table.WSPRecvFrom
	}
	blocks := !w.nonblocking.Load()
	switch waitall := *flags&wsa.MSG_WAITALL != 0 && blocks && k.s.Type == wsa.SOCK_STREAM; {
	case k.s.Type == wsa.SOCK_STREAM && length(buffers) == 0 && blocks:
		c = call{other: k.hasData}
	case waitall && c.flags&wsa.MSG_PEEK != 0:
		c.enough = length(buffers)
	case waitall:
		c.whole = true
	}
	c.now = !blocks
	e = w.run(f.t, &k.rd, receiving, &c)
	if e == 0 || e == wsa.EMSGSIZE {
		*n, *flags = uint32(c.n), c.flags
		if fromlen != nil {
			putSockaddr(from, fromlen, c.addr)
		}
	}
	w.enable(wsa.FD_READ|wsa.FD_OOB, e)
	return e
}

func receivable(buffers [][]byte, n *uint32, flags *wsa.MsgFlags, o *Overlapped) wsa.Errno {
	if flags == nil {
		return wsa.EFAULT
	}
	return movable(buffers, n, o)
}

// movable judges the arguments of every data operation: a count is a DWORD.
func movable(buffers [][]byte, n *uint32, o *Overlapped) wsa.Errno {
	switch {
	case buffers == nil, n == nil && o == nil:
		return wsa.EFAULT
	case len(buffers) == 0, uint64(length(buffers)) > math.MaxUint32:
		return wsa.EINVAL
	}
	return 0
}

func size(family int32) int32 { return sockaddrLen(provider.Addr{Family: family}) }

func length(buffers [][]byte) (n int) {
	for _, b := range buffers {
		n += len(b)
	}
	return n
}

// readable is whether a receive has n bytes or the end of the stream before it.
func (k *sock) readable(n int) wsa.Errno {
	if e := k.s.Failed(); e != 0 {
		return e
	}
	r := k.table.Ready(k.s, wsa.FD_READ|wsa.FD_CLOSE)
	if r.Events&wsa.FD_CLOSE != 0 || r.Events&wsa.FD_READ != 0 && r.Queued >= n {
		return 0
	}
	return wsa.EWOULDBLOCK
}

// hasData is whether a receive of no bytes is complete: there are some, or the end,
// or an error. It looks at one (MSG_PEEK), with rd.call held: readiness does not tell
// what is wrong with the socket.
func (k *sock) hasData(pended bool) wsa.Errno {
	return k.try(&k.rd, &call{data: k.table.WSPRecv, buffer: k.rd.one[:], flags: wsa.MSG_PEEK}, pended)
}

func (f *functions) receiveOverlapped(k *sock, buffers [][]byte, n *uint32, flags *wsa.MsgFlags, from []byte, fromlen *int32, named bool, c completion) wsa.Errno {
	switch {
	case !k.winsock.overlapped:
		return wsa.EINVAL
	case *flags&wsa.MSG_PEEK != 0:
		return wsa.EOPNOTSUPP
	case c.routine != nil && c.thread == nil:
		return wsa.EFAULT
	}
	stream := k.s.Type == wsa.SOCK_STREAM
	e := k.start(&k.rd, c, k.mayReceive, func(o *Overlapped) {
		o.call = call{data: k.table.WSPRecv, buffers: o.capture(buffers), owned: true, flags: *flags &^ wsa.MSG_WAITALL}
		if named {
			o.call.data = k.table.WSPRecvFrom
		}
		o.call.whole = stream && *flags&wsa.MSG_WAITALL != 0
		o.from, o.fromlen = from, fromlen
		o.step = transfer
		if stream && length(buffers) == 0 {
			o.step = awaitData
		}
	}, n, flags)
	k.winsock.enable(wsa.FD_READ|wsa.FD_OOB, e)
	return e
}

// mayReceive judges a receive that has to queue by the state at issue (law 7).
func (k *sock) mayReceive() wsa.Errno { return k.winsock.mayWait(receiving, wsa.ESHUTDOWN) }

func (k *sock) maySend() wsa.Errno { return k.winsock.mayWait(sending, wsa.ESHUTDOWN) }

func (w *winsock) mayWait(side int, e wsa.Errno) wsa.Errno {
	switch f := w.k.s.Failed(); {
	case f != 0:
		return f
	case side == sending && w.listens.Load():
		return wsa.ENOTCONN
	case w.over[side].Load():
		return e
	}
	return wsa.EWOULDBLOCK
}

func (f *functions) send(h SOCKET, buffers [][]byte, n *uint32, flags wsa.MsgFlags, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno {
	return f.transmit(h, buffers, n, flags, nil, false, o, routine, t)
}

func (f *functions) sendTo(h SOCKET, buffers [][]byte, n *uint32, flags wsa.MsgFlags, to []byte, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno {
	return f.transmit(h, buffers, n, flags, to, true, o, routine, t)
}

// transmit is WSPSend and WSPSendTo (winsock-spi 3.25, 3.26).
func (f *functions) transmit(h SOCKET, buffers [][]byte, n *uint32, flags wsa.MsgFlags, to []byte, named bool, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno {
	k, e := f.find(h)
	stream := e == 0 && k.s.Type == wsa.SOCK_STREAM
	var addr provider.Addr
	if e == 0 {
		e = movable(buffers, n, o)
	}
	if e != 0 {
		return e
	}
	if to != nil && !stream {
		if addr, e = parseSockaddr(to); e != 0 {
			return e
		}
	}
	data := k.table.WSPSend
	if named {
		data = k.table.WSPSendTo
	}
	if o != nil {
		return f.sendOverlapped(k, call{data: data, addr: addr, flags: flags, whole: stream}, buffers, n, completion{o, routine, f.thread(t)})
	}
	w := k.winsock
	c := call{data: data, addr: addr, flags: flags, buffers: buffers}
	c.now = w.nonblocking.Load()
	c.whole = stream && !c.now
	e = w.run(f.t, &k.wr, sending, &c)
	if e == 0 {
		*n = uint32(c.n)
	} else if e == wsa.EINTR && c.n > 0 {
		k.s.Fail(wsa.ECONNABORTED, "a send was cancelled half-way")
	}
	w.sent(e, c.n < length(buffers))
	return e
}

// sent enables FD_WRITE after a send that found no room for all.
func (w *winsock) sent(e wsa.Errno, short bool) {
	if e == wsa.EWOULDBLOCK || e == 0 && short {
		w.enable(wsa.FD_WRITE, e)
	} else if e == 0 && w.k.s.Type != wsa.SOCK_STREAM {
		w.enable(0, 0) // it may have bound the socket
	}
}

func (f *functions) sendOverlapped(k *sock, data call, buffers [][]byte, n *uint32, c completion) wsa.Errno {
	switch {
	case !k.winsock.overlapped:
		return wsa.EINVAL
	case c.routine != nil && c.thread == nil:
		return wsa.EFAULT
	}
	return k.start(&k.wr, c, k.maySend, func(o *Overlapped) {
		o.call = data
		o.call.buffers, o.call.owned = o.capture(buffers), true
		o.step = transfer
	}, n, nil)
}

// getOverlappedResult is WSPGetOverlappedResult (winsock-spi 3.13).
func (f *functions) getOverlappedResult(h SOCKET, o *Overlapped, n *uint32, wait bool, flags *wsa.MsgFlags) wsa.Errno {
	if _, e := f.find(h); e != 0 && (o == nil || o.status.Load() != operationDone) {
		return e
	}
	if o == nil || n == nil || flags == nil {
		return wsa.EINVAL
	}
	if wait && o.status.Load() == operationPending {
		ctx, cancel := context.WithCancel(f.t.begin())
		defer f.t.end()
		defer cancel()
		defer context.AfterFunc(f.s.ctx, cancel)() // WSPCleanup signals no event
		if e := o.HEvent.Wait(ctx); e != 0 {
			return e
		}
	}
	switch o.status.Load() {
	case operationPending:
		return wsa.IO_INCOMPLETE
	case operationFree:
		return wsa.EINVAL
	}
	if o.errno == 0 || o.errno == wsa.EMSGSIZE {
		*n, *flags = o.n, o.flags
	}
	return o.errno
}
