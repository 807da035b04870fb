package host

import (
	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var _ base.ICMPErrorer = (*stream)(nil)

// SetOption also knows TCP_FAIL_CONNECT_ON_ICMP_ERROR, which is Linux' error queue for
// as long as the attempt lasts. Without it the kernel fails most attempts, too, but not
// those whose ICMP error comes while connect(2) is under way, as from a router next door
// (tcp_v4_err, sock_owned_by_user): they go on until the SYN is sent again, in a second.
func (s *stream) SetOption(level, name int32, value int) wsa.Errno {
	if level == wsa.SOL_SOCKET && name == wsa.SO_OOBINLINE {
		return s.setInline(value)
	}
	if level != wsa.IPPROTO_TCP || name != wsa.TCP_FAIL_CONNECT_ON_ICMP_ERROR {
		return s.endpoint.SetOption(level, name, value)
	}
	if !s.enter() {
		return wsa.ENOTSOCK
	}
	defer s.leave()
	if phase := s.phase(); phase != base.Idle && phase != base.Connecting {
		return 0 // it is about attempts
	}
	s.told.Store(value != 0)
	return translate(opSetOption, errnoOf(s.queueErrors(value)))
}

func (s *stream) queueErrors(on int) error {
	if s.af == wsa.AF_INET6 {
		return unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, on)
	}
	return unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_RECVERR, on)
}

// ICMPError implements base.ICMPErrorer.
func (s *stream) ICMPError() provider.ICMPError {
	if e := s.refusal.Load(); e != nil {
		return *e
	}
	return provider.ICMPError{}
}

// takeICMP ends the attempt with the first error of the queue; false if there is none.
// It is stored before the end is seen.
func (s *stream) takeICMP() bool {
	if !s.told.Load() {
		return false
	}
	m := getMessage()
	defer m.release()
	for {
		m.name.room()
		m.prepare(true, len(m.controlBytes()))
		if _, errno := m.receive(s.fd, unix.MSG_ERRQUEUE); errno != 0 {
			return false // EAGAIN
		}
		e, local := readError(m.controlBytes()[:m.header.Controllen])
		if errno := attemptErrno(e.err); !local && errno != 0 {
			s.refusal.Store(&e.icmp)
			s.die(errno)
			return true
		}
	}
}

// endICMP ends the queue with the attempt: with it, an error that is soft would be the
// end of a connection (ip(7)).
func (s *stream) endICMP() {
	if s.told.Load() {
		s.queueErrors(0)
	}
}

// attemptErrno is how an attempt ends by an ICMP error that would be e of a datagram.
func attemptErrno(e wsa.Errno) wsa.Errno {
	switch e {
	case wsa.EMSGSIZE:
		return 0 // a SYN does not end by it
	case wsa.ECONNRESET:
		return wsa.ECONNREFUSED
	case wsa.ENETRESET:
		return wsa.EHOSTUNREACH
	}
	return e
}
