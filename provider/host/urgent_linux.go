package host

import (
	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// waiting marks a stream's kept byte as there.
const waiting = 1 << 8

// keepUrgent takes the urgent byte from the kernel, which would forget it as soon as
// a receive passes the mark (tcp_recvmsg); on Windows MSG_OOB finds it any time
// (winsock-spi 6.5). The kernel goes on to end receives at the mark. It is done when
// epoll tells of it, and by a Recv that epoll has announced nothing to: such a one may
// be faster than epoll. A later urgent byte takes the place of an earlier one.
//
// A receive that begins at a mark of which the kernel has just told epoll, and epoll
// not yet the Host, while earlier data was announced, passes it: that byte is lost. To
// ask the kernel before every receive would cost each of them a system call.
func (s *stream) keepUrgent() {
	var b [1]byte
	if n, errno := receiveBytes(s.fd, b[:], unix.MSG_OOB); n != 1 || errno != 0 {
		return // none, taken before, or in line: EINVAL for all three
	}
	s.kept.Store(waiting | uint32(b[0]))
	if !s.urgent.Swap(true) {
		s.notify(wsa.FD_OOB)
	}
}

// receiveUrgent is Recv with MSG_OOB.
func (s *stream) receiveUrgent(m *provider.Msg) (int, wsa.Errno) {
	if s.inline() {
		return 0, wsa.EINVAL
	}
	if s.kept.Load() == 0 {
		s.keepUrgent()
	}
	b := s.kept.Load()
	if b == 0 {
		if e := s.err(); e != 0 {
			return 0, e
		}
		return 0, wsa.EWOULDBLOCK
	}
	for _, to := range m.Buffers {
		if len(to) == 0 {
			continue
		}
		to[0] = byte(b)
		if m.Flags&wsa.MSG_PEEK == 0 {
			s.kept.CompareAndSwap(b, 0)
		}
		return 1, 0
	}
	return 0, 0
}

func (s *stream) inline() bool {
	v, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_OOBINLINE)
	return err == nil && v != 0
}

// setInline is SetOption of SO_OOBINLINE. What was kept comes as data then.
func (s *stream) setInline(value int) wsa.Errno {
	e := s.endpoint.SetOption(wsa.SOL_SOCKET, wsa.SO_OOBINLINE, value)
	if e == 0 && value != 0 {
		s.kept.Store(0)
	}
	return e
}

// Urgent reports whether an urgent byte waits out of line, and whether the next
// byte to be received is the one behind it (the kernel's SIOCATMARK).
func (s *stream) Urgent() (waits, atMark bool) {
	if !s.urgent.Load() || !s.enter() {
		return false, false
	}
	defer s.leave()
	mark, err := unix.IoctlGetUint32(s.fd, unix.SIOCATMARK)
	return s.kept.Load() != 0, err == nil && mark != 0
}
