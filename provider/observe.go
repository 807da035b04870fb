package provider

import "github.com/netnsd/netnsd/provider/wsa"

// observed is WSPSendTo with the layer told afterwards, and not once more when
// the retry of a pended send comes (law 7).
func (g *guard) observed(tell func(*Socket, Addr, wsa.Errno), next func(*Socket, *Msg) (int, wsa.Errno)) func(*Socket, *Msg) (int, wsa.Errno) {
	return func(s *Socket, m *Msg) (int, wsa.Errno) {
		to := m.Addr
		n, e := next(s, m)
		if to.Family != 0 && m.Flags&wsa.MSG_PENDED == 0 && !g.passes(s) {
			g.observe(tell, s, to, e)
		}
		return n, e
	}
}

func (g *guard) observe(tell func(*Socket, Addr, wsa.Errno), s *Socket, to Addr, e wsa.Errno) {
	returned, l := false, &g.flight(s).asked
	l.begin(opObserve)
	defer func() {
		l.end(0)
		if !returned {
			g.accuse(Panicked, opObserve.String(), s, orExit(recover()))
		}
	}()
	tell(s, to, e)
	returned = true
}
