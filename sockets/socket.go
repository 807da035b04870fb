package sockets

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// sock is an open socket with operations that wait: the table's, and await. Both
// faces stand on it.
//
// Locks: rd.call, wr.call, ctl, in this order. A table call is made with one of
// them held, close with all three; none is taken by a wake.
type sock struct {
	session atomic.Pointer[Session] // whose Close ends it; changes when it is handed over
	maker   *Session                // whose chain it stands on
	table   *provider.ProcTable
	s       *provider.Socket
	rd, wr  direction
	ctl     sync.Mutex // control operations, which run beside data operations
	waited  waited     // guarded by wr.call
	winsock *winsock   // what the Winsock face adds; nil on the Go face

	closed atomic.Bool
	linger atomic.Int64 // seconds; noLinger
}

const noLinger = -1

func (k *sock) owner() *Session { return k.session.Load() }

// newSock takes care of k, which stands on a chain of maker's. If the session has
// ended it closes k and fails.
func (s *Session) newSock(maker *Session, k *provider.Socket, w *winsock) (*sock, error) {
	n := &sock{table: &k.Chain().Table, s: k, maker: maker, winsock: w}
	n.owned(s)
	n.linger.Store(noLinger)
	for _, d := range []*direction{&n.rd, &n.wr} {
		d.closed = &n.closed
		d.job.k = n
	}
	if w != nil {
		w.attach(n)
	}
	n.table.Watch(k, n, watched)
	if err := s.keep(n); err != nil {
		n.table.WSPCloseSocket(k, provider.CloseAbort)
		return nil, err
	}
	return n, nil
}

// openSock is WSPSocket and newSock.
func (s *Session) openSock(r *provider.SocketRequest) (*sock, error) {
	k, err := s.socket(r)
	if err != nil {
		return nil, err
	}
	return s.newSock(s, k, nil)
}

// try is one try of c, with d.call held.
func (k *sock) try(d *direction, c *call, pended bool) wsa.Errno {
	switch {
	case c.other != nil:
		return c.other(pended)
	case d == &k.wr && d.shut.Load():
		return wsa.ESHUTDOWN
	}
	if c.enough > 0 && k.readable(c.enough) == wsa.EWOULDBLOCK {
		return wsa.EWOULDBLOCK
	}
	e := k.move(d, c, pended)
	if e == wsa.EWOULDBLOCK && d == &k.rd && d.shut.Load() {
		// What was queued before CloseRead was delivered; now the socket learns of it.
		k.table.WSPShutdown(k.s, wsa.SD_RECEIVE)
		return wsa.ESHUTDOWN
	}
	return e
}

// move is the table's data operation: once, or until all of c is moved.
func (k *sock) move(d *direction, c *call, pended bool) wsa.Errno {
	for {
		n, e := k.perform(d, c, pended)
		c.n += n
		switch {
		case e != 0 && e != wsa.EWOULDBLOCK && c.whole && d == &k.rd && c.n > 0:
			return 0 // MSG_WAITALL got a part; the error is the next receive's
		case e != 0 || !c.whole || n == 0:
			return e
		case c.advance(n):
			return 0
		}
		c.resumed = true // what is left was offered before
	}
}

func (k *sock) perform(d *direction, c *call, pended bool) (int, wsa.Errno) {
	m := &d.msg
	// MSG_PENDED is said here alone: a layer does not judge again what was judged.
	*m = provider.Msg{Buffers: c.buffers, Flags: c.flags &^ wsa.MSG_PENDED, Addr: c.addr, Control: c.control}
	if c.buffers == nil {
		d.bufs[0] = c.buffer
		m.Buffers = d.bufs[:]
	}
	if pended || c.resumed {
		m.Flags |= wsa.MSG_PENDED
	}
	size := m.Len()
	n, e := c.data(k.s, m)
	if n < 0 || n > size {
		// A layer that counts wrong must not make a caller slice out of range.
		k.s.Fail(wsa.SYSCALLFAILURE, fmt.Sprintf("%d bytes moved of a buffer of %d", n, size))
		n, e = 0, wsa.SYSCALLFAILURE
	}
	if e != wsa.EWOULDBLOCK {
		c.addr, c.flags = m.Addr, m.Flags&^wsa.MSG_PENDED
	}
	m.Buffers, m.Control, d.bufs[0] = nil, nil, nil
	return n, e
}

