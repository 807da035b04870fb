package socketstest_test

import (
	"bytes"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// sizes are those of transfers: of every kind that there is, few large ones.
var sizes = [...]int{0, 1, 7, 100, 1000, 1000, 1473, 4096, 20_000, 70_000}

// message is what a data call is made with.
type message struct {
	data    []byte
	buffers [][]byte
	flags   wsa.MsgFlags
}

// filler is in buffers before something is received into them.
const filler = 0xee

// outgoing is what an instruction sends on k.
func (r *runner) outgoing(k *modelSocket, i instruction) message {
	size := sizes[int(i.a)%len(sizes)]
	m := message{data: r.m.content(k, size)}
	m.buffers = split(m.data, i.b)
	if i.b&0x38 == 0x38 {
		m.flags = []wsa.MsgFlags{wsa.MSG_OOB, wsa.MSG_DONTROUTE, wsa.MSG_PARTIAL, wsa.MSG_PEEK}[i.b>>6]
	}
	if m.flags&wsa.MSG_OOB != 0 {
		k.urgent.Store(true)
	}
	return m
}

// incoming is where an instruction receives to.
func (r *runner) incoming(i instruction) message {
	m := message{data: bytes.Repeat([]byte{filler}, sizes[int(i.a)%len(sizes)])}
	m.buffers = split(m.data, i.b)
	if i.b&0x18 == 0x18 {
		m.flags = []wsa.MsgFlags{wsa.MSG_PEEK, wsa.MSG_WAITALL, wsa.MSG_PEEK | wsa.MSG_WAITALL, wsa.MSG_OOB, wsa.MSG_PARTIAL, wsa.MSG_PEEK, wsa.MSG_WAITALL, 0x4000}[i.b>>5]
	}
	return m
}

// split is data as one buffer, or as several, or as no buffers at all.
func split(data []byte, how byte) [][]byte {
	switch n := len(data) / 3; how & 7 {
	case 0:
		return [][]byte{data[:n], data[n : 2*n], data[2*n:]}
	case 1:
		return [][]byte{data[:n], {}, data[n:]}
	case 2:
		if how == 0xfa {
			return nil
		}
		if how == 0xf2 {
			return [][]byte{}
		}
	}
	return [][]byte{data}
}

func (r *runner) send(i instruction) { r.sendSync("WSPSend", i, nil) }

func (r *runner) sendTo(i instruction) {
	r.sendSync("WSPSendTo", i, r.name(r.m.at(i.slot), i.c, i.c>>4, false))
}

func (r *runner) sendSync(fn string, i instruction, to []byte) {
	d := r.m.at(i.slot)
	m := r.outgoing(d.k, i)
	n := uint32(untouched)
	r.transmit(d, fn, m, &n, func(t *sockets.WSPProcTable) wsa.Errno {
		if fn == "WSPSend" {
			return t.WSPSend(d.h, m.buffers, &n, m.flags, nil, nil, nil)
		}
		return t.WSPSendTo(d.h, m.buffers, &n, m.flags, to, nil, nil, nil)
	})
}

// transmit is a synchronous send, of whatever function; it sets n.
func (r *runner) transmit(d *descriptor, fn string, m message, n *uint32, f func(*sockets.WSPProcTable) wsa.Errno) {
	k := d.k
	over := k.over.Load() && !k.reused.Load() || k.listening.Load()
	k.mayBreak.Store(true)
	x := r.m.begin(k, &k.sends, m.data)
	e := r.call(fn, d, f, r.m.roomless(k)...)
	r.m.issue(k, x)
	size := len(m.data)
	if m.buffers == nil {
		size = 0
	}
	switch {
	case e == 0 && over:
		r.m.failf("%s after SD_SEND, or by a listener, succeeds", fn)
	case e == 0 && int(*n) > size:
		r.m.failf("%s of %d bytes: %d", fn, size, *n)
	case e == 0 && int(*n) < size && (!k.stream() || !k.nonblocking.Load()):
		r.m.failf("%s of %d bytes on a blocking or datagram socket: %d", fn, size, *n)
	case e == 0:
		r.m.settle(k, x, int(*n), true)
	case *n != untouched && *n != 0:
		r.m.failf("%s: %s, and %d bytes", fn, e.Name(), *n)
	case e == wsa.EWOULDBLOCK && !k.nonblocking.Load():
		r.m.failf("%s on a blocking socket: %s", fn, e.Name())
	case !partial(e):
		r.m.settle(k, x, 0, true)
	}
}

// partial is whether a send that failed with e may have moved a part, as that of a
// blocking socket goes on until it has moved all or something ends it.
func partial(e wsa.Errno) bool {
	switch e {
	case wsa.EWOULDBLOCK, wsa.EFAULT, wsa.EINVAL, wsa.EOPNOTSUPP, wsa.ENOTSOCK, wsa.NOTINITIALISED, wsa.ENOTCONN, wsa.ENOBUFS:
		return false
	}
	return true
}

// roomless are the codes of an operation whose completion the port of k has no place
// for (CompletionPort), or that is closed.
func (m *machine) roomless(k *modelSocket) []wsa.Errno {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.maybe {
		return nil
	}
	return []wsa.Errno{wsa.ENOBUFS, wsa.INVALID_HANDLE}
}

func (r *runner) recv(i instruction) { r.recvSync("WSPRecv", i) }

func (r *runner) recvFrom(i instruction) { r.recvSync("WSPRecvFrom", i) }

func (r *runner) recvSync(fn string, i instruction) {
	d := r.m.at(i.slot)
	m := r.incoming(i)
	n, fromlen := uint32(untouched), int32(64)
	if i.c == 0xff {
		fromlen = 3
	}
	from := make([]byte, 64)
	flags := m.flags
	r.receive(d, fn, m, &n, func(t *sockets.WSPProcTable) wsa.Errno {
		if fn == "WSPRecv" {
			return t.WSPRecv(d.h, m.buffers, &n, &flags, nil, nil, nil)
		}
		return t.WSPRecvFrom(d.h, m.buffers, &n, &flags, from, &fromlen, nil, nil, nil)
	})
}

// receive is a synchronous receive, of whatever function; it sets n.
func (r *runner) receive(d *descriptor, fn string, m message, n *uint32, f func(*sockets.WSPProcTable) wsa.Errno) {
	k := d.k
	var x *transfer
	if k.stream() && m.flags&(wsa.MSG_PEEK|wsa.MSG_OOB) == 0 {
		x = r.m.begin(k, &k.recvs, m.data)
	}
	e := r.call(fn, d, f, r.m.roomless(k)...)
	got := 0
	switch {
	case e == 0 && int(*n) > len(m.data):
		r.m.failf("%s into %d bytes: %d", fn, len(m.data), *n)
		return
	case e == 0:
		got = int(*n)
		r.m.received(k, m, got, e)
	case e == wsa.EMSGSIZE:
		if k.stream() || int(*n) != len(m.data) {
			r.m.failf("%s into %d bytes: %s, and %d", fn, len(m.data), e.Name(), *n)
			return
		}
		r.m.received(k, m, len(m.data), e)
	case *n != untouched:
		r.m.failf("%s: %s, and %d bytes", fn, e.Name(), *n)
	case e == wsa.EWOULDBLOCK && !k.nonblocking.Load():
		r.m.failf("%s on a blocking socket: %s", fn, e.Name())
	}
	if x != nil {
		r.m.issue(k, x)
		r.m.settle(k, x, got, e == 0 || m.flags&wsa.MSG_WAITALL == 0)
	}
}

// received judges what has come into m.
func (m *machine) received(k *modelSocket, g message, n int, e wsa.Errno) {
	if g.flags&wsa.MSG_OOB == 0 && k.stream() && n == 0 && len(g.data) > 0 {
		k.mu.Lock()
		k.ended = true
		k.mu.Unlock()
	}
	for _, b := range g.data[n:] {
		if b != filler {
			m.failf("a receive of %d bytes has written more", n)
			return
		}
	}
	if !k.stream() && k.typ == wsa.SOCK_DGRAM {
		m.gotDatagram(k, g.data[:n], e == 0, g.flags&wsa.MSG_PEEK != 0)
	}
}
