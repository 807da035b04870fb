package winsocktest

import (
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// anEntry is one of the end's catalog.
func (e *End) anEntry() provider.CatalogID {
	return e.Session.Catalog().Snapshot().Entries[0].Info.CatalogEntryID
}

// context is a descriptor of WPUCreateSocketHandle, with a context.
func (e *End) context(of any) sockets.SOCKET {
	e.w.Helper()
	h, errno := e.Session.Upcalls().WPUCreateSocketHandle(e.anEntry(), of)
	e.w.Want("WPUCreateSocketHandle", errno, 0)
	e.w.Cleanup(func() { e.Session.Upcalls().WPUCloseSocketHandle(h) })
	return h
}

// 4 the upcall table; completion and threads are in overlapped_upcalls.go.
var _ = add(
	Row{Section: "4", Name: "UpcallTable: 15 entries in this order, every one non-nil", Run: func(w *Case) {
		w.complete(w.C.Session.Upcalls(), "WPU", slices.Clone(upcallOrder))
	}},
	Row{Section: "4", Name: "WPUCreateSocketHandle: a new SOCKET; WSAENOBUFS beyond the quota", Needs: NeedsQuota, Run: func(w *Case) {
		up := w.C.Session.Upcalls()
		seen := map[sockets.SOCKET]bool{}
		for {
			h, e := up.WPUCreateSocketHandle(w.C.anEntry(), nil)
			if e != 0 {
				w.Want("WPUCreateSocketHandle", e, wsa.ENOBUFS)
				break
			}
			equal(w, "given out before", seen[h], false)
			if seen[h] = true; len(seen) > 100 {
				w.Fatal("100 descriptors, and more can be had")
			}
		}
		for h := range seen {
			w.Want("WPUCloseSocketHandle", up.WPUCloseSocketHandle(h), 0)
		}
	}},
	Row{Section: "4", Name: "WPUCreateSocketHandle: WSAEINVAL: no such entry", Run: func(w *Case) {
		_, e := w.C.Session.Upcalls().WPUCreateSocketHandle(7777, nil)
		w.Want("WPUCreateSocketHandle", e, wsa.EINVAL)
	}},
	Row{Section: "4", Name: "WPUModifyIFSHandle: the same handle; WSAEINVAL: a bad one", Run: func(w *Case) {
		up, s := w.C.Session.Upcalls(), w.C.TCP()
		h, e := up.WPUModifyIFSHandle(w.C.anEntry(), s)
		w.Want("WPUModifyIFSHandle", e, 0)
		equal(w, "handle", h, s)
		_, e = up.WPUModifyIFSHandle(w.C.anEntry(), 0xdeadbeef)
		w.Want("no handle", e, wsa.EINVAL)
		_, e = up.WPUModifyIFSHandle(7777, s)
		w.Want("no entry", e, wsa.EINVAL)
	}},
	Row{Section: "4", Name: "WPUQuerySocketHandleContext: the context; WSAENOTSOCK: not made by WPUCreateSocketHandle", Run: func(w *Case) {
		up, of := w.C.Session.Upcalls(), new(int)
		got, e := up.WPUQuerySocketHandleContext(w.C.context(of))
		w.Want("WPUQuerySocketHandleContext", e, 0)
		equal(w, "context", got == any(of), true)
		_, e = up.WPUQuerySocketHandleContext(0xdeadbeef)
		w.Want("no handle", e, wsa.ENOTSOCK)
	}},
	Row{Section: "4", Name: "WPUCloseSocketHandle: removes it from the table; WSAENOTSOCK", Run: func(w *Case) {
		up, h := w.C.Session.Upcalls(), w.C.context(nil)
		w.Want("WPUCloseSocketHandle", up.WPUCloseSocketHandle(h), 0)
		w.Want("again", up.WPUCloseSocketHandle(h), wsa.ENOTSOCK)
		_, e := up.WPUQuerySocketHandleContext(h)
		w.Want("its context", e, wsa.ENOTSOCK)
	}},
	Row{Section: "4", Name: "WPUCompleteOverlappedRequest: WSAEINVAL: not made by WPUCreateSocketHandle", Run: func(w *Case) {
		var o sockets.Overlapped
		w.Want("a socket", w.C.Session.WPUCompleteOverlappedRequest(w.C.TCP(), &o, 0, 0), wsa.EINVAL)
		h := w.C.context(nil)
		w.Want("nothing is pending", w.C.Session.WPUCompleteOverlappedRequest(h, &o, 0, 0), wsa.EINVAL)
		w.Want("WPUBeginOverlapped", w.C.Session.WPUBeginOverlapped(h, &o, nil, nil), 0)
		w.Want("another handle", w.C.Session.WPUCompleteOverlappedRequest(w.C.context(nil), &o, 0, 0), wsa.EINVAL)
		w.Want("done", w.C.Session.WPUCompleteOverlappedRequest(h, &o, 0, 0), 0)
	}},
	Row{Section: "4", Name: "WPUQueueApc: WSAEFAULT: a bad thread", Run: func(w *Case) {
		up, ran := w.C.Session.Upcalls(), false
		w.Want("no thread", up.WPUQueueApc(nil, func() {}), wsa.EFAULT)
		t := sockets.OpenThread()
		w.Want("WPUQueueApc", up.WPUQueueApc(t, func() { ran = true }), 0)
		equal(w, "before a wait", ran, false)
		equal(w, "routines", t.SleepEx(ended), 1)
		equal(w, "ran", ran, true)
	}},
	Row{Section: "4", Name: "WPUOpenCurrentThread, WPUCloseThread: paired; WSANOTINITIALISED", Run: func(w *Case) {
		up := w.C.Session.Upcalls()
		t, e := up.WPUOpenCurrentThread()
		w.Want("WPUOpenCurrentThread", e, 0)
		w.Want("WPUCloseThread", up.WPUCloseThread(t), 0)
		w.Want("WSPCleanup", w.C.WSPCleanup(), 0)
		_, e = up.WPUOpenCurrentThread()
		w.Want("WPUOpenCurrentThread", e, wsa.NOTINITIALISED)
		w.Want("WPUCloseThread", up.WPUCloseThread(t), wsa.NOTINITIALISED)
	}},
	Row{Section: "4", Name: "WPUPostMessage: the message comes, from another goroutine", Run: func(w *Case) {
		up, got := w.C.Session.Upcalls(), make(chan sockets.SOCKET, 1)
		s := w.C.TCP()
		equal(w, "posted", up.WPUPostMessage(func(h sockets.SOCKET, _ wsa.Events, _ wsa.Errno) { got <- h }, s, wsa.FD_READ, 0), true)
		equal(w, "wParam", <-got, s)
		equal(w, "to nobody", up.WPUPostMessage(nil, s, wsa.FD_READ, 0), false)
		w.Want("WSPCleanup", w.C.WSPCleanup(), 0)
		equal(w, "after WSPCleanup", up.WPUPostMessage(ignore, s, wsa.FD_READ, 0), false)
	}},
	Row{Section: "4", Name: "WPUQueryBlockingCallback: no function (4.5); WSAEINVAL: a bad catalogId", Run: func(w *Case) {
		up := w.C.Session.Upcalls()
		f, e := up.WPUQueryBlockingCallback(w.C.anEntry())
		w.Want("WPUQueryBlockingCallback", e, 0)
		equal(w, "function", f == nil, true)
		_, e = up.WPUQueryBlockingCallback(7777)
		w.Want("no entry", e, wsa.EINVAL)
	}},
	Row{Section: "4", Name: "WPUCreateEvent: manual-reset, initially non-signalled", Run: func(w *Case) {
		event, e := w.C.Session.Upcalls().WPUCreateEvent()
		w.Want("WPUCreateEvent", e, 0)
		equal(w, "signalled", event.IsSet(), false)
		w.Want("WPUSetEvent", w.C.Session.Upcalls().WPUSetEvent(event), 0)
		for range 2 {
			w.signalled(event)
		}
		equal(w, "still signalled", event.IsSet(), true)
	}},
	Row{Section: "4", Name: "WPUCloseEvent, WPUSetEvent, WPUResetEvent: WSA_INVALID_HANDLE", Run: func(w *Case) {
		up := w.C.Session.Upcalls()
		event, _ := up.WPUCreateEvent()
		w.Want("WPUSetEvent", up.WPUSetEvent(event), 0)
		w.Want("WPUResetEvent", up.WPUResetEvent(event), 0)
		equal(w, "signalled", event.IsSet(), false)
		w.Want("WPUCloseEvent", up.WPUCloseEvent(event), 0)
		for _, closed := range []*sockets.Event{event, nil} {
			w.Want("WPUSetEvent", up.WPUSetEvent(closed), wsa.INVALID_HANDLE)
			w.Want("WPUResetEvent", up.WPUResetEvent(closed), wsa.INVALID_HANDLE)
			w.Want("WPUCloseEvent", up.WPUCloseEvent(closed), wsa.INVALID_HANDLE)
		}
	}},
	Row{Section: "4", Name: "WPUFDIsSet: true for a member", Run: func(w *Case) {
		up, set := w.C.Session.Upcalls(), sockets.FDSet{3, 5}
		equal(w, "a member", up.WPUFDIsSet(5, &set), true)
		equal(w, "none", up.WPUFDIsSet(4, &set), false)
		equal(w, "no set", up.WPUFDIsSet(4, nil), false)
	}},
	Row{Section: "4", Name: "WPUGetProviderPath: as registered; WSAEINVAL: unknown GUID", Run: func(w *Case) {
		i := w.install()
		i.layer(1, through)
		up := i.start(sockets.Config{}).Session.Upcalls()
		path, e := up.WPUGetProviderPath(layerID(1))
		w.Want("WPUGetProviderPath", e, 0)
		equal(w, "path", path, "layer1.dll")
		_, e = up.WPUGetProviderPath(newID)
		w.Want("unknown", e, wsa.EINVAL)
	}},
	Row{Section: "4.1", Name: "a value unique in the process, of the session's one handle space", Run: func(w *Case) {
		s, h := w.C.TCP(), w.C.context(nil)
		equal(w, "a socket's number", h == s || w.C.TCP() == h || w.S.TCP() == h, false)
		k, e := w.C.Session.Upcalls().WPUQuerySocketHandleContext(s)
		w.Want("the context of a socket", e, 0)
		own, e := w.C.Session.Lookup(s)
		w.Want("lookup", e, 0)
		equal(w, "is its Socket", k == any(own), true)
	}},
	Row{Section: "4.1", Name: "called last: if it fails nothing is left", Needs: NeedsQuota, Run: func(w *Case) {
		w.C.useUp()
		for range 3 {
			_, e := w.C.WSPSocket(w.Family(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
			w.Want("WSPSocket", e, wsa.EMFILE)
		}
		n := 0
		for range w.C.Session.Sockets() {
			n++
		}
		equal(w, "sockets", n <= 64, true)
	}},
	Row{Section: "4.2", Name: "who owns a handle does not change by WPUModifyIFSHandle: layers stay in its path", Run: func(w *Case) {
		c, s := w.Connected()
		_, e := w.C.Session.Upcalls().WPUModifyIFSHandle(w.C.anEntry(), c)
		w.Want("WPUModifyIFSHandle", e, 0)
		w.C.Send(c, "hello")
		equal(w, "text", w.S.Read(s, 5), "hello")
	}},
)
