package trace

import (
	"fmt"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// call is an operation of a socket that is written when it returns.
type call struct {
	t *tracer
	s *provider.Socket
	v event
}

// start begins an operation that moves no data.
func (t *tracer) start(s *provider.Socket, x op) call {
	if l := t.slot.Of(s); l != nil {
		t.settle(s, l)
	}
	return call{t, s, event{op: x, start: t.cfg.Now()}}
}

// end writes it, if the socket has to do with a destination that is traced, or the
// operation itself has.
func (c *call) end(e wsa.Errno) {
	t := c.t
	l := t.slot.Of(c.s)
	own := c.v.to.Family != 0 && len(t.cfg.To) > 0 && t.matches(c.v.to)
	if !t.ops.has(c.v.op) || l != nil && !l.shown.Load() && !own {
		return
	}
	c.v.took, c.v.e = t.cfg.Now().Sub(c.v.start), e
	t.write(c.s, &c.v)
}

// control puts the entries of those operations into p that nothing else hangs on.
func (t *tracer) control(p *provider.ProcTable) {
	next := t.next
	if t.ops.has(opBind) {
		p.WSPBind = func(s *provider.Socket, a provider.Addr) wsa.Errno {
			c := t.start(s, opBind)
			e := next.WSPBind(s, a)
			c.v.to = a
			c.end(e)
			return e
		}
	}
	if t.ops.has(opListen) {
		p.WSPListen = func(s *provider.Socket, backlog int) wsa.Errno {
			c := t.start(s, opListen)
			e := next.WSPListen(s, backlog)
			c.v.args = fmt.Sprint(backlog)
			c.end(e)
			return e
		}
	}
	if t.ops.has(opShutdown) {
		p.WSPShutdown = func(s *provider.Socket, how int) wsa.Errno {
			c := t.start(s, opShutdown)
			e := next.WSPShutdown(s, how)
			c.v.args = howName(how)
			c.end(e)
			return e
		}
	}
	if t.ops.has(opGetSockName) {
		p.WSPGetSockName = t.name(opGetSockName, next.WSPGetSockName)
	}
	if t.ops.has(opGetPeerName) {
		p.WSPGetPeerName = t.name(opGetPeerName, next.WSPGetPeerName)
	}
	if t.ops.has(opDuplicate) {
		p.WSPDuplicateSocket = func(s *provider.Socket, process uint32) (*provider.ProtocolInfo, wsa.Errno) {
			c := t.start(s, opDuplicate)
			i, e := next.WSPDuplicateSocket(s, process)
			c.v.args = fmt.Sprint(process)
			c.end(e)
			return i, e
		}
	}
	t.options(p)
	t.socketless(p)
}

func (t *tracer) name(x op, next func(*provider.Socket) (provider.Addr, wsa.Errno)) func(*provider.Socket) (provider.Addr, wsa.Errno) {
	return func(s *provider.Socket) (provider.Addr, wsa.Errno) {
		c := t.start(s, x)
		a, e := next(s)
		if e == 0 {
			c.v.from = a
		}
		c.end(e)
		return a, e
	}
}

// options are WSPGetSockOpt, WSPSetSockOpt and WSPIoctl.
func (t *tracer) options(p *provider.ProcTable) {
	next := t.next
	if t.ops.has(opGetSockOpt) {
		p.WSPGetSockOpt = func(s *provider.Socket, level, name int32, out []byte) (int, wsa.Errno) {
			c := t.start(s, opGetSockOpt)
			n, e := next.WSPGetSockOpt(s, level, name, out)
			c.v.args, c.v.n = optionName(level, name), n
			if e != 0 {
				c.v.n = 0 // the size needed, with EFAULT
			} else if n <= len(out) {
				c.v.answer = value(out[:n])
			}
			c.end(e)
			return n, e
		}
	}
	if t.ops.has(opSetSockOpt) {
		p.WSPSetSockOpt = func(s *provider.Socket, level, name int32, in []byte) wsa.Errno {
			c := t.start(s, opSetSockOpt)
			e := next.WSPSetSockOpt(s, level, name, in)
			c.v.args = optionName(level, name) + " " + value(in)
			c.end(e)
			return e
		}
	}
	if t.ops.has(opIoctl) {
		p.WSPIoctl = t.ioctl
	}
}

// ioctl: a *_CHANGE code that waits is one line when it has happened.
func (t *tracer) ioctl(s *provider.Socket, r *provider.IoctlRequest) (int, wsa.Errno) {
	c := t.start(s, opIoctl)
	l := t.slot.Of(s)
	if l != nil {
		c.v.start = l.begin(opIoctl, r.Pended, c.v.start, provider.Addr{}, 0)
	}
	n, e := t.next.WSPIoctl(s, r)
	if e == wsa.EWOULDBLOCK {
		return n, e
	}
	if l != nil {
		c.v.again = l.end(opIoctl)
	}
	c.v.args = fmt.Sprintf("%s in=%d out=%d", ioctlName(r.Code), len(r.In), len(r.Out))
	if e == 0 {
		c.v.n = n
	}
	c.end(e)
	return n, e
}

// socketless are the operations that no socket has.
func (t *tracer) socketless(p *provider.ProcTable) {
	next := t.next
	done := func(v event, e wsa.Errno) {
		if len(t.cfg.To) == 0 {
			v.took, v.e = t.cfg.Now().Sub(v.start), e
			t.write(nil, &v)
		}
	}
	if t.ops.has(opAddressToString) {
		p.WSPAddressToString = func(a provider.Addr, i *provider.ProtocolInfo) (string, wsa.Errno) {
			v := event{op: opAddressToString, start: t.cfg.Now(), to: a}
			text, e := next.WSPAddressToString(a, i)
			v.answer = word(text)
			done(v, e)
			return text, e
		}
	}
	if t.ops.has(opStringToAddress) {
		p.WSPStringToAddress = func(text string, af int32, i *provider.ProtocolInfo) (provider.Addr, wsa.Errno) {
			v := event{op: opStringToAddress, start: t.cfg.Now(), args: `"` + word(text) + `" ` + wsa.FamilyName(af)}
			a, e := next.WSPStringToAddress(text, af, i)
			if e == 0 {
				v.from = a
			}
			done(v, e)
			return a, e
		}
	}
	if t.ops.has(opCleanup) {
		p.WSPCleanup = func() wsa.Errno {
			v := event{op: opCleanup, start: t.cfg.Now()}
			e := next.WSPCleanup()
			done(v, e)
			return e
		}
	}
}
