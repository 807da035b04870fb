package kit

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

func (k *kit) close(s *provider.Socket, mode provider.CloseMode) wsa.Errno {
	c := k.slot.Of(s)
	if c == nil {
		return k.next.WSPCloseSocket(s, mode)
	}
	e := k.closing(c, s, mode)
	if e != wsa.EWOULDBLOCK {
		c.up.set(nil, 0) // who has closed is not woken
	}
	return e
}

func (k *kit) closing(c *conversation, s *provider.Socket, mode provider.CloseMode) wsa.Errno {
	if c.past() {
		return k.next.WSPCloseSocket(s, mode)
	}
	if c.in.direct.Load() && c.out.direct.Load() {
		return c.net.floor.close(mode)
	}
	if mode == provider.CloseLinger {
		on, seconds := k.linger(s)
		switch {
		case on && seconds == 0:
			mode = provider.CloseAbort
		case on && !c.drained():
			return wsa.EWOULDBLOCK // nothing is begun (winsock-spi 8.3)
		}
	}
	if s.Failed() != 0 {
		mode = provider.CloseAbort
	}
	return c.close(mode)
}

// past reports that no conversation is there: none was begun, or it was refused.
func (c *conversation) past() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == idle || c.phase == refused
}

// linger reads SO_LINGER of the storey below: two 16-bit numbers.
func (k *kit) linger(s *provider.Socket) (on bool, seconds uint16) {
	var b [4]byte
	if n, e := k.next.WSPGetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_LINGER, b[:]); e != 0 || n < 4 {
		return false, 0
	}
	return binary.LittleEndian.Uint16(b[:]) != 0, binary.LittleEndian.Uint16(b[2:])
}

// drained reports that the application's bytes and FIN have reached the network
// and come back acknowledged.
func (c *conversation) drained() bool {
	if !c.net.fin.Load() && !c.out.direct.Load() {
		return false
	}
	return c.k.next.Ready(c.s, wsa.EvDrained).Events&wsa.EvDrained != 0
}

func (c *conversation) close(mode provider.CloseMode) wsa.Errno {
	c.mu.Lock()
	c.closed = true
	c.in.ring.clear()
	reset := mode == provider.CloseAbort || c.phase != open
	if reset {
		c.out.ring.clear()
		if c.broken == 0 {
			c.broken = wsa.ECONNRESET
		}
	}
	c.out.eof = true
	over := reset || c.broken != 0 || c.ended || c.net.fin.Load()
	c.over = c.over || over
	c.mu.Unlock()
	if over {
		return c.closeNow(reset, mode)
	}
	timer := c.k.r.AfterFunc(c.s, c.k.cfg.Linger, func() { c.abort(wsa.ETIMEDOUT) })
	c.mu.Lock()
	c.deadline = timer
	ended := c.ended
	c.mu.Unlock()
	if ended {
		timer.Stop()
	}
	c.app.wake()
	c.settle() // the function may have ended meanwhile
	return 0
}

func (c *conversation) closeNow(reset bool, mode provider.CloseMode) wsa.Errno {
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
	if broken != 0 {
		mode = provider.CloseAbort
	}
	if reset {
		c.silence(wsa.ECONNRESET)
	} else {
		c.silence(wsa.ECONNABORTED)
	}
	return c.net.floor.close(mode)
}
