package base

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// bind is WSPBind (winsock-spi 3.6): EINVAL if bound, EFAULT without a fitting
// sockaddr, EAFNOSUPPORT for an unknown family (observed), EACCES for a
// broadcast address, and what the network says.
func bind(s *provider.Socket, a provider.Addr) wsa.Errno {
	k, e := writer(s)
	if e != 0 {
		return e
	}
	defer k.mu.Unlock()
	switch {
	case k.bound:
		return wsa.EINVAL
	case a.Family != 0 && a.Family != wsa.AF_INET && a.Family != wsa.AF_INET6:
		return wsa.EAFNOSUPPORT
	case a.Family != k.row.Family || !wellFormed(a):
		return wsa.EFAULT
	case a.Addr() == limitedBroadcast:
		return wsa.EACCES
	case k.foreignIPv4(a):
		return wsa.EADDRNOTAVAIL
	}
	return k.bind(a, true)
}

func (k *socket) bind(a provider.Addr, explicit bool) wsa.Errno {
	if e := k.link.Bind(a); e != 0 {
		return e
	}
	k.bound, k.explicit, k.local = true, explicit, a
	k.remember()
	k.asked = k.local // with the port that was chosen
	return 0
}

// listen is WSPListen (winsock-spi 3.20). The backlog is moved to the nearest
// legal value; listening again changes it.
func listen(s *provider.Socket, backlog int) wsa.Errno {
	k, e := writer(s)
	if e != 0 {
		return e
	}
	defer k.mu.Unlock()
	if !k.stream() {
		return wsa.EOPNOTSUPP
	}
	switch k.now() {
	case connected:
		return wsa.EISCONN
	case connecting:
		return wsa.EINVAL
	case refused:
		if e := k.renew(); e != 0 {
			return e
		}
	}
	if !k.bound {
		return wsa.EINVAL
	}
	if e := k.link.Listen(min(max(backlog, 1), maxBacklog)); e != 0 {
		return e
	}
	k.phase.Store(uint32(listening))
	return 0
}

// maxBacklog is what SOMAXCONN asks for: Linux' net.core.somaxconn since 5.4.
const maxBacklog = 4096

// connect is WSPConnect (winsock-spi 3.9). State is judged before the address.
func connect(s *provider.Socket, r *provider.ConnectRequest) wsa.Errno {
	k, e := writer(s)
	if e != 0 {
		return e
	}
	defer k.mu.Unlock()
	if !k.stream() {
		return k.connectDatagram(r)
	}
	switch k.now() {
	case listening:
		return wsa.EINVAL
	case connecting:
		return wsa.EALREADY
	case connected:
		return wsa.EISCONN
	}
	switch {
	case r.Ex && !k.bound:
		return wsa.EINVAL
	case len(r.CallerData) > 0:
		return wsa.EPROTONOSUPPORT
	}
	if e := k.checkRemote(r.To); e != 0 {
		return e
	}
	if r.To.Addr().IsMulticast() || r.To.Addr() == limitedBroadcast {
		return wsa.EADDRNOTAVAIL
	}
	if k.now() == refused {
		if e := k.renew(); e != 0 {
			return e
		}
	}
	return k.start(r.To)
}

// start begins the attempt. The phase is set before the endpoint is told, as a
// wake with the result may come from within that call.
func (k *socket) start(to provider.Addr) wsa.Errno {
	k.peer, k.active = to, true
	k.connErr.Store(0)
	k.since.Store(0)
	k.phase.Store(uint32(connecting))
	e := k.link.Connect(to)
	switch e {
	case 0:
		k.connectedNow()
		k.phase.Store(uint32(connected))
	case wsa.EWOULDBLOCK:
	default:
		k.failed(e)
		return e
	}
	k.bound = true
	k.remember()
	return e
}

