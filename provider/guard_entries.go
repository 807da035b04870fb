package provider

import (
	"fmt"

	"github.com/netnsd/netnsd/provider/wsa"
)

// The guards of the entries whose shape is their own. None of them stands in
// the path of the bytes.

func (g *guard) cleanup(f func() wsa.Errno) func() wsa.Errno {
	if f == nil {
		return nil
	}
	return func() (e wsa.Errno) {
		returned := false
		defer g.caught(opCleanup, nil, &e, &returned)
		e = f()
		returned = true
		return e
	}
}

func (g *guard) name(op entry, f, below func(*Socket) (Addr, wsa.Errno)) func(*Socket) (Addr, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket) (a Addr, e wsa.Errno) {
		if by, e := g.apart(s); e != 0 {
			return a, e
		} else if by {
			return below(s)
		}
		returned := false
		noted := g.begin(op, s)
		defer func() { g.end(noted, op, s, e) }()
		defer g.caught(op, s, &e, &returned)
		a, e = f(s)
		returned = true
		return a, e
	}
}

func (g *guard) getOpt(f, below func(*Socket, int32, int32, []byte) (int, wsa.Errno)) func(*Socket, int32, int32, []byte) (int, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket, level, name int32, out []byte) (n int, e wsa.Errno) {
		if by, e := g.apart(s); e != 0 {
			return 0, e
		} else if by {
			return below(s, level, name, out)
		}
		defer end(g.begin(opGetSockOpt, s))
		returned := false
		defer g.caught(opGetSockOpt, s, &e, &returned)
		n, e = f(s, level, name, out)
		returned = true
		if what := longer(n, len(out)); e == 0 && what != "" {
			g.accuse(Lied, opGetSockOpt.String(), s, what)
			return 0, wsa.ECONNABORTED
		}
		return n, e
	}
}

func (g *guard) setOpt(f, below func(*Socket, int32, int32, []byte) wsa.Errno) func(*Socket, int32, int32, []byte) wsa.Errno {
	if f == nil {
		return nil
	}
	return func(s *Socket, level, name int32, in []byte) (e wsa.Errno) {
		if by, e := g.apart(s); e != 0 {
			return e
		} else if by {
			return below(s, level, name, in)
		}
		defer end(g.begin(opSetSockOpt, s))
		returned := false
		defer g.caught(opSetSockOpt, s, &e, &returned)
		e = f(s, level, name, in)
		returned = true
		return e
	}
}

// run is a call that no socket knows of; e is what it returns if f does not return.
func (g *guard) run(k *call, e *wsa.Errno, f func()) {
	returned, op := false, k.op
	defer func() {
		k.leave()
		g.probe.of(nil).count(op, *e)
	}()
	defer g.caught(op, k.s, e, &returned)
	sought(k, f)
	returned = true
}

func (g *guard) addressToString(f func(Addr, *ProtocolInfo) (string, wsa.Errno)) func(Addr, *ProtocolInfo) (string, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(a Addr, p *ProtocolInfo) (t string, e wsa.Errno) {
		g.run(g.call(opAddressToString, nil), &e, func() { t, e = f(a, p) })
		return t, e
	}
}

func (g *guard) stringToAddress(f func(string, int32, *ProtocolInfo) (Addr, wsa.Errno)) func(string, int32, *ProtocolInfo) (Addr, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(t string, af int32, p *ProtocolInfo) (a Addr, e wsa.Errno) {
		g.run(g.call(opStringToAddress, nil), &e, func() { a, e = f(t, af, p) })
		return a, e
	}
}

func (g *guard) ready(f, below func(*Socket, wsa.Events) Readiness) func(*Socket, wsa.Events) Readiness {
	if f == nil {
		return nil
	}
	return func(s *Socket, mask wsa.Events) (r Readiness) {
		if s.odd.Load() != 0 {
			if r, failed := s.FailedReadiness(mask); failed {
				return r
			} else if g.passes(s) {
				return below(s, mask)
			}
		}
		var e wsa.Errno
		noted, returned := g.begin(opReady, s), false
		defer func() {
			if !returned {
				g.landed(opReady, recover(), s, &e)
				r, _ = s.FailedReadiness(mask)
			}
			g.end(noted, opReady, s, e)
		}()
		r = f(s, mask)
		returned = true
		if r.Queued < 0 {
			g.accuse(Lied, opReady.String(), s, fmt.Sprintf("%d bytes queued", r.Queued))
			r, _ = s.FailedReadiness(mask)
		}
		return r
	}
}
