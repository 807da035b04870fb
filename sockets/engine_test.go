package sockets_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// engine is a session over a script and one overlapped stream socket.
type engine struct {
	*testing.T
	sockets.WSPProcTable
	s *sockets.Session
	h sockets.SOCKET
}

func newEngine(t *testing.T, b *script) *engine {
	x := &engine{T: t, s: start(t, b)}
	x.WSPProcTable = x.s.ProcTable()
	x.h = x.open()
	return x
}

func (x *engine) open() sockets.SOCKET {
	x.Helper()
	h, e := x.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
	x.is("WSPSocket", e, 0)
	return h
}

func (x *engine) is(what string, got, want wsa.Errno) {
	x.Helper()
	if got != want {
		x.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func (x *engine) recv(o *sockets.Overlapped) wsa.Errno {
	return x.WSPRecv(x.h, [][]byte{make([]byte, 8)}, nil, new(wsa.MsgFlags), o, nil, nil)
}

// wake has the socket looked at again.
func (x *engine) wake(h sockets.SOCKET, hint wsa.Events) {
	x.Helper()
	k, e := x.s.Lookup(h)
	x.is("Lookup", e, 0)
	k.Wake(hint)
}

func pends(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return 0, wsa.EWOULDBLOCK }

// TestCancelBesideReuse: an operation is cancelled by who does not know that it has
// completed and been started anew.
func TestCancelBesideReuse(t *testing.T) {
	x := newEngine(t, &script{table: provider.ProcTable{WSPRecv: pends}})
	port := sockets.CreateCompletionPort(0)
	defer port.Close()
	x.is("Associate", x.s.Associate(x.h, port, 0), 0)
	o := new(sockets.Overlapped)
	x.is("WSPRecv", x.recv(o), wsa.IO_PENDING)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for n := 0; n < 100; runtime.Gosched() {
				if x.s.CancelIoEx(x.h, o) == 0 {
					n++
				}
			}
		})
	}
	for range 200 {
		c, e := port.Get(-1)
		x.is("Get", max(e, c.Errno), wsa.OPERATION_ABORTED)
		x.is("WSPRecv", x.recv(o), wsa.IO_PENDING)
	}
	wg.Wait()
}

// TestChangesDoNotWaitForEachOther: an ioctl that waits for one change is no
// obstacle to one that waits for another.
func TestChangesDoNotWaitForEachOther(t *testing.T) {
	var changed atomic.Bool
	x := newEngine(t, &script{table: provider.ProcTable{WSPIoctl: func(_ *provider.Socket, r *provider.IoctlRequest) (int, wsa.Errno) {
		if r.Code == wsa.SIO_ADDRESS_LIST_CHANGE && changed.Load() {
			return 0, 0
		}
		return 0, wsa.EWOULDBLOCK
	}}})
	begin := func(code uint32) *sockets.Overlapped {
		o := overlapped()
		x.is("WSPIoctl", x.WSPIoctl(x.h, code, winsocktest.Name(peer.Addr(), 0), nil, new(uint32), o, nil, nil), wsa.IO_PENDING)
		return o
	}
	first := begin(wsa.SIO_ROUTING_INTERFACE_CHANGE)
	second := begin(wsa.SIO_ADDRESS_LIST_CHANGE)
	blocked := make(chan wsa.Errno)
	go func() {
		blocked <- x.WSPIoctl(x.h, wsa.SIO_ADDRESS_LIST_CHANGE, nil, nil, new(uint32), nil, nil, nil)
	}()
	third := begin(wsa.SIO_ADDRESS_LIST_CHANGE)
	changed.Store(true)
	x.wake(x.h, wsa.FD_ADDRESS_LIST_CHANGE)
	for _, o := range []*sockets.Overlapped{second, third} {
		x.is("wait", o.HEvent.Wait(soon(t)), 0)
	}
	select {
	case e := <-blocked:
		x.is("the call that blocks", e, 0)
	case <-soon(t).Done():
		t.Fatal("the call that blocks is not told")
	}
	x.is("the other", x.WSPGetOverlappedResult(x.h, first, new(uint32), false, new(wsa.MsgFlags)), wsa.IO_INCOMPLETE)
	x.is("close", x.WSPCloseSocket(x.h), 0)
	x.is("the other, closed", x.WSPGetOverlappedResult(x.h, first, new(uint32), false, new(wsa.MsgFlags)), wsa.OPERATION_ABORTED)
}