// failed ends an attempt that did not even start. An endpoint that is spent by
// it is replaced by the next attempt.
func (k *socket) failed(e wsa.Errno) {
	k.connErr.Store(uint32(e))
	next := fresh
	if k.link.State().Phase == Dead {
		next = refused
	}
	k.phase.Store(uint32(next))
}

// renew puts a fresh endpoint under the socket in place of a spent one. An
// explicit bind is repeated, port included; options are replayed.
func (k *socket) renew() wsa.Errno { return k.replace(k.link.drop) }

// replace is renew, with away to end the old endpoint.
func (k *socket) replace(away func()) wsa.Errno {
	ep, e := k.in.driver.Open(k.row.Family, k.row.Type, k.protocol)
	if e != 0 {
		return e
	}
	// The old endpoint goes first: it may hold the address, and none of its wakes
	// may find the next attempt running.
	away()
	k.link = newLink(ep, k)
	k.prepare(k.link, false)
	k.phase.Store(uint32(fresh))
	k.term.Store(0)
	k.bound = false
	if !k.explicit {
		return 0
	}
	e = k.bind(k.asked, true)
	if e != 0 {
		k.phase.Store(uint32(refused)) // the next attempt starts anew
	}
	return e
}

// connectDatagram sets the peer: receives are filtered by it, and what others
// sent before is discarded. No address, or the wildcard one, takes it away.
func (k *socket) connectDatagram(r *provider.ConnectRequest) wsa.Errno {
	if len(r.CallerData) > 0 {
		return wsa.EPROTONOSUPPORT
	}
	if r.Ex {
		return wsa.EINVAL // ConnectEx is for connection-oriented sockets
	}
	if r.To.Family == 0 || r.To.Addr().IsValid() && r.To.IsUnspecified() && r.To.Port() == 0 {
		return k.disconnect()
	}
	if e := k.checkRemote(r.To); e != 0 {
		return e
	}
	if e := k.checkBroadcast(r.To); e != 0 {
		return e
	}
	switch e := k.link.Connect(r.To); e {
	case 0, wsa.EWOULDBLOCK:
	default:
		return e
	}
	k.mixed = k.bound
	k.bound, k.hasPeer, k.hadPeer, k.peer = true, true, true, r.To
	k.remember()
	k.prune()
	return 0
}

func (k *socket) disconnect() wsa.Errno {
	k.session = provider.Addr{}
	if !k.hasPeer {
		return 0
	}
	if e := k.link.Disconnect(); e != 0 {
		return e
	}
	k.hasPeer, k.mixed, k.peer = false, false, provider.Addr{}
	k.remember()
	return 0
}

// checkBroadcast asks for SO_BROADCAST. The driver knows the broadcast addresses
// of its subnets; the limited one is known here.
func (k *socket) checkBroadcast(to provider.Addr) wsa.Errno {
	if to.Addr() == limitedBroadcast && k.value(wsa.SOL_SOCKET, wsa.SO_BROADCAST) == 0 {
		return wsa.EACCES
	}
	return 0
}

// shutdown is WSPShutdown. SD_RECEIVE is a flag of ours: told of it, the stack
// would reset a connection whose peer still sends, or forget what is queued.
func shutdown(s *provider.Socket, how int) wsa.Errno {
	k, e := writer(s)
	if e != 0 {
		return e
	}
	defer k.mu.Unlock()
	if how != wsa.SD_RECEIVE && how != wsa.SD_SEND && how != wsa.SD_BOTH {
		return wsa.EINVAL
	}
	if k.stream() {
		if k.now() != connected {
			return wsa.ENOTCONN
		}
		if e := k.ended(); e != 0 {
			return e
		}
		if how != wsa.SD_RECEIVE && !k.shutSend {
			if e := k.link.Shutdown(); e != 0 {
				return e
			}
		}
	}
	k.shutSend = k.shutSend || how != wsa.SD_RECEIVE
	k.shutRecv = k.shutRecv || how != wsa.SD_SEND
	return 0
}
