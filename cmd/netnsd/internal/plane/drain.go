//go:build linux

package plane

import (
	"context"
	"time"
)

const drainTick = 5 * time.Millisecond

// Drain waits until every connection has ended, and returns how many outlive ctx.
// An idle of more than 0 gives up when nothing has moved for as long. The kernel
// inside keeps connections that its programs have closed until their last byte is
// acknowledged, so what was sent before the end is sent on.
func (p *Plane) Drain(ctx context.Context, idle time.Duration) (open int) {
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	moved, since := uint64(0), time.Now()
	for {
		open, now := p.Streams()
		if open == 0 {
			return 0
		}
		if now != moved {
			moved, since = now, time.Now()
		}
		if idle > 0 && time.Since(since) > idle {
			return open
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return open
		}
	}
}

// Streams counts the open connections and the bytes that they have moved.
func (p *Plane) Streams() (open int, moved uint64) {
	for s := range p.Session.Sockets() {
		if s.Chain().Info.MessageOriented() {
			continue
		}
		open++
		moved += s.Traffic.BytesIn.Load() + s.Traffic.BytesOut.Load()
	}
	return open, moved
}
