package winsocktest

import (
	"context"
	"runtime"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// An operation is an overlapped operation of a case with all that it is lent.
type operation struct {
	sockets.Overlapped
	end   *End
	s     sockets.SOCKET
	b     []byte
	n     uint32
	flags wsa.MsgFlags
}

// untouched is what out-parameters are before a call.
const untouched = 0xdeadbeef

// operation is one with an event, which has a buffer of size bytes.
func (e *End) operation(s sockets.SOCKET, size int) *operation {
	o := &operation{end: e, s: s, b: make([]byte, size), n: untouched}
	o.HEvent = sockets.CreateEvent()
	return o
}

// recv issues an overlapped WSPRecv.
func (o *operation) recv() wsa.Errno {
	return o.end.WSPRecv(o.s, [][]byte{o.b}, &o.n, &o.flags, &o.Overlapped, nil, nil)
}

// send issues an overlapped WSPSend of all of the buffer.
func (o *operation) send() wsa.Errno {
	return o.end.WSPSend(o.s, [][]byte{o.b}, &o.n, 0, &o.Overlapped, nil, nil)
}

// result is WSPGetOverlappedResult without waiting; n is untouched if it fails.
func (o *operation) result() (n uint32, e wsa.Errno) {
	n = untouched
	var flags wsa.MsgFlags
	e = o.end.WSPGetOverlappedResult(o.s, &o.Overlapped, &n, false, &flags)
	return n, e
}

// await waits for the event, and then wants the operation to have ended with want;
// it returns what was moved.
func (o *operation) await(want wsa.Errno) string {
	w := o.end.w
	w.Helper()
	w.signalled(o.HEvent)
	n, e := o.result()
	w.Want("WSPGetOverlappedResult", e, want)
	if e != 0 {
		return ""
	}
	return string(o.b[:n])
}

// pending wants the operation to be pending, and nothing to be indicated.
func (o *operation) pending() {
	w := o.end.w
	w.Helper()
	_, e := o.result()
	w.Want("WSPGetOverlappedResult", e, wsa.IO_INCOMPLETE)
	if o.HEvent.IsSet() {
		w.Fatal("the event of a pending operation is set")
	}
}

// signalled waits for an event.
func (w *Case) signalled(e *sockets.Event) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	w.Want("wait for the event", e.Wait(ctx), 0)
}

// reading is an overlapped receive that is pending.
func (e *End) reading(s sockets.SOCKET, size int) *operation {
	e.w.Helper()
	o := e.operation(s, size)
	e.w.Want("overlapped WSPRecv", o.recv(), wsa.IO_PENDING)
	return o
}

// writing is an overlapped send that is pending, as nobody receives.
func (e *End) writing(s sockets.SOCKET) *operation {
	e.w.Helper()
	e.narrow(s)
	o := e.operation(s, large)
	e.w.Want("overlapped WSPSend", o.send(), wsa.IO_PENDING)
	return o
}

// large is more, bytes, than both ends keep of what nobody receives, if the sender
// is narrow.
const large = 4 << 20

// narrow makes the send buffer small, whatever the network has as its default.
func (e *End) narrow(s sockets.SOCKET) {
	e.w.Helper()
	e.w.Want("SO_SNDBUF", e.SetOption(s, wsa.SOL_SOCKET, wsa.SO_SNDBUF, 64<<10), 0)
}

// equal ends the case if got is not want.
func equal[T comparable](w *Case, what string, got, want T) {
	w.Helper()
	if got != want {
		w.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// during runs f, which blocks, on a goroutine of its own, and meanwhile on this
// one; f must have returned in the end.
func (w *Case) during(f func(), meanwhile func()) {
	w.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	meanwhile()
	select {
	case <-done:
	case <-time.After(patience):
		w.Fatal("a call that should have returned blocks")
	}
}

// cancelBlocking cancels the call of t that blocks, or is about to.
func (w *Case) cancelBlocking(t *sockets.Thread) {
	w.Helper()
	for end := time.Now().Add(patience); t.CancelBlockingCall() != 0; runtime.Gosched() {
		if time.Now().After(end) {
			w.Fatal("no call blocks")
		}
	}
}

// reset ends a connection by a RST.
func (e *End) reset(s sockets.SOCKET) {
	e.w.Helper()
	e.w.Want("SO_LINGER", e.WSPSetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_LINGER, []byte{1, 0, 0, 0}), 0)
	e.w.Want("WSPCloseSocket", e.WSPCloseSocket(s), 0)
}

// fail fails a socket from outside, as the loss of its network does.
func (e *End) fail(s sockets.SOCKET, code wsa.Errno) {
	e.w.Helper()
	k, errno := e.Session.Lookup(s)
	e.w.Want("lookup", errno, 0)
	k.Fail(code, "the suite")
}
