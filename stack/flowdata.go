package stack

import (
	"errors"
	"io"
	"net"
	"sort"
	"sync"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// FlowState is a snapshot of an accepted Flow.
type FlowState struct {
	Readable   int   // bytes queued for Peek
	PeerClosed bool  // the program's FIN has arrived; Readable bytes come before it
	Writable   bool  // Fill would take at least one byte
	Drained    bool  // after CloseWrite: everything, our FIN too, was acknowledged
	Err        error // why the connection broke: ECONNRESET, ETIMEDOUT … nil while it lives
}

// State looks at an accepted flow. It must not be called from a wake.
func (f *Flow) State() FlowState {
	ep, err := f.endpoint()
	if err != nil {
		return FlowState{Err: err}
	}
	s := ep.EndpointState()
	st := FlowState{PeerClosed: peerClosed(s), Drained: drained(s)}
	if s == tcp.StateError {
		st.Err = f.broken(ep.LastError())
		st.PeerClosed = false
	}
	if n, err := ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption); err == nil {
		st.Readable = n
	}
	f.mu.Lock()
	open := !f.finSent
	f.mu.Unlock()
	st.Writable = open && st.Err == nil && !drained(s) && ep.Readiness(waiter.WritableEvents) != 0
	return st
}

func peerClosed(s tcp.EndpointState) bool {
	switch s {
	case tcp.StateCloseWait, tcp.StateLastAck, tcp.StateClosing, tcp.StateTimeWait, tcp.StateClose:
		return true
	}
	return false
}

func drained(s tcp.EndpointState) bool {
	switch s {
	case tcp.StateFinWait2, tcp.StateTimeWait, tcp.StateClose, tcp.StateError:
		return true
	}
	return false
}

// maxSendBuffer is beyond every size that a send buffer has (tuning.go).
const maxSendBuffer = 1 << 30

// Unacked is how many bytes of what was filled, and a FIN, the program's kernel has
// not acknowledged; 0 if the connection broke. It is dear, and for the end of a
// flow: gVisor does not tell, but is writable when less is queued than the size of
// its buffer, which may be set. Fill may find no room meanwhile.
func (f *Flow) Unacked() int {
	ep, err := f.endpoint()
	if err != nil || ep.EndpointState() == tcp.StateError {
		return 0
	}
	f.mu.Lock()
	ended := f.finSent
	f.mu.Unlock()
	if ended {
		if drained(ep.EndpointState()) {
			return 0
		}
		return 1
	}
	o := ep.SocketOptions()
	size := o.GetSendBufferSize()
	defer o.SetSendBufferSize(size, false)
	return sort.Search(maxSendBuffer, func(n int) bool {
		for {
			o.SetSendBufferSize(int64(n)+1, false)
			writable := ep.Readiness(waiter.WritableEvents) != 0
			if o.GetSendBufferSize() == int64(n)+1 { // else it was set anew meanwhile
				return writable
			}
		}
	})
}

// endpoint returns the endpoint of an accepted, open flow.
func (f *Flow) endpoint() (*tcp.Endpoint, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.endpointLocked()
}

func (f *Flow) endpointLocked() (*tcp.Endpoint, error) {
	switch {
	case f.ep == nil:
		return nil, syscall.ENOTCONN
	case f.closed && f.cause != nil:
		return nil, f.cause
	case f.closed:
		return nil, errFlowClosed
	}
	return f.ep, nil
}

// broken keeps the first hard error: gVisor tells each only once, to whoever
// asks first.
func (f *Flow) broken(err tcpip.Error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		f.cause = syscall.ECONNABORTED
		if err != nil {
			f.cause = errno(err)
		}
	}
	return f.cause
}

// FlowEvents say what a wake is about.
type FlowEvents uint8

// Events of a Flow.
const (
	FlowReadable FlowEvents = 1 << iota // Peek may have something, the program's FIN included
	FlowWritable                        // Fill may take something
	FlowBroken                          // the connection may have ended
)

func flowEvents(m waiter.EventMask) (e FlowEvents) {
	if m&(waiter.ReadableEvents|waiter.EventRdHUp) != 0 {
		e |= FlowReadable
	}
	if m&waiter.WritableEvents != 0 {
		e |= FlowWritable
	}
	if m&(waiter.EventHUp|waiter.EventErr) != 0 {
		e |= FlowReadable | FlowWritable | FlowBroken
	}
	return e
}

// Watch has wake called whenever State may have changed, until Watch(nil):
// after that returned, no wake runs. gVisor calls wake under its own locks, so
// it may mark and schedule, and call nothing of the Flow. Look at State after
// Watch: what happened before it wakes nobody.
func (f *Flow) Watch(wake func(FlowEvents)) {
	f.mu.Lock()
	old := f.watch
	f.watch = nil
	if wake != nil {
		e := waiter.NewFunctionEntry(^waiter.EventMask(0), func(m waiter.EventMask) { wake(flowEvents(m)) })
		f.watch = &e
		f.queue.EventRegister(&e)
	}
	f.mu.Unlock()
	if old != nil {
		f.queue.EventUnregister(old) // waits for a wake that runs
	}
}

// gather collects the slices that gVisor's Read(Peek) hands out. It is pooled:
// most flows are idle, and 256 slices are 6 KiB.
type gather struct {
	bufs [maxLease][]byte
	n    int
	left int
	drop discard
}