// receive is WSPRecv, or WSPRecvFrom if the source is wanted.
func (k *sock) receive(p []byte, from bool) (int, provider.Addr, wsa.Errno, error) {
	c := call{data: k.table.WSPRecv, buffer: p}
	if from {
		c.data = k.table.WSPRecvFrom
	}
	e, err := k.await(context.Background(), &k.rd, &c)
	return c.n, c.addr, e, err
}

// send is WSPSend until all of p is taken. n is what was.
func (k *sock) send(p []byte) (n int, e wsa.Errno, err error) {
	c := call{data: k.table.WSPSend, buffer: p, whole: true}
	e, err = k.await(context.Background(), &k.wr, &c)
	if e == 0 && err == nil && c.n < len(p) {
		err = io.ErrUnexpectedEOF
	}
	return c.n, e, err
}

// sendTo is WSPSendTo: one datagram.
func (k *sock) sendTo(p []byte, to provider.Addr) (int, wsa.Errno, error) {
	c := call{data: k.table.WSPSendTo, buffer: p, addr: to}
	e, err := k.await(context.Background(), &k.wr, &c)
	return c.n, e, err
}

// connect is WSPConnect, and waits for the end of the attempt.
func (k *sock) connect(ctx context.Context, to provider.Addr) (wsa.Errno, error) {
	r := &provider.ConnectRequest{To: to}
	return k.await(ctx, &k.wr, &call{other: func(started bool) wsa.Errno {
		if !started {
			return k.table.WSPConnect(k.s, r)
		}
		return k.attempt()
	}})
}

// waited is a connection attempt that somebody waits for.
type waited struct {
	running bool
	outcome wsa.Errno // of one that was refused, when the socket has gone on since
}

// attempt is what has become of a connection attempt.
func (k *sock) attempt() wsa.Errno {
	if e := k.waited.outcome; e != 0 {
		k.waited = waited{}
		return e
	}
	if r := k.table.Ready(k.s, wsa.FD_CONNECT); r.Events&wsa.FD_CONNECT != 0 {
		k.waited.running = false
		return r.Connect
	}
	return wsa.EWOULDBLOCK
}

// conclude comes before an operation that makes a refused socket anew, WSPListen or
// WSPConnect: who waits for the attempt will not find its outcome then. busy is the
// answer while there is none. wr.call is held.
func (k *sock) conclude(busy wsa.Errno) wsa.Errno {
	if !k.waited.running {
		return 0
	}
	r := k.table.Ready(k.s, wsa.FD_CONNECT)
	if r.Events&wsa.FD_CONNECT == 0 {
		return busy
	}
	k.waited = waited{outcome: r.Connect}
	k.wr.signal()
	return 0
}

// accept is WSPAccept, and waits for a connection.
func (k *sock) accept() (n *provider.Socket, e wsa.Errno, err error) {
	r := new(provider.AcceptRequest)
	e, err = k.await(context.Background(), &k.rd, &call{other: func(bool) (e wsa.Errno) {
		n, e = k.table.WSPAccept(k.s, r)
		return e
	}})
	return n, e, err
}

// control runs a control operation, unless the socket is closed.
func (k *sock) control(f func() wsa.Errno) error {
	k.ctl.Lock()
	defer k.ctl.Unlock()
	if k.closed.Load() {
		return net.ErrClosed
	}
	return f().Err()
}

// setOption sets an option whose value is a DWORD.
func (k *sock) setOption(level, name int32, value int) error {
	return k.control(func() wsa.Errno {
		return k.table.WSPSetSockOpt(k.s, level, name, dword(value))
	})
}

// dword is v as the bytes of a DWORD. Winsock's memory is little-endian on every
// machine it runs on, and so is ours where the machine is not.
func dword(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }

// ioctl is WSPIoctl with a DWORD in and nothing out.
func (k *sock) ioctl(code uint32, value int) error {
	return k.control(func() wsa.Errno {
		_, e := k.table.WSPIoctl(k.s, &provider.IoctlRequest{Code: code, In: dword(value)})
		return e
	})
}

// shutSend is SD_SEND. A Write that waits fails: nothing may follow the FIN.
func (k *sock) shutSend() error {
	return k.control(func() wsa.Errno {
		e := k.table.WSPShutdown(k.s, wsa.SD_SEND)
		if e == 0 {
			k.wr.shut.Store(true)
			k.wr.signal()
		}
		return e
	})
}

// shutReceive is SD_RECEIVE, at once if nothing is queued. Else reading goes on
// to the end of the queue, and tryReceive does it there.
func (k *sock) shutReceive() error {
	return k.control(func() wsa.Errno {
		if k.table.Ready(k.s, wsa.FD_READ).Events == 0 {
			if e := k.table.WSPShutdown(k.s, wsa.SD_RECEIVE); e != 0 {
				return e
			}
		}
		k.rd.shut.Store(true)
		k.rd.signal()
		return 0
	})
}

// close ends the socket: operations under way return net.ErrClosed, and
// WSPCloseSocket runs, last and alone. It waits for table calls that run only.
func (k *sock) close(m provider.CloseMode) error {
	if !k.leave() {
		return net.ErrClosed
	}
	return k.end(m)
}

// leave makes every operation fail with net.ErrClosed from now on, those that
// wait too; false if that was done before.
func (k *sock) leave() bool {
	return k.leaveIf(func([]*Session) bool { return true })
}

// leaveIf is leave on the condition that sole is true of who has descriptors of the
// socket. No descriptor is made of one that was left.
func (k *sock) leaveIf(sole func(holders []*Session) bool) bool {
	if w := k.winsock; w != nil {
		w.mu.Lock()
		left := sole(w.holders) && k.closed.CompareAndSwap(false, true)
		w.mu.Unlock()
		if !left {
			return false
		}
	} else if !k.closed.CompareAndSwap(false, true) {
		return false
	}
	k.rd.signal()
	k.wr.signal()
	if k.winsock != nil {
		k.winsock.wake(wsa.FD_CLOSE | changes)
	}
	return true
}

// end closes a socket that was left.
func (k *sock) end(m provider.CloseMode) error {
	return k.alone(func() wsa.Errno {
		k.rd.setLimit(time.Time{})
		k.wr.setLimit(time.Time{})
		k.table.Watch(k.s, nil, 0)
		e := k.table.WSPCloseSocket(k.s, m)
		if e == wsa.EWOULDBLOCK { // it lingers, by what was set or has come about meanwhile; nobody could close it again
			e = k.table.WSPCloseSocket(k.s, provider.CloseBackground)
		}
		if w := k.winsock; w != nil && w.shared.Load() {
			k.owner().cfg.Processes.withdraw(k)
		}
		k.owner().forget(k)
		return e
	})
}

// alone runs f when no other operation runs, but for one of which a layer does not return.
func (k *sock) alone(f func() wsa.Errno) error {
	defer k.still()()
	return f().Err()
}

// still waits until no operation runs, and keeps others from running until release. It
// gives up when the one that runs is known to stall.
func (k *sock) still() (release func()) {
	release = func() { k.ctl.Unlock(); k.wr.call.Unlock(); k.rd.call.Unlock() }
	if k.rd.call.TryLock() {
		if k.wr.call.TryLock() {
			if k.ctl.TryLock() {
				return release
			}
			k.wr.call.Unlock()
		}
		k.rd.call.Unlock()
	}
	locked, left := make(chan struct{}), make(chan struct{})
	go func() { // ends with the operation
		k.rd.call.Lock()
		k.wr.call.Lock()
		k.ctl.Lock()
		select {
		case locked <- struct{}{}:
		case <-left:
			release()
		}
	}()
	select {
	case <-locked:
		return release
	case <-k.s.Stalled():
		close(left)
		return func() {}
	}
}