// TestCleanupEndsWhoWaitsForAResult: WSPCleanup signals no event, and still nobody
// waits for ever.
func TestCleanupEndsWhoWaitsForAResult(t *testing.T) {
	x := newEngine(t, &script{table: provider.ProcTable{WSPRecv: pends}})
	thread := sockets.OpenThread()
	table := x.s.ThreadProcTable(thread)
	o := overlapped()
	x.is("WSPRecv", x.recv(o), wsa.IO_PENDING)
	answer := make(chan wsa.Errno)
	go func() { answer <- table.WSPGetOverlappedResult(x.h, o, new(uint32), true, new(wsa.MsgFlags)) }()
	for !thread.IsBlocking() {
		time.Sleep(time.Millisecond)
	}
	x.is("WSPCleanup", x.WSPCleanup(), 0)
	select {
	case e := <-answer:
		x.is("WSPGetOverlappedResult", e, wsa.EINTR)
	case <-soon(t).Done():
		t.Fatal("WSPGetOverlappedResult waits for ever")
	}
	if o.HEvent.IsSet() {
		t.Error("the event was signalled")
	}
}

// TestResultThenReuse: who has the result of an operation may start it anew at once:
// the event is not set any more for the one before.
func TestResultThenReuse(t *testing.T) {
	var ready atomic.Bool
	x := newEngine(t, &script{table: provider.ProcTable{WSPRecv: func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		if ready.CompareAndSwap(true, false) {
			return 1, 0
		}
		return 0, wsa.EWOULDBLOCK
	}}})
	k, e := x.s.Lookup(x.h)
	x.is("Lookup", e, 0)
	o := overlapped()
	for range 2000 {
		x.is("WSPRecv", x.recv(o), wsa.IO_PENDING)
		ready.Store(true)
		k.Wake(wsa.FD_READ)
		for x.WSPGetOverlappedResult(x.h, o, new(uint32), false, new(wsa.MsgFlags)) == wsa.IO_INCOMPLETE {
			runtime.Gosched()
		}
		x.is("WSPRecv", x.recv(o), wsa.IO_PENDING)
		for range 3 {
			runtime.Gosched()
		}
		if o.HEvent.IsSet() {
			t.Fatal("the event of a pending operation is set")
		}
		x.is("CancelIoEx", x.s.CancelIoEx(x.h, o), 0)
	}
}

// TestCloseIsFinal: a base that would let the socket linger, when nobody does, is
// told to close it all the same; else it would never be closed.
func TestCloseIsFinal(t *testing.T) {
	b := new(script)
	var modes []provider.CloseMode
	b.table.WSPCloseSocket = func(_ *provider.Socket, m provider.CloseMode) wsa.Errno {
		modes = append(modes, m)
		if m == provider.CloseLinger {
			return wsa.EWOULDBLOCK
		}
		return 0
	}
	x := newEngine(t, b)
	x.is("close", x.WSPCloseSocket(x.h), 0)
	if len(modes) != 2 || modes[1] != provider.CloseBackground {
		t.Errorf("closed by %v", modes)
	}
	for range x.s.Sockets() {
		t.Error("the socket is open still")
	}
}

// TestRoutineThatPanics: the thread of a completion routine that panicked is usable.
func TestRoutineThatPanics(t *testing.T) {
	thread := sockets.OpenThread()
	thread.QueueAPC(func() { panic("the routine's") })
	thread.QueueAPC(func() {})
	func() {
		defer func() {
			if p := recover(); p != "the routine's" {
				t.Errorf("recovered %v", p)
			}
		}()
		thread.SleepEx(t.Context())
	}()
	if n := thread.SleepEx(t.Context()); n != 1 {
		t.Errorf("%d routines", n)
	}
}

// TestCompleteOnce: of two who complete one operation, one is refused.
func TestCompleteOnce(t *testing.T) {
	x := newEngine(t, new(script))
	h, e := x.s.Upcalls().WPUCreateSocketHandle(x.entry(), nil)
	x.is("WPUCreateSocketHandle", e, 0)
	port := sockets.CreateCompletionPort(1)
	defer port.Close()
	x.is("Associate", x.s.Associate(h, port, 0), 0)
	o := new(sockets.Overlapped)
	for range 2000 {
		x.is("WPUBeginOverlapped", x.s.WPUBeginOverlapped(h, o, nil, nil), 0)
		var ok atomic.Int32
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if x.s.WPUCompleteOverlappedRequest(h, o, 0, 1) == 0 {
					ok.Add(1)
				}
			})
		}
		wg.Wait()
		if n := ok.Load(); n != 1 {
			t.Fatalf("completed %d times", n)
		}
		_, e := port.Get(0)
		x.is("Get", e, 0)
		_, e = port.Get(0)
		x.is("Get another", e, wsa.WAIT_TIMEOUT)
	}
}

func (x *engine) entry() provider.CatalogID {
	k, _ := x.s.Lookup(x.h)
	return k.Info.CatalogEntryID
}

// soon ends when what should take no time at all has not happened.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
