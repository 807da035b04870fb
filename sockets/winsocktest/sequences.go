package winsocktest

import (
	"context"
	"sync"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// observer hears the network events of one socket, by messages or by an event
// object, so that a sequence can be written once for both (winsock-spi 12.7).
type observer struct {
	w     *Case
	end   *End
	s     sockets.SOCKET
	event *sockets.Event // nil: messages

	mu    sync.Mutex
	heard wsa.Events
	errs  map[wsa.Events]wsa.Errno
	more  chan struct{} // capacity 1
}

// observe registers for all events of s.
func (w *Case) observe(end *End, s sockets.SOCKET, messages bool) *observer {
	w.Helper()
	o := &observer{w: w, end: end, s: s, errs: make(map[wsa.Events]wsa.Errno), more: make(chan struct{}, 1)}
	if messages {
		w.Want("WSPAsyncSelect", end.WSPAsyncSelect(s, o.post, wsa.FD_ALL_EVENTS), 0)
		return o
	}
	o.event = sockets.CreateEvent()
	w.Want("WSPEventSelect", end.WSPEventSelect(s, o.event, wsa.FD_ALL_EVENTS), 0)
	return o
}

// post is the window procedure.
func (o *observer) post(s sockets.SOCKET, event wsa.Events, e wsa.Errno) {
	if s != o.s {
		return // a connection that o.s, a listener, has accepted: it has the registration, too
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.heard&event != 0 {
		o.errs[0] = wsa.EALREADY // a second one before the first was seen
	}
	o.heard |= event
	o.errs[event] = e
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// collect adds what has come since.
func (o *observer) collect() {
	if o.event == nil {
		return
	}
	var ne sockets.NetworkEvents
	o.w.Want("WSPEnumNetworkEvents", o.end.WSPEnumNetworkEvents(o.s, o.event, &ne), 0)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard |= ne.Events
	for i, e := range ne.Errors {
		if ne.Events&(1<<i) != 0 {
			o.errs[1<<i] = e
		}
	}
}

// until waits until all of want has come, and takes it: what came besides is an
// error, but for what may come.
func (o *observer) until(what string, want, may wsa.Events) {
	o.w.Helper()
	ctx, cancel := context.WithTimeout(o.w.Context(), patience)
	defer cancel()
	for {
		o.collect()
		o.mu.Lock()
		got := o.heard
		o.mu.Unlock()
		if got&want == want {
			break
		}
		if !o.wait(ctx) {
			o.w.Fatalf("%s: events %#x, want %#x", what, uint32(got), uint32(want))
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if extra := o.heard &^ (want | may); extra != 0 {
		o.w.Errorf("%s: events %#x besides %#x", what, uint32(extra), uint32(want))
	}
	o.heard = 0
}

func (o *observer) wait(ctx context.Context) bool {
	if o.event != nil {
		return o.event.Wait(ctx) == 0
	}
	select {
	case <-o.more:
		return true
	case <-ctx.Done():
		return false
	}
}

// err is what came with an event.
func (o *observer) err(event wsa.Events) wsa.Errno {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.errs[event]
}

// sequence is a row that runs once with messages and once with an event object.
func sequence(name string, needs Needs, run func(w *Case, messages bool)) struct{} {
	for how, messages := range map[string]bool{"AsyncSelect": true, "EventSelect": false} {
		add(Row{Section: "12.7", Name: name + " (" + how + ")", Needs: needs, Run: func(w *Case) { run(w, messages) }})
	}
	return struct{}{}
}

const fresh = wsa.FD_CONNECT | wsa.FD_WRITE

// watchedPair is a connection whose server end is observed and quiet.
func (w *Case) watchedPair(messages bool) (c, s sockets.SOCKET, o *observer) {
	w.Helper()
	c, s = w.Connected()
	o = w.observe(w.S, s, messages)
	o.until("registration on a connected socket", wsa.FD_WRITE, 0)
	return c, s, o
}

// nothing checks that no event has come, after c has sent a byte and o has heard of
// it: what would have come before has.
func (o *observer) nothing(what string, c sockets.SOCKET) {
	o.w.Helper()
	o.w.C.Send(c, "?")
	o.until(what+", and a byte after it", wsa.FD_READ, 0)
	o.read("?")
}

// read takes exactly want, which is all there is.
func (o *observer) read(want string) {
	o.w.Helper()
	got, e := o.end.Recv(o.s, len(want), 0)
	if got != want || e != 0 {
		o.w.Fatalf("read %q, %v; want %q", got, e, want)
	}
}

// 12.7: connecting, and data.
var (
	_ = sequence("connect(s, nil, 0): WSAEFAULT, no event", 0, func(w *Case, messages bool) {
		_, at := w.S.Listen()
		c := w.C.TCP()
		o := w.observe(w.C, c, messages)
		w.Want("WSPConnect to nothing", w.C.Connect(c, nil), wsa.EFAULT)
		w.Want("WSPConnect", w.C.Connect(c, at), wsa.EWOULDBLOCK)
		o.until("one connect", fresh, 0)
	})
	_ = sequence("non-blocking connect completes: FD_CONNECT and FD_WRITE", 0, func(w *Case, messages bool) {
		_, at := w.S.Listen()
		c := w.C.TCP()
		o := w.observe(w.C, c, messages)
		w.Want("WSPConnect", w.C.Connect(c, at), wsa.EWOULDBLOCK)
		o.until("connect", fresh, 0)
		if e := o.err(wsa.FD_CONNECT); e != 0 {
			w.Errorf("FD_CONNECT says %v", e)
		}
	})
	_ = sequence("non-blocking connect refused: FD_CONNECT with its error, nothing else", 0, func(w *Case, messages bool) {
		l, at := w.S.Listen()
		w.Want("close the listener", w.S.WSPCloseSocket(l), 0)
		c := w.C.TCP()
		o := w.observe(w.C, c, messages)
		w.Want("WSPConnect", w.C.Connect(c, at), wsa.EWOULDBLOCK)
		o.until("connect", wsa.FD_CONNECT, 0)
		if e := o.err(wsa.FD_CONNECT); e != wsa.ECONNREFUSED {
			w.Errorf("FD_CONNECT says %v", e)
		}
	})
	_ = sequence("peer sends 100 bytes: FD_READ; peek, and reading 50: FD_READ again; the last 50: none", 0, func(w *Case, messages bool) {
		c, s, o := w.watchedPair(messages)
		text := string(make([]byte, 100))
		w.C.Send(c, text)
		o.until("100 bytes", wsa.FD_READ, 0)
		w.S.until100(s)
		if _, e := w.S.Recv(s, 1, wsa.MSG_PEEK); e != 0 {
			w.Errorf("peek: %v", e)
		}
		o.until("a peek", wsa.FD_READ, 0)
		o.read(text[:50])
		o.until("half of it", wsa.FD_READ, 0)
		o.read(text[:50])
		o.nothing("the rest", c)
	})
	_ = sequence("a receive with invalid arguments: AsyncSelect re-posts FD_READ, EventSelect does not", 0, func(w *Case, messages bool) {
		c, s, o := w.watchedPair(messages)
		w.C.Send(c, "1")
		o.until("a byte", wsa.FD_READ, 0)
		var n uint32
		var flags wsa.MsgFlags
		w.Want("WSPRecv without buffers", w.S.WSPRecv(s, nil, &n, &flags, nil, nil, nil), wsa.EFAULT)
		if messages {
			o.until("after the failure", wsa.FD_READ, 0)
			o.read("1")
			return
		}
		o.read("1")
		o.nothing("after the failure", c)
	})
	_ = sequence("two overlapped receives of 1 byte: peer sends 2, no FD_READ, both complete in order", 0, func(w *Case, messages bool) {
		c, s, o := w.watchedPair(messages)
		var ops [2]sockets.Overlapped
		var in [2][1]byte
		var n uint32
		var flags wsa.MsgFlags
		for i := range ops {
			ops[i].HEvent = sockets.CreateEvent()
			w.Want("WSPRecv", w.S.WSPRecv(s, [][]byte{in[i][:]}, &n, &flags, &ops[i], nil, nil), wsa.IO_PENDING)
		}
		w.C.Send(c, "ab")
		for i := range ops {
			w.Want("result", w.S.WSPGetOverlappedResult(s, &ops[i], &n, true, &flags), 0)
			if n != 1 || in[i][0] != "ab"[i] {
				w.Errorf("operation %d: %d bytes, %q", i, n, in[i][0])
			}
		}
		o.nothing("two overlapped receives", c)
	})
	_ = sequence("send buffer not full yet: no FD_WRITE", 0, func(w *Case, messages bool) {
		c, s, o := w.watchedPair(messages)
		w.S.Send(s, "some")
		if got := w.C.Read(c, 4); got != "some" {
			w.Errorf("%q", got)
		}
		o.nothing("a send with room", c)
	})
)
