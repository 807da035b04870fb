package socketstest_test

import (
	"slices"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// operation is an overlapped one, and how its end is to be indicated.
type operation struct {
	o       sockets.Overlapped
	m       *machine
	fn      string
	d       *descriptor
	message message
	x       *transfer
	into    *modelSocket // whose transfer x is; d's, if nil
	with    *modelSocket // that it accepts into
	sends   bool
	gets    bool // it receives
	size    int  // bytes that it moves when it succeeds; -1: any number

	routine  bool
	issued   atomic.Bool // 0 or IO_PENDING
	silent   bool        // by WSPCleanup, perhaps
	expected portAnswer
	port     *port
	routines atomic.Int32
	records  atomic.Int32
	record   sockets.Completion // guarded by machine.mu
}

const (
	noRecord portAnswer = iota
	mayRecord
	oneRecord
)

// newOperation is one on d; how says what indicates its end.
func (r *runner) newOperation(fn string, d *descriptor, m message, how byte, sends bool) *operation {
	o := &operation{m: r.m, fn: fn, d: d, message: m, sends: sends, size: -1}
	o.o.Context = o
	switch how % 4 {
	case 1, 2:
		o.o.HEvent = sockets.CreateEvent()
	case 3:
		o.routine = true
	}
	o.o.NoPort = how&0xe0 == 0xe0
	return o
}

// completion is its routine, nil if it has none.
func (o *operation) completion() sockets.CompletionRoutine {
	if !o.routine {
		return nil
	}
	return func(e wsa.Errno, n uint32, got *sockets.Overlapped, _ wsa.MsgFlags) {
		if got != &o.o {
			o.m.failf("%s: the completion routine gets another operation", o.fn)
		}
		if o.routines.Add(1) != 1 {
			o.m.failf("%s: the completion routine is called twice", o.fn)
		}
	}
}

// start makes the call, and judges whether it may have started.
func (r *runner) start(o *operation, f func(*sockets.WSPProcTable) wsa.Errno, also ...wsa.Errno) wsa.Errno {
	k, m := o.d.k, r.m
	if o.sends {
		k.mayBreak.Store(true)
	}
	before, mayBefore := k.associated()
	r.m.mu.Lock()
	r.m.started = append(r.m.started, o)
	r.m.mu.Unlock()
	e := r.call(o.fn, o.d, f, append(m.roomless(k), also...)...)
	after, mayAfter := k.associated()
	o.port = after
	switch {
	case o.routine || o.o.NoPort || after == nil && !mayBefore && !mayAfter:
		o.expected = noRecord
	case before != nil:
		o.expected = oneRecord
	default:
		o.expected = mayRecord
	}
	if e == 0 || e == wsa.IO_PENDING {
		o.issued.Store(true)
	} else if e == wsa.EWOULDBLOCK {
		m.failf("%s, overlapped: %s", o.fn, e.Name())
	}
	if o.x != nil {
		if !o.issued.Load() {
			m.settle(k, o.x, 0, !o.sends && o.message.flags&wsa.MSG_WAITALL == 0 || o.sends && !partial(e))
		}
	}
	return e
}

// associated is the port of k, and whether it may have one that is not known.
func (k *modelSocket) associated() (*port, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.port, k.maybe
}

func (r *runner) sendOverlapped(i instruction) {
	r.overlappedSend("WSPSend", i, nil)
}

func (r *runner) sendToOverlapped(i instruction) {
	r.overlappedSend("WSPSendTo", i, r.name(r.m.at(i.slot), i.c, i.c>>4, false))
}

func (r *runner) overlappedSend(fn string, i instruction, to []byte) {
	d := r.m.at(i.slot)
	m := r.outgoing(d.k, i)
	o := r.newOperation(fn, d, m, i.c^i.b>>6, true)
	over := (d.k.over.Load() && !d.k.reused.Load() || d.k.listening.Load()) && d.k.overlapped
	o.size = len(m.data)
	o.x = r.m.begin(d.k, &d.k.sends, m.data)
	e := r.start(o, func(t *sockets.WSPProcTable) wsa.Errno {
		if fn == "WSPSend" {
			return t.WSPSend(d.h, m.buffers, nil, m.flags, &o.o, o.completion(), nil)
		}
		return t.WSPSendTo(d.h, m.buffers, nil, m.flags, to, &o.o, o.completion(), nil)
	})
	r.m.issue(d.k, o.x)
	if over && o.issued.Load() {
		r.m.failf("%s after SD_SEND, or by a listener: %s", fn, e.Name())
	}
}

func (r *runner) recvOverlapped(i instruction) { r.overlappedRecv("WSPRecv", i) }

func (r *runner) recvFromOverlapped(i instruction) { r.overlappedRecv("WSPRecvFrom", i) }

func (r *runner) overlappedRecv(fn string, i instruction) {
	d := r.m.at(i.slot)
	m := r.incoming(i)
	o := r.newOperation(fn, d, m, i.c, false)
	o.gets = true
	if d.k.stream() && m.flags&wsa.MSG_OOB == 0 {
		o.x = r.m.begin(d.k, &d.k.recvs, m.data)
	}
	flags, from, fromlen := m.flags, make([]byte, 64), new(int32)
	*fromlen = 64
	r.start(o, func(t *sockets.WSPProcTable) wsa.Errno {
		if fn == "WSPRecv" {
			return t.WSPRecv(d.h, m.buffers, nil, &flags, &o.o, o.completion(), nil)
		}
		return t.WSPRecvFrom(d.h, m.buffers, nil, &flags, from, fromlen, &o.o, o.completion(), nil)
	})
	if o.x != nil {
		r.m.issue(d.k, o.x)
	}
}

// some is an operation of the program, nil if there is none yet.
func (m *machine) some(n byte) *operation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.started) == 0 {
		return nil
	}
	return m.started[len(m.started)-1-int(n)%len(m.started)]
}

