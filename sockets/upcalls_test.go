package sockets_test

import (
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

// TestUpcalls is the table of winsock-spi 4.
func TestUpcalls(t *testing.T) {
	catalog := socketstest.Catalog(t, &script{})
	s, err := sockets.Startup(sockets.Config{Catalog: catalog, MaxSockets: 2})
	if err != nil {
		t.Fatal(err)
	}
	up := s.Upcalls()
	entry := catalog.Snapshot().Entries[0].Info
	is := func(what string, got, want wsa.Errno) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}

	h, e := up.WPUCreateSocketHandle(entry.CatalogEntryID, "context")
	is("WPUCreateSocketHandle", e, 0)
	_, e = up.WPUCreateSocketHandle(7, nil)
	is("WPUCreateSocketHandle, no such entry", e, wsa.EINVAL)
	other, e := up.WPUCreateSocketHandle(entry.CatalogEntryID, nil)
	is("WPUCreateSocketHandle", e, 0)
	_, e = up.WPUCreateSocketHandle(entry.CatalogEntryID, nil)
	is("WPUCreateSocketHandle, beyond the quota", e, wsa.ENOBUFS)
	if c, e := up.WPUQuerySocketHandleContext(h); c != "context" || e != 0 || h == other {
		t.Errorf("context %v, %v", c, e)
	}
	_, e = up.WPUQuerySocketHandleContext(1 << 40)
	is("WPUQuerySocketHandleContext", e, wsa.ENOTSOCK)
	table := s.ProcTable()
	own, e := table.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
	is("WSPSocket", e, 0)
	if c, e := up.WPUQuerySocketHandleContext(own); e != 0 || c.(*provider.Socket).Handle() != uint64(own) {
		t.Errorf("context of a socket: %v, %v", c, e)
	}
	got, e := up.WPUModifyIFSHandle(entry.CatalogEntryID, own)
	is("WPUModifyIFSHandle", e, 0)
	if got != own {
		t.Errorf("WPUModifyIFSHandle changed the handle")
	}
	_, e = up.WPUModifyIFSHandle(entry.CatalogEntryID, 1<<40)
	is("WPUModifyIFSHandle, bad handle", e, wsa.EINVAL)
	path, e := up.WPUGetProviderPath(entry.ProviderID)
	if path != "base" || e != 0 {
		t.Errorf("WPUGetProviderPath: %q, %v", path, e)
	}
	_, e = up.WPUGetProviderPath(provider.GUID{})
	is("WPUGetProviderPath, unknown", e, wsa.EINVAL)
	callback, e := up.WPUQueryBlockingCallback(entry.CatalogEntryID)
	if callback != nil || e != 0 {
		t.Errorf("WPUQueryBlockingCallback: %v", e)
	}
	_, e = up.WPUQueryBlockingCallback(7)
	is("WPUQueryBlockingCallback, no such entry", e, wsa.EINVAL)
	if set := (sockets.FDSet{h}); !up.WPUFDIsSet(h, &set) || up.WPUFDIsSet(own, &set) {
		t.Error("WPUFDIsSet")
	}

	event, e := up.WPUCreateEvent()
	is("WPUCreateEvent", e, 0)
	if event.IsSet() {
		t.Error("an event is born signalled")
	}
	is("WPUSetEvent", up.WPUSetEvent(event), 0)
	is("wait twice: it is reset by hand", max(event.Wait(t.Context()), event.Wait(t.Context())), 0)
	is("WPUResetEvent", up.WPUResetEvent(event), 0)
	if event.IsSet() {
		t.Error("WPUResetEvent did nothing")
	}

	thread, e := up.WPUOpenCurrentThread()
	is("WPUOpenCurrentThread", e, 0)
	ran := 0
	is("WPUQueueApc", up.WPUQueueApc(thread, func() { ran++; thread.QueueAPC(func() { ran++ }) }), 0)
	is("WPUQueueApc without a thread", up.WPUQueueApc(nil, func() {}), wsa.EFAULT)
	if n := thread.SleepEx(t.Context()); n != 2 || ran != 2 {
		t.Errorf("%d routines ran, %d said so", ran, n)
	}

	posted := make(chan sockets.SOCKET, 1)
	if !up.WPUPostMessage(func(h sockets.SOCKET, _ wsa.Events, _ wsa.Errno) { posted <- h }, own, wsa.FD_READ, 0) || <-posted != own {
		t.Error("WPUPostMessage")
	}

	// WPUCompleteOverlappedRequest: the event, the port, a routine (4.3).
	port := sockets.CreateCompletionPort(1)
	is("associate", s.Associate(h, port, 9), 0)
	o := &sockets.Overlapped{HEvent: event}
	is("complete what was not begun", s.WPUCompleteOverlappedRequest(h, o, 0, 3), wsa.EINVAL)
	is("begin", s.WPUBeginOverlapped(h, o, nil, nil), 0)
	is("begin twice", s.WPUBeginOverlapped(h, o, nil, nil), wsa.EINVAL)
	is("begin another: the port is full", s.WPUBeginOverlapped(h, new(sockets.Overlapped), nil, nil), wsa.ENOBUFS)
	is("complete on another handle", s.WPUCompleteOverlappedRequest(other, o, 0, 3), wsa.EINVAL)
	is("complete on a socket", s.WPUCompleteOverlappedRequest(own, o, 0, 3), wsa.EINVAL)
	is("complete", s.WPUCompleteOverlappedRequest(h, o, wsa.ECONNRESET, 3), 0)
	r, e := port.Get(time.Minute)
	if e != 0 || r != (sockets.Completion{Key: 9, Overlapped: o, N: 3, Errno: wsa.ECONNRESET}) || !event.IsSet() {
		t.Errorf("%+v, %v", r, e)
	}
	is("complete twice", s.WPUCompleteOverlappedRequest(h, o, 0, 3), wsa.EINVAL)
	told := wsa.Errno(1)
	is("begin with a routine", s.WPUBeginOverlapped(h, o, func(e wsa.Errno, n uint32, _ *sockets.Overlapped, _ wsa.MsgFlags) { told = e }, thread), 0)
	is("complete", s.WPUCompleteOverlappedRequest(h, o, 0, 1), 0)
	if n := thread.SleepEx(t.Context()); n != 1 || told != 0 {
		t.Errorf("%d routines, %v", n, told)
	}

	is("WPUCloseSocketHandle", up.WPUCloseSocketHandle(h), 0)
	is("WPUCloseSocketHandle twice", up.WPUCloseSocketHandle(h), wsa.ENOTSOCK)
	is("WPUCloseEvent", up.WPUCloseEvent(event), 0)
	is("WPUSetEvent, closed", up.WPUSetEvent(event), wsa.INVALID_HANDLE)
	is("WPUResetEvent, none", up.WPUResetEvent(nil), wsa.INVALID_HANDLE)
	is("WPUCloseEvent twice", up.WPUCloseEvent(event), wsa.INVALID_HANDLE)
	is("WPUCloseThread", up.WPUCloseThread(thread), 0)
	port.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_, e = up.WPUOpenCurrentThread()
	is("WPUOpenCurrentThread after the end", e, wsa.NOTINITIALISED)
	is("WPUCloseThread after the end", up.WPUCloseThread(thread), wsa.NOTINITIALISED)
}
