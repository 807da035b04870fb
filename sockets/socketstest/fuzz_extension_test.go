package socketstest_test

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

func (r *runner) session(d *descriptor) *sockets.Session { return r.m.ground.sessions[d.side] }

// acceptEx accepts into the other slot's socket, perhaps with first data.
func (r *runner) acceptEx(i instruction) {
	l, into := r.m.at(i.slot), r.m.at(i.other)
	const address = 28 + 16
	size := []int{0, 0, 5, 100}[i.a&3]
	if i.a == 0xff {
		size = 1 << 20 // more than there is room
	}
	out := bytes.Repeat([]byte{filler}, min(size, 100)+2*address)
	o := r.newOperation("AcceptEx", l, message{data: out[:min(size, 100)]}, i.c&^2, false)
	o.routine, o.with = false, into.k // it takes no routine
	into.k.inherit(l.k)
	if l.k.nonblocking.Load() {
		into.k.nonblocking.Store(true)
	}
	o.x = nil
	var x *transfer
	if len(o.message.data) > 0 {
		x = r.m.begin(into.k, &into.k.recvs, o.message.data)
	}
	n := uint32(untouched)
	stale := into.closed.Load()
	e := r.start(o, func(*sockets.WSPProcTable) wsa.Errno {
		return r.session(l).AcceptEx(l.h, into.h, out, uint32(size), address, address, &n, &o.o)
	}, wsa.ENOTSOCK /* the other one may be closed any time, or be another session's */, wsa.ECONNABORTED)
	if e == wsa.ECONNABORTED && !r.m.broken(o) {
		r.m.failf("AcceptEx: %s, and nothing was cancelled", e.Name())
	}
	switch {
	case stale && e == 0, stale && e == wsa.IO_PENDING:
		r.m.failf("AcceptEx into descriptor %d, which is closed: %s", into.h, e.Name())
	case x != nil && o.issued.Load():
		// It takes its place in the queue of the connection when that comes; the bytes,
		// when all has ended, are those of the operation.
		o.x, o.into, o.gets = x, into.k, true
	case x != nil:
		r.m.settle(into.k, x, 0, true)
	}
}

func (r *runner) connectEx(i instruction) {
	d := r.m.at(i.slot)
	name := r.name(d, i.b, i.c, false)
	var data []byte
	if i.a&3 != 0 {
		data = r.m.content(d.k, sizes[int(i.a>>2)%len(sizes)])
	}
	o := r.newOperation("ConnectEx", d, message{data: data}, i.c&^2, true)
	o.routine = false
	o.size = len(data)
	if len(data) > 0 {
		o.x = r.m.begin(d.k, &d.k.sends, data)
	}
	d.k.mayBreak.Store(true)
	r.start(o, func(*sockets.WSPProcTable) wsa.Errno { return r.session(d).ConnectEx(d.h, name, data, nil, &o.o) })
}

func (r *runner) disconnectEx(i instruction) {
	d := r.m.at(i.slot)
	flags := uint32(0)
	if i.a&3 == 3 {
		flags = sockets.TF_REUSE_SOCKET
		d.k.reused.Store(true)
	}
	if i.b == 0xff {
		flags |= 0x800
	}
	d.k.mayShut.Store(true)
	if i.b&1 == 0 {
		e := r.call("DisconnectEx", d, func(*sockets.WSPProcTable) wsa.Errno { return r.session(d).DisconnectEx(d.h, nil, flags, 0) })
		if e == 0 && flags == 0 {
			d.k.over.Store(true)
		}
		return
	}
	o := r.newOperation("DisconnectEx", d, message{}, i.c&^2, false)
	o.routine, o.size = false, 0
	r.start(o, func(*sockets.WSPProcTable) wsa.Errno { return r.session(d).DisconnectEx(d.h, &o.o, flags, 0) })
}

// transmitted is a TransmitFile or TransmitPackets of data.
func (r *runner) transmitted(fn string, i instruction, f func(d *descriptor, data []byte, o *sockets.Overlapped, flags uint32) wsa.Errno) {
	d := r.m.at(i.slot)
	data := r.m.content(d.k, sizes[int(i.a)%len(sizes)])
	flags := uint32(0)
	if i.b&0x30 == 0x30 {
		flags = sockets.TF_DISCONNECT
		d.k.mayShut.Store(true)
	}
	k := d.k
	k.mayBreak.Store(true)
	over := (k.over.Load() && !k.reused.Load() || k.listening.Load()) && len(data) > 0
	x := r.m.begin(k, &k.sends, data)
	if i.b&1 == 0 {
		e := r.call(fn, d, func(*sockets.WSPProcTable) wsa.Errno { return f(d, data, nil, flags) }, r.m.roomless(k)...)
		r.m.issue(k, x)
		if e == 0 {
			r.m.settle(k, x, len(data), true)
		}
		if e == 0 && over {
			r.m.failf("%s after SD_SEND, or by a listener, succeeds", fn)
		}
		return
	}
	o := r.newOperation(fn, d, message{data: data}, i.c&^2, true)
	o.routine, o.x, o.size = false, x, len(data)
	r.start(o, func(*sockets.WSPProcTable) wsa.Errno { return f(d, data, &o.o, flags) })
	r.m.issue(k, x)
}