// result is WSPGetOverlappedResult.
func (r *runner) result(i instruction) {
	o := r.m.some(i.a)
	if o == nil {
		return
	}
	n, flags := uint32(untouched), wsa.MsgFlags(0)
	wait := i.b&3 == 0
	r.doing.Store("WSPGetOverlappedResult")
	e := r.tables[o.d.side].WSPGetOverlappedResult(o.d.h, &o.o, &n, wait, &flags)
	reached.add("WSPGetOverlappedResult", e)
	r.m.steps.Add(1)
	switch {
	case e == 0 && int(n) > len(o.message.data):
		r.m.failf("%s of %d bytes: WSPGetOverlappedResult says %d", o.fn, len(o.message.data), n)
	case e != 0 && e != wsa.EMSGSIZE && n != untouched:
		r.m.failf("WSPGetOverlappedResult: %s, and %d bytes", e.Name(), n)
	case e == wsa.ENOTSOCK && (o.d.closing.Load() || o.fn == "AcceptEx" || !o.issued.Load()):
	case e == wsa.NOTINITIALISED && r.m.ending[o.d.side].Load():
	case !r.m.mayEnd(o, e) && !slices.Contains(documented["WSPGetOverlappedResult"], e):
		r.m.failf("WSPGetOverlappedResult of %s: %s is not documented for it", o.fn, e.Name())
	}
}

// cancelIo is CancelIoEx, of one operation or of all.
func (r *runner) cancelIo(i instruction) {
	d, o := r.m.at(i.slot), (*sockets.Overlapped)(nil)
	if some := r.m.some(i.a); some != nil && i.b&1 == 0 {
		o = &some.o
		if i.b&2 == 0 {
			d = some.d
		}
	}
	r.m.cancelled.Store(true) // of a send half-way it is the end, too
	r.call("CancelIoEx", d, func(*sockets.WSPProcTable) wsa.Errno { return r.m.ground.sessions[d.side].CancelIoEx(d.h, o) })
}