var gathers = sync.Pool{New: func() any { return new(gather) }}

// maxLease bounds the slices of one Peek, far below the 1024 of writev(2).
const maxLease = 256

func (g *gather) Write(b []byte) (int, error) {
	if g.left == 0 || g.n == maxLease {
		return 0, io.ErrShortWrite
	}
	n := min(len(b), g.left)
	g.left -= n
	if n > 0 {
		g.bufs[g.n] = b[:n]
		g.n++
	}
	if n < len(b) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

func (g *gather) release() {
	clear(g.bufs[:g.n])
	g.n = 0
	gathers.Put(g)
}

// discard drops bytes from the receive queue.
type discard struct{ left int }

func (d *discard) Write(b []byte) (int, error) {
	n := min(len(b), d.left)
	d.left -= n
	if n < len(b) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// Peek lends up to max received bytes to fn: bufs are slices of netstack's own
// queue, valid until fn returns and not to be written to. The first taken bytes
// are then dropped and the receive window opens; Peek returns taken. Close and
// Abort during fn take effect after it. fn runs without locks and may block.
//
// Errors, without calling fn: EAGAIN (nothing queued), io.EOF (the program's
// FIN, after all data), ECONNRESET and the like (after all data), EBUSY
// (another Peek runs), net.ErrClosed.
func (f *Flow) Peek(max int, fn func(bufs [][]byte) (taken int)) (int, error) {
	ep, err := f.lease(true)
	if err != nil {
		return 0, err
	}
	defer f.release(true)
	g := gathers.Get().(*gather)
	defer g.release()
	g.left = max
	if _, terr := ep.Read(g, tcpip.ReadOptions{Peek: true}); terr != nil {
		return 0, f.readError(ep, terr)
	}
	taken := min(fn(g.bufs[:g.n]), max-g.left)
	if taken <= 0 {
		return 0, nil
	}
	g.drop.left = taken
	ep.Read(&g.drop, tcpip.ReadOptions{})
	ep.ModerateRecvBuf(taken) // gonet's Read would; without it the window never grows
	return taken, nil
}

func (f *Flow) readError(ep *tcp.Endpoint, err tcpip.Error) error {
	switch err.(type) {
	case *tcpip.ErrWouldBlock:
		return syscall.EAGAIN
	case *tcpip.ErrClosedForReceive, *tcpip.ErrNotConnected:
		if ep.EndpointState() != tcp.StateError {
			return io.EOF
		}
		return f.broken(nil)
	case *tcpip.ErrBadBuffer: // max was 0
		return syscall.EINVAL
	}
	return f.broken(err)
}

// lease keeps Close and Abort from taking effect.
func (f *Flow) lease(peek bool) (*tcp.Endpoint, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if peek && f.peeking {
		return nil, syscall.EBUSY
	}
	ep, err := f.endpointLocked()
	if err != nil {
		return nil, err
	}
	f.peeking = f.peeking || peek
	f.leases++
	return ep, nil
}

func (f *Flow) release(peek bool) {
	f.mu.Lock()
	if peek {
		f.peeking = false
	}
	if f.leases--; f.leases > 0 {
		f.mu.Unlock()
		return
	}
	end := f.deferred
	f.deferred = nil
	f.mu.Unlock()
	if end != nil {
		end()
	}
	f.unleased.Broadcast()
}

// CloseWrite sends FIN after what was filled. The flow can still be read.
func (f *Flow) CloseWrite() error {
	ep, err := f.endpoint()
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.finSent = true
	f.mu.Unlock()
	if err := ep.Shutdown(tcpip.ShutdownWrite); err != nil {
		return f.writeError(err)
	}
	return nil
}

// Close ends the flow gracefully, in the background: what was filled is still
// delivered, then FIN. If received bytes are left unread the program gets RST,
// as from a kernel. Closing again is net.ErrClosed.
func (f *Flow) Close() error { return f.finish(nil, func() { f.ep.Close() }) }

// Abort ends the flow with RST; what was filled may be lost.
func (f *Flow) Abort() { f.finish(nil, f.abort) }

// fail aborts the flow with a cause that later calls return, and waits for a
// lease to end.
func (f *Flow) fail(cause error) {
	f.cancel() // whoever serves the flow may be waiting for something else
	f.finish(cause, f.abort)
	f.mu.Lock()
	for f.leases > 0 {
		f.unleased.Wait()
	}
	f.mu.Unlock()
}

func (f *Flow) abort() {
	if f.ep.EndpointState() == tcp.StateTimeWait {
		f.ep.Close()
		return
	}
	f.ep.Abort()
}

func (f *Flow) finish(cause error, end func()) error {
	f.mu.Lock()
	if f.ep == nil || f.closed {
		f.mu.Unlock()
		if f.ep == nil {
			return syscall.ENOTCONN
		}
		return errFlowClosed
	}
	f.closed = true
	if f.cause == nil && cause != nil && !errors.Is(cause, net.ErrClosed) {
		f.cause = cause
	}
	if f.leases > 0 {
		f.deferred = end
		end = nil
	}
	f.mu.Unlock()
	if end != nil {
		end()
	}
	f.stack.flows.remove(f)
	return nil
}
