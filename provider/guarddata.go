package provider

import (
	"fmt"

	"github.com/netnsd/netnsd/provider/wsa"
)

// The guards of the data entries. They cost 10 ns an operation, and nothing is allocated
// (BenchmarkSend of providertest): recover is called only where an entry did
// not return (on the way of a normal return it cost 3.6 ns), and the stamp for the
// watchdog is plain memory (lane).

func (g *guard) sends(op entry, f, below func(*Socket, *Msg) (int, wsa.Errno)) func(*Socket, *Msg) (int, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket, m *Msg) (n int, e wsa.Errno) {
		if s.odd.Load() != 0 {
			if by, e := g.apart(s); e != 0 {
				return 0, e
			} else if by {
				return below(s, m)
			}
		}
		room, returned, l := m.room(), false, &g.flight(s).out
		defer func() {
			if !returned {
				n = g.crashed(op, recover(), s, l, outward, &e)
			}
		}()
		if l.begin(op) || m.span != nil {
			n, e = l.measured(&g.probe.added[outward], f, s, m)
		} else {
			n, e = f(s, m)
		}
		returned = true
		if uint(n) > uint(room) || n > 0 && e != 0 {
			n, e = g.lied(op, s, n, room, e)
		}
		l.end(n)
		if e != 0 {
			g.wrong(s, outward, e)
		}
		return n, e
	}
}

func (g *guard) receives(op entry, f, below func(*Socket, *Msg) (int, wsa.Errno)) func(*Socket, *Msg) (int, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket, m *Msg) (n int, e wsa.Errno) {
		if s.odd.Load() != 0 {
			if by, e := g.apart(s); e != 0 {
				return 0, e
			} else if by {
				return below(s, m)
			}
		}
		look := m.Flags&wsa.MSG_PEEK != 0
		room, returned, l := m.room(), false, &g.flight(s).in
		defer func() {
			if !returned {
				n = g.crashed(op, recover(), s, l, inward, &e)
			}
		}()
		if l.begin(op) || m.span != nil {
			n, e = l.measured(&g.probe.added[inward], f, s, m)
		} else {
			n, e = f(s, m)
		}
		returned = true
		if uint(n) > uint(room) || n > 0 && e != 0 && e != wsa.EMSGSIZE {
			n, e = g.lied(op, s, n, room, e)
		}
		l.took(n, look)
		if e != 0 {
			g.wrong(s, inward, e)
		}
		return n, e
	}
}

// crashed is landed of a data entry.
func (g *guard) crashed(op entry, v any, s *Socket, l *lane, to int, e *wsa.Errno) int {
	g.landed(op, v, s, e)
	l.end(0)
	g.wrong(s, to, *e)
	return 0
}

// wrong counts an error of a data entry.
func (g *guard) wrong(s *Socket, to int, e wsa.Errno) {
	if e != wsa.EWOULDBLOCK {
		g.probe.of(s).errors[to].Add(1)
	}
}

// lied is about a data entry that has moved fewer than no bytes, more than there was
// room for, or some and failed (law 6). Nobody knows what has become of the bytes.
func (g *guard) lied(op entry, s *Socket, n, room int, e wsa.Errno) (int, wsa.Errno) {
	what := fmt.Sprintf("%d bytes of %d", n, room)
	if e != 0 {
		what += ", and " + e.Name()
	}
	g.accuse(Lied, op.String(), s, what)
	return 0, wsa.ECONNABORTED
}

// nothing is what is wrong with no value and no error.
func nothing[X, R any](_ X, r *R) string {
	if r == nil {
		return "nothing, and no error"
	}
	return ""
}

// tooLong is what is wrong with the length of an answer to WSPIoctl.
func tooLong(r *IoctlRequest, n int) string { return longer(n, len(r.Out)) }

func longer(n, room int) string {
	if n < 0 || n > room {
		return fmt.Sprintf("%d bytes of %d", n, room)
	}
	return ""
}
