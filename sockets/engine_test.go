package sockets_test

import (
	"context"
	"net/netip"
	"runtime"
	"strings"
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

// TestCancelHalfWay: a cancelled operation that the peer has seen a part of leaves
// its socket usable only for close (winsock-spi 3.7).
func TestCancelHalfWay(t *testing.T) {
	half := func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		if m.Flags&wsa.MSG_PENDED == 0 && m.Len() > 1 {
			return 1, 0
		}
		return 0, wsa.EWOULDBLOCK
	}
	started := func(*provider.Socket, *provider.ConnectRequest) wsa.Errno { return wsa.EWOULDBLOCK }
	idle := func(*provider.Socket, wsa.Events) provider.Readiness { return provider.Readiness{} }
	data := [][]byte{[]byte("hello")}
	for name, test := range map[string]struct {
		b     provider.ProcTable
		begin func(*engine, *sockets.Overlapped) wsa.Errno
		after wsa.Errno
	}{
		"WSPSend, a part is sent": {provider.ProcTable{WSPSend: half}, func(x *engine, o *sockets.Overlapped) wsa.Errno {
			return x.WSPSend(x.h, data, nil, 0, o, nil, nil)
		}, wsa.ECONNABORTED},
		"WSPSend, nothing is sent": {provider.ProcTable{WSPSend: pends}, func(x *engine, o *sockets.Overlapped) wsa.Errno {
			return x.WSPSend(x.h, data, nil, 0, o, nil, nil)
		}, 0},
		"TransmitPackets": {provider.ProcTable{WSPSend: half}, func(x *engine, o *sockets.Overlapped) wsa.Errno {
			return x.s.TransmitPackets(x.h, []sockets.TransmitPacket{{Memory: data[0]}}, 0, o, 0)
		}, wsa.ECONNABORTED},
		"ConnectEx": {provider.ProcTable{WSPConnect: started, Ready: idle}, func(x *engine, o *sockets.Overlapped) wsa.Errno {
			return x.s.ConnectEx(x.h, winsocktest.Name(peer.Addr(), 9), nil, nil, o)
		}, wsa.ECONNABORTED},
		"WSPRecv": {provider.ProcTable{WSPRecv: pends}, (*engine).receiveInto, 0},
	} {
		for _, all := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				x := newEngine(t, &script{table: test.b})
				o := overlapped()
				x.is("begin", test.begin(x, o), wsa.IO_PENDING)
				which := o
				if all {
					which = nil
				}
				x.is("CancelIoEx", x.s.CancelIoEx(x.h, which), 0)
				x.is("the operation", x.WSPGetOverlappedResult(x.h, o, new(uint32), false, new(wsa.MsgFlags)), wsa.OPERATION_ABORTED)
				k, e := x.s.Lookup(x.h)
				x.is("Lookup", e, 0)
				x.is("what every other call returns", k.Failed(), test.after)
				x.is("close", x.WSPCloseSocket(x.h), 0)
			})
		}
	}
}

func (x *engine) receiveInto(o *sockets.Overlapped) wsa.Errno { return x.recv(o) }

