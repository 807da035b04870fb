package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 12.7: room for data, the end of a connection, listeners.
var (
	_ = sequence("send until WSAEWOULDBLOCK, then peer drains: FD_WRITE once", 0, func(w *Case, messages bool) {
		c, s, o := w.watchedPair(messages)
		sent := w.S.sendShort(s)
		w.drain(c, sent)
		o.until("room again", wsa.FD_WRITE, 0)
		o.nothing("room again", c)
	})
	_ = sequence("peer sends 2 then closes: FD_READ and FD_CLOSE; reading: FD_READ, then no further events", NeedsUnheld, func(w *Case, messages bool) {
		c, _, o := w.watchedPair(messages)
		w.C.Send(c, "12")
		w.Want("close", w.C.WSPCloseSocket(c), 0)
		o.until("data and the end", wsa.FD_READ|wsa.FD_CLOSE, 0)
		if e := o.err(wsa.FD_CLOSE); e != 0 {
			w.Errorf("FD_CLOSE says %v", e)
		}
		o.read("1")
		o.until("one byte left", wsa.FD_READ, 0)
		o.read("2")
		o.collect()
		if o.heard != 0 {
			w.Errorf("events %#x after the last byte", uint32(o.heard))
		}
	})
	_ = sequence("peer sends 2 then shutdown(SD_SEND): exactly one FD_CLOSE", NeedsUnheld, func(w *Case, messages bool) {
		c, s, o := w.watchedPair(messages)
		w.C.Send(c, "12")
		w.Want("shutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		o.until("data and the end", wsa.FD_READ|wsa.FD_CLOSE, 0)
		o.read("1")
		o.until("one byte left", wsa.FD_READ, 0)
		o.read("2")
		if got, e := w.S.Recv(s, 1, 0); got != "" || e != 0 {
			w.Errorf("the end: %q, %v", got, e)
		}
		o.collect()
		if o.heard != 0 {
			w.Errorf("events %#x after the end", uint32(o.heard))
		}
	})
	_ = sequence("send to a half-closed peer succeeds, no events", 0, func(w *Case, messages bool) {
		c, s, o := w.watchedPair(messages)
		w.Want("shutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		o.until("the end", wsa.FD_CLOSE, 0)
		w.S.Send(s, "still")
		if got := w.C.Read(c, 5); got != "still" {
			w.Errorf("%q", got)
		}
		o.collect()
		if o.heard != 0 {
			w.Errorf("events %#x after a send", uint32(o.heard))
		}
	})
	_ = sequence("peer resets: FD_CLOSE with an error", 0, func(w *Case, messages bool) {
		c, _, o := w.watchedPair(messages)
		w.Want("SO_LINGER {1, 0}", w.C.SetOption(c, sol, wsa.SO_LINGER, 1), 0)
		w.Want("close", w.C.WSPCloseSocket(c), 0)
		o.until("a reset", wsa.FD_CLOSE, wsa.FD_READ)
		if e := o.err(wsa.FD_CLOSE); e != wsa.ECONNRESET && e != wsa.ECONNABORTED {
			w.Errorf("FD_CLOSE says %v", e)
		}
	})
	_ = sequence("a listener: FD_ACCEPT, again after accept while connections wait", 0, func(w *Case, messages bool) {
		l, at := w.S.Listen()
		o := w.observe(w.S, l, messages)
		for range 2 {
			w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		}
		o.until("a connection", wsa.FD_ACCEPT, 0)
		w.acceptOne(l)
		o.until("another", wsa.FD_ACCEPT, 0)
		w.acceptOne(l)
		_, e := w.S.WSPAccept(l, nil, nil, nil, nil)
		w.Want("no more", e, wsa.EWOULDBLOCK)
	})
)

// acceptOne accepts without waiting.
func (w *Case) acceptOne(l sockets.SOCKET) {
	w.Helper()
	w.S.Await(l, wsa.FD_ACCEPT)
	s, e := w.S.WSPAccept(l, nil, nil, nil, nil)
	w.Want("WSPAccept", e, 0)
	w.Want("close", w.S.WSPCloseSocket(s), 0)
}

// until100 waits until 100 bytes are queued.
func (e *End) until100(s sockets.SOCKET) {
	e.w.Helper()
	e.w.until("100 bytes queued", func() bool { return e.Await(s, wsa.FD_READ).Queued == 100 })
}

// sendShort is one send of more than there is room for, and how much it took. Many
// would each re-enable FD_WRITE, and find room while bytes are under way.
func (e *End) sendShort(s sockets.SOCKET) int {
	e.w.Helper()
	b, n := make([]byte, 64<<20), uint32(0)
	e.w.Want("WSPSend", e.WSPSend(s, [][]byte{b}, &n, 0, nil, nil, nil), 0)
	if n == 0 || int(n) == len(b) {
		e.w.Fatalf("%d bytes sent of %d", n, len(b))
	}
	return int(n)
}

// drain reads n bytes of the client's end.
func (w *Case) drain(c sockets.SOCKET, n int) {
	w.Helper()
	b := make([]byte, 64<<10)
	for n > 0 {
		var m uint32
		var flags wsa.MsgFlags
		w.Want("WSPRecv", w.C.WSPRecv(c, [][]byte{b[:min(n, len(b))]}, &m, &flags, nil, nil, nil), 0)
		if m == 0 {
			w.Fatal("the end")
		}
		n -= int(m)
	}
}
