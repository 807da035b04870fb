package netstack

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A stream is a TCP endpoint, listening or not.
type stream struct {
	endpoint

	door    admission // of a listener
	backlog int       // of gVisor's queue

	gate  gate
	again sync.WaitGroup // wakes that are repeated from outside

	up      atomic.Bool // the handshake was completed once
	finSent atomic.Bool // by Shutdown

	death sync.Mutex    // held while the cause is taken out of gVisor
	err   atomic.Uint32 // why it is dead, a wsa.Errno; stays
}

var (
	_ base.Endpoint = (*stream)(nil)
	_ base.Queuer   = (*stream)(nil)
)

func newStream(n nature) *stream {
	s := &stream{endpoint: endpoint{nature: n}}
	s.setDefaults()
	n.ep.SocketOptions().SetReuseAddress(true) // TIME-WAIT is no obstacle; see endpoint.take
	return s
}

// Watch installs wake. What happened before is not reported: ask State.
func (s *stream) Watch(wake func(wsa.Events)) { s.watch(s, wake) }

// NotifyEvent is gVisor's wake: its locks are held.
func (s *stream) NotifyEvent(m waiter.EventMask) {
	s.gate.enter()
	if s.tcpState().connected() {
		s.established()
	}
	s.wake(hints(m))
	if s.gate.leave() {
		s.again.Go(func() { s.wake(anyChange) })
	}
}

// Connect starts the handshake. EADDRINUSE: the 4-tuple exists. EACCES: a
// subnet's broadcast address.
func (s *stream) Connect(to provider.Addr) wsa.Errno {
	full, e := s.destination(to)
	if e != 0 {
		return e
	}
	if s.isBroadcast(full) {
		return wsa.EACCES
	}
	s.peer.Store(&to)
	err := s.ep.Connect(full)
	switch err.(type) {
	case *tcpip.ErrConnectStarted, *tcpip.ErrAlreadyConnecting, nil:
		s.fits(s.ep)
		return wsa.EWOULDBLOCK
	case *tcpip.ErrBadLocalAddress:
		// A clash of 4-tuples needs a port of our own; without one it is FindRoute
		// that has no address to send from.
		if local, _ := s.ep.GetLocalAddress(); local.Port == 0 {
			s.peer.Store(nil)
			return wsa.EADDRNOTAVAIL
		}
	}
	s.peer.Store(nil)
	return s.driver.unreachable(errno(opConnect, err), unmapped(full.Addr))
}

// Disconnect is for datagram endpoints.
func (s *stream) Disconnect() wsa.Errno { return wsa.EOPNOTSUPP }

// maxBacklog bounds what waits for accept; SOMAXCONN asks for it.
const maxBacklog = 4096

// Listen starts to listen. A backlog below what waits already changes nothing.
// EADDRINUSE: another endpoint listens on the address (both had SO_REUSEADDR).
func (s *stream) Listen(backlog int) wsa.Errno {
	// One more than asked: with capacity 1 gVisor answers each SYN with a cookie and
	// loses window scale, SACK and timestamps (tests.md 1.6).
	backlog = min(max(backlog, 1), maxBacklog)
	if s.door.conditional {
		return s.listenConditionally(backlog)
	}
	if s.driver.queuesSYNs(s.listensAt()) {
		return wsa.EADDRINUSE
	}
	s.backlog = backlog + 1
	err := s.ep.Listen(s.backlog)
	if err == nil && s.door.paused {
		return s.setPaused(true)
	}
	if _, busy := err.(*tcpip.ErrInvalidEndpointState); busy && s.tcpState().listening() {
		return 0
	}
	return errno(opListen, err)
}

// Accept takes the first connection that waits.
func (s *stream) Accept() (base.Endpoint, wsa.Errno) {
	c, e := s.door.next(), wsa.Errno(0)
	switch {
	case c != nil:
	case s.door.queue.Load() != nil:
		return nil, wsa.EWOULDBLOCK
	default:
		if c, e = s.acceptOne(); e != 0 {
			return nil, e
		}
	}
	if st := c.tcpState(); st.gone() || c.resetAfterFin(st) {
		c.ep.Close()
		return nil, wsa.ECONNRESET
	}
	return c, 0
}

