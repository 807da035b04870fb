package gateway

import (
	"errors"
	"io"
	"net/netip"
	"syscall"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// quantum is how many bytes one direction moves before the other has its turn:
// eight 64 KiB segments, the prototype's best (perf.md B2).
const quantum = 512 << 10

// splice joins a flow of the program and a socket of a chain. One goroutine
// runs it; wakes of both sides ring its bell.
type splice struct {
	g *Gateway
	f *stack.Flow
	s *provider.Socket
	t *provider.ProcTable

	bell     bell
	up, down provider.Msg // reused: a Msg made per call escapes
	chunk    [1][]byte
	lend     func([][]byte) int        // p.lent, bound once: a method value allocates
	fill     func([]byte) (int, error) // p.receive
	sendErr  wsa.Errno                 // of the last lend

	upDone, downDone bool // that direction's end has been passed on
	closed           bool
	ticker           *time.Timer
}

func newSplice(g *Gateway, f *stack.Flow, s *provider.Socket) *splice {
	p := &splice{g: g, f: f, s: s, t: &s.Chain().Table, bell: newBell()}
	p.lend, p.fill = p.lent, p.receive
	return p
}

const watched = wsa.FD_READ | wsa.FD_WRITE | wsa.FD_CONNECT | wsa.FD_CLOSE

// run dials, answers the program as the dial ended, and moves bytes to the end.
func (p *splice) run(dst netip.AddrPort) {
	defer p.finish()
	p.t.Watch(p.s, p.bell, watched)
	e := p.connect(dst)
	switch {
	case e == wsa.ECANCELLED:
		p.g.TCPCanceled.Add(1)
		p.hangUp(provider.CloseAbort)
		p.f.Drop()
		return
	case e != 0:
		p.failed(e)
		p.hangUp(provider.CloseAbort)
		end(p.f, e)
		return
	}
	if err := p.f.Accept(); err != nil {
		p.g.log.Debug("the program's handshake failed", "err", err)
		p.g.TCPCanceled.Add(1)
		p.hangUp(provider.CloseAbort)
		return
	}
	p.g.TCPConnected.Add(1)
	p.f.Watch(p.bell.ring)
	p.move()
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
		case <-p.g.ctx.Done():
			return wsa.ECANCELLED
		}
	}
}

// move runs until both directions have ended or one side was reset.
func (p *splice) move() {
	for {
		if p.g.ctx.Err() != nil {
			p.abort()
			return
		}
		moved := p.upward()
		if !p.closed && p.downward() {
			moved = true
		}
		if p.closed || p.upDone && p.downDone {
			return
		}
		if !moved && !p.wait() {
			p.abort()
			return
		}
	}
}

// wait is false when the gateway closes, or a half-closed flow was idle too long.
func (p *splice) wait() bool {
	var idle <-chan time.Time
	if p.upDone || p.downDone {
		if p.ticker == nil {
			p.ticker = time.NewTimer(p.g.cfg.Limits.HalfClose)
		} else {
			p.ticker.Reset(p.g.cfg.Limits.HalfClose)
		}
		idle = p.ticker.C
	}
	select {
	case <-p.bell:
		return true
	case <-idle:
		return false
	case <-p.g.ctx.Done():
		return false
	}
}

// upward moves from the program to the host: what netstack has queued is lent
// to WSPSend and dropped as far as it was taken.
func (p *splice) upward() bool {
	if p.upDone {
		return p.resetByProgram()
	}
	p.sendErr = 0
	n, err := p.f.Peek(quantum, p.lend)
	switch {
	case p.sendErr != 0 && p.sendErr != wsa.EWOULDBLOCK:
		p.abort() // as on a real network: who sends to a dead end is reset
	case n > 0:
		return true
	case errors.Is(err, io.EOF):
		p.upDone = true
		p.t.WSPShutdown(p.s, wsa.SD_SEND)
		return true
	case err != nil && !errors.Is(err, syscall.EAGAIN):
		p.abort() // the program reset its side
	}
	return false
}

func (p *splice) lent(bufs [][]byte) int {
	p.up.Buffers, p.up.Flags = bufs, 0
	n, e := p.t.WSPSend(p.s, &p.up)
	p.up.Buffers, p.sendErr = nil, e
	return n
}

// resetByProgram notices a reset that comes after the program's own FIN.
func (p *splice) resetByProgram() bool {
	if p.f.State().Err != nil {
		p.abort()
	}
	return false
}

// downward moves from the host to the program: WSPRecv fills netstack's chunk.
// Fill is promised what Ready counts: exact for a stream (law 5), and at least
// a byte where it says readable and does not count.
func (p *splice) downward() bool {
	if p.downDone {
		return false
	}
	r := p.t.Ready(p.s, wsa.FD_READ|wsa.FD_CLOSE)
	switch {
	case r.Queued > 0 || r.Events&wsa.FD_READ != 0:
		return p.fillUp(max(r.Queued, 1))
	case r.Events&wsa.FD_CLOSE == 0:
		return false
	case r.Close != 0:
		p.abort()
		return false
	}
	return p.endOfStream()
}

func (p *splice) fillUp(queued int) bool {
	n, err := p.f.Fill(min(queued, quantum), p.fill)
	if err != nil && !errors.Is(err, syscall.EAGAIN) {
		p.abort()
	}
	return n > 0
}

func (p *splice) receive(b []byte) (int, error) {
	p.chunk[0] = b
	p.down.Buffers, p.down.Flags = p.chunk[:], 0
	n, e := p.t.WSPRecv(p.s, &p.down)
	p.chunk[0] = nil
	return n, e.Err()
}

// endOfStream makes sure by a receive of its own: data may have come between
// Ready's look at the queue and at the end.
func (p *splice) endOfStream() bool {
	var b [1]byte
	p.chunk[0] = b[:]
	p.down.Buffers, p.down.Flags = p.chunk[:], wsa.MSG_PEEK
	n, e := p.t.WSPRecv(p.s, &p.down)
	p.chunk[0] = nil
	switch {
	case n > 0:
		return p.fillUp(1)
	case e == wsa.EWOULDBLOCK:
		return false
	case e != 0:
		p.abort()
		return false
	}
	p.downDone = true
	p.f.CloseWrite()
	return true
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
	if p.ticker != nil {
		p.ticker.Stop()
	}
	if p.closed {
		return
	}
	p.hangUp(provider.CloseBackground)
	p.f.Watch(nil)
	p.f.Close()
}

// hangUp closes the host side.
func (p *splice) hangUp(m provider.CloseMode) {
	p.closed = true
	p.t.Watch(p.s, nil, 0)
	p.t.WSPCloseSocket(p.s, m)
}
