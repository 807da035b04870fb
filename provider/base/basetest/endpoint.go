package basetest

import (
	"net/netip"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// endpoint is one of a Network. Everything but the two atomics is guarded by the
// network's lock.
type endpoint struct {
	n                 *Network
	h                 *Host
	af, typ, protocol int32

	state atomic.Uint64 // published State: readable from wakes, under no lock
	soft  atomic.Uint32 // published first soft error

	wake   func(wsa.Events)
	key    portKey // where it is registered
	held   *base.Bound
	local  netip.AddrPort
	remote netip.AddrPort
	v6only bool
	phase  base.Phase
	err    wsa.Errno

	// A stream's: see stream.go.
	peer             *endpoint
	in               ring
	finSent, finSeen bool
	blocked          bool // a send found no space: wake when there is some
	gone             bool // closed
	listener         *endpoint
	backlog          int
	ready, waiting   []*endpoint

	// A datagram endpoint's: see datagram.go.
	queue    datagrams
	circular bool
	errors   []softError
	groups   []netip.Addr // see group.go

	options map[[2]int32]int
}

type softError struct {
	code wsa.Errno
	to   netip.AddrPort
}

// Bits of the published state.
const (
	bitReadable = 1 << (8 + iota)
	bitWritable
	bitAcceptable
	bitPeerClosed
	bitDrained
	bitSoft
	errShift = 32
)

// publish makes the present state visible to State.
func (e *endpoint) publish() {
	v := uint64(e.phase) | uint64(e.err)<<errShift
	set := func(on bool, bit uint64) {
		if on {
			v |= bit
		}
	}
	if e.typ == wsa.SOCK_STREAM {
		set(e.in.len > 0, bitReadable)
		set(e.phase == base.Connected && !e.finSent && e.space() > 0, bitWritable)
		set(len(e.ready) > 0 || len(e.waiting) > 0 && e.is(wsa.SO_CONDITIONAL_ACCEPT), bitAcceptable)
		set(e.finSeen, bitPeerClosed)
		set(e.finSent || e.phase != base.Connected, bitDrained)
	} else {
		set(e.queue.n > 0, bitReadable)
		set(true, bitWritable|bitDrained)
		set(len(e.errors) > 0, bitSoft)
		first := wsa.Errno(0)
		if len(e.errors) > 0 {
			first = e.errors[0].code
		}
		e.soft.Store(uint32(first))
	}
	e.state.Store(v)
}

// changed publishes and wakes.
func (e *endpoint) changed(hint wsa.Events) {
	e.publish()
	if e.wake != nil {
		e.wake(hint)
	}
}

func (e *endpoint) State() base.State {
	v := e.state.Load()
	return base.State{
		Phase:      base.Phase(v & 0xff),
		Readable:   v&bitReadable != 0,
		Writable:   v&bitWritable != 0,
		Acceptable: v&bitAcceptable != 0,
		PeerClosed: v&bitPeerClosed != 0,
		Drained:    v&bitDrained != 0,
		Soft:       v&bitSoft != 0,
		Err:        wsa.Errno(v >> errShift),
	}
}

// SoftError names the soft error that the next Recv returns.
func (e *endpoint) SoftError() wsa.Errno { return wsa.Errno(e.soft.Load()) }

func (e *endpoint) Watch(wake func(wsa.Events)) {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	e.wake = wake
}

func (e *endpoint) Bind(a provider.Addr) wsa.Errno {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	at := plain(a)
	if !at.Addr().IsUnspecified() && !e.h.owns(at.Addr()) {
		return wsa.EADDRNOTAVAIL
	}
	if e.typ == wsa.SOCK_RAW {
		e.local = at
		return 0
	}
	return e.h.take(e, at)
}

// fix gives a socket that is about to send a local address.
func (e *endpoint) fix(to netip.Addr) wsa.Errno {
	if !e.local.IsValid() {
		any := netip.IPv4Unspecified()
		if e.af == wsa.AF_INET6 {
			any = netip.IPv6Unspecified()
		}
		if e.typ == wsa.SOCK_RAW {
			e.local = netip.AddrPortFrom(any, 0)
		} else if code := e.h.take(e, netip.AddrPortFrom(any, 0)); code != 0 {
			return code
		}
	}
	return 0
}

// from is the source address of what is sent to a destination.
func (e *endpoint) from(to netip.Addr) netip.AddrPort {
	if e.local.Addr().IsUnspecified() {
		return netip.AddrPortFrom(e.h.source(to), e.local.Port())
	}
	return e.local
}

func (e *endpoint) Connect(a provider.Addr) wsa.Errno {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	to := plain(a)
	if e.typ == wsa.SOCK_STREAM {
		return e.connectStream(to)
	}
	if _, code := e.h.route(to.Addr()); code == wsa.ENETUNREACH || code == wsa.ENETDOWN {
		if to.Addr() != broadcast && !to.Addr().IsMulticast() {
			return code
		}
	}
	if code := e.fix(to.Addr()); code != 0 {
		return code
	}
	e.remote = to
	e.phase = base.Connected
	e.publish()
	return 0
}

func (e *endpoint) Disconnect() wsa.Errno {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	e.remote, e.phase = netip.AddrPort{}, base.Idle
	e.publish()
	return 0
}

func (e *endpoint) Send(m *provider.Msg) (int, wsa.Errno) {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	if e.typ == wsa.SOCK_STREAM {
		return e.sendStream(m)
	}
	return e.sendDatagram(m)
}

func (e *endpoint) Recv(m *provider.Msg) (int, wsa.Errno) {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	if e.typ == wsa.SOCK_STREAM {
		return e.receiveStream(m)
	}
	return e.receiveDatagram(m)
}

// Queued is all that a stream holds, or all datagrams.
func (e *endpoint) Queued() int {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	return e.in.len + e.queue.bytes
}

func (e *endpoint) Close(abort bool) {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	e.wake = nil
	if e.typ == wsa.SOCK_STREAM {
		e.closeStream(abort)
	}
	e.discard()
}

func (e *endpoint) discard() {
	e.gone = true
	e.h.unregister(e)
	delete(e.n.open, e)
}

func (e *endpoint) LocalAddr() (provider.Addr, bool) {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	if !e.local.IsValid() || e.phase == base.Dead {
		return provider.Addr{}, false
	}
	a := e.local
	if e.remote.IsValid() {
		a = e.from(e.remote.Addr())
	}
	return sockaddr(e.af, a), true
}

func (e *endpoint) PeerAddr() (provider.Addr, bool) {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	if !e.remote.IsValid() {
		return provider.Addr{}, false
	}
	return sockaddr(e.af, e.remote), true
}

func (e *endpoint) SetOption(level, name int32, value int) wsa.Errno {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	if level == wsa.IPPROTO_IPV6 && name == wsa.IPV6_V6ONLY {
		e.v6only = value != 0
	}
	if e.options == nil {
		e.options = make(map[[2]int32]int)
	}
	e.options[[2]int32{level, name}] = value
	return 0
}

func (e *endpoint) Option(level, name int32) (int, wsa.Errno) {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	v, ok := e.options[[2]int32{level, name}]
	if !ok {
		return 0, wsa.ENOPROTOOPT
	}
	return v, 0
}

// sharing is how e binds: what the options say at that time.
func (e *endpoint) sharing() base.BindMode {
	switch {
	case e.options[[2]int32{wsa.SOL_SOCKET, wsa.SO_EXCLUSIVEADDRUSE}] != 0:
		return base.BindExclusive
	case e.options[[2]int32{wsa.SOL_SOCKET, wsa.SO_REUSEADDR}] != 0:
		return base.BindReuse
	}
	return base.BindDefault
}
