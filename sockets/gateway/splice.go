package gateway

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"syscall"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// quantum is how many bytes one direction moves before the other has its turn:
// eight 64 KiB segments, the prototype's best (perf.md B2).
const quantum = 512 << 10

// splice joins a flow of the program and a socket of a chain. Wakes of both
// sides say what has happened; whoever runs it looks.
//
// It begins on the flow's own goroutine (serve). As soon as no layer stands in
// the path of its bytes, it moves to the shared loops (turn), and back for what
// is not bytes: ends and failures, where layers have a say.
type splice struct {
	g *Gateway
	f *stack.Flow
	s *provider.Socket
	t *provider.ProcTable

	// What was asked of the chain when the flow began; Rejudge asks it again.
	op    provider.Op
	began provider.Facts

	send, recv func(*provider.Socket, *provider.Msg) (int, wsa.Errno) // of t, or past its layers

	bell   bell // of serve
	task   task // of turn
	shared atomic.Bool
	news   atomic.Uint32 // what wakes have said since turn has looked

	up, down half
	sendErr  wsa.Errno // of the last lend
	closed   bool

	path      *provider.Path // of turn
	hostEnded bool           // turn was told; serve looks
	watchdog  *watchdog      // while one side has ended
}

// half is one direction.
type half struct {
	drained bool // nothing came since the source was found empty
	full    bool // no room came since the sink was found full
	done    bool // its end has been passed on
}

func (h *half) runs() bool { return !h.drained && !h.full && !h.done }

// News of turn.
const (
	programReadable uint32 = 1 << iota
	programWritable
	programBroken
	hostReadable
	hostWritable
	hostClosed
)

func newSplice(g *Gateway, f *stack.Flow, s *provider.Socket) *splice {
	t := &s.Chain().Table
	p := &splice{g: g, f: f, s: s, t: t, send: t.WSPSend, recv: t.WSPRecv, bell: newBell()}
	p.task.loops, p.task.turn = g.loops, p.turn
	return p
}

const watched = wsa.FD_READ | wsa.FD_WRITE | wsa.FD_CONNECT | wsa.FD_CLOSE

// run dials, answers the program as the dial ended, and sees to it that bytes
// move until the end.
func (p *splice) run(dst netip.AddrPort) {
	p.t.Watch(p.s, p, watched)
	e := p.connect(dst)
	switch {
	case e == wsa.ECANCELLED:
		p.g.TCPCanceled.Add(1)
		p.hangUp(provider.CloseAbort)
		p.f.Drop()
	case e != 0:
		p.failed(e)
		icmp := refusalOf(p.s)
		p.hangUp(provider.CloseAbort)
		p.g.endAs(p.f, dst.Addr(), e, icmp)
	case !p.accept():
		p.hangUp(provider.CloseAbort)
	default:
		if !p.share() {
			p.serve()
		}
		return
	}
	p.g.leave(p)
}

func (p *splice) accept() bool {
	if err := p.f.Accept(); err != nil {
		p.g.log.Debug("the program's handshake failed", "err", err)
		p.g.TCPCanceled.Add(1)
		return false
	}
	p.g.TCPConnected.Add(1)
	p.g.keepAliveFlow(p.f)
	p.f.Watch(p.wakeFlow)
	return true
}

func (p *splice) failed(e wsa.Errno) {
	if v := p.s.Verdict(); v != nil && v.Denied() && v.Errno == e {
		p.g.TCPDenied.Add(1)
		return
	}
	p.g.TCPFailed.Add(1)
}

// connect waits for the attempt to end. ECANCELLED: the program or the gateway
// gave up first; closing the socket ends the attempt.
func (p *splice) connect(dst netip.AddrPort) wsa.Errno {
	e := p.t.WSPConnect(p.s, &provider.ConnectRequest{To: provider.AddrFrom(dst)})
	if e != wsa.EWOULDBLOCK {
		return e
	}
	for {
		r := p.t.Ready(p.s, wsa.FD_CONNECT|wsa.FD_CLOSE)
		switch {
		case r.Events&wsa.FD_CONNECT != 0:
			return r.Connect
		case r.Events&wsa.FD_CLOSE != 0 && r.Close != 0:
			return r.Close
		}
		select {
		case <-p.bell:
		case <-p.f.Canceled():
			return wsa.ECANCELLED
		case <-p.g.trying.Done():
			return wsa.ECANCELLED
		}
	}
}

// Wake is called by the host's side, under the base's locks.
func (p *splice) Wake(_ *provider.Socket, hint wsa.Events) {
	var n uint32
	if hint&(wsa.FD_READ|wsa.FD_CLOSE) != 0 {
		n |= hostReadable
	}
	if hint&wsa.FD_CLOSE != 0 {
		n |= hostClosed
	}
	if hint&wsa.FD_WRITE != 0 {
		n |= hostWritable
	}
	p.wake(n)
}

// wakeFlow is called by the program's side, under the stack's locks.
func (p *splice) wakeFlow(e stack.FlowEvents) {
	var n uint32
	if e&stack.FlowReadable != 0 {
		n |= programReadable
	}
	if e&stack.FlowWritable != 0 {
		n |= programWritable
	}
	if e&stack.FlowBroken != 0 {
		n |= programBroken
	}
	p.wake(n)
}

func (p *splice) wake(news uint32) {
	p.news.Or(news)
	if p.shared.Load() {
		p.task.wake()
	} else {
		p.bell.ring()
	}
}

// upward moves from the program to the host: what netstack has queued is lent
// to the send entry and dropped as far as it was taken. The end of the flow is
// io.EOF, and what breaks it another error.
func (p *splice) upward() (moved bool, err error) {
	c := carriers.Get().(*carrier)
	defer carriers.Put(c)
	c.p, p.sendErr = p, 0
	n, err := p.f.Peek(quantum, c.lend)
	switch {
	case p.sendErr == wsa.EWOULDBLOCK:
		p.up.full = true
	case p.sendErr != 0:
		return n > 0, p.sendErr // as on a real network: who sends to a dead end is reset
	case errors.Is(err, syscall.EAGAIN):
		p.up.drained = true
		err = nil
	}
	return n > 0, err
}

// fill moves up to n bytes, which are there, from the host to the program: the
// receive entry writes into netstack's own memory.
func (p *splice) fill(n int) (moved int, err error) {
	c := carriers.Get().(*carrier)
	defer carriers.Put(c)
	c.p, c.err = p, 0
	moved, err = p.f.Fill(min(n, quantum), c.fill)
	switch {
	case c.err == wsa.EWOULDBLOCK:
		p.down.drained, err = true, nil
	case errors.Is(err, syscall.EAGAIN):
		p.down.full, err = true, nil
	}
	return moved, err
}

// abort resets both sides: a reset on one is a reset on the other.
func (p *splice) abort() {
	if p.closed {
		return
	}
	p.g.TCPReset.Add(1)
	p.hangUp(provider.CloseAbort)
	p.f.Watch(nil)
	p.f.Abort()
}

// finish ends both sides gracefully, unless they are ended already.
func (p *splice) finish() {
	if !p.closed {
		p.hangUp(provider.CloseBackground)
		p.f.Watch(nil)
		p.f.Close()
	}
	p.g.leave(p)
}

// hangUp closes the host side.
func (p *splice) hangUp(m provider.CloseMode) {
	p.closed = true
	if p.watchdog != nil {
		p.watchdog.stop()
	}
	p.t.Watch(p.s, nil, 0)
	p.t.WSPCloseSocket(p.s, m)
}
