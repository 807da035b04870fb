package winsocktest

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 4.3 WPUCompleteOverlappedRequest, 4.4 WPUQueueApc, 5.6 overlapped I/O through
// layers, and what is overlapped of 3.18 WSPIoctl. The pair has the layers.
var _ = add(
	Row{Section: "4.3", Name: "a port record and the event, both", Run: func(w *Case) {
		c, s := w.Connected()
		port := w.port(s, 0)
		o := w.S.reading(s, 9)
		w.C.Send(c, "hello")
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, N: 5})
		equal(w, "text", o.await(0), "hello")
	}},
	Row{Section: "4.3", Name: "the result is there when the event is set", Run: func(w *Case) {
		c, s := w.Connected()
		for range 100 {
			o := w.S.reading(s, 1)
			w.C.Send(c, "x")
			w.signalled(o.HEvent)
			n, e := o.result()
			w.Want("WSPGetOverlappedResult", e, 0)
			equal(w, "bytes", n, 1)
		}
	}},
	Row{Section: "4.3", Name: "an overlapped may be used again as soon as it is complete", Run: func(w *Case) {
		c, s := w.Connected()
		port := w.port(s, 0)
		o := w.S.reading(s, 1)
		for range 100 {
			w.C.Send(c, "x")
			w.next(port)
			w.Want("WSPRecv", o.recv(), wsa.IO_PENDING)
		}
	}},
	Row{Section: "4.4", Name: "routines run in the thread of the call, when it waits", Run: func(w *Case) {
		c, s := w.Connected()
		own, other := sockets.OpenThread(), sockets.OpenThread()
		table := w.S.Session.ThreadProcTable(own)
		w.C.Send(c, "hello")
		w.S.Await(s, wsa.FD_READ)
		ran := 0
		routine := func(wsa.Errno, uint32, *sockets.Overlapped, wsa.MsgFlags) { ran++ }
		first, second := w.S.operation(s, 1), w.S.operation(s, 1)
		w.Want("WSPRecv", table.WSPRecv(s, [][]byte{first.b}, nil, &first.flags, &first.Overlapped, routine, nil), 0)
		w.Want("WSPRecv", table.WSPRecv(s, [][]byte{second.b}, nil, &second.flags, &second.Overlapped, routine, other), 0)
		equal(w, "ran before a wait", ran, 0)
		equal(w, "the table's thread", own.SleepEx(ended), 1)
		equal(w, "the call's thread", other.SleepEx(ended), 1)
		equal(w, "ran", ran, 2)
	}},
	Row{Section: "4.4", Name: "a routine without a thread: WSAEFAULT", Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.operation(s, 9)
		routine := func(wsa.Errno, uint32, *sockets.Overlapped, wsa.MsgFlags) {}
		w.Want("WSPRecv", w.S.WSPRecv(s, [][]byte{o.b}, nil, &o.flags, &o.Overlapped, routine, nil), wsa.EFAULT)
		w.Want("WSPSend", w.S.WSPSend(s, [][]byte{o.b}, nil, 0, &o.Overlapped, routine, nil), wsa.EFAULT)
		w.C.Send(c, "hello")
		equal(w, "text", w.S.Read(s, 5), "hello")
	}},
	Row{Section: "4.4", Name: "routines do not nest, and may issue further operations", Run: func(w *Case) {
		c, s := w.Connected()
		t := sockets.OpenThread()
		o := w.S.operation(s, 1)
		got, depth := "", 0
		var routine sockets.CompletionRoutine
		issue := func() wsa.Errno {
			return w.S.WSPRecv(s, [][]byte{o.b}, nil, &o.flags, &o.Overlapped, routine, t)
		}
		routine = func(_ wsa.Errno, n uint32, _ *sockets.Overlapped, _ wsa.MsgFlags) {
			depth++
			got += string(o.b[:n])
			if e := issue(); e != 0 && e != wsa.IO_PENDING {
				w.Errorf("WSPRecv: %v", e)
			}
			if depth > 1 || t.SleepEx(ended) != 0 {
				w.Error("a routine ran in a routine")
			}
			depth--
		}
		w.C.Send(c, "hello")
		w.S.Await(s, wsa.FD_READ)
		w.Want("WSPRecv", issue(), 0)
		for got != "hello" {
			if w.sleep(t) == 0 {
				w.Fatalf("only %q", got)
			}
		}
	}},
	Row{Section: "4.4", Name: "WPUQueueApc: what is queued runs with the routines, in order", Run: func(w *Case) {
		c, _ := w.Connected()
		t := sockets.OpenThread()
		o, got := w.C.operation(c, 1), ""
		t.QueueAPC(func() { got += "a" })
		e := w.C.WSPSend(c, [][]byte{o.b}, nil, 0, &o.Overlapped, func(wsa.Errno, uint32, *sockets.Overlapped, wsa.MsgFlags) { got += "b" }, t)
		w.Want("WSPSend", e, 0)
		t.QueueAPC(func() { got += "c" })
		equal(w, "ran", t.SleepEx(ended), 3)
		equal(w, "order", got, "abc")
	}},
	Row{Section: "4.4", Name: "WPUOpenCurrentThread, WPUCloseThread: threads of Windows", Dropped: "Windows-only: a Thread is explicit (sockets.OpenThread) and needs no closing"},
	Row{Section: "5.6", Name: "low bit of hEvent: the event, and no record", Run: func(w *Case) {
		c, s := w.Connected()
		port := w.port(s, 0)
		o := w.S.operation(s, 9)
		o.NoPort = true
		w.Want("WSPRecv", o.recv(), wsa.IO_PENDING)
		w.C.Send(c, "hello")
		equal(w, "text", o.await(0), "hello")
		w.empty(port)
	}},
	Row{Section: "5.6", Name: "a lower error is reported, without a completion", Run: func(w *Case) {
		c, s := w.Connected()
		port := w.port(s, 0)
		w.C.reset(c)
		w.S.Await(s, wsa.FD_CLOSE)
		o := w.S.operation(s, 9)
		w.Want("WSPRecv", o.recv(), wsa.ECONNRESET)
		equal(w, "the event is set", o.HEvent.IsSet(), false)
		w.empty(port)
	}},
	Row{Section: "5.6", Name: "a layer reports WSA_IO_PENDING for what completed below", Dropped: "Windows-only: layers are below the overlapped engine, and need none of their own (spi-notes 1.4)"},
	Row{Section: "3.18", Name: "overlapped, done at once: 0, and indicated", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "hello")
		w.S.Await(s, wsa.FD_READ)
		port, o, out := w.port(s, 0), w.S.operation(s, 0), make([]byte, 4)
		w.Want("FIONREAD", w.S.WSPIoctl(s, wsa.FIONREAD, nil, out, &o.n, &o.Overlapped, nil, nil), 0)
		equal(w, "bytes", o.n, 4)
		equal(w, "queued", binary.LittleEndian.Uint32(out), 5)
		equal(w, "the event is set", o.HEvent.IsSet(), true)
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, N: 4})
	}},
	Row{Section: "3.18", Name: "overlapped, of the dispatcher: indicated too", Run: func(w *Case) {
		_, s := w.Connected()
		o, t := w.S.operation(s, 0), sockets.OpenThread()
		w.Want("FIONBIO", w.S.WSPIoctl(s, wsa.FIONBIO, []byte{1, 0, 0, 0}, nil, &o.n, &o.Overlapped, nil, nil), 0)
		equal(w, "the event is set", o.HEvent.IsSet(), true)
		_, e := o.result()
		w.Want("WSPGetOverlappedResult", e, 0)
		ran := false
		routine := func(wsa.Errno, uint32, *sockets.Overlapped, wsa.MsgFlags) { ran = true }
		w.Want("FIONBIO", w.S.WSPIoctl(s, wsa.FIONBIO, make([]byte, 4), nil, nil, &o.Overlapped, routine, t), 0)
		equal(w, "routines", t.SleepEx(ended), 1)
		equal(w, "ran", ran, true)
	}},
	Row{Section: "3.18", Name: "overlapped, failed: no indication", Run: func(w *Case) {
		_, s := w.Connected()
		o, port := w.S.operation(s, 0), w.port(s, 0)
		for what, e := range map[string]wsa.Errno{
			"an unknown code": w.S.WSPIoctl(s, 0x12345678, nil, nil, &o.n, &o.Overlapped, nil, nil),
			"unknown GUID":    w.S.WSPIoctl(s, wsa.SIO_GET_EXTENSION_FUNCTION_POINTER, make([]byte, 16), make([]byte, 8), &o.n, &o.Overlapped, nil, nil),
		} {
			w.Want(what, e, wsa.EINVAL)
		}
		w.Want("no socket", w.S.WSPIoctl(sockets.INVALID_SOCKET, wsa.FIONREAD, nil, nil, &o.n, &o.Overlapped, nil, nil), wsa.ENOTSOCK)
		w.Want("no room", w.S.WSPIoctl(s, wsa.FIONREAD, nil, nil, &o.n, &o.Overlapped, nil, nil), wsa.EFAULT)
		equal(w, "bytes needed", o.n, 4)
		equal(w, "the event is set", o.HEvent.IsSet(), false)
		w.empty(port)
	}},
	Row{Section: "3.18", Name: "overlapped on a non-overlapped socket: synchronous", Run: func(w *Case) {
		s := w.S.OpenWith(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, 0)
		o := w.S.operation(s, 0)
		w.Want("FIONREAD", w.S.WSPIoctl(s, wsa.FIONREAD, nil, make([]byte, 4), &o.n, &o.Overlapped, nil, nil), 0)
		equal(w, "bytes", o.n, 4)
		equal(w, "the event is set", o.HEvent.IsSet(), false)
	}},
	Row{Section: "3.18", Name: "overlapped *_CHANGE: WSA_IO_PENDING, and cancelled by close", Needs: NeedsChanges, Run: func(w *Case) {
		s := w.S.UDP()
		o := w.S.operation(s, 0)
		w.Want("SIO_ADDRESS_LIST_CHANGE", w.S.WSPIoctl(s, wsa.SIO_ADDRESS_LIST_CHANGE, nil, nil, &o.n, &o.Overlapped, nil, nil), wsa.IO_PENDING)
		equal(w, "bytes", o.n, untouched)
		o.pending()
		w.Want("CancelIoEx", w.S.Session.CancelIoEx(s, &o.Overlapped), 0)
		o.await(wsa.OPERATION_ABORTED)
		w.Want("SIO_ADDRESS_LIST_CHANGE", w.S.WSPIoctl(s, wsa.SIO_ADDRESS_LIST_CHANGE, nil, nil, &o.n, &o.Overlapped, nil, nil), wsa.IO_PENDING)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		o.await(wsa.OPERATION_ABORTED)
	}},
)