// TestReceiveOfNothing: a receive of no bytes waits for data; what is wrong with the
// socket it says at once.
func TestReceiveOfNothing(t *testing.T) {
	x := newExtensions(t)
	none, flags := [][]byte{{}}, new(wsa.MsgFlags)
	is := func(what string, got, want wsa.Errno) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	fresh, e := x.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
	x.ok(e)
	bound, _ := x.bound(wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	shut, far := x.connected()
	x.ok(x.WSPShutdown(shut, wsa.SD_RECEIVE))
	for _, o := range []*sockets.Overlapped{nil, overlapped()} {
		is("not bound", x.WSPRecv(fresh, none, new(uint32), flags, o, nil, nil), wsa.EINVAL)
		is("not connected", x.WSPRecv(bound, none, new(uint32), flags, o, nil, nil), wsa.ENOTCONN)
		is("after SD_RECEIVE", x.WSPRecv(shut, none, new(uint32), flags, o, nil, nil), wsa.ESHUTDOWN)
	}
	o := overlapped()
	is("waits", x.WSPRecv(far, none, nil, flags, o, nil, nil), wsa.IO_PENDING)
	x.ok(x.WSPSetSockOpt(shut, wsa.SOL_SOCKET, wsa.SO_LINGER, []byte{1, 0, 0, 0}))
	x.ok(x.WSPCloseSocket(shut))
	x.ok(o.HEvent.Wait(soon(t)))
	is("reset by the peer", x.WSPGetOverlappedResult(far, o, new(uint32), false, flags), wsa.ECONNRESET)
}

// TestTooMuch: a count is 32 bits wide, and so is what one call may move.
func TestTooMuch(t *testing.T) {
	x := newEngine(t, new(script))
	part := make([]byte, 1<<20)
	huge := make([][]byte, 1<<12)
	for i := range huge {
		huge[i] = part
	}
	n, flags := uint32(7), wsa.MsgFlags(0)
	for _, o := range []*sockets.Overlapped{nil, new(sockets.Overlapped)} {
		x.is("WSPSend", x.WSPSend(x.h, huge, &n, 0, o, nil, nil), wsa.EINVAL)
		x.is("WSPRecv", x.WSPRecv(x.h, huge, &n, &flags, o, nil, nil), wsa.EINVAL)
	}
	if n != 7 {
		t.Errorf("the count became %d", n)
	}
	x.is("WSPSend of a little less", x.WSPSend(x.h, huge[1:], &n, 0, nil, nil, nil), 0)
}

// TestTransmitWaits: TransmitPackets without an overlapped waits also on a
// non-blocking socket, as what it has sent by then would be lost to view.
func TestTransmitWaits(t *testing.T) {
	var room atomic.Bool
	asked := make(chan struct{}, 1)
	x := newEngine(t, &script{table: provider.ProcTable{WSPSend: func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		if !room.Load() {
			select {
			case asked <- struct{}{}:
			default:
			}
			return 0, wsa.EWOULDBLOCK
		}
		return m.Len(), 0
	}}})
	x.is("FIONBIO", x.WSPIoctl(x.h, wsa.FIONBIO, []byte{1, 0, 0, 0}, nil, new(uint32), nil, nil, nil), 0)
	answer := make(chan wsa.Errno)
	go func() {
		answer <- x.s.TransmitPackets(x.h, []sockets.TransmitPacket{{Memory: []byte("hello")}}, 0, nil, 0)
	}()
	<-asked
	room.Store(true)
	x.wake(x.h, wsa.FD_WRITE)
	x.is("TransmitPackets", <-answer, 0)
	x.is("a part of a file of less than nothing", x.s.TransmitPackets(x.h, []sockets.TransmitPacket{{Length: -1}}, 0, nil, 0), wsa.EINVAL)
}

// TestTransmitInSmallPieces: how much the caller would send at a time is no reason to
// hold as much.
func TestTransmitInSmallPieces(t *testing.T) {
	x := newEngine(t, new(script))
	before := new(runtime.MemStats)
	runtime.ReadMemStats(before)
	x.is("TransmitFile", x.s.TransmitFile(x.h, strings.NewReader("short"), 0, 1<<31, nil, nil, 0), 0)
	after := new(runtime.MemStats)
	runtime.ReadMemStats(after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("%d bytes for a file of 5", n)
	}
}

// TestAssociateClosedPort: a socket has one port in its life, so it is not given one
// that is closed.
func TestAssociateClosedPort(t *testing.T) {
	x := newEngine(t, new(script))
	port := sockets.CreateCompletionPort(0)
	port.Close()
	x.is("a closed port", x.s.Associate(x.h, port, 0), wsa.INVALID_HANDLE)
	port = sockets.CreateCompletionPort(0)
	defer port.Close()
	x.is("another", x.s.Associate(x.h, port, 0), 0)
}

