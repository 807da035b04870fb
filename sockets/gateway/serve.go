package gateway

import (
	"errors"
	"io"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// serve runs the splice on a goroutine of its own: to the end, or until it can
// be shared.
func (p *splice) serve() {
	for !p.closed && !(p.up.done && p.down.done) {
		if p.g.ctx.Err() != nil || p.watchdog.barks() {
			p.abort()
			break
		}
		p.up.drained, p.up.full, p.down.drained, p.down.full = false, false, false, false
		moved := p.serveUp()
		if !p.closed && p.serveDown() {
			moved = true
		}
		switch {
		case p.closed, p.up.done && p.down.done:
		case moved:
			p.watchdog.fed()
		case p.broken():
			p.reset()
		case p.share():
			return
		default:
			select {
			case <-p.bell:
			case <-p.g.ctx.Done():
			}
		}
	}
	p.finish()
}

// broken looks at both sides when nothing moves: a reset, a kill or a device that
// went away may come after that side's FIN, or while the other side takes nothing,
// and then no operation meets it.
func (p *splice) broken() bool {
	r := p.t.Ready(p.s, wsa.FD_CLOSE)
	p.hostEnded = r.Events&wsa.FD_CLOSE != 0
	return p.hostEnded && r.Close != 0 || p.f.State().Err != nil
}

func (p *splice) serveUp() (moved bool) {
	if p.up.done {
		return false
	}
	moved, err := p.upward()
	switch {
	case errors.Is(err, io.EOF):
		p.t.WSPShutdown(p.s, wsa.SD_SEND)
		p.ended(&p.up)
		return true
	case err != nil:
		p.reset()
	}
	return moved
}

// serveDown: Fill is promised what Ready counts: exact for a stream (law 5), and
// at least a byte where it says readable and does not count.
func (p *splice) serveDown() (moved bool) {
	if p.down.done {
		return false
	}
	r := p.t.Ready(p.s, wsa.FD_READ|wsa.FD_CLOSE)
	switch {
	case r.Queued > 0 || r.Events&wsa.FD_READ != 0:
		return p.serveFill(max(r.Queued, 1))
	case r.Events&wsa.FD_CLOSE == 0:
		return false
	case r.Close != 0:
		p.reset()
		return false
	}
	return p.endOfStream()
}

func (p *splice) serveFill(queued int) bool {
	n, err := p.fill(queued)
	if err != nil {
		p.reset()
	}
	return n > 0
}

// endOfStream makes sure by a receive of its own: data may have come between
// Ready's look at the queue and at the end.
func (p *splice) endOfStream() bool {
	c := carriers.Get().(*carrier)
	defer carriers.Put(c)
	c.p = p
	var b [1]byte
	n, e := c.recv(b[:], wsa.MSG_PEEK)
	switch {
	case n > 0:
		return p.serveFill(1)
	case e == wsa.EWOULDBLOCK:
		return false
	case e != 0:
		p.reset()
		return false
	}
	p.f.CloseWrite()
	p.ended(&p.down)
	return true
}

// ended notes that a direction's end was passed on. From then on somebody watches.
func (p *splice) ended(h *half) {
	h.done = true
	if p.watchdog == nil {
		p.watchdog = watch(p.g.cfg.Limits.HalfClose, func() { p.wake(0) })
	}
}

// share moves the splice to the loops if no layer stands in the path of its
// bytes. The caller does not touch it again.
func (p *splice) share() bool {
	path := p.s.Direct()
	if path == nil {
		return false
	}
	// hostEnded stays what broken saw, or news will say.
	p.path, p.send, p.recv = path, path.Send, path.Recv
	p.up.drained, p.up.full, p.down.drained, p.down.full = false, false, false, false
	p.shared.Store(true)
	p.task.wake()
	return true
}

// turn is serve for bytes alone: one round on a shared loop.
func (p *splice) turn() (more bool) {
	if !p.shared.Load() {
		return false
	}
	if !p.hear(p.news.Swap(0)) || !p.turnUp() || !p.turnDown() {
		p.unshare()
		return false
	}
	return p.up.runs() || p.down.runs()
}

// hear is false when there is something to do that is not for turn.
func (p *splice) hear(news uint32) bool {
	if news&programReadable != 0 {
		p.up.drained = false
	}
	if news&programWritable != 0 {
		p.down.full = false
	}
	if news&hostReadable != 0 {
		p.down.drained = false
	}
	if news&hostWritable != 0 {
		p.up.full = false
	}
	if news&hostClosed != 0 {
		p.hostEnded = true
		if p.down.full || p.down.done {
			return false // turnDown will not look
		}
	}
	return p.g.ctx.Err() == nil && !p.watchdog.barks() && news&programBroken == 0
}

func (p *splice) turnUp() bool {
	if !p.up.runs() {
		return true
	}
	moved, err := p.upward()
	if moved {
		p.watchdog.fed()
	}
	return err == nil
}

// turnDown takes what is queued now. What comes later wakes anew, so that there
// is no need to look once more.
func (p *splice) turnDown() bool {
	if !p.down.runs() {
		return true
	}
	r := p.path.Ready(p.s, wsa.FD_READ)
	queued := r.Queued
	switch {
	case queued > 0:
	case r.Events&wsa.FD_READ != 0:
		queued = 1 // a base that does not count
	default:
		p.down.drained = true
		return !p.hostEnded
	}
	n, err := p.fill(queued)
	if n > 0 {
		p.watchdog.fed()
	}
	if n == r.Queued && !p.hostEnded {
		p.down.drained = true
	}
	return err == nil
}

// unshare moves the splice back to a goroutine of its own.
func (p *splice) unshare() {
	p.send, p.recv = p.t.WSPSend, p.t.WSPRecv
	p.shared.Store(false)
	go p.serve()
}

var _ provider.Watcher = (*splice)(nil)
