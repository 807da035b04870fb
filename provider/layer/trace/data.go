package trace

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// data is a data entry. It allocates nothing for what is not written.
func (t *tracer) data(x op, next func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
	if !t.ops.has(x) {
		return next // replaced with the other of its group
	}
	return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		l := t.slot.Of(s)
		if l == nil || l.aside.Load() || t.stream && !l.shown.Load() {
			return next(s, m)
		}
		t.settle(s, l)
		to, flags := provider.Addr{}, m.Flags
		if x == opSendTo {
			to = m.Addr
		}
		start := l.begin(x, flags&wsa.MSG_PENDED != 0, t.cfg.Now(), to, m.Len())
		n, e := next(s, m)
		if e == wsa.EWOULDBLOCK {
			return n, e
		}
		again := l.end(x)
		if !l.shown.Load() && !(m.Addr.Family != 0 && t.matches(m.Addr)) {
			return n, e
		}
		v := event{op: x, start: start, took: t.cfg.Now().Sub(start), to: to, size: m.Len(), flags: flags, n: n, e: e, again: again}
		if x == opRecvFrom || e != 0 && m.Addr != to {
			v.from = m.Addr
		}
		if x.receives() {
			v.flags |= m.Flags & (wsa.MSG_TRUNC | wsa.MSG_CTRUNC | wsa.MSG_PARTIAL | wsa.MSG_BCAST | wsa.MSG_MCAST)
		}
		moved := min(n, m.Len())
		v.data, v.shown, v.more = m.Buffers, min(moved, t.cfg.Data), moved > t.cfg.Data
		t.write(s, &v)
		return n, e
	}
}
