package kit

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// netConn is an end towards the storey below: the table's entries, made to wait.
type netConn struct {
	k     *kit
	s     *provider.Socket
	c     *conversation // nil: a further socket, from Exchange.Dial
	floor floor

	readable, writable signal
	rd, wd             deadline
	rmu, wmu           sync.Mutex // one Read, one Write; each guards its Msg
	rmsg, wmsg         provider.Msg
	rbuf, wbuf         [1][]byte

	busy      atomic.Bool // a conversation has begun
	connected atomic.Bool
	fin       atomic.Bool // SD_SEND went down
	shut      atomic.Bool // Close was called
	dead      atomic.Uint32
}

var (
	_ Conn             = (*netConn)(nil)
	_ provider.Watcher = (*netConn)(nil)
)

func newNetConn(k *kit, s *provider.Socket) *netConn {
	return &netConn{
		k: k, s: s, floor: floor{s: s, next: k.next.WSPCloseSocket},
		readable: newSignal(), writable: newSignal(), rd: deadline{r: k.r}, wd: deadline{r: k.r},
	}
}

// Wake implements provider.Watcher.
func (n *netConn) Wake(_ *provider.Socket, hint wsa.Events) {
	const write = wsa.FD_WRITE | wsa.FD_CONNECT
	if hint&^write != 0 {
		n.readable.set()
	}
	if hint&(write|wsa.FD_CLOSE) != 0 {
		n.writable.set()
	}
}

// stop makes every operation return e, those under way too.
func (n *netConn) stop(e wsa.Errno) {
	n.dead.CompareAndSwap(0, uint32(e))
	n.readable.set()
	n.writable.set()
}

func (n *netConn) mute() error {
	switch e := wsa.Errno(n.dead.Load()); {
	case e != 0:
		return e.Err()
	case n.shut.Load():
		return net.ErrClosed
	}
	return nil
}

func (n *netConn) Read(b []byte) (int, error) {
	n.rmu.Lock()
	defer n.rmu.Unlock()
	if len(b) == 0 {
		return 0, nil
	}
	m := &n.rmsg
	n.rbuf[0], m.Buffers, m.Flags = b, n.rbuf[:], 0
	defer func() { n.rbuf[0] = nil }()
	for {
		if n.c != nil && n.c.in.leaving.Load() {
			return 0, net.ErrClosed
		}
		got, e, err := n.try(&n.rd, m, n.k.next.WSPRecv)
		switch {
		case err != nil:
			return 0, err
		case e == 0 && got == 0:
			return 0, io.EOF
		case e != wsa.EWOULDBLOCK:
			return got, e.Err()
		}
		if err := n.readable.wait(&n.rd); err != nil {
			return 0, err
		}
		m.Flags = wsa.MSG_PENDED
	}
}

func (n *netConn) Write(b []byte) (int, error) {
	n.wmu.Lock()
	defer n.wmu.Unlock()
	if n.c != nil && n.c.out.leaving.Load() {
		return 0, net.ErrClosed
	}
	return n.write(b)
}

// write sends all of b. wmu is held.
func (n *netConn) write(b []byte) (sent int, err error) {
	m := &n.wmsg
	m.Buffers, m.Flags = n.wbuf[:], 0
	defer func() { n.wbuf[0] = nil }()
	for sent < len(b) {
		n.wbuf[0] = b[sent:]
		did, e, err := n.try(&n.wd, m, n.k.next.WSPSend)
		sent += did
		switch {
		case err != nil:
			return sent, err
		case e == 0:
			m.Flags = 0 // the rest is a new operation
			continue
		case e != wsa.EWOULDBLOCK:
			return sent, e.Err()
		}
		if err := n.writable.wait(&n.wd); err != nil {
			return sent, err
		}
		m.Flags = wsa.MSG_PENDED
	}
	return sent, n.mute()
}

// try makes one call of a data entry below.
func (n *netConn) try(d *deadline, m *provider.Msg, entry data) (int, wsa.Errno, error) {
	if err := n.mute(); err != nil {
		return 0, 0, err
	}
	if d.over() {
		return 0, 0, os.ErrDeadlineExceeded
	}
	if !n.floor.enter() {
		return 0, 0, net.ErrClosed
	}
	defer n.floor.leave()
	did, e := entry(n.s, m)
	return did, e, nil
}

