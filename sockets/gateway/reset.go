package gateway

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// How long a program that does not read keeps what is before a reset: as many
// looks without news, which a machine that stands still does not count. By then
// its kernel is full, and more would not be there for it on a real network either.
const (
	resetTick     = 2 * time.Millisecond
	resetPatience = 500
)

// reset is what a broken side leads to. A peer's reset comes after its bytes: those
// that are in our queues belong to the program, and so does the RST, behind them.
// Only then is the flow aborted; at once, if the program's side broke, or a layer
// or an operator ended the socket, or a layer's answer did and the peer lives: it may
// always have more to say.
func (p *splice) reset() {
	tick := time.NewTicker(resetTick)
	defer tick.Stop()
	for before, idle := -1, 0; idle < resetPatience && p.lives(); {
		left, moved := p.rest()
		if left == 0 {
			break
		}
		if moved || left != before {
			before, idle = left, 0
		}
		select {
		case <-p.bell:
		case <-tick.C:
			idle++ // and not for a wake: what the program says rings, too
		case <-p.g.ctx.Done():
		}
	}
	p.abort()
}

func (p *splice) lives() bool {
	return !p.closed && p.g.ctx.Err() == nil && p.s.Failed() == 0 && p.f.State().Err == nil &&
		p.t.Ready(p.s, wsa.FD_CLOSE).Events&wsa.FD_CLOSE != 0
}

// rest moves on what the host has left, and counts what the program's kernel does
// not have yet.
func (p *splice) rest() (left int, moved bool) {
	left = p.f.Unacked()
	if p.down.done {
		return left, false
	}
	queued := p.t.Ready(p.s, wsa.FD_READ).Queued
	if queued == 0 {
		return left, false
	}
	n, err := p.fill(queued)
	if err != nil {
		return left, n > 0
	}
	return left + queued, n > 0
}
