package kit

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// appConn is the end towards the application: the two rings.
type appConn struct {
	c                  *conversation
	readable, writable signal
	rd, wd             deadline
	rmu, wmu           sync.Mutex // one Read, one Write
}

var _ Conn = (*appConn)(nil)

func (a *appConn) Read(b []byte) (int, error) {
	a.rmu.Lock()
	defer a.rmu.Unlock()
	for {
		if a.rd.over() {
			return 0, os.ErrDeadlineExceeded
		}
		n, err, room := a.c.take(b)
		if room {
			a.c.up.wake(a.c.s, wsa.FD_WRITE)
		}
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		if err := a.readable.wait(&a.rd); err != nil {
			return 0, err
		}
	}
}

// take moves what the application sent into b; room says that its sends were
// held up and need not be any more.
func (c *conversation) take(b []byte) (n int, err error, room bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.mute(); err != nil {
		return 0, err, false
	}
	switch {
	case c.out.leaving.Load():
		return 0, net.ErrClosed, false
	case c.out.ring.n > 0:
		room = c.out.ring.full()
		n = c.out.ring.read([][]byte{b})
		c.out.ring.drop(n)
		return n, nil, room && n > 0
	case c.out.eof:
		return 0, io.EOF, false
	}
	return 0, nil, false
}

// mute is the error of all the function's operations, nil while there is
// something to say. mu is held.
func (c *conversation) mute() error {
	if e := c.s.Failed(); e != 0 {
		return e.Err()
	}
	return c.dead.Err()
}

func (a *appConn) Write(b []byte) (n int, err error) {
	a.wmu.Lock()
	defer a.wmu.Unlock()
	for {
		if a.wd.over() {
			return n, os.ErrDeadlineExceeded
		}
		m, err := a.c.give(b[n:])
		if m > 0 {
			a.c.up.wake(a.c.s, wsa.FD_READ)
		}
		if n += m; err != nil || n == len(b) {
			return n, err
		}
		if err := a.writable.wait(&a.wd); err != nil {
			return n, err
		}
	}
}

// give holds what fits of b for the application. What is written to one that
// has closed gracefully is discarded: its own last bytes may still be on their way.
func (c *conversation) give(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.mute(); err != nil {
		return 0, err
	}
	switch {
	case c.in.leaving.Load() || c.in.eof:
		return 0, net.ErrClosed
	case c.closed:
		return len(b), nil
	}
	return c.in.ring.write([][]byte{b}), nil
}

func (a *appConn) CloseWrite() error {
	a.c.mu.Lock()
	err := a.c.mute()
	if err == nil && a.c.in.leaving.Load() {
		err = net.ErrClosed
	}
	if err == nil {
		a.c.in.eof = true
	}
	a.c.mu.Unlock()
	if err == nil {
		a.c.up.wake(a.c.s, wsa.FD_READ|wsa.FD_CLOSE)
	}
	return err
}

// Close ends both directions towards the application: it receives what is held
// and the end of the stream, and its sends are answered with ECONNRESET.
func (a *appConn) Close() error {
	a.CloseWrite()
	a.c.mu.Lock()
	if !a.c.out.direct.Load() && a.c.out.err == 0 {
		a.c.out.err = wsa.ECONNRESET
		a.c.out.ring.clear()
	}
	a.c.mu.Unlock()
	a.c.up.wake(a.c.s, wsa.FD_WRITE)
	return nil
}

func (a *appConn) Abort(e wsa.Errno) { a.c.abortWith(e) }

// Handover passes on what the application has sent, and then takes the kit out
// of the way of its sends.
func (a *appConn) Handover() (err error) {
	c := a.c
	if !a.rmu.TryLock() {
		return wsa.EALREADY
	}
	defer a.rmu.Unlock()
	if !c.net.wmu.TryLock() {
		return wsa.EALREADY
	}
	defer c.net.wmu.Unlock()
	c.out.leaving.Store(true)
	defer func() {
		if err != nil {
			c.out.leaving.Store(false)
		}
	}()
	for {
		held, fin, err := c.leaveOut()
		if err != nil {
			return err
		}
		if len(held) == 0 {
			if fin {
				c.net.closeWrite()
			}
			c.up.wake(c.s, allEvents)
			return nil
		}
		n, err := c.net.write(held)
		c.mu.Lock()
		c.out.ring.restore(n)
		c.mu.Unlock()
		if err != nil {
			return err
		}
		c.up.wake(c.s, wsa.FD_WRITE)
	}
}

// leaveOut is what must be sent before sends may go down; when it is nothing
// they do. fin says that the application's FIN is to follow.
func (c *conversation) leaveOut() (held []byte, fin bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.mute(); err != nil {
		return nil, false, err
	}
	if held = c.out.ring.lend(); len(held) > 0 {
		return held, false, nil
	}
	if !c.out.eof { // after a FIN there is nothing that could go down
		c.out.direct.Store(true)
		c.stepAside()
	}
	return nil, c.out.eof, nil
}

// wake lets every operation look again.
func (a *appConn) wake() {
	a.readable.set()
	a.writable.set()
}

// LocalAddr is the peer that the application asked for: the layer stands there
// for it.
func (a *appConn) LocalAddr() net.Addr {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	return tcpAddr(a.c.asked)
}

// RemoteAddr is the address of the application's socket.
func (a *appConn) RemoteAddr() net.Addr { return a.c.net.LocalAddr() }

func (a *appConn) SetDeadline(t time.Time) error {
	a.rd.set(t)
	a.wd.set(t)
	return nil
}

func (a *appConn) SetReadDeadline(t time.Time) error {
	a.rd.set(t)
	return nil
}

func (a *appConn) SetWriteDeadline(t time.Time) error {
	a.wd.set(t)
	return nil
}
