package sockets

import (
	"net"
	"sync/atomic"
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
	return err == nil && k.session.background(func() {
		if k.drained(d) {
			k.end(provider.CloseBackground)
		} else {
			k.end(provider.CloseAbort)
		}
	})
}

// drained waits until all that was sent is acknowledged; false after limit. It
// waits as a direction of its own, as the socket's are closed.
func (k *sock) drained(limit time.Duration) bool {
	d := direction{closed: new(atomic.Bool), wake: k.wr.wake}
	d.setLimit(time.Now().Add(limit))
	defer d.setLimit(time.Time{})
	poll := time.AfterFunc(drainPoll, d.signal)
	defer poll.Stop()
	_, err := d.await(k.session.ctx, func(bool) wsa.Errno {
		if k.table.Ready(k.s, wsa.EvDrained).Events&wsa.EvDrained != 0 {
			return 0
		}
		poll.Reset(drainPoll)
		return wsa.EWOULDBLOCK
	})
	return err == nil
}
