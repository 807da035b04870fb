package socketstest_test

import (
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// untouched is in every out-parameter, so that a call that fails is seen to leave it.
const untouched = 0xdeadbeef

func (r *runner) bind(i instruction) {
	d := r.m.at(i.slot)
	name := r.name(d, i.b, i.c, true)
	r.call("WSPBind", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPBind(d.h, name) })
}

func (r *runner) listen(i instruction) {
	d := r.m.at(i.slot)
	backlog := []int{-1, 0, 1, 2, 5, wsa.SOMAXCONN}[i.a%6]
	if e := r.call("WSPListen", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPListen(d.h, backlog) }); e == 0 {
		d.k.listening.Store(true)
	}
}

func (r *runner) connect(i instruction) {
	d := r.m.at(i.slot)
	name := r.name(d, i.b, i.c, false)
	var data []byte
	var qos *sockets.QOS
	if i.a == 0xff {
		data = []byte("x")
	} else if i.a == 0xfe {
		qos = new(sockets.QOS)
	}
	r.connectTo(d, name, data, qos)
}

func (r *runner) connectTo(d *descriptor, name, data []byte, qos *sockets.QOS) wsa.Errno {
	d.k.mayBreak.Store(true)
	e := r.call("WSPConnect", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPConnect(d.h, name, data, nil, qos, nil) })
	if e == wsa.EWOULDBLOCK && !d.k.nonblocking.Load() {
		r.m.failf("WSPConnect on a blocking socket: %s", e.Name())
	}
	if e == 0 && data != nil {
		r.m.failf("WSPConnect with data succeeds")
	}
	return e
}

func (r *runner) accept(i instruction) {
	d := r.m.at(i.slot)
	var cond sockets.ConditionProc
	answer := provider.CondResult(i.a % 5)
	if i.a&0x40 != 0 {
		cond = func(caller, callee []byte, data any) provider.CondResult {
			if data != i || len(caller) == 0 || len(callee) == 0 {
				r.m.failf("condition function: %x %x %v", caller, callee, data)
			}
			return answer
		}
	}
	r.acceptInto(d, i.other, cond, i, int32(i.c))
}

func (r *runner) acceptInto(d *descriptor, slot byte, cond sockets.ConditionProc, data any, room int32) *descriptor {
	h := sockets.INVALID_SOCKET
	from := make([]byte, max(room, 0))
	n := room
	e := r.call("WSPAccept", d, func(t *sockets.WSPProcTable) (e wsa.Errno) {
		h, e = t.WSPAccept(d.h, from, &n, cond, data)
		return e
	})
	switch {
	case e == 0:
		return r.m.keep(slot, d.side, h, d.k.accepted())
	case h != sockets.INVALID_SOCKET:
		r.m.failf("WSPAccept: %d with %s", h, e.Name())
	case e == wsa.EWOULDBLOCK && !d.k.nonblocking.Load():
		r.m.failf("WSPAccept on a blocking socket: %s", e.Name())
	}
	return nil
}

func (r *runner) shutdown(i instruction) {
	d, how := r.m.at(i.slot), int(i.a%4)
	if how == wsa.SD_SEND || how == wsa.SD_BOTH {
		d.k.mayShut.Store(true)
	}
	e := r.call("WSPShutdown", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPShutdown(d.h, how) })
	switch {
	case e == 0 && how > wsa.SD_BOTH:
		r.m.failf("WSPShutdown(%d) succeeds", how)
	case e == 0 && how != wsa.SD_RECEIVE:
		d.k.over.Store(true)
	}
}

func (r *runner) disconnect(i instruction) {
	d := r.m.at(i.slot)
	var data []byte
	if i.b&7 == 7 {
		data = []byte("x")
	}
	if i.a&1 == 0 {
		r.call("WSPRecvDisconnect", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPRecvDisconnect(d.h, data) })
		return
	}
	d.k.mayShut.Store(true)
	e := r.call("WSPSendDisconnect", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPSendDisconnect(d.h, data) })
	if e == 0 {
		d.k.over.Store(true)
	}
}

func (r *runner) close(i instruction) {
	d := r.m.at(i.slot)
	d.closing.Store(true)
	d.k.closing.Store(true)
	e := r.call("WSPCloseSocket", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPCloseSocket(d.h) })
	if e == 0 {
		d.closed.Store(true)
	}
}

func (r *runner) cancelCall(i instruction) {
	r.m.cancelled.Store(true)
	other := r.m.runners[1-r.g]
	r.m.wants("WSPCancelBlockingCall", other.tables[i.a&1].WSPCancelBlockingCall())
}

func (r *runner) mode(i instruction) { r.setMode(r.m.at(i.slot), i.a&3 != 0) }

// setMode is FIONBIO. To take blocking mode up again is not in every program's
// interest: calls that wait cost time.
func (r *runner) setMode(d *descriptor, on bool) {
	in, n := []byte{0, 0, 0, 0}, uint32(0)
	if on {
		in[0] = 1
		d.k.nonblocking.Store(true)
	}
	r.call("WSPIoctl", d, func(t *sockets.WSPProcTable) wsa.Errno {
		return t.WSPIoctl(d.h, wsa.FIONBIO, in, nil, &n, nil, nil, nil)
	})
}

func (r *runner) qos(i instruction) {
	d := r.m.at(i.slot)
	r.call("WSPGetQOSByName", d, func(t *sockets.WSPProcTable) wsa.Errno {
		return t.WSPGetQOSByName(d.h, []byte("G711"), new(sockets.QOS))
	})
}

// duration is a short wait, none, or (with an infinite one allowed) for ever.
func duration(a byte) time.Duration {
	return []time.Duration{0, 0, 0, time.Millisecond, 3 * time.Millisecond}[a%5]
}
