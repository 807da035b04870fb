package sockets

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// getSockOpt is WSPGetSockOpt (winsock-spi 3.16): the options of the dispatcher
// here, all others by the table.
func (f *functions) getSockOpt(h SOCKET, level, name int32, value []byte, optlen *int32) wsa.Errno {
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	case value == nil || optlen == nil || *optlen < 0:
		return wsa.EFAULT
	}
	value = value[:min(int(*optlen), len(value))]
	n, e := k.winsock.option(level, name, value)
	if e == undispatched {
		e = k.alongside(func() (e wsa.Errno) {
			n, e = k.table.WSPGetSockOpt(k.s, level, name, value)
			return e
		})
		if e == 0 && level == wsa.SOL_SOCKET && name == wsa.SO_ERROR && k.winsock.forgiven.Load() {
			clear(value[:n]) // a blocking connect has reported it
		}
	}
	if e == 0 {
		*optlen = int32(n)
	}
	return e
}

// undispatched is no code of Winsock: the option or ioctl is the table's.
const undispatched = ^wsa.Errno(0)

// option reads what only the dispatcher knows.
func (w *winsock) option(level, name int32, value []byte) (int, wsa.Errno) {
	if level != wsa.SOL_SOCKET {
		return 0, undispatched
	}
	side := receiving
	switch name {
	case wsa.SO_SNDTIMEO:
		side = sending
	case wsa.SO_RCVTIMEO:
	default:
		return 0, undispatched
	}
	if len(value) < 4 {
		return 4, wsa.EFAULT
	}
	binary.LittleEndian.PutUint32(value, w.timeout[side].Load())
	return 4, 0
}

// setSockOpt is WSPSetSockOpt (winsock-spi 3.27).
func (f *functions) setSockOpt(h SOCKET, level, name int32, value []byte) wsa.Errno {
	k, e := f.find(h)
	if e != 0 {
		return e
	}
	if level == wsa.SOL_SOCKET {
		switch name {
		case wsa.SO_RCVTIMEO:
			return k.winsock.setTimeout(receiving, value)
		case wsa.SO_SNDTIMEO:
			return k.winsock.setTimeout(sending, value)
		case wsa.SO_UPDATE_ACCEPT_CONTEXT:
			return f.updateAccept(k, value)
		case wsa.SO_UPDATE_CONNECT_CONTEXT:
			return f.updateConnect(k, value)
		}
	}
	return k.alongside(func() wsa.Errno { return k.table.WSPSetSockOpt(k.s, level, name, value) })
}

// setTimeout sets SO_RCVTIMEO or SO_SNDTIMEO, in milliseconds; 0 is none.
func (w *winsock) setTimeout(side int, value []byte) wsa.Errno {
	if len(value) < 4 {
		return wsa.EFAULT
	}
	w.timeout[side].Store(binary.LittleEndian.Uint32(value))
	return 0
}

// ioctl is WSPIoctl (winsock-spi 3.18): first what is the dispatcher's.
func (f *functions) ioctl(h SOCKET, code uint32, in, out []byte, n *uint32, o *Overlapped, routine CompletionRoutine, t *Thread) wsa.Errno {
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	case n == nil && o == nil:
		return wsa.EFAULT
	case o != nil && routine != nil && f.thread(t) == nil:
		return wsa.EFAULT
	}
	if o != nil && k.winsock.overlapped {
		return f.controlOverlapped(k, h, &provider.IoctlRequest{Code: code, In: in, Out: out}, n, completion{o, routine, f.thread(t)})
	}
	size, e := f.dispatched(k, h, code, in, out)
	if e == undispatched {
		return f.control(k, code, in, out, n)
	}
	if n != nil && (e == 0 || e == wsa.EFAULT) {
		*n = uint32(size)
	}
	return e
}

// waits reports the codes that a socket may have to wait for.
func waits(code uint32) (wsa.Events, bool) {
	switch code {
	case wsa.SIO_ROUTING_INTERFACE_CHANGE:
		return wsa.FD_ROUTING_INTERFACE_CHANGE, true
	case wsa.SIO_ADDRESS_LIST_CHANGE:
		return wsa.FD_ADDRESS_LIST_CHANGE, true
	}
	return 0, false
}

func (f *functions) control(k *sock, code uint32, in, out []byte, n *uint32) wsa.Errno {
	r := &provider.IoctlRequest{Code: code, In: in, Out: out}
	event, change := waits(code)
	size := 0
	op := func(pended bool) wsa.Errno {
		return k.alongside(func() (e wsa.Errno) {
			r.Pended = pended
			size, e = k.table.WSPIoctl(k.s, r)
			return e
		})
	}
	var e wsa.Errno
	if change {
		e = k.winsock.run(f.t, k.winsock.changing(), -1, &call{other: op, now: k.winsock.nonblocking.Load(), direct: true})
		if e == wsa.EWOULDBLOCK {
			k.winsock.enable(event, 0)
		}
	} else {
		e = op(false)
	}
	if n != nil && (e == 0 || e == wsa.EFAULT) {
		*n = uint32(size)
	}
	return e
}

// controlOverlapped is an overlapped ioctl: those that wait pend, all others are
// complete at once, and indicated.
func (f *functions) controlOverlapped(k *sock, h SOCKET, r *provider.IoctlRequest, n *uint32, c completion) wsa.Errno {
	event, change := waits(r.Code)
	e := k.start(k.winsock.changing(), c, nil, func(o *Overlapped) {
		o.step = func(o *Overlapped, pended bool) wsa.Errno {
			size, e := f.dispatched(k, h, r.Code, r.In, r.Out)
			if e == undispatched {
				e = k.alongside(func() (e wsa.Errno) {
					r.Pended = pended
					size, e = k.table.WSPIoctl(k.s, r)
					return e
				})
			}
			o.n = uint32(size)
			return e
		}
	}, n, nil)
	if e == wsa.EFAULT && n != nil {
		*n = c.o.n // what it takes
	}
	if change {
		k.winsock.enable(event, 0)
	}
	return e
}
