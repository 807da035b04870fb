package provider

import (
	"fmt"

	"github.com/netnsd/netnsd/provider/wsa"
)

// The guards of the data entries. They cost 9 ns an operation, and nothing is allocated
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
		room, returned, l := m.Len(), false, &g.flight(s).out
		l.begin(op)
		defer func() {
			l.end()
			if !returned {
				n = 0
				g.landed(op, recover(), s, &e)
			}
		}()
		n, e = f(s, m)
		returned = true
		if uint(n) > uint(room) || n > 0 && e != 0 {
			n, e = g.lied(op, s, n, room, e)
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
		room, returned, l := m.Len(), false, &g.flight(s).in
		l.begin(op)
		defer func() {
			l.end()
			if !returned {
				n = 0
				g.landed(op, recover(), s, &e)
			}
		}()
		n, e = f(s, m)
		returned = true
		if uint(n) > uint(room) || n > 0 && e != 0 && e != wsa.EMSGSIZE {
			n, e = g.lied(op, s, n, room, e)
		}
		return n, e
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
