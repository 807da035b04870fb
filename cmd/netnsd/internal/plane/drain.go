//go:build linux

package plane

import (
	"context"
	"time"
)

// Drain gives up when nothing has moved for idle, and at last after most: what
// a program leaves behind as daemons may talk on for ever.
const (
	drainTick = 5 * time.Millisecond
	drainIdle = time.Second
	drainMost = 30 * time.Second
)

// Drain waits until what a program has sent before it ended is sent on, and
// returns how many connections outlive that. The program's kernel keeps closed
// connections until their last byte is acknowledged, ours must not end before.
func (p *Plane) Drain(ctx context.Context) (open int) {
	ctx, cancel := context.WithTimeout(ctx, drainMost)
	defer cancel()
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
		if time.Since(since) > drainIdle {
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
