package kit

import (
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// flow is one direction between the application and the function. Its fields
// but the atomic ones are guarded by conversation.mu.
type flow struct {
	ring ring
	eof  bool      // the writer is done; comes after what is held
	err  wsa.Errno // the connection is broken; comes after what is held

	leaving atomic.Bool // Handover was called: direct as soon as nothing is held
	direct  atomic.Bool // operations go to the storey below; stays
}

// receive is the application's WSPRecv; below says that it is to go down.
func (c *conversation) receive(m *provider.Msg) (n int, e wsa.Errno, below bool) {
	c.mu.Lock()
	switch c.phase {
	case idle, refused:
		c.mu.Unlock()
		return 0, 0, true
	case connecting, spoilt:
		c.mu.Unlock()
		return 0, wsa.ENOTCONN, false
	}
	if m.Flags&wsa.MSG_OOB != 0 {
		c.mu.Unlock()
		return 0, wsa.EOPNOTSUPP, false
	}
	if c.inShut && m.Flags&wsa.MSG_PENDED == 0 {
		c.mu.Unlock()
		return 0, wsa.ESHUTDOWN, false
	}
	if c.in.ring.n == 0 {
		e, below = c.receiveNone()
		c.mu.Unlock()
		return 0, e, below
	}
	n = c.in.ring.read(m.Buffers)
	if m.Flags&wsa.MSG_PEEK == 0 {
		c.in.ring.drop(n)
		c.leaveIn()
	}
	c.mu.Unlock()
	c.app.writable.set()
	return n, 0, false
}

// receiveNone is what a receive says when nothing is held.
func (c *conversation) receiveNone() (e wsa.Errno, below bool) {
	switch {
	case c.leaveIn():
		return 0, true
	case c.in.err != 0:
		return c.in.err, false
	case c.in.eof:
		return 0, false
	}
	return wsa.EWOULDBLOCK, false
}

// leaveIn completes Net.Handover once nothing is held. mu is held.
func (c *conversation) leaveIn() bool {
	if !c.in.leaving.Load() || c.in.ring.n > 0 || c.in.err != 0 {
		return false
	}
	c.in.direct.Store(true)
	c.stepAside()
	return true
}

// stepAside tells the chain when both directions have left.
func (c *conversation) stepAside() {
	if c.in.direct.Load() && c.out.direct.Load() {
		c.k.r.StepAside(c.s)
	}
}

// send is the application's WSPSend; below says that it is to go down.
func (c *conversation) send(m *provider.Msg) (n int, e wsa.Errno, below bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.phase == idle || c.phase == refused || c.out.direct.Load():
		return 0, 0, true
	case c.phase != open:
		return 0, wsa.ENOTCONN, false
	case m.Flags&(wsa.MSG_OOB|wsa.MSG_PARTIAL) != 0:
		return 0, wsa.EOPNOTSUPP, false
	case c.out.eof:
		return 0, wsa.ESHUTDOWN, false
	case c.out.err != 0:
		return 0, c.out.err, false
	}
	n = c.out.ring.write(m.Buffers)
	if n == 0 && m.Len() > 0 {
		return 0, wsa.EWOULDBLOCK, false
	}
	c.app.readable.set()
	return n, 0, false
}
