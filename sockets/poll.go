package sockets

import (
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Flags of WSAPoll.
const (
	POLLERR    int16 = 0x001
	POLLHUP    int16 = 0x002
	POLLNVAL   int16 = 0x004
	POLLWRNORM int16 = 0x010
	POLLOUT    int16 = POLLWRNORM
	POLLWRBAND int16 = 0x020
	POLLRDNORM int16 = 0x100
	POLLRDBAND int16 = 0x200
	POLLIN     int16 = POLLRDNORM | POLLRDBAND
	POLLPRI    int16 = 0x400
)

// PollFD is WSAPOLLFD. INVALID_SOCKET is passed over.
type PollFD struct {
	FD      SOCKET
	Events  int16 // asked for
	Revents int16 // found
}

// WSAPoll (LPFN_WSAPOLL) waits until one of fds has what it asks for, or an error, which is
// always asked for; a negative timeout is none. It returns how many have. EINVAL:
// no fds, or a flag that cannot be asked for; ENOTSOCK: none of them is a socket.
// It is the dispatcher's, as select is: the sockets may be of several chains.
func (s *Session) WSAPoll(fds []PollFD, timeout time.Duration) (int, wsa.Errno) {
	f := functions{s: s}
	const askable = POLLIN | POLLOUT
	p := new(poll)
	socks := make([]*sock, len(fds))
	for i := range fds {
		if fds[i].FD != INVALID_SOCKET && fds[i].Events&^askable != 0 {
			return 0, wsa.EINVAL
		}
		if k, e := f.find(fds[i].FD); e == 0 {
			socks[i] = k
			p.of = append(p.of, k)
		}
	}
	switch {
	case len(fds) == 0:
		return 0, wsa.EINVAL
	case len(p.of) == 0:
		for i := range fds {
			fds[i].Revents = POLLNVAL
		}
		return 0, wsa.ENOTSOCK
	}
	n := 0
	e := p.until(nil, max(timeout, -1), func() bool {
		n = 0
		for i := range fds {
			if fds[i].Revents = polled(&fds[i], socks[i]); fds[i].Revents != 0 {
				n++
			}
		}
		return n > 0
	})
	return n, e
}

func polled(fd *PollFD, k *sock) int16 {
	if fd.FD == INVALID_SOCKET {
		return 0
	}
	if k == nil {
		return POLLNVAL
	}
	r, open := k.level(watched)
	if !open {
		return POLLNVAL
	}
	return revents(r) & (fd.Events | POLLERR | POLLHUP)
}

// revents is the level r in poll's words (spi-notes 1.2).
func revents(r provider.Readiness) (v int16) {
	failed := refused(r)
	has := func(e wsa.Events) bool { return r.Events&e != 0 }
	if has(wsa.FD_READ|wsa.FD_ACCEPT|wsa.EvError) || has(wsa.FD_CLOSE) && !failed {
		v |= POLLRDNORM
	}
	if has(wsa.FD_OOB) {
		v |= POLLRDBAND
	}
	if has(wsa.FD_WRITE) || failed {
		v |= POLLWRNORM
	}
	if has(wsa.FD_CLOSE) || failed {
		v |= POLLHUP
	}
	if failed || has(wsa.FD_CLOSE) && r.Close != 0 || has(wsa.EvError) && r.Soft != 0 {
		v |= POLLERR
	}
	return v
}

// Polled is how many calls of WSPSelect and WSAPoll wait for h now, 0 for no socket: for
// tests and for who looks into a session. The SDK has no such function.
func (s *Session) Polled(h SOCKET) int {
	k, e := s.descriptors.find(h)
	if e != 0 {
		return 0
	}
	k.winsock.mu.Lock()
	defer k.winsock.mu.Unlock()
	return len(k.winsock.waiting)
}