// TestAcceptExOfAnotherChain: no layer is shown a socket of another chain, which has
// none of its slots.
func TestAcceptExOfAnotherChain(t *testing.T) {
	accepts := 0
	x := newEngine(t, &script{table: provider.ProcTable{
		WSPGetSockName: func(*provider.Socket) (provider.Addr, wsa.Errno) { return provider.Addr{}, wsa.EINVAL },
		WSPAccept: func(*provider.Socket, *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
			accepts++
			return nil, wsa.EWOULDBLOCK
		},
	}})
	other, e := x.WSPSocket(wsa.AF_INET6, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
	x.is("WSPSocket", e, 0)
	x.is("AcceptEx", x.s.AcceptEx(x.h, other, make([]byte, 128), 0, 0, 64, nil, new(sockets.Overlapped)), wsa.EINVAL)
	if accepts != 0 {
		t.Error("WSPAccept was called")
	}
}

// TestManyQueued: ten thousand operations are cancelled one by one, the last first,
// and ended by a close, in no time.
func TestManyQueued(t *testing.T) {
	x := newEngine(t, &script{table: provider.ProcTable{WSPRecv: pends}})
	port := sockets.CreateCompletionPort(0)
	defer port.Close()
	x.is("Associate", x.s.Associate(x.h, port, 0), 0)
	all := make([]sockets.Overlapped, 10000)
	for range 2 {
		for i := range all {
			x.is("WSPRecv", x.recv(&all[i]), wsa.IO_PENDING)
		}
		for i := range all {
			x.is("CancelIoEx", x.s.CancelIoEx(x.h, &all[len(all)-1-i]), 0)
		}
		for range all {
			c, e := port.Get(0)
			x.is("Get", max(e, c.Errno), wsa.OPERATION_ABORTED)
		}
	}
	for i := range all {
		x.is("WSPRecv", x.recv(&all[i]), wsa.IO_PENDING)
	}
	x.is("close", x.WSPCloseSocket(x.h), 0)
	for range all {
		c, e := port.Get(0)
		x.is("Get", max(e, c.Errno), wsa.ECONNABORTED)
	}
	if _, e := port.Get(0); e != wsa.WAIT_TIMEOUT {
		t.Error(e)
	}
}

// never is a layer that denies one peer.
type never struct{ peer netip.Addr }

func (never) OnFailure() provider.OnFailure { return provider.FailClosed }

func (d never) Decide(f provider.Facts, _ provider.Op) provider.Verdict {
	if f.Remote.Addr() == d.peer {
		return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}
	}
	return provider.Verdict{Action: provider.Allow}
}

func (never) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

// TestQueuedSendIsJudged: a datagram that waits behind another is judged when it is
// tried for the first time, which is no retry (law 7).
func TestQueuedSendIsJudged(t *testing.T) {
	denied := netip.MustParseAddr("192.0.2.66")
	var room atomic.Bool
	var sent []netip.Addr
	s := start(t, &script{table: provider.ProcTable{WSPSendTo: func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		if !room.Load() {
			return 0, wsa.EWOULDBLOCK
		}
		sent = append(sent, m.Addr.Addr())
		return m.Len(), 0
	}}}, never{denied})
	x := &engine{T: t, s: s, WSPProcTable: s.ProcTable()}
	h, e := x.WSPSocket(wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
	x.is("WSPSocket", e, 0)
	data := [][]byte{[]byte("x")}
	first, second, third := overlapped(), overlapped(), overlapped()
	x.is("the first", x.WSPSendTo(h, data, nil, 0, winsocktest.Name(peer.Addr(), 9), first, nil, nil), wsa.IO_PENDING)
	x.is("the second", x.WSPSendTo(h, data, nil, 0, winsocktest.Name(denied, 9), second, nil, nil), wsa.IO_PENDING)
	x.is("the third", s.WSASendMsg(h, &sockets.WSAMSG{Name: winsocktest.Name(denied, 9), Buffers: data}, 0, nil, third, nil), wsa.IO_PENDING)
	room.Store(true)
	x.wake(h, wsa.FD_WRITE)
	for o, want := range map[*sockets.Overlapped]wsa.Errno{first: 0, second: wsa.EACCES, third: wsa.EACCES} {
		x.is("wait", o.HEvent.Wait(soon(t)), 0)
		x.is("the result", x.WSPGetOverlappedResult(h, o, new(uint32), false, new(wsa.MsgFlags)), want)
	}
	if len(sent) != 1 {
		t.Errorf("sent to %v", sent)
	}
}
