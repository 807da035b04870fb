package socketstest_test

import (
	"slices"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// poll asks WSAPoll of two slots.
func (r *runner) poll(i instruction) {
	a, b := r.m.at(i.slot), r.m.at(i.other)
	if a.side != b.side {
		b = a
	}
	fds := []sockets.PollFD{{FD: a.h, Events: int16(i.a) << 8 & 0x300}, {FD: b.h, Events: sockets.POLLIN | sockets.POLLOUT}, {FD: sockets.INVALID_SOCKET, Events: -1}}
	switch {
	case i.a&4 != 0:
		fds[0].Events |= sockets.POLLOUT
	case i.a&0x78 == 0x78:
		fds[0].Events |= 0x40 // cannot be asked for
	}
	timeout := duration(i.b)
	if i.b == 0xff {
		timeout = -1
	}
	staleA, staleB := a.closed.Load(), b.closed.Load()
	r.doing.Store("WSAPoll")
	n, e := r.session(a).WSAPoll(fds, timeout)
	reached.add("WSAPoll", e)
	r.m.steps.Add(1)
	ending := r.m.ending[a.side].Load()
	switch {
	case e == wsa.ENOTSOCK && (a.closing.Load() && b.closing.Load() || ending):
		return
	case e == wsa.EINVAL && fds[0].Events&^(sockets.POLLIN|sockets.POLLOUT) != 0:
		return
	case e != 0:
		r.m.failf("WSAPoll: %s", e.Name())
		return
	}
	count := 0
	for x, fd := range fds {
		if fd.Revents != 0 {
			count++
		}
		stale := x == 0 && staleA || x == 1 && staleB
		open := !ending && (x == 0 && !a.closing.Load() || x == 1 && !b.closing.Load() || x == 2)
		switch {
		case stale && fd.Revents != sockets.POLLNVAL:
			r.m.failf("WSAPoll of a closed descriptor: %#x", fd.Revents)
		case open && fd.Revents&sockets.POLLNVAL != 0:
			r.m.failf("WSAPoll of an open descriptor: %#x", fd.Revents)
		case fd.Revents&^(fd.Events|sockets.POLLERR|sockets.POLLHUP|sockets.POLLNVAL) != 0, x == 2 && fd.Revents != 0:
			r.m.failf("WSAPoll for %#x: %#x", fd.Events, fd.Revents)
		}
	}
	if n != count {
		r.m.failf("WSAPoll counts %d, and %d have something", n, count)
	}
}

func (r *runner) selectSockets(i instruction) {
	a, b := r.m.at(i.slot), r.m.at(i.other)
	if a.side != b.side {
		b = a
	}
	var sets [3]*sockets.FDSet
	for x := range sets {
		if i.a>>x&1 != 0 {
			sets[x] = &sockets.FDSet{a.h}
			if i.a&0x10 != 0 {
				sets[x].Set(b.h)
			}
		}
	}
	timeout := new(time.Duration)
	*timeout = duration(i.b)
	switch i.b {
	case 0xff:
		timeout = nil
	case 0xfe:
		*timeout = -1
	}
	stale := a.closed.Load()
	r.doing.Store("WSPSelect")
	n, e := r.tables[a.side].WSPSelect(0, sets[0], sets[1], sets[2], timeout)
	reached.add("WSPSelect", e)
	r.m.steps.Add(1)
	empty := i.a&7 == 0
	switch {
	case e == wsa.NOTINITIALISED && r.m.ending[a.side].Load():
	case e == wsa.ENOTSOCK && (a.closing.Load() || b.closing.Load() || r.m.ending[a.side].Load()):
	case e == wsa.EINTR && !r.m.cancelled.Load():
		r.m.failf("WSPSelect: %s, and nobody has ended it", e.Name())
	case e != 0:
		if !slices.Contains(documented["WSPSelect"], e) {
			r.m.failf("WSPSelect: %s is not documented for it", e.Name())
		}
	case empty, stale, i.b == 0xfe:
		r.m.failf("WSPSelect of nothing, or of a closed descriptor, finds %d", n)
	default:
		count := 0
		for _, set := range sets {
			if set != nil {
				count += len(*set)
			}
		}
		if count != n {
			r.m.failf("WSPSelect counts %d and leaves %d", n, count)
		}
	}
}
