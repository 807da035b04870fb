package host

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Send queues bytes; fewer than given if the buffer is full, or if there are
// more than 1024 slices. With MSG_OOB the last byte is urgent.
func (s *stream) Send(m *provider.Msg) (int, wsa.Errno) {
	if !s.enter() {
		return 0, wsa.ENOTSOCK
	}
	defer s.leave()
	if e := s.err(); e != 0 {
		return 0, e
	}
	if s.shut.Load() {
		return 0, wsa.ESHUTDOWN
	}
	flags := 0
	if m.Flags&wsa.MSG_OOB != 0 {
		flags = unix.MSG_OOB
	}
	seen := s.tx.load()
	n, asked, errno := s.write(m.Buffers, flags)
	switch {
	case errno != 0:
		s.tx.empty(seen)
		return 0, s.failed(opSend, errno)
	case n < asked:
		s.tx.empty(seen) // the kernel has set SOCK_NOSPACE: an edge will come
	}
	return n, 0
}

// write is one system call: writev of all slices, or send of the only one.
func (s *stream) write(buffers [][]byte, flags int) (n, asked int, errno syscall.Errno) {
	if len(buffers) == 1 {
		n, errno = sendBytes(s.fd, buffers[0], flags)
		return n, len(buffers[0]), errno
	}
	m := getMessage()
	defer m.release()
	m.addAll(buffers)
	m.prepare(false, 0)
	n, errno = m.send(s.fd, flags)
	return n, m.bytes(), errno
}

// Recv takes bytes, in order, before any error that came after them; (0, 0) is
// the peer's FIN. It never spans an urgent mark. With MSG_OOB it takes the urgent
// byte: EWOULDBLOCK if there is none, EINVAL if it comes in line.
func (s *stream) Recv(m *provider.Msg) (int, wsa.Errno) {
	if !s.enter() {
		return 0, wsa.ENOTSOCK
	}
	defer s.leave()
	if m.Flags&wsa.MSG_OOB != 0 {
		return s.receiveUrgent(m)
	}
	flags := 0
	if m.Flags&wsa.MSG_PEEK != 0 {
		flags = unix.MSG_PEEK
	}
	seen := s.rx.load()
	if !up(seen) {
		s.keepUrgent()
	}
	n, asked, errno := s.read(m.Buffers, flags)
	switch {
	case errno != 0:
		s.rx.empty(seen)
		return 0, s.failed(opRecv, errno)
	case asked == 0:
		return 0, 0
	case n == 0:
		s.rx.empty(seen)
		return 0, s.end()
	case flags != 0:
	case n < asked && !s.urgent.Load():
		s.rx.empty(seen)
	default:
		s.rx.raise()
	}
	return n, 0
}

func (s *stream) read(buffers [][]byte, flags int) (n, asked int, errno syscall.Errno) {
	if len(buffers) == 1 {
		if len(buffers[0]) == 0 {
			return 0, 0, 0
		}
		n, errno = receiveBytes(s.fd, buffers[0], flags)
		return n, len(buffers[0]), errno
	}
	m := getMessage()
	defer m.release()
	m.addAll(buffers)
	if m.used == 0 {
		return 0, 0, 0
	}
	m.prepare(false, 0)
	n, errno = m.receive(s.fd, flags)
	return n, m.bytes(), errno
}

// failed is what a data call returns for errno: the latched error, which this
// may be the one to latch.
func (s *stream) failed(o op, errno syscall.Errno) wsa.Errno {
	if errno == unix.EAGAIN {
		if e := s.err(); e != 0 { // the Host has ended
			return e
		}
		return wsa.EWOULDBLOCK
	}
	if e := s.latched(); e != 0 {
		return e
	}
	e := translate(o, errno)
	if errno == unix.EPIPE && !s.fin.Load() {
		e = wsa.ECONNRESET // what is left once somebody else took the error
	}
	if fatal(e) {
		return s.perish(e)
	}
	return e
}

// latched is the error that s died of, after whoever is about to latch one.
func (s *stream) latched() wsa.Errno {
	if s.takeError() {
		s.notify(everything)
	}
	return s.err()
}

// end tells a true end of stream from a reset: the kernel returns 0 bytes for
// that too once its error was taken, be it by the poller or by a send.
func (s *stream) end() wsa.Errno {
	if e := s.latched(); e != 0 || s.ended.Load() {
		return e
	}
	if !s.shut.Load() && s.tcpState() == tcpClose {
		return s.perish(wsa.ECONNRESET)
	}
	s.ended.Store(true)
	s.fin.Store(true)
	return 0
}

// Queued is what a Recv would return now, in bytes.
func (s *stream) Queued() int {
	if !s.enter() {
		return 0
	}
	defer s.leave()
	return s.inq()
}
