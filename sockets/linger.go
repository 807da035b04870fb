package sockets

import (
	"context"
	"net"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// drainPoll is how often a lingering socket is asked whether it has drained: a
// stack need not wake anybody when the peer acknowledges our FIN (gVisor's
// FIN-WAIT-1 to FIN-WAIT-2 does not).
const drainPoll = 50 * time.Millisecond

// finish is Close of the Go face.
func (k *sock) finish() error {
	if !k.leave() {
		return net.ErrClosed
	}
	switch sec := k.linger.Load(); {
	case sec == 0:
		return k.end(provider.CloseAbort)
	case sec > 0 && k.lingerFor(time.Duration(sec)*time.Second):
		return nil
	}
	return k.end(provider.CloseBackground)
}

// lingerFor sends FIN, and closes k in the background: when the peer has
// acknowledged all that was sent, or by a reset, after d or when the session
// ends. False if there is nothing to linger for.
func (k *sock) lingerFor(d time.Duration) bool {
	err := k.alone(func() wsa.Errno { return k.table.WSPShutdown(k.s, wsa.SD_SEND) })
	return err == nil && k.owner().background(func() {
		if k.drained(k.owner().ctx, d) {
			k.end(provider.CloseBackground)
		} else {
			k.end(provider.CloseAbort)
		}
	})
}

// drained waits until all that was sent is acknowledged; false after limit, or
// when ctx ends. It stands in the queue of those that send, to be woken, behind
// those whom the close has sent away.
func (k *sock) drained(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	d := &k.wr
	d.call.Lock()
	defer d.call.Unlock()
	p := d.waiting()
	d.join(p)
	defer d.leave(p)
	poll := time.AfterFunc(drainPoll, func() { d.prod(p) })
	defer poll.Stop()
	for {
		wakes := d.wakes.Load()
		switch {
		case k.table.Ready(k.s, wsa.EvDrained).Events&wsa.EvDrained != 0:
			return true
		case ctx.Err() != nil:
			return false
		case d.wakes.Load() != wakes:
			continue
		}
		poll.Reset(drainPoll)
		d.pause(ctx, p)
	}
}
