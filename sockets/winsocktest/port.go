package winsocktest

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 12.8, and what else is to say of completion ports.
var _ = add(
	Row{Section: "12.8", Name: "WSARecv, no data: WSA_IO_PENDING, byte count unmodified", Run: func(w *Case) {
		_, s := w.Connected()
		w.port(s, 0)
		o := w.S.reading(s, 9)
		equal(w, "bytes", o.n, untouched)
		equal(w, "flags", o.flags, 0)
	}},
	Row{Section: "12.8", Name: "FD_READ registered and a receive pending: one record, no message", Run: func(w *Case) {
		c, s := w.Connected()
		port, event := w.port(s, 0), sockets.CreateEvent()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(s, event, wsa.FD_READ), 0)
		o := w.S.reading(s, 9)
		w.C.Send(c, "hello")
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, N: 5})
		_, e := o.result()
		w.Want("status", e, 0)
		var ne sockets.NetworkEvents
		w.Want("WSPEnumNetworkEvents", w.S.WSPEnumNetworkEvents(s, nil, &ne), 0)
		equal(w, "events", ne.Events, 0)
		equal(w, "the event is set", event.IsSet(), false)
	}},
	Row{Section: "12.8", Name: "the initiating thread exits: the operation stays pending", Run: func(w *Case) {
		c, s := w.Connected()
		port := w.port(s, 0)
		o := w.S.operation(s, 9)
		var e wsa.Errno
		w.during(func() { e = o.recv() }, func() {}) // the goroutine has ended
		w.Want("WSPRecv", e, wsa.IO_PENDING)
		w.empty(port)
		w.C.Send(c, "hello")
		equal(w, "bytes", w.next(port).N, 5)
	}},
	Row{Section: "12.8", Name: "closesocket with a receive pending: one failing record, no FD_CLOSE", Run: func(w *Case) {
		_, s := w.Connected()
		port, event := w.port(s, 0), sockets.CreateEvent()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(s, event, wsa.FD_CLOSE), 0)
		o := w.S.reading(s, 9)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, Errno: wsa.ECONNABORTED})
		_, e := o.result()
		w.Want("WSPGetOverlappedResult", e, wsa.OPERATION_ABORTED)
		equal(w, "FD_CLOSE", event.IsSet(), false)
		w.empty(port)
	}},
	Row{Section: "12.8", Name: "afterwards poll the port: timeout, outputs untouched", Run: func(w *Case) {
		_, s := w.Connected()
		port := w.port(s, 0)
		w.S.reading(s, 9)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		w.next(port)
		w.empty(port)
		c, e := port.Get(time.Millisecond)
		w.Want("Get", e, wsa.WAIT_TIMEOUT)
		equal(w, "record", c, sockets.Completion{})
	}},
	Row{Section: "12.8", Name: "associating a port after FD_WRITE was posted: no additional messages", Run: func(w *Case) {
		_, s := w.Connected()
		event := sockets.CreateEvent()
		w.Want("WSPEventSelect", w.S.WSPEventSelect(s, event, wsa.FD_WRITE), 0)
		w.signalled(event)
		w.Want("WSAResetEvent", event.Reset(), 0)
		port := w.port(s, 0)
		equal(w, "the event is set", event.IsSet(), false)
		w.empty(port)
	}},
	Row{Section: "12.8", Name: "completed at once: a record too", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.S.Await(s, wsa.FD_READ)
		port, o := w.port(s, 0), w.S.operation(s, 9)
		w.Want("WSPRecv", o.recv(), 0)
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, N: 5})
		w.empty(port)
	}},
	Row{Section: "12.8", Name: "a routine has precedence over the port", Run: func(w *Case) {
		c, s := w.Connected()
		port, t, o := w.port(s, 0), sockets.OpenThread(), w.S.operation(s, 9)
		e := w.S.WSPRecv(s, [][]byte{o.b}, nil, &o.flags, &o.Overlapped, func(wsa.Errno, uint32, *sockets.Overlapped, wsa.MsgFlags) {}, t)
		w.Want("WSPRecv", e, wsa.IO_PENDING)
		w.C.Send(c, "hello")
		equal(w, "routines", w.sleep(t), 1)
		w.empty(port)
	}},
	Row{Section: "12.8", Name: "synchronous calls leave no record", Run: func(w *Case) {
		c, s := w.Connected()
		port := w.port(s, 0)
		w.S.Send(s, "hello")
		equal(w, "text", w.C.Read(c, 5), "hello")
		w.empty(port)
	}},
	Row{Section: "12.8", Name: "the end of the stream: a record of 0 bytes", Run: func(w *Case) {
		c, s := w.Connected()
		port, o := w.port(s, 0), w.S.reading(s, 9)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped})
	}},
	Row{Section: "12.8", Name: "a reset: a record with the error", Run: func(w *Case) {
		c, s := w.Connected()
		port, o := w.port(s, 0), w.S.reading(s, 9)
		w.C.reset(c)
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, Errno: wsa.ECONNRESET})
	}},
	Row{Section: "12.8", Name: "CancelIoEx: a record with WSA_OPERATION_ABORTED", Run: func(w *Case) {
		_, s := w.Connected()
		port, o := w.port(s, 0), w.S.reading(s, 9)
		w.Want("CancelIoEx", w.S.Session.CancelIoEx(s, nil), 0)
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, Errno: wsa.OPERATION_ABORTED})
	}},
	Row{Section: "12.8", Name: "a port is full: WSAENOBUFS, not started; room again after a record is taken", Run: func(w *Case) {
		c, s := w.Connected()
		port, first, second := w.port(s, 1), w.S.operation(s, 5), w.S.operation(s, 5)
		w.Want("WSPRecv", first.recv(), wsa.IO_PENDING)
		w.Want("WSPRecv", second.recv(), wsa.ENOBUFS)
		w.Want("Post", port.Post(1, 2, nil), wsa.ENOBUFS)
		w.C.Send(c, "helloworld")
		equal(w, "record", w.next(port).Overlapped, &first.Overlapped)
		if e := second.recv(); e != 0 {
			w.Want("WSPRecv", e, wsa.IO_PENDING)
		}
		equal(w, "record", w.next(port).Overlapped, &second.Overlapped)
		equal(w, "text", string(second.b), "world")
	}},
	Row{Section: "12.8", Name: "an operation that was not started holds no room", Run: func(w *Case) {
		s := w.S.TCP()
		port, o := w.port(s, 1), w.S.operation(s, 5)
		for range 3 {
			w.Want("WSPSend", o.send(), wsa.ENOTCONN)
		}
		w.Want("Post", port.Post(1, 2, nil), 0)
	}},
	Row{Section: "12.8", Name: "PostQueuedCompletionStatus: the record as it was posted", Run: func(w *Case) {
		_, s := w.Connected()
		port, o := w.port(s, 0), new(sockets.Overlapped)
		w.Want("Post", port.Post(3, 4, o), 0)
		equal(w, "record", w.next(port), sockets.Completion{Key: 4, Overlapped: o, N: 3})
	}},
	Row{Section: "12.8", Name: "GetQueuedCompletionStatusEx: all records that are there", Run: func(w *Case) {
		_, s := w.Connected()
		port := w.port(s, 0)
		for i := range 5 {
			w.Want("Post", port.Post(uint32(i), 0, nil), 0)
		}
		all := make([]sockets.Completion, 3)
		for i, want := range []int{3, 2} {
			n, e := port.GetMany(all, 0)
			w.Want("GetMany", e, 0)
			equal(w, "records", n, want)
			equal(w, "first", all[0].N, uint32(3*i))
		}
		_, e := port.GetMany(all, 0)
		w.Want("GetMany", e, wsa.WAIT_TIMEOUT)
		_, e = port.GetMany(nil, 0)
		w.Want("GetMany", e, wsa.EINVAL)
	}},
	Row{Section: "12.8", Name: "closing the port: who waits gets WSA_INVALID_HANDLE; operations still complete", Run: func(w *Case) {
		c, s := w.Connected()
		port, o := w.port(s, 0), w.S.reading(s, 9)
		var e wsa.Errno
		w.during(func() { _, e = port.Get(-1) }, func() { w.Want("Close", port.Close(), 0) })
		w.Want("Get", e, wsa.INVALID_HANDLE)
		w.Want("Close", port.Close(), wsa.INVALID_HANDLE)
		w.C.Send(c, "hello")
		equal(w, "text", o.await(0), "hello")
		w.Want("Post", port.Post(0, 0, nil), wsa.INVALID_HANDLE)
		w.Want("WSPRecv", o.recv(), wsa.INVALID_HANDLE)
	}},
	Row{Section: "12.8", Name: "a socket has one port, for ever", Run: func(w *Case) {
		_, s := w.Connected()
		port := w.port(s, 0)
		w.Want("the same", w.S.Session.Associate(s, port, 8), wsa.EINVAL)
		w.Want("another", w.S.Session.Associate(s, sockets.CreateCompletionPort(0), 8), wsa.EINVAL)
		w.Want("none", w.S.Session.Associate(w.S.TCP(), nil, 8), wsa.EINVAL)
		w.Want("no socket", w.S.Session.Associate(sockets.INVALID_SOCKET, port, 8), wsa.ENOTSOCK)
		w.Want("non-overlapped", w.S.Session.Associate(w.S.OpenWith(wsa.SOCK_STREAM, wsa.IPPROTO_TCP, 0), port, 8), wsa.EINVAL)
	}},
	Row{Section: "12.8", Name: "many sockets, one port: each record has its socket's key", Run: func(w *Case) {
		port := sockets.CreateCompletionPort(0)
		const n = 16
		var ends []sockets.SOCKET
		for i := range n {
			c, s := w.Connected()
			w.Want("Associate", w.S.Session.Associate(s, port, uintptr(i)), 0)
			o := w.S.reading(s, 1)
			o.Context = i
			ends = append(ends, c)
		}
		for _, c := range ends {
			w.C.Send(c, "x")
		}
		seen := make(map[uintptr]bool)
		for range n {
			r := w.next(port)
			equal(w, "key", int(r.Key), r.Overlapped.Context.(int))
			seen[r.Key] = true
		}
		equal(w, "sockets", len(seen), n)
	}},
)
