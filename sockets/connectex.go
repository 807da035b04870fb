package sockets

import (
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// ConnectEx (LPFN_CONNECTEX) connects s, which must be bound, to the address name and
// sends data, if there is any, when it is connected: n and the completion count it, in
// bytes; data is lent until then. It does not block: IO_PENDING. The socket has its
// names after SO_UPDATE_CONNECT_CONTEXT. Cancelled ([Session.CancelIoEx]) it is
// OPERATION_ABORTED, and the socket usable only for close, which ends the attempt.
// EINVAL: not bound, listening, or no o; otherwise as WSPConnect.
func (s *Session) ConnectEx(h SOCKET, name, data []byte, n *uint32, o *Overlapped) wsa.Errno {
	f := functions{s: s}
	k, e := f.find(h)
	if e != 0 {
		return e
	}
	to, e := parseSockaddr(name)
	switch {
	case e != 0:
		return e
	case o == nil, !k.winsock.overlapped:
		return wsa.EINVAL
	}
	k.winsock.forgiven.Store(false)
	return k.start(&k.wr, completion{o: o}, func() wsa.Errno { return wsa.EALREADY }, func(o *Overlapped) {
		o.step = func(o *Overlapped, started bool) wsa.Errno {
			if started {
				return k.connected(o, k.attempt(), data)
			}
			e := k.table.WSPConnect(k.s, &provider.ConnectRequest{To: to, Ex: true})
			o.halfway = e == wsa.EWOULDBLOCK
			k.waited = waited{running: o.halfway}
			return k.connected(o, e, data)
		}
	}, n, nil)
}

// connected goes on with an attempt that has ended well.
func (k *sock) connected(o *Overlapped, e wsa.Errno, data []byte) wsa.Errno {
	if e != 0 {
		return e
	}
	k.winsock.context.Store(true)
	if len(data) == 0 {
		return 0
	}
	o.call = call{data: k.table.WSPSend, buffer: data, whole: true}
	o.step = transfer
	return transfer(o, false)
}

// Flags of DisconnectEx, TransmitFile and TransmitPackets (mswsock.h).
const (
	TF_DISCONNECT         uint32 = 0x01
	TF_REUSE_SOCKET       uint32 = 0x02
	TF_WRITE_BEHIND       uint32 = 0x04
	TF_USE_DEFAULT_WORKER uint32 = 0x00
	TF_USE_SYSTEM_THREAD  uint32 = 0x10
	TF_USE_KERNEL_APC     uint32 = 0x20
)

// DisconnectEx (LPFN_DISCONNECTEX) sends a FIN and is complete when the peer has acknowledged all; the
// socket can still receive. With TF_REUSE_SOCKET it waits for the peer's FIN too
// and makes the socket anew: bound as it was, ready for ConnectEx or AcceptEx.
// Without o it blocks, on a blocking socket. ENOTCONN: not connected; EINVAL:
// other flags; EACCES: TF_REUSE_SOCKET of a socket that was handed over to a
// session whose layers have judged its peer.
func (s *Session) DisconnectEx(h SOCKET, o *Overlapped, flags, reserved uint32) wsa.Errno {
	f := functions{s: s}
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	case flags&^TF_REUSE_SOCKET != 0 || reserved != 0, o != nil && !k.winsock.overlapped:
		return wsa.EINVAL
	}
	d := &disconnection{k: k, reuse: flags&TF_REUSE_SOCKET != 0}
	if o == nil {
		defer d.stop()
		return k.winsock.run(nil, &k.wr, sending, &call{other: d.step, now: k.winsock.nonblocking.Load()})
	}
	return k.start(&k.wr, completion{o: o}, k.maySend, func(o *Overlapped) {
		o.step = func(_ *Overlapped, pended bool) wsa.Errno {
			e := d.step(pended)
			if e != wsa.EWOULDBLOCK {
				d.stop()
			}
			return e
		}
	}, nil, nil)
}

// disconnection is a FIN, and the wait for its acknowledgement, which the stack
// need not tell anybody (drainPoll).
type disconnection struct {
	k     *sock
	reuse bool
	begun atomic.Bool
	poll  *time.Timer
}

func (d *disconnection) step(bool) wsa.Errno {
	k := d.k
	if !d.begun.Load() {
		if e := k.table.WSPShutdown(k.s, wsa.SD_SEND); e != 0 {
			return e
		}
		d.begun.Store(true)
		k.winsock.over[sending].Store(true)
		d.poll = time.AfterFunc(drainPoll, k.wr.signal)
	}
	if e := k.s.Failed(); e != 0 {
		return e
	}
	r := k.table.Ready(k.s, wsa.EvDrained|wsa.FD_CLOSE)
	if r.Events&wsa.EvDrained == 0 || d.reuse && r.Events&wsa.FD_CLOSE == 0 {
		d.poll.Reset(drainPoll)
		return wsa.EWOULDBLOCK
	}
	if !d.reuse {
		return 0
	}
	if e := k.renew(); e != wsa.EISCONN {
		return e
	}
	d.poll.Reset(drainPoll) // the end is still being worked on: bases ask the stack again, beside it
	return wsa.EWOULDBLOCK
}

func (d *disconnection) stop() {
	if d.poll != nil {
		d.poll.Stop()
	}
}

// renew makes a drained socket like new (TF_REUSE_SOCKET). EACCES: another session
// has taken it over for the peer that it had, which its layers have judged.
func (k *sock) renew() wsa.Errno {
	w := k.winsock
	e := k.alongside(func() wsa.Errno {
		if w.admitted > 0 {
			return wsa.EACCES
		}
		_, e := k.table.WSPIoctl(k.s, &provider.IoctlRequest{Code: wsa.SIO_REUSE_SOCKET})
		return e
	})
	if e != 0 {
		return e
	}
	w.over[receiving].Store(false)
	w.over[sending].Store(false)
	w.context.Store(false)
	w.offered.Store(false) // it may connect next
	w.enabled.Store(uint32(atFirst))
	return 0
}
