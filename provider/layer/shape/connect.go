package shape

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// phase is where a connect of the application's stands.
type phase uint8

const (
	below   phase = iota // the storey below answers
	held                 // it waits for its turn
	refused              // it had its turn, and was refused
)

// connect counts a socket where it goes, and has it wait if there are too many a second.
func (in *instance) connect(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
	st := in.slot.Of(s)
	if st == nil || q.To.Family == 0 {
		return in.next.WSPConnect(s, q)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.phase == held {
		return wsa.EALREADY
	}
	in.lim.mu.Lock()
	before := st.remote
	e := in.lim.bind(st, in.layer.rules.Load(), q.To, true)
	if e != 0 {
		in.lim.mu.Unlock()
		return e
	}
	begin, room := true, true
	if !in.messages {
		begin, room = in.turn(st)
	}
	if !room {
		in.lim.bind(st, st.rules, before, false)
	}
	in.lim.mu.Unlock()
	switch {
	case !room:
		return wsa.ENOBUFS
	case !begin:
		st.phase, st.refusal, st.held = held, 0, *q
		st.held.CallerData = append([]byte(nil), q.CallerData...)
		return wsa.EWOULDBLOCK
	}
	st.phase, st.refusal = below, 0
	return in.next.WSPConnect(s, q)
}

// turn takes the right to one connection, or waits for it where there is room. limits.mu
// is held.
func (in *instance) turn(st *state) (begin, room bool) {
	if _, a := in.lim.take(st, conns, 1, true); a == yes {
		st.waiters[conns].ticket = 0
		return true, true
	}
	room = in.lim.wait(st, conns, in.layer.rules.Load().cfg.Held)
	return false, room
}

// connectHeld is called when a held connect has its turn.
func (st *state) connectHeld() {
	in := st.in
	st.mu.Lock()
	if st.closed || st.phase != held {
		st.mu.Unlock()
		return
	}
	in.lim.mu.Lock()
	if rs := in.layer.rules.Load(); st.rules != rs {
		in.lim.bind(st, rs, st.remote, false)
	}
	_, a := in.lim.take(st, conns, 1, true)
	if a == yes {
		st.waiters[conns].ticket = 0
	} else {
		in.lim.wait(st, conns, 0) // it had a place
	}
	in.lim.mu.Unlock()
	if a != yes {
		st.mu.Unlock()
		return
	}
	e := st.s.Failed()
	if e == 0 {
		e = in.next.WSPConnect(st.s, &st.held)
	}
	st.phase, st.held = below, provider.ConnectRequest{}
	if e != 0 && e != wsa.EWOULDBLOCK {
		st.phase, st.refusal = refused, e
	}
	st.mu.Unlock()
	st.up.wake(st.s, wsa.FD_CONNECT|wsa.FD_WRITE|wsa.FD_READ)
}

// connecting is what a connect that was held says in place of the storey below.
func (st *state) connecting(mask wsa.Events) (r provider.Readiness, waits bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch st.phase {
	case held:
		return r, true
	case refused:
		return provider.Readiness{Events: mask & wsa.FD_CONNECT, Connect: st.refusal}, true
	}
	return r, false
}

func (in *instance) getSockOpt(s *provider.Socket, level, name int32, out []byte) (int, wsa.Errno) {
	if st := in.slot.Of(s); st != nil && level == wsa.SOL_SOCKET && name == wsa.SO_ERROR {
		if r, waits := st.connecting(wsa.FD_CONNECT); waits && r.Connect != 0 {
			return putInt(out, int(r.Connect))
		}
	}
	return in.next.WSPGetSockOpt(s, level, name, out)
}

// putInt is a DWORD as options and ioctls give it: little-endian, as on Windows.
func putInt(out []byte, v int) (int, wsa.Errno) {
	if len(out) < 4 {
		return 4, wsa.EFAULT
	}
	binary.LittleEndian.PutUint32(out, uint32(v))
	return 4, 0
}
