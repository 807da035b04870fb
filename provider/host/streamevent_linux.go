package host

import (
	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// deliver takes what epoll reported, on the Host's goroutine.
func (s *stream) deliver(events uint32) {
	if !s.enter() {
		return
	}
	hint := s.absorb(events)
	s.leave()
	s.notify(hint)
}

func (s *stream) absorb(events uint32) wsa.Events {
	switch s.phase() {
	case base.Listening:
		s.rx.raise()
		return wsa.FD_ACCEPT
	case base.Connecting:
		return s.settle(events)
	}
	return s.flow(events)
}

// settle ends an attempt. Connected without data is EPOLLOUT alone; failed is
// EPOLLERR with the cause in SO_ERROR.
func (s *stream) settle(events uint32) wsa.Events {
	switch {
	case events&(unix.EPOLLERR|unix.EPOLLHUP) != 0:
		if !s.takeICMP() && !s.takeError() {
			s.die(wsa.ECONNABORTED)
		}
		return everything
	case events&unix.EPOLLOUT == 0:
		return 0
	}
	s.endICMP()
	hint := s.flow(events) // first: who sees Connected must see that it is writable
	s.peer.Store(&s.target)
	s.step(base.Connecting, base.Connected)
	return hint | wsa.FD_CONNECT | wsa.FD_WRITE
}

// flow takes the events of a connection.
func (s *stream) flow(events uint32) (hint wsa.Events) {
	if events&unix.EPOLLERR != 0 {
		s.takeError() // if it is gone, a call has it, and wakes when it has latched it
		hint |= everything
	}
	if events&unix.EPOLLPRI != 0 {
		s.urgent.Store(true)
		s.keepUrgent()
		hint |= wsa.FD_OOB
	}
	if events&(unix.EPOLLIN|unix.EPOLLPRI) != 0 {
		s.rx.raise() // woken even if it was up: a peek may wait for more
		hint |= wsa.FD_READ
	}
	if finished(events, s.shut.Load()) {
		s.fin.Store(true)
		hint |= wsa.FD_CLOSE
	}
	if events&unix.EPOLLOUT != 0 {
		s.tx.raise() // woken even if it was up: a send may just be finding no room
		hint |= wsa.FD_WRITE
	}
	if s.shut.Load() {
		hint |= wsa.EvDrained
	}
	return hint
}

// finished tells the peer's FIN from a reset, which closes the receiving side
// too (tcp_done) but hangs up with it, though we have not shut down ours.
func finished(events uint32, shut bool) bool {
	return events&unix.EPOLLRDHUP != 0 && events&unix.EPOLLERR == 0 && (events&unix.EPOLLHUP == 0 || shut)
}
