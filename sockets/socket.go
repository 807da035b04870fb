package sockets

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// sock is an open socket with blocking operations: the table's, and await.
//
// Locks: rd.mu, wr.mu, ctl, in this order. A table call is made with one of
// them held, close with all three; none is taken by a wake.
type sock struct {
	session *Session
	table   *provider.ProcTable
	s       *provider.Socket
	rd, wr  direction
	ctl     sync.Mutex // control operations, which run beside data operations

	closed atomic.Bool
	linger atomic.Int64 // seconds; noLinger
}

const noLinger = -1

// newSock takes care of s. If the session has ended it closes s and fails.
func (s *Session) newSock(k *provider.Socket) (*sock, error) {
	n := &sock{session: s, table: &k.Chain().Table, s: k}
	n.linger.Store(noLinger)
	for _, d := range []*direction{&n.rd, &n.wr} {
		d.closed, d.wake = &n.closed, make(chan struct{}, 1)
	}
	n.rd.try = n.tryReceive
	n.wr.try = n.trySend
	n.table.Watch(k, n, watched)
	if err := s.keep(n); err != nil {
		n.table.WSPCloseSocket(k, provider.CloseAbort)
		return nil, err
	}
	return n, nil
}

// openSock is WSPSocket and newSock.
func (s *Session) openSock(r *provider.SocketRequest) (*sock, error) {
	k, err := s.socket(r)
	if err != nil {
		return nil, err
	}
	return s.newSock(k)
}

// tryReceive is one try of the operation in rd. What was queued before
// CloseRead is still delivered; only then does the socket learn of it.
func (k *sock) tryReceive(pended bool) wsa.Errno {
	d := &k.rd
	e := k.perform(d, pended)
	if e == wsa.EWOULDBLOCK && d.shut.Load() {
		k.table.WSPShutdown(k.s, wsa.SD_RECEIVE)
		return wsa.ESHUTDOWN
	}
	return e
}

// trySend is one try of the operation in wr.
func (k *sock) trySend(pended bool) wsa.Errno {
	if k.wr.shut.Load() {
		return wsa.ESHUTDOWN
	}
	return k.perform(&k.wr, pended)
}

func (k *sock) perform(d *direction, pended bool) (e wsa.Errno) {
	d.msg.Flags &^= wsa.MSG_PENDED
	if pended || d.resumed {
		d.msg.Flags |= wsa.MSG_PENDED
	}
	if d.n, e = d.op(k.s, &d.msg); d.n < 0 || d.n > len(d.bufs[0]) {
		// A layer that counts wrong must not make a caller slice out of range.
		k.s.Fail(wsa.SYSCALLFAILURE, fmt.Sprintf("%d bytes moved of a buffer of %d", d.n, len(d.bufs[0])))
		d.n, e = 0, wsa.SYSCALLFAILURE
	}
	return e
}

// transfer runs op on p; d.mu is held.
func (k *sock) transfer(d *direction, op func(*provider.Socket, *provider.Msg) (int, wsa.Errno), p []byte, to provider.Addr) (int, wsa.Errno, error) {
	d.bufs[0], d.op, d.n = p, op, 0
	d.msg = provider.Msg{Buffers: d.bufs[:], Addr: to}
	e, err := d.await(context.Background(), d.try)
	d.bufs[0], d.op = nil, nil
	return d.n, e, err
}

// receive is WSPRecv, or WSPRecvFrom if the source is wanted.
func (k *sock) receive(p []byte, from bool) (int, provider.Addr, wsa.Errno, error) {
	d := &k.rd
	d.mu.Lock()
	defer d.mu.Unlock()
	op := k.table.WSPRecv
	if from {
		op = k.table.WSPRecvFrom
	}
	n, e, err := k.transfer(d, op, p, provider.Addr{})
	return n, d.msg.Addr, e, err
}

// send is WSPSend until all of p is taken. n is what was.
func (k *sock) send(p []byte) (n int, e wsa.Errno, err error) {
	d := &k.wr
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.resumed = false }()
	for {
		m, e, err := k.transfer(d, k.table.WSPSend, p[n:], provider.Addr{})
		n += m
		d.resumed = true // what is left was offered before
		switch {
		case e != 0 || err != nil || n == len(p):
			return n, e, err
		case m == 0:
			return n, 0, io.ErrUnexpectedEOF
		}
	}
}

