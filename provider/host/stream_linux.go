package host

import (
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// streamEvents: EPOLLERR and EPOLLHUP are always reported.
const streamEvents = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLPRI

// States of TCP as TCP_INFO tells them (include/net/tcp_states.h).
const (
	tcpFinWait2 = 5
	tcpTimeWait = 6
	tcpClose    = 7
)

const everything = wsa.FD_READ | wsa.FD_WRITE | wsa.FD_OOB | wsa.FD_ACCEPT | wsa.FD_CONNECT | wsa.FD_CLOSE | wsa.EvDrained

// stream is a TCP endpoint.
type stream struct {
	endpoint
	life atomic.Uint32 // phase, and above it the errno that it died of: one word, so that they agree

	rx level // data, or a connection, waits
	tx level // only "maybe": a full send leaves it up, and the next says EWOULDBLOCK

	target  provider.Addr // of Connect
	told    atomic.Bool   // TCP_FAIL_CONNECT_ON_ICMP_ERROR
	refusal atomic.Pointer[provider.ICMPError]
	fin     atomic.Bool   // the peer's FIN was seen
	shut    atomic.Bool   // Shutdown was called
	acked   atomic.Bool   // and its FIN acknowledged
	urgent  atomic.Bool   // urgent data ever came: a short receive proves nothing from then on
	kept    atomic.Uint32 // the urgent byte that waits; see keepUrgent
	ended   atomic.Bool   // Recv has returned a true end of stream
	reading sync.Mutex    // held while SO_ERROR is taken and latched: in between it is nowhere
}

func (h *Host) openStream(af, protocol int32) (base.Endpoint, wsa.Errno) {
	if protocol != wsa.IPPROTO_TCP && protocol != 0 {
		return nil, wsa.EPROTONOSUPPORT
	}
	if h.poller.ended() {
		return nil, wsa.ENETDOWN
	}
	fd, e := h.socket(af, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	if e != 0 {
		return nil, e
	}
	return h.newStream(fd, af), 0
}

func (h *Host) newStream(fd int, af int32) *stream {
	s := new(stream)
	s.init(h, fd, af, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, s)
	return s
}

func (s *stream) phase() base.Phase { return base.Phase(s.life.Load() & 0xff) }
func (s *stream) err() wsa.Errno    { return wsa.Errno(s.life.Load() >> 8) }

// step moves from one phase to another, unless s has died.
func (s *stream) step(from, to base.Phase) bool {
	return s.life.CompareAndSwap(uint32(from), uint32(to))
}

// die latches why the stream ended. The first cause stays.
func (s *stream) die(e wsa.Errno) bool {
	for {
		cur := s.life.Load()
		if base.Phase(cur&0xff) == base.Dead {
			return false
		}
		if s.life.CompareAndSwap(cur, uint32(base.Dead)|uint32(e)<<8) {
			return true
		}
	}
}

// perish is die for a call that met the error itself: the others must hear of
// it, as what the poller saw came before it was latched. It returns the cause.
func (s *stream) perish(e wsa.Errno) wsa.Errno {
	if s.die(e) {
		s.notify(everything)
	}
	return s.err()
}

// Bind takes a local address. SO_REUSEADDR on Linux is Winsock's default:
// connections in TIME-WAIT are no obstacle. It is set before a bind to a given
// port, and after one to a port of the kernel's choice, so that the kernel
// chooses one that nobody else has while a later listener on it still finds no
// obstacle in our connections.
func (s *stream) Bind(a provider.Addr) wsa.Errno {
	if !s.enter() {
		return wsa.ENOTSOCK
	}
	defer s.leave()
	return s.claim(a, func() wsa.Errno {
		if a.Port() != 0 {
			unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
			return s.bindTo(a)
		}
		e := s.bindTo(a)
		unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		return e
	})
}

// Connect starts the attempt. An error that the kernel gives at once is
// returned, and the endpoint stays idle.
func (s *stream) Connect(a provider.Addr) wsa.Errno {
	if !s.enter() {
		return wsa.ENOTSOCK
	}
	defer s.leave()
	if !s.step(base.Idle, base.Connecting) {
		return wsa.EISCONN
	}
	s.target = a
	e := s.connectTo(a)
	if e != 0 && e != wsa.EWOULDBLOCK {
		s.step(base.Connecting, base.Idle)
		return e
	}
	// Only now: until connect(2) has been called, epoll would say hang-up. If the
	// connection stands already, the registration itself reports it.
	if e := s.register(streamEvents); e != 0 {
		s.die(e)
		return e
	}
	return wsa.EWOULDBLOCK
}

// Disconnect is for datagrams.
func (s *stream) Disconnect() wsa.Errno { return wsa.EOPNOTSUPP }

// Listen starts listening or changes the backlog, which the kernel caps at
// net.core.somaxconn. Another listener on the port shows here, not in Bind.
func (s *stream) Listen(backlog int) wsa.Errno {
	if !s.enter() {
		return wsa.ENOTSOCK
	}
	defer s.leave()
	if err := unix.Listen(s.fd, backlog); err != nil {
		return translate(opListen, errnoOf(err))
	}
	if s.step(base.Idle, base.Listening) {
		return s.register(unix.EPOLLIN)
	}
	return 0
}

// Accept takes the first established connection. It is asked whether it still
// stands: a reset that came before is Winsock's ECONNRESET here.
func (s *stream) Accept() (base.Endpoint, wsa.Errno) {
	if !s.enter() {
		return nil, wsa.ENOTSOCK
	}
	defer s.leave()
	if e := s.err(); e != 0 {
		return nil, e
	}
	m := getMessage()
	defer m.release()
	seen := s.rx.load()
	fd, errno := acceptAddress(s.fd, &m.name)
	if errno == unix.EAGAIN {
		s.rx.empty(seen)
		return nil, wsa.EWOULDBLOCK
	}
	s.rx.raise() // one edge may stand for many; and after EMFILE it still waits
	if errno != 0 {
		return nil, translate(opAccept, errno)
	}
	return s.adopt(fd, m.name.get())
}

func (s *stream) adopt(fd int, peer provider.Addr) (base.Endpoint, wsa.Errno) {
	c := s.host.newStream(fd, s.af)
	c.peer.Store(&peer)
	c.life.Store(uint32(base.Connected))
	c.tx.raise()
	if c.takeError() {
		c.close(false)
		return nil, wsa.ECONNRESET
	}
	if e := c.register(streamEvents); e != 0 {
		c.close(true)
		return nil, e
	}
	return c, 0
}

// Shutdown sends FIN after what is queued.
func (s *stream) Shutdown() wsa.Errno {
	if !s.enter() {
		return wsa.ENOTSOCK
	}
	defer s.leave()
	if e := s.err(); e != 0 {
		return e
	}
	s.shut.Store(true) // first: events that the call draws are read with it
	if err := unix.Shutdown(s.fd, unix.SHUT_WR); err != nil {
		s.shut.Store(false)
		return translate(opShutdown, errnoOf(err))
	}
	return 0
}

// Close ends the endpoint: by RST if abort, else in the background, by FIN if
// all that came was read and by RST if not.
func (s *stream) Close(abort bool) { s.close(abort) }

// LocalAddr is what the kernel says.
func (s *stream) LocalAddr() (provider.Addr, bool) {
	if !s.enter() {
		return provider.Addr{}, false
	}
	defer s.leave()
	return s.local()
}

// State is the raw state. It asks the kernel for what no event has told:
// whether data is queued, once after each edge or receive, and, after Shutdown,
// whether the FIN was acknowledged, until it was.
func (s *stream) State() base.State {
	life := s.life.Load()
	st := base.State{Phase: base.Phase(life & 0xff), Err: wsa.Errno(life >> 8)}
	if !s.enter() {
		return st
	}
	defer s.leave()
	switch st.Phase {
	case base.Listening:
		st.Acceptable = s.rx.ask(s.pollIn)
	case base.Connected, base.Dead:
		st.Readable = s.rx.ask(s.hasData)
		st.Urgent = s.kept.Load() != 0
		st.PeerClosed = s.fin.Load()
		st.Writable = st.Phase == base.Connected && up(s.tx.load()) && !s.shut.Load()
		st.Drained = st.Phase == base.Dead || s.drained()
	}
	return st
}

func (s *stream) hasData() bool { return s.inq() > 0 }

// inq is what a receive would return: SIOCINQ, the FIN not counted (tcp(7)). That
// stops at an urgent mark even when it is next and a receive would step over it,
// so where there ever was one the bytes are counted by a peek that copies none.
func (s *stream) inq() int {
	if n := bytesQueued(s.fd); n > 0 {
		return n
	}
	if !s.urgent.Load() {
		return 0
	}
	s.reading.Lock() // the peek takes SO_ERROR if there are no bytes before it
	defer s.reading.Unlock()
	count, errno := countBytes(s.fd)
	if e := translate(opDied, errno); fatal(e) {
		s.die(e)
	}
	return count
}

func (s *stream) pollIn() bool {
	fds := [1]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds[:], 0)
	return err == nil && n == 1
}

// drained reports that our FIN, and so all before it, is acknowledged. The
// kernel wakes us then: FIN-WAIT-1 to 2, CLOSING and LAST-ACK to the end.
func (s *stream) drained() bool {
	if !s.shut.Load() {
		return false
	}
	if !s.acked.Load() {
		state := s.tcpState()
		s.acked.Store(state == tcpFinWait2 || state == tcpTimeWait || state == tcpClose)
	}
	return s.acked.Load()
}

// tcpState is the first byte of TCP_INFO.
func (s *stream) tcpState() byte {
	state, err := unix.GetsockoptByte(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return state
}

// takeError takes SO_ERROR, which clears it, and latches it; true if there was
// one.
func (s *stream) takeError() bool {
	s.reading.Lock()
	defer s.reading.Unlock()
	v, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || v == 0 {
		return false
	}
	s.die(translate(opDied, syscall.Errno(v)))
	return true
}

// down is the Host's end.
func (s *stream) down() {
	if s.die(wsa.ENETDOWN) {
		s.notify(everything)
	}
}