func (r *runner) transmitFile(i instruction) {
	r.transmitted("TransmitFile", i, func(d *descriptor, data []byte, o *sockets.Overlapped, flags uint32) wsa.Errno {
		if i.c == 0xff {
			return r.session(d).TransmitFile(d.h, bytes.NewReader(data), 1<<31, 0, o, nil, flags)
		}
		head := len(data) / 4
		var file io.Reader = bytes.NewReader(data[head : len(data)-head])
		n := int64(0)
		if i.b&2 != 0 {
			n = int64(len(data) - 2*head)
		}
		return r.session(d).TransmitFile(d.h, file, n, uint32(i.c)*8, o, &sockets.TransmitBuffers{Head: data[:head], Tail: data[len(data)-head:]}, flags)
	})
}

func (r *runner) transmitPackets(i instruction) {
	r.transmitted("TransmitPackets", i, func(d *descriptor, data []byte, o *sockets.Overlapped, flags uint32) wsa.Errno {
		n := len(data) / 2
		return r.session(d).TransmitPackets(d.h, []sockets.TransmitPacket{{Memory: data[:n]}, {Memory: data[n:], EOP: true}}, uint32(i.c)*8, o, flags)
	})
}

func (r *runner) recvMsg(i instruction) {
	d := r.m.at(i.slot)
	m := r.incoming(i)
	m.flags &^= wsa.MSG_WAITALL
	n := uint32(untouched)
	w := &sockets.WSAMSG{Name: make([]byte, 64), NameLen: 64, Buffers: m.buffers, Control: make([]byte, i.c&0x3f), Flags: m.flags}
	if i.c&0x40 == 0 {
		r.receive(d, "WSARecvMsg", m, &n, func(*sockets.WSPProcTable) wsa.Errno { return r.session(d).WSARecvMsg(d.h, w, &n, nil, nil) })
		return
	}
	o := r.newOperation("WSARecvMsg", d, m, i.c&1, false)
	o.gets = true
	r.start(o, func(*sockets.WSPProcTable) wsa.Errno { return r.session(d).WSARecvMsg(d.h, w, nil, &o.o, nil) })
}

func (r *runner) sendMsg(i instruction) {
	d := r.m.at(i.slot)
	m := r.outgoing(d.k, i)
	n := uint32(untouched)
	w := &sockets.WSAMSG{Buffers: m.buffers}
	if i.c&3 != 0 {
		w.Name = r.name(d, i.c, i.c>>4, false)
	}
	if i.c&0xc0 == 0xc0 {
		w.Control = binary.LittleEndian.AppendUint64(nil, uint64(i.c&0x1f))
		w.Control = append(w.Control, make([]byte, 12)...)
	}
	if i.c&0x40 == 0 {
		r.transmit(d, "WSASendMsg", m, &n, func(*sockets.WSPProcTable) wsa.Errno {
			return r.session(d).WSASendMsg(d.h, w, m.flags, &n, nil, nil)
		})
		return
	}
	o := r.newOperation("WSASendMsg", d, m, i.c&1, true)
	o.size = len(m.data)
	r.start(o, func(*sockets.WSPProcTable) wsa.Errno {
		return r.session(d).WSASendMsg(d.h, w, m.flags, nil, &o.o, nil)
	})
}

// updateContext is SO_UPDATE_ACCEPT_CONTEXT or SO_UPDATE_CONNECT_CONTEXT.
func (r *runner) updateContext(i instruction) {
	d, l := r.m.at(i.slot), r.m.at(i.other)
	option, value := wsa.SO_UPDATE_CONNECT_CONTEXT, []byte{}
	if i.a&1 == 0 {
		d.k.inherit(l.k)
		d.k.nonblocking.Store(d.k.nonblocking.Load() || l.k.nonblocking.Load())
		option, value = wsa.SO_UPDATE_ACCEPT_CONTEXT, binary.LittleEndian.AppendUint64(nil, uint64(l.h))
	}
	r.call("WSPSetSockOpt", d, func(t *sockets.WSPProcTable) wsa.Errno {
		return t.WSPSetSockOpt(d.h, wsa.SOL_SOCKET, option, value)
	}, wsa.ENOTSOCK /* the listener */)
}
