package provider

import "github.com/netnsd/netnsd/provider/wsa"

// The guards of the entries whose shape is their own. None of them stands in
// the path of the bytes.

func (g guard) cleanup(f func() wsa.Errno) func() wsa.Errno {
	if f == nil {
		return nil
	}
	return func() (e wsa.Errno) {
		defer g.caught("WSPCleanup", nil, &e)
		return f()
	}
}

func (g guard) name(op string, f func(*Socket) (Addr, wsa.Errno)) func(*Socket) (Addr, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket) (a Addr, e wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return a, e
		}
		defer g.caught(op, s, &e)
		return f(s)
	}
}

func (g guard) getOpt(f func(*Socket, int32, int32, []byte) (int, wsa.Errno)) func(*Socket, int32, int32, []byte) (int, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(s *Socket, level, name int32, out []byte) (n int, e wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return 0, e
		}
		defer g.caught("WSPGetSockOpt", s, &e)
		return f(s, level, name, out)
	}
}

func (g guard) setOpt(f func(*Socket, int32, int32, []byte) wsa.Errno) func(*Socket, int32, int32, []byte) wsa.Errno {
	if f == nil {
		return nil
	}
	return func(s *Socket, level, name int32, in []byte) (e wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return e
		}
		defer g.caught("WSPSetSockOpt", s, &e)
		return f(s, level, name, in)
	}
}

func (g guard) addressToString(f func(Addr, *ProtocolInfo) (string, wsa.Errno)) func(Addr, *ProtocolInfo) (string, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(a Addr, p *ProtocolInfo) (t string, e wsa.Errno) {
		defer g.caught("WSPAddressToString", nil, &e)
		return f(a, p)
	}
}

func (g guard) stringToAddress(f func(string, int32, *ProtocolInfo) (Addr, wsa.Errno)) func(string, int32, *ProtocolInfo) (Addr, wsa.Errno) {
	if f == nil {
		return nil
	}
	return func(t string, af int32, p *ProtocolInfo) (a Addr, e wsa.Errno) {
		defer g.caught("WSPStringToAddress", nil, &e)
		return f(t, af, p)
	}
}

func (g guard) ready(f func(*Socket, wsa.Events) Readiness) func(*Socket, wsa.Events) Readiness {
	if f == nil {
		return nil
	}
	return func(s *Socket, mask wsa.Events) (r Readiness) {
		if r, failed := s.FailedReadiness(mask); failed {
			return r
		}
		var e wsa.Errno
		defer func() {
			if e != 0 {
				r, _ = s.FailedReadiness(mask)
			}
		}()
		defer g.caught("Ready", s, &e)
		return f(s, mask)
	}
}
