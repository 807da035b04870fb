package host

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// endpoint is what streams and datagram endpoints share.
type endpoint struct {
	descriptor
	host              *Host
	self              source // the stream or datagram that this is part of
	af, typ, protocol int32
	sharing           base.BindMode // by SO_REUSEADDR, SO_EXCLUSIVEADDRUSE

	registered atomic.Bool
	token      token // of the registration

	// waking is held while a wake runs, so that none does after Close. It is a
	// leaf but for what the wake takes; State does not take it.
	waking sync.Mutex
	wake   func(wsa.Events)
	closed bool

	bound atomic.Pointer[provider.Addr] // what Bind was asked for
	held  *base.Bound                   // its place among the Host's own; see claim
	peer  atomic.Pointer[provider.Addr]
}

func (e *endpoint) init(h *Host, fd int, af, typ, protocol int32, self source) {
	e.host, e.fd, e.self = h, fd, self
	e.af, e.typ, e.protocol = af, typ, protocol
}

// Watch installs wake.
func (e *endpoint) Watch(wake func(hint wsa.Events)) {
	e.waking.Lock()
	defer e.waking.Unlock()
	if !e.closed {
		e.wake = wake
	}
}

func (e *endpoint) notify(hint wsa.Events) {
	if hint == 0 {
		return
	}
	e.waking.Lock()
	defer e.waking.Unlock()
	if e.wake != nil {
		e.wake(hint)
	}
}

// register puts the endpoint into epoll.
func (e *endpoint) register(events uint32) wsa.Errno {
	if e.registered.Load() {
		return 0
	}
	t, err := e.host.poller.add(e.fd, events|unix.EPOLLET, e.self)
	if err != nil {
		return translate(opSocket, errnoOf(err))
	}
	e.token = t
	e.registered.Store(true)
	return 0
}

// close ends the endpoint; false if that was done before.
func (e *endpoint) close(abort bool) bool {
	e.waking.Lock()
	first := !e.closed
	e.closed, e.wake = true, nil
	e.waking.Unlock()
	if !first {
		return false
	}
	if e.registered.Load() {
		e.host.poller.remove(e.fd, e.token)
	}
	if abort {
		unix.SetsockoptLinger(e.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	e.descriptor.shutdown()
	e.held.Release()
	return true
}

func (e *endpoint) bindTo(a provider.Addr) wsa.Errno {
	if a.Addr().Is6() && a.Addr().IsLinkLocalUnicast() && a.Scope == 0 {
		return wsa.EADDRNOTAVAIL // the kernel's EINVAL, which also means "bound already"
	}
	m := getMessage()
	defer m.release()
	m.name.set(a)
	errno := setAddress(unix.SYS_BIND, e.fd, &m.name)
	if errno == 0 {
		e.bound.Store(&a)
	}
	return translate(opBind, errno)
}

// local is getsockname(2); ok is false for an endpoint without an address.
func (e *endpoint) local() (a provider.Addr, ok bool) {
	m := getMessage()
	defer m.release()
	if getAddress(unix.SYS_GETSOCKNAME, e.fd, &m.name) != 0 {
		return provider.Addr{}, false
	}
	a = m.name.get()
	return a, a.Port() != 0 || e.bound.Load() != nil
}

// connectTo is connect(2).
func (e *endpoint) connectTo(a provider.Addr) wsa.Errno {
	m := getMessage()
	defer m.release()
	m.name.set(a)
	o := opConnect
	if b := e.bound.Load(); b != nil && b.Port() != 0 {
		o = opConnectBound
	}
	return translate(o, setAddress(unix.SYS_CONNECT, e.fd, &m.name))
}

// PeerAddr is the address that was connected to or accepted from.
func (e *endpoint) PeerAddr() (provider.Addr, bool) {
	if p := e.peer.Load(); p != nil {
		return *p, true
	}
	return provider.Addr{}, false
}

// SysHandle is the descriptor. It belongs to the endpoint: whoever wants to keep
// it makes a duplicate.
func (e *endpoint) SysHandle() (uintptr, bool) {
	if !e.enter() {
		return 0, false
	}
	defer e.leave()
	return uintptr(e.fd), true
}