// acceptOne takes one from gVisor's queue.
func (s *stream) acceptOne() (*stream, wsa.Errno) {
	var peer tcpip.FullAddress
	ep, queue, err := s.ep.Accept(&peer)
	if err != nil {
		return nil, errno(opAccept, err)
	}
	s.fits(ep)
	return s.accepted(ep, queue, s.fromFull(peer)), 0
}

// fits tells the stack of a new connection, which has the buffers that it should.
func (s *stream) fits(ep tcpip.Endpoint) {
	if k := s.driver.stack; k != nil {
		k.Fits(ep)
	}
}

// accepted makes a stream of a connection that came in.
func (s *stream) accepted(ep tcpip.Endpoint, queue *waiter.Queue, from provider.Addr) *stream {
	n := s.nature
	n.ep, n.queue = ep, queue
	c := &stream{endpoint: endpoint{nature: n}}
	c.up.Store(true)
	c.peer.Store(&from)
	c.setDefaults()
	return c
}

// Send queues what fits. After the end of the connection it returns the cause,
// again and again; after Shutdown ESHUTDOWN.
func (s *stream) Send(m *provider.Msg) (int, wsa.Errno) {
	if e := s.cause(); e != 0 {
		return 0, e
	}
	s.src.reset(m.Buffers)
	n, err := s.ep.Write(&s.src, tcpip.WriteOptions{})
	s.src.reset(nil)
	if err == nil {
		return int(n), 0
	}
	return 0, s.failed(opSend, err)
}

// Recv takes what is queued. What came before a reset is still delivered, as
// gVisor and BSD do; then the cause is returned, again and again. No room in the
// buffers gives (0, 0) if there is something to receive.
func (s *stream) Recv(m *provider.Msg) (int, wsa.Errno) {
	if m.Len() == 0 {
		return s.recvNothing()
	}
	s.dst.reset(m.Buffers)
	peek := m.Flags&wsa.MSG_PEEK != 0
	res, err := s.ep.Read(&s.dst, tcpip.ReadOptions{Peek: peek})
	s.dst.reset(nil)
	if err == nil {
		if !peek {
			s.ep.ModerateRecvBuf(res.Count) // or the window never grows (perf.md pitfall 7)
		}
		return res.Count, 0
	}
	e := s.failed(opRecv, err)
	if _, end := err.(*tcpip.ErrClosedForReceive); end && s.err.Load() == 0 {
		return 0, 0
	}
	return 0, e
}

func (s *stream) recvNothing() (int, wsa.Errno) {
	switch st := s.State(); {
	case st.Readable, st.PeerClosed && st.Err == 0:
		return 0, 0
	case st.Err != 0:
		return 0, st.Err
	}
	return 0, wsa.EWOULDBLOCK
}

// failed is the code of an operation's error: the cause, once the stream is dead.
func (s *stream) failed(o op, err tcpip.Error) wsa.Errno {
	switch err.(type) {
	case *tcpip.ErrWouldBlock:
		return wsa.EWOULDBLOCK
	case *tcpip.ErrClosedForSend, *tcpip.ErrClosedForReceive, *tcpip.ErrNotConnected, *tcpip.ErrBadBuffer:
	default:
		if s.tcpState().gone() { // this call consumed gVisor's hard error
			s.die(errno(opDead, err))
		}
	}
	if e := s.cause(); e != 0 {
		return e
	}
	return errno(o, err)
}

// Shutdown sends FIN after what is queued.
func (s *stream) Shutdown() wsa.Errno {
	if e := s.cause(); e != 0 {
		return e
	}
	s.finSent.Store(true)
	err := s.ep.Shutdown(tcpip.ShutdownWrite)
	if _, over := err.(*tcpip.ErrNotConnected); over && s.up.Load() {
		return 0 // TIME-WAIT: sent and acknowledged
	}
	return errno(opShutdown, err)
}

// Close ends the stream. Gracefully it is FIN, or RST if received bytes were not
// read, as on Windows.
func (s *stream) Close(abort bool) {
	s.unwatch()
	s.again.Wait()
	s.door.close()
	if abort {
		s.ep.Abort()
	}
	s.ep.Close()
	s.held.Release()
}

// Queued is the number of bytes that Recv would return now. Not from a wake.
func (s *stream) Queued() int {
	n, err := s.ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
	if err != nil {
		return 0
	}
	return n
}
