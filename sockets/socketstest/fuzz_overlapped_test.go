package socketstest_test

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

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

// portAnswer is whether a port must have a record.
type portAnswer int

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

// mayEnd is whether o may have come to e.
func (m *machine) mayEnd(o *operation, e wsa.Errno) bool {
	switch {
	case e == 0, e == wsa.OPERATION_ABORTED:
		return true
	case e == wsa.ENETDOWN:
		return m.ending[0].Load() || m.ending[1].Load()
	case e == wsa.ECONNABORTED && m.cancelled.Load() && o.d.k.mayBreak.Load():
		return true
	case e == wsa.ENOTSOCK: // the socket that was to be accepted into
		return o.fn == "AcceptEx" || o.d.closing.Load()
	case e == wsa.IO_PENDING, e == wsa.EWOULDBLOCK, e == wsa.EINTR:
		return false
	}
	return slices.Contains(documented[o.fn], e) || o.fn == "AcceptEx" && slices.Contains(documented["WSPRecv"], e) ||
		o.fn == "ConnectEx" && slices.Contains(sendErrors, e)
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
	r.call("CancelIoEx", d, func(*sockets.WSPProcTable) wsa.Errno { return r.m.ground.sessions[d.side].CancelIoEx(d.h, o) })
}

func (r *runner) associate(i instruction) {
	d, p := r.m.at(i.slot), r.m.ports[i.a&1]
	if i.a&7 == 7 {
		p = r.m.ports[0]
	}
	r.m.mu.Lock()
	key := uintptr(len(r.m.keys) + 1)
	r.m.keys[key] = d.k
	r.m.mu.Unlock()
	d.k.mu.Lock()
	d.k.maybe = true
	d.k.mu.Unlock()
	e := r.call("Associate", d, func(*sockets.WSPProcTable) wsa.Errno {
		return r.m.ground.sessions[d.side].Associate(d.h, p.CompletionPort, key)
	})
	if e == 0 {
		d.k.mu.Lock()
		if d.k.port != nil {
			r.m.failf("a socket has two ports")
		}
		d.k.port, d.k.key = p, key
		d.k.mu.Unlock()
	}
}

// port gets a record, or posts one.
func (r *runner) port(i instruction) {
	p := r.m.ports[i.slot&1]
	r.doing.Store("Get")
	defer r.m.steps.Add(1)
	switch {
	case i.a&7 == 7:
		if e := p.Post(uint32(i.c), 0, nil); e != 0 && !(e == wsa.ENOBUFS && p.bounded) && !(e == wsa.INVALID_HANDLE && p.closing.Load()) {
			r.m.failf("Post: %s", e.Name())
		}
	case i.a&7 == 6:
		var c [4]sockets.Completion
		n, e := p.GetMany(c[:], duration(i.b))
		r.m.gotNone(p, e)
		for _, c := range c[:n] {
			r.m.gotRecord(p, c)
		}
	default:
		c, e := p.Get(duration(i.b))
		if r.m.gotNone(p, e); e == 0 {
			r.m.gotRecord(p, c)
		}
	}
}

func (m *machine) gotNone(p *port, e wsa.Errno) {
	if e != 0 && e != wsa.WAIT_TIMEOUT && !(e == wsa.INVALID_HANDLE && p.closing.Load()) {
		m.failf("Get: %s", e.Name())
	}
}

// gotRecord judges a completion.
func (m *machine) gotRecord(p *port, c sockets.Completion) {
	if c.Overlapped == nil {
		if c.Key != 0 {
			m.failf("a record with key %d of no operation", c.Key)
		}
		return
	}
	o := c.Overlapped.Context.(*operation)
	m.mu.Lock()
	k := m.keys[c.Key]
	o.record = c
	m.mu.Unlock()
	if o.records.Add(1) != 1 {
		m.failf("%s: two records in a port", o.fn)
	}
	switch {
	case k != o.d.k:
		m.failf("%s: a record with the key of another socket", o.fn)
	case c.Errno == 0 && o.size >= 0 && int(c.N) != o.size, int(c.N) > len(o.message.data):
		m.failf("%s of %d bytes: a record with %d and %v", o.fn, len(o.message.data), c.N, c.Errno)
	case c.Errno == wsa.ECONNABORTED && o.d.k.closing.Load(): // 12.8
	case !m.mayEnd(o, c.Errno):
		m.failf("%s: a record with %s", o.fn, c.Errno.Name())
	}
}

