package netstack

import (
	"runtime"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

type tcpState tcp.EndpointState

// tcpState is an atomic load in gVisor.
func (s *stream) tcpState() tcpState { return tcpState(s.ep.State()) }

func (t tcpState) listening() bool { return tcp.EndpointState(t) == tcp.StateListen }

// connected reports that the handshake was completed and no error ended it.
func (t tcpState) connected() bool {
	switch tcp.EndpointState(t) {
	case tcp.StateEstablished, tcp.StateFinWait1, tcp.StateFinWait2, tcp.StateTimeWait,
		tcp.StateCloseWait, tcp.StateLastAck, tcp.StateClosing:
		return true
	}
	return false
}

// gone reports an endpoint that an error ended.
func (t tcpState) gone() bool { return tcp.EndpointState(t) == tcp.StateError }

// resetAfterFin reports a reset in CLOSE-WAIT: gVisor goes to CLOSE then, not to
// Error (handleReset). On every other way there our own FIN was sent.
func (s *stream) resetAfterFin(t tcpState) bool {
	return tcp.EndpointState(t) == tcp.StateClose && s.up.Load() && !s.finSent.Load()
}

// State computes the raw state from gVisor's. Readiness cannot be passed on:
// data and end of stream are one bit of it, and a closed endpoint is ready for
// all (spi-notes 1.1). RdHUp is exact as long as only the peer has sent FIN, and
// is seen already inside the wake for the FIN, when the state is still ESTABLISHED.
func (s *stream) State() base.State {
	st := tcp.EndpointState(s.tcpState())
	switch st {
	case tcp.StateBound:
		if s.door.queue.Load() == nil {
			return base.State{}
		}
		return base.State{Phase: base.Listening, Acceptable: s.door.acceptable()}
	case tcp.StateInitial:
		return base.State{}
	case tcp.StateListen:
		return base.State{Phase: base.Listening, Acceptable: s.ep.Readiness(waiter.EventIn) != 0 || s.door.acceptable()}
	case tcp.StateConnecting, tcp.StateSynSent, tcp.StateSynRecv:
		return base.State{Phase: base.Connecting}
	}
	ready := s.ep.Readiness(waiter.EventIn | waiter.EventOut | waiter.EventRdHUp)
	switch {
	case st == tcp.StateEstablished && ready&waiter.EventRdHUp == 0:
		s.established()
		return base.State{
			Phase:    base.Connected,
			Readable: ready&waiter.EventIn != 0,
			Writable: ready&waiter.EventOut != 0,
		}
	case (st == tcp.StateFinWait1 || st == tcp.StateFinWait2) && ready&waiter.EventIn == 0:
		return base.State{Phase: base.Connected, Drained: st == tcp.StateFinWait2}
	case !s.gate.outside():
		return s.before(st, ready)
	}
	return s.settled(ready)
}

func (s *stream) established() {
	if !s.up.Load() {
		s.up.Store(true)
	}
}

// before is the state that a State inside a wake shows of a stream whose end it
// may not look into: nothing new. The wake is repeated.
func (s *stream) before(st tcp.EndpointState, ready waiter.EventMask) base.State {
	if st == tcp.StateError && !s.up.Load() {
		return base.State{Phase: base.Connecting}
	}
	s.established()
	return base.State{
		Phase:    base.Connected,
		Writable: st == tcp.StateCloseWait && ready&waiter.EventOut != 0,
	}
}

// settled is the state of a stream that is ending, asked under its lock: what
// the lock's holder does to it is done then.
func (s *stream) settled(ready waiter.EventMask) base.State {
	now := base.State{Phase: base.Connected, Readable: s.Queued() > 0}
	switch st := tcp.EndpointState(s.tcpState()); st {
	case tcp.StateError:
		now.Phase, now.Err, now.Drained = base.Dead, s.cause(), true
		return now
	case tcp.StateClose:
		if !s.up.Load() { // a listener that failed; Listen said why
			return base.State{}
		}
		now.PeerClosed, now.Drained = true, true
		if now.Err = s.cause(); now.Err != 0 {
			now.Phase = base.Dead
		}
	case tcp.StateTimeWait:
		now.PeerClosed, now.Drained = true, true
	case tcp.StateLastAck, tcp.StateClosing:
		now.PeerClosed = true
	case tcp.StateCloseWait:
		now.PeerClosed, now.Writable = true, ready&waiter.EventOut != 0
	case tcp.StateFinWait2:
		now.Drained = true
	case tcp.StateEstablished:
		now.Writable = ready&waiter.EventOut != 0
	}
	s.established()
	return now
}

// cause is why the stream is dead, 0 while it lives. gVisor gives the error away
// once, to whoever asks first: it is taken once and kept. Not from a wake.
func (s *stream) cause() wsa.Errno {
	if e := s.err.Load(); e != 0 {
		return wsa.Errno(e)
	}
	switch st := s.tcpState(); {
	case s.resetAfterFin(st):
		return s.die(wsa.ECONNRESET)
	case !st.gone():
		return 0
	}
	s.death.Lock()
	defer s.death.Unlock()
	if err := s.ep.LastError(); err != nil {
		return s.die(errno(opDead, err))
	}
	// A Send or Recv that runs beside us has just been given it and is about to
	// keep it.
	for range patience {
		if e := s.err.Load(); e != 0 {
			return wsa.Errno(e)
		}
		runtime.Gosched()
	}
	return s.die(wsa.ECONNABORTED)
}

// patience is how often cause yields for the holder of the error. It needs one
// turn on a processor; should gVisor have lost the error, the stream must still end.
const patience = 10000

// die keeps the first cause.
func (s *stream) die(e wsa.Errno) wsa.Errno {
	s.err.CompareAndSwap(0, uint32(e))
	return wsa.Errno(s.err.Load())
}
