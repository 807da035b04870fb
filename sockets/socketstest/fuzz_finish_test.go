package socketstest_test

import (
	"context"
	"slices"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// broken is whether a socket of o may have been broken by a call that was cancelled.
func (m *machine) broken(o *operation) bool {
	return m.cancelled.Load() && (o.d.k.mayBreak.Load() || o.with != nil && o.with.mayBreak.Load())
}

// mayEnd is whether o may have come to e.
func (m *machine) mayEnd(o *operation, e wsa.Errno) bool {
	switch {
	case e == 0, e == wsa.OPERATION_ABORTED:
		return true
	case e == wsa.ENETDOWN:
		return m.ending[0].Load() || m.ending[1].Load()
	case e == wsa.ECONNABORTED && m.broken(o):
		return true
	case e == wsa.ENOTSOCK: // the socket that was to be accepted into
		return o.fn == "AcceptEx" || o.d.closing.Load()
	case e == wsa.IO_PENDING, e == wsa.EWOULDBLOCK, e == wsa.EINTR:
		return false
	}
	return slices.Contains(documented[o.fn], e) || o.fn == "AcceptEx" && slices.Contains(documented["WSPRecv"], e) ||
		o.fn == "ConnectEx" && slices.Contains(sendErrors, e)
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