// connect makes the connection and waits for it.
func (n *netConn) connect(q *provider.ConnectRequest) error {
	if err := n.mute(); err != nil {
		return err
	}
	if !n.floor.enter() {
		return net.ErrClosed
	}
	e := n.k.next.WSPConnect(n.s, q)
	n.floor.leave()
	switch e {
	case 0:
		n.connected.Store(true)
		return nil
	case wsa.EWOULDBLOCK:
		return n.awaitConnect()
	}
	return e.Err()
}

// awaitConnect waits for a connection that was begun.
func (n *netConn) awaitConnect() error {
	for {
		if err := n.mute(); err != nil {
			return err
		}
		if !n.floor.enter() {
			return net.ErrClosed
		}
		r := n.k.next.Ready(n.s, wsa.FD_CONNECT)
		n.floor.leave()
		if r.Events&wsa.FD_CONNECT != 0 {
			n.connected.Store(r.Connect == 0)
			return r.Connect.Err()
		}
		if err := n.writable.wait(&n.wd); err != nil {
			return err
		}
	}
}

func (n *netConn) CloseWrite() error {
	if err := n.mute(); err != nil {
		return err
	}
	return n.closeWrite()
}

func (n *netConn) closeWrite() error {
	if n.fin.Swap(true) {
		return nil
	}
	err := n.shutdown(wsa.SD_SEND)
	if n.c != nil {
		n.c.settle()
	}
	return err
}

func (n *netConn) shutdown(how int) error {
	if !n.floor.enter() {
		return net.ErrClosed
	}
	defer n.floor.leave()
	return n.k.next.WSPShutdown(n.s, how).Err()
}

// Close ends both directions; what was written is still sent.
func (n *netConn) Close() error {
	if n.shut.Swap(true) {
		return nil
	}
	err := n.closeWrite()
	n.readable.set()
	n.writable.set()
	if n.c == nil {
		return n.floor.close(provider.CloseBackground).Err()
	}
	return err
}

func (n *netConn) Abort(e wsa.Errno) {
	if n.c != nil {
		n.c.abortWith(e)
		return
	}
	n.stop(known(e))
	n.floor.close(provider.CloseAbort)
}

// Handover takes the kit out of the way of what the network sends: at once, or
// when the application has received what is held for it.
func (n *netConn) Handover() error {
	if n.c == nil {
		return wsa.EOPNOTSUPP
	}
	if !n.rmu.TryLock() {
		return wsa.EALREADY
	}
	defer n.rmu.Unlock()
	if !n.c.app.wmu.TryLock() {
		return wsa.EALREADY
	}
	defer n.c.app.wmu.Unlock()
	c := n.c
	c.mu.Lock()
	err := c.mute()
	if err == nil && c.in.eof {
		err = net.ErrClosed // App was closed for writing: nothing can follow
	}
	if err == nil {
		c.in.leaving.Store(true)
		c.leaveIn()
	}
	shut := c.inShut
	c.mu.Unlock()
	if err == nil && shut {
		n.shutdown(wsa.SD_RECEIVE)
	}
	c.up.wake(c.s, allEvents)
	return err
}

func (n *netConn) address(entry func(*provider.Socket) (provider.Addr, wsa.Errno)) net.Addr {
	if !n.floor.enter() {
		return &net.TCPAddr{}
	}
	defer n.floor.leave()
	a, _ := entry(n.s)
	return tcpAddr(a)
}

// LocalAddr is the socket's own address.
func (n *netConn) LocalAddr() net.Addr { return n.address(n.k.next.WSPGetSockName) }

// RemoteAddr is the peer that the storey below is connected to.
func (n *netConn) RemoteAddr() net.Addr { return n.address(n.k.next.WSPGetPeerName) }

func (n *netConn) SetDeadline(t time.Time) error {
	n.rd.set(t)
	n.wd.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.rd.set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.wd.set(t)
	return nil
}