// portClose closes the bounded port, if the program means it.
func (r *runner) portClose(i instruction) {
	if p := r.m.ports[1]; i.a&7 == 7 {
		p.closing.Store(true)
		p.Close()
	}
}

// sleep waits alertably, for a moment.
func (r *runner) sleep(i instruction) {
	ctx, cancel := context.WithTimeout(context.Background(), duration(i.a))
	defer cancel()
	r.doing.Store("SleepEx")
	r.thread.SleepEx(ctx)
	r.m.steps.Add(1)
}

// finish closes what is open, and wants everything to have ended.
func (m *machine) finish() {
	m.closeAll()
	m.closeAll()
	end := time.Now().Add(watchdog)
	for _, o := range m.started {
		if o.issued.Load() {
			m.finished(o, end)
		}
	}
	for _, p := range m.ports {
		for !p.closing.Load() {
			c, e := p.Get(0)
			if e != 0 {
				break
			}
			m.gotRecord(p, c)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, r := range m.runners {
		r.thread.SleepEx(ended)
	}
	for _, o := range m.started {
		m.indicated(o)
	}
	for _, d := range m.descriptors {
		m.judgeClosed(d)
	}
	if !m.t.Failed() {
		m.checkStreams()
	}
}

// finished waits until o has ended, and takes what it has moved.
func (m *machine) finished(o *operation, end time.Time) {
	table := m.ground.sessions[o.d.side].ProcTable()
	k := o.d.k
	if o.into != nil {
		k = o.into
	}
	n, flags := uint32(untouched), wsa.MsgFlags(0)
	e := wsa.IO_INCOMPLETE
	for ; ; time.Sleep(tick) { // the worker that has it may be on its way
		if e = table.WSPGetOverlappedResult(o.d.h, &o.o, &n, false, &flags); e != wsa.IO_INCOMPLETE && e != wsa.ENOTSOCK && e != wsa.NOTINITIALISED || time.Now().After(end) {
			break
		}
		if (e == wsa.ENOTSOCK) && o.fn == "AcceptEx" {
			break
		}
	}
	switch {
	case !m.mayEnd(o, e):
		m.failf("%s: %s at the end", o.fn, e.Name())
		return
	case e == 0 && o.size >= 0 && int(n) != o.size:
		m.failf("%s of %d bytes has sent %d", o.fn, o.size, n)
		return
	case (e == 0 || e == wsa.EMSGSIZE) && int(n) > len(o.message.data):
		m.failf("%s: %d bytes of %d", o.fn, n, len(o.message.data))
		return
	case o.gets && (e == 0 || e == wsa.EMSGSIZE):
		m.received(k, o.message, int(n), e)
	}
	if o.x == nil {
		return
	}
	switch {
	case e == 0:
		m.settle(k, o.x, int(n), true)
	case o.sends:
		m.settle(k, o.x, 0, false)
	default:
		m.settle(k, o.x, 0, o.message.flags&wsa.MSG_WAITALL == 0)
	}
}

// indicated wants the end of o to have been told once, by what was asked for.
func (m *machine) indicated(o *operation) {
	want := int32(0)
	if o.issued.Load() {
		want = 1
	}
	silent := m.ending[0].Load() || m.ending[1].Load() // 3.2
	routines, records := o.routines.Load(), o.records.Load()
	lost := silent || o.port != nil && o.port.closing.Load()
	switch {
	case o.routine && (routines > want || routines < want && !silent):
		m.failf("%s: its completion routine is called %d times, want %d", o.fn, routines, want)
	case !o.routine && want == 1 && o.o.HEvent != nil && !o.o.HEvent.IsSet() && !silent:
		m.failf("%s has ended, and its event is not set", o.fn)
	case records > want, records > 0 && o.expected == noRecord, o.expected == oneRecord && records < want && !lost:
		m.failf("%s: %d records in a port, want %d", o.fn, records, want)
	}
}

func (m *machine) judgeClosed(d *descriptor) {
	r := m.runners[0]
	v, n := make([]byte, 4), int32(4)
	e := r.tables[d.side].WSPGetSockOpt(d.h, wsa.SOL_SOCKET, wsa.SO_TYPE, v, &n)
	if e != wsa.ENOTSOCK && !(e == wsa.NOTINITIALISED && m.ending[d.side].Load()) {
		m.failf("descriptor %d after all are closed: %s", d.h, e.Name())
	}
}
