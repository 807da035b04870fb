package shape

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

type data = func(*provider.Socket, *provider.Msg) (int, wsa.Errno)

// scratch is a part of a Msg.
type scratch struct{ m provider.Msg }

// part is the first n bytes of m.
func (c *scratch) part(m *provider.Msg, n int64) *provider.Msg {
	buffers := c.m.Buffers[:0]
	for _, b := range m.Buffers {
		if n == 0 {
			break
		}
		b = b[:min(int64(len(b)), n)]
		n -= int64(len(b))
		buffers = append(buffers, b)
	}
	c.m = provider.Msg{Buffers: buffers, Flags: m.Flags, Addr: m.Addr, Control: m.Control}
	return &c.m
}

// done gives m what came out, and forgets the buffers (law 6).
func (c *scratch) done(m *provider.Msg) {
	m.Flags, m.Addr = c.m.Flags, c.m.Addr
	clear(c.m.Buffers)
	c.m = provider.Msg{Buffers: c.m.Buffers[:0]}
}

// shaped is the state of s, bound by the rules of now; nil if none is about it. A stream
// is bound when it is connected, a datagram socket where it sends.
func (in *instance) shaped(s *provider.Socket, to provider.Addr) (*state, wsa.Errno) {
	st := in.slot.Of(s)
	rs := in.layer.rules.Load()
	if st == nil || st.free.Load() == rs && !(in.messages && to.Family != 0) {
		return nil, 0
	}
	in.lim.mu.Lock()
	defer in.lim.mu.Unlock()
	moved := in.messages && to.Family != 0 && to != st.remote
	switch {
	case st.rules == nil && !in.messages:
		return nil, 0
	case st.rules != rs || moved:
		if !moved {
			to = st.remote
		}
		if e := in.lim.bind(st, rs, to, in.messages && (moved || st.rules == nil)); e != 0 {
			return nil, e
		}
	}
	if len(st.buckets) == 0 {
		return nil, 0
	}
	return st, 0
}

func (in *instance) send(next data) data {
	return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		want := int64(m.Len())
		st, e := in.shaped(s, m.Addr)
		switch {
		case e != 0:
			return 0, e
		case st == nil, want == 0:
			return next(s, m)
		}
		in.lim.mu.Lock()
		granted, a := in.lim.take(st, up, want, in.messages)
		if a == later {
			in.lim.wait(st, up, 0)
		}
		in.lim.mu.Unlock()
		switch {
		case a == later:
			return 0, wsa.EWOULDBLOCK
		case a == spent:
			return 0, st.spend()
		}
		return st.move(next, m, up, granted, granted < want)
	}
}

func (in *instance) receive(next data) data {
	return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		want := int64(m.Len())
		st, e := in.shaped(s, provider.Addr{})
		switch {
		case e != 0:
			return 0, e
		case st == nil, want == 0, m.Flags&wsa.MSG_OOB != 0:
			return next(s, m)
		}
		ask := want
		if in.messages {
			ask = 1 // how long it is, is known afterwards
		}
		for {
			in.lim.mu.Lock()
			granted, a := in.lim.take(st, down, ask, in.messages)
			in.lim.mu.Unlock()
			switch {
			case a == yes:
				return st.move(next, m, down, granted, !in.messages && granted < want)
			case in.next.Ready(s, wsa.FD_READ).Events == 0:
				return st.move(next, m, down, 0, false) // an end or an error, which costs nothing
			case a == spent:
				return 0, st.spend()
			}
			in.lim.mu.Lock()
			waits := in.lim.wait(st, down, 0)
			in.lim.mu.Unlock()
			if waits {
				return 0, wsa.EWOULDBLOCK
			}
		}
	}
}

// move does what was granted and pays for what was moved; a look costs nothing.
func (st *state) move(next data, m *provider.Msg, w way, granted int64, part bool) (n int, e wsa.Errno) {
	returned := false
	defer func() { // also if the storey below panics: the tokens are others' too
		if !returned {
			st.in.lim.settle(st, w, granted, 0)
		}
	}()
	if part {
		c := &st.one[w]
		n, e = next(st.s, c.part(m, granted))
		c.done(m)
	} else {
		n, e = next(st.s, m)
	}
	returned = true
	cost := int64(n)
	if w == down && m.Flags&wsa.MSG_PEEK != 0 {
		cost = 0
	}
	st.in.lim.settle(st, w, granted, cost)
	return n, e
}

// spend fails the socket, as a total is used up.
func (st *state) spend() wsa.Errno {
	st.s.Fail(wsa.EDQUOT, "shape: the total is used up")
	return wsa.EDQUOT
}