// sendTo is WSPSendTo: one datagram.
func (k *sock) sendTo(p []byte, to provider.Addr) (int, wsa.Errno, error) {
	d := &k.wr
	d.mu.Lock()
	defer d.mu.Unlock()
	return k.transfer(d, k.table.WSPSendTo, p, to)
}

// connect is WSPConnect, and waits for the end of the attempt.
func (k *sock) connect(ctx context.Context, to provider.Addr) (wsa.Errno, error) {
	d := &k.wr
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &provider.ConnectRequest{To: to}
	return d.await(ctx, func(started bool) wsa.Errno {
		if !started {
			return k.table.WSPConnect(k.s, r)
		}
		if r := k.table.Ready(k.s, wsa.FD_CONNECT); r.Events&wsa.FD_CONNECT != 0 {
			return r.Connect
		}
		return wsa.EWOULDBLOCK
	})
}

// accept is WSPAccept, and waits for a connection.
func (k *sock) accept() (n *provider.Socket, e wsa.Errno, err error) {
	d := &k.rd
	d.mu.Lock()
	defer d.mu.Unlock()
	r := new(provider.AcceptRequest)
	e, err = d.await(context.Background(), func(bool) (e wsa.Errno) {
		n, e = k.table.WSPAccept(k.s, r)
		return e
	})
	return n, e, err
}

// control runs a control operation, unless the socket is closed.
func (k *sock) control(f func() wsa.Errno) error {
	k.ctl.Lock()
	defer k.ctl.Unlock()
	if k.closed.Load() {
		return net.ErrClosed
	}
	return f().Err()
}

// setOption sets an option whose value is a DWORD.
func (k *sock) setOption(level, name int32, value int) error {
	return k.control(func() wsa.Errno {
		return k.table.WSPSetSockOpt(k.s, level, name, dword(value))
	})
}

// dword is v as the bytes of a DWORD. Winsock's memory is little-endian on every
// machine it runs on, and so is ours where the machine is not.
func dword(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }

// ioctl is WSPIoctl with a DWORD in and nothing out.
func (k *sock) ioctl(code uint32, value int) error {
	return k.control(func() wsa.Errno {
		_, e := k.table.WSPIoctl(k.s, &provider.IoctlRequest{Code: code, In: dword(value)})
		return e
	})
}

// shutSend is SD_SEND. A Write that waits fails: nothing may follow the FIN.
func (k *sock) shutSend() error {
	return k.control(func() wsa.Errno {
		e := k.table.WSPShutdown(k.s, wsa.SD_SEND)
		if e == 0 {
			k.wr.shut.Store(true)
			k.wr.signal()
		}
		return e
	})
}

// shutReceive is SD_RECEIVE, at once if nothing is queued. Else reading goes on
// to the end of the queue, and tryReceive does it there.
func (k *sock) shutReceive() error {
	return k.control(func() wsa.Errno {
		if k.table.Ready(k.s, wsa.FD_READ).Events == 0 {
			if e := k.table.WSPShutdown(k.s, wsa.SD_RECEIVE); e != 0 {
				return e
			}
		}
		k.rd.shut.Store(true)
		k.rd.signal()
		return 0
	})
}

// close ends the socket: operations under way return net.ErrClosed, and when
// none is left WSPCloseSocket runs, last and alone. It waits for that only.
func (k *sock) close(m provider.CloseMode) error {
	if !k.leave() {
		return net.ErrClosed
	}
	return k.end(m)
}

// leave makes every operation fail with net.ErrClosed from now on, those that
// wait too; false if that was done before.
func (k *sock) leave() bool {
	if !k.closed.CompareAndSwap(false, true) {
		return false
	}
	k.rd.signal()
	k.wr.signal()
	return true
}

// end closes a socket that was left.
func (k *sock) end(m provider.CloseMode) error {
	return k.alone(func() wsa.Errno {
		k.rd.setLimit(time.Time{})
		k.wr.setLimit(time.Time{})
		k.table.Watch(k.s, nil, 0)
		e := k.table.WSPCloseSocket(k.s, m)
		k.session.forget(k)
		return e
	})
}

// alone runs f when no other operation runs.
func (k *sock) alone(f func() wsa.Errno) error {
	k.rd.mu.Lock()
	defer k.rd.mu.Unlock()
	k.wr.mu.Lock()
	defer k.wr.mu.Unlock()
	k.ctl.Lock()
	defer k.ctl.Unlock()
	return f().Err()
}
